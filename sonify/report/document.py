"""Everything a page says, as one document for its script. Names from the metrics are untrusted: made readable here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonify.diagnosis.figure import Figure
from sonify.diagnosis.findings import Finding, incidents, not_measured
from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.lessons.captions import Caption
from sonify.mapping.mapper import partial_frequencies_hz
from sonify.mapping.preset import NOTE_NAMES, SoundPreset
from sonify.mapping.scales import note_of_frequency_hz
from sonify.mapping.timeline import Timeline
from sonify.metrics.recording import Recording
from sonify.report.columns import LOWEST_RATE, RATE_DECADES, pack_columns, sound_time_s
from sonify.report.content import Hint, ReportContent
from sonify.report.packing import Pack, finite
from sonify.report.picture import HIGHEST_DB, LOWEST_DB, SoundPicture
from sonify.views.wording import clean

__all__ = ["document", "label", "pack_panels", "scenes"]

_LONGEST_LABEL = 160  # a longer name is cut: nobody reads 10 kB, and it would eat the page
_CERTAIN, _SURE = 1.0 - 1e-9, 1.0 - 1e-6
_MOST_EVENTS = 200


def label(text: str) -> str:
    """Untrusted text as one readable line of bounded length."""
    short = text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
    return clean(short)


def pack_panels(content: ReportContent, picture: SoundPicture) -> Pack:
    """All arrays of the page."""
    pack = Pack()
    pack_columns(pack, "", content.timeline, content.recording, content.preset)
    if content.comparison is not None:
        pack_columns(pack, "other_", content.comparison.timeline, content.comparison.recording, content.preset)
    pack.add("spectrogram", picture.level)
    pack.add("outline", picture.outline)
    return pack


def document(content: ReportContent, picture: SoundPicture, pack: Pack) -> dict[str, Any]:
    """Build the document; JSON throughout."""
    recording, preset = content.recording, content.preset
    return {
        "title": label(content.title),
        "version": content.version,
        "preset": {"name": label(preset.name), "title": label(preset.title), "purpose": label(preset.purpose)},
        **_span(recording, content.timeline),
        "length": round(picture.length_s, 3),
        "limits": {name: [finite(limits.yellow), finite(limits.red)] for name, limits in preset.limits.items()},
        "bands": _bands(preset),
        "rate_code": {"lowest": LOWEST_RATE, "decades": RATE_DECADES},
        "spectrogram": {"low_db": LOWEST_DB, "high_db": HIGHEST_DB},
        "incidents": [_incident(group, recording, content.timeline) for group in incidents(content.findings)],
        "events": [
            {
                "kind": label(event.kind),
                "text": label(event.text),
                "at": round(sound_time_s(event.t, recording, content.timeline), 3),
                "end": None if event.end is None else round(sound_time_s(event.end, recording, content.timeline), 3),
                "t": finite(event.t, 14),
            }
            for event in recording.events[:_MOST_EVENTS]
        ],
        "not_measured": not_measured(recording),
        "filters": [_figure(one) for one in content.figures],
        "hints": [_hint(one) for one in content.hints],
        "loudness_lufs": finite(content.loudness_lufs, 4),
        "true_peak_dbtp": finite(content.true_peak_dbtp, 4),
        "other": _other(content),
        "sections": pack.sections,
    }


def _span(recording: Recording, timeline: Timeline) -> dict[str, Any]:
    layout = recording.layout
    return {
        "source": label(recording.source),
        "since": finite(recording.start_s, 14),
        "until": finite(recording.end_s, 14),
        "interval": layout.interval_s,
        "frames": len(recording),
        "speed": timeline.speed,
        "played": round(timeline.num_quanta / CONTROL_RATE_HZ, 3),
        "backends": [label(name) or "(no name)" for name in layout.backends],
        "batch_edges": [finite(edge) for edge in layout.batch_edges],
    }


def _other(content: ReportContent) -> dict[str, Any] | None:
    other = content.comparison
    if other is None:
        return None
    return {"label": label(other.label), **_span(other.recording, other.timeline)}


def _bands(preset: SoundPreset) -> dict[str, Any]:
    """Latency bands in the order of their pitch, lowest first."""
    bands = preset.bands.latency_bands
    frequencies_hz = partial_frequencies_hz(preset)[:-1]
    notes = [round(float(note)) for note in note_of_frequency_hz(frequencies_hz)]
    return {
        "edges_s": [finite(edge) for edge in bands.nominal_edges_s],
        "centres_s": [finite(centre) for centre in bands.centres_s],
        "frequencies_hz": [finite(frequency, 5) for frequency in frequencies_hz],
        "notes": [f"{NOTE_NAMES[note % 12]}{note // 12 - 1}" for note in notes],
        "rising": bool(np.all(np.diff(frequencies_hz) > 0.0)),
        "tilted": preset.level.latency_tilt > 0.0,
    }


def _how_sure(confidence: float) -> str:
    if confidence >= _CERTAIN:
        return "certain"
    return "sure" if confidence >= _SURE else f"{100.0 * confidence:.3g} % sure"


def _incident(group: Sequence[Finding], recording: Recording, timeline: Timeline) -> dict[str, Any]:
    findings = [
        {
            "panel": one.panel,
            "backend": label(one.backend),
            "state": one.state,
            "text": clean(one.sentence.replace(one.backend, label(one.backend)) if one.backend else one.sentence),
            "sure": _how_sure(one.confidence),
            "since": finite(one.since_s, 14),
            "at": round(sound_time_s(one.since_s, recording, timeline), 3),
            "end": round(sound_time_s(one.until_s, recording, timeline), 3),
        }
        for one in group
    ]
    return {
        "at": round(sound_time_s(min(one.since_s for one in group), recording, timeline), 3),
        "end": round(sound_time_s(max(one.until_s for one in group), recording, timeline), 3),
        "standing": all(one.standing for one in group),
        "findings": findings,
        "actions": list(dict.fromkeys(clean(one.action) for one in group)),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "filter": figure.filter,
        "name": figure.name,
        "backend": label(figure.backend),
        "known": figure.is_known,
        "text": clean(figure.sentence),
        "method": clean(figure.method),
    }


def _hint(hint: Hint | str) -> dict[str, Any]:
    if isinstance(hint, Figure):
        return _figure(hint)
    text = hint if isinstance(hint, str) else hint.sentence
    return {"filter": "hint", "name": "", "backend": "", "known": True, "text": clean(text), "method": ""}


def scenes(captions: Sequence[Caption]) -> list[dict[str, Any]]:
    """Scenes of the legend, each with its stretch of sound and what is heard in it."""
    found: list[dict[str, Any]] = []
    for caption in captions:
        if not found or found[-1]["name"] != caption.scene:
            found.append({"name": caption.scene, "text": caption.text, "at": round(caption.begin_s, 3), "stages": []})
        found[-1]["end"] = round(caption.end_s, 3)
        if caption.stage:
            found[-1]["stages"].append({"at": round(caption.begin_s, 3), "text": caption.stage})
    return found
