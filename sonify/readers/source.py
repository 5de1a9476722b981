"""One grammar for every source of metrics, and the protocol that each reader fulfils."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from sonify.errors import ReaderError
from sonify.metrics.recording import Recording
from sonify.metrics.recording_format import load_recording

__all__ = ["SOURCES", "RecordingFile", "Source", "SourceKind", "open_source"]


class Source(Protocol):
    """A place metrics come from.

    Attributes
    ----------
    warnings : list of str
        What the last `read` could not be sure of; a line each, for a person.
    """

    warnings: list[str]

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Read a range of time (Unix s; None: as the source thinks best) and raise ReaderError where it cannot."""
        ...


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A row of the registry.

    Attributes
    ----------
    spelling : str
        How a person writes it, for help and messages.
    prefixes, suffixes : tuple of str
        What a spec of this kind begins or ends with.
    opener : str
        ``module:function``, imported when needed; called with the spec and the name of the signals preset.
    """

    spelling: str
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    opener: str

    def matches(self, spec: str) -> bool:
        """Whether a spec is of this kind."""
        return spec.startswith(self.prefixes) or spec.lower().endswith(self.suffixes)


SOURCES: tuple[SourceKind, ...] = (
    SourceKind("sim:SCENARIO", ("sim:",), (), "sonify.readers.simulation:open_simulation_source"),
    SourceKind(
        "prometheus+http(s)://HOST:PORT",
        ("prometheus+http://", "prometheus+https://"),
        (),
        "sonify.readers.prometheus:open_prometheus_source",
    ),
    SourceKind("FILE.jsonl[.gz]", (), (".jsonl", ".jsonl.gz"), "sonify.readers.source:RecordingFile.open"),
)


class RecordingFile:
    """A recording on disk as a source."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.warnings: list[str] = []

    @classmethod
    def open(cls, spec: str, _signals: str) -> RecordingFile:
        """Take the spec as a path."""
        return cls(Path(spec).expanduser())

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Read the file and keep the frames in range."""
        recording = load_recording(self._path)
        kept = recording.between(since_s, until_s)
        if not len(kept):
            raise ReaderError(
                f"{self._path}: no frame between --since and --until; it covers "
                f"{_iso(recording.start_s)} to {_iso(recording.end_s)}"
            )
        return kept


def _iso(time_s: float) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_s} s"


def open_source(spec: str, signals: str) -> Source:
    """Open what a person named.

    Parameters
    ----------
    spec : str
        A source in the grammar of `SOURCES`.
    signals : str
        Name or file of the signals preset, for the kinds that need one.

    Raises
    ------
    ReaderError
        No kind of source is written like this; the message lists the kinds.
    """
    for kind in SOURCES:
        if kind.matches(spec):
            module, _, attribute = kind.opener.partition(":")
            found: object = import_module(module)
            for name in attribute.split("."):
                found = getattr(found, name)
            return cast("Callable[[str, str], Source]", found)(spec, signals)
    known = ", ".join(kind.spelling for kind in SOURCES)
    raise ReaderError(f"{spec!r} is not a source; allowed: {known}")
