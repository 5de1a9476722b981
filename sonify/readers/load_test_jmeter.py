"""JMeter: results in CSV or XML (``.jtl``); a sample's time is that of its begin, in ms, as JMeter comes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.parsers import expat

from sonify.errors import ReaderError
from sonify.readers.load_test_rows import Loaded, table_requests
from sonify.readers.log_text import read_lines
from sonify.readers.log_values import MAX_NAME_CHARACTERS, Request
from sonify.readers.source import ALL
from sonify.readers.table_counts import Measured, RequestCounts
from sonify.readers.table_plain import TimeRange, count_requests

__all__ = ["is_csv", "is_xml", "load_csv", "load_xml"]

_NEEDED = ("timeStamp", "elapsed", "label", "success")
_TRANSACTION = "Number of samples in transaction"  # how the sum of several samples introduces itself
_MAX_TIME_MS = 253_402_300_800_000
_NOTES = (
    "an error is a sample that JMeter counts as failed",
    "threads are not requests in flight: these are counted from when samples began and how long they took",
)


def is_csv(_line: str, columns: Sequence[str]) -> bool:
    """Whether a header is that of a result in CSV."""
    return all(name in columns for name in _NEEDED)


def is_xml(line: str, _columns: Sequence[str]) -> bool:
    """Whether a first line begins a result in XML."""
    return line.lstrip().startswith(("<?xml", "<testResults"))


def _request(start: str, elapsed: str, name: str, success: str) -> Request:
    start_ms, elapsed_ms = int(start), int(elapsed)
    if not (0 < start_ms < _MAX_TIME_MS and 0 <= elapsed_ms < _MAX_TIME_MS):
        raise ValueError
    is_error = success.strip().lower() != "true"
    name = name[:MAX_NAME_CHARACTERS] or ALL
    time_us = (start_ms + elapsed_ms) * 1000
    return Request(time_us, elapsed_ms / 1000.0, name, is_error, False, False, math.nan)


def load_csv(path: Path, wanted: TimeRange, counts: RequestCounts, backend: str) -> Loaded:
    """Count the samples of a result in CSV; see `Loaded`."""

    def make(value: Callable[[str], str]) -> Request | None:
        if value("responseMessage").startswith(_TRANSACTION):
            raise LookupError
        return _request(value("timeStamp"), value("elapsed"), value(backend or "label"), value("success"))

    return Loaded(count_requests(table_requests(path, make), wanted, counts), Measured(), _NOTES)


_ATTRIBUTES = {"label": "lb", "threadName": "tn", "responseCode": "rc"}


def load_xml(path: Path, wanted: TimeRange, counts: RequestCounts, backend: str) -> Loaded:
    """Count the samples of a result in XML, those that are part of another one left out; see `Loaded`.

    Raises
    ------
    ReaderError
        It is not well-formed, or declares a document type, which no result does.
    """
    name = _ATTRIBUTES.get(backend, backend) or "lb"
    return Loaded(count_requests(_samples(path, name), wanted, counts), Measured(), _NOTES)


def _samples(path: Path, name: str) -> Iterator[tuple[int, str, Request | None]]:
    parser = expat.ParserCreate()
    depth = 0
    found: list[tuple[int, str, Request | None]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 1 and tag != "testResults":
            raise ReaderError(f"{path}: the outermost element is not testResults: no result of JMeter")
        if depth != 2 or tag not in ("sample", "httpSample") or attributes.get("rm", "").startswith(_TRANSACTION):
            return
        try:
            request = _request(*(attributes.get(key, "") for key in ("ts", "t", name, "s")))
        except ValueError:
            found.append((parser.CurrentLineNumber, f"<{tag}>", None))
        else:
            found.append((parser.CurrentLineNumber, "", request))

    def end(_tag: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_declaration: object) -> None:
        raise ReaderError(f"{path}, line {parser.CurrentLineNumber}: a document type is not allowed in a result")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        for line in read_lines(path):
            parser.Parse(f"{line}\n")
            yield from found
            found.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ReaderError(f"{path}: not well-formed XML: {error}") from None
