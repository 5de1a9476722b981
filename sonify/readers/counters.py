"""Counters that are read now and then: what they counted in between, whatever their process does.

A counter that is less than before began anew: all that it shows was counted since. The counters of one histogram, or of
one average, begin anew together. What a counter counted before it was first read belongs to no interval.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CounterValues", "increases"]

Array = NDArray[np.float64]
Ids = NDArray[np.intp]


def increases(last: Array, now: Array, groups: Ids | None = None) -> Array:
    """Tell what counters counted between two readings.

    Parameters
    ----------
    last, now : array (n,)
        Their values; NaN where one was not read.
    groups : array of int (n,), optional
        Counters with the same number begin anew together; one with a negative number is on its own.

    Returns
    -------
    array (n,)
        0 or more; NaN where either reading is missing.
    """
    fell = now < last
    if groups is not None and fell.any():
        together = np.zeros(int(groups.max(initial=0)) + 1, np.bool_)
        together[groups[fell & (groups >= 0)]] = True
        fell |= (groups >= 0) & together[groups]
    # a counter without a last value that fell with its group began at zero, too; one that is infinite counts nothing
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(fell, now, now - last))


class CounterValues:
    """The last values of many counters, which are known by a number."""

    def __init__(self) -> None:
        self._last = np.empty(0)

    def restart(self) -> None:
        """Forget all values: the next reading is the one that others are compared with."""
        self._last = np.empty(0)

    def update(self, ids: Ids, values: Array, *, born: Ids | None = None, groups: Ids | None = None) -> Array:
        """Take a reading, and tell what was counted since the last one.

        Parameters
        ----------
        ids : array of int (n,)
            Which counters these are, each once; a counter that is not among them keeps its last value.
        values : array (n,)
            NaN where there is none; the last value is kept.
        born : array of int, optional
            Counters that are known to have been created since the last reading: they count from zero.
        groups : array of int (n,), optional
            See `increases`.

        Returns
        -------
        array (n,)
            NaN for what is read the first time.
        """
        needed = int(ids.max(initial=-1)) + 1
        if needed > len(self._last):
            self._last = np.pad(self._last, (0, needed - len(self._last)), constant_values=np.nan)
        if born is not None and len(born):
            inside = born[born < len(self._last)]
            self._last[inside] = np.where(np.isnan(self._last[inside]), 0.0, self._last[inside])
        last = self._last[ids]
        self._last[ids] = np.where(np.isnan(values), last, values)
        return increases(last, values, groups)
