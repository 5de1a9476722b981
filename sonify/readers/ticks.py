"""When frames are due: a grid of the clock that neither drifts nor catches up in a burst."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from threading import Event

__all__ = ["ticks"]

_LONGEST_WAIT_S = 0.1  # so that a stop is noticed, and a clock that jumped


def ticks(
    interval_s: float,
    stop: Event,
    *,
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], object] | None = None,
) -> Iterator[float]:
    """Yield the multiples of an interval (Unix s), each when it has come, until `stop` is set.

    What was missed, because the machine slept or the work took too long, is skipped. A clock that is set back starts
    the grid anew.

    Parameters
    ----------
    interval_s : float
        Time between ticks.
    stop : Event
        Ends the waiting.
    clock, wait : callable
        Of the wall clock, and how to wait some seconds; for tests.
    """
    pause = stop.wait if wait is None else wait
    due = math.floor(clock() / interval_s) + 1
    while not stop.is_set():
        now_s = clock()
        left_s = due * interval_s - now_s
        if left_s > 2.0 * interval_s:
            due = math.floor(now_s / interval_s) + 1
        elif left_s > 0.0:
            pause(min(left_s, _LONGEST_WAIT_S))
        else:
            late = math.floor(now_s / interval_s)
            yield late * interval_s
            due = max(late, due) + 1
