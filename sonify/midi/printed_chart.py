"""The chart as text: what ``sonify midi map`` prints, for whoever sets up an instrument."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import TypedDict

from sonify.mapping.mapper import partial_frequencies_hz
from sonify.mapping.preset import SoundPreset
from sonify.midi.chart import (
    ACCENT_NOTE,
    BACKEND_CHANNELS,
    BURST_NOTE,
    CONTROLLERS,
    DRUM_NOTES,
    EARCON_NOTES,
    MOTIF_NOTE,
    PERCUSSION_CHANNEL,
    PROGRAMS,
    SIGNALS_CHANNEL,
    SIGNALS_PROGRAM,
    TICK_NOTE,
)
from sonify.midi.translator import partial_notes
from sonify.units import format_duration

__all__ = ["ChannelRow", "Chart", "ControllerRow", "NoteRow", "describe", "lines"]

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class ChannelRow(TypedDict):
    """A channel, counted from 1 as musicians do, and its General MIDI program, counted from 1, with its name."""

    channel: int
    meaning: str
    program: str


class ControllerRow(TypedDict):
    """A controller; `top` is what 127 stands for."""

    number: int
    channels: str
    meaning: str
    top: str


class NoteRow(TypedDict):
    """A note: 60 is C4."""

    note: int
    name: str
    meaning: str


class Chart(TypedDict):
    """All that can be played."""

    channels: list[ChannelRow]
    controllers: list[ControllerRow]
    bands: list[NoteRow]
    percussion: list[NoteRow]
    limits: list[NoteRow]


def describe(preset: SoundPreset) -> Chart:
    """Describe everything that a preset's notes and controllers mean."""
    channels: list[ChannelRow] = [
        {"channel": channel + 1, "meaning": f"backend {index + 1}", "program": f"{number + 1} {name}"}
        for index, (channel, (number, name)) in enumerate(zip(BACKEND_CHANNELS, PROGRAMS, strict=True))
    ]
    channels.append({"channel": PERCUSSION_CHANNEL + 1, "meaning": "percussion", "program": "drums"})
    signals = f"{SIGNALS_PROGRAM[0] + 1} {SIGNALS_PROGRAM[1]}"
    channels.append({"channel": SIGNALS_CHANNEL + 1, "meaning": "whole service", "program": signals})
    of_backends, of_service = "every backend", f"channel {SIGNALS_CHANNEL + 1}"
    return {
        "channels": sorted(channels, key=lambda row: row["channel"]),
        "controllers": [
            {
                "number": controller.number,
                "channels": of_backends if controller.scope == "backend" else of_service,
                "meaning": controller.meaning,
                "top": controller.top,
            }
            for controller in CONTROLLERS.values()
        ],
        "bands": _bands(preset),
        "percussion": [
            _row(TICK_NOTE, "tick: data are fresh"),
            _row(ACCENT_NOTE, "accented tick"),
            _row(MOTIF_NOTE, "the source is lost"),
            _row(BURST_NOTE, "a glitch"),
            *(_row(note, f"batches, {_size(place)}") for place, note in enumerate(DRUM_NOTES)),
        ],
        "limits": [_row(note, panel) for panel, note in EARCON_NOTES.items()],
    }


def lines(chart: Chart) -> list[str]:
    """Lay the chart out in lines."""
    return [
        "channels (counted from 1)",
        *(f"  {row['channel']:>3}  {row['meaning']:<15} {row['program']}" for row in chart["channels"]),
        "controllers",
        *(
            f"  {row['number']:>3}  {row['channels']:<14} {row['meaning']}; 127 is {row['top']}"
            for row in chart["controllers"]
        ),
        "notes of a backend; the level is the velocity",
        *_note_lines(chart["bands"]),
        "notes of the percussion",
        *_note_lines(chart["percussion"]),
        "notes of limits that are crossed: recovered; an octave higher: worse",
        *_note_lines(chart["limits"]),
    ]


def _note_lines(rows: Iterable[NoteRow]) -> list[str]:
    return [f"  {row['note']:>3}  {row['name']:<4} {row['meaning']}" for row in rows]


def _bands(preset: SoundPreset) -> list[NoteRow]:
    edges_s = preset.bands.latency_bands.edges_s
    notes = partial_notes(partial_frequencies_hz(preset))
    texts = [_span(float(low_s), float(high_s)) for low_s, high_s in pairwise(edges_s)]
    return [_row(int(note), text) for note, text in zip(notes, [*texts, "latency not measured"], strict=True)]


def _span(low_s: float, high_s: float) -> str:
    if math.isinf(high_s):
        return f"over {format_duration(low_s)}"
    return f"{format_duration(low_s)} to {format_duration(high_s)}"


def _size(place: int) -> str:
    words = {0: "the smallest", len(DRUM_NOTES) - 1: "the largest"}
    return words.get(place, "between")


def _row(note: int, meaning: str) -> NoteRow:
    return {"note": note, "name": f"{_NAMES[note % 12]}{note // 12 - 1}", "meaning": meaning}
