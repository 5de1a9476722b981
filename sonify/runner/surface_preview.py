"""What a surface would show at the worst moment of a recording."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from sonify.mapping.alarms import LimitTracker
from sonify.mapping.mapper import Mapper, learn_baseline
from sonify.mapping.preset import SoundPreset
from sonify.mapping.voicing import choose_voices, fold_backends
from sonify.metrics.panels import State
from sonify.metrics.recording import Recording
from sonify.midi.surfaces.driver import Driver
from sonify.midi.surfaces.heat import HeatHistory
from sonify.midi.surfaces.parts import Kind
from sonify.midi.surfaces.picture import draw
from sonify.midi.surfaces.profile import Profile
from sonify.midi.surfaces.roles import look
from sonify.midi.surfaces.scene import Scene, strips_of

__all__ = ["Moment", "preview", "worst_moment"]

_TEXT_S = 0.0  # of the texts that take turns, the first


class Moment(NamedTuple):
    """A scene, and the time of its frame in Unix s."""

    scene: Scene
    t: float


def worst_moment(recording: Recording, preset: SoundPreset) -> Moment:
    """Find the first frame with the most panels in the red, then in the yellow."""
    heard = recording.on_bands(preset.bands.latency_bands)
    heard = fold_backends(heard, choose_voices(heard, preset.limits, preset.arrangement.voices))
    tracker = LimitTracker(preset.limits)
    best: tuple[tuple[int, int], int, dict[str, State], tuple[str, ...]] | None = None
    for index, frame in enumerate(heard.frames()):
        tracker.update(frame, frame.t - heard.start_s)
        states = dict(tracker.states)
        badness = (
            sum(state == State.RED for state in states.values()),
            sum(state == State.YELLOW for state in states.values()),
        )
        if best is None or badness > best[0]:
            best = badness, index, states, tracker.unacknowledged
    if best is None:
        return Moment(Scene(is_fresh=False), recording.start_s)
    _, worst, states, unacknowledged = best
    heat = HeatHistory()
    for index in range(max(worst - 15, 0), worst + 1):
        heat.update(heard.frame(index))
    frame = heard.frame(worst)
    limits = preset.limits["latency_p95"]
    mapper = Mapper(preset, heard.layout.backends, learn_baseline(heard), num_batch_bands=heard.layout.num_batch_bands)
    gains = mapper.score(frame, np.nan_to_num(frame.glitch_rate) * frame.layout.interval_s, ()).partial_gain
    level_db = 20.0 * np.log10(np.maximum(np.sqrt(np.square(gains).sum(axis=1)), 1e-6))
    scene = Scene(
        time_s=_TEXT_S,
        strips=strips_of(
            frame,
            [State(int(state)) for state in limits.states(frame.latency_quantile_s(0.95))],
            level_db,
            trim_db={},
            soloed=frozenset(),
            muted=frozenset(),
        ),
        panel_states=states,
        unacknowledged=frozenset(unacknowledged),
        heat=heat.columns,
        latency_limits=limits,
        is_fresh=frame.fresh,
    )
    return Moment(scene, frame.t)


def preview(profile: Profile, recording: Recording, preset: SoundPreset) -> str:
    """Draw what a device would show at the worst moment, as SVG."""
    moment = worst_moment(recording, preset)
    sliders = {
        control.name: look(control.role, moment.scene, 0, profile.heat_size, profile.text_width).share
        for control in profile.controls
        if control.kind is Kind.SLIDER
    }
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment.t))
    return draw(profile, Driver(profile).desired(moment.scene), f"the worst moment, {when}", sliders)
