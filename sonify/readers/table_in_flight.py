"""How many requests were in flight, from when each ended and how long it took."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

__all__ = ["InFlight"]

Integers = NDArray[np.int64]

_MAX_BACK = 100_000  # intervals that one request may reach back; what is before is left out


class InFlight:
    """Sum up the time that requests spent in each interval.

    Divided by the interval's length it is the mean number in flight, exactly: a request counts in each interval for
    as long as it was there. What ended after the log did is not in it, so that the last intervals may be too low.

    Parameters
    ----------
    step_us : int
        Length of an interval in µs.
    """

    def __init__(self, step_us: int) -> None:
        self._step_us = step_us
        self._busy_us: defaultdict[int, int] = defaultdict(int)
        self._full: defaultdict[int, int] = defaultdict(
            int
        )  # change in the number that are there for the whole interval

    def add(
        self, ends: Integers, back: Integers, count: NDArray[np.float64], offset_us: Integers, latency_us: Integers
    ) -> None:
        """Add groups of requests.

        Parameters
        ----------
        ends, back : array (groups,)
            Interval in which they ended, and how many intervals before it they began.
        count, offset_us, latency_us : array (groups,)
            How many they are, and the sums over them of the time from their last interval's begin to their end, and of
            their latencies.
        """
        if not len(ends):
            return
        step_us, first, longest = self._step_us, int(ends.min()), int(back.max()) + 1
        key, which = np.unique((ends - first) * longest + back, return_inverse=True)
        sums = [np.zeros(len(key), dtype=np.int64) for _ in range(3)]
        for total, values in zip(sums, (count, offset_us, latency_us), strict=True):
            np.add.at(total, which.reshape(-1), values.astype(np.int64))
        for end, reach, number, offset, latency in zip(
            *(array.tolist() for array in (key // longest + first, key % longest, *sums)), strict=True
        ):
            if reach == 0:
                self._busy_us[end] += latency
                continue
            self._busy_us[end] += offset
            if reach <= _MAX_BACK:
                self._busy_us[end - reach] += latency - offset - number * (reach - 1) * step_us
            self._full[end - min(reach, _MAX_BACK) + 1] += number
            self._full[end] -= number

    def coarsen(self, factor: int) -> None:
        """Make the intervals longer by a whole factor."""
        busy_us: defaultdict[int, int] = defaultdict(int)
        for cell, time_us in self._busy_us.items():
            busy_us[cell // factor] += time_us
        full: defaultdict[int, int] = defaultdict(int)
        for cell, change in self._full.items():
            # from a fine interval on, to the end of its coarse one, and all of those after
            coarse = cell // factor
            busy_us[coarse] += change * ((coarse + 1) * factor - cell) * self._step_us
            full[coarse + 1] += change
        self._busy_us, self._full = busy_us, full
        self._step_us *= factor

    def mean(self, first: int, num_cells: int) -> NDArray[np.float64]:
        """Mean number in flight in each of the intervals from `first` on, shape (num_cells,)."""
        busy_us, change = np.zeros(num_cells), np.zeros(num_cells + 1)
        for cell, time_us in self._busy_us.items():
            if 0 <= cell - first < num_cells:
                busy_us[cell - first] += time_us
        for cell, number in self._full.items():
            change[min(max(cell - first, 0), num_cells)] += number
        return np.asarray(busy_us / self._step_us + np.cumsum(change[:-1]))
