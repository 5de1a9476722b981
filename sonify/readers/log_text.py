"""Lines of a text file, plain or gzip, in flat memory whatever is in it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, cast

from sonify.errors import ReaderError

__all__ = ["MAX_LINE_BYTES", "LineSplitter", "first_lines", "is_gzip", "open_bytes", "read_lines"]

MAX_LINE_BYTES = 1_048_576
_BLOCK_BYTES = 1_048_576
_UNREADABLE = "\ufffd"  # stands for a line that is too long or not UTF-8: no format begins like this


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ReaderError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, decompressed where it is gzip."""
    return cast("IO[bytes]", gzip.open(path)) if is_gzip(path) else path.open("rb")


class LineSplitter:
    """Cut blocks of bytes into lines; what is after the last line break waits for the next block."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_overlong = False  # in the middle of a line that was given up

    def split(self, block: bytes) -> list[str]:
        """Lines that a block completes, without their ends."""
        head, newline, tail = block.rpartition(b"\n")
        if not newline:
            self._keep(tail)
            return []
        lines = (self._rest + head).split(b"\n") if self._rest else head.split(b"\n")
        if self._is_overlong:
            lines[0], self._is_overlong = _UNREADABLE.encode(), False
        self._rest = b""
        self._keep(tail)
        return _decode(lines)

    def _keep(self, tail: bytes) -> None:
        if self._is_overlong or len(self._rest) + len(tail) > MAX_LINE_BYTES:
            self._rest, self._is_overlong = b"", True
        else:
            self._rest += tail

    def finish(self) -> list[str]:
        """Return the last line, where the file does not end with a line break."""
        lines = [_UNREADABLE.encode()] if self._is_overlong else [self._rest] if self._rest else []
        self._rest, self._is_overlong = b"", False
        return _decode(lines)


def _decode(lines: list[bytes]) -> list[str]:
    try:
        return b"\n".join(lines).decode().replace("\r\n", "\n").removesuffix("\r").split("\n") if lines else []
    except UnicodeDecodeError:
        return [_decode_one(line) for line in lines]


def _decode_one(line: bytes) -> str:
    try:
        return line.decode().removesuffix("\r")
    except UnicodeDecodeError:
        return _UNREADABLE


def read_lines(path: Path) -> Iterator[str]:
    """Go through the lines of a file; one that is too long or not UTF-8 comes as a line that nothing can read.

    Raises
    ------
    ReaderError
        The file cannot be read, or is damaged gzip.
    """
    return chain.from_iterable(_line_lists(path))


def _line_lists(path: Path) -> Iterator[list[str]]:
    splitter = LineSplitter()
    try:
        with open_bytes(path) as file:
            is_first = True
            while block := file.read(_BLOCK_BYTES):
                if is_first:
                    block, is_first = block.removeprefix(b"\xef\xbb\xbf"), False
                yield splitter.split(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ReaderError(f"{path}: damaged gzip data: {error}") from None
    except OSError as error:
        raise ReaderError(f"{path}: cannot be read: {error.strerror or error}") from None
    yield splitter.finish()


def first_lines(lines: Iterable[str], count: int) -> list[str]:
    """Take the first lines that are not blank."""
    found: list[str] = []
    for line in lines:
        if line and not line.isspace():
            found.append(line)
            if len(found) >= count:
                break
    return found
