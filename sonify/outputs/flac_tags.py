"""Comments and a cue sheet in the metadata blocks of a FLAC file (RFC 9639)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from sonify.outputs.about import About
from sonify.outputs.comments import comment_pairs, pack_comments, unpack_comments
from sonify.outputs.prefix import replace_prefix

__all__ = ["read_flac_comments", "write_flac_tags"]

_MAGIC = b"fLaC"
_PADDING, _COMMENT, _CUE_SHEET = 1, 4, 5
_LAST = 0x80
_MOST_BYTES = 2**24 - 1  # of a block
_MOST_TRACKS = 254
_LEAD_OUT = 255


def write_flac_tags(path: Path, about: About, rate_hz: int, num_frames: int) -> None:
    """Replace the comments and the cue sheet of a whole file; raises OSError, ValueError for what is no FLAC."""
    with path.open("rb") as file:
        kept = [block for block in _blocks(file) if block[0] not in (_PADDING, _COMMENT, _CUE_SHEET)]
        audio_begin = file.tell()
    comments = pack_comments(f"sonify {about.version}", comment_pairs(about), most_bytes=_MOST_BYTES)
    sheet = _cue_sheet(about, rate_hz, num_frames)
    # the sheet has no names: ffmpeg takes those of the comments where they come behind it
    blocks = [*kept, *([(_CUE_SHEET, sheet)] if sheet else []), (_COMMENT, comments)]
    head = _MAGIC
    for index, (kind, data) in enumerate(blocks):
        last = _LAST if index == len(blocks) - 1 else 0
        head += bytes([kind | last]) + len(data).to_bytes(3, "big") + data
    replace_prefix(path, audio_begin, head)


def read_flac_comments(path: Path) -> dict[str, str]:
    """Comments of a file; raises OSError, ValueError for what is no FLAC."""
    with path.open("rb") as file:
        for kind, data in _blocks(file):
            if kind == _COMMENT:
                return unpack_comments(data)
    return {}


def _blocks(file: BinaryIO) -> list[tuple[int, bytes]]:
    """All metadata blocks; the file is left where the audio begins."""
    if file.read(4) != _MAGIC:
        raise ValueError("not a FLAC file")
    blocks = []
    last = False
    while not last:
        head = file.read(4)
        if len(head) < 4:
            raise ValueError("a FLAC file that ends in its header")
        last = bool(head[0] & _LAST)
        blocks.append((head[0] & ~_LAST, file.read(int.from_bytes(head[1:], "big"))))
    return blocks


def _cue_sheet(about: About, rate_hz: int, num_frames: int) -> bytes:
    """Make a track for each marker, each with one index, and the lead-out; empty without markers."""
    places = [round(marker.time_s * rate_hz) for marker in about.markers]
    places = sorted({place for place in places if 0 <= place < num_frames})[:_MOST_TRACKS]
    if not places:
        return b""
    sheet = struct.pack(">128sQ259sB", b"", 0, b"", len(places) + 1)
    for number, place in enumerate(places, 1):
        sheet += struct.pack(">QB12sB13sB", place, number, b"", 0, b"", 1) + struct.pack(">QB3s", 0, 1, b"")
    return sheet + struct.pack(">QB12sB13sB", num_frames, _LEAD_OUT, b"", 0, b"", 0)
