"""The masking lint: which voices of a preset hide which others, and which change of one key would free them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonify.lint.components import voices_of
from sonify.lint.loads import typical_frame, worst_frame
from sonify.lint.remedies import Rehearsal, remedies
from sonify.lint.scene import WANTED_DB, Heard, Scene
from sonify.lint.voice import Voice
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import SoundPreset
from sonify.metrics.frame import MetricFrame

__all__ = ["LOADS", "Hidden", "find_hidden", "scene_at"]

_MANY = 3  # more maskers than these are not named one by one


def _stale(preset: SoundPreset) -> MetricFrame:
    return MetricFrame.unmeasured(typical_frame(preset).layout, 0.0)


LOADS = {"typical": typical_frame, "worst": worst_frame, "stale": _stale}


@dataclass(frozen=True, slots=True)
class Hidden:
    """Voices of one kind that are not heard, or do not call as they should, at one load.

    Attributes
    ----------
    voices : tuple of str
        Their names, the worst first.
    place : str
        Note and frequency where they have one.
    maskers : tuple of str
        Who hides the worst; empty where it is too faint even for silence.
    load : str
        ``typical``, ``worst`` or ``stale``.
    missing_db : float
        How much the worst is short of.
    calls : bool
        Whether these are alarms, which are not heard before they are some 10 dB over their threshold.
    remedies : tuple of str
        Changes of one key that would free all of them.
    """

    voices: tuple[str, ...]
    place: str
    maskers: tuple[str, ...]
    load: str
    missing_db: float
    calls: bool
    remedies: tuple[str, ...]

    def __str__(self) -> str:
        """One line for a person."""
        kind = "weak" if self.calls else "hidden"
        place = f" ({self.place})" if self.place else ""
        under = f"under {_some(self.maskers)} " if self.maskers else "even in silence "
        way = f"; free it with {', or '.join(self.remedies)}" if self.remedies else "; no change of one key frees it"
        return (
            f"{kind}: {_some(self.voices)}{place} {under}at {self.load} load by {max(self.missing_db, 1.0):.0f} dB{way}"
        )


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _MANY
    return ", ".join(names[:_MANY]) + (f" and {more} more" if more > 0 else "")


def scene_at(preset: SoundPreset, load: str) -> Scene:
    """All voices of a preset at a load; what is normal recedes as it does after a typical day."""
    typical, frame = typical_frame(preset), LOADS[load](preset)
    layout = frame.layout
    mapper = Mapper(preset, layout.backends, typical.latency_rate, num_batch_bands=layout.num_batch_bands)
    return Scene(voices_of(mapper, mapper.score(frame, np.nan_to_num(frame.glitch_rate))))


def find_hidden(preset: SoundPreset) -> list[Hidden]:
    """Find all voices that are not heard, by load and kind, the worst first."""
    return [hidden for load in LOADS for hidden in _hidden_at(preset, load)]


def _hidden_at(preset: SoundPreset, load: str) -> list[Hidden]:
    scene = scene_at(preset, load)
    judged = [scene.heard(voice) for voice in scene.voices if load != "stale" or voice.kind == "motif"]
    rehearsal = Rehearsal(preset, lambda changed: scene_at(changed, load))
    groups: dict[tuple[str, bool], list[Heard]] = {}
    for one in sorted((one for one in judged if one.over_db < 0.0), key=lambda one: one.over_db):
        groups.setdefault((one.voice.kind, bool(one.maskers)), []).append(one)
    return [
        Hidden(
            voices=tuple(one.voice.name for one in group),
            place=_place(preset, group[0].voice),
            maskers=group[0].maskers,
            load=load,
            missing_db=-group[0].over_db,
            calls=group[0].voice.kind in WANTED_DB,
            remedies=remedies(rehearsal, group),
        )
        for group in groups.values()
    ]


def _place(preset: SoundPreset, voice: Voice) -> str:
    note = {"pulse": preset.gauges.pulse_note, "sub": preset.gauges.sub_note}.get(voice.kind)
    if note is not None:
        return f"{note:g}, {voice.frequency_hz[0]:.0f} Hz"
    return f"{preset.glitches.centre:.0f} Hz" if voice.kind == "glitches" else ""
