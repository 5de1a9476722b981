"""Loudness as files say it: integrated, highest momentary, true peak."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.meter import LoudnessMeter
from sonify.outputs.about import Loudness

__all__ = ["FileMeter"]


class FileMeter:
    """A sink that listens, and remembers the loudest 400 ms.

    Parameters
    ----------
    sample_rate_hz : int
        A multiple of 10.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._meter = LoudnessMeter(sample_rate_hz, 2)
        self._step_frames = sample_rate_hz // 10
        self._filled = 0
        self._highest_lufs = -math.inf

    def write(self, audio: NDArray[np.float32]) -> None:
        """Hear audio, shape (frames, 2)."""
        begin = 0
        while begin < len(audio):
            end = min(begin + self._step_frames - self._filled, len(audio))
            self._meter.process(audio[begin:end].T)
            self._filled = (self._filled + end - begin) % self._step_frames
            if self._filled == 0:
                self._highest_lufs = max(self._highest_lufs, self._meter.momentary_lufs())
            begin = end

    def loudness(self) -> Loudness:
        """All of it so far; NaN, or −inf for the momentary loudness, under 400 ms."""
        return Loudness(self._meter.integrated_lufs(), self._highest_lufs, self._meter.true_peak_dbtp())
