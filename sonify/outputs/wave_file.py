"""WAV and RF64 (EBU Tech 3306), written as a stream: the header is right from the start, for the length is known."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.dither import dither_to_int16
from sonify.outputs.about import About
from sonify.outputs.wave_chunks import coding_history, describing_chunks, marker_chunks

__all__ = ["WaveFile", "rounded_to_16", "whole_numbers"]

_BITS = {"16": 16, "24": 24, "32f": 32}
_LIMIT_BYTES = 2**32 - 2**16  # sizes in a WAV header have 32 bits; past this RF64 is needed
_IN_DS64 = 0xFFFFFFFF
_PCM, _FLOAT = 1, 3


def whole_numbers(audio: NDArray[np.float32], bits: int) -> NDArray[np.int32]:
    """Round audio in [−1, 1] to the nearest of `bits` bits; the same for all kinds of files."""
    highest = float(2 ** (bits - 1) - 1)
    return np.asarray(np.rint(np.clip(audio, -1.0, 1.0).astype(np.float64) * highest), dtype=np.int32)


def rounded_to_16(audio: NDArray[np.float32], first_frame: int, dither: bool) -> NDArray[np.int16]:
    """Round audio (frames, channels) that begins at `first_frame` to 16 bits, with triangular dither or without."""
    if not dither:
        return whole_numbers(audio, 16).astype(np.int16)
    rounded = np.empty(audio.shape, np.int16)
    dither_to_int16(np.ascontiguousarray(audio), first_frame, rounded)
    return rounded


class WaveFile:
    """Samples and what is said about them.

    Parameters
    ----------
    path : Path
        Created, or written over.
    rate_hz, num_channels, num_frames : int
        As usual.
    depth : str
        ``16``, ``24`` or ``32f``.
    dither : bool
        Triangular dither, for 16 bits.
    about : About or None
        None: samples only.

    Raises
    ------
    OSError
        From any method.
    """

    def __init__(
        self,
        path: Path,
        *,
        rate_hz: int,
        num_channels: int,
        num_frames: int,
        depth: str,
        dither: bool = True,
        about: About | None = None,
    ) -> None:
        self._rate_hz, self._num_channels, self._num_frames = rate_hz, num_channels, num_frames
        self._depth, self._dither, self._about = depth, dither, about
        self._written = 0
        self._data_bytes = num_frames * num_channels * _BITS[depth] // 8
        self._after = b"\0" * (self._data_bytes % 2)
        if about is not None:
            self._after += marker_chunks(about, rate_hz, num_frames)
        self._file = path.open("wb", buffering=0)
        self._write_all(self._header(about))

    def _header(self, about: About | None) -> bytes:
        bits = _BITS[self._depth]
        kind = _FLOAT if self._depth == "32f" else _PCM
        frame_bytes = self._num_channels * bits // 8
        form = struct.pack(
            "<4sIHHIIHH",
            b"fmt ",
            16 if kind == _PCM else 18,
            kind,
            self._num_channels,
            self._rate_hz,
            self._rate_hz * frame_bytes,
            frame_bytes,
            bits,
        )
        big = self._data_bytes > _LIMIT_BYTES
        if kind == _FLOAT:
            form += struct.pack("<H4sII", 0, b"fact", 4, _IN_DS64 if big else self._num_frames)
        if about is not None:
            history = coding_history(about, self._rate_hz, self._num_channels, bits)
            form = describing_chunks(about, self._rate_hz, history) + form
        riff_bytes = 4 + (36 if big else 0) + len(form) + 8 + self._data_bytes + len(self._after)
        if not big:
            head = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
            return head + form + struct.pack("<4sI", b"data", self._data_bytes)
        head = struct.pack("<4sI4s", b"RF64", _IN_DS64, b"WAVE")
        head += struct.pack("<4sIQQQI", b"ds64", 28, riff_bytes, self._data_bytes, self._num_frames, 0)
        return head + form + struct.pack("<4sI", b"data", _IN_DS64)

    def write(self, audio: NDArray[np.float32]) -> None:
        """Append audio, shape (frames, channels)."""
        data: NDArray[np.generic]
        if self._depth == "16":
            data = rounded_to_16(audio, self._written, self._dither)
        elif self._depth == "24":
            data = whole_numbers(audio, 24).astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3]
        else:
            data = audio.astype("<f4", copy=False)
        if data.any():
            self._write_all(np.ascontiguousarray(data).data.cast("B"))
        else:  # a hole in the file: stems are silent for long stretches
            self._file.seek(data.nbytes, os.SEEK_CUR)
        self._written += len(audio)

    def describe(self, about: About) -> None:
        """Say what is known only now; markers and gain cannot change any more."""
        self._about = about

    def close(self) -> None:
        """Finish the file; frames that are missing stay missing."""
        try:
            self._file.truncate()
            if self._written == self._num_frames:
                self._write_all(self._after)
                if self._about is not None:
                    self._file.seek(0)
                    self._write_all(self._header(self._about))
        finally:
            self._file.close()

    def _write_all(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while len(rest):
            rest = rest[self._file.write(rest) :]
