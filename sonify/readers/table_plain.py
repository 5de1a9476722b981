"""Count the requests of a log or table with the standard library: a stream, in flat memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from sonify.readers.log_values import Request
from sonify.readers.readable import readable
from sonify.readers.table_counts import RequestCounts

__all__ = ["Reading", "TimeRange", "count_requests", "describe_line"]

_BATCH = 32_768


class TimeRange(NamedTuple):
    """Times that are wanted: after `since_us`, and no later than `until_us`; Unix time in µs."""

    since_us: int
    until_us: int

    @classmethod
    def of(cls, since_s: float | None, until_s: float | None) -> TimeRange:
        """Of Unix s; None is open."""
        largest = 1 << 62
        return cls(
            -largest if since_s is None else round(since_s * 1e6),
            largest if until_s is None else round(until_s * 1e6),
        )


class Reading(NamedTuple):
    """How the reading of a file went.

    Attributes
    ----------
    num_read, num_unreadable : int
        Lines or rows that became a request, and that did not.
    example : str
        The first line that cannot be read: its number and its text.
    span_us : tuple of int
        First and last time of all that was read, in range or not; Unix time in µs.
    has_latency, has_batch : bool
        Whether any request had one.
    """

    num_read: int
    num_unreadable: int
    example: str
    span_us: tuple[int, int]
    has_latency: bool
    has_batch: bool


def describe_line(number: int, text: str) -> str:
    """Name a line that cannot be read, for a message."""
    return f"line {number}" + (f": {readable(repr(text[:120]))}" if text else "")


def count_requests(
    rows: Iterable[tuple[int, str, Request | None]], wanted: TimeRange, counts: RequestCounts
) -> Reading:
    """Count the requests in range; see `requests_of` for the rows."""
    example, num_rows, num_read = "", 0, 0
    first_us, last_us = 1 << 62, -(1 << 62)
    has_latency = has_batch = False
    stream: Iterator[tuple[int, str, Request | None]] = iter(rows)
    while block := list(islice(stream, _BATCH)):
        num_rows += len(block)
        requests = [request for _, _, request in block if request is not None]
        if len(requests) < len(block) and not example:
            number, text = next((number, text) for number, text, request in block if request is None)
            example = describe_line(number, text)
        if not requests:
            continue
        num_read += len(requests)
        times, latencies, backends, errors, fallbacks, glitches, batches = zip(*requests, strict=True)
        time_us = np.asarray(times, dtype=np.int64)
        first_us, last_us = min(first_us, int(time_us.min())), max(last_us, int(time_us.max()))
        latency_s, batch = np.asarray(latencies), np.asarray(batches)
        has_latency = has_latency or bool(np.isfinite(latency_s).any())
        has_batch = has_batch or bool(np.isfinite(batch).any())
        flags = [np.asarray(flag, dtype=np.bool_) for flag in (errors, fallbacks, glitches)]
        inside = (time_us > wanted.since_us) & (time_us <= wanted.until_us)
        if not inside.all():
            time_us, latency_s, batch = time_us[inside], latency_s[inside], batch[inside]
            backends = tuple(name for name, is_inside in zip(backends, inside, strict=True) if is_inside)
            flags = [flag[inside] for flag in flags]
        counts.add(time_us, latency_s, backends, flags, batch)
    return Reading(num_read, num_rows - num_read, example, (first_us, last_us), has_latency, has_batch)
