"""Counts that arrive in short intervals become frames whose rates are taken over a longer, sliding window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import LatencyBands, rebucket
from sonify.metrics.frame import Layout, MetricFrame
from sonify.readers.source import ALL

__all__ = ["BATCH_EDGES", "COUNTERS", "MAX_BACKENDS", "OTHER", "PanelWindow"]

Array = NDArray[np.float64]

COUNTERS = ("requests", "errors", "fallbacks", "glitches")
BATCH_EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, math.inf)  # for sizes that come one by one
MAX_BACKENDS = 200
OTHER = "(other)"  # name of all backends past the limit


class _Interval(NamedTuple):
    """What was counted in one interval: `duration_s`, counts (4, backends), latencies (backends, bands), batches."""

    duration_s: float
    counts: Array
    latencies: Array
    batches: Array


class PanelWindow:
    """Gather counts and gauges, and make frames of them.

    A panel counts as measured for a backend from the first time that it was seen. An interval ends with each call of
    `frame`; rates are over the last `window_s`, or over what there was so far.

    Parameters
    ----------
    interval_s : float
        Nominal time between frames.
    window_s : float
        What rates are taken over; at least one interval.
    bands : LatencyBands
        What latencies are counted on.
    order : callable
        Puts the set of backends in order.
    """

    def __init__(
        self,
        *,
        interval_s: float,
        window_s: float,
        bands: LatencyBands | None = None,
        order: Callable[[set[str]], Sequence[str]] = sorted,
    ) -> None:
        self._interval_s = interval_s
        self._window_s = max(window_s, interval_s)
        self._order = order
        self._edges_s = (bands or LatencyBands()).edges_s
        self._inner_edges_s = self._edges_s[1:-1]
        self._index: dict[str, int] = {}
        self._batch_edges: Array = np.empty(0)
        self._past: deque[_Interval] = deque()
        self._last_s: dict[str, float] = {}  # when each table was last heard of
        self._heard: set[str] = set()  # tables of this interval
        self._gauges: dict[str, float] = {}
        self._clear()
        self._seen = np.zeros((len(COUNTERS), 0), np.bool_)
        self._has_latency = np.zeros(0, np.bool_)
        self._layout: Layout | None = None
        self.num_folded = 0  # names that were counted as `OTHER`

    def _clear(self) -> None:
        backends = len(self._index)
        self._counts = np.zeros((len(COUNTERS), backends))
        self._latencies = np.zeros((backends, len(self._edges_s) - 1))
        self._batches = np.zeros(max(len(self._batch_edges) - 1, 0))

    # -- what arrives ----------------------------------------------------------------------------------------------

    def _place(self, backend: str) -> int:
        index = self._index.get(backend)
        if index is None:
            if len(self._index) >= MAX_BACKENDS and backend != OTHER:
                self.num_folded += 1
                return self._place(OTHER)
            index = self._index[backend] = len(self._index)
            grow = ((0, 0), (0, 1))
            self._counts, self._seen = np.pad(self._counts, grow), np.pad(self._seen, grow)
            self._latencies = np.pad(self._latencies, ((0, 1), (0, 0)))
            self._has_latency = np.append(self._has_latency, False)
            self._layout = None
        return index

    def add_count(self, table: str, backend: str, count: float) -> None:
        """Count events of a counter's table; 0 says that it is measured, and counted nothing."""
        row, column = COUNTERS.index(table), self._place(backend)
        self._counts[row, column] += count
        self._seen[row, column] = True
        self._heard.add(table)

    def add_latency(self, backend: str, latency_s: float, count: float = 1.0) -> None:
        """Count requests that took one latency."""
        row = self._place(backend)
        self._latencies[row, int(np.searchsorted(self._inner_edges_s, latency_s, side="right"))] += count
        self._has_latency[row] = True
        self._heard.add("latency")

    def add_latencies(self, backend: str, counts: Array, edges_s: Array | None = None) -> None:
        """Count a histogram: non-cumulative counts between `edges_s` (by default the bands' own)."""
        row = self._place(backend)
        self._latencies[row] += counts if edges_s is None else rebucket(counts, edges_s, self._edges_s)
        self._has_latency[row] = True
        self._heard.add("latency")

    def add_batches(self, counts: Array, edges: Array) -> None:
        """Count a histogram of batch sizes; the first layout that comes is kept, others are spread onto it."""
        if not len(self._batch_edges):
            self._batch_edges = np.asarray(edges, dtype=np.float64)
            self._batches = np.zeros(len(edges) - 1)
            self._layout = None
        same = len(edges) == len(self._batch_edges) and np.array_equal(edges, self._batch_edges)
        self._batches += counts if same else rebucket(counts, edges, self._batch_edges)
        self._heard.add("batch")

    def add_batch(self, size: float, count: float = 1.0) -> None:
        """Count batches of one size."""
        counts = np.zeros(len(BATCH_EDGES) - 1)
        counts[int(np.searchsorted(BATCH_EDGES[1:-1], size, side="left"))] = count
        self.add_batches(counts, np.asarray(BATCH_EDGES))

    def set_gauge(self, table: str, value: float) -> None:
        """Set ``queue`` or ``active``; it holds until it is set again. Below 0, or NaN, is not measured."""
        self._gauges[table] = value if value >= 0.0 else math.nan
        self._heard.add(table)

    # -- what is handed over ---------------------------------------------------------------------------------------

    @property
    def has_backends(self) -> bool:
        """Whether anything was counted yet."""
        return bool(self._index)

    def ages_s(self, now_s: float) -> dict[str, float]:
        """Age of each table's newest data; one that never came is left out."""
        return {table: max(now_s - last_s, 0.0) for table, last_s in self._last_s.items()}

    def skip(self, t: float) -> MetricFrame:
        """End an interval in which the source was lost: an unmeasured frame, and nothing of before is kept."""
        self._past.clear()
        self._gauges.clear()
        self._heard.clear()
        self._clear()
        return MetricFrame.unmeasured(self.layout(), t)

    def layout(self) -> Layout:
        """Axes of the frames as far as they are known; one backend, `ALL`, before anything came."""
        if self._layout is None:
            backends = tuple(self._order(set(self._index))) or (ALL,)
            self._layout = Layout(self._interval_s, backends, self._edges_s, self._batch_edges)
        return self._layout

    def set_window(self, window_s: float) -> None:
        """Take rates over another time from the next interval on."""
        self._window_s = max(window_s, self._interval_s)

    def forget(self, backend: str) -> None:
        """Count a backend as not measured until it is heard of again."""
        index = self._index.get(backend)
        if index is not None:
            self._seen[:, index] = False
            self._has_latency[index] = False
            for interval in (*self._past, self._current(0.0)):
                if interval.counts.shape[1] > index:
                    interval.counts[:, index] = 0.0
                    interval.latencies[index] = 0.0

    @property
    def span_s(self) -> float:
        """Time that the intervals in the window lasted."""
        return sum(past.duration_s for past in self._past)

    def _current(self, duration_s: float) -> _Interval:
        return _Interval(duration_s, self._counts, self._latencies, self._batches)

    def hold(self, t: float) -> MetricFrame:
        """Hand over the panels as they were when the last interval ended, and gauges as they are.

        For sources whose intervals end when something comes, not when a frame is due. Before any interval has ended
        nothing but gauges is measured.
        """
        gauges = self._heard & self._gauges.keys()
        self._last_s |= dict.fromkeys(gauges, t)
        self._heard -= gauges
        if self._past:
            return self._assemble(t, self.span_s)
        return self._with_shared(MetricFrame.unmeasured(self.layout(), t, fresh=True), math.nan)

    def frame(self, t: float, *, duration_s: float | None = None, joined: bool = False) -> MetricFrame:
        """End an interval at `t` (Unix s) that lasted `duration_s` (by default as long as it should).

        It is one with the interval before where it is `joined`: it brought another part of the same data.
        """
        duration_s = duration_s or self._interval_s
        if joined and self._past:
            duration_s += self._join(self._past.pop())
        self._past.append(self._current(duration_s))
        self._clear()
        self._last_s |= dict.fromkeys(self._heard, t)
        self._heard.clear()
        total_s = sum(past.duration_s for past in self._past)
        while len(self._past) > 1 and total_s - self._past[0].duration_s >= self._window_s * (1.0 - 1e-9):
            total_s -= self._past.popleft().duration_s
        return self._assemble(t, total_s)

    def _join(self, last: _Interval) -> float:
        """Add an interval that has ended to the current one, and give how long it was."""
        self._counts[:, : last.counts.shape[1]] += last.counts
        self._latencies[: len(last.latencies)] += last.latencies
        if len(last.batches):
            self._batches += last.batches
        return last.duration_s

    def _assemble(self, t: float, total_s: float) -> MetricFrame:
        layout = self.layout()
        if not self._index:
            unmeasured = MetricFrame.unmeasured(layout, t, fresh=True)
            return self._with_shared(unmeasured, total_s)
        backends = len(self._index)
        counts, latencies = np.zeros_like(self._counts), np.zeros_like(self._latencies)
        for past in self._past:  # backends that appeared later were not there yet
            counts[:, : past.counts.shape[1]] += past.counts
            latencies[: len(past.latencies)] += past.latencies
        order = [self._index[name] for name in layout.backends]
        counts = np.where(self._seen, counts, np.nan)
        # what was never counted for a backend has counted nothing, once it is known from another
        known = self._seen.any(axis=1, keepdims=True) & np.ones((1, backends), np.bool_)
        latencies = np.where(self._has_latency[:, None], latencies, np.nan)
        requests = np.where(np.isnan(counts[0]), latencies.sum(axis=1), counts[0])
        parts = np.where(np.isnan(counts) & known & np.isfinite(requests), 0.0, counts)
        frame = MetricFrame(
            layout=layout,
            t=t,
            request_rate=requests[order] / total_s,
            error_ratio=_ratio(parts[1], requests)[order],
            fallback_ratio=_ratio(parts[2], requests)[order],
            glitch_rate=parts[3][order] / total_s,
            latency_rate=latencies[order] / total_s,
            batch_rate=np.full(layout.num_batch_bands, np.nan),
            queue_depth=math.nan,
            active_requests=math.nan,
            fresh=True,
        )
        return self._with_shared(frame, total_s)

    def _with_shared(self, frame: MetricFrame, total_s: float) -> MetricFrame:
        """Add what no backend owns."""
        batch = np.zeros(frame.layout.num_batch_bands)
        for past in self._past:
            if len(past.batches):
                batch += past.batches
        return MetricFrame(
            layout=frame.layout,
            t=frame.t,
            request_rate=frame.request_rate,
            error_ratio=frame.error_ratio,
            fallback_ratio=frame.fallback_ratio,
            glitch_rate=frame.glitch_rate,
            latency_rate=frame.latency_rate,
            batch_rate=batch / total_s,
            queue_depth=self._gauges.get("queue", math.nan),
            active_requests=self._gauges.get("active", math.nan),
            fresh=True,
        )


def _ratio(events: Array, requests: Array) -> Array:
    """Share of the requests, 0–1; NaN where there were none: of nothing there is no share."""
    share = np.full(requests.shape, np.nan)
    np.divide(events, requests, out=share, where=requests > 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0))
