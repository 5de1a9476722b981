"""The recording format, version 1: JSON Lines, plain or gzip; a header line, then one line a frame.

Reading and writing stream: one line is in memory at a time.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeGuard

import numpy as np

from sonify.errors import ReaderError
from sonify.metrics.frame import Array, Layout, MetricFrame
from sonify.metrics.recording import Event, Recording

__all__ = [
    "FORMAT",
    "VERSION",
    "RecordingReader",
    "RecordingWriter",
    "frame_line",
    "header_line",
    "load_recording",
    "open_lines",
    "save_recording",
]

FORMAT = "sonify-recording"
VERSION = 1
MAX_LINE_BYTES = 16 * 1024 * 1024  # a frame of 1000 backends × 100 bands takes about 1 MB

_ROWS = ("request_rate", "error_ratio", "fallback_ratio", "glitch_rate")
_RATIOS = ("error_ratio", "fallback_ratio")
_NUMBER_TYPES = {int, float, type(None)}
_LARGEST = float(np.finfo(np.float32).max)
_LONE_GZIP_BYTE = "Not a gzipped file (b'\\x1f')"  # what the gzip module says of a file that ends after this byte
_FRAME_KEYS = ("t", *_ROWS, "latency_rate", "batch_rate", "queue_depth", "active_requests", "fresh")


class RecordingReader:
    """Iterate over the frames of a recording file.

    Parameters
    ----------
    path : Path
        ``.jsonl`` or ``.jsonl.gz``; whether it is compressed is seen from its first bytes.

    Attributes
    ----------
    layout, source, events
        From the header.
    warnings : list of str
        A last line that was cut off, because its writer was killed: it is left out.

    Raises
    ------
    ReaderError
        A line that is not of the format: the message names file, line, key, what was found and what is allowed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line_number = 0
        self.warnings: list[str] = []
        try:
            self._file = open_lines(path)
        except OSError as error:
            raise ReaderError(f"{path}: cannot be read: {error.strerror or error}") from None
        self._previous_t = -math.inf
        try:
            header = self._next_object()
            if header is None:
                raise ReaderError(f"{path}: empty file; a recording begins with a header line")
            self.layout, self.source, self.events = self._parse_header(header)
        except BaseException:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[MetricFrame]:
        with self._file:
            while (row := self._next_object()) is not None:
                yield self._parse_frame(row)

    def close(self) -> None:
        """Read no further."""
        self._file.close()

    def _fail(self, key: str, found: object, allowed: str) -> ReaderError:
        shown = json.dumps(found, default=str)
        return ReaderError(
            f"{self._path}, line {self._line_number}, {key}: {shown[:80]}{'…' if len(shown) > 80 else ''} "
            f"is not allowed; it must be {allowed}"
        )

    def _next_object(self) -> dict[str, Any] | None:
        while True:
            self._line_number += 1
            where = f"{self._path}, line {self._line_number}"
            line = self._next_line(where)
            if not line:
                return None
            if not line.isspace():
                break
        try:
            row = json.loads(line.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n") and self._line_number > 1:
                self._cut_off(where)
                return None
            if isinstance(error, UnicodeDecodeError):
                raise ReaderError(f"{where}: not UTF-8 text: {error.reason}") from None
            raise ReaderError(f"{where}: not JSON: {str(error)[:120]}") from None
        if not isinstance(row, dict):
            raise ReaderError(f"{where}: must be a JSON object, not {type(row).__name__}")
        return row

    def _next_line(self, where: str) -> bytes:
        """Read one line; empty at the end of the file."""
        try:
            line = self._file.readline(MAX_LINE_BYTES + 1)
        except EOFError as error:
            if self._line_number == 1:
                raise ReaderError(f"{where}: damaged gzip data: {error}") from None
            self._cut_off(where)
            return b""
        except (zlib.error, gzip.BadGzipFile) as error:
            if self._line_number > 1 and str(error) == _LONE_GZIP_BYTE:
                self._cut_off(where)
                return b""
            raise ReaderError(f"{where}: damaged gzip data: {error}") from None
        except OSError as error:
            raise ReaderError(f"{where}: cannot be read: {error.strerror or error}") from None
        if len(line) > MAX_LINE_BYTES:
            raise ReaderError(f"{where}: longer than the {MAX_LINE_BYTES} bytes allowed for a line")
        return line

    def _cut_off(self, where: str) -> None:
        self.warnings.append(f"{where}: the file is cut off here, as when its writer is killed; this line is left out")

    # -- header ----------------------------------------------------------------------------------------------------

    def _parse_header(self, header: dict[str, Any]) -> tuple[Layout, str, tuple[Event, ...]]:
        if header.get("format") != FORMAT:
            raise self._fail("format", header.get("format"), f'"{FORMAT}"')
        if header.get("version") != VERSION:
            raise self._fail("version", header.get("version"), f"{VERSION}")
        interval_s = header.get("interval_s")
        if not _is_number(interval_s) or not 0.0 < interval_s < math.inf:
            raise self._fail("interval_s", interval_s, "a number over 0")
        backends = header.get("backends")
        if not isinstance(backends, list) or not all(isinstance(name, str) for name in backends) or not backends:
            raise self._fail("backends", backends, "a list of at least one name")
        if len(set(backends)) != len(backends):
            raise self._fail("backends", backends, "a list of names that differ")
        latency_edges_s = self._edges("latency_edges_s", header.get("latency_edges_s"), least=2)
        batch_edges = self._edges("batch_edges", header.get("batch_edges", []), least=0)
        layout = Layout(float(interval_s), tuple(backends), latency_edges_s, batch_edges)
        source = header.get("source", "")
        if not isinstance(source, str):
            raise self._fail("source", source, "text")
        return layout, source, self._parse_events(header.get("events", []))

    def _edges(self, key: str, found: object, *, least: int) -> Array:
        allowed = f"at least {least} rising numbers from 0 up, of which the last may be null (+Inf)"
        if not isinstance(found, list) or len(found) < least:
            raise self._fail(key, found, allowed)
        open_ended = bool(found) and found[-1] is None
        if not all(_is_number(value) for value in (found[:-1] if open_ended else found)):
            raise self._fail(key, found, allowed)
        values = [*found[:-1], math.inf] if open_ended else found
        edges = np.asarray(values, dtype=np.float64)
        if np.any(np.diff(edges) <= 0.0) or (len(edges) and (edges[0] < 0.0 or not np.isfinite(edges[:-1]).all())):
            raise self._fail(key, found, allowed)
        if least and not np.any((edges > 0.0) & np.isfinite(edges)):
            raise self._fail(key, found, "edges of which one at least lies between 0 and +Inf")
        return edges

    def _parse_events(self, found: object) -> tuple[Event, ...]:
        if not isinstance(found, list):
            raise self._fail("events", found, "a list")
        events = []
        for item in found:
            good = isinstance(item, dict) and _is_number(item.get("t"))
            if not good or not (item.get("end") is None or _is_number(item["end"])):
                raise self._fail("events", item, 'objects such as {"t": 1.0, "end": 2.0, "kind": "fault", "text": "…"}')
            end = item.get("end")
            events.append(
                Event(
                    float(item["t"]),
                    None if end is None else float(end),
                    str(item.get("kind", "")),
                    str(item.get("text", "")),
                )
            )
        return tuple(sorted(events, key=lambda event: event.t))

    # -- frames ----------------------------------------------------------------------------------------------------

    def _parse_frame(self, row: dict[str, Any]) -> MetricFrame:
        layout = self.layout
        unknown = [key for key in row if key not in _FRAME_KEYS]
        if unknown:
            raise self._fail(unknown[0], row[unknown[0]], "left out: the keys of a frame are " + " ".join(_FRAME_KEYS))
        t = row.get("t")
        if not _is_number(t):
            raise self._fail("t", t, "Unix seconds")
        if t <= self._previous_t:
            raise self._fail("t", t, f"later than the frame before ({self._previous_t})")
        self._previous_t = float(t)
        fresh = row.get("fresh", True)
        if not isinstance(fresh, bool):
            raise self._fail("fresh", fresh, "true or false")
        columns = {key: self._row(key, row.get(key), layout.num_backends) for key in _ROWS}
        return MetricFrame(
            layout=layout,
            t=float(t),
            request_rate=columns["request_rate"],
            error_ratio=columns["error_ratio"],
            fallback_ratio=columns["fallback_ratio"],
            glitch_rate=columns["glitch_rate"],
            latency_rate=self._latency_rows(row.get("latency_rate")),
            batch_rate=self._row("batch_rate", row.get("batch_rate"), layout.num_batch_bands),
            queue_depth=self._count("queue_depth", row.get("queue_depth")),
            active_requests=self._count("active_requests", row.get("active_requests")),
            fresh=fresh,
        )

    def _row(self, key: str, found: object, length: int) -> Array:
        limit = "from 0 to 1" if key in _RATIOS else "from 0 up"
        allowed = f"null, or a list of {length} numbers {limit} or null"
        if found is None:
            return np.full(length, np.nan)
        if not isinstance(found, list) or len(found) != length or not _NUMBER_TYPES.issuperset(map(type, found)):
            raise self._fail(key, found, allowed)
        return self._in_range(key, found, 1.0 if key in _RATIOS else _LARGEST, allowed)

    def _latency_rows(self, found: object) -> Array:
        rows, columns = self.layout.num_backends, self.layout.num_latency_bands
        if found is None:
            return np.full((rows, columns), np.nan)
        allowed = f"null, or {rows} rows (one a backend), each null or {columns} numbers from 0 up or null"
        if not isinstance(found, list) or len(found) != rows:
            raise self._fail("latency_rate", found, allowed)
        blank = [None] * columns
        filled = [blank if row is None else row for row in found]
        for row in filled:
            if not isinstance(row, list) or len(row) != columns or not _NUMBER_TYPES.issuperset(map(type, row)):
                raise self._fail("latency_rate", row, allowed)
        return self._in_range("latency_rate", filled, _LARGEST, allowed)

    def _in_range(self, key: str, found: list[Any], top: float, allowed: str) -> Array:
        try:
            values = np.array(found, dtype=np.float64)  # None becomes NaN
        except OverflowError:
            raise self._fail(key, found, allowed) from None
        if ((values < 0.0) | (values > top)).any():
            raise self._fail(key, found, allowed)
        return values

    def _count(self, key: str, found: object) -> float:
        if found is None:
            return math.nan
        if not _is_number(found) or not 0.0 <= found < math.inf:
            raise self._fail(key, found, "null, or a number from 0 up")
        return float(found)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; what was not measured is null")


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether a JSON value is a finite number (bool is a kind of int in Python, and 1e999 reads as infinity)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def open_lines(path: Path) -> IO[bytes]:
    """Open a recording for reading lines; whether it is compressed is seen from its first bytes."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def load_recording(path: Path, warnings: list[str] | None = None) -> Recording:
    """Read a whole recording; see `RecordingReader` for what is raised, and for the lines added to `warnings`."""
    reader = RecordingReader(path)
    frames = list(reader)
    if warnings is not None:
        warnings += reader.warnings
    if not frames:
        raise ReaderError(f"{path}: a header but no frames; was the recording cut off?")
    return Recording.from_frames(reader.layout, frames, source=reader.source, events=reader.events)


def header_line(layout: Layout, *, source: str = "", events: tuple[Event, ...] = ()) -> bytes:
    """Write the first line of a recording."""
    return _line(
        {
            "format": FORMAT,
            "version": VERSION,
            "interval_s": layout.interval_s,
            "backends": list(layout.backends),
            "latency_edges_s": _plain(layout.latency_edges_s),
            "batch_edges": _plain(layout.batch_edges),
            "source": source,
            "events": [{"t": e.t, "end": e.end, "kind": e.kind, "text": e.text} for e in events],
        }
    )


def frame_line(frame: MetricFrame) -> bytes:
    """Write the line of a frame."""
    row: dict[str, Any] = {"t": frame.t}
    row.update({key: _plain(getattr(frame, key)) for key in _ROWS})
    row["latency_rate"] = [None if np.isnan(bands).all() else _plain(bands) for bands in frame.latency_rate]
    row["batch_rate"] = _plain(frame.batch_rate) if frame.layout.num_batch_bands else None
    row["queue_depth"] = _plain_number(frame.queue_depth)
    row["active_requests"] = _plain_number(frame.active_requests)
    row["fresh"] = frame.fresh
    return _line(row)


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class RecordingWriter:
    """Write frames one by one; use it as a context manager. Gzip where the name ends in ``.gz``.

    The same frames give the same bytes: no time of writing is stored.
    """

    def __init__(self, path: Path, layout: Layout, *, source: str = "", events: tuple[Event, ...] = ()) -> None:
        self._raw = path.open("wb")
        compressed = path.suffix == ".gz"
        self._file: IO[bytes] = (
            gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0) if compressed else self._raw  # type: ignore[assignment]
        )
        self._file.write(header_line(layout, source=source, events=events))

    def write(self, frame: MetricFrame) -> None:
        """Append one frame, which must have the writer's layout."""
        self._file.write(frame_line(frame))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _plain_number(value: float) -> float | int | None:
    """Make a JSON number of at most 9 digits; NaN and +Inf become null."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.9g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _plain(values: Array) -> list[float | int | None]:
    return [_plain_number(value) for value in values.tolist()]


def save_recording(path: Path, recording: Recording) -> None:
    """Write a whole recording under a temporary name, then rename it."""
    temporary = path.with_name(f".{path.name}.part{'.gz' if path.suffix == '.gz' else ''}")
    try:
        with RecordingWriter(temporary, recording.layout, source=recording.source, events=recording.events) as writer:
            for frame in recording.frames():
                writer.write(frame)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
