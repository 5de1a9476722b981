"""Follow the end of a file that others write: appended lines, rotation, truncation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sonify.readers.log_text import LineSplitter

__all__ = ["LogTail"]

_MOST_BYTES = 16 * 1024 * 1024  # that one look takes
_BLOCK_BYTES = 1024 * 1024
_RECENT_LINES = 1000
_LINGER_S = 2.0  # writers may still have the old file open after a rotation


class _OpenFile:
    """One file that is read on, wherever its name has gone."""

    def __init__(self, path: Path, *, at_end: bool) -> None:
        self.file: IO[bytes] = path.open("rb", buffering=0)
        self.identity = _identity(os.fstat(self.file.fileno()))
        self._splitter = LineSplitter()
        self.recent: list[str] = []
        if at_end:
            # a line that is half written is taken whole
            size = os.fstat(self.file.fileno()).st_size
            self.file.seek(max(size - _BLOCK_BYTES, 0))
            self.recent = self._splitter.split(self.file.read(size - self.file.tell()))[-_RECENT_LINES:]

    def new_lines(self) -> list[str]:
        """Lines that were completed since; from the begin, where the file was cut off."""
        if os.fstat(self.file.fileno()).st_size < self.file.tell():
            self.file.seek(0)
            self._splitter = LineSplitter()
        lines: list[str] = []
        taken = 0
        while taken < _MOST_BYTES and (block := self.file.read(_BLOCK_BYTES)):
            taken += len(block)
            lines.extend(self._splitter.split(block))
        return lines


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


class LogTail:
    """Read what is appended to a log, from its present end on, through rotations.

    Parameters
    ----------
    path : Path
        The log.
    clock : callable
        Of a time that only grows, in s; for tests.

    Attributes
    ----------
    gone_since_s : float or None
        Since when no file of that name can be read, as the clock says; None while there is one.
    recent : list of str
        Lines just before the end where it began.

    Raises
    ------
    OSError
        There is no such file.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._current: _OpenFile = _OpenFile(path, at_end=True)
        self._old: list[tuple[_OpenFile, float]] = []
        self.gone_since_s: float | None = None
        self.recent = self._current.recent

    def new_lines(self) -> list[str]:
        """Take the lines that were completed since the last look, also of a file that was moved away."""
        lines: list[str] = []
        for old, _ in self._old:
            lines.extend(old.new_lines())
        lines.extend(self._current.new_lines())
        self._follow_name(lines)
        if lines and self.gone_since_s is not None:
            self.gone_since_s = self._clock()  # whoever writes has not opened a new file yet
        self._drop_old()
        return lines

    def _follow_name(self, lines: list[str]) -> None:
        try:
            if _identity(self._path.stat()) != self._current.identity:
                successor = _OpenFile(self._path, at_end=False)
                self._old.append((self._current, self._clock() + _LINGER_S))
                self._current = successor
                lines.extend(successor.new_lines())
            self.gone_since_s = None
        except OSError:
            if self.gone_since_s is None:
                self.gone_since_s = self._clock()

    def _drop_old(self) -> None:
        now_s = self._clock()
        for old, until_s in self._old:
            if now_s >= until_s:
                old.file.close()
        self._old = [(old, until_s) for old, until_s in self._old if now_s < until_s]

    def close(self) -> None:
        """Close all files."""
        for old, _ in self._old:
            old.file.close()
        self._current.file.close()
