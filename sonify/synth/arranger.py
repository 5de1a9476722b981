"""The clips of a preset, and the moments at which each is due."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ, SAMPLE_RATE_HZ
from sonify.mapping.bars import bar_quanta, drum_offsets, slot_quanta
from sonify.mapping.mapper import OFF_DB
from sonify.mapping.preset import SoundPreset
from sonify.mapping.score import Score
from sonify.synth.clips import ClipPlayer, make_clip_player
from sonify.synth.earcons import accent, drum, earcon, earcon_names, stale_motif, tick
from sonify.units import gain_from_db

__all__ = ["Arranger"]

Float32 = NDArray[np.float32]

_GAUGES_BUS, _SIGNALS_BUS = 0, 1
_TICK, _ACCENT, _MOTIF, _FIRST_DRUM = range(4)
_EARCON_SPACING_S = 0.3  # earcons that follow each other more closely are heard as one


class Arranger:
    """Draw the clips of a preset, and say when each is due.

    Parameters
    ----------
    preset : SoundPreset
        Levels, periods, arrangement.
    num_voices, num_drums : int
        Backends, and batch size bands.
    """

    def __init__(self, preset: SoundPreset, num_voices: int, num_drums: int) -> None:
        self._sequenced = preset.arrangement.mode == "sequenced"
        self._slot = slot_quanta(preset.arrangement)
        self._bar = bar_quanta(preset.arrangement, num_voices)
        self._drums = drum_offsets(preset.arrangement, num_drums)
        freshness, alarms = preset.freshness, preset.alarms
        self._pilot_gain = gain_from_db(freshness.pilot_level) if freshness.pilot_level > OFF_DB else 0.0
        self._pilot_period = round(freshness.pilot_period * CONTROL_RATE_HZ)
        self._motif_gain = gain_from_db(freshness.stale_level)
        self._motif_period = round(freshness.stale_period * CONTROL_RATE_HZ)
        self._alarm_gain = gain_from_db(alarms.level) if alarms.level > OFF_DB else 0.0
        self._earcons = {name: _FIRST_DRUM + num_drums + i for i, name in enumerate(earcon_names())}
        self._next_motif = 0
        self._next_earcon = 0
        self._due_earcons: list[int] = []
        rate = SAMPLE_RATE_HZ
        clips = [tick(rate), accent(rate), stale_motif(rate)]
        clips += [drum(band, num_drums, rate) for band in range(num_drums)]
        clips += [earcon(panel, worse, rate) for panel, worse in earcon_names()]
        self._clip_quanta = [-(-len(clip) * CONTROL_RATE_HZ // rate) for clip in clips]
        buses = [_GAUGES_BUS if _FIRST_DRUM <= i < _FIRST_DRUM + num_drums else _SIGNALS_BUS for i in range(len(clips))]
        self.player: ClipPlayer = make_clip_player(clips, buses)

    def place(self, score: Score, start: int, num_quanta: int) -> Float32:
        """Gain of the clips that begin in each quantum of a step, shape (num_quanta, clips); 0: none."""
        due = np.zeros((num_quanta, len(self.player.bus)), np.float32)
        now = start + np.arange(num_quanta)
        if score.fresh:
            self._place_pilot(due, now)
        else:
            self._place_motif(due, start, num_quanta)
        for band, offset in enumerate(self._drums):
            if score.drum_gain[band] > 0.0:
                due[now % self._bar == offset, _FIRST_DRUM + band] = score.drum_gain[band]
        self._place_earcons(due, score, start, num_quanta)
        return due

    def _place_pilot(self, due: Float32, now: NDArray[np.int64]) -> None:
        """Tick once a period; in a sequence, once a step, with an accent where the bar begins."""
        if self._sequenced:
            due[now % self._bar == 0, _ACCENT] = self._pilot_gain
            due[(now % self._slot == 0) & (now % self._bar != 0), _TICK] = self._pilot_gain
        else:
            due[now % self._pilot_period == 0, _TICK] = self._pilot_gain

    def _place_motif(self, due: Float32, start: int, num_quanta: int) -> None:
        self._next_motif = max(self._next_motif, start)
        while self._next_motif < start + num_quanta:
            due[self._next_motif - start, _MOTIF] = self._motif_gain
            self._next_motif += self._motif_period

    def _place_earcons(self, due: Float32, score: Score, start: int, num_quanta: int) -> None:
        """One after the other; what is still waiting when the next step comes is dropped if that has alarms itself."""
        if score.alarms:
            self._due_earcons = [self._earcons[alarm.panel, alarm.worse] for alarm in score.alarms]
        self._next_earcon = max(self._next_earcon, start)
        while self._due_earcons and self._next_earcon < start + num_quanta:
            clip = self._due_earcons.pop(0)
            due[self._next_earcon - start, clip] = self._alarm_gain
            self._next_earcon += self._clip_quanta[clip] + round(_EARCON_SPACING_S * CONTROL_RATE_HZ)
