"""The times that a range query asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["POINTS_PER_QUERY", "TimeGrid", "choose_step_s"]

Array = NDArray[np.float64]

POINTS_PER_QUERY = 11_000  # what servers answer at most
FRAMES_WANTED = 1440  # a day at one frame a minute
_STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def choose_step_s(span_s: float, scrape_interval_s: float) -> float:
    """Time between frames in s: as short as the scrape interval, and round; one minute for a day."""
    least_s = max(scrape_interval_s, span_s / FRAMES_WANTED)
    return float(next((step for step in _STEPS_S if step >= least_s), math.ceil(least_s)))


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """The times that are asked for, in whole milliseconds, as the server counts them; multiples of the step.

    Attributes
    ----------
    first_ms, step_ms : int
        First time and distance.
    count : int
        Number of times.
    """

    first_ms: int
    step_ms: int
    count: int

    @classmethod
    def over(cls, since_s: float, until_s: float, step_s: float) -> TimeGrid:
        """All times after `since_s` and no later than `until_s` (Unix s)."""
        step_ms = max(round(step_s * 1000), 1)
        first = math.floor(since_s * 1000 / step_ms) + 1
        last = math.floor(until_s * 1000 / step_ms)
        return cls(first * step_ms, step_ms, max(last - first + 1, 0))

    def earlier(self, shift_ms: int) -> TimeGrid:
        """As many times, all earlier by so much."""
        return replace(self, first_ms=self.first_ms - shift_ms)

    @property
    def times_s(self) -> Array:
        """Unix s, shape (count,)."""
        return np.asarray((self.first_ms + self.step_ms * np.arange(self.count)) / 1000.0)

    def chunks(self) -> list[tuple[int, int]]:
        """First and last time in ms of each query; together they hold every time once."""
        starts = range(0, self.count, POINTS_PER_QUERY)
        lasts = [min(start + POINTS_PER_QUERY, self.count) - 1 for start in starts]
        return [
            (self.first_ms + start * self.step_ms, self.first_ms + last * self.step_ms)
            for start, last in zip(starts, lasts, strict=True)
        ]

    def index(self, time_s: float) -> int | None:
        """Where a time stands; None where it is off the grid."""
        offset = (time_s * 1000.0 - self.first_ms) / self.step_ms
        if not -0.5 < offset < self.count - 0.5:
            return None
        index = round(offset)
        return index if abs(offset - index) < 0.5 and index >= 0 else None

    def place(self, column: Array, times_s: Array, values: Array) -> None:
        """Write values where their times stand; in any order, a time twice counts once, one off the grid not at all."""
        offset = (times_s * 1000.0 - self.first_ms) / self.step_ms
        index = np.rint(offset)
        good = (np.abs(offset - index) < 0.5) & (index >= 0) & (index < self.count) & np.isfinite(values)
        column[index[good].astype(np.int64)] = values[good]
