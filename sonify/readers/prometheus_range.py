"""A range of time from a Prometheus server as a recording."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Recording
from sonify.readers import promql
from sonify.readers.panel_window import MAX_BACKENDS
from sonify.readers.prometheus_answers import Series, merge_matrix
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.prometheus_discovery import (
    Found,
    find_all_names,
    find_declared,
    find_jobs,
    find_labels,
    find_names,
    find_scrape_interval_s,
)
from sonify.readers.prometheus_panels import Columns, Gathered
from sonify.readers.prometheus_parts import Part, choose_parts, tag_parts
from sonify.readers.readable import readable
from sonify.readers.signals import Signals
from sonify.readers.source import ALL
from sonify.readers.time_grid import TimeGrid, choose_step_s
from sonify.units import format_duration

__all__ = ["MAX_BACKENDS", "WINDOW_SCRAPES", "RangeReader", "iso", "nothing_found"]

Array = NDArray[np.float64]
SPEC_PREFIX = "prometheus+"
DEFAULT_SCRAPE_INTERVAL_S = 60.0
WINDOW_SCRAPES = 4  # a rate needs two samples in its window; four bear one lost scrape and the jitter of the others
LOOKBACK_S = 300.0  # how old a sample may be that an instant query still finds
STALE_SCRAPES = 2.5
VICTORIA_SHIFT_MS = 300_000
MAX_FRAMES = 500_000
RECENT_S = 300.0  # what the server says of its targets now holds for a range that ends this recently


class RangeReader:
    """Reads a range: one query per panel, in as many pieces as the server's limit takes.

    Parameters
    ----------
    api : PrometheusApi
        Open.
    signals : Signals or None
        The preset; None lets the names of the metrics choose.
    edges_s : array (bands + 1,)
        Of the latency bands.
    step_s, window_s : float or None
        Time between frames, and what rates are taken over; None chooses by the scrape interval.

    Attributes
    ----------
    warnings : list of str
        What could not be read as it stands.
    """

    def __init__(
        self,
        api: PrometheusApi,
        signals: Signals | None,
        edges_s: Array,
        *,
        step_s: float | None,
        window_s: float | None,
    ) -> None:
        self._api = api
        self._given = signals
        self._edges_s = edges_s
        self._step_s = step_s
        self._window_s = window_s
        self._is_recent = False
        self.warnings: list[str] = []

    def read(self, start_s: float, end_s: float, *, is_recent: bool) -> Recording:
        """Read the frames after `start_s` and no later than `end_s` (Unix s); ReaderError as `PrometheusSource`."""
        self._is_recent = is_recent
        time_range = [("start", f"{start_s:.3f}"), ("end", f"{end_s:.3f}")]
        signals = self._signals(time_range)
        names = find_names(self._api, signals, time_range)
        if not names:
            raise self._no_data(signals, start_s, end_s)
        jobs = find_jobs(self._api, signals, names, time_range)
        known_s = signals.scrape_interval_s or find_scrape_interval_s(self._api, jobs)
        scrape_s = known_s or DEFAULT_SCRAPE_INTERVAL_S
        if known_s is None:
            self.warnings.append(
                f"the server does not say how often it scrapes: {scrape_s:.0f} s assumed; `scrape_interval` in the "
                "signals preset sets it"
            )
        found = Found(
            names=names,
            labels=find_labels(self._api, signals, names, time_range),
            declared=find_declared(self._api, signals, names, jobs) if is_recent else frozenset(),
        )
        step_s = self._step_s or choose_step_s(end_s - start_s, scrape_s)
        parts = choose_parts(
            signals,
            found,
            window_s=self._window_s or max(step_s, WINDOW_SCRAPES * scrape_s),
            # where frames are about as dense as scrapes an instant is all there is
            gauge_window_s=step_s if step_s >= 2.0 * scrape_s else None,
            is_victoria=self._api.is_victoria,
        )
        grid = self._grid(start_s, end_s, step_s)
        gathered = Gathered(signals, grid.count, self._edges_s)
        self._ask(grid, parts, gathered)
        gathered.declare(found.declared)
        stale_s = LOOKBACK_S if known_s is None else STALE_SCRAPES * scrape_s
        recording = self._assemble(signals, grid, gathered, stale_s)
        self._warn(signals, parts, gathered)
        if not recording.fresh.any():
            raise self._no_data(signals, start_s, end_s)
        return recording

    def _signals(self, time_range: list[tuple[str, str]]) -> Signals:
        if self._given is not None:
            return self._given
        from sonify.readers.auto_signals import choose_signals

        choice = choose_signals(find_all_names(self._api, time_range))
        self.warnings.append(choice.said)
        return choice.signals

    def _no_data(self, signals: Signals, start_s: float, end_s: float) -> ReaderError:
        return ReaderError(f"{self._api.url}: no data from {iso(start_s)} to {iso(end_s)}; {nothing_found(signals)}")

    def _grid(self, start_s: float, end_s: float, step_s: float) -> TimeGrid:
        grid = TimeGrid.over(start_s, end_s, step_s)
        if not 0 < grid.count <= MAX_FRAMES:
            raise ReaderError(
                f"{self._api.url}: a step of {format_duration(step_s)} makes {grid.count} frames of the range of "
                f"{format_duration(end_s - start_s)}; allowed are 1 to {MAX_FRAMES}"
            )
        return grid

    def _ask(self, grid: TimeGrid, parts: tuple[Part, ...], gathered: Gathered) -> None:
        for part in parts:
            if part.kind != "time":
                gathered.add(part, self._matrix(grid, part.query, part.what).get("", []))
        tags = tag_parts(part for part in parts if part.kind == "time")
        query = promql.tagged({tag: same[0].query for tag, same in tags.items()})
        for tag, series in self._matrix(grid, query, "presence of the source").items():
            for part in tags.get(tag, []):
                gathered.add(part, series)

    def _matrix(self, grid: TimeGrid, query: str, what: str) -> dict[str, list[Series]]:
        # VictoriaMetrics repeats what was 30 s ago in place of newer points; what it takes for older it leaves alone
        shift_ms = VICTORIA_SHIFT_MS if self._api.is_victoria and self._is_recent else 0
        asked = f"({query}) offset -{shift_ms}ms" if shift_ms else query

        def ask(first_ms: int, last_ms: int) -> object:
            fields = [
                ("query", asked),
                ("start", f"{first_ms / 1000:.3f}"),
                ("end", f"{last_ms / 1000:.3f}"),
                ("step", f"{grid.step_ms / 1000:.3f}"),
            ]
            if self._api.is_victoria:
                fields.append(("nocache", "1"))
            return self._api.ask("/api/v1/query_range", fields, what=what)

        return merge_matrix(self._api.url, grid.earlier(shift_ms), ask, what)

    def _assemble(self, signals: Signals, grid: TimeGrid, gathered: Gathered, stale_s: float) -> Recording:
        seen = gathered.backends()
        if len(seen) > MAX_BACKENDS:
            raise ReaderError(
                f"{self._api.url}: {len(seen)} backends by label {' or '.join(signals.backend_labels)}; allowed "
                f"are {MAX_BACKENDS}: narrow `matchers` or choose another label in the signals preset {signals.name}"
            )
        backends = signals.order_backends(seen or {ALL})
        batch_edges = gathered.batch_edges()
        columns = gathered.columns(backends, batch_edges)
        gathered.warn_of_unit()
        return _blank_stale(
            Recording(
                layout=Layout(grid.step_ms / 1000, backends, self._edges_s, batch_edges),
                source=SPEC_PREFIX + self._api.url,
                events=(),
                t=grid.times_s,
                request_rate=columns.request_rate,
                error_ratio=columns.error_ratio,
                fallback_ratio=columns.fallback_ratio,
                glitch_rate=columns.glitch_rate,
                latency_rate=columns.latency_rate,
                batch_rate=columns.batch_rate,
                queue_depth=columns.queue_depth,
                active_requests=columns.active_requests,
                fresh=_presence(grid, gathered, stale_s),
            )
        )

    def _warn(self, signals: Signals, parts: tuple[Part, ...], gathered: Gathered) -> None:
        for part in parts:
            if part.kind in ("count", "buckets", "native", "number") and part.table != "batch" and not part.labels:
                gathered.warnings[no_label(part, signals)] = None
        self.warnings += gathered.warnings


def no_label(part: Part, signals: Signals) -> str:
    """Say that a series has none of the labels that may name the backend."""
    return f"{part.name} has no label {' or '.join(signals.backend_labels)}: all of it is one backend, {ALL!r}"


def nothing_found(signals: Signals) -> str:
    """Say what was looked for."""
    looked_for = dict.fromkeys(name for _, signal in signals.panels() for name in signal.metrics)
    matchers = ", ".join(map(str, signals.matchers))
    return (
        f"looked for {' '.join(looked_for)}{f' with {readable(matchers)}' if matchers else ''}; other names are chosen "
        f"with --signals (now {signals.name})"
    )


def _presence(grid: TimeGrid, gathered: Gathered, stale_s: float) -> NDArray[np.bool_]:
    """Whether the source was there, shape (times,): judged by the age of the newest sample."""
    newest_s = np.full(grid.count, -np.inf)
    for times_s in gathered.newest_s.values():
        newest_s = np.fmax(newest_s, times_s)
    return np.asarray(grid.times_s - newest_s <= stale_s)


def _blank_stale(recording: Recording) -> Recording:
    """Mark rows in which nothing was measured as stale, and blank those in which the source was gone.

    A rate outlives its source by its window, so presence is asked for by itself.
    """
    names = [*Columns.__dataclass_fields__]
    columns = {name: getattr(recording, name) for name in names}
    rows = len(recording)
    measured = [np.isfinite(column).reshape(rows, -1).any(axis=1) for column in columns.values()]
    fresh = recording.fresh & np.any(measured, axis=0)
    for name, column in columns.items():
        keep = fresh.reshape(rows, *([1] * (column.ndim - 1)))
        columns[name] = np.where(keep, column, np.nan)
    return replace(recording, fresh=fresh, **columns)


def iso(time_s: float) -> str:
    """Write a time as ISO 8601."""
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_s} s"
