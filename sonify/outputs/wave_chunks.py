"""Chunks of a WAV file beside its samples: bext (EBU Tech 3285), cue with labels, and INFO."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from sonify.outputs.about import About, Loudness, one_line

__all__ = ["chunk", "chunks_of", "coding_history", "describing_chunks", "gain_db_of_history", "marker_chunks"]

_FIXED_BEXT = struct.Struct("<256s32s32s10s8sIIH64s5h180s")
_UNKNOWN = 0x7FFF  # a loudness field that says nothing
_GAIN = "gain="


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk, padded to an even length."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def chunks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks in `data`; stops where they make no sense."""
    place = 0
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        yield name, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def describing_chunks(about: About, rate_hz: int, history: str) -> bytes:
    """Make ``bext`` version 2 and ``LIST INFO``; the length does not depend on the loudness."""
    reference = round(about.time_of_day_s * rate_hz)
    fixed = _FIXED_BEXT.pack(
        _ascii(about.description, 256),
        _ascii(f"sonify {about.version}", 32),
        b"",
        about.begin.strftime("%Y-%m-%d").encode(),
        about.begin.strftime("%H:%M:%S").encode(),
        reference & 0xFFFFFFFF,
        reference >> 32,
        2,
        b"",
        *_loudness_fields(about.loudness),
        b"",
    )
    info = b"INFO"
    for name, text in (("INAM", about.title), ("ISFT", f"sonify {about.version}"), ("ICMT", about.description)):
        if text:
            info += chunk(name.encode(), _text(text))
    info += chunk(b"ICRD", _text(about.begin.strftime("%Y-%m-%d")))
    return chunk(b"bext", fixed + history.encode("ascii", "replace")) + chunk(b"LIST", info)


def _loudness_fields(loudness: Loudness) -> tuple[int, int, int, int, int]:
    """Integrated loudness, range, true peak, highest momentary and short-term loudness, in hundredths."""

    def hundredths(value: float) -> int:
        return round(min(max(value, -99.99), 99.99) * 100.0) if math.isfinite(value) else _UNKNOWN

    return (
        hundredths(loudness.integrated_lufs),
        _UNKNOWN,
        hundredths(loudness.true_peak_dbtp),
        hundredths(loudness.highest_momentary_lufs),
        _UNKNOWN,
    )


def coding_history(about: About, rate_hz: int, num_channels: int, bits: int) -> str:
    """One line of a coding history, which also says the gain."""
    mode = "mono" if num_channels == 1 else "stereo"
    tool = f"sonify {about.version};{_GAIN}{about.gain_db:+.2f} dB"
    return f"A=PCM,F={rate_hz},W={bits},M={mode},T={tool}\r\n"


def gain_db_of_history(bext: bytes) -> float | None:
    """Gain that the coding history of a ``bext`` chunk says; None where it says none."""
    history = bext[_FIXED_BEXT.size :].decode("ascii", "replace")
    _, found, rest = history.rpartition(_GAIN)
    try:
        return float(rest.split(" ", 1)[0]) if found else None
    except ValueError:
        return None


def marker_chunks(about: About, rate_hz: int, num_frames: int) -> bytes:
    """Make ``cue`` and ``LIST adtl`` with a label each, and a region for what lasts; empty without markers."""
    points, labels, regions = b"", b"adtl", b""
    count = 0  # regions come behind all labels: ffmpeg reads no label behind one
    for marker in about.markers:
        place = round(marker.time_s * rate_hz)
        if not 0 <= place < min(num_frames, 2**32):
            continue
        count += 1
        points += struct.pack("<II4sIII", count, place, b"data", 0, 0, place)
        labels += chunk(b"labl", struct.pack("<I", count) + _text(marker.text))
        length = min(round(marker.length_s * rate_hz), num_frames - place, 2**32 - 1)
        if length > 0:
            regions += chunk(b"ltxt", struct.pack("<II4sHHHH", count, length, b"rgn ", 0, 0, 0, 0))
    if not count:
        return b""
    return chunk(b"cue ", struct.pack("<I", count) + points) + chunk(b"LIST", labels + regions)


def _ascii(text: str, size: int) -> bytes:
    return one_line(text, size).encode("ascii", "replace")[:size]


def _text(text: str) -> bytes:
    return one_line(text).encode("utf-8") + b"\0"
