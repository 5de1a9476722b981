"""Which field of a log or table is the time, the latency, the status: by its usual names, where nobody says."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from sonify.readers.log_time import time_kind
from sonify.readers.log_values import parse_amount

__all__ = ["find_field", "flatten", "guess_field", "median_amount", "unit_from_name"]

# In the order they are tried; compared in lower case, with everything but letters, digits and dots left out.
_USUAL: dict[str, tuple[str, ...]] = {
    "time": (
        "time", "timestamp", "@timestamp", "ts", "t", "timelocal", "timeiso8601", "msec", "date", "datetime",
        "endtime", "starttime", "unixtime",
    ),
    "latency": (
        "requesttime", "duration", "latency", "elapsed", "responsetime", "event.duration", "took", "timetaken",
        "upstreamresponsetime",
    ),
    "status": (
        "status", "statuscode", "code", "httpstatus", "httpstatuscode", "responsecode", "http.response.statuscode",
        "response.status", "response.statuscode", "downstreamstatus", "httpresponsestatuscode",
    ),
    "backend": (
        "backend", "upstream", "service", "host", "vhost", "upstreamname", "proxyhost", "upstreamcluster",
        "servicename", "service.name", "servername", "request.host",
    ),
}  # fmt: skip
_UNITS: tuple[tuple[str, float], ...] = (
    ("ns|nanos|nanosec|nanoseconds", 1e-9),
    (r"us|µs|usec|usecs|micros|microseconds", 1e-6),
    (r"ms|msec|msecs|millis|milliseconds", 1e-3),
    (r"s|sec|secs|seconds", 1.0),
)
_UNIT_AT_END = rf"[^a-zµ](?:{'|'.join(units for units, _ in _UNITS)})\)?$"
_DEPTH = 8


def flatten(row: Mapping[str, Any], *, prefix: str = "", depth: int = 0) -> dict[str, str]:
    """Fields of a JSON object as text, those of objects in it by dotted names; what is null or a list is left out."""
    fields: dict[str, str] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            if depth < _DEPTH:
                fields |= flatten(value, prefix=f"{prefix}{key}.", depth=depth + 1)
        elif (text := text_of(value)) is not None:
            fields[f"{prefix}{key}"] = text
    return fields


def text_of(value: object) -> str | None:
    """Text of a plain JSON value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, (int, float)) else None


def find_field(name: str, names: Sequence[str]) -> str:
    """Name as the log has it; a leading ``$`` does not count. Empty where there is none."""
    bare = name.removeprefix("$")
    return next((known for known in (name, bare) if known in names), "")


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum() or c in ".@")


def _bare(name: str) -> str:
    """Name of a latency without its unit."""
    return re.sub(_UNIT_AT_END, "", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())


def guess_field(role: str, sample: Sequence[Mapping[str, str]]) -> str:
    """Field that most likely plays a role, by its name and by whether its values can be read; empty where none does."""
    names = dict.fromkeys(name for row in sample for name in row)
    spellings = [(_plain(name), name) for name in names]
    if role == "latency":
        spellings += [(_plain(_bare(name)), name) for name in names]
    for usual in _USUAL.get(role, ()):
        for plain, name in spellings:
            if plain == usual and any(_fits(role, row.get(name, "")) for row in sample):
                return name
    return ""


def _fits(role: str, text: str) -> bool:
    if role == "time":
        return bool(time_kind(text))
    if role == "latency":
        return not math.isnan(parse_amount(text))
    return bool(text)


def unit_from_name(name: str) -> float | None:
    """Seconds in the unit that a name ends with: ``duration_ms``, ``elapsedMillis``, ``Latency(s)``."""
    if name.endswith("event.duration"):  # of the Elastic Common Schema
        return 1e-9
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
    for units, unit_s in _UNITS:
        if re.search(rf"(?:^|[^a-zµ])(?:{units})\)?$", words):
            return unit_s
    return None


def median_amount(texts: Sequence[str]) -> float:
    """Median of the numbers among texts; NaN where there is none."""
    amounts = [amount for amount in map(parse_amount, texts) if not math.isnan(amount)]
    return statistics.median(amounts) if amounts else math.nan
