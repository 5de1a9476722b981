"""A recording on disk as a source."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from sonify.errors import ReaderError
from sonify.metrics.frame import MetricFrame
from sonify.metrics.recording import GAP_INTERVALS, Recording
from sonify.metrics.recording_format import FORMAT, RecordingReader, load_recording
from sonify.readers.log_plan import parse_json
from sonify.readers.log_text import first_lines, read_lines
from sonify.readers.panel_ages import PanelAges
from sonify.readers.source import Source, Update
from sonify.readers.table_file import TableOptions, open_table_source

__all__ = ["RecordingFile", "open_jsonl_source"]


class RecordingFile:
    """A recording on disk.

    Parameters
    ----------
    path : Path
        ``.jsonl`` or ``.jsonl.gz``.
    speed : float
        How much faster than it happened it is followed.
    """

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        self._path = path
        self.speed = speed
        self.title = f"recording {path.name}"
        self.warnings: list[str] = []

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Read the file and keep the frames in range."""
        self.warnings = []
        recording = load_recording(self._path, self.warnings)
        kept = recording.between(since_s, until_s)
        if not len(kept):
            raise ReaderError(
                f"{self._path}: no frame between --since and --until; it covers "
                f"{_iso(recording.start_s)} to {_iso(recording.end_s)}"
            )
        return kept

    def follow(self, stop: Event) -> Iterator[Update]:
        """Play the recording back in real time, once; see `Source`.

        The first frame comes at once, the others as far apart as they were recorded, and the last one lasts its
        interval. Frames keep the time they were recorded at. Where a frame is stale, or in a gap, updates say that the
        source is lost. A line that is not of the format raises ReaderError when its time has come.
        """
        reader = RecordingReader(self._path)
        ages = PanelAges()
        begin_s, first_t, t = time.monotonic(), math.nan, math.nan
        with closing(reader):
            for frame, problem in _with_gaps(reader):
                t = frame.t
                first_t = t if math.isnan(first_t) else first_t
                if stop.wait(max(begin_s + (t - first_t) / self.speed - time.monotonic(), 0.0)):
                    return
                yield Update(frame, 0.0, ages.of(frame), problem)
            self.warnings = list(reader.warnings)
        stop.wait(max(begin_s + (t - first_t + reader.layout.interval_s) / self.speed - time.monotonic(), 0.0))


def _with_gaps(reader: RecordingReader) -> Iterator[tuple[MetricFrame, str]]:
    """All frames, each with why the source is lost; a gap is filled with stale frames."""
    interval_s = reader.layout.interval_s
    previous_t = math.inf
    for frame in reader:
        if frame.t - previous_t > GAP_INTERVALS * interval_s:
            missing = math.ceil((frame.t - previous_t) / interval_s - 0.5) - 1
            for index in range(1, missing + 1):
                yield MetricFrame.unmeasured(reader.layout, previous_t + index * interval_s), "a gap in the recording"
        previous_t = frame.t
        yield frame, "" if frame.fresh else "the source was lost when this was recorded"


def _iso(time_s: float) -> str:
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_s} s"


def open_jsonl_source(
    spec: str,
    signals: str,
    *,
    speed: float | None = None,
    interval_s: float | None = None,
    window_s: float | None = None,
    log_format: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
    unit: str | None = None,
    engine: str = "auto",
) -> Source:
    """Open a file of JSON lines for the registry of sources: a recording by its first line, else a log."""
    path = Path(spec).expanduser()
    options = TableOptions(interval_s, window_s, log_format, fields, unit, engine)
    if not _is_recording(path):
        if speed is not None:
            raise ReaderError(f"{path}: --option speed: only a recording plays faster than it happened; this is a log")
        return open_table_source(spec, signals, **options._asdict())
    if options != TableOptions():
        raise ReaderError(f"{path}: a recording takes no option but speed: it says itself what it holds")
    return RecordingFile(path, speed=speed or 1.0)


def _is_recording(path: Path) -> bool:
    """Whether a file is a recording, or so damaged that no log could be read from it either; an empty one is a log."""
    lines = first_lines(read_lines(path), 1)
    row = parse_json(lines[0]) if lines else {}
    return row is None or row.get("format") == FORMAT
