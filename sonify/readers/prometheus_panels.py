"""The panels of a signals preset, put together from the answers to its queries, over a range or at one instant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sonify.readers.le_buckets import (
    bands_from_le,
    edges_from_le,
    outermost_share,
    parse_le,
    parse_vmrange,
    sparse_shares,
)
from sonify.readers.panel_window import BATCH_EDGES
from sonify.readers.prometheus_answers import Series
from sonify.readers.prometheus_discovery import COUNTER_TABLES
from sonify.readers.prometheus_parts import Part
from sonify.readers.readable import readable
from sonify.readers.signals import Signals
from sonify.readers.source import ALL

__all__ = ["Columns", "Gathered"]

Array = NDArray[np.float64]
Key = TypeVar("Key", str, float)

OUTERMOST_SHARE = 0.95


def _add(rates: dict[Key, Array], key: Key, rate: Array) -> None:
    """Add a rate to what other series have under the same key: NaN counts as nothing, unless both are NaN.

    Two series share a key where a label changed its name, or where instances write a bound as "1" and as "1.0".
    """
    old = rates.get(key)
    rates[key] = rate if old is None else _sum(old, rate)


def _sum(one: Array, other: Array) -> Array:
    return np.where(np.isnan(one), other, one + np.nan_to_num(other))


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Panels over time, in the shapes of a `Recording`."""

    request_rate: Array
    error_ratio: Array
    fallback_ratio: Array
    glitch_rate: Array
    latency_rate: Array
    batch_rate: Array
    queue_depth: Array
    active_requests: Array


class Gathered:
    """Answers, sorted by panel and backend.

    Parameters
    ----------
    signals : Signals
        The preset.
    num_times : int
        Length of the grid that all series are on.
    edges_s : array (bands + 1,)
        Of the latency bands.
    backend_of : callable, optional
        Gives the name that a backend is kept under, if not its own.

    Attributes
    ----------
    warnings : dict of str to None
        What could not be read as it stands, each once.
    newest_s : dict of str to array (times,)
        When each panel's newest sample was taken, Unix s, by table.
    backend_newest_s : dict of str to array (times,)
        Likewise by backend.
    """

    def __init__(
        self,
        signals: Signals,
        num_times: int,
        edges_s: Array,
        *,
        backend_of: Callable[[str], str] = str,
    ) -> None:
        self._signals = signals
        self._count = num_times
        self._edges_s = edges_s
        self._backend_of = backend_of
        self._unit_s = signals.latency.unit_s if signals.latency else 1.0
        self._counters: dict[str, dict[str, Array]] = {}
        self._le: dict[str, dict[str, dict[float, Array]]] = {"latency": {}, "batch": {}}
        self._bands: dict[str, dict[str, Array]] = {"latency": {}, "batch": {}}
        self._averages: dict[str, dict[str, Array]] = {"sum": {}, "number": {}, "mean": {}}
        self._gauges: dict[str, dict[int, Array]] = {}
        self.warnings: dict[str, None] = {}
        self.newest_s: dict[str, Array] = {}
        self.backend_newest_s: dict[str, Array] = {}

    # -- sorting -------------------------------------------------------------------------------------------------------

    def add(self, part: Part, answer: Iterable[Series]) -> None:
        """Take the answer to one part."""
        for series in answer:
            backend = ALL
            if part.labels:
                named = (series.labels[label] for label in part.labels if series.labels.get(label))
                backend = self._backend_of(next(named, ALL))
            if part.kind == "count":
                _add(self._counters.setdefault(part.table, {}), backend, series.values)
            elif part.kind == "gauge":
                signed = self._gauges.setdefault(part.table, {})
                signed[part.sign] = _sum(signed[part.sign], series.values) if part.sign in signed else series.values
            elif part.kind == "buckets":
                self._add_buckets(part, backend, series)
            elif part.kind == "native":
                self._add_native(part, backend, series)
            elif part.kind == "time":
                self._add_time(part, backend, series.values)
            else:
                _add(self._averages[part.kind], backend, series.values)
        if part.kind == "count":
            self._counters.setdefault(part.table, {})

    def declare(self, tables: Iterable[str]) -> None:
        """Say that counters are there that have counted nothing yet."""
        for table in tables:
            self._counters.setdefault(table, {})

    def _add_time(self, part: Part, backend: str, times_s: Array) -> None:
        for newest, key in ((self.newest_s, part.table), (self.backend_newest_s, backend if part.labels else "")):
            newest[key] = np.fmax(newest[key], times_s) if key in newest else times_s

    def _add_buckets(self, part: Part, backend: str, series: Series) -> None:
        name, unit_s = part.name, self._unit_s if part.table == "latency" else 1.0
        if series.labels.get("vmrange"):
            bounds = parse_vmrange(series.labels["vmrange"])
            if bounds is None:
                shown = readable(repr(series.labels["vmrange"]))
                self.warnings[f"{name}: vmrange={shown} is no range: left out"] = None
                return
            low, high = (np.asarray([bound * unit_s]) for bound in bounds)
            shares = sparse_shares(low, high, self._edges_of(part.table))
            _add(self._bands[part.table], backend, np.maximum(series.values, 0.0)[:, None] * shares)
            return
        bound = parse_le(series.labels.get("le", ""))
        if bound is None:
            shown = readable(repr(series.labels.get("le")))
            self.warnings[f"{name}: le={shown} is no number: left out"] = None
        else:
            _add(self._le[part.table].setdefault(backend, {}), bound * unit_s, series.values)

    def _add_native(self, part: Part, backend: str, series: Series) -> None:
        if not series.natives:
            self.warnings[f"{part.name} is no histogram, but a number: left out"] = None
            return
        edges, unit_s = self._edges_of(part.table), self._unit_s if part.table == "latency" else 1.0
        bands = np.full((self._count, len(edges) - 1), np.nan)
        for index, native in series.natives.items():
            shares = sparse_shares(native.lows * unit_s, native.highs * unit_s, edges)
            bands[index] = native.counts @ shares
        _add(self._bands[part.table], backend, bands)

    def _edges_of(self, table: str) -> Array:
        return self._edges_s if table == "latency" else np.asarray(BATCH_EDGES)

    # -- putting together ----------------------------------------------------------------------------------------------

    def backends(self) -> set[str]:
        """Names of all backends that were seen."""
        seen = set(self._le["latency"]) | set(self._bands["latency"]) | set(self._averages["number"])
        return seen.union(*self._counters.values())

    def batch_edges(self) -> Array:
        """Edges of the finest layout of batch sizes there is; empty where there is none."""
        edges = edges_from_le(self._le["batch"].get(ALL, {}))
        return edges if len(edges) or ALL not in self._bands["batch"] else np.asarray(BATCH_EDGES)

    def columns(self, backends: Sequence[str], batch_edges: Array) -> Columns:
        """Put the panels together for these backends, in their order."""
        rates = {table: self._stacked(self._counters.get(table, {}), backends) for table in COUNTER_TABLES}
        latency = self._latency(backends, rates["requests"])
        requests = rates["requests"]
        counted = self._stacked(self._averages["number"], backends)
        counted = np.where(np.isnan(counted), latency.sum(axis=2), counted)
        requests = np.where(np.isnan(requests), counted, requests)
        for table in ("errors", "fallbacks", "glitches"):
            if table in self._counters:
                # a counter that exists but has no series for a backend has counted nothing, while the backend is seen
                rates[table] = np.where(np.isnan(rates[table]) & np.isfinite(requests), 0.0, rates[table])
        return Columns(
            request_rate=requests,
            error_ratio=_ratio(rates["errors"], requests),
            fallback_ratio=_ratio(rates["fallbacks"], requests),
            glitch_rate=rates["glitches"],
            latency_rate=latency,
            batch_rate=self._histogram("batch", ALL, batch_edges),
            queue_depth=self._gauge("queue"),
            active_requests=self._gauge("active"),
        )

    def _stacked(self, rates: Mapping[str, Array], backends: Sequence[str]) -> Array:
        missing = np.full(self._count, np.nan)
        return np.stack([rates.get(backend, missing) for backend in backends], axis=1)

    def _gauge(self, table: str) -> Array:
        signed = self._gauges.get(table, {})
        value = signed.get(1, np.full(self._count, np.nan))
        if -1 in signed:
            value = value - np.nan_to_num(signed[-1])
        return np.where(value >= 0.0, value, np.nan)  # fewer than none cannot be

    def _histogram(self, table: str, backend: str, edges: Array) -> Array:
        """Rates per band, shape (times, bands), of the classic and the sparse histograms of a backend together."""
        bands = bands_from_le(self._le[table].get(backend, {}), edges, self._count)
        sparse = self._bands[table].get(backend)
        if sparse is None:
            return bands
        own = self._edges_of(table)
        if len(own) != len(edges) or not np.array_equal(own, edges):
            sparse = sparse @ sparse_shares(own[:-1], own[1:], edges)
        return _sum(bands, sparse)

    def _latency(self, backends: Sequence[str], requests: Array) -> Array:
        bands = [self._histogram("latency", backend, self._edges_s) for backend in backends]
        latency = np.stack(bands, axis=1)
        mean_s = self._stacked(self._averages["mean"], backends) * self._unit_s
        number = np.where(np.isfinite(mean_s), requests, np.nan)
        if self._averages["number"]:
            number = self._stacked(self._averages["number"], backends)
            sums = self._stacked(self._averages["sum"], backends) * self._unit_s
            mean_s = np.full(number.shape, np.nan)
            np.divide(sums, number, out=mean_s, where=number > 0.0)
        return np.where(np.isnan(latency), _at_mean(number, mean_s, self._edges_s), latency)

    def warn_of_unit(self) -> None:
        """Warn of histograms whose buckets were not made for what they count."""
        for backend, buckets in self._le["latency"].items():
            if outermost_share(buckets) > OUTERMOST_SHARE:
                self.warnings[
                    f"latency of {readable(backend)}: over {OUTERMOST_SHARE:.0%} is in the lowest or highest bucket; "
                    "do the buckets fit the unit?"
                ] = None


def _at_mean(number: Array, mean_s: Array, edges_s: Array) -> Array:
    """All requests in the band of their average: shape (times, backends, bands); no requests are zero everywhere."""
    band = np.searchsorted(edges_s[1:-1], mean_s, side="right")
    bands = np.zeros((*number.shape, len(edges_s) - 1))
    np.put_along_axis(bands, band[..., None], number[..., None], axis=2)
    unknown = np.isnan(number) | ((number > 0.0) & np.isnan(mean_s))
    return np.where(unknown[..., None], np.nan, bands)


def _ratio(events: Array, requests: Array) -> Array:
    """Share of the requests, 0–1; NaN where there were none: of nothing there is no share."""
    share = np.full(requests.shape, np.nan)
    np.divide(events, requests, out=share, where=requests > 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0))  # extrapolation may lift a part above its whole
