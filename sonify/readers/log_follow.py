"""Frames from the end of a log, as it is written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

from sonify.errors import ReaderError
from sonify.readers.log_plan import SAMPLE_LINES, LogPlan
from sonify.readers.log_rows import line_parser
from sonify.readers.log_tail import LogTail
from sonify.readers.log_values import Request
from sonify.readers.panel_window import PanelWindow
from sonify.readers.readable import readable
from sonify.readers.source import Update
from sonify.readers.ticks import ticks

__all__ = ["follow_log"]

_GONE_INTERVALS = 1.0  # a file may be gone for so long while it is rotated


class _Follower:
    """Count lines as they come."""

    def __init__(
        self, path: Path, sample: Sequence[str], plan_of: Callable[[Sequence[str]], LogPlan], window: PanelWindow
    ) -> None:
        self._path, self._plan_of, self._window = path, plan_of, window
        self._waiting: list[str] = []  # lines that came before it was known how to read them
        self._plan: LogPlan | None = None
        self._parse: Callable[[str], Request | None] | None = None
        self._header: str | None = None
        self.notices: list[str] = []
        self.num_read, self.num_unreadable, self.newest_us = 0, 0, 0
        self._example = ""
        if sample:
            self._understand(sample)

    def _understand(self, sample: Sequence[str]) -> None:
        self._plan = plan = self._plan_of(sample)
        self._parse = line_parser(plan)
        self._header = sample[0] if plan.shape == "csv" else None
        self.notices.extend(f"{self._path.name}: {note}" for note in plan.notes)

    def take(self, lines: Sequence[str]) -> None:
        """Count lines."""
        if self._parse is None:
            self._waiting.extend(line for line in lines if line and not line.isspace())
            is_header_alone = len(self._waiting) == 1 and self._path.suffix.lower() in (".csv", ".tsv")
            if not self._waiting or is_header_alone:
                return
            lines, self._waiting = self._waiting, []
            self._understand(lines[:SAMPLE_LINES])
        for line in lines:
            if line and not line.isspace() and line != self._header:
                self._count(line)

    def expect(self, lines: Sequence[str]) -> None:
        """Measure what older lines measured: nothing, so far."""
        for line in lines:
            request = self._parse(line) if self._parse is not None else None
            if request is not None:
                self._add(request, 0.0)

    def _count(self, line: str) -> None:
        request = self._parse(line) if self._parse is not None else None
        if request is None or self._plan is None:
            self.num_unreadable += 1
            self._example = self._example or readable(repr(line[:120]))
            return
        self.num_read += 1
        self.newest_us = max(self.newest_us, request.time_us if self._plan.has_zone else 0)
        self._add(request, 1.0)

    def _add(self, request: Request, count: float) -> None:
        if self._plan is None:
            return
        window, backend, roles = self._window, request.backend, self._plan.roles
        window.add_count("requests", backend, count)
        for role, table, is_one in (
            ("status", "errors", request.is_error),
            ("fallback", "fallbacks", request.is_fallback),
            ("glitch", "glitches", request.is_glitch),
        ):
            if role in roles:
                window.add_count(table, backend, count if is_one else 0.0)
        if not math.isnan(request.latency_s):
            window.add_latency(backend, request.latency_s, count)
        if not math.isnan(request.batch):
            window.add_batch(request.batch, count)

    def end_interval(self, gone_s: float, interval_s: float) -> str:
        """Close an interval, and say why the source is lost; empty where it is not."""
        problem = ""
        if gone_s >= _GONE_INTERVALS * interval_s:
            problem = f"{self._path}: the file is gone"
        elif self.num_unreadable > self.num_read:
            problem = f"{self._path}: the lines cannot be read, such as {self._example}"
        elif self.num_unreadable:
            self.notices.append(f"{self._path.name}: lines that cannot be read are left out, such as {self._example}")
        self.num_read, self.num_unreadable, self._example = 0, 0, ""
        return problem


def follow_log(
    path: Path,
    sample: Sequence[str],
    plan_of: Callable[[Sequence[str]], LogPlan],
    stop: Event,
    *,
    interval_s: float,
    window_s: float,
    order: Callable[[set[str]], Sequence[str]] = sorted,
) -> Iterator[Update]:
    """Hand over a frame an interval with what was appended to a log.

    Requests count when their line arrives. How many are in flight cannot be told: they are logged when they end.

    Parameters
    ----------
    path : Path
        The log.
    sample : sequence of str
        Its first lines; none where it is empty yet.
    plan_of : callable
        Decides from a sample how lines are read.
    stop : Event
        Ends it.
    interval_s, window_s : float
        Time between frames, and time that rates are taken over, in s.
    order : callable
        Puts the set of backends in order.

    Raises
    ------
    ReaderError
        There is no such file, or its format cannot be told.
    """
    window = PanelWindow(interval_s=interval_s, window_s=window_s, order=order)
    follower = _Follower(path, sample, plan_of, window)
    try:
        tail = LogTail(path)
    except OSError as error:
        raise ReaderError(f"{path}: cannot be read: {error.strerror or error}") from None

    def look(wait_s: float) -> None:
        follower.take(tail.new_lines())
        stop.wait(wait_s)

    follower.expect(tail.recent)
    said: set[str] = set()
    try:
        for t in ticks(interval_s, stop, wait=look):
            follower.take(tail.new_lines())
            gone_s = 0.0 if tail.gone_since_s is None else time.monotonic() - tail.gone_since_s
            follower.newest_us, newest_us = 0, follower.newest_us
            problem = follower.end_interval(gone_s, interval_s)
            frame = window.skip(t) if problem else window.frame(t)
            notices = tuple(dict.fromkeys(notice for notice in follower.notices if notice not in said))
            said.update(notices)
            follower.notices.clear()
            lag_s = max(time.time() - newest_us / 1e6, 0.0) if newest_us else math.nan if problem else 0.0
            yield Update(frame, lag_s, window.ages_s(t), problem, notices)
    finally:
        tail.close()
