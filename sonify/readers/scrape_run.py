"""A scrape that is under way: pages of all targets become frames, and what is lost or late is said."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.metrics.frame import MetricFrame
from sonify.readers.auto_signals import choose_signals
from sonify.readers.exposition_pages import Page, PageReader, Series
from sonify.readers.panel_window import MAX_BACKENDS, OTHER, PanelWindow
from sonify.readers.readable import readable
from sonify.readers.routes import Route, Router
from sonify.readers.scrape_panels import PanelCounts, TargetPanels
from sonify.readers.scrape_target import FetchedPage, ScrapeTarget
from sonify.readers.signals import Signals
from sonify.readers.source import Update

__all__ = ["ScrapeRun", "WatchedTarget"]

AUTO = "auto"
LOST_INTERVALS = 2.0  # age of the newest data, in intervals, from which a target is lost
_JITTER = 0.1  # of an interval: a tick comes a little early or late
_TOTAL = "_total"


class _Asked(set[str]):
    """Holds nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return False


def _candidates(signals: Signals) -> set[str]:
    """All names that a preset looks for, whether the source has them or not."""
    asked = _Asked()
    Router(signals, asked)
    return asked.names


class WatchedTarget:
    """A target, what is known of its pages, and how it fares."""

    def __init__(self, fetcher: ScrapeTarget) -> None:
        self.fetcher = fetcher
        self.reader = PageReader(fetcher.url, lambda _: False)
        self.panels = TargetPanels()
        self.problem = ""  # of the last scrape
        self.data_s = -math.inf  # when the newest data were true, on time.monotonic
        self.is_lost = True  # there is nothing yet
        self.has_counted = False  # more than where its counters stand
        self.took_s = 0.0
        self.num_names = 0
        self.is_openmetrics = False

    def patience_s(self, interval_s: float) -> float:
        """Age of its newest data from which it is lost; one that is slow, but answers, is given its time."""
        slow = 0.0 if self.problem else math.ceil(self.took_s / interval_s - 1.0)
        return interval_s * (LOST_INTERVALS * (1.0 + max(slow, 0.0)) - _JITTER + (0.0 if self.problem else 0.5))


class ScrapeRun:
    """What is known while the source is followed.

    Parameters
    ----------
    targets : list of WatchedTarget
        Whose pages are taken.
    signals : Signals or None
        The preset; None chooses one by the names that are there.
    interval_s, window_s : float
        Time between frames, and what rates are taken over.
    clock, wall_clock : callable
        `time.monotonic` and `time.time`; others for tests.
    """

    def __init__(
        self,
        targets: list[WatchedTarget],
        signals: Signals | None,
        interval_s: float,
        window_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.targets = targets
        self._clock, self._wall_clock = clock, wall_clock
        self._signals = signals
        self._is_auto = signals is None
        self._interval_s = interval_s
        self._window_s = window_s
        self._longest_gap_s = window_s + LOST_INTERVALS * interval_s  # over which counts are still spread
        self._router: Router | None = None
        self._setup_problem = ""
        self._notices: list[str] = []
        self._said: set[str] = set()
        self._frame: MetricFrame | None = None
        self._gauges: set[str] = set()  # that there were
        self._frame_t = math.nan  # end of the last interval that was counted
        self._start_s = self._clock()
        self._window = self._new_window()
        if signals is not None:
            self._want(signals)

    def _new_window(self) -> PanelWindow:
        order: Callable[[set[str]], Sequence[str]] = self._signals.order_backends if self._signals else sorted
        return PanelWindow(interval_s=self._interval_s, window_s=self._window_s, order=order)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._notices.append(text)

    # -- what is wanted --------------------------------------------------------------------------------------------

    def _want(self, signals: Signals) -> None:
        self._signals = signals
        wanted = _candidates(signals)
        for target in self.targets:
            target.reader.want(lambda name: name in wanted or name.removesuffix(_TOTAL) in wanted)
            target.panels.restart()
            target.num_names = -1  # its names are to be gathered anew
        self._window = self._new_window()

    def _names(self) -> dict[str, set[str]]:
        """Names on all targets with the names of their labels; of OpenMetrics also without its ending ``_total``."""
        names: dict[str, set[str]] = {}
        for target in self.targets:
            for name, labels in target.reader.names.items():
                names.setdefault(name, set()).update(labels)
                if target.is_openmetrics and name.endswith(_TOTAL):
                    names.setdefault(name.removesuffix(_TOTAL), set()).update(labels)
        return names

    def _route(self) -> bool:
        """Choose names again where new ones came; whether what is wanted of the pages is another thing now."""
        if all(target.num_names == len(target.reader.names) for target in self.targets):
            return False
        names = self._names()
        chosen_anew = False
        if self._is_auto and (self._signals is None or not (self._router and self._router.chosen)):
            try:
                choice = choose_signals(names, names)
            except ReaderError as error:
                self._setup_problem = str(error)
            else:
                self._say(choice.said)
                self._want(choice.signals)
                chosen_anew = True
        for target in self.targets:
            target.num_names = len(target.reader.names)
        if self._signals is None:
            return False
        router = Router(self._signals, names)
        if self._router is None or router.chosen != self._router.chosen or chosen_anew:
            self._router = router
            for target in self.targets:
                target.panels.replan()
            self._judge(router, len(names))
        return chosen_anew

    def _judge(self, router: Router, num_names: int) -> None:
        """Say what the preset finds, and what it does not."""
        assert self._signals is not None
        name = self._signals.name
        if not router.chosen:
            self._setup_problem = f"signals {name}: none of its metrics is among the {num_names} that are there"
            return
        self._setup_problem = ""
        if router.missing and not self._is_auto:
            self._say(f"signals {name}: no data for {' '.join(router.missing)}")
        latency = self._signals.latency
        if latency is not None and latency.mode == "histogram" and router.chosen.get("latency", "").endswith("_sum"):
            base = readable(router.chosen["latency"].removesuffix("_sum"))
            self._say(
                f"{base} has no buckets on the page (native histograms are not in the text format): averages only"
            )

    def _routes_of(self, series: Series) -> tuple[Route, ...]:
        router = self._router
        if router is None:
            return ()
        return router.of(series.name, series.labels) or router.of(series.name.removesuffix(_TOTAL), series.labels)

    # -- a tick ----------------------------------------------------------------------------------------------------

    def update(self, t: float) -> Update:
        """Take what came, and make a frame of it."""
        fetched = [(target, page) for target in self.targets if (page := target.fetcher.take()) is not None]
        pages = [(target, page, read) for target, page in fetched if (read := self._read(target, page)) is not None]
        if pages and self._route():
            # the same bytes again, now that it is known what is wanted of them
            pages = [
                (target, page, read) for target, page, _ in pages if (read := self._read(target, page)) is not None
            ]
        if t - self._frame_t > self._longest_gap_s:  # the machine slept: nothing of before is of now
            self._window.skip(t)
            self._frame = None
        now_s = self._clock()
        counts = PanelCounts()
        counted = False
        for target, page, read in pages:
            counted |= self._take(target, page, read, counts)
        for target in self.targets:
            target.is_lost |= now_s - target.data_s >= target.patience_s(self._interval_s)
        live = [target for target in self.targets if not target.is_lost]
        is_empty = not any(target.panels.live for target in live)
        problem = self._problem(live, now_s) or (self._empty_problem() if live and is_empty else "")
        if is_empty or self._setup_problem:
            self._frame = None
            frame = self._window.skip(t)
            self._frame_t = t if live else math.nan
        else:
            frame = self._live_frame(t, live, counts, has_pages=bool(pages), has_counted=counted)
        notices, self._notices = tuple(self._notices), []
        newest_s = max((target.data_s for target in self.targets), default=-math.inf)
        lag_s = now_s - newest_s if math.isfinite(newest_s) else math.nan
        ages_s = {table: age_s + max(lag_s, 0.0) for table, age_s in self._window.ages_s(t).items()}
        return Update(frame, lag_s, ages_s, problem, notices)

    def _read(self, target: WatchedTarget, page: FetchedPage) -> Page | None:
        target.took_s, target.problem = page.took_s, page.problem
        if page.problem:
            return None
        target.is_openmetrics = page.openmetrics
        try:
            return target.reader.read(page.body, openmetrics=page.openmetrics)
        except ReaderError as error:
            target.problem = str(error)
            if page.openmetrics and target.fetcher.prefer_text():
                self._say(f"{error}; the older text format is asked for from now on")
        return None

    def _take(self, target: WatchedTarget, page: FetchedPage, read: Page, counts: PanelCounts) -> bool:
        """Take a page into the panels; whether it counted anything, and is not the first after a gap."""
        age_s = self._clock() - page.sent_s
        if read.times_s is not None:
            read, age_s = self._without_old(target, read, age_s)
            if not len(read.ids):
                return False
        data_s = self._clock() - age_s
        # what was counted while nobody could listen is no burst of now
        is_first = read.is_first or target.is_lost or data_s - target.data_s > self._longest_gap_s
        target.data_s, target.is_lost = data_s, False
        if is_first:
            target.panels.restart()
        unit_s = self._signals.latency.unit_s if self._signals and self._signals.latency else 1.0
        target.panels.take(read, target.reader.series, self._routes_of, unit_s, counts, is_first=is_first)
        target.has_counted = not is_first
        if target.panels.unread:
            self._say(f"{target.fetcher.url}: {target.panels.unread} buckets whose label le is no number are left out")
        if page.took_s > self._interval_s:
            self._say(
                f"{target.fetcher.url}: takes longer to answer than an interval of {self._interval_s:g} s: what is "
                "heard of it comes late; try a longer one, --option interval=1s"
            )
        return not is_first

    def _without_old(self, target: WatchedTarget, read: Page, age_s: float) -> tuple[Page, float]:
        """Leave out samples whose timestamp says that they are old; age of what is left."""
        assert read.times_s is not None
        ages_s = np.where(np.isnan(read.times_s), age_s, self._wall_clock() - read.times_s)
        good = ages_s < LOST_INTERVALS * self._interval_s
        if good.all():
            return read, max(age_s, float(ages_s.min())) if len(ages_s) else age_s
        if not good.any() and len(good):
            target.problem = (
                f"{target.fetcher.url}: by their timestamps the samples are older than two intervals of "
                f"{self._interval_s:g} s; set --option interval to how often they change, or check the clocks"
            )
        else:
            self._say(f"{target.fetcher.url}: samples whose timestamps are over two intervals old are left out")
        kept = read._replace(ids=read.ids[good], values=read.values[good], times_s=read.times_s[good])
        return kept, max(age_s, float(ages_s[good].min(initial=math.inf)))  # a clock that is ahead makes nothing newer

    def _problem(self, live: Sequence[WatchedTarget], now_s: float) -> str:
        """Say why the source, or a part of it, is lost, in one line."""
        lost = [target for target in self.targets if target not in live]
        waited_s = now_s - self._start_s
        lost = [target for target in lost if target.problem or waited_s > target.patience_s(self._interval_s)]
        if lost:
            first = lost[0]
            why = first.problem or f"{first.fetcher.url}: no answer in time"
            if len(self.targets) == 1:
                return why
            rest = "; what is heard is of the others only" if live else ""
            return f"{len(lost)} of {len(self.targets)} targets lost{rest}: {why}"
        return self._setup_problem if live else ""

    def _empty_problem(self) -> str:
        name = self._signals.name if self._signals else AUTO
        return (
            f"signals {name}: no series of its metrics is on the page now; many services show them once they are used"
        )

    def _live_frame(
        self, t: float, live: Sequence[WatchedTarget], counts: PanelCounts, *, has_pages: bool, has_counted: bool
    ) -> MetricFrame:
        if not has_counted and self._frame is not None:
            # nobody has answered yet, and nobody is late: the window stands still for a moment
            return _masked(replace(self._frame, t=t), live)
        gauges: dict[str, float] = {}
        for target in live:
            for table, value in target.panels.gauges.items():
                gauges[table] = gauges.get(table, 0.0) + value
        counts.pour(self._window)
        if not has_counted:  # what is there is known, and gives the frames their shape; what it does is not
            unmeasured = self._window.skip(t)
            queue, active = (gauges.get(table, math.nan) for table in ("queue", "active"))
            self._frame_t = t if has_pages else self._frame_t
            return replace(unmeasured, fresh=True, queue_depth=queue, active_requests=active)
        self._gauges |= gauges.keys()
        for table in self._gauges:
            self._window.set_gauge(table, gauges.get(table, math.nan))
        duration_s = t - self._frame_t if t > self._frame_t else None
        self._frame_t = t
        self._frame = _masked(self._window.frame(t, duration_s=duration_s), live)
        if self._window.num_folded:
            self._say(f"more than {MAX_BACKENDS} backends: the rest are heard as one, {OTHER}")
        return self._frame


def _masked(frame: MetricFrame, live: Sequence[WatchedTarget]) -> MetricFrame:
    """Unmeasure backends that no target shows any more: nobody counted zero for them."""
    there = frozenset[tuple[str, str]]().union(*(target.panels.live for target in live if target.has_counted))
    of_any = {backend for _, backend in there}
    backends = frame.layout.backends

    def has(*tables: str) -> NDArray[np.bool_]:
        return np.asarray(
            [backend == OTHER or any((table, backend) in there for table in tables) for backend in backends]
        )

    gone = np.asarray([backend not in of_any and backend != OTHER for backend in backends])
    counted, timed = has("requests", "latency"), has("latency", "mean")
    if not gone.any() and counted.all() and timed.all():
        return frame
    return replace(
        frame,
        request_rate=np.where(counted, frame.request_rate, np.nan),
        error_ratio=np.where(gone, np.nan, frame.error_ratio),
        fallback_ratio=np.where(gone, np.nan, frame.fallback_ratio),
        glitch_rate=np.where(gone, np.nan, frame.glitch_rate),
        latency_rate=np.where(timed[:, None], frame.latency_rate, np.nan),
    )
