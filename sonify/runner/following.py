"""Following sources: a thread for each, and one place where their updates arrive."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from threading import Event, Thread
from typing import Any, NamedTuple, cast

from sonify.errors import ReaderError
from sonify.readers.readable import readable
from sonify.readers.source import Source, Update
from sonify.runner.snapshot import SourceStatus

__all__ = ["Arrival", "Following"]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0  # before a source that failed is followed again
_MAX_WAITING = 1000  # updates; more are never needed
_KEPT_NOTICES = 50


class Arrival(NamedTuple):
    """An update of one of the sources, and when it came, by the monotonic clock."""

    source: int
    update: Update
    at_s: float


class Following:
    """Follow all sources until `stop` is set.

    Attributes
    ----------
    error : ReaderError or None
        Why a source cannot be followed at all, which ends everything; what failed only later is tried again.
    notices : deque of str
        What sources had to say.
    """

    def __init__(self, sources: Sequence[Source], stop: Event) -> None:
        self._sources = list(sources)
        self._stop = stop
        self._arrived: deque[Arrival] = deque(maxlen=_MAX_WAITING)
        self._newest: list[Arrival | None] = [None] * len(self._sources)
        self._problems = [""] * len(self._sources)
        self._has_ended = [False] * len(self._sources)
        self.error: ReaderError | None = None
        self.notices: deque[str] = deque(maxlen=_KEPT_NOTICES)
        self._threads = [
            Thread(target=self._follow, args=(index,), name=f"source {index}", daemon=True)
            for index in range(len(self._sources))
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until all threads have noticed the stop, but no longer than this."""
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(until_s - time.monotonic(), 0.0))

    def take(self) -> list[Arrival]:
        """Take what has arrived since the last call, oldest first."""
        taken = []
        while self._arrived:
            taken.append(self._arrived.popleft())
        return taken

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can come."""
        return all(self._has_ended)

    def statuses(self, now_s: float) -> tuple[SourceStatus, ...]:
        """How each source is; lag and ages grow while nothing comes."""
        found = []
        for source, newest, problem in zip(self._sources, self._newest, self._problems, strict=True):
            if newest is None:
                found.append(SourceStatus(source.title, problem, math.nan, {}, is_stale=bool(problem)))
                continue
            update, since_s = newest.update, max(now_s - newest.at_s, 0.0)
            overdue = since_s > 2.0 * update.frame.layout.interval_s
            ages = {table: age_s + since_s for table, age_s in update.panel_age_s.items()}
            said = problem or update.problem or ("nothing comes" if overdue else "")
            stale = overdue or not update.frame.fresh or bool(problem)
            found.append(SourceStatus(source.title, said, update.lag_s + since_s, ages, is_stale=stale))
        return tuple(found)

    def _follow(self, index: int) -> None:
        pause_s, is_first = _FIRST_PAUSE_S, True
        while not self._stop.is_set():
            try:
                with closing(cast("Any", self._sources[index].follow(self._stop))) as updates:
                    for update in updates:
                        self._take_in(index, update)
                        pause_s = _FIRST_PAUSE_S
                self._has_ended[index] = True
                return
            except ReaderError as error:
                if is_first and self._newest[index] is None:
                    self.error = error
                    return
                problem = str(error)
            except Exception as error:  # whatever a source's data did to its reader: the sound goes on
                problem = f"{type(error).__name__}: {error}"
            is_first = False
            self._problems[index] = readable(problem)
            self._stop.wait(pause_s)
            pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)

    def _take_in(self, index: int, update: Update) -> None:
        arrival = Arrival(index, update, time.monotonic())
        self._problems[index] = ""
        self._newest[index] = arrival
        self._arrived.append(arrival)
        self.notices.extend(update.notices)
