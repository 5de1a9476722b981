"""Vorbis comments, and chapters in them: what FLAC and Opus say about their sound."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from sonify.outputs.about import About, one_line

__all__ = ["comment_pairs", "pack_comments", "unpack_comments"]


def comment_pairs(about: About) -> list[tuple[str, str]]:
    """Names and texts; each marker is a chapter, as players and ffmpeg read them."""
    pairs = list(about.fields().items())
    for number, marker in enumerate(about.markers[:999], 1):
        milliseconds = round(max(marker.time_s, 0.0) * 1000.0)
        minutes, rest = divmod(milliseconds, 60_000)
        clock = f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
        pairs += [(f"CHAPTER{number:03d}", clock), (f"CHAPTER{number:03d}NAME", one_line(marker.text))]
    return pairs


def pack_comments(vendor: str, pairs: Iterable[tuple[str, str]], *, most_bytes: int) -> bytes:
    """Pack comments; those that do not fit into `most_bytes` are left out, the last ones first."""
    name = vendor.encode()
    size, entries = 8 + len(name), []
    for key, text in pairs:
        entry = f"{key}={text}".encode()
        if size + 4 + len(entry) > most_bytes:
            break
        size += 4 + len(entry)
        entries.append(struct.pack("<I", len(entry)) + entry)
    return struct.pack("<I", len(name)) + name + struct.pack("<I", len(entries)) + b"".join(entries)


def unpack_comments(data: bytes) -> dict[str, str]:
    """Unpack comments as far as they make sense; names in upper case."""
    found: dict[str, str] = {}
    place = 4 + int.from_bytes(data[:4], "little")
    count = int.from_bytes(data[place : place + 4], "little")
    place += 4
    while count > 0 and place + 4 <= len(data):
        size = int.from_bytes(data[place : place + 4], "little")
        name, _, text = data[place + 4 : place + 4 + size].decode("utf-8", "replace").partition("=")
        found[name.upper()] = text
        place, count = place + 4 + size, count - 1
    return found
