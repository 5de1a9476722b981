"""A Prometheus server live: a frame at every tick, and no frame that looks fresh when its samples are not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.metrics.frame import Layout, MetricFrame
from sonify.readers.http_session import Patience
from sonify.readers.panel_window import MAX_BACKENDS, OTHER
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.prometheus_panels import Columns, Gathered
from sonify.readers.prometheus_poller import Failure, Plan, Poll, Poller
from sonify.readers.signals import Signals
from sonify.readers.source import ALL, Update
from sonify.readers.ticks import ticks

__all__ = ["Follower"]

Array = NDArray[np.float64]

# at once, then with patience, then no more: where samples show up late, as in a cluster, there is no better time
POLLS_TO_ALIGN = (1, 5, 30, math.inf)
GOOD_AGE_SCRAPES = (0.06, 0.5)  # at the very moment of a scrape its sample is there at one poll, and missing at another
NEW_SAMPLE_SCRAPES = 0.15
FIRST_INTERVAL_S = 1.0  # until it is known how often the metrics are collected
ANSWER_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 32 * 2**20
LATE_INTERVALS = 1.9


class Follower:
    """Follows one server; see `PrometheusSource` for the parameters.

    Parameters
    ----------
    open_api : callable
        Makes the API; gets a patience and how to wait.
    """

    def __init__(
        self,
        open_api: Callable[..., PrometheusApi],
        signals: Signals | None,
        edges_s: Array,
        *,
        interval_s: float | None,
        window_s: float | None,
        timeout_s: float | None = None,
    ) -> None:
        self._open_api = open_api
        self._signals = signals
        self._edges_s = edges_s
        self._asked_interval_s = interval_s
        self._asked_window_s = window_s
        self._timeout_s = timeout_s or ANSWER_TIMEOUT_S
        self._interval_s = interval_s or FIRST_INTERVAL_S
        self._url = ""
        self._order: Callable[[set[str]], tuple[str, ...]] = lambda names: tuple(sorted(names))
        self._backends: set[str] = set()
        self._batch_edges: Array = np.empty(0)
        self._layout: Layout | None = None
        self._newest_s: dict[str, float] = {}  # by table, on the server's clock
        self._server_s = (math.nan, math.nan)  # the server's clock, and when it stood so on the monotonic one
        self._phase_s = 0.0  # of the ticks
        self._freshest_s = math.nan
        self._late_polls = self._alignments = 0
        self._said: set[str] = set()
        self._pending: list[str] = []

    def follow(self, stop: Event) -> Iterator[Update]:
        """Yield updates until `stop` is set; see `Source`."""
        api = self._open_api(patience=Patience(self._timeout_s, self._timeout_s, MAX_ANSWER_BYTES), sleep=stop.wait)
        self._url = api.url
        poller = Poller(api, self._signals, interval_s=self._asked_interval_s, window_s=self._asked_window_s, stop=stop)
        poller.start()
        try:
            while not stop.is_set():
                yield from self._at_one_interval(poller, stop)
        finally:
            poller.close()

    def _at_one_interval(self, poller: Poller, stop: Event) -> Iterator[Update]:
        """Yield updates for as long as the ticks stay the same."""
        interval_s, phase_s = self._interval_s, self._phase_s
        good_s = time.monotonic()
        for tick_s in ticks(interval_s, stop, clock=lambda: time.time() - phase_s):
            t = tick_s + phase_s
            result = poller.newest(0.9 * interval_s)
            if stop.is_set():
                return
            if isinstance(result, Poll):
                good_s = time.monotonic()
                yield self._well(t, result)
                self._align(result)
                if (result.plan.interval_s, self._phase_s) != (interval_s, phase_s):
                    return
            elif isinstance(result, Failure):
                if not isinstance(result.error, ReaderError):
                    raise result.error
                yield self._lost(t, str(result.error))
            elif time.monotonic() - good_s >= LATE_INTERVALS * interval_s:
                yield self._lost(t, f"{self._url}: no answer in time")

    def _align(self, poll: Poll) -> None:
        """Move the ticks to where samples are new, if they come when these are old or being replaced."""
        plan, age_s = poll.plan, poll.asked_s - self._freshest_s
        scrapes = plan.interval_s / plan.scrape_s
        if not 0.0 <= age_s <= stale_after_s(plan) or abs(scrapes - max(round(scrapes), 1)) > 0.05:
            self._late_polls = 0
            return
        is_good = GOOD_AGE_SCRAPES[0] <= age_s / plan.scrape_s <= GOOD_AGE_SCRAPES[1]
        self._late_polls = 0 if is_good else self._late_polls + 1
        if self._late_polls >= POLLS_TO_ALIGN[self._alignments]:
            self._alignments += 1
            self._late_polls = 0
            # a scrape takes its time, and its sample counts from when it began; some servers keep it back for a while
            ideal_s = poll.asked_here_s - age_s + NEW_SAMPLE_SCRAPES * self._alignments * plan.scrape_s
            self._phase_s = ideal_s % plan.interval_s

    # -- updates -------------------------------------------------------------------------------------------------------

    def _now_s(self) -> float:
        """Tell the time by the server's clock."""
        server_s, moment_s = self._server_s
        return server_s + time.monotonic() - moment_s

    def _update(self, frame: MetricFrame, problem: str) -> Update:
        now_s = self._now_s()
        ages_s = {table: max(now_s - newest_s, 0.0) for table, newest_s in self._newest_s.items()}
        notices, self._pending = tuple(self._pending), []
        return Update(frame, min(ages_s.values(), default=math.nan), ages_s, problem, notices)

    def _lost(self, t: float, problem: str) -> Update:
        return self._update(MetricFrame.unmeasured(self._current_layout(), t), problem)

    def _say(self, *notices: str) -> None:
        for notice in notices:
            if notice not in self._said and len(self._said) < 1000:
                self._said.add(notice)
                self._pending.append(notice)

    def _well(self, t: float, poll: Poll) -> Update:
        plan = poll.plan
        self._server_s = (poll.asked_s, poll.sent_s)
        self._order = plan.signals.order_backends
        gathered = Gathered(plan.signals, 1, self._edges_s, backend_of=self._place)
        for part, series in poll.answers:
            gathered.add(part, series)
        gathered.declare(plan.found.declared)
        for table, times_s in gathered.newest_s.items():
            if np.isfinite(times_s[0]):
                self._newest_s[table] = max(float(times_s[0]), self._newest_s.get(table, -math.inf))
        self._freshest_s = max((float(times_s[0]) for times_s in gathered.newest_s.values()), default=math.nan)
        self._say(*poll.notices, *gathered.warnings)
        self._interval_s = plan.interval_s
        frame = self._frame(t, plan, gathered, poll.asked_s)
        return self._update(frame, "" if frame.fresh else self._why_stale(plan, poll.asked_s))

    def _place(self, backend: str) -> str:
        """Keep a backend under its own name while there is room."""
        if backend in self._backends or len(self._backends) < MAX_BACKENDS:
            self._backends.add(backend)
            return backend
        self._say(f"more than {MAX_BACKENDS} backends: the others are one, {OTHER!r}")
        self._backends.add(OTHER)
        return OTHER

    def _current_layout(self) -> Layout:
        # one backend for all is no backend beside those that have names
        backends = self._order(self._backends or {ALL})
        old = self._layout
        if old is None or old.backends != backends or len(old.batch_edges) != len(self._batch_edges):
            self._layout = old = Layout(self._interval_s, backends, self._edges_s, self._batch_edges)
        elif old.interval_s != self._interval_s:
            self._layout = old = replace(old, interval_s=self._interval_s)
        return old

    def _frame(self, t: float, plan: Plan, gathered: Gathered, asked_s: float) -> MetricFrame:
        self._backends |= gathered.backends()
        if not len(self._batch_edges):
            self._batch_edges = gathered.batch_edges()
        layout = self._current_layout()
        columns = gathered.columns(layout.backends, self._batch_edges)
        stale_s = stale_after_s(plan)
        is_old = {table: not asked_s - times_s[0] <= stale_s for table, times_s in gathered.newest_s.items()}
        gone = np.asarray(
            [
                not asked_s - gathered.backend_newest_s.get(backend, np.full(1, -np.inf))[0] <= stale_s
                for backend in layout.backends
            ]
        )
        if ALL in layout.backends:
            gone[layout.backends.index(ALL)] = False  # judged by its panels
        frame = _as_frame(layout, t, columns, is_old, gone)
        measured = any(np.isfinite(getattr(frame, name)).any() for name in Columns.__dataclass_fields__)
        is_fresh = measured and asked_s - self._freshest_s <= stale_s
        return replace(frame, fresh=True) if is_fresh else MetricFrame.unmeasured(layout, t)

    def _why_stale(self, plan: Plan, asked_s: float) -> str:
        if asked_s - self._freshest_s <= stale_after_s(plan):
            return f"{self._url}: there are samples, but no rates yet: they take two samples"
        return (
            f"{self._url}: the metrics are gone, or older than {stale_after_s(plan):.3g} s: is their target up, and "
            "still scraped?"
        )


def stale_after_s(plan: Plan) -> float:
    """How old the newest sample may be."""
    return 2.0 * plan.interval_s + plan.scrape_s


def _as_frame(
    layout: Layout, t: float, columns: Columns, is_old: dict[str, bool], gone: NDArray[np.bool_]
) -> MetricFrame:
    """Take the only row, and blank what has no samples that are new."""

    def row(name: str, table: str) -> Array:
        values: Array = getattr(columns, name)[0]
        if is_old.get(table, False):
            return np.full_like(values, np.nan)
        return np.where(gone.reshape(-1, *([1] * (values.ndim - 1))), np.nan, values)

    def whole(name: str, table: str) -> Array:
        values: Array = getattr(columns, name)[0]
        return np.full_like(values, np.nan) if is_old.get(table, False) else values

    return MetricFrame(
        layout=layout,
        t=t,
        request_rate=row("request_rate", "requests"),
        error_ratio=row("error_ratio", "errors"),
        fallback_ratio=row("fallback_ratio", "fallbacks"),
        glitch_rate=row("glitch_rate", "glitches"),
        latency_rate=row("latency_rate", "latency"),
        batch_rate=whole("batch_rate", "batch"),
        queue_depth=float(whole("queue_depth", "queue")),
        active_requests=float(whole("active_requests", "active")),
        fresh=False,
    )
