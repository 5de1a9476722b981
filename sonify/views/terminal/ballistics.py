"""How a meter moves: up at once, down as if it fell, with a peak that is held for a while.

The fall begins slowly and gains speed (a level in dB that falls like a stone), as in the console visualiser cava: the
eye follows it better than an even fall.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ballistics"]

Array = NDArray[np.float64]


class Ballistics:
    """Levels of many meters over time.

    Parameters
    ----------
    floor_db : float
        Where they rest.
    gravity_db : float
        How much faster they fall each second, in dB/s².
    hold_s : float
        How long a peak stays before it falls as well.

    Attributes
    ----------
    level_db, peak_db : array (meters,)
    """

    def __init__(self, floor_db: float, *, gravity_db: float = 90.0, hold_s: float = 1.5) -> None:
        self._floor_db = floor_db
        self._gravity_db = gravity_db
        self._hold_s = hold_s
        self.level_db: Array = np.zeros(0)
        self.peak_db: Array = np.zeros(0)
        self._fall_db: Array = np.zeros(0)  # speed, dB/s
        self._held_s: Array = np.zeros(0)

    def update(self, measured_db: Array, elapsed_s: float) -> None:
        """Take what was measured now; another number of meters starts anew."""
        measured = np.maximum(np.nan_to_num(measured_db, nan=self._floor_db), self._floor_db)
        if measured.shape != self.level_db.shape:
            self.level_db, self.peak_db = measured.copy(), measured.copy()
            self._fall_db, self._held_s = np.zeros(measured.shape), np.zeros(measured.shape)
            return
        self._fall_db = self._fall_db + self._gravity_db * elapsed_s
        fallen = np.maximum(self.level_db - self._fall_db * elapsed_s, self._floor_db)
        rises = measured >= fallen
        self.level_db = np.where(rises, measured, fallen)
        self._fall_db = np.where(rises, 0.0, self._fall_db)
        self._held_s = np.where(self.level_db >= self.peak_db, 0.0, self._held_s + elapsed_s)
        over_s = np.maximum(self._held_s - self._hold_s, 0.0)
        sunk = self.peak_db - self._gravity_db * over_s * elapsed_s
        self.peak_db = np.maximum(np.where(self._held_s > self._hold_s, sunk, self.peak_db), self.level_db)
