"""Values of a request as logs write them, and what they mean."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sonify.readers.log_time import time_parser
from sonify.readers.source import ALL

__all__ = ["FALSE_TEXTS", "MAX_NAME_CHARACTERS", "Request", "is_true", "parse_amount", "request_maker"]

FALSE_TEXTS = ("", "0", "-", "false", "no", "none", "null", "f", "n")
MAX_NAME_CHARACTERS = 200
_MAX_STATUSES = 1000
_LIST_MARK = re.compile("[,:]")


class Request(NamedTuple):
    """What a line tells of a request.

    Attributes
    ----------
    time_us : int
        When it ended, Unix time in µs.
    latency_s, batch : float
        NaN where the line does not say.
    backend : str
        `ALL` where the line does not say.
    is_error, is_fallback, is_glitch : bool
        False where the line does not say.
    """

    time_us: int
    latency_s: float
    backend: str
    is_error: bool
    is_fallback: bool
    is_glitch: bool
    batch: float


def is_true(text: str | None) -> bool:
    """Whether a field that says yes or no says yes."""
    return text is not None and text.strip(" ").lower() not in FALSE_TEXTS


def parse_amount(text: str | None) -> float:
    """Read a number that is 0 or more, else NaN; the sum of a list ("0.012, 0.030 : -"), as nginx writes retries."""
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        parts = _LIST_MARK.split(text)
        if len(parts) < 2:
            return math.nan
        amounts = [amount for amount in map(parse_amount, parts) if not math.isnan(amount)]
        return sum(amounts) if amounts else math.nan
    return value if 0.0 <= value < math.inf else math.nan


def _error_test(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    known: dict[str, bool] = {}

    def test(status: str) -> bool:
        verdict = known.get(status)
        if verdict is None:
            if len(known) >= _MAX_STATUSES:
                known.clear()
            verdict = known[status] = compiled.fullmatch(status) is not None
        return verdict

    return test


def request_maker(
    roles: Sequence[str], time_kind: str, unit_s: float, error: str
) -> Callable[[Sequence[str | None]], Request | None]:
    """Build a function from the values of one line to a request, None where its time cannot be read.

    Parameters
    ----------
    roles : sequence of str
        What each value is, out of `ROLES`; a time is among them.
    time_kind : str
        How the time is written.
    unit_s : float
        Seconds in one unit of the latency.
    error : str
        Regular expression of the status of an error.
    """
    at = {role: index for index, role in enumerate(roles)}
    parse_time, is_error = time_parser(time_kind), _error_test(error)
    time_at, latency_at, status_at = at["time"], at.get("latency"), at.get("status")
    backend_at, fallback_at, glitch_at, batch_at = (at.get(role) for role in ("backend", "fallback", "glitch", "batch"))

    def make(values: Sequence[str | None]) -> Request | None:
        time_us = parse_time(values[time_at] or "")
        if time_us is None:
            return None
        backend = "" if backend_at is None else (values[backend_at] or "").strip(" ")
        return Request(
            time_us,
            math.nan if latency_at is None else parse_amount(values[latency_at]) * unit_s,
            ALL if backend in ("", "-") else backend[:MAX_NAME_CHARACTERS],
            status_at is not None and is_error(values[status_at] or ""),
            fallback_at is not None and is_true(values[fallback_at]),
            glitch_at is not None and is_true(values[glitch_at]),
            math.nan if batch_at is None else parse_amount(values[batch_at]),
        )

    return make
