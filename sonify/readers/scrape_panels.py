"""Series of one target's pages become counts, histograms and gauges of panels: whole arrays at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.readers.counters import CounterValues
from sonify.readers.exposition_pages import Page, Series
from sonify.readers.le_buckets import parse_le
from sonify.readers.panel_window import PanelWindow
from sonify.readers.routes import GAUGES, Route

__all__ = ["PanelCounts", "TargetPanels"]

Array = NDArray[np.float64]
Ids = NDArray[np.intp]
Edges = tuple[float, ...]
Labels = frozenset[tuple[str, str]]
Routes = Callable[[Series], tuple[Route, ...]]

_AVERAGE = "_sum and _count"


class PanelCounts:
    """What was counted on all targets in one interval, and what their gauges show."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], float] = {}
        self.histograms: dict[tuple[str, Edges], dict[str, Array]] = {}
        self.averages: list[tuple[str, float, float]] = []  # backend, latency in s, how many
        self.means: list[tuple[str, float]] = []

    def add(self, table: str, backend: str, count: float) -> None:
        """Count events of a counter's table."""
        key = (table, backend)
        self.counts[key] = self.counts.get(key, 0.0) + count

    def add_histogram(self, table: str, edges: Edges, backend: str, counts: Array) -> None:
        """Count a histogram of latencies (edges in s) or batches: non-cumulative."""
        by_backend = self.histograms.setdefault((table, edges), {})
        held = by_backend.get(backend)
        by_backend[backend] = counts if held is None else held + counts

    def pour(self, window: PanelWindow) -> None:
        """Hand everything over."""
        for (table, backend), count in self.counts.items():
            window.add_count(table, backend, max(count, 0.0))
        for (table, edges), by_backend in self.histograms.items():
            for backend, counts in by_backend.items():
                if table == "batch":
                    window.add_batches(counts, np.asarray(edges))
                else:
                    window.add_latencies(backend, counts, np.asarray(edges))
        for backend, latency_s, count in self.averages:
            window.add_latency(backend, latency_s, count)
        for backend, latency_s in self.means:
            # as many as were counted: the gauge says how long they took, not how many there were
            window.add_latency(backend, latency_s, self.counts.get(("requests", backend), 1.0))


class _Histograms(NamedTuple):
    """Histograms with the same bounds: places of their buckets (histograms, buckets), and their backends."""

    table: str
    edges: Edges
    at: NDArray[np.intp]
    backends: list[str]


class _Plan(NamedTuple):
    """Which value of a page goes where; all places are into its `ids`."""

    counting: NDArray[np.intp]  # places of all counters
    groups: NDArray[np.intp]  # which of these begin anew together
    counts: list[tuple[str, str, NDArray[np.intp], Array]]  # table, backend, places among the counters, signs
    histograms: list[_Histograms]
    averages: list[tuple[str, int, int]]  # backend, place of sum, of number
    means: list[tuple[str, int]]
    gauges: list[tuple[str, int, int]]  # table, place, sign
    live: frozenset[tuple[str, str]]  # table and backend of which there is a series
    unread: int  # buckets without a bound


def _other_labels(series: Series) -> Labels:
    return frozenset(item for item in series.labels.items() if item[0] != "le")


def _histogram_rows(buckets: dict[tuple[Route, str, Labels], dict[float, int]], unit_s: float) -> list[_Histograms]:
    """Sort histograms by their bounds; one that has no finite bound over 0 tells nothing of latencies."""
    layouts: dict[tuple[str, Edges], tuple[list[list[int]], list[str]]] = {}
    for (route, _, _), places in buckets.items():
        unit = unit_s if route.table == "latency" else 1.0
        bounds = sorted(bound for bound in places if bound > 0.0)
        if not bounds or not math.isfinite(bounds[0]):
            continue
        edges = (0.0, *(bound * unit for bound in bounds))
        rows, backends = layouts.setdefault((route.table, edges), ([], []))
        rows.append([places[bound] for bound in bounds])
        backends.append(route.backend)
    return [
        _Histograms(table, edges, np.asarray(rows, np.intp), backends)
        for (table, edges), (rows, backends) in layouts.items()
    ]


class _Planner:
    """Gathers, series by series, which value of a page goes where."""

    def __init__(self) -> None:
        self.counting: list[int] = []  # places on the page
        self.groups: list[int] = []
        self.counts: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.buckets: dict[tuple[Route, str, Labels], dict[float, int]] = {}
        self.halves: dict[tuple[str, Labels], dict[str, int]] = {}
        self.means: list[tuple[str, int]] = []
        self.gauges: list[tuple[str, int, int]] = []
        self.live: set[tuple[str, str]] = set()
        self.unread = 0
        self._place_of: dict[int, int] = {}  # place on the page -> among the counters
        self._group_of: dict[tuple[str, Labels], int] = {}

    def add(self, at: int, series: Series, route: Route) -> None:
        """Take a series at a place on the page, and where it goes."""
        if route.part == "count":
            self.counts.setdefault((route.table, route.backend), []).append((self._place(at), route.sign))
        elif route.part == "bucket":
            bound = parse_le(series.labels.get("le", ""))
            if bound is None:
                self.unread += 1
                return
            labels = _other_labels(series)
            place = self._place(at, (series.name, labels))
            self.buckets.setdefault((route, series.name, labels), {})[bound] = place
        elif route.part in ("sum", "number"):
            labels = _other_labels(series)
            place = self._place(at, (_AVERAGE, labels))
            self.halves.setdefault((route.backend, labels), {})[route.part] = place
        elif route.part == "mean":
            self.means.append((route.backend, at))
        elif route.table in GAUGES:
            self.gauges.append((route.table, at, route.sign))
        self.live.add(("mean" if route.part == "mean" else route.table, route.backend))

    def _place(self, at: int, together: tuple[str, Labels] | None = None) -> int:
        """Place of a value among the counters, which may be wanted by several panels."""
        place = self._place_of.setdefault(at, len(self.counting))
        if place == len(self.counting):
            self.counting.append(at)
            self.groups.append(-1)
        if together is not None:
            self.groups[place] = self._group_of.setdefault(together, len(self._group_of))
        return place

    def plan(self, unit_s: float) -> _Plan:
        """Put all of it into arrays."""
        return _Plan(
            counting=np.asarray(self.counting, np.intp),
            groups=np.asarray(self.groups, np.intp),
            counts=[
                (table, backend, np.asarray([at for at, _ in rows], np.intp), np.asarray([float(s) for _, s in rows]))
                for (table, backend), rows in self.counts.items()
            ],
            histograms=_histogram_rows(self.buckets, unit_s),
            averages=[
                (backend, both["sum"], both["number"]) for (backend, _), both in self.halves.items() if len(both) == 2
            ],
            means=self.means,
            gauges=self.gauges,
            live=frozenset(self.live),
            unread=self.unread,
        )


def _plan(series: Sequence[Series], ids: Ids, routes_of: Routes, unit_s: float) -> _Plan:
    planner = _Planner()
    for at, series_id in enumerate(ids.tolist()):
        for route in routes_of(series[series_id]):
            planner.add(at, series[series_id], route)
    return planner.plan(unit_s)


class TargetPanels:
    """The panels' share of one target.

    Attributes
    ----------
    live : frozenset of (str, str)
        Table and backend of which the last page had a series.
    gauges : dict of str to float
        Sum of each gauge on the last page.
    unread : int
        Buckets of the last page whose bound is no number.
    """

    def __init__(self) -> None:
        self._counters = CounterValues()
        self._plan: _Plan | None = None
        self._ids: Ids | None = None
        self._unit_s = 1.0
        self.live: frozenset[tuple[str, str]] = frozenset()
        self.gauges: dict[str, float] = {}
        self.unread = 0

    def replan(self) -> None:
        """Routes have changed."""
        self._plan = None

    def restart(self) -> None:
        """Forget what counters showed: the next page is only what later ones are compared with."""
        self._counters.restart()

    def take(
        self,
        page: Page,
        series: Sequence[Series],
        routes_of: Routes,
        unit_s: float,
        counts: PanelCounts,
        *,
        is_first: bool,
    ) -> None:
        """Take a page.

        Parameters
        ----------
        page : Page
            Of this target.
        series : sequence of Series
            By id.
        routes_of : callable
            Where a series goes.
        unit_s : float
            Seconds in one unit of latency.
        counts : PanelCounts
            Gets what was counted since the last page.
        is_first : bool
            Whether there was none, or a gap since: then all that is known is which series there are.
        """
        plan = self._plan
        if plan is None or page.ids is not self._ids:
            plan = self._plan = _plan(series, page.ids, routes_of, unit_s)
            self._ids = page.ids
            self.live, self.unread = plan.live, plan.unread
        ids, values = page.ids[plan.counting], page.values[plan.counting]
        rises = self._counters.update(ids, values, born=None if is_first else page.born, groups=plan.groups)
        self.gauges = _sums((table, float(page.values[at]) * sign) for table, at, sign in plan.gauges)
        _count(plan, np.zeros(len(ids)) if is_first else rises, page.values, unit_s, counts)


def _sums(items: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Add up what was measured."""
    sums: dict[str, float] = {}
    for table, value in items:
        if math.isfinite(value):
            sums[table] = sums.get(table, 0.0) + value
    return sums


def _count(plan: _Plan, rises: Array, values: Array, unit_s: float, counts: PanelCounts) -> None:
    for table, backend, at, signs in plan.counts:
        rise = rises[at] * signs
        known = np.isfinite(rise)
        if known.any():
            counts.add(table, backend, float(rise[known].sum()))
    for table, edges, places, backends in plan.histograms:
        cumulative = rises[places]
        # a page may be written while buckets are counted: a larger bound may have seen less
        cumulative = np.maximum.accumulate(cumulative, axis=1)
        known = np.isfinite(cumulative[:, -1])
        bands = np.diff(cumulative, axis=1, prepend=0.0)
        for row in np.flatnonzero(known).tolist():
            counts.add_histogram(table, edges, backends[row], bands[row])
    for backend, sum_at, number_at in plan.averages:
        total, number = float(rises[sum_at]), float(rises[number_at])
        if math.isfinite(total) and math.isfinite(number):
            counts.averages.append((backend, max(total, 0.0) / number * unit_s if number else 0.0, number))
    for backend, place in plan.means:
        latency = float(values[place]) * unit_s
        if latency >= 0.0:
            counts.means.append((backend, latency))
