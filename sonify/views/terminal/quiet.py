"""Keep the terminal to the view: what other code writes to stderr would tear the picture.

Python's own streams are taken care of by textual; but audio libraries written in C (ALSA and JACK clients) complain on
file descriptor 2 directly, for hours if need be. While the view runs the descriptor leads into a pipe, of which the
newest lines are kept; the view itself writes to a copy of the terminal.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

__all__ = ["quiet_stderr"]

_KEPT_LINES = 20


@contextmanager
def quiet_stderr() -> Iterator[deque[str]]:
    """Redirect descriptor 2 until the block ends; gives the newest lines that were written to it."""
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    original = sys.__stderr__
    try:
        if original is None or original.fileno() != 2:
            raise OSError
        terminal = os.dup(2)
    except (OSError, ValueError):
        yield kept
        return
    read_end, write_end = os.pipe()
    original.flush()
    os.dup2(write_end, 2)
    os.close(write_end)
    reader = Thread(target=_drain, args=(read_end, kept), name="sonify-stderr", daemon=True)
    reader.start()
    copy = os.fdopen(terminal, "w", encoding="utf-8", errors="replace", buffering=1)
    sys.__stderr__ = copy  # type: ignore[misc]  # where textual writes
    try:
        yield kept
    finally:
        sys.__stderr__ = original  # type: ignore[misc]
        copy.flush()
        original.flush()
        os.dup2(copy.fileno(), 2)  # closes the last writing end: the reader ends
        reader.join(1.0)
        copy.close()


def _drain(read_end: int, kept: deque[str]) -> None:
    with os.fdopen(read_end, encoding="utf-8", errors="replace") as pipe:
        while line := pipe.readline(4096):
            kept.append(line.rstrip("\n"))
