"""What a report page is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sonify.diagnosis.figure import Figure
from sonify.diagnosis.findings import Finding
from sonify.mapping.preset import SoundPreset
from sonify.mapping.timeline import Timeline
from sonify.metrics.recording import Recording
from sonify.report.examples import Examples

__all__ = ["Comparison", "Hint", "ReportContent"]


class Hint(Protocol):
    """Something that may help; `sonify.diagnosis.hints` makes them."""

    @property
    def sentence(self) -> str:
        """What it says."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A second recording that the first is shown against.

    Attributes
    ----------
    label : str
        What it is, such as the name of its file. Untrusted text.
    recording : Recording
        On the engine's bands.
    timeline : Timeline
        How it was played.
    audio : Path or None
        Its own sound; None where the report's audio has both, one in each ear.
    """

    label: str
    recording: Recording
    timeline: Timeline
    audio: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReportContent:
    """All of a page.

    Attributes
    ----------
    recording : Recording
        On the engine's bands, with the backends that were played.
    timeline : Timeline
        How it was played.
    preset : SoundPreset
        Through which.
    audio : Path
        The render, WAV or FLAC; the page holds a compressed copy.
    title, version : str
        Of the page, and of sonify.
    loudness_lufs, true_peak_dbtp : float
        As measured on the render; NaN: too short to measure.
    findings : sequence of Finding
        Of the same recording.
    figures : sequence of Figure
        The system's own filters.
    hints : sequence of Hint or str
        May be empty.
    stems : mapping of str to Path
        By name, in order; may be empty.
    examples : Examples or None
        What each mapping sounds like.
    comparison : Comparison or None
        Shown beside it.
    """

    recording: Recording
    timeline: Timeline
    preset: SoundPreset
    audio: Path
    title: str
    version: str
    loudness_lufs: float
    true_peak_dbtp: float
    findings: Sequence[Finding] = ()
    figures: Sequence[Figure] = ()
    hints: Sequence[Hint | str] = ()
    stems: Mapping[str, Path] = field(default_factory=dict)
    examples: Examples | None = None
    comparison: Comparison | None = None
