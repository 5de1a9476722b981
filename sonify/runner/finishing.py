"""What is done to a finished mix on its way to a file: gain, sample rate, and a ceiling that holds after both.

A new rate draws the wave anew between other points, and a gain lifts it: the limiter of the mix knows neither. So it
stands here again, behind them. What it does not have to touch passes bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.mix.stems import LIMITER_LATENCY_FRAMES, Ceiling
from sonify.outputs.resampled import Resampler
from sonify.units import gain_from_db

__all__ = ["Finish", "frames_at"]

Float32 = NDArray[np.float32]


class _Sink(Protocol):
    def write(self, audio: Float32) -> None: ...


class _Stage:
    """Hand a stream of blocks of any length to something that wants whole quanta and is late, and set that right.

    Parameters
    ----------
    process : callable
        Takes whole quanta, shape (frames, channels).
    ahead_frames : int
        Silence in front of the stream.
    late_frames : int
        Left out of what comes.
    frames : int
        How many are wanted in all.
    """

    def __init__(self, process: Callable[[Float32], Float32], ahead_frames: int, late_frames: int, frames: int) -> None:
        self._process = process
        self._waiting = np.zeros((ahead_frames, 2), np.float32)
        self._late, self._left = late_frames, frames

    def write(self, audio: Float32) -> Float32:
        heard = np.concatenate([self._waiting, audio]) if len(self._waiting) else audio
        whole = len(heard) // QUANTUM_FRAMES * QUANTUM_FRAMES
        self._waiting = heard[whole:].copy()
        return self._passed(self._process(heard[:whole])) if whole else heard[:0]

    def rest(self) -> Float32:
        """Push out what is still inside by silence; shape (frames, 2)."""
        blocks = [np.zeros((0, 2), np.float32)]
        while self._left > 0:
            blocks.append(self.write(np.zeros((10 * QUANTUM_FRAMES, 2), np.float32)))
        return np.concatenate(blocks)

    def _passed(self, audio: Float32) -> Float32:
        dropped = min(self._late, len(audio))
        self._late -= dropped
        kept = audio[dropped : dropped + self._left]
        self._left -= len(kept)
        return kept


def frames_at(num_frames: int, rate_hz: int) -> int:
    """Length at another rate of what is `num_frames` at the engine's."""
    return -(-num_frames * rate_hz // SAMPLE_RATE_HZ)


class Finish:
    """A sink for the engine's audio that passes it on as it is to be written.

    Parameters
    ----------
    sinks : sequence of sinks
        Get shape (frames, 2) at `rate_hz`: `frames_at` of the length in all, in step with what comes in.
    num_frames : int
        That will come, at the engine's rate.
    rate_hz : int
        A multiple of 100.
    gain_db : float
        Of everything.
    ceiling_dbtp : float or None
        True peak that is not passed; None: no limiter, as stems have it.
    """

    def __init__(
        self,
        sinks: tuple[_Sink, ...],
        *,
        num_frames: int,
        rate_hz: int = SAMPLE_RATE_HZ,
        gain_db: float = 0.0,
        ceiling_dbtp: float | None = None,
    ) -> None:
        self._sinks = sinks
        self._gain = np.float32(gain_from_db(gain_db))
        self._stages = []
        frames = frames_at(num_frames, rate_hz)
        if rate_hz != SAMPLE_RATE_HZ:
            self._stages.append(_resampling(rate_hz, frames))
        self._limits = ceiling_dbtp is not None and (rate_hz != SAMPLE_RATE_HZ or gain_db > 0.0)
        if ceiling_dbtp is not None and self._limits:
            ceiling = Ceiling(ceiling_dbtp, float(self._gain))
            self._stages.append(_Stage(ceiling.process, 0, LIMITER_LATENCY_FRAMES, frames))

    def write(self, audio: Float32) -> None:
        """Take audio, shape (frames, 2), at the engine's rate."""
        if not self._limits and self._gain != 1.0:
            audio = audio * self._gain
        for stage in self._stages:
            audio = stage.write(audio)
        self._pass_on(audio)

    def finish(self) -> None:
        """Pass on what is still inside."""
        for index, stage in enumerate(self._stages):
            audio = stage.rest()
            for after in self._stages[index + 1 :]:
                audio = after.write(audio)
            self._pass_on(audio)

    def _pass_on(self, audio: Float32) -> None:
        if len(audio):
            for sink in self._sinks:
                sink.write(audio)


def _resampling(rate_hz: int, frames: int) -> _Stage:
    """Resample in step with the input: silence ahead makes the filter's delay a whole number of frames."""
    resampler = Resampler(rate_hz)
    common = math.gcd(rate_hz, SAMPLE_RATE_HZ)
    up, down = rate_hz // common, SAMPLE_RATE_HZ // common
    late = resampler.latency_frames * up  # in frames at the common multiple of both rates
    ahead = next(frames for frames in range(down) if round(late + frames * up) % down == 0)
    return _Stage(resampler.process, ahead, round(late + ahead * up) // down, frames)
