"""Remedies: which change of one key would free a hidden voice. Each is tried, never guessed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from sonify.lint.scene import Heard, Scene
from sonify.mapping.mapper import partial_frequencies_hz
from sonify.mapping.preset import SoundPreset
from sonify.mapping.scales import note_of_frequency_hz
from sonify.mapping.schema import key_of

__all__ = ["Rehearsal", "remedies"]

Trial = tuple[str, object]  # a key, and a value for it

_LEVELS = {
    "pulse": "gauges.pulse_level",
    "sub": "gauges.sub_level",
    "drum": "gauges.drum_level",
    "glitches": "glitches.level",
    "tick": "freshness.pilot_level",
    "earcon": "alarms.level",
    "motif": "freshness.stale_level",
}
_NOTES = {"pulse": "gauges.pulse_note", "sub": "gauges.sub_note"}
_MOST_DB = 24.0  # a level that would have to rise by more is no remedy
_NOTE_STEPS = (1, -1, 3, -3, 6, -6, 10, -10, 15, -15)  # nearest first; few, for each is heard
_CENTRES_HZ = (2000.0, 5000.0, 7000.0)


class Rehearsal:
    """Scenes of a preset with one key changed; each is heard once, whoever asks.

    Parameters
    ----------
    preset : SoundPreset
        As it is.
    hear : callable
        Makes the scene of a preset.
    """

    def __init__(self, preset: SoundPreset, hear: Callable[[SoundPreset], Scene]) -> None:
        self.preset = preset
        self._hear = hear
        self._scenes: dict[Trial, Scene] = {}

    def scene(self, trial: Trial) -> Scene:
        """Return the scene after a change."""
        if trial not in self._scenes:
            section, name = trial[0].split(".")
            part: Any = dataclasses.replace(getattr(self.preset, section), **{name: trial[1]})
            changed: Any = {section: part}
            self._scenes[trial] = self._hear(dataclasses.replace(self.preset, **changed))
        return self._scenes[trial]


def remedies(rehearsal: Rehearsal, hidden: list[Heard]) -> tuple[str, ...]:
    """Find changes of one key that free voices, as ``key = value``: one of level, one of register, one of place.

    Parameters
    ----------
    rehearsal : Rehearsal
        Where changes are tried.
    hidden : list of Heard
        Voices of one kind, the worst first.
    """
    preset, frees = rehearsal.preset, _Frees(rehearsal, hidden)
    kind = hidden[0].voice.kind
    groups = [_levels(preset, hidden[0], frees), _registers(preset, kind), _places(preset, kind)]
    found = []
    for trials in groups:
        first = next((trial for trial in trials if frees(trial)), None)
        if first is not None:
            found.append(_as_text(preset, first))
    return tuple(found)


class _Frees:
    """Whether a change of one key frees voices."""

    def __init__(self, rehearsal: Rehearsal, hidden: list[Heard]) -> None:
        self._rehearsal = rehearsal
        self._wanted = {one.voice.name for one in hidden}

    def over_db(self, trial: Trial) -> float:
        """How far the worst of them is over its threshold after a change."""
        scene = self._rehearsal.scene(trial)
        same = [voice for voice in scene.voices if voice.name in self._wanted]
        return min(scene.over_db(voice) for voice in same) if len(same) == len(self._wanted) else -np.inf

    def __call__(self, trial: Trial) -> bool:
        return self.over_db(trial) >= 0.0


def _field(preset: SoundPreset, key: str) -> tuple[Any, dataclasses.Field[Any]]:
    section, name = key.split(".")
    part = getattr(preset, section)
    return getattr(part, name), next(field for field in dataclasses.fields(part) if field.name == name)


def _levels(preset: SoundPreset, hidden: Heard, frees: _Frees) -> Iterator[Trial]:
    """Raise the voice's own level by what is missing, and by as much again as turns out to be lost on the way."""
    key = _LEVELS.get(hidden.voice.kind)
    if key is None:
        return
    level_db, field = _field(preset, key)
    raised_db, missing_db = float(level_db), -hidden.over_db
    for _ in range(3):
        raised_db += float(np.ceil(missing_db))
        if raised_db > min(level_db + _MOST_DB, key_of(field).high):
            return
        yield key, raised_db
        missing_db = max(-frees.over_db((key, raised_db)), 1.0)


def _registers(preset: SoundPreset, kind: str) -> Iterable[Trial]:
    if kind == "glitches":
        return [("glitches.centre", centre_hz) for centre_hz in _CENTRES_HZ]
    if kind == "overtones":
        rolloffs = [rolloff for rolloff in (1.0, 0.0) if rolloff < preset.overtones.rolloff]
        return [("overtones.rolloff", rolloff) for rolloff in rolloffs]
    if kind not in _NOTES:
        return []
    key = _NOTES[kind]
    note, field = _field(preset, key)
    limits = key_of(field)
    taken = note_of_frequency_hz(partial_frequencies_hz(preset))
    free = [note + step for step in _NOTE_STEPS if limits.low <= note + step <= limits.high]
    return [(key, wanted) for wanted in free if np.abs(taken - wanted).min() > 0.5]


def _places(preset: SoundPreset, kind: str) -> Iterator[Trial]:
    """Apart in space, then apart in time."""
    if kind not in ("backend", "overtones", "roughness", "glitches", "tick"):
        return
    if preset.motion.width < 1.0 and kind != "tick":
        yield "motion.width", 1.0
    if preset.arrangement.mode != "sequenced":
        yield "arrangement.mode", "sequenced"
        return
    for hold in (0.5, 0.25, 0.0):
        if hold < preset.arrangement.hold:
            yield "arrangement.hold", hold
    for bed_db in (-18.0, -24.0, -60.0):
        if bed_db < preset.arrangement.bed:
            yield "arrangement.bed", bed_db


def _as_text(preset: SoundPreset, trial: Trial) -> str:
    _, field = _field(preset, trial[0])
    value, unit = trial[1], key_of(field).units[0]
    if isinstance(value, str):
        return f'{trial[0]} = "{value}"'
    return f'{trial[0]} = "{value:g} {unit}"' if unit else f"{trial[0]} = {value:g}"
