"""A FIFO between the engine's fixed quantum and blocks of any other size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fifo"]

Float32 = NDArray[np.float32]


class Fifo:
    """Hand out audio in blocks of any size.

    Parameters
    ----------
    produce : callable
        Makes the next stretch of audio, shape (frames, channels), at least one frame; called only when more is needed.
    """

    def __init__(self, produce: Callable[[], Float32]) -> None:
        self._produce = produce
        self._rest: Float32 | None = None

    def read(self, num_frames: int) -> Float32:
        """Return the next `num_frames` frames, shape (num_frames, channels)."""
        parts = [] if self._rest is None else [self._rest]
        ready = sum(len(part) for part in parts)
        while ready < num_frames:
            parts.append(self._produce())
            ready += len(parts[-1])
        audio = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self._rest = audio[num_frames:]
        return audio[:num_frames]
