"""Audio put aside on the disk between two passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.errors import RenderError
from sonify.outputs.audio_file import failure_text

__all__ = ["Spool"]

Float32 = NDArray[np.float32]

_BLOCK_FRAMES = 48_000


class Spool:
    """A sink, and then a source of the same audio as often as needed; `remove` it in the end.

    Parameters
    ----------
    path : Path
        Of a temporary file.

    Raises
    ------
    RenderError
        From any method, where the disk is full or fails.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("w+b")
        except OSError as error:
            raise RenderError(f"{path}: cannot be written: {failure_text(error, path.parent)}") from None

    def write(self, audio: Float32) -> None:
        """Append audio, shape (frames, 2)."""
        try:
            self._file.write(np.ascontiguousarray(audio, np.float32).data.cast("B"))
        except OSError as error:
            raise RenderError(f"{self._path}: writing failed: {failure_text(error, self._path.parent)}") from None

    def blocks(self) -> Iterator[Float32]:
        """All of it, in blocks of shape (frames, 2)."""
        try:
            self._file.flush()
            self._file.seek(0)
        except OSError as error:
            raise RenderError(f"{self._path}: writing failed: {failure_text(error, self._path.parent)}") from None
        while data := self._file.read(_BLOCK_FRAMES * 8):
            yield np.frombuffer(data, np.float32).reshape(-1, 2)

    def remove(self) -> None:
        """Drop it."""
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)
