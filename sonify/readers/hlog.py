"""HdrHistogram logs (``.hlog``, versions 1.2 and 1.3): a histogram of latencies for each interval, and by tag."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.metrics.recording import Recording
from sonify.readers.hlog_decode import Histogram, decode_histogram
from sonify.readers.log_text import read_lines
from sonify.readers.log_values import MAX_NAME_CHARACTERS
from sonify.readers.readable import readable
from sonify.readers.signals import LATENCY_UNITS_S
from sonify.readers.source import ALL, Update
from sonify.readers.table_counts import INTERVALS_S, Groups, Measured, RequestCounts
from sonify.readers.table_plain import TimeRange
from sonify.readers.time_grid import FRAMES_WANTED

__all__ = ["HlogFile", "open_hlog_source"]

_STARTS = re.compile(r"#\[(StartTime|BaseTime): *([0-9.eE+-]+)")
_YEAR_S = 365.25 * 86400.0
_MAX_TIME_S = 253_402_300_800.0
_SAMPLED = 1000  # intervals that the usual length is taken from
_USUAL_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, *INTERVALS_S)
_COVERED = 0.5  # share of a frame that must be covered for it to be measured
_LONG_S = 60.0


class _Line(NamedTuple):
    """One histogram: where it begins and how long it is, in s; whose it is, and what it holds."""

    start_s: float
    length_s: float
    tag: str
    payload: str
    number: int


class HlogFile:
    """An HdrHistogram log.

    Parameters
    ----------
    path : Path
        The file, plain or gzip.
    unit : str
        Unit of the values: ``s``, ``ms``, ``us`` or ``ns``.
    interval_s : float or None
        Length of a frame; None is about that of the log's own intervals, or longer, so that there are at most 1440.
    """

    def __init__(self, path: Path, *, unit: str = "ns", interval_s: float | None = None) -> None:
        self._path, self._unit, self._interval_s = path, unit, interval_s
        self.title = f"HdrHistogram log {readable(path.name)}"
        self.warnings: list[str] = []

    def _lines(self) -> Iterator[_Line]:
        """Go through the histograms, times made absolute."""
        base_s: float | None = None
        start_time_s = 0.0
        for number, line in enumerate(read_lines(self._path), start=1):
            text = line.strip()
            header = _STARTS.match(text)
            if header is not None:
                value_s = self._number(header[2], number, header[1])
                if header[1] == "BaseTime":
                    base_s = value_s
                else:
                    start_time_s = value_s
                continue
            if not text or text.startswith(("#", '"StartTimestamp"')):
                continue
            parsed = self._parse(text, number)
            if base_s is None:
                # as HdrHistogram's own reader: times long before the start of the log are counted from it
                base_s = start_time_s if parsed.start_s < start_time_s - _YEAR_S else 0.0
            if not 0.0 <= parsed.start_s + base_s < _MAX_TIME_S:
                raise ReaderError(f"{self._path}, line {number}: time {parsed.start_s + base_s} s is not allowed")
            yield parsed._replace(start_s=parsed.start_s + base_s)

    def _parse(self, text: str, number: int) -> _Line:
        parts = text.split(",")
        tag = ALL
        if parts[0].startswith("Tag="):
            tag = parts.pop(0).removeprefix("Tag=")[:MAX_NAME_CHARACTERS] or ALL
        if len(parts) != 4:
            raise ReaderError(
                f"{self._path}, line {number}: {readable(repr(text[:80]))} is not allowed; it must be "
                "[Tag=NAME,]start,length,max,histogram as HdrHistogram's log writer writes it"
            )
        start_s = self._number(parts[0], number, "start")
        length_s = self._number(parts[1], number, "length")
        if not 0.0 < length_s <= _YEAR_S:
            raise ReaderError(f"{self._path}, line {number}: an interval of {length_s} s is not allowed")
        return _Line(start_s, length_s, tag, parts[3], number)

    def _number(self, text: str, number: int, what: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ReaderError(f"{self._path}, line {number}, {what}: {readable(repr(text[:40]))} is not a number of s")
        return value

    def _decode(self, line: _Line) -> Histogram:
        try:
            return decode_histogram(line.payload)
        except ValueError as error:
            raise ReaderError(f"{self._path}, line {line.number}: the histogram cannot be read: {error}") from None

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Read the intervals that end in a range of time (Unix s; None: all); see `Source`."""
        lengths_s: list[float] = []
        origin_s, end_s = math.inf, -math.inf
        for line in self._lines():
            if len(lengths_s) < _SAMPLED:
                lengths_s.append(line.length_s)
            origin_s, end_s = min(origin_s, line.start_s), max(end_s, line.start_s + line.length_s)
        if not lengths_s:
            raise ReaderError(f"{self._path}: no histogram in the log")
        interval_s = self._interval_s or _choose_interval_s(statistics.median(lengths_s), end_s - origin_s)
        counts = RequestCounts(str(self._path), interval_s, origin_us=round(origin_s * 1e6))
        covered = _Coverage(counts)
        values_sum, number = 0.0, 0
        for line in self._lines():
            if _in_range(line, TimeRange.of(since_s, until_s)):
                histogram = self._decode(line)
                covered.add(line, histogram, LATENCY_UNITS_S[self._unit])
                values_sum += float(histogram.values @ histogram.counts)
                number += int(histogram.counts.sum())
        if not len(counts):
            raise ReaderError(
                f"{self._path}: no interval between --since and --until; it covers {origin_s:.0f} to {end_s:.0f} "
                "(Unix seconds)"
            )
        mean_s = values_sum / max(number, 1) * LATENCY_UNITS_S[self._unit]
        self.warnings = [f"{self._path.name}: a histogram tells no errors: that panel has no data"]
        if mean_s > _LONG_S or (number and mean_s < 1e-6):
            self.warnings.append(
                f"{self._path.name}: the mean latency is {mean_s:.3g} s: are values in {self._unit}? "
                "Say their unit with -O unit=s, ms, us or ns"
            )
        return covered.keep(counts.recording(self.title, Measured(errors=False, active=False), ()))

    def follow(self, stop: Event) -> Iterator[Update]:  # noqa: ARG002
        """Refuse: such a log is read as a whole."""
        raise ReaderError(f"{self._path}: an HdrHistogram log can be read, not followed")


def _in_range(line: _Line, wanted: TimeRange) -> bool:
    return wanted.since_us < (line.start_s + line.length_s) * 1e6 <= wanted.until_us


def _choose_interval_s(length_s: float, span_s: float) -> float:
    """Round length that is nearest to the log's own; a longer one where there would be too many."""
    nearest = min(_USUAL_S, key=lambda usual_s: abs(math.log(usual_s / length_s)))
    least_s = span_s / FRAMES_WANTED
    return float(nearest if nearest >= least_s else next((s for s in INTERVALS_S if s >= least_s), INTERVALS_S[-1]))


class _Coverage:
    """Spread histograms over the intervals of a grid, and know which of them the log covers."""

    def __init__(self, counts: RequestCounts) -> None:
        self._counts = counts
        self._covered: dict[int, dict[str, float]] = {}

    def add(self, line: _Line, histogram: Histogram, unit_s: float) -> None:
        """Count a histogram in each interval by the share of its own time that lies there."""
        counts, step_us = self._counts, self._counts.step_us
        start_us = round(line.start_s * 1e6) - counts.origin_us
        end_us = max(start_us + round(line.length_s * 1e6), start_us + 1)
        first, last = start_us // step_us, (end_us - 1) // step_us
        counts.begin((start_us + counts.origin_us, end_us - 1 + counts.origin_us))
        band = np.searchsorted(counts.inner_edges_s, histogram.values * unit_s, side="right")
        bands = np.bincount(band, weights=histogram.counts, minlength=counts.num_bands).astype(np.float64)
        backend = counts.backend_number(line.tag)
        for cell in range(first, last + 1):
            share = (min(end_us, (cell + 1) * step_us) - max(start_us, cell * step_us)) / (end_us - start_us)
            by_tag = self._covered.setdefault(cell, {})
            by_tag[line.tag] = by_tag.get(line.tag, 0.0) + share * (end_us - start_us) / step_us
            counts.add_groups(_groups(cell, backend, bands * share))

    def keep(self, recording: Recording) -> Recording:
        """Leave out the frames that the log does not cover: a gap."""
        counts = self._counts
        cells = np.rint((recording.t * 1e6 - counts.origin_us) / counts.step_us).astype(np.int64) - 1
        kept = np.asarray([max(self._covered.get(int(cell), {"": 0.0}).values()) >= _COVERED for cell in cells])
        if not kept.any():
            kept[:] = True
        columns = ("t", "request_rate", "error_ratio", "fallback_ratio", "glitch_rate", "latency_rate", "batch_rate",
                   "queue_depth", "active_requests", "fresh")  # fmt: skip
        return replace(recording, **{name: getattr(recording, name)[kept] for name in columns})


def _groups(cell: int, backend: int, bands: NDArray[np.float64]) -> Groups:
    size = len(bands)
    zeros, none = np.zeros(size, dtype=np.int64), np.zeros(size)
    return Groups(
        np.full(size, cell), zeros, np.full(size, backend), np.arange(size), bands, none, none, none, zeros, zeros
    )


def open_hlog_source(spec: str, _signals: str, *, unit: str = "ns", interval_s: float | None = None) -> HlogFile:
    """Open a log for the registry of sources."""
    return HlogFile(Path(spec).expanduser(), unit=unit, interval_s=interval_s)
