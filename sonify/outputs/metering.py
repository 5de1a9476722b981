"""A sink that only listens: loudness and true peak of all that passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.meter import LoudnessMeter

__all__ = ["MeterSink"]


class MeterSink(LoudnessMeter):
    """A loudness meter that takes audio as outputs do."""

    def write(self, audio: NDArray[np.float32]) -> None:
        """Hear audio, shape (frames, channels)."""
        self.process(audio.T)
