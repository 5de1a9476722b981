"""Locust: the history of its statistics, a row a second; numbers of requests, and percentiles of the last 10 s."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sonify.readers.load_test_rows import Loaded, csv_rows
from sonify.readers.source import ALL
from sonify.readers.table_counts import Groups, Measured, RequestCounts
from sonify.readers.table_plain import Reading, TimeRange

__all__ = ["is_history", "load_history"]

_NEEDED = ("Timestamp", "User Count", "Type", "Name", "50%", "95%", "Total Request Count", "Total Failure Count")
_PERCENTILES = (50.0, 66.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99, 100.0)
_AGGREGATED = "Aggregated"
_POINTS = 16  # into which the requests between two percentiles are spread
_NOTES = (
    "Locust writes no histogram: latencies are spread between its percentiles, which are of the last 10 s",
    "users are not requests in flight: these have no data",
)


def is_history(_line: str, columns: Sequence[str]) -> bool:
    """Whether a header is that of ``_stats_history.csv``."""
    return all(name in columns for name in _NEEDED)


class _Row:
    """A row by the names of its columns."""

    def __init__(self, places: dict[str, int], fields: Sequence[str]) -> None:
        self._places, self._fields = places, fields
        self.time_us = round(float(self.text("Timestamp")) * 1e6)
        if not 0 < self.time_us < 253_402_300_800_000_000:
            raise ValueError
        self.total, self.failed = int(self.text("Total Request Count")), int(self.text("Total Failure Count"))
        if not 0 <= self.failed <= self.total < 1 << 53:
            raise ValueError
        method, name = self.text("Type"), self.text("Name")
        self.backend = ALL if name == _AGGREGATED and not method else name or ALL

    def text(self, name: str) -> str:
        return self._fields[self._places[name]].strip() if name in self._places else ""

    def quantiles(self) -> tuple[list[float], list[float]]:
        """Shares and latencies in s of the percentiles that are there, from the least latency on."""
        known = [(0.0, self.text("Total Min Response Time")), *((p, self.text(f"{p:g}%")) for p in _PERCENTILES)]
        shares: list[float] = []
        latencies_s: list[float] = []
        for percentile, text in known:
            try:
                value_s = float(text) / 1000.0
            except ValueError:
                continue
            if 0.0 <= value_s < math.inf:
                shares.append(percentile / 100.0)
                latencies_s.append(max(value_s, latencies_s[-1] if latencies_s else 1e-4))
        return shares, latencies_s


def _rows(path: Path) -> Iterator[tuple[int, _Row | None]]:
    places: dict[str, int] = {}
    for number, fields in csv_rows(path):
        if not places:
            places = {name.strip(): place for place, name in enumerate(fields or ())}
            continue
        try:
            yield number, _Row(places, fields or ())
        except (ValueError, OverflowError, IndexError):
            yield number, None


def _spread(row: _Row, number: int, band_of: Callable[[np.ndarray], np.ndarray], num_bands: int) -> np.ndarray:
    """Count per band `number` requests, the last for those of which no latency is known."""
    counts = np.zeros(num_bands + 1)
    shares, latencies_s = row.quantiles()
    # before its first statistics are made, Locust writes N/A or zeros
    if len(shares) < 2 or shares[-1] < 1.0 or float(row.text("100%")) <= 0.0:
        counts[-1] = number
        return counts
    steps = (np.arange(_POINTS) + 0.5) / _POINTS
    low, high = np.log(latencies_s[:-1])[:, None], np.log(latencies_s[1:])[:, None]
    points_s = np.exp(low + steps * (high - low))
    weights = np.repeat(np.diff([0.0, *shares[1:]]), _POINTS) * number / _POINTS
    np.add.at(counts, band_of(points_s.reshape(-1)), weights)
    return counts


def load_history(path: Path, wanted: TimeRange, counts: RequestCounts, _backend: str) -> Loaded:
    """Count the requests of a history; see `Loaded`.

    Each row counts what was added to the total since the row before. Where there are rows of single names, those of
    all together are left out.
    """
    has_names = any(row is not None and row.backend != ALL for _, row in _rows(path))
    before: dict[tuple[str, str], tuple[int, int]] = {}
    num_read = num_unreadable = 0
    first_us, last_us = 1 << 62, -(1 << 62)
    example, has_latency = "", False
    for line_number, row in _rows(path):
        if row is None:
            num_unreadable += 1
            example = example or f"line {line_number}"
            continue
        num_read += 1
        first_us, last_us = min(first_us, row.time_us), max(last_us, row.time_us)
        if has_names and row.backend == ALL:
            continue
        key = (row.text("Type"), row.backend)
        total, failed = before.get(key, (0, 0))
        if row.total < total or row.failed < failed:  # the statistics were reset
            total, failed = 0, 0
        before[key] = (row.total, row.failed)
        if wanted.since_us < row.time_us <= wanted.until_us:
            has_latency |= _count(row, row.total - total, row.failed - failed, counts)
    reading = Reading(num_read, num_unreadable, example, (first_us, last_us), has_latency, False)
    return Loaded(reading, Measured(latency=has_latency, active=False), _NOTES)


def _count(row: _Row, number: int, failed: int, counts: RequestCounts) -> bool:
    """Count what one row adds; return whether latencies are known."""
    ended_us = row.time_us - 1  # a row ends its second
    counts.begin((ended_us, ended_us))
    bands = _spread(
        row, number, lambda latency_s: np.searchsorted(counts.inner_edges_s, latency_s, side="right"), counts.num_bands
    )
    size = len(bands)
    cell = (ended_us - counts.origin_us) // counts.step_us
    zeros = np.zeros(size, dtype=np.int64)
    errors = np.zeros(size)
    errors[-1] = failed
    backend = np.full(size, counts.backend_number(row.backend))
    counts.add_groups(
        Groups(
            np.full(size, cell),
            zeros,
            backend,
            np.arange(size),
            bands,
            errors,
            errors * 0.0,
            errors * 0.0,
            zeros,
            zeros,
        )
    )
    return bool(bands[:-1].any())
