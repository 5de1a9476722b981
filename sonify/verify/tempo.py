"""Read the queue's depth off its pulse: a raised cosine whose tempo, and at first whose level, grows with the depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.preset import Gauges
from sonify.units import gain_from_db

__all__ = ["PulseReader"]

Float64 = NDArray[np.float64]

_SILENT = 0.02  # share of the pulse's level below which there is none: noise of bursts reaches that far
_CANDIDATES = 500
_REFINEMENTS = 4


class PulseReader:
    """Match the pulse's envelope over a bar with what each depth would sound like.

    Parameters
    ----------
    gauges : Gauges
        Level, and the curve from depth to tempo.
    tremolo : array (terms, quanta)
        Series by which a step's envelope was fitted: candidates are seen through the same series.
    """

    def __init__(self, gauges: Gauges, tremolo: Float64) -> None:
        self._level = gain_from_db(gauges.pulse_level)
        depths, tempi = (np.array(column) for column in zip(*gauges.pulse_rate, strict=True))
        self._depths, self._tempi = depths, tempi
        self._seen_through = np.linalg.pinv(tremolo) @ tremolo
        positive = max(float(depths[depths > 0.0].min(initial=1.0)), 1e-3)
        low = np.linspace(0.0, min(positive, 1.0), 40)[1:]
        self._grid = np.unique(np.append(low, np.geomspace(low[-1], depths[-1], _CANDIDATES)))

    def depth(self, quanta: NDArray[np.int64], envelope: Float64) -> float:
        """Depth of the queue.

        Parameters
        ----------
        quanta : array (steps, quanta a step)
            Times.
        envelope : array (steps, quanta a step)
            The pulse's amplitude then.
        """
        if np.sqrt(np.mean(envelope**2)) < _SILENT * self._level:
            return 0.0
        grid = self._grid
        for _ in range(_REFINEMENTS):
            errors = self._errors(grid, quanta, envelope)
            best = int(np.argmin(errors))
            grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], 21)
        return float(grid[int(np.argmin(self._errors(grid, quanta, envelope)))])

    def _errors(self, depths: Float64, quanta: NDArray[np.int64], envelope: Float64) -> Float64:
        """Squared error of each candidate at its best phase."""
        turns = np.interp(depths, self._depths, self._tempi)[:, None, None] * (quanta + 0.5) / CONTROL_RATE_HZ
        gain = self._level * np.clip(depths, 0.0, 1.0)[:, None, None] / 2.0
        cosine = (np.cos(2.0 * np.pi * turns) * gain) @ self._seen_through.T
        sine = (np.sin(2.0 * np.pi * turns) * gain) @ self._seen_through.T
        rest = envelope - gain
        flat = (len(depths), -1)
        cosine, sine, rest = cosine.reshape(flat), sine.reshape(flat), np.broadcast_to(rest, turns.shape).reshape(flat)
        phase = self._best_phase(cosine, sine, rest)
        model = -(np.cos(phase)[:, None] * cosine - np.sin(phase)[:, None] * sine)
        return np.asarray(np.sum((rest - model) ** 2, axis=1))

    @staticmethod
    def _best_phase(cosine: Float64, sine: Float64, rest: Float64) -> Float64:
        """Phase of a tremolo of known depth that lies nearest, by Newton's method from the free fit's phase."""
        cc, ss, cs = (cosine**2).sum(1), (sine**2).sum(1), (cosine * sine).sum(1)
        rc, rs = -(rest * cosine).sum(1), (rest * sine).sum(1)
        angles = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)
        cos, sin = np.cos(angles), np.sin(angles)

        def error(c: Float64, s: Float64) -> Float64:
            return np.asarray(
                np.multiply.outer(cc, c**2) + np.multiply.outer(ss, s**2) - 2.0 * np.multiply.outer(cs, c * s)
                - 2.0 * np.multiply.outer(rc, c) - 2.0 * np.multiply.outer(rs, s)
            )  # fmt: skip

        phase = angles[np.argmin(error(cos, sin), axis=1)]
        for _ in range(4):
            c, s = np.cos(phase), np.sin(phase)
            slope = 2.0 * (-cc * c * s + ss * s * c - cs * (c**2 - s**2) + rc * s - rs * c)
            bend = 2.0 * (-cc * (c**2 - s**2) + ss * (c**2 - s**2) + 4.0 * cs * c * s + rc * c + rs * s)
            phase = phase - np.where(bend > 0.0, slope / np.where(bend > 0.0, bend, 1.0), 0.0)
        return np.asarray(phase)
