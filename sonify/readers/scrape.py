"""Direct scrape: the ``/metrics`` pages of one or many targets, without a server between."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Condition, Event
from typing import Any

from sonify.errors import ReaderError
from sonify.metrics.recording import Recording
from sonify.readers.http_options import HttpOptions
from sonify.readers.scrape_run import AUTO, ScrapeRun, WatchedTarget
from sonify.readers.scrape_target import ScrapeTarget
from sonify.readers.signals import load_signals
from sonify.readers.source import Update
from sonify.readers.ticks import ticks

__all__ = ["MAX_TARGETS", "ScrapeSource", "open_scrape_source"]

MAX_TARGETS = 256
INTERVAL_S = 0.25
WINDOW_S = 4.0
LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 1.0, 10.0
_WAIT_SHARE = 0.4  # of an interval: how long a tick waits for targets that answer quickly
_LONGEST_WAIT_S = 0.1
_PREFIX = "scrape+"
_JOIN_S = 0.1  # for the threads of all targets


class ScrapeSource:
    """Follows one target or many. Opened by `open_scrape_source`.

    Counts of all targets are added up, and so are their gauges. The first page of a target, and the first after it was
    lost, only says where its counters stand. A series that appears on a target that is known counts from zero.

    Parameters
    ----------
    urls : sequence of str
        ``http(s)://…`` each.
    signals : str
        Name or file of the signals preset, or ``auto``.
    options : HttpOptions
        For all targets alike.
    interval_s, window_s : float
        Time between frames, and what rates are taken over.

    Raises
    ------
    ReaderError
        A URL or an option cannot be used.
    PresetError
        No such preset.
    """

    def __init__(
        self,
        urls: Sequence[str],
        signals: str,
        options: HttpOptions,
        *,
        interval_s: float = INTERVAL_S,
        window_s: float = WINDOW_S,
    ) -> None:
        if len(urls) > MAX_TARGETS:
            raise ReaderError(f"--option target: {len(urls)} targets are more than the {MAX_TARGETS} allowed")
        self.warnings: list[str] = []
        self._interval_s = interval_s
        self._window_s = max(window_s, interval_s)
        self._auto = signals == AUTO
        self._signals = None if self._auto else load_signals(signals)
        self._changed = Condition()
        self._options = options
        self._timeout_s = min(max(interval_s, LEAST_TIMEOUT_S), MOST_TIMEOUT_S)
        probes = [self._open(url) for url in urls]  # what cannot be used is said at once
        twice = next((probe.url for probe, url in zip(probes, urls, strict=True) if urls.count(url) > 1), None)
        if twice is not None:
            raise ReaderError(f"{twice}: is named twice; each target may be named once")
        self._urls = tuple(urls)
        more = f" and {len(urls) - 1} more" if len(urls) > 1 else ""
        self._title = f"scrape {probes[0].host_port}{more}"

    def _open(self, url: str) -> ScrapeTarget:
        return ScrapeTarget(url, self._options, timeout_s=self._timeout_s, changed=self._changed)

    @property
    def title(self) -> str:
        """``scrape 127.0.0.1:9464 and 2 more``."""
        return self._title

    def read(self, since_s: float | None, until_s: float | None) -> Recording:  # noqa: ARG002
        """Refuse: a page has no past."""
        raise ReaderError(
            f"{self._title}: a metrics page shows only the present; listen to it with `sonify listen`, "
            "or write a recording with `sonify record` and render that"
        )

    def follow(self, stop: Event) -> Iterator[Update]:
        """See `Source.follow`."""
        run = ScrapeRun(
            [WatchedTarget(self._open(url)) for url in self._urls], self._signals, self._interval_s, self._window_s
        )
        try:
            for t in ticks(self._interval_s, stop):
                for target in run.targets:
                    target.fetcher.start()
                self._wait(run.targets, stop)
                if stop.is_set():
                    break
                yield run.update(t)
        finally:
            for target in run.targets:
                target.fetcher.stop()
            give_up_s = time.monotonic() + _JOIN_S
            for target in run.targets:
                target.fetcher.join(max(give_up_s - time.monotonic(), 0.0))

    def _wait(self, targets: Sequence[WatchedTarget], stop: Event) -> None:
        """Wait for the targets that answer within this time; for those that lately did not, nobody waits."""
        grace_s = self._interval_s * _WAIT_SHARE
        quick = [target.fetcher for target in targets if not target.problem and target.took_s < grace_s]
        give_up_s = time.monotonic() + grace_s
        with self._changed:
            while not stop.is_set() and any(fetcher.is_busy for fetcher in quick):
                left_s = give_up_s - time.monotonic()
                if left_s <= 0.0:
                    break
                self._changed.wait(min(left_s, _LONGEST_WAIT_S))


def open_scrape_source(
    spec: str,
    signals: str,
    *,
    targets: Sequence[str] = (),
    interval_s: float = INTERVAL_S,
    window_s: float = WINDOW_S,
    **http: Any,
) -> ScrapeSource:
    """Open ``scrape+http(s)://HOST:PORT/metrics``; `targets` are more URLs, with or without ``scrape+``.

    Raises
    ------
    ReaderError
        A URL or an option cannot be used.
    PresetError
        No such preset.
    """
    urls = [url.removeprefix(_PREFIX) for url in (spec, *targets)]
    return ScrapeSource(urls, signals, HttpOptions(**http), interval_s=interval_s, window_s=window_s)
