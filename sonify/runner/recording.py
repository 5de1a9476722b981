"""Recording a source that is followed: frames are merged to the recording's interval and written to growing files."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError, RenderError
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.recording import GAP_INTERVALS
from sonify.metrics.recording_append import RecordingAppender
from sonify.readers.source import Source

__all__ = ["FrameMerger", "RecordingFiles", "RecordingStatus", "Rotation", "merge_frames", "onto_layout", "record"]

Array = NDArray[np.float64]

LEAST_INTERVAL_S = 1.0  # push sources make frames much more often than a recording needs
_SAME = 1e-6  # numbers that were written with 9 digits are the same numbers
_YOUNG_FRAMES = 60  # a file that has no more is written anew when a backend appears
_RATES = ("request_rate", "glitch_rate", "latency_rate", "batch_rate")
_STATES = ("error_ratio", "fallback_ratio", "queue_depth", "active_requests")
_PER_BACKEND = ("request_rate", "error_ratio", "fallback_ratio", "glitch_rate", "latency_rate")


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a new file is begun: at a size, or when its first frame is so old; 0 means never."""

    size_bytes: float = 0.0
    age_s: float = 0.0


@dataclass(slots=True)
class RecordingStatus:
    """How a recording goes; written by `record`, read by whoever shows it.

    `problem` is empty while the source is well; `files` are those that were written to.
    """

    num_frames: int = 0
    num_stale: int = 0
    num_dropped: int = 0
    num_backends: int = 0
    lag_s: float = math.nan
    problem: str = ""
    files: tuple[Path, ...] = ()


def onto_layout(frame: MetricFrame, layout: Layout) -> MetricFrame:
    """Put a frame's backends in their places of another layout; what it does not have is not measured."""
    if frame.layout is layout:
        return frame
    blank = MetricFrame.unmeasured(layout, frame.t, fresh=frame.fresh)
    common = [name for name in layout.backends if name in frame.layout.backends]
    to_rows = [layout.backends.index(name) for name in common]
    from_rows = [frame.layout.backends.index(name) for name in common]
    columns: dict[str, Any] = {}
    for name in _PER_BACKEND:
        columns[name] = getattr(blank, name).copy()
        columns[name][to_rows] = getattr(frame, name)[from_rows]
    if _same_edges(frame.layout.batch_edges, layout.batch_edges):
        columns["batch_rate"] = frame.batch_rate
    return replace(blank, queue_depth=frame.queue_depth, active_requests=frame.active_requests, **columns)


def merge_frames(frames: Sequence[MetricFrame], t: float, interval_s: float) -> MetricFrame:
    """Make one frame of those of an interval: rates are averaged and states take the worst, as in compressed time.

    The layout is the last one's; the frame is fresh where all are.
    """
    layout = replace(frames[-1].layout, interval_s=interval_s)
    placed = [onto_layout(frame, layout) for frame in frames]
    columns: dict[str, Any] = {}
    for name in _RATES:
        values = np.asarray([getattr(frame, name) for frame in placed])
        measured = np.sum(~np.isnan(values), axis=0)
        total = np.nansum(values, axis=0)
        columns[name] = np.divide(total, measured, out=np.full(total.shape, np.nan), where=measured > 0)
    for name in _STATES:
        columns[name] = np.fmax.reduce(np.asarray([getattr(frame, name) for frame in placed]))
    for name in ("queue_depth", "active_requests"):
        columns[name] = float(columns[name])
    return MetricFrame(layout=layout, t=t, fresh=all(frame.fresh for frame in frames), **columns)


class FrameMerger:
    """Gather the frames of each interval of the clock.

    Parameters
    ----------
    interval_s : float
        Time between the frames that come out; a source that is slower is passed on as it is.
    """

    def __init__(self, interval_s: float = LEAST_INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._gathered: list[MetricFrame] = []
        self._index = -1

    def add(self, frame: MetricFrame) -> list[MetricFrame]:
        """Take a frame; return those that are complete now."""
        if frame.layout.interval_s > 0.75 * self._interval_s:
            return [*self.flush(), frame]
        index = math.ceil(frame.t / self._interval_s - 1e-6)
        done = self._take(self._index * self._interval_s) if index != self._index else []
        self._index = index
        self._gathered.append(frame)
        end_s = index * self._interval_s
        return done + (self._take(end_s) if frame.t >= end_s - 1e-3 * self._interval_s else [])

    def flush(self) -> list[MetricFrame]:
        """Return what is left of an interval that is not over."""
        return self._take(self._gathered[-1].t) if self._gathered else []

    def _take(self, t: float) -> list[MetricFrame]:
        gathered, self._gathered = self._gathered, []
        return [merge_frames(gathered, t, self._interval_s)] if gathered else []


class RecordingFiles:
    """The file, or the row of files, that frames are written to.

    Without a rotation these are ``NAME.jsonl.gz``, and ``NAME-2.jsonl.gz``, ``NAME-3.jsonl.gz`` … where the layout
    changes or the clock is set back. With one each is named by the time of its first frame,
    ``NAME-20261123T234500Z.jsonl.gz``. Files that are there are continued.

    Parameters
    ----------
    path : Path
        ``NAME.jsonl`` or ``NAME.jsonl.gz``.
    source : str
        For the header; no secrets.
    rotation : Rotation, optional
        When a new file is begun.
    say : callable
        Told, in one line, which file is begun or continued and why.
    """

    def __init__(
        self, path: Path, *, source: str, rotation: Rotation | None = None, say: Callable[[str], None]
    ) -> None:
        self._path = path
        self._ending = ".jsonl.gz" if path.name.endswith(".gz") else ".jsonl"
        self._stem = path.name.removesuffix(self._ending)
        self._source = source
        self._rotation = rotation
        self._say = say
        self._file: RecordingAppender | None = None
        self._young: list[MetricFrame] = []  # all frames of a file that was begun not long ago
        self.written: list[Path] = []

    def write(self, frame: MetricFrame) -> bool:
        """Write a frame; False where it is dropped because it is not later than the one before.

        Raises
        ------
        ReaderError
            The file that is there is no recording, or one of something else.
        RenderError
            It cannot be written.
        """
        try:
            return self._write(frame)
        except OSError as error:
            where = self._file.path if self._file else self._path
            raise RenderError(f"{where}: cannot be written: {error.strerror or error}") from None

    def _write(self, frame: MetricFrame) -> bool:
        file = self._file or self._first_file(frame)
        last_t = -math.inf if file.last_t is None else file.last_t
        if not _fits(frame.layout, file.layout):
            file = self._for_new_layout(file, frame)
        elif frame.t <= last_t - GAP_INTERVALS * frame.layout.interval_s:
            file = self._next_file(frame, "the clock was set back")
        elif frame.t <= last_t:
            return False
        elif self._is_full(file, frame.t):
            file = self._next_file(frame, "")
        placed = onto_layout(frame, file.layout)
        file.write(placed)
        if self._young and len(self._young) == file.num_frames - 1 < _YOUNG_FRAMES:
            self._young.append(placed)
        else:
            self._young = [placed] if file.num_frames == 1 else []
        return True

    # -- which file ------------------------------------------------------------------------------------------------

    def _first_file(self, frame: MetricFrame) -> RecordingAppender:
        there = self._existing()
        if not there:
            return self._begin(self._new_path(frame.t), frame.layout)
        newest = there[-1]
        file = RecordingAppender.resume(newest)
        if not self._rotation and not _is_alike(frame.layout, file.layout):
            file.close()
            raise ReaderError(
                f"{newest}: holds a recording of something else ({_differs(frame.layout, file.layout)}); "
                "choose another name, or --rotate, which begins a new file"
            )
        self._file = file
        self._say(f"continuing {newest} ({file.num_frames} frames)")
        self.written.append(newest)
        return file

    def _for_new_layout(self, file: RecordingAppender, frame: MetricFrame) -> RecordingAppender:
        """Begin a new file; one that is young is written anew instead, so that a start has no crumbs."""
        if not (len(self._young) == file.num_frames and _fits(file.layout, frame.layout)):
            return self._next_file(frame, _differs(frame.layout, file.layout))
        file.close()
        part = file.path.with_name(f".{file.path.name}.part{file.path.suffix}")
        part.unlink(missing_ok=True)
        with RecordingAppender.create(part, frame.layout, source=self._source) as new:
            self._young = [onto_layout(young, frame.layout) for young in self._young]
            for young in self._young:
                new.write(young)
        part.replace(file.path)
        self._file = RecordingAppender.resume(file.path)
        return self._file

    def _next_file(self, frame: MetricFrame, why: str) -> RecordingAppender:
        if self._file is not None:
            self._file.close()
        path = self._new_path(frame.t)
        self._say(f"{path}: begun{': ' if why else ''}{why}")
        return self._begin(path, frame.layout)

    def _begin(self, path: Path, layout: Layout) -> RecordingAppender:
        self._file = RecordingAppender.create(path, layout, source=self._source)
        self._young = []
        self.written.append(path)
        return self._file

    def _is_full(self, file: RecordingAppender, t: float) -> bool:
        if self._rotation is None or file.first_t is None:
            return False
        if self._rotation.size_bytes and file.num_bytes >= self._rotation.size_bytes:
            return True
        # a frame's time is the end of its interval
        begin_s = file.first_t - file.layout.interval_s
        return bool(self._rotation.age_s) and t > begin_s + self._rotation.age_s * (1.0 + 1e-9)

    def _existing(self) -> list[Path]:
        """Files of this row that are there and not empty, the newest last."""
        if self._rotation is not None:
            found = sorted(self._path.parent.glob(f"{_escaped(self._stem)}-*Z*{self._ending}"))
        else:
            found = [self._path]
            while (following := self._numbered(len(found) + 1)).exists():
                found.append(following)
        return [path for path in found if path.exists() and path.stat().st_size > 0]

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._stem}-{number}{self._ending}")

    def _new_path(self, t: float) -> Path:
        if self._rotation is not None:
            stamp = datetime.fromtimestamp(t, UTC).strftime("%Y%m%dT%H%M%SZ")
            candidates = [self._path.with_name(f"{self._stem}-{stamp}{self._ending}")]
            candidates += [self._path.with_name(f"{self._stem}-{stamp}-{n}{self._ending}") for n in range(2, 1000)]
        else:
            candidates = [self._path, *(self._numbered(number) for number in range(2, 10_000))]
        free = next((path for path in candidates if not path.exists() or path.stat().st_size == 0), None)
        if free is None:
            raise RenderError(f"{self._path}: too many files of this name; choose another")
        return free

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise RenderError(f"{self._file.path}: cannot be written: {error.strerror or error}") from None


def _escaped(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


def _fits(layout: Layout, wide: Layout) -> bool:
    """Whether frames of a layout can stand among those of one that has the same backends or more."""
    return (
        math.isclose(layout.interval_s, wide.interval_s, rel_tol=_SAME)
        and set(layout.backends) <= set(wide.backends)
        and _same_edges(layout.latency_edges_s, wide.latency_edges_s)
        and (not len(layout.batch_edges) or _same_edges(layout.batch_edges, wide.batch_edges))
    )


def _same_edges(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=_SAME, atol=0.0)


def _is_alike(one: Layout, other: Layout) -> bool:
    """Whether two layouts are of the same service: nothing but some of the backends differs."""
    return (
        math.isclose(one.interval_s, other.interval_s, rel_tol=_SAME)
        and bool(set(one.backends) & set(other.backends))
        and _same_edges(one.latency_edges_s, other.latency_edges_s)
    )


def _differs(one: Layout, other: Layout) -> str:
    if not math.isclose(one.interval_s, other.interval_s, rel_tol=_SAME):
        return f"interval {one.interval_s:g} s instead of {other.interval_s:g} s"
    if set(one.backends) != set(other.backends):
        new = [name for name in one.backends if name not in other.backends]
        return f"other backends, {' '.join(new[:3])} …" if len(new) > 3 else f"other backends, {' '.join(new)}"
    return "other bands"


# -- the loop ------------------------------------------------------------------------------------------------------


def record(
    source: Source,
    files: RecordingFiles,
    stop: Event,
    *,
    interval_s: float = LEAST_INTERVAL_S,
    duration_s: float = math.inf,
    status: RecordingStatus | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> RecordingStatus:
    """Follow a source and write its frames until `stop` is set, the time is over, or the source ends.

    What comes before the first fresh frame is left out: it says nothing. After that, frames of a lost source are
    written as stale.

    Parameters
    ----------
    source : Source
        What is followed.
    files : RecordingFiles
        Where frames go; closed when this returns.
    stop : Event
        Ends the recording.
    interval_s : float
        Least time between frames; those of a faster source are merged.
    duration_s : float
        Longest time from now, in s.
    status : RecordingStatus, optional
        Kept up to date.
    say : callable
        Told each notice of the source, and once when it is lost and when it is back.
    """
    status = RecordingStatus() if status is None else status
    merger = FrameMerger(interval_s)
    problem = ""

    def write(frames: list[MetricFrame]) -> None:
        for frame in frames:
            is_written = files.write(frame)
            status.num_frames += is_written
            status.num_dropped += not is_written
            status.num_stale += is_written and not frame.fresh
            status.num_backends = frame.layout.num_backends
            status.files = tuple(dict.fromkeys(files.written))

    timer = threading.Timer(min(duration_s, threading.TIMEOUT_MAX), stop.set)
    timer.daemon = True
    timer.start()
    try:
        with closing(source.follow(stop)) as updates:  # type: ignore[type-var]
            for update in updates:
                status.lag_s, status.problem = update.lag_s, update.problem
                for notice in update.notices:
                    say(notice)
                if update.problem != problem:
                    if update.problem:
                        say(update.problem)
                    elif status.num_frames:
                        say("the source is back")
                    problem = update.problem
                if update.frame.fresh or status.num_frames:
                    write(merger.add(update.frame))
        write(merger.flush())
    finally:
        timer.cancel()
        files.close()
    return status
