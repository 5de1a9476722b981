"""What one push counted, gathered by panel and backend before it goes into the window."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import rebucket
from sonify.readers.otlp_model import Array, Exponential, Histogram, Number, Point
from sonify.readers.otlp_series import edges_of
from sonify.readers.panel_window import BATCH_EDGES, COUNTERS, PanelWindow
from sonify.readers.routes import Route

__all__ = ["DEFAULT_BOUNDS", "PushSums"]

# bounds that an SDK takes where nobody said better: made for ms
DEFAULT_BOUNDS = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2.5e3, 5e3, 7.5e3, 1e4)
_LEAST_BOUND, _MOST_BOUND = 2.0**-64, 2.0**64  # others say nothing
_FIRST = 2  # of their buckets: up to 0, and up to 5
_TRAPPED_SHARE = 0.95


class _Buckets(NamedTuple):
    """Layout of a histogram: where it goes, its bounds (or the scale of an exponential one), and its unit in s."""

    table: str
    backend: str
    layout: tuple[float, ...] | int
    unit_s: float


@dataclass(slots=True)
class _Held:
    """Counts of one layout; `total` is the sum of all values, NaN where that is not told."""

    counts: Array
    total: float
    lowest: float = 0.0
    indices: list[NDArray[np.int64]] = field(default_factory=list)
    parts: list[Array] = field(default_factory=list)


class PushSums:
    """Sums over all series of a push: a histogram is spread onto bands once, not once for each series.

    Attributes
    ----------
    covered_ns : int
        Longest time that any of it was counted over.
    has_any : bool
        Whether anything was counted, be it 0.
    is_late : bool
        Whether any of it was too late to be counted.
    is_trapped : bool
        Whether a latency in s lies in one bucket of bounds that were made for ms.
    """

    def __init__(self) -> None:
        self.covered_ns = 0
        self.has_any = False
        self.is_late = False
        self.is_trapped = False
        self._counts: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._averages: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._means_s: defaultdict[str, list[float]] = defaultdict(list)
        self._lone: list[tuple[str, str, float, float]] = []  # table, backend, value, count
        self._buckets: dict[_Buckets, _Held] = {}

    def add_nothing(self, table: str, backend: str) -> None:
        """Note that a counter is measured, and counted nothing."""
        self._counts[table, backend] += 0.0
        self.has_any = True

    def add_mean(self, backend: str, mean_s: float) -> None:
        """Note a latency that is an average already."""
        self._means_s[backend].append(mean_s)
        self.has_any = True

    def add(self, route: Route, part: str, point: Point, unit_s: float) -> None:
        """Add what a series counted.

        Parameters
        ----------
        route : Route
            Where it goes.
        part : str
            What is taken: ``value``, ``bucket``, ``count`` or ``sum``.
        point : Point
            Holds only what was counted.
        unit_s : float
            Seconds in one unit of a latency.
        """
        self.has_any = True
        if route.part == "bucket":
            if not isinstance(point, Number):
                self._add_buckets(route, point, unit_s if route.table == "latency" else 1.0)
            return
        amount = _amount(point, part)
        if route.part == "count":
            if math.isfinite(amount):
                self._counts[route.table, route.backend] += route.sign * amount
        else:
            self._averages[route.part, route.backend] += amount * (unit_s if route.part == "sum" else 1.0)

    def _add_buckets(self, route: Route, point: Histogram | Exponential, unit_s: float) -> None:
        if isinstance(point, Histogram):
            if not any(_LEAST_BOUND < bound < _MOST_BOUND for bound in point.bounds):
                if point.number == 0.0 or math.isfinite(point.total):
                    mean = point.total / point.number if point.number else 0.0
                    self._lone.append((route.table, route.backend, mean * unit_s, point.number))
                return
            key = _Buckets(route.table, route.backend, point.bounds, unit_s)
            held = self._buckets.get(key)
            if held is None:
                self._buckets[key] = _Held(point.counts.copy(), point.total)
            else:
                held.counts += point.counts
                held.total += point.total
            return
        key = _Buckets(route.table, route.backend, point.scale, unit_s)
        held = self._buckets.setdefault(key, _Held(np.empty(0), 0.0))
        held.lowest += point.lowest
        held.indices.append(point.indices)
        held.parts.append(point.counts)

    # -- into the window -----------------------------------------------------------------------------------------------

    def pour(self, window: PanelWindow, tables: Collection[str]) -> None:
        """Put it all into a window; `tables` are those that there are metrics for."""
        requests = {backend: count for (table, backend), count in self._counts.items() if table == "requests"}
        for (table, backend), count in self._counts.items():
            window.add_count(table, backend, count)
        for table in set(tables).intersection(COUNTERS[1:]):
            for backend in requests:
                if (table, backend) not in self._counts:
                    window.add_count(table, backend, 0.0)  # none of its series is an error: there was none
        for backend, means_s in self._means_s.items():
            mean_s = sum(means_s) / len(means_s)
            if math.isfinite(mean_s):
                window.add_latency(backend, mean_s, requests.get(backend, 1.0))
        self._pour_averages(window)
        for table, backend, value, count in self._lone:
            _pour_one(window, table, backend, value, count)
        for key, held in self._buckets.items():
            if isinstance(key.layout, int):
                _pour_exponential(window, key, held, key.layout)
            else:
                self._pour_explicit(window, key, held, key.layout)

    def _pour_averages(self, window: PanelWindow) -> None:
        for (part, backend), number in self._averages.items():
            sum_s = self._averages.get(("sum", backend), math.nan)
            if part == "number" and math.isfinite(sum_s) and number >= 0.0:
                window.add_latency(backend, sum_s / number if number else 0.0, number)

    def _pour_explicit(self, window: PanelWindow, key: _Buckets, held: _Held, bounds: tuple[float, ...]) -> None:
        counts = held.counts
        if bounds == DEFAULT_BOUNDS and key.table == "latency" and key.unit_s == 1.0:
            counts = self._pour_trapped(window, key.backend, held)
        edges, counts = edges_of(Histogram((), 0, 0, 0.0, 0.0, bounds, counts))
        if key.table == "batch":
            window.add_batches(counts, edges)
        else:
            window.add_latencies(key.backend, counts, edges * key.unit_s)

    def _pour_trapped(self, window: PanelWindow, backend: str, held: _Held) -> Array:
        """Put what lies in the first bucket, 0 to 5 s, at its average; gives the other counts."""
        first, rest = held.counts[:_FIRST].sum(), held.counts.copy()
        if first <= 0.0:
            return rest
        self.is_trapped |= bool(first >= _TRAPPED_SHARE * held.counts.sum())
        rest[:_FIRST] = 0.0
        bounds = np.asarray(DEFAULT_BOUNDS)
        middles = np.append(np.sqrt(bounds[1:-1] * bounds[2:]), bounds[-1])
        mean_s = (held.total - float(rest[_FIRST:] @ middles)) / first
        if not 0.0 < mean_s <= DEFAULT_BOUNDS[1]:
            return held.counts
        window.add_latency(backend, mean_s, float(first))
        return rest


def _amount(point: Point, part: str) -> float:
    if isinstance(point, Number):
        return point.value
    return point.total if part == "sum" else point.number


def _pour_one(window: PanelWindow, table: str, backend: str, value: float, count: float) -> None:
    if table == "batch":
        window.add_batch(value, count)
    else:
        window.add_latency(backend, value, count)


def _pour_exponential(window: PanelWindow, key: _Buckets, held: _Held, scale: int) -> None:
    indices: NDArray[np.int64]
    indices, places = np.unique(np.concatenate(held.indices), return_inverse=True)
    summed = np.bincount(places, weights=np.concatenate(held.parts), minlength=len(indices)).astype(np.float64)
    edges, counts = edges_of(Exponential((), 0, 0, 0.0, 0.0, scale, 0.0, indices, summed))
    if key.table == "batch":
        batches = rebucket(counts, edges, BATCH_EDGES) if len(edges) else np.zeros(len(BATCH_EDGES) - 1)
        batches[0] += held.lowest
        window.add_batches(batches, np.asarray(BATCH_EDGES))
        return
    window.add_latency(key.backend, 0.0, held.lowest)
    if len(edges):
        window.add_latencies(key.backend, counts, edges * key.unit_s)
