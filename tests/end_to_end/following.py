"""Follows a source in a thread, and keeps its updates with the time that each came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from servers import wait_until

from sonify.metrics.recording import Recording
from sonify.readers.source import Source, Update


class Came(NamedTuple):
    at_s: float
    update: Update


class Followed:
    def __init__(self, source: Source) -> None:
        self.stop = threading.Event()
        self.came: list[Came] = []
        self.error: Exception | None = None
        self._source = source
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            for update in self._source.follow(self.stop):
                self.came.append(Came(time.time(), update))
        except Exception as error:
            self.error = error

    def last(self) -> Update | None:
        return self.came[-1].update if self.came else None

    def wait_for(self, condition: Callable[[Update], bool], what: str, timeout_s: float = 30.0) -> float:
        """Wait until a new update is as it should be; say how long that took in s."""
        began_s, seen = time.time(), len(self.came)
        wait_until(lambda: any(condition(came.update) for came in self.came[seen:]), what, timeout_s)
        return next(came.at_s for came in self.came[seen:] if condition(came.update)) - began_s

    def recording(self) -> Recording:
        """Return what was fresh, in the layout that came last."""
        frames = [came.update.frame for came in self.came if came.update.frame.fresh]
        return Recording.from_frames(frames[-1].layout, [f for f in frames if f.layout.same_as(frames[-1].layout)])


@contextmanager
def following(source: Source) -> Iterator[Followed]:
    followed = Followed(source)
    followed.thread.start()
    try:
        yield followed
    finally:
        followed.stop.set()
        followed.thread.join(5.0)
    assert not followed.thread.is_alive()
    assert followed.error is None
