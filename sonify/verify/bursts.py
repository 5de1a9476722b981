"""Count noise bursts in what is left of a step once its notes are taken out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.mapping.bars import slot_quanta
from sonify.mapping.preset import SoundPreset
from sonify.synth.bursts import make_bursts
from sonify.units import gain_from_db

__all__ = ["BurstCounter"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_ONSET = 0.4  # share of one glitch's power at which a burst has begun
_FLOOR_DB = -45.0  # how far a burst is followed down …
_OVER_FLOOR = 30.0  # … and to how many times the power of what else is left
_LEAST_WEIGHT = 1e-4


class BurstCounter:
    """Bursts of one preset: their band, decay and level.

    Parameters
    ----------
    preset : SoundPreset
        Whose bursts.
    """

    def __init__(self, preset: SoundPreset) -> None:
        glitches = preset.glitches
        self._level = gain_from_db(glitches.level)
        self._slot = slot_quanta(preset.arrangement)
        frames = self._slot * QUANTUM_FRAMES
        filtering = make_bursts(
            1, centre_hz=glitches.centre, q=glitches.q, decay_s=glitches.decay, sample_rate_hz=SAMPLE_RATE_HZ, seed=0
        ).filter
        turn = np.exp(-2j * np.pi * np.arange(frames // 2 + 1) / frames)
        response = np.abs(filtering[0] * (1.0 - turn**2) / (1.0 + filtering[1] * turn + filtering[2] * turn**2))
        hertz = np.arange(frames // 2 + 1) * SAMPLE_RATE_HZ / frames
        # the lower skirt is left out: gauges lie there, whose tremolo is badly known under a burst
        self._shape = np.where(hertz > glitches.centre / 2.0, response / response.max(), 0.0)
        # white noise in [−1, 1) has a power of 1/3; it passes the burst's own filter, and then this one
        self._power = float(np.mean(response**2 * self._shape**2) / 3.0)
        self._spacing = max(round(glitches.spacing * CONTROL_RATE_HZ), 1)
        self._decay = 10.0 ** (-6.0 / (glitches.decay * CONTROL_RATE_HZ))  # of power, a quantum
        sample_decay = self._decay ** (1.0 / QUANTUM_FRAMES)
        self._first = (1.0 - self._decay) / (1.0 - sample_decay) / QUANTUM_FRAMES  # mean power of the first quantum
        self._followed = max(int(_FLOOR_DB / (10.0 * np.log10(self._decay))), 1)

    def find(self, residual: Float64) -> list[tuple[int, float]]:
        """Quantum in which each burst begins, and its power as a multiple of one glitch's.

        Noise of known shape that decays: the likeliest power is the mean of what each quantum of it says.
        """
        spectrum = np.fft.rfft(residual) * self._shape
        power = np.fft.irfft(spectrum, len(residual)).reshape(self._slot, QUANTUM_FRAMES)
        heard = np.mean(power**2, axis=1) / (self._power * self._first * self._level**2)
        begins: list[int] = []
        found: list[tuple[int, float]] = []
        ringing = 0.0
        for quantum in range(self._slot):
            ringing *= self._decay
            free = not begins or quantum - begins[-1] >= self._spacing
            if free and heard[quantum] > _ONSET + 2.0 * ringing:
                begins.append(quantum)
                ringing = float(heard[quantum])
        floor = _OVER_FLOOR * float(heard.min())
        for begin, end in pairwise([*begins, self._slot]):
            fading = heard[begin] * self._decay ** np.arange(end - begin)
            last = begin + max(min(int(np.count_nonzero(fading > floor)), self._followed), 1)
            says = heard[begin:last] / self._decay ** np.arange(last - begin)
            found.append((begin, float(np.mean(says))))
        return found

    def count(self, residual: Float64) -> int:
        """Glitches in a step: at least its bursts, and where they were merged, how many these stand for together."""
        found = self.find(residual)
        return max(round(sum(power for _, power in found)), len(found))

    def weight(self, bursts: list[tuple[int, float]], noise: float) -> Float32:
        """How far each frame of a step counts where bursts lie over steady noise of an RMS level."""
        frames = np.arange(self._slot * QUANTUM_FRAMES)
        power = np.full(len(frames), noise**2 + 1e-14)
        sample_decay = self._decay ** (1.0 / QUANTUM_FRAMES)
        for begin, multiple in bursts:
            since = frames - begin * QUANTUM_FRAMES
            power += np.where(since >= 0, multiple * self._level**2 * sample_decay ** np.maximum(since, 0), 0.0)
        weight = np.sqrt(power.min() / power)
        return np.asarray(np.maximum(weight, _LEAST_WEIGHT), dtype=np.float32)
