"""A log or a table on disk as a source: its requests, counted per interval; or its end, followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Event
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.metrics.recording import Recording
from sonify.readers.log_fields import LogFields
from sonify.readers.log_follow import follow_log
from sonify.readers.log_plan import SAMPLE_LINES, LogPlan, chosen_fields, plan_lines, plan_rows
from sonify.readers.log_rows import line_parser, requests_of
from sonify.readers.log_text import first_lines, is_gzip, read_lines
from sonify.readers.log_time import CLF
from sonify.readers.readable import readable
from sonify.readers.signals import Signals, load_signals
from sonify.readers.source import Source, Update
from sonify.readers.table_counts import Measured, RequestCounts
from sonify.readers.table_duckdb import count_with_duckdb, describe_parquet, has_duckdb
from sonify.readers.table_plain import Reading, TimeRange, count_requests, describe_line

__all__ = ["TableFile", "TableOptions", "open_table_source"]

_BIG_BYTES = 50_000_000  # from here on duckdb is worth its start
_TAIL_BYTES = 65_536
_EXAMPLE_LINES = 100_000  # how far the first line that cannot be read is looked for
_MOSTLY_EMPTY = 0.9
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


class TableOptions(NamedTuple):
    """What ``-O`` says of a log or table; see `sonify.readers.options.OPTIONS`."""

    interval_s: float | None = None
    window_s: float | None = None
    log_format: str | None = None
    fields: Sequence[tuple[str, str]] = ()
    unit: str | None = None
    engine: str = "auto"


class TableFile:
    """A log or table.

    Parameters
    ----------
    path : Path
        The file: a text log, JSON lines or CSV, plain or gzip; or Parquet.
    signals : Signals or None
        Preset with a table ``[log]``; None guesses.
    options : TableOptions
        What a person said.

    Raises
    ------
    ReaderError
        An option that is not allowed.
    """

    def __init__(self, path: Path, signals: Signals | None = None, options: TableOptions | None = None) -> None:
        self._path = path
        self._signals = signals or Signals("")
        self._options = options or TableOptions()
        known = self._signals.log or LogFields()
        self._fields = chosen_fields(known, self._options.log_format, self._options.fields, self._options.unit)
        self.title = f"log {readable(path.name)}"
        self.warnings: list[str] = []

    # -- a range ---------------------------------------------------------------------------------------------------

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Count the requests that ended in a range of time (Unix s; None: all).

        An interval without a line is true zero: the log was there, and nobody asked.
        """
        self.warnings = []
        plan, lines = self._plan()
        wanted = TimeRange.of(since_s, until_s)
        counts = RequestCounts(str(self._path), self._options.interval_s)
        if self._takes_duckdb(plan):
            span_us = self._outermost_us(plan, lines, wanted)
            reading = count_with_duckdb(self._path, plan, wanted, counts, span_us=span_us)
        else:
            reading = count_requests(requests_of(read_lines(self._path), plan), wanted, counts)
        self._judge(plan, reading, counts)
        roles = plan.roles
        measured = Measured(
            latency=reading.has_latency,
            errors="status" in roles,
            fallbacks="fallback" in roles,
            glitches="glitch" in roles,
            batch=reading.has_batch,
        )
        return counts.recording(self.title, measured, self._signals.backend_order)

    def _plan(self) -> tuple[LogPlan, list[str]]:
        """Decide how the file is read, and return the lines that were looked at."""
        if self._path.suffix.lower() == ".parquet":
            types, rows = describe_parquet(self._path, SAMPLE_LINES)
            if not rows:
                raise ReaderError(f"{self._path}: no row in the table")
            plan = LogPlan("parquet", "Parquet", columns=tuple(types), types=tuple(types.values()))
            return plan_rows(str(self._path), rows, self._fields, plan), []
        lines = first_lines(read_lines(self._path), SAMPLE_LINES)
        if not lines:
            raise ReaderError(f"{self._path}: empty file")
        is_csv = self._path.name.lower().endswith(_CSV)
        return plan_lines(str(self._path), lines, self._fields, is_csv=is_csv), lines

    def _takes_duckdb(self, plan: LogPlan) -> bool:
        engine = self._options.engine
        if plan.shape == "parquet" and engine == "plain":
            raise ReaderError(f"{self._path}: Parquet needs duckdb; leave out -O engine=plain")
        if plan.shape == "parquet" or engine == "duckdb":
            return True
        return engine == "auto" and self._path.stat().st_size >= _BIG_BYTES and has_duckdb()

    def _outermost_us(self, plan: LogPlan, lines: Sequence[str], wanted: TimeRange) -> tuple[int, int] | None:
        """Look for the times of requests near the begin and near the end of the file."""
        if plan.shape == "parquet" or is_gzip(self._path):
            return None
        with self._path.open("rb") as file:
            file.seek(max(self._path.stat().st_size - _TAIL_BYTES, 0))
            tail = file.read(_TAIL_BYTES).decode(errors="replace").splitlines()[1:]
        parse = line_parser(plan)
        requests = [request for line in (*lines, *tail) if (request := parse(line)) is not None]
        times_us = [r.time_us for r in requests if wanted.since_us < r.time_us <= wanted.until_us]
        return (min(times_us), max(times_us)) if times_us and len(times_us) == len(requests) else None

    def _judge(self, plan: LogPlan, reading: Reading, counts: RequestCounts) -> None:
        """Refuse what could not be read; else note what a person should know of it."""
        example = reading.example
        if reading.num_unreadable and not example:
            example = self._find_unreadable(plan)
        if reading.num_unreadable > reading.num_read:
            raise ReaderError(
                f"{self._path}, {example}: not of the format {plan.format_name} with a time in "
                f"{readable(repr(dict(plan.fields)['time']))}, like {reading.num_unreadable} of "
                f"{reading.num_unreadable + reading.num_read} lines; say how they are written with -O format=…"
            )
        if not len(counts):
            first_s, last_s = (time_us / 1e6 for time_us in reading.span_us)
            raise ReaderError(
                f"{self._path}: no request between --since and --until; it covers {first_s:.0f} to {last_s:.0f} "
                "(Unix seconds)"
            )
        self.warnings.extend(f"{self._path.name}: {note}" for note in plan.notes)
        if reading.num_unreadable:
            self.warnings.append(
                f"{self._path.name}: {reading.num_unreadable} of {reading.num_unreadable + reading.num_read} lines "
                f"cannot be read and are left out, the first at {example}"
            )
        if self._options.interval_s is None and counts.empty_ratio > _MOSTLY_EMPTY and len(counts) > 10:
            self.warnings.append(
                f"{self._path.name}: {counts.empty_ratio:.0%} of the intervals of {counts.step_us / 1e6:g} s have no "
                "request; if a few lines have a wrong time, leave them out with --since and --until"
            )
        if plan.time_kind == CLF and counts.step_us < 1_000_000:
            self.warnings.append(
                f"{self._path.name}: its times are whole seconds: of intervals of {counts.step_us / 1e6:g} s most are "
                "empty, though there was traffic"
            )
        if counts.num_folded:
            self.warnings.append(f"{self._path.name}: too many backends; the least busy are counted as one, '(other)'")

    def _find_unreadable(self, plan: LogPlan) -> str:
        if plan.shape == "parquet":
            return "a row whose time cannot be read"
        rows = islice(requests_of(read_lines(self._path), plan), _EXAMPLE_LINES)
        found = next((describe_line(number, text) for number, text, request in rows if request is None), "")
        return found or f"a line after the first {_EXAMPLE_LINES}"

    # -- what comes ------------------------------------------------------------------------------------------------

    def follow(self, stop: Event) -> Iterator[Update]:
        """Count the lines that are written from now on, per interval; see `Source`.

        A log without a new line is true zero; a file that is gone, or whose lines cannot be read, is a lost source.
        """
        if self._path.suffix.lower() == ".parquet" or is_gzip(self._path):
            raise ReaderError(f"{self._path}: nobody appends to such a file; it can be read, not followed")
        lines = first_lines(read_lines(self._path), SAMPLE_LINES)
        is_csv = self._path.name.lower().endswith(_CSV)

        def plan_of(sample: Sequence[str]) -> LogPlan:
            return plan_lines(str(self._path), sample, self._fields, is_csv=is_csv)

        interval_s = self._options.interval_s or 1.0
        window_s = self._options.window_s or interval_s
        return follow_log(self._path, lines, plan_of, stop, interval_s=interval_s, window_s=window_s,
                          order=self._signals.order_backends)  # fmt: skip


def open_table_source(
    spec: str,
    signals: str,
    *,
    interval_s: float | None = None,
    window_s: float | None = None,
    log_format: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
    unit: str | None = None,
    engine: str = "auto",
) -> Source:
    """Open a log or table for the registry of sources; the results of a load test are known by their header."""
    path = Path(spec.removeprefix("log:")).expanduser()
    options = TableOptions(interval_s, window_s, log_format, fields, unit, engine)
    preset = None if signals == "auto" else load_signals(signals)
    if path.suffix.lower() != ".parquet" and options._replace(interval_s=None, window_s=None) == TableOptions():
        from sonify.readers.load_test import recognise_load_test  # which reads tables as this module does

        load_test = recognise_load_test(path, interval_s=interval_s)
        if load_test is not None:
            return load_test
    return TableFile(path, preset, options)
