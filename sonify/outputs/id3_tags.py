"""ID3 version 2.4 in front of an MP3: texts, and a chapter for each marker (ID3v2 Chapter Frame Addendum 1.0)."""

from __future__ import annotations

import struct
from pathlib import Path

from sonify.outputs.about import About, one_line
from sonify.outputs.prefix import replace_prefix

__all__ = ["read_id3_comments", "write_id3_tags"]

_HEADER_BYTES = 10
_UTF8 = b"\x03"
_NO_OFFSET = 0xFFFFFFFF
_MOST_CHAPTERS = 255
_TOP_LEVEL_IN_ORDER = 3
_TEXT_FRAMES = {"TITLE": "TIT2", "DATE": "TDRC", "ENCODED_BY": "TENC"}


def write_id3_tags(path: Path, about: About, length_s: float) -> None:
    """Replace the tag of a whole file; raises OSError."""
    frames = b""
    for name, text in about.fields().items():
        known = _TEXT_FRAMES.get(name)
        if known:
            frames += _text_frame(known, text)
        else:
            frames += _frame("TXXX", _UTF8 + name.encode() + b"\0" + text.encode())
    frames += _chapters(about, length_s)
    with path.open("rb") as file:
        old_bytes = _tag_bytes(file.read(_HEADER_BYTES))
    replace_prefix(path, old_bytes, b"ID3\x04\x00\x00" + _seven_bit(len(frames)) + frames)


def read_id3_comments(path: Path) -> dict[str, str]:
    """Texts with a name (TXXX) of a file, names in upper case; raises OSError, ValueError where there is no tag."""
    with path.open("rb") as file:
        size = _tag_bytes(file.read(_HEADER_BYTES)) - _HEADER_BYTES
        if size < 0:
            raise ValueError("no ID3 tag")
        data = file.read(size)
    found: dict[str, str] = {}
    place = 0
    while place + _HEADER_BYTES <= len(data) and data[place] != 0:
        name, length = data[place : place + 4], _number(data[place + 4 : place + 8])
        body = data[place + _HEADER_BYTES : place + _HEADER_BYTES + length]
        if name == b"TXXX" and body[:1] == _UTF8:
            key, _, text = body[1:].decode("utf-8", "replace").partition("\0")
            found[key.upper()] = text.rstrip("\0")
        place += _HEADER_BYTES + length
    return found


def _chapters(about: About, length_s: float) -> bytes:
    chosen = [marker for marker in about.markers if 0.0 <= marker.time_s < length_s][:_MOST_CHAPTERS]
    if not chosen:
        return b""
    begins = [round(marker.time_s * 1000.0) for marker in chosen]
    ends = [*begins[1:], round(length_s * 1000.0)]
    names = [f"chapter{number}".encode() + b"\0" for number in range(len(chosen))]
    table = b"toc\0" + bytes([_TOP_LEVEL_IN_ORDER, len(names)]) + b"".join(names)
    frames = _frame("CTOC", table)
    for name, marker, begin, end in zip(names, chosen, begins, ends, strict=True):
        times = struct.pack(">IIII", begin, max(end, begin + 1), _NO_OFFSET, _NO_OFFSET)
        frames += _frame("CHAP", name + times + _text_frame("TIT2", one_line(marker.text)))
    return frames


def _text_frame(name: str, text: str) -> bytes:
    return _frame(name, _UTF8 + text.encode())


def _frame(name: str, body: bytes) -> bytes:
    return name.encode() + _seven_bit(len(body)) + b"\0\0" + body


def _seven_bit(number: int) -> bytes:
    """28 bits in four bytes, none of which looks like the beginning of an MP3 frame."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def _number(data: bytes) -> int:
    value = 0
    for byte in data:
        value = value << 7 | (byte & 0x7F)
    return value


def _tag_bytes(head: bytes) -> int:
    """Length of the tag that a file begins with, from its first ten bytes; 0 without one."""
    return _HEADER_BYTES + _number(head[6:10]) if head[:3] == b"ID3" else 0
