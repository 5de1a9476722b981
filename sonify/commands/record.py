"""``sonify record``: what a source shows from now on, as a recording."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from sonify.commands import printable
from sonify.commands.source_options import SOURCE_HELP, source_options
from sonify.errors import RenderError, UsageError
from sonify.units import parse_duration_s

if TYPE_CHECKING:
    from sonify.runner.recording import RecordingStatus, Rotation

__all__ = ["parse_rotation", "record"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B")
_PREFIXES = " kMGT"
_LEAST_BYTES = 10_000
_LEAST_AGE_S = 1.0

_EPILOG = f"""\b
Examples:
  sonify record prometheus+http://127.0.0.1:9090 -o today.jsonl.gz --duration 24h
  sonify record statsd://127.0.0.1:8125 -o api.jsonl.gz --rotate 1h
  sonify record sim:chaos -o chaos.jsonl.gz --duration 5m

\b
A recording that is there is continued, also after kill -9. With --rotate the files are named by the time of their
first frame: api-20261123T234500Z.jsonl.gz. Without it, a new backend begins a file of its own: today-2.jsonl.gz.

{SOURCE_HELP}
"""


@click.command(epilog=_EPILOG)
@source_options
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="FILE.jsonl or FILE.jsonl.gz to write."
)
@click.option("--duration", help="End after this time, such as 90s, 15m or 24h; else with Ctrl-C.")
@click.option("--interval", help="Least time between frames, 1s by default; those of a faster source are merged.")
@click.option("--rotate", metavar="SIZE|TIME", help="Begin a new file at this size or age, such as 100MB or 1h.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def record(
    source: str,
    signals: str,
    options: tuple[str, ...],
    output: Path,
    duration: str | None,
    interval: str | None,
    rotate: str | None,
    quiet: bool,
) -> None:
    """Record what a source shows from now on, until --duration is over or somebody presses Ctrl-C.

    A frame is in the file as soon as it is there: kill -9 loses no more than the last line.
    """
    if not output.name.endswith((".jsonl", ".jsonl.gz")):
        raise UsageError(f"-o {output}: a recording is named FILE.jsonl or FILE.jsonl.gz")
    duration_s = None if duration is None else _duration_s("--duration", duration)
    interval_s = None if interval is None else _duration_s("--interval", interval)
    rotation = None if rotate is None else parse_rotation(rotate)

    from sonify.readers.source import open_source
    from sonify.runner import recording

    opened = open_source(source, signals, options)
    screen = _Screen(is_quiet=quiet, is_watched=sys.stderr.isatty())
    files = recording.RecordingFiles(output, source=opened.title, rotation=rotation, say=screen.say)
    status = recording.RecordingStatus()
    stop = threading.Event()
    limits = {"interval_s": interval_s, "duration_s": duration_s}
    with _ending_cleanly(stop) as was_told, screen.showing(status):
        recording.record(
            opened,
            files,
            stop,
            status=status,
            say=screen.say,
            **{name: value for name, value in limits.items() if value is not None},
        )
    if not status.num_frames and not was_told:
        raise RenderError(f"{source}: nothing was recorded{': ' if status.problem else ''}{status.problem}")
    screen.say(_summary(status))


def parse_rotation(text: str) -> Rotation:
    """Read ``100MB``, ``64MiB`` or a duration such as ``1h``; UsageError if it is neither."""
    from sonify.runner.recording import Rotation

    match = _SIZE.fullmatch(text.strip())
    if match is not None:
        base = 1024.0 if match[3] else 1000.0
        size_bytes = float(match[1]) * base ** _PREFIXES.index(match[2].replace("K", "k") or " ")
        if size_bytes < _LEAST_BYTES:
            raise UsageError(f"--rotate {text!r}: a file holds at least {_LEAST_BYTES // 1000}kB")
        return Rotation(size_bytes=size_bytes)
    try:
        age_s = parse_duration_s(text)
    except UsageError:
        raise UsageError(f"--rotate {text!r} is neither a size such as 100MB nor a duration such as 1h") from None
    if age_s < _LEAST_AGE_S:
        raise UsageError(f"--rotate {text!r}: a file lasts at least {_LEAST_AGE_S:g}s")
    return Rotation(age_s=age_s)


def _duration_s(option: str, text: str) -> float:
    try:
        return parse_duration_s(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


@contextmanager
def _ending_cleanly(stop: threading.Event) -> Iterator[list[int]]:
    """Set `stop` on the first Ctrl-C or SIGTERM; the second ends at once. Gives the signals that came."""
    came: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Screen:
    """What a person sees on stderr: lines, and below them a status that is renewed once a second."""

    def __init__(self, *, is_quiet: bool, is_watched: bool) -> None:
        self._is_quiet = is_quiet
        self._is_watched = is_watched and not is_quiet
        self._lock = threading.Lock()
        self._width = 0

    def say(self, line: str) -> None:
        """Print a line."""
        if not self._is_quiet:
            with self._lock:
                self._wipe()
                click.echo(printable(line), err=True)

    def _wipe(self) -> None:
        if self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
            self._width = 0

    def _show(self, text: str) -> None:
        with self._lock:
            self._wipe()
            self._width = len(text)
            click.echo(text, err=True, nl=False)

    @contextmanager
    def showing(self, status: RecordingStatus) -> Iterator[None]:
        """Show the status until the block ends."""
        if not self._is_watched:
            yield
            return
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(1.0):
                self._show(printable(_status_line(status))[:78])

        thread = threading.Thread(target=renew, name="status", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with self._lock:
                self._wipe()


def _status_line(status: RecordingStatus) -> str:
    if status.problem:
        return f"{status.num_frames} frames; {status.problem}"
    lag = f", {status.lag_s:.1f} s behind" if status.lag_s >= 0.0 else ""
    stale = f", {status.num_stale} stale" if status.num_stale else ""
    return f"{status.num_frames} frames{stale}, {status.num_backends} backends{lag}"


def _summary(status: RecordingStatus) -> str:
    if not status.num_frames:
        return f"nothing was recorded{': ' if status.problem else ''}{status.problem}"
    where = ", ".join(map(str, status.files[:3])) + (" …" if len(status.files) > 3 else "")
    parts = [f"{where}: {status.num_frames} frames"]
    if status.num_stale:
        parts.append(f"{status.num_stale} of them stale")
    if status.num_dropped:
        parts.append(f"{status.num_dropped} left out that were not later than the one before")
    total_bytes = sum(path.stat().st_size for path in status.files if path.exists())
    parts.append(f"{total_bytes / 1e6:.3g} MB" if total_bytes >= 1e6 else f"{total_bytes / 1e3:.3g} kB")
    return ", ".join(parts)
