"""Requests that are counted by interval, backend and latency band become a recording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Recording
from sonify.readers.panel_window import BATCH_EDGES, MAX_BACKENDS, OTHER
from sonify.readers.table_in_flight import InFlight
from sonify.readers.time_grid import FRAMES_WANTED

__all__ = ["INTERVALS_S", "MAX_FRAMES", "Groups", "Measured", "RequestCounts"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Each divides the next, so that counts can be put together when a log turns out to be longer.
INTERVALS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 604800, 6048000, 60480000)
MAX_FRAMES = 1_000_000
MAX_NAMES = 500  # backends that are told apart while counting
_MAX_VALUES = 60_000_000  # of the largest column: 480 MB
_EXTRA = 4  # columns after the bands: requests without a latency, errors, fallbacks, glitches


class Groups(NamedTuple):
    """Requests counted together: arrays of shape (groups,).

    Attributes
    ----------
    cell, back : int array
        Interval in which they ended, and how many before it they began.
    backend : int array
        As numbered by `RequestCounts.backend_number`.
    band : int array
        Latency band; one past the last where the latency is not known.
    requests, errors, fallbacks, glitches : array
        How many they are.
    offset_us, latency_us : int array
        Sums of the time since their last interval began, and of their latencies.
    """

    cell: Integers
    back: Integers
    backend: Integers
    band: Integers
    requests: Array
    errors: Array
    fallbacks: Array
    glitches: Array
    offset_us: Integers
    latency_us: Integers


class Measured(NamedTuple):
    """Which panels a source measures."""

    latency: bool = True
    errors: bool = True
    fallbacks: bool = False
    glitches: bool = False
    batch: bool = False
    active: bool = True


class RequestCounts:
    """Count requests on a grid of time.

    Parameters
    ----------
    where : str
        Name of the source, for messages.
    interval_s : float or None
        Length of an interval; None takes the shortest of `INTERVALS_S` with which there are no more than 1440.
    least_s : float
        Shortest interval that is taken by itself.
    origin_us : int
        Where an interval begins, Unix time in µs; the others follow from it.
    """

    def __init__(
        self, where: str, interval_s: float | None = None, *, least_s: float = 0.0, origin_us: int = 0
    ) -> None:
        self._where = where
        self._is_fixed = interval_s is not None
        least = next((step for step in INTERVALS_S if step >= least_s), INTERVALS_S[-1])
        self.step_us = max(round((least if interval_s is None else interval_s) * 1e6), 1)
        self.origin_us = origin_us
        self._edges_s = LatencyBands().edges_s
        self.inner_edges_s = self._edges_s[1:-1]
        self.num_bands = len(self._edges_s) - 1
        self._names: dict[str, int] = {}
        self._first, self._last = 0, -1  # intervals that something was counted in
        self._base = 0  # interval of the first row of `_counts`
        self._counts = np.zeros((0, 0, self.num_bands + _EXTRA))
        self._batches = np.zeros((0, len(BATCH_EDGES) - 1))
        self._in_flight = InFlight(self.step_us)

    # -- what is counted -------------------------------------------------------------------------------------------

    def backend_number(self, name: str) -> int:
        """Give the number of a backend; past the limit all have one together."""
        number = self._names.get(name)
        if number is None:
            if len(self._names) >= MAX_NAMES:
                name = OTHER
            number = self._names.setdefault(name, len(self._names))
        return number

    def begin(self, span_us: tuple[int, int]) -> None:
        """Take an interval that suits a span of time which is known to be covered (first and last, Unix µs)."""
        self._widen((span_us[0] - self.origin_us) // self.step_us, (span_us[1] - self.origin_us) // self.step_us)

    def add(
        self,
        time_us: Integers,
        latency_s: Array,
        backends: Sequence[str],
        flags: Sequence[NDArray[np.bool_]],
        batch: Array,
    ) -> None:
        """Count requests one by one: arrays of shape (requests,); `flags` are errors, fallbacks and glitches."""
        if not len(time_us):
            return
        self.begin((int(time_us.min()), int(time_us.max())))
        cell, offset_us = np.divmod(time_us - self.origin_us, self.step_us)
        known = np.isfinite(latency_s)
        latency_us = np.floor(np.where(known, np.minimum(latency_s, 1e9), 0.0) * 1e6 + 0.5).astype(np.int64)
        bands = np.where(known, np.searchsorted(self.inner_edges_s, latency_s, side="right"), self.num_bands)
        errors, fallbacks, glitches = (flag.astype(np.float64) for flag in flags)
        number = np.asarray([self.backend_number(name) for name in backends], dtype=np.int64)
        back = -((offset_us - latency_us) // self.step_us)
        ones = np.ones(len(cell))
        self._count(Groups(cell, back, number, bands, ones, errors, fallbacks, glitches, offset_us, latency_us))
        self._in_flight.add(cell[known], back[known], ones[known], offset_us[known], latency_us[known])
        is_batch = np.isfinite(batch)
        size_band = np.searchsorted(BATCH_EDGES[1:-1], batch[is_batch], side="left")
        self.add_batches(cell[is_batch], size_band, ones[is_batch])

    def add_groups(self, groups: Groups) -> None:
        """Count requests that were grouped by intervals of `step_us`, which must be as it was when they were."""
        if len(groups.cell):
            known = groups.band < self.num_bands
            if groups.latency_us.any():
                self._in_flight.add(
                    groups.cell[known],
                    groups.back[known],
                    groups.requests[known],
                    groups.offset_us[known],
                    groups.latency_us[known],
                )
            factor = self._widen(int(groups.cell.min()), int(groups.cell.max()))
            self._count(groups._replace(cell=groups.cell // factor))

    def add_batches(self, cell: Integers, size_band: Integers, count: Array) -> None:
        """Count batches: interval (at `step_us`, where requests were counted), band of the size, and how many."""
        np.add.at(self._batches, (cell - self._base, size_band), count)

    def _count(self, groups: Groups) -> None:
        self._reserve()
        row, backend = groups.cell - self._base, groups.backend
        np.add.at(self._counts, (row, backend, groups.band), groups.requests)
        for column, counts in enumerate((groups.errors, groups.fallbacks, groups.glitches), start=self.num_bands + 1):
            if counts.any():
                np.add.at(self._counts[:, :, column], (row, backend), counts)

    # -- the grid --------------------------------------------------------------------------------------------------

    def _widen(self, first: int, last: int) -> int:
        """Cover intervals; where they become too many, make them longer. Return by what factor."""
        if self._last >= self._first:
            first, last = min(first, self._first), max(last, self._last)
        factor = 1
        if self._is_fixed:
            if last - first >= MAX_FRAMES:
                raise ReaderError(
                    f"{self._where}: more than {MAX_FRAMES} intervals of {self.step_us / 1e6:g} s; "
                    "use a longer -O interval, or --since and --until"
                )
        else:
            factor = self._longer(first, last)
        is_new = self._last < self._first
        self._first, self._last = first // factor, last // factor
        if factor > 1:
            self._coarsen(factor)
        if is_new:
            self._base = self._first
        self._reserve()
        return factor

    def _longer(self, first: int, last: int) -> int:
        for step_s in INTERVALS_S:
            factor, rest = divmod(step_s * 1_000_000, self.step_us)
            if factor and not rest and last // factor - first // factor < FRAMES_WANTED:
                return factor
        raise ReaderError(f"{self._where}: the times span more than {INTERVALS_S[-1] * FRAMES_WANTED} s")

    def _coarsen(self, factor: int) -> None:
        self.step_us *= factor
        self._in_flight.coarsen(factor)
        if len(self._counts):
            rows = np.arange(self._base, self._base + len(self._counts)) // factor
            starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 1))
            self._counts = np.add.reduceat(self._counts, starts, axis=0)
            self._batches = np.add.reduceat(self._batches, starts, axis=0)
        self._base //= factor

    def _reserve(self) -> None:
        """Make room for all intervals and backends; by halves more, so that it happens rarely."""
        before = max(self._base - self._first, 0)
        rows, columns = self._last + 1 - self._base, len(self._names)
        after = max(rows - len(self._counts), 0)
        wider = max(columns - self._counts.shape[1], 0)
        if not (before or after or wider):
            return
        after = max(after, len(self._counts) // 2) if after else 0
        wider = max(wider, self._counts.shape[1] // 2) if wider else 0
        shape = [len(self._counts) + before + after, self._counts.shape[1] + wider, self._counts.shape[2]]
        if math.prod(shape) > 2 * _MAX_VALUES:
            raise ReaderError(
                f"{self._where}: {self._last - self._first + 1} intervals of {columns} backends are more than memory "
                "should hold; use a longer -O interval, --since and --until, or another field=backend"
            )
        self._counts = np.pad(self._counts, ((before, after), (0, wider), (0, 0)))
        self._batches = np.pad(self._batches, ((before, after), (0, 0)))
        self._base -= before

    # -- what comes of it ------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Count the intervals."""
        return self._last + 1 - self._first

    @property
    def num_folded(self) -> int:
        """How many backends are counted as `OTHER` because there are too many."""
        return max(len(self._names) - MAX_BACKENDS, 0)

    @property
    def empty_ratio(self) -> float:
        """Share of the intervals without any request, 0–1."""
        rows = self._counts[self._first - self._base : self._last + 1 - self._base, :, : self.num_bands + 1]
        return float(np.mean(rows.sum(axis=(1, 2)) == 0.0)) if len(rows) else 0.0

    def recording(self, source: str, measured: Measured, order: Sequence[str]) -> Recording:
        """Make a recording; the backends are put in `order` as far as it names them, the others by name."""
        self._reserve()
        rows = slice(self._first - self._base, self._last + 1 - self._base)
        names, counts = self._busiest(self._counts[rows, : len(self._names)], order)
        interval_s = self.step_us / 1e6
        frames, backends, bands = len(counts), len(names), self.num_bands
        requests = counts[:, :, : bands + 1].sum(axis=2)
        unmeasured = np.full((frames, backends), np.nan)
        batches = self._batches[rows] / interval_s
        ends_us = self.origin_us + (np.arange(self._first, self._last + 1) + 1) * self.step_us
        return Recording(
            layout=Layout(interval_s, names, self._edges_s, np.asarray(BATCH_EDGES) if measured.batch else np.empty(0)),
            source=source,
            events=(),
            t=ends_us / 1e6,
            request_rate=requests / interval_s,
            error_ratio=_ratio(counts[:, :, bands + 1], requests) if measured.errors else unmeasured,
            fallback_ratio=_ratio(counts[:, :, bands + 2], requests) if measured.fallbacks else unmeasured,
            glitch_rate=counts[:, :, bands + 3] / interval_s if measured.glitches else unmeasured,
            latency_rate=(
                counts[:, :, :bands] / interval_s if measured.latency else np.full((frames, backends, bands), np.nan)
            ),
            batch_rate=batches if measured.batch else np.empty((frames, 0)),
            queue_depth=np.full(frames, np.nan),
            active_requests=(
                self._in_flight.mean(self._first, frames)
                if measured.latency and measured.active
                else np.full(frames, np.nan)
            ),
            fresh=np.ones(frames, dtype=np.bool_),
        )

    def _busiest(self, counts: Array, order: Sequence[str]) -> tuple[tuple[str, ...], Array]:
        """Names and counts of the backends that are shown; the least busy past the limit are put together."""
        names = list(self._names)
        if len(names) > MAX_BACKENDS:
            totals = counts[:, :, : self.num_bands + 1].sum(axis=(0, 2))
            ranked = sorted(range(len(names)), key=lambda index: (-totals[index], names[index]))
            kept = [index for index in ranked if names[index] != OTHER][: MAX_BACKENDS - 1]
            rest = sorted(set(ranked).difference(kept))
            counts = np.concatenate([counts[:, kept], counts[:, rest].sum(axis=1, keepdims=True)], axis=1)
            names = [*(names[index] for index in kept), OTHER]
        place = {name: index for index, name in enumerate(order)}
        by = sorted(range(len(names)), key=lambda index: (place.get(names[index], len(place)), names[index]))
        return tuple(names[index] for index in by), counts[:, by]


def _ratio(events: Array, requests: Array) -> Array:
    """Share of the requests, 0–1; NaN where there were none: of nothing there is no share."""
    share = np.full(requests.shape, np.nan)
    np.divide(events, requests, out=share, where=requests > 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0))
