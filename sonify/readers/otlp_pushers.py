"""Who pushes, how often, and whether they are late."""

from __future__ import annotations

import math
import statistics
from collections import deque

from sonify.readers.otlp_model import Attributes
from sonify.readers.otlp_routes import Routed

__all__ = ["LATE_PERIODS", "UNKNOWN_LIMIT_S", "Pusher"]

LATE_PERIODS = 2.1  # two, and what a push may be late
LEAST_LIMIT_S = 1.0  # of silence: less may be a busy machine
UNKNOWN_LIMIT_S = 10.0  # of silence, before a period is known
FIRST_PERIOD_MOST_S = 150.0  # waited for a second push
_GAPS = 9
_LAG_DRIFT = 0.1  # s in a second that a usual lag may grow by
_SET_BACK = 3  # rounds of old points
_SAME_ROUND = 0.2  # gaps much shorter than others lie within one round that comes in parts


class Pusher:
    """One resource, and what is remembered of its series.

    Attributes
    ----------
    resource : Attributes
        Who it is.
    series : dict
        What is known of each series, by metric, scope and attributes.
    first_s, last_s : float
        When it was heard of first, since it was lost, and last, on the monotonic clock; NaN while it is lost.
    gauges : list of Routed
        Series that are part of a gauge.
    period_s : float
        Median time between two rounds of points, by the sender's clock; NaN while there was but one.
    backends : set of str
        Whose panels it makes.
    idle : set of (str, str)
        Counter tables and backends that it sends as deltas: where they are left out nothing was counted.
    """

    def __init__(self, resource: Attributes) -> None:
        self.resource = resource
        self.series: dict[tuple[object, ...], Routed] = {}
        self.first_s = math.nan
        self.last_s = math.nan
        self.period_s = math.nan
        self.gauges: list[Routed] = []
        self.backends: set[str] = set()
        self.idle: set[tuple[str, str]] = set()
        self._newest_ns = 0
        self._num_old = 0
        self._gaps_s: deque[float] = deque(maxlen=_GAPS)
        self._usual_lag_s = math.nan

    def limit_s(self, stale_after_s: float | None) -> float:
        """Longest silence that is still well."""
        if math.isnan(self.period_s):
            return UNKNOWN_LIMIT_S if stale_after_s is None else stale_after_s
        return max(LATE_PERIODS * self.period_s, LEAST_LIMIT_S if stale_after_s is None else stale_after_s)

    def is_late(self, now_s: float, stale_after_s: float | None) -> bool:
        """Whether it has been silent for too long."""
        return now_s - self.last_s > self.limit_s(stale_after_s)

    def is_lost(self, now_s: float, stale_after_s: float | None) -> bool:
        """Whether it is late, and what its series count next belongs to no time; patient before a period is known."""
        unknown = math.isnan(self.period_s)
        return self.is_late(now_s, stale_after_s) and (not unknown or now_s - self.last_s > FIRST_PERIOD_MOST_S)

    def hear(self, newest_ns: int, now_s: float) -> float:
        """Note that a push came.

        Parameters
        ----------
        newest_ns : int
            Time of its newest point by the sender's clock; 0 where it has none.
        now_s : float
            When it came, on the monotonic clock.

        Returns
        -------
        float
            How much later its points are than those before, in s.
        """
        if math.isnan(self.first_s):
            self.first_s = now_s
        before_s, self.last_s = (now_s if math.isnan(self.last_s) else self.last_s), now_s
        if newest_ns <= 0:
            return 0.0
        if newest_ns > self._newest_ns:
            if self._newest_ns:
                self._note_gap((newest_ns - self._newest_ns) / 1e9)
            self._newest_ns, self._num_old = newest_ns, 0
        elif newest_ns < self._newest_ns:
            self._num_old += 1
        lag_s = now_s - newest_ns / 1e9  # of two clocks: only its changes mean something
        drift_s = _LAG_DRIFT * (now_s - before_s)
        self._usual_lag_s = lag_s if math.isnan(self._usual_lag_s) else min(lag_s, self._usual_lag_s + drift_s)
        return lag_s - self._usual_lag_s

    def _note_gap(self, gap_s: float) -> None:
        self._gaps_s.append(gap_s)
        least_s = _SAME_ROUND * max(self._gaps_s)
        self.period_s = statistics.median(gap_s for gap_s in self._gaps_s if gap_s >= least_s)

    def was_set_back(self) -> bool:
        """Whether its clock was set back: it has sent nothing but old points for a while."""
        return self._num_old >= _SET_BACK

    def forget(self) -> None:
        """Forget all series: whatever they counted while the pusher was lost belongs to no time."""
        self.series.clear()
        self.gauges.clear()
        self.backends.clear()
        self.idle.clear()
        self.first_s = self.last_s = math.nan
        if self.was_set_back():
            self._newest_ns = self._num_old = 0
            self._usual_lag_s = math.nan
