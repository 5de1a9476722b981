"""k6: every request is a point of the metric ``http_req_duration``, in ms, at the time it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sonify.readers.load_test_rows import Loaded, table_requests
from sonify.readers.log_plan import parse_json
from sonify.readers.log_text import read_lines
from sonify.readers.log_time import EPOCH, ISO, time_parser
from sonify.readers.log_values import MAX_NAME_CHARACTERS, Request
from sonify.readers.source import ALL
from sonify.readers.table_counts import Measured, RequestCounts
from sonify.readers.table_plain import TimeRange, count_requests

__all__ = ["is_csv", "is_json", "load_csv", "load_json"]

_DURATION = "http_req_duration"
_COLUMNS = ("metric_name", "timestamp", "metric_value")
_NOTES = (
    "an error is what k6 counts as failed: a response that was not expected",
    "virtual users are not requests in flight: these are counted from when requests ended and how long they took",
)


def is_json(line: str, _columns: Sequence[str]) -> bool:
    """Whether a first line is one of ``--out json``."""
    row = parse_json(line)
    return row is not None and row.get("type") in ("Metric", "Point") and isinstance(row.get("data"), dict)


def is_csv(_line: str, columns: Sequence[str]) -> bool:
    """Whether a header is that of ``--out csv``."""
    return tuple(columns[:3]) == _COLUMNS


def _request(time_us: int | None, value_ms: float, tag: Callable[[str], str], backend: str) -> Request | None:
    if time_us is None or not 0.0 <= value_ms < math.inf:
        return None
    expected = tag("expected_response")
    status = tag("status")
    is_error = expected == "false" if expected else status in ("", "0") or status >= "400"
    name = tag(backend) or ALL
    return Request(time_us, value_ms / 1000.0, name[:MAX_NAME_CHARACTERS], is_error, False, False, math.nan)


def load_json(path: Path, wanted: TimeRange, counts: RequestCounts, backend: str) -> Loaded:
    """Count the requests of ``--out json``; see `Loaded`."""
    parse_time = time_parser(ISO)

    def request_of(row: dict[str, Any]) -> Request | None:
        data = row.get("data")
        if not isinstance(data, dict) or isinstance(data.get("value"), bool):
            return None
        value, tags, time = data.get("value"), data.get("tags"), data.get("time")
        if not isinstance(value, (int, float)) or not isinstance(time, str):
            return None
        known = tags if isinstance(tags, dict) else {}
        return _request(parse_time(time), float(value), lambda name: _text(known.get(name)), backend or "scenario")

    def rows() -> Iterator[tuple[int, str, Request | None]]:
        for number, line in enumerate(read_lines(path), start=1):
            if not line or line.isspace():
                continue
            row = parse_json(line)
            if row is None:
                yield number, line, None
            elif row.get("metric") == _DURATION and row.get("type") == "Point":
                try:
                    yield number, line, request_of(row)
                except OverflowError:
                    yield number, line, None

    return Loaded(count_requests(rows(), wanted, counts), Measured(), _NOTES)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def load_csv(path: Path, wanted: TimeRange, counts: RequestCounts, backend: str) -> Loaded:
    """Count the requests of ``--out csv``; see `Loaded`."""
    parse_unix, parse_iso = time_parser(EPOCH), time_parser(ISO)

    def make(value: Callable[[str], str]) -> Request | None:
        if value("metric_name") != _DURATION:
            raise LookupError
        time = value("timestamp")  # K6_CSV_TIME_FORMAT says how it is written
        time_us = parse_unix(time)
        time_us = parse_iso(time) if time_us is None else time_us
        return _request(time_us, float(value("metric_value")), value, backend or "scenario")

    return Loaded(count_requests(table_requests(path, make), wanted, counts), Measured(), _NOTES)
