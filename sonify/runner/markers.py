"""Markers of a render: what was found, and what someone noted, in time of the sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sonify.metrics.recording import Recording
from sonify.outputs.about import Marker, one_line

if TYPE_CHECKING:
    from sonify.diagnosis.findings import Finding

__all__ = ["find_markers"]

_MOST = 250  # a cue sheet and a table of chapters hold hardly more


def find_markers(recording: Recording, findings: Sequence[Finding], speed: float, length_s: float) -> list[Marker]:
    """Markers in the order of time; events come first, then the surest findings, where there are too many.

    Parameters
    ----------
    recording : Recording
        That is played; its beginning is the beginning of the sound.
    findings : sequence of Finding
        Of the same recording.
    speed : float
        Metric seconds a second of sound.
    length_s : float
        Of the sound without its tail.
    """

    def marker(since_s: float, until_s: float, text: str) -> Marker:
        begin = min(max((since_s - recording.start_s) / speed, 0.0), length_s)
        end = min(max((until_s - recording.start_s) / speed, begin), length_s)
        return Marker(round(begin, 3), round(end - begin, 3), one_line(text))

    events = [
        marker(event.t, event.t if event.end is None else event.end, f"{event.kind}: {event.text}")
        for event in recording.events
        if recording.start_s <= event.t <= recording.end_s
    ]
    surest = sorted(findings, key=lambda finding: -finding.confidence)
    found = [marker(finding.since_s, finding.until_s, finding.sentence) for finding in surest]
    return sorted((events + found)[:_MOST], key=lambda one: (one.time_s, one.text))
