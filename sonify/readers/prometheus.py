"""A range of time from a Prometheus server, or from anything that speaks its HTTP API, as a recording."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Recording
from sonify.readers.le_buckets import bands_from_le, edges_from_le, outermost_share
from sonify.readers.prometheus_api import PrometheusApi, readable
from sonify.readers.prometheus_discovery import find_jobs, find_names, find_scrape_interval_s, is_declared
from sonify.readers.prometheus_panels import ALL, PanelQueries
from sonify.readers.signals import Signals, load_signals
from sonify.readers.time_grid import TimeGrid, choose_step_s
from sonify.units import format_duration

__all__ = ["PrometheusSource", "open_prometheus", "open_prometheus_source"]

Array = NDArray[np.float64]
SPEC_PREFIX = "prometheus+"
DEFAULT_SPAN_S = 3600.0
DEFAULT_SCRAPE_INTERVAL_S = 60.0
WINDOW_SCRAPES = 4  # a rate needs two samples in its window; four bear one lost scrape and the jitter of the others
MAX_FRAMES = 500_000
MAX_BACKENDS = 200
RECENT_S = 300.0  # what the server says of its targets now holds for a range that ends this recently
OUTERMOST_SHARE = 0.95
COUNTER_TABLES = ("requests", "errors", "fallbacks", "glitches")


class PrometheusSource:
    """Reads the panels of a signals preset through PromQL: one small aggregated query per panel.

    Parameters
    ----------
    url : str
        See `PrometheusApi`.
    signals : Signals
        Which metrics make which panel.
    step_s : float, optional
        Time between frames; by default `choose_step_s`.
    headers : mapping, optional
        Sent with every request; never shown.
    bands : LatencyBands
        What latencies are put onto.
    transport, now : optional
        Instead of the network and the clock, for tests.

    Attributes
    ----------
    warnings : list of str
        What the last `read` could not be sure of, and what the server warned of.

    Raises
    ------
    ReaderError
        The URL, a header or the step cannot be used.
    """

    def __init__(
        self,
        url: str,
        signals: Signals,
        *,
        step_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        bands: LatencyBands | None = None,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._api = PrometheusApi(url, headers=headers, transport=transport)
        if step_s is not None and not 0.001 <= step_s < math.inf:
            raise ReaderError(f"{self._api.url}: a step of {step_s} s is not allowed; it must be at least 0.001 s")
        self._signals = signals
        self._step_s = step_s
        self._edges_s = (bands or LatencyBands()).edges_s
        self._now = now
        self.warnings: list[str] = []

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Read a range; see `Source`. By default the last hour.

        Raises
        ------
        ReaderError
            The server cannot be reached or understood, or has no data: the message says what was looked for.
        """
        self.warnings = []
        self._api.warnings.clear()
        now_s = self._now()
        end_s = now_s if until_s is None else until_s
        start_s = end_s - DEFAULT_SPAN_S if since_s is None else since_s
        if not start_s < end_s:
            raise ReaderError(
                f"{self._api.url}: the range is empty: it begins at {_iso(start_s)}, ends at {_iso(end_s)}"
            )
        with self._api:
            recording = self._read_range(start_s, end_s, is_recent=end_s > now_s - RECENT_S)
        self.warnings += [note for note in self._api.warnings if note not in self.warnings]
        if since_s is None:
            # nobody asked for the time before the source began
            began_s = float(recording.t[np.argmax(recording.fresh)])
            recording = recording.between(began_s - recording.layout.interval_s / 2, None)
        return recording

    def _read_range(self, start_s: float, end_s: float, *, is_recent: bool) -> Recording:
        time_range = [("start", f"{start_s:.3f}"), ("end", f"{end_s:.3f}")]
        names = find_names(self._api, self._signals, time_range, self.warnings)
        if not names:
            raise self._no_data(start_s, end_s)
        jobs = find_jobs(self._api, self._signals, names, time_range)
        scrape_s = self._signals.scrape_interval_s or find_scrape_interval_s(self._api, jobs)
        if scrape_s is None:
            scrape_s = DEFAULT_SCRAPE_INTERVAL_S
            self.warnings.append(
                f"the server does not say how often it scrapes: {scrape_s:.0f} s assumed; `scrape_interval` in the "
                "signals preset sets it"
            )
        step_s = self._step_s or choose_step_s(end_s - start_s, scrape_s)
        grid = self._grid(start_s, end_s, step_s)
        queries = PanelQueries(
            self._api,
            self._signals,
            names,
            grid,
            window_s=max(step_s, WINDOW_SCRAPES * scrape_s),
            # where frames are about as dense as scrapes an instant is all there is
            gauge_window_s=step_s if step_s >= 2.0 * scrape_s else None,
        )
        counters = {table: queries.counter(table) for table in COUNTER_TABLES if table in names}
        if is_recent and jobs:
            counters |= {table: {} for table in self._declared_only(names, jobs)}
        recording = self._assemble(grid, queries, counters)
        self.warnings += queries.warnings
        if not recording.fresh.any():
            raise self._no_data(start_s, end_s)
        return recording

    def _grid(self, start_s: float, end_s: float, step_s: float) -> TimeGrid:
        grid = TimeGrid.over(start_s, end_s, step_s)
        if not 0 < grid.count <= MAX_FRAMES:
            raise ReaderError(
                f"{self._api.url}: a step of {format_duration(step_s)} makes {grid.count} frames of the range of "
                f"{format_duration(end_s - start_s)}; allowed are 1 to {MAX_FRAMES}"
            )
        return grid

    def _declared_only(self, names: dict[str, str], jobs: list[str]) -> list[str]:
        """Counters that a target declares but that have no series: they have counted nothing yet."""
        return [
            table
            for table, signal in self._signals.panels()
            if table in COUNTER_TABLES and table not in names and is_declared(self._api, signal, jobs)
        ]

    def _no_data(self, start_s: float, end_s: float) -> ReaderError:
        looked_for = dict.fromkeys(name for _, signal in self._signals.panels() for name in signal.metrics)
        matchers = ", ".join(map(str, self._signals.matchers))
        return ReaderError(
            f"{self._api.url}: no data from {_iso(start_s)} to {_iso(end_s)}; looked for {' '.join(looked_for)}"
            f"{f' with {readable(matchers)}' if matchers else ''}; other names are chosen with --signals "
            f"(now {self._signals.name})"
        )

    # -- putting together ----------------------------------------------------------------------------------------------

    def _assemble(self, grid: TimeGrid, queries: PanelQueries, counters: dict[str, dict[str, Array]]) -> Recording:
        latency = queries.latency()
        backends = self._backends(set(latency).union(*counters.values()))
        columns = {table: _columns(counters.get(table, {}), backends, grid.count) for table in COUNTER_TABLES}
        requests = columns["requests"]
        for table in ("errors", "fallbacks", "glitches"):
            if table in counters:
                # a counter that exists but has no series for a backend has counted nothing, while the backend is seen
                columns[table] = np.where(np.isnan(columns[table]) & np.isfinite(requests), 0.0, columns[table])
        batch = queries.batch()
        batch_edges = edges_from_le(batch)
        return _blank_stale(
            Recording(
                layout=Layout(grid.step_ms / 1000, backends, self._edges_s, batch_edges),
                source=SPEC_PREFIX + self._api.url,
                events=(),
                t=grid.times_s,
                request_rate=requests,
                error_ratio=_ratio(columns["errors"], requests),
                fallback_ratio=_ratio(columns["fallbacks"], requests),
                glitch_rate=columns["glitches"],
                latency_rate=self._latency_rate(latency, backends, grid.count),
                batch_rate=bands_from_le(batch, batch_edges, grid.count),
                queue_depth=queries.gauge("queue"),
                active_requests=queries.gauge("active"),
                fresh=queries.presence(),
            )
        )

    def _backends(self, seen: set[str]) -> tuple[str, ...]:
        if len(seen) > MAX_BACKENDS:
            raise ReaderError(
                f"{self._api.url}: {len(seen)} backends by label {' or '.join(self._signals.backend_labels)}; allowed "
                f"are {MAX_BACKENDS}: narrow `matchers` or choose another label in the signals preset "
                f"{self._signals.name}"
            )
        return self._signals.order_backends(seen or {ALL})

    def _latency_rate(
        self, histograms: dict[str, dict[float, Array]], backends: tuple[str, ...], num_frames: int
    ) -> Array:
        rates = np.full((num_frames, len(backends), len(self._edges_s) - 1), np.nan)
        unit_s = self._signals.latency.unit_s if self._signals.latency else 1.0
        for index, backend in enumerate(backends):
            buckets = {bound * unit_s: rate for bound, rate in histograms.get(backend, {}).items()}
            rates[:, index] = bands_from_le(buckets, self._edges_s, num_frames)
            if outermost_share(buckets) > OUTERMOST_SHARE:
                self.warnings.append(
                    f"latency of {readable(backend)}: over {OUTERMOST_SHARE:.0%} is in the lowest or highest bucket; "
                    "do the buckets fit the unit?"
                )
        return rates


def _columns(rates: dict[str, Array], backends: tuple[str, ...], num_frames: int) -> Array:
    missing = np.full(num_frames, np.nan)
    return np.stack([rates.get(backend, missing) for backend in backends], axis=1)


def _ratio(events: Array, requests: Array) -> Array:
    """Share of the requests, 0–1; NaN where there were none: of nothing there is no share."""
    share = np.full(requests.shape, np.nan)
    np.divide(events, requests, out=share, where=requests > 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0))  # extrapolation may lift a part above its whole


def _blank_stale(recording: Recording) -> Recording:
    """Mark rows in which nothing was measured as stale, and blank those in which the source was gone.

    A rate outlives its source by its window, so presence is asked for by itself.
    """
    names = ("request_rate", "error_ratio", "fallback_ratio", "glitch_rate", "latency_rate", "batch_rate")
    columns = {name: getattr(recording, name) for name in (*names, "queue_depth", "active_requests")}
    rows = len(recording)
    measured = [np.isfinite(column).reshape(rows, -1).any(axis=1) for column in columns.values()]
    fresh = recording.fresh & np.any(measured, axis=0)
    for name, column in columns.items():
        keep = fresh.reshape(rows, *([1] * (column.ndim - 1)))
        columns[name] = np.where(keep, column, np.nan)
    return replace(recording, fresh=fresh, **columns)


def _iso(time_s: float) -> str:
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_s} s"


def open_prometheus(
    spec: str, signals: Signals, *, step_s: float | None = None, headers: Mapping[str, str] | None = None
) -> PrometheusSource:
    """Open ``prometheus+http(s)://[user:password@]host[:port][/prefix]``; see `PrometheusSource`."""
    return PrometheusSource(spec.removeprefix(SPEC_PREFIX), signals, step_s=step_s, headers=headers)


def open_prometheus_source(spec: str, signals: str) -> PrometheusSource:
    """Open a spec with the name or file of a signals preset, as the registry of sources does."""
    return open_prometheus(spec, load_signals(signals))
