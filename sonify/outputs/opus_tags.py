"""The comment header of Opus in Ogg (RFC 7845, RFC 3533): its page is made anew, and all other pages stay.

It fits one page, so that no page behind it has to be numbered again.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from sonify.outputs.about import About
from sonify.outputs.comments import comment_pairs, pack_comments, unpack_comments
from sonify.outputs.prefix import replace_prefix

__all__ = ["read_opus_comments", "write_opus_tags"]

_HEAD = struct.Struct("<4sBBqIIIB")
_MAGIC = b"OpusTags"
_LACE = 255
_MOST_BYTES = 254 * _LACE  # of a packet in one page: the last lace must be shorter
_POLYNOMIAL = 0x04C11DB7


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (_POLYNOMIAL if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


def _crc(data: bytes) -> int:
    table, value = _crc_table(), 0
    for byte in data:
        value = ((value << 8) & 0xFFFFFFFF) ^ table[(value >> 24) ^ byte]
    return value


def write_opus_tags(path: Path, about: About) -> None:
    """Replace the comments of a whole file; raises OSError, ValueError for what is no such file."""
    with path.open("rb") as file:
        begin_head, begin_data = _page(file)
        old_head, old_data = _page(file)
        audio_begin = file.tell()
    if not old_data.startswith(_MAGIC) or old_head[-1][-1:] == bytes([_LACE]):
        raise ValueError("the comments do not fit one page")
    pairs = comment_pairs(about)
    packet = _MAGIC + pack_comments(f"sonify {about.version}", pairs, most_bytes=_MOST_BYTES - len(_MAGIC))
    laces = bytes([_LACE] * (len(packet) // _LACE) + [len(packet) % _LACE])
    replace_prefix(path, audio_begin, _sealed(begin_head, begin_data) + _sealed((*old_head[:-1], laces), packet))


def read_opus_comments(path: Path) -> dict[str, str]:
    """Comments of a file, as far as they stand in one page; raises OSError, ValueError for what is no such file."""
    with path.open("rb") as file:
        _page(file)
        _, data = _page(file)
    if not data.startswith(_MAGIC):
        raise ValueError("not an Opus file")
    return unpack_comments(data[len(_MAGIC) :])


def _page(file: BinaryIO) -> tuple[tuple[int, int, int, int, bytes], bytes]:
    """Read flags, position, serial, number and laces of the next page, and what is in it."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or head[:4] != b"OggS":
        raise ValueError("not an Ogg file")
    _, _, flags, position, serial, number, _, num_laces = _HEAD.unpack(head)
    laces = file.read(num_laces)
    return (flags, position, serial, number, laces), file.read(sum(laces))


def _sealed(head: tuple[int, int, int, int, bytes], data: bytes) -> bytes:
    flags, position, serial, number, laces = head

    def page(crc: int) -> bytes:
        return _HEAD.pack(b"OggS", 0, flags, position, serial, number, crc, len(laces)) + laces + data

    return page(_crc(page(0)))
