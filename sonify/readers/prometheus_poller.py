"""The network side of following a Prometheus server: discovery now and then, and all panels in one query a poll."""

from __future__ import annotations

import math
import random
import time
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.readers import promql
from sonify.readers.prometheus_answers import Series, read_vector
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.prometheus_discovery import (
    Found,
    find_all_names,
    find_declared,
    find_jobs,
    find_labels,
    find_live_names,
    find_sample_distance_s,
    find_scrape_interval_s,
    labels_asker,
)
from sonify.readers.prometheus_parts import Part, choose_parts, tag_parts
from sonify.readers.prometheus_range import DEFAULT_SCRAPE_INTERVAL_S, WINDOW_SCRAPES, no_label, nothing_found
from sonify.readers.signals import Signals

__all__ = ["Failure", "Plan", "Poll", "Poller"]

DISCOVERY_S = 60.0
MISSING_DISCOVERY_S = 5.0  # while a panel that was there has no data
RECENT_S = 600.0
BACK_OFF_MOST_S = 5.0
_WHAT = "all panels"
_CLOCK = "clock"
_STOP_S = 0.05  # in which a stop is noticed


class Plan(NamedTuple):
    """What is asked.

    Attributes
    ----------
    signals : Signals
        The preset.
    found : Found
        What the server has of it.
    questions : tuple of (str, dict of str to list of Part)
        Queries, and what each tag in their answers stands for. The first holds all panels; only where there are two
        native histograms the second needs a question of its own.
    scrape_s, interval_s, window_s : float
        How often the metrics are collected, how often they are asked for, and what rates are taken over.
    """

    signals: Signals
    found: Found
    questions: tuple[tuple[str, dict[str, list[Part]]], ...]
    scrape_s: float
    interval_s: float
    window_s: float


class Poll(NamedTuple):
    """An answer.

    Attributes
    ----------
    plan : Plan
        What was asked.
    answers : list of (Part, list of Series)
        What came.
    asked_s : float
        When the server evaluated it, Unix s on its own clock.
    sent_s : float
        When it was sent, on `time.monotonic`.
    asked_here_s : float
        Likewise, Unix s on the clock of this machine.
    notices : tuple of str
        What the server warned of, and what discovery found.
    """

    plan: Plan
    answers: list[tuple[Part, list[Series]]]
    asked_s: float
    sent_s: float
    asked_here_s: float
    notices: tuple[str, ...]


class Failure(NamedTuple):
    """No answer: why, and until when (`time.monotonic`) not to ask again."""

    error: Exception
    not_before_s: float


class Poller:
    """Asks in a thread of its own, so that nobody waits for a server that hangs.

    Parameters
    ----------
    api : PrometheusApi
        Not yet open.
    signals : Signals or None
        The preset; None lets the names of the metrics choose.
    interval_s, window_s : float or None
        As for `PrometheusSource`.
    stop : Event
        Ends it.
    """

    def __init__(
        self,
        api: PrometheusApi,
        signals: Signals | None,
        *,
        interval_s: float | None,
        window_s: float | None,
        stop: Event,
    ) -> None:
        self._api = api
        self._given = signals
        self._signals = signals
        self._interval_s = interval_s
        self._window_s = window_s
        self._stop = stop
        self._plan: Plan | None = None
        self._scrape_s: float | None = None
        self._labels: dict[str, frozenset[str]] = {}
        self._notices: dict[str, None] = {}
        self._failures = 0
        self._discovered_s = -DISCOVERY_S
        self._is_asked = False
        self._failure: Failure | None = None
        self._jobs: SimpleQueue[bool] = SimpleQueue()
        self._results: SimpleQueue[Poll | Failure] = SimpleQueue()
        self._thread = Thread(target=self._run, name="sonify-prometheus", daemon=True)

    def start(self) -> None:
        """Start the thread; nothing is asked yet."""
        self._thread.start()

    def newest(self, wait_s: float) -> Poll | Failure | None:
        """Ask, unless a question is open already, and wait for the answer for `wait_s`; None where there is none yet.

        A failure is returned again for as long as the server is left alone because of it.
        """
        if self._is_asked:
            # what was asked at an earlier tick: a failure counts, a late answer makes room for a new question
            result = self._result(0.0)
            if not isinstance(result, Poll):
                return result
        if self._failure is not None and time.monotonic() < self._failure.not_before_s:
            return self._failure
        self._jobs.put(True)
        self._is_asked = True
        return self._result(wait_s)

    def _result(self, wait_s: float) -> Poll | Failure | None:
        give_up_s = time.monotonic() + wait_s
        while not self._stop.is_set():
            left_s = give_up_s - time.monotonic()
            try:
                result = self._results.get(timeout=max(min(_STOP_S, left_s), 0.001))
            except Empty:
                if left_s <= 0.0:
                    return None
            else:
                self._is_asked = False
                self._failure = result if isinstance(result, Failure) else None
                return result
        return None

    def close(self) -> None:
        """End the thread; one that waits for a server is left to end by itself, when its time-out is over."""
        self._jobs.put(False)
        self._thread.join(0.05)

    def _run(self) -> None:
        with self._api:
            while self._jobs.get() and not self._stop.is_set():
                missing = self._answer()
                idle_s = time.monotonic() - self._discovered_s
                if self._plan and idle_s >= (MISSING_DISCOVERY_S if missing else DISCOVERY_S):
                    self._discover_again()

    def _answer(self) -> bool:
        """Put one result into the queue; say whether a panel had no data."""
        try:
            if self._plan is None:
                self._discover()
            poll = self._poll()
        except Exception as error:  # what is no ReaderError is raised by who reads the results
            self._failures += 1
            self._discovered_s = -math.inf  # another server may come back
            back_off_s = min(0.5 * 2.0**self._failures, BACK_OFF_MOST_S) * random.uniform(0.8, 1.0)
            self._results.put(Failure(error, time.monotonic() + back_off_s))
            return False
        self._failures = 0
        self._results.put(poll)
        return any(part.kind == "time" and not series for part, series in poll.answers)

    def _poll(self) -> Poll:
        plan = self._plan
        assert plan is not None
        # one retry mends a connection that broke; a server that is gone is asked again at the next tick
        retries = 0 if self._failures else 1
        answers: list[tuple[Part, list[Series]]] = []
        moments = []
        for query, tags in plan.questions:
            data, sent_s = self._api.instant(query, what=_WHAT, retries=retries)
            by_tag, asked_s = read_vector(self._api.url, data, _WHAT)
            moments.append((asked_s, sent_s))
            answers += [(part, by_tag.get(tag, [])) for tag, same in tags.items() for part in same]
        notices = (*self._notices, *self._api.warnings)
        self._notices.clear()
        self._api.warnings.clear()
        asked_s, sent_s = moments[0]
        here_s = time.time() - (time.monotonic() - sent_s)
        return Poll(plan, answers, asked_s, sent_s, here_s, notices)

    # -- discovery -----------------------------------------------------------------------------------------------------

    def _discover_again(self) -> None:
        try:
            self._discover()
        except ReaderError:
            self._discovered_s = time.monotonic()  # the polls will tell

    def _discover(self) -> None:
        api = self._api
        api.recognise(retries=0)
        now_s = time.time()
        recent = [("start", f"{now_s - RECENT_S:.3f}"), ("end", f"{now_s + 1.0:.3f}")]
        signals = self._choose(recent)
        live = find_live_names(api, signals)
        if not live and self._plan is None:
            if self._given is None:
                self._signals = None  # something else may appear
            raise ReaderError(f"{api.url}: no data; {nothing_found(signals)}")
        names = self._with_lost(signals, live)
        for name in names - self._labels.keys():
            self._labels |= find_labels(api, signals, [name], recent)
        jobs = find_jobs(api, signals, names, recent)
        scrape_s = self._find_scrape_s(signals, names, jobs)
        found = Found(names, dict(self._labels), find_declared(api, signals, names, jobs))
        self._plan = self._make_plan(signals, found, scrape_s)
        self._discovered_s = time.monotonic()

    def _choose(self, recent: list[tuple[str, str]]) -> Signals:
        if self._signals is None:
            from sonify.readers.auto_signals import choose_signals

            choice = choose_signals(find_all_names(self._api, recent), labels_asker(self._api, recent))
            self._notices[choice.said] = None
            self._signals = choice.signals
        return self._signals

    def _with_lost(self, signals: Signals, live: frozenset[str]) -> frozenset[str]:
        """Keep asking for a panel that has no data now by the names that it had."""
        if self._plan is None:
            return live
        tables = {part.table for part in choose_parts(signals, Found(live), window_s=1.0)}
        lost = (part for _, tags in self._plan.questions for same in tags.values() for part in same)
        return live | {part.name for part in lost if part.table not in tables}

    def _find_scrape_s(self, signals: Signals, names: frozenset[str], jobs: list[str]) -> float:
        known_s = signals.scrape_interval_s or find_scrape_interval_s(self._api, jobs)
        if known_s is None:
            light = sorted(names, key=lambda name: (name.endswith("_bucket"), name))[0]
            known_s = find_sample_distance_s(self._api, light, signals)
            about = f"about {known_s:g} s, as its samples tell" if known_s else f"{DEFAULT_SCRAPE_INTERVAL_S:.0f} s"
            if self._scrape_s is None:
                self._notices[
                    f"the server does not say how often it scrapes: {about} assumed; `scrape_interval` in the signals "
                    "preset sets it"
                ] = None
        self._scrape_s = known_s or self._scrape_s or DEFAULT_SCRAPE_INTERVAL_S
        return self._scrape_s

    def _make_plan(self, signals: Signals, found: Found, scrape_s: float) -> Plan:
        # the interval is part of the frames' layout and stays as it was chosen first
        interval_s = self._plan.interval_s if self._plan else self._interval_s or max(scrape_s, 1.0)
        window_s = self._window_s or max(WINDOW_SCRAPES * scrape_s, interval_s)
        parts = choose_parts(signals, found, window_s=window_s, is_victoria=self._api.is_victoria)
        for part in parts:
            if part.kind in ("count", "buckets", "native", "number") and part.table != "batch" and not part.labels:
                self._notices[no_label(part, signals)] = None
        return Plan(signals, found, _questions(parts), scrape_s, interval_s, window_s)


def _questions(parts: tuple[Part, ...]) -> tuple[tuple[str, dict[str, list[Part]]], ...]:
    natives = [part for part in parts if part.kind == "native"]
    tags = tag_parts(part for part in parts if part.kind != "native")
    queries = {_CLOCK: "vector(time())", **{tag: same[0].query for tag, same in tags.items()}}
    if natives:
        tags[""] = natives[:1]
        queries[""] = natives[0].query
    rest = tuple((part.query, {"": [part]}) for part in natives[1:])
    return ((promql.tagged(queries), tags), *rest)
