"""Habituation: a bed that nothing changes in fades over minutes, and is back in under a second when something does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.mapping.score import Score

__all__ = ["Habituation"]

Array = NDArray[np.float64]

_CHANGE_DB = 3.0  # the smallest step that may carry meaning
_FLOOR = 1e-4  # −80 dBFS: what is fainter does not count as a change


class Habituation:
    """Follow scores and say how far the voices have faded.

    Parameters
    ----------
    depth_db : float
        How far they fade in the end; 0 never fades.
    time_s : float
        How long that takes.
    """

    def __init__(self, depth_db: float, time_s: float) -> None:
        self._depth_db = depth_db
        self._time_s = time_s
        self._changed_s = 0.0
        self._heard: Array | None = None

    def gain(self, score: Score, now_s: float) -> float:
        """Linear gain for the step of `score`, which begins at `now_s`, any clock."""
        now_db = 20.0 * np.log10(
            np.maximum(np.concatenate([score.partial_gain.ravel(), score.overtone_gain, score.roughness_depth]), _FLOOR)
        )
        if self._heard is None or bool(np.any(np.abs(now_db - self._heard) > _CHANGE_DB)) or score.alarms:
            self._changed_s, self._heard = now_s, now_db
        faded = min((now_s - self._changed_s) / self._time_s, 1.0)
        return float(10.0 ** (-self._depth_db * faded / 20.0))
