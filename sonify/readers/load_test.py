"""Results of load tests as sources: k6, JMeter and Locust, told apart by their first line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.metrics.recording import Recording
from sonify.readers import load_test_jmeter as jmeter
from sonify.readers import load_test_k6 as k6
from sonify.readers import load_test_locust as locust
from sonify.readers.load_test_rows import Loaded
from sonify.readers.log_text import first_lines, read_lines
from sonify.readers.readable import readable
from sonify.readers.source import Update
from sonify.readers.table_counts import RequestCounts
from sonify.readers.table_plain import TimeRange

__all__ = ["LoadTest", "open_load_test_source", "recognise_load_test"]


class _Kind(NamedTuple):
    """A program that writes results, one of its formats, and how to know and to read it."""

    program: str
    format_name: str
    matches: Callable[[str, Sequence[str]], bool]  # first line, and its columns as CSV
    load: Callable[[Path, TimeRange, RequestCounts, str], Loaded]


_KINDS = (
    _Kind("k6", "k6 JSON (--out json)", k6.is_json, k6.load_json),
    _Kind("k6", "k6 CSV (--out csv)", k6.is_csv, k6.load_csv),
    _Kind("jmeter", "JMeter CSV (.jtl)", jmeter.is_csv, jmeter.load_csv),
    _Kind("jmeter", "JMeter XML (.jtl)", jmeter.is_xml, jmeter.load_xml),
    _Kind("locust", "Locust history (_stats_history.csv)", locust.is_history, locust.load_history),
)
_PROGRAMS = ("k6", "jmeter", "locust")


class LoadTest:
    """The result of a load test that is over.

    Parameters
    ----------
    path : Path
        The file, plain or gzip.
    kind : _Kind
        What wrote it.
    interval_s : float or None
        Length of a frame; None chooses.
    backend : str
        Column or tag that names the backend; empty is what suits the program.
    """

    def __init__(self, path: Path, kind: _Kind, *, interval_s: float | None = None, backend: str = "") -> None:
        self._path, self._kind, self._interval_s, self._backend = path, kind, interval_s, backend
        self.title = f"{kind.program} {readable(path.name)}"
        self.warnings: list[str] = []

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Count the requests that ended in a range of time (Unix s; None: all)."""
        counts = RequestCounts(str(self._path), self._interval_s)
        loaded = self._kind.load(self._path, TimeRange.of(since_s, until_s), counts, self._backend)
        reading = loaded.reading
        if reading.num_unreadable > reading.num_read or not reading.num_read:
            where = f", {reading.example}" if reading.example else ""
            raise ReaderError(
                f"{self._path}{where}: not of the format {self._kind.format_name}; "
                f"{reading.num_unreadable} rows cannot be read, {reading.num_read} can"
            )
        if not len(counts):
            raise ReaderError(
                f"{self._path}: no request between --since and --until; it covers {reading.span_us[0] / 1e6:.0f} to "
                f"{reading.span_us[1] / 1e6:.0f} (Unix seconds)"
            )
        self.warnings = [f"{self._path.name}: {note}" for note in loaded.notes]
        if reading.num_unreadable:
            self.warnings.append(
                f"{self._path.name}: {reading.num_unreadable} rows cannot be read and are left out, the first at "
                f"{reading.example}"
            )
        return counts.recording(self.title, loaded.measured, ())

    def follow(self, stop: Event) -> Iterator[Update]:  # noqa: ARG002
        """Refuse: what is over has no live side."""
        raise ReaderError(f"{self._path}: the result of a load test can be read, not followed")


def _find(path: Path) -> tuple[_Kind | None, str]:
    """Kind that a file's first line shows, and that line."""
    lines = first_lines(read_lines(path), 1) or [""]
    try:
        columns = next(csv.reader(lines), [])
    except csv.Error:
        columns = []
    return next((kind for kind in _KINDS if kind.matches(lines[0], columns)), None), lines[0]


def recognise_load_test(path: Path, *, interval_s: float | None = None) -> LoadTest | None:
    """Open a file whose first line no other program would write; None where it is no load test."""
    kind, _ = _find(path)
    return None if kind is None else LoadTest(path, kind, interval_s=interval_s)


def open_load_test_source(
    spec: str, _signals: str, *, interval_s: float | None = None, fields: Sequence[tuple[str, str]] = ()
) -> LoadTest:
    """Open ``k6:FILE``, ``jmeter:FILE``, ``locust:FILE`` or ``FILE.jtl`` for the registry of sources.

    Raises
    ------
    ReaderError
        It is not what such a program writes.
    """
    program, colon, rest = spec.partition(":")
    named = program if colon and program in _PROGRAMS else ""
    path = Path(rest if named else spec).expanduser()
    if any(role != "backend" for role, _ in fields):
        raise ReaderError(f"{path}: --option field: of a load test only the backend may be named: field=backend=NAME")
    kind, line = _find(path)
    if not line:
        raise ReaderError(f"{path}: empty file")
    if kind is None or (named and kind.program != named):
        allowed = ", ".join(kind.format_name for kind in _KINDS if not named or kind.program == named)
        raise ReaderError(f"{path}, line 1: {readable(repr(line[:80]))} does not begin a result; it must be {allowed}")
    return LoadTest(path, kind, interval_s=interval_s, backend=dict(fields).get("backend", ""))
