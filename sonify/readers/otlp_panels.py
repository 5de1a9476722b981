"""What OTLP pushes say about the panels: points in, frames out, with everything that senders get wrong in between."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from sonify.metrics.frame import MetricFrame
from sonify.readers.otlp_model import Attributes, Metric, Number, Point
from sonify.readers.otlp_pushers import Pusher
from sonify.readers.otlp_routes import OtlpRouter, Routed
from sonify.readers.otlp_sums import PushSums
from sonify.readers.panel_window import PanelWindow
from sonify.readers.readable import readable
from sonify.readers.routes import GAUGES

__all__ = ["MAX_PUSHERS", "MAX_SERIES", "OtlpPanels", "Receipt"]

MAX_SERIES = 100_000
MAX_PUSHERS = 2_000
SEVERAL_PERIODS = 3.0  # that rates are taken over where several push, each in its own time
LATE_MOST_S = 10.0
_SAME_ROUND = 0.2  # of a period: pushes so near to each other bring parts of the same data
_TRAP = (
    "the latency is in s, but its buckets (0, 5, 10 … 10000) were made for ms: nearly all of it is in one, and only "
    "its average is heard; give the histogram bounds in s (explicit_bucket_boundaries_advisory, or a view), or export "
    "exponential ones (OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram)"
)

_Found: TypeAlias = list[tuple[Metric, list[Point]]]


class Receipt(NamedTuple):
    """What became of a push: how many points were left out, and why."""

    rejected: int = 0
    message: str = ""


class _Moment(NamedTuple):
    """What holds for all points of one resource in one push; see `OtlpPanels._take`."""

    now_s: float
    from_zero_ns: float
    longest_ns: float
    is_late: bool


class OtlpPanels:
    """Panels of all that push.

    An interval ends with a push, not with a frame, so that rates are exact whatever the period of the pushes: what
    lies in the window is whole pushes, over the time between them.

    Parameters
    ----------
    router : OtlpRouter
        Knows the signals preset.
    interval_s, window_s : float
        Time between frames, and the shortest time that rates are taken over.
    stale_after_s : float or None
        Silence that means that a pusher is lost; None: two of its periods.
    began_s : float
        When following began, on the monotonic clock.

    Attributes
    ----------
    newest_s : float
        Time of the newest point, Unix s by the sender's clock; NaN before there is one.
    last_s : float
        When a push of interest came last, on the monotonic clock; NaN before.
    """

    def __init__(
        self, router: OtlpRouter, *, interval_s: float, window_s: float, stale_after_s: float | None, began_s: float
    ) -> None:
        self.router = router
        self.newest_s = math.nan
        self.last_s = math.nan
        self._window = PanelWindow(interval_s=interval_s, window_s=window_s, order=self._order)
        self._interval_s = interval_s
        self._window_s = window_s
        self._stale_after_s = stale_after_s
        self._began_s = began_s
        self._pushers: dict[Attributes, Pusher] = {}
        self._generation = 0
        self._num_series = 0
        self._pending_s = 0.0  # length of the interval that pushes made since the last frame; 0: none did
        self._is_joined = False  # whether it belongs to the interval before
        self._ended_s = math.nan  # when the last interval ended; NaN while there is none to begin from
        self._counted_s = math.nan  # when anything was counted last
        self._gauges: set[str] = set()  # that are set
        self._last: MetricFrame | None = None  # that still holds
        self._notices: dict[str, str] = {}

    def _order(self, names: set[str]) -> Sequence[str]:
        signals = self.router.signals
        return tuple(sorted(names)) if signals is None else signals.order_backends(names)

    def notices(self) -> tuple[str, ...]:
        """Hand over what a person should know; each once."""
        if self.router.said:
            self._note("choice", self.router.said)
        fresh = tuple(text for text in self._notices.values() if text)
        self._notices = dict.fromkeys(self._notices, "")
        return fresh

    def _note(self, topic: str, text: str) -> None:
        self._notices.setdefault(topic, text)

    # -- what arrives --------------------------------------------------------------------------------------------------

    def receive(self, metrics: list[Metric], now_s: float) -> Receipt:
        """Take in a push.

        Parameters
        ----------
        metrics : list of Metric
            Of one request.
        now_s : float
            When it came, on the monotonic clock.

        Raises
        ------
        ReaderError
            A point cannot be read; nothing of the push was taken then.
        """
        self.router.learn(metrics)
        if self.router.generation != self._generation:
            self._generation = self.router.generation
            self._forget(self._live())  # other metrics are wanted than before
        by_owner: dict[Attributes, _Found] = {
            metric.resource: [] for metric in metrics if metric.resource in self._pushers
        }
        for metric in metrics:
            if self.router.wants(metric):
                by_owner.setdefault(metric.resource, []).append((metric, metric.points()))
        rejected, sums = 0, PushSums()
        longest_ns = self._longest_ns(now_s)
        for resource, found in by_owner.items():
            owner = self._pusher(resource)
            if owner is None:
                rejected += sum(len(points) for _, points in found)
            elif found or owner.series:  # whoever is known is well if it sends anything at all
                rejected += self._take(owner, found, sums, now_s, longest_ns)
        self._end(sums, now_s)
        if not rejected:
            return Receipt()
        message = f"more than {MAX_SERIES} series or {MAX_PUSHERS} resources: the rest is left out"
        self._note("full", f"{message}; drop attributes with a view, or send less")
        return Receipt(rejected, message)

    def _pusher(self, resource: Attributes) -> Pusher | None:
        pusher = self._pushers.get(resource)
        if pusher is None:
            if len(self._pushers) >= MAX_PUSHERS:
                gone = next((known for known in self._pushers.values() if not known.series), None)
                if gone is None:
                    return None
                del self._pushers[gone.resource]
            pusher = self._pushers[resource] = Pusher(resource)
        return pusher

    def _take(self, pusher: Pusher, found: _Found, sums: PushSums, now_s: float, longest_ns: float) -> int:
        """Take in the points of one resource; gives how many were left out."""
        if pusher.was_set_back():
            self._forget([pusher])
        # a series that was not there while its pusher was is new, and counts from 0 (NaN compares as no)
        is_known = now_s - pusher.first_s > pusher.limit_s(self._stale_after_s)
        newest_ns = max((point.time_ns for _, points in found for point in points), default=0)
        late_s = pusher.hear(newest_ns, now_s)
        limit_s = pusher.limit_s(self._stale_after_s)
        if newest_ns and not newest_ns / 1e9 < self.newest_s:
            self.newest_s = newest_ns / 1e9
        moment = _Moment(
            now_s=now_s,
            from_zero_ns=math.inf if is_known else (now_s - self._began_s) * 1e9,
            longest_ns=longest_ns,
            is_late=late_s > max(limit_s, LATE_MOST_S),
        )
        if moment.is_late:
            sums.is_late = True
            self._note("late", f"points come {late_s:.0f} s later than before, as from a queue: they are not counted")
        rejected = 0
        for metric, points in found:
            for point in points:
                routed = self._series(pusher, metric, point)
                if routed is None:
                    rejected += 1
                elif routed.routes:
                    self._take_point(pusher, metric, routed, point, moment, sums)
        for table, backend in pusher.idle:
            sums.add_nothing(table, backend)
        self.last_s = now_s
        return rejected

    def _series(self, pusher: Pusher, metric: Metric, point: Point) -> Routed | None:
        key = (metric.name, metric.kind, metric.scope, point.attributes)
        routed = pusher.series.get(key)
        if routed is None:
            if self._num_series >= MAX_SERIES:
                return None
            routed = pusher.series[key] = self.router.of(metric, point.attributes)
            self._num_series += 1
            pusher.backends.update(route.backend for route, _ in routed.routes if route.table not in GAUGES)
            if routed.is_level:
                pusher.gauges.append(routed)
        return routed

    def _take_point(
        self,
        pusher: Pusher,
        metric: Metric,
        routed: Routed,
        point: Point,
        moment: _Moment,
        sums: PushSums,
    ) -> None:
        if not metric.temporality:
            self._note("temporality", f"{readable(metric.name, 60)}: neither cumulative nor delta: it is left out")
            return
        if isinstance(point, Number) and not routed.set_level(metric, point, moment.now_s):
            return
        unit_s = self.router.unit_s(metric)
        counted = routed.count(metric, point, moment.from_zero_ns) if routed.counts else None
        for route, part in routed.routes:
            if route.part == "mean" and isinstance(point, Number):
                sums.add_mean(route.backend, point.value * unit_s)
            if counted is None or route.part in ("mean", "gauge"):
                continue
            if metric.temporality == "delta" and route.part == "count":
                pusher.idle.add((route.table, route.backend))
            if counted.covered_ns <= moment.longest_ns and not moment.is_late:
                sums.covered_ns = max(sums.covered_ns, counted.covered_ns)
                sums.add(route, part, counted.point, unit_s)

    def _end(self, sums: PushSums, now_s: float) -> None:
        """End the interval that a push makes, where it counted anything, be it 0."""
        self._set_gauges(now_s)
        is_first = math.isnan(self._ended_s)
        since_s = sums.covered_ns / 1e9 if is_first else now_s - self._ended_s
        if sums.has_any or sums.is_late or (is_first and self.last_s == now_s):
            self._ended_s = now_s  # be it only to say where counters stand: the next interval begins here
        if not sums.has_any or since_s <= 0.0:
            return
        sums.pour(self._window, self.router.chosen)
        if sums.is_trapped:
            self._note("trap", _TRAP)
        if not self._pending_s:
            self._is_joined = since_s < _SAME_ROUND * self._shortest_period_s()
        self._pending_s += since_s
        self._counted_s = now_s

    def _set_gauges(self, now_s: float) -> None:
        levels: dict[str, float] = {}
        for pusher in self._live():
            limit_s = pusher.limit_s(self._stale_after_s)
            for routed in pusher.gauges:
                if not now_s - routed.level_s <= limit_s:
                    continue  # one that is not sent any more
                for route, _ in routed.routes:
                    if route.part == "gauge":
                        levels[route.table] = levels.get(route.table, 0.0) + route.sign * routed.level
        for table in GAUGES:
            if table in levels or table in self._gauges:
                self._window.set_gauge(table, levels.get(table, math.nan))
                self._last = None
        self._gauges = set(levels)

    # -- what is handed over -------------------------------------------------------------------------------------------

    def _live(self) -> list[Pusher]:
        return [pusher for pusher in self._pushers.values() if pusher.series]

    def _shortest_period_s(self) -> float:
        return min((pusher.period_s for pusher in self._live() if pusher.period_s > 0.0), default=0.0)

    def _longest_ns(self, now_s: float) -> float:
        """Longest time that may be counted over: what is not much longer than the window holds, else it is a burst."""
        if math.isnan(self._ended_s):
            return math.inf
        return (1.5 * (self._window.span_s + self._pending_s + now_s - self._ended_s) + 0.5) * 1e9

    def _longest_s(self) -> float:
        """Time that rates are taken over."""
        live = self._live()
        longest_s = max((pusher.period_s for pusher in live if pusher.period_s > 0.0), default=0.0)
        return max(self._window_s, longest_s * (SEVERAL_PERIODS if len(live) > 1 else 1.0 - _SAME_ROUND / 2.0))

    def drop_lost(self, now_s: float) -> bool:
        """Forget pushers that are lost, and say whether anybody is well."""
        lost = [pusher for pusher in self._live() if pusher.is_lost(now_s, self._stale_after_s)]
        if lost:
            self._forget(lost)
            self._set_gauges(now_s)
        return any(not pusher.is_late(now_s, self._stale_after_s) for pusher in self._live())

    def _forget(self, pushers: Iterable[Pusher]) -> None:
        backends: set[str] = set()
        for pusher in pushers:
            self._num_series -= len(pusher.series)
            backends |= pusher.backends
            pusher.forget()
        for backend in backends.difference(*(other.backends for other in self._live())):
            self._window.forget(backend)
        self._last = None

    def skip(self, t: float) -> MetricFrame:
        """Frame of an interval in which nobody pushes."""
        self._ended_s, self._pending_s, self._last = math.nan, 0.0, None
        return self._window.skip(t)

    def frame(self, t: float, now_s: float) -> MetricFrame:
        """Frame of an interval in which somebody is well: the pushes that came, or what the last ones said."""
        if self._pending_s:
            self._window.set_window(self._longest_s())
            self._last = self._window.frame(t, duration_s=self._pending_s, joined=self._is_joined)
            self._pending_s = 0.0
            return self._last
        if now_s - self._counted_s > max(pusher.limit_s(self._stale_after_s) for pusher in self._live()):
            self.skip(t)  # pushes come, but nothing that counts now: old rates are not news
            self._set_gauges(now_s)
            self._counted_s = math.nan
        self._last = self._window.hold(t) if self._last is None else replace(self._last, t=t)
        return self._last

    def ages_s(self, t: float) -> dict[str, float]:
        """Age of each panel's newest data in s."""
        return self._window.ages_s(t)
