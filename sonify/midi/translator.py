"""`Translator`: scores become MIDI events at the very quanta at which the voices sound.

Bands are notes, levels velocities, backends channels; overtones, roughness and pulse are controllers; glitches, batches
and the pilot are percussion; a limit that is crossed is a note and a marker. Who sounds when comes from the same
arranger and scheduler as the audio, so that file, port and sound agree.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.bars import bar_quanta, slot_quanta
from sonify.mapping.mapper import Mapper
from sonify.mapping.score import Score
from sonify.midi.chart import (
    ACCENT_NOTE,
    BURST_NOTE,
    CONTROLLERS,
    EARCON_NOTES,
    MOTIF_NOTE,
    PERCUSSION_CHANNEL,
    PROGRAMS,
    SIGNALS_CHANNEL,
    SIGNALS_PROGRAM,
    TICK_NOTE,
    backend_channel,
    drum_note,
)
from sonify.synth.arranger import Arranger
from sonify.synth.burst_scheduler import BurstScheduler
from sonify.synth.earcons import earcon_names
from sonify.units import gain_from_db

__all__ = ["MidiEvent", "Translator", "partial_notes"]

Float64 = NDArray[np.float64]

_RANGE_DB = 48.0  # velocity 127 is the preset's top, 1 so far below; what is fainter is no note
_MOST_NOTES = 8  # of one backend at once: more is a cluster, and floods a port
_CHANGE_DB = 3.0  # the smallest step that may carry meaning strikes a held note again
_LONGEST_QUANTA = 8 * CONTROL_RATE_HZ  # a note is struck again at the latest after this time
_PERCUSSION_QUANTA = 5
_EARCON_QUANTA = 30
_PULSE_TOP_HZ, _OVERTONES_TOP = 12.7, 1.5


class MidiEvent(NamedTuple):
    """One event.

    Attributes
    ----------
    quantum : int
        When, in quanta of the engine from the start.
    kind : str
        ``note_off``, ``control_change``, ``program_change``, ``note_on`` or ``marker``.
    channel : int
        0–15.
    number, value : int
        Note and velocity, controller and value, or program and 0.
    text : str
        Of a marker.
    """

    quantum: int
    kind: str
    channel: int
    number: int = 0
    value: int = 0
    text: str = ""


_ORDER = {"program_change": 0, "note_off": 1, "control_change": 2, "marker": 3, "note_on": 4}


def partial_notes(frequencies_hz: Float64) -> NDArray[np.int64]:
    """Find the notes nearest to partials, same shape."""
    frequencies = np.maximum(frequencies_hz, 8.2)  # note 0
    notes: NDArray[np.int64] = np.clip(np.rint(69.0 + 12.0 * np.log2(frequencies / 440.0)), 0, 127).astype(np.int64)
    return notes


class Translator:
    """Translate the scores of one preset, for a fixed list of backends.

    Parameters
    ----------
    mapper : Mapper
        Whose scores will come.
    seed : int
        As of the `Engine` that plays beside it: then glitches fall together.
    begin : int
        Quantum of the first score.
    """

    def __init__(self, mapper: Mapper, *, seed: int = 0, begin: int = 0) -> None:
        preset = mapper.preset
        self._num_backends = len(mapper.backends)
        self._num_drums = mapper.num_batch_bands
        self._notes = partial_notes(mapper.frequencies_hz)
        self._top_db = preset.level.top
        self._sequenced = preset.arrangement.mode == "sequenced"
        self._slot = slot_quanta(preset.arrangement)
        self._bar = bar_quanta(preset.arrangement, self._num_backends)
        glitches = preset.glitches
        self._scheduler = BurstScheduler(
            preset.arrangement,
            self._num_backends,
            gain=gain_from_db(glitches.level),
            spacing_quanta=max(round(glitches.spacing * CONTROL_RATE_HZ), 1),
            seed=seed,
        )
        self._arranger = Arranger(preset, self._num_backends, self._num_drums)
        self._now = begin
        self._held: dict[tuple[int, int], tuple[int, float]] = {}  # channel, note: when to end it, level it has
        self._controllers: dict[tuple[int, int], int] = {}

    @property
    def now(self) -> int:
        """Quantum that the next score begins with."""
        return self._now

    def programs(self) -> list[MidiEvent]:
        """Which program each channel plays."""
        used = range(min(self._num_backends, len(PROGRAMS)))
        events = [
            MidiEvent(self._now, "program_change", backend_channel(index), PROGRAMS[index % len(PROGRAMS)][0])
            for index in used
        ]
        return [*events, MidiEvent(self._now, "program_change", SIGNALS_CHANNEL, SIGNALS_PROGRAM[0])]

    def step(self, score: Score, num_quanta: int) -> list[MidiEvent]:
        """Translate the next score, which sounds for `num_quanta`; events in the order of time.

        A step may come in pieces, as it does live: the pieces then make the same events as the whole.
        """
        start, end = self._now, self._now + num_quanta
        events = self._control(score, start)
        if self._sequenced:
            for quantum in range(start, end):
                place = quantum % self._bar
                if place % self._slot == 0 and 0 < place <= self._num_backends * self._slot:
                    events += self._strike(score, place // self._slot - 1, quantum)
        else:
            events += self._hold(score, start, end)
        events += self._percussion(score, start, num_quanta)
        events += [
            MidiEvent(start, "marker", SIGNALS_CHANNEL, text=f"{alarm.panel} {'worse' if alarm.worse else 'recovered'}")
            for alarm in score.alarms
        ]
        self._now = end
        events += self._ended(end)
        return sorted(events, key=lambda event: (event.quantum, _ORDER[event.kind], event.channel, event.number))

    def finish(self) -> list[MidiEvent]:
        """End every note that still sounds."""
        ends = [MidiEvent(self._now, "note_off", *key) for key in sorted(self._held)]
        self._held.clear()
        return ends

    # -- notes -----------------------------------------------------------------------------------------------------

    def _levels(self, score: Score, backend: int) -> dict[int, float]:
        """Level in dBFS of each note that is worth striking; of several partials on one note the loudest."""
        gain = score.partial_gain[backend] * score.emphasis_gain[backend]
        with np.errstate(divide="ignore"):
            level_db = 20.0 * np.log10(gain)
        audible = np.flatnonzero(level_db > self._top_db - _RANGE_DB)
        loudest = audible[np.argsort(-level_db[audible], kind="stable")][:_MOST_NOTES]
        levels: dict[int, float] = {}
        for partial in loudest:
            note = int(self._notes[partial])
            levels[note] = max(levels.get(note, -math.inf), float(level_db[partial]))
        return levels

    def _velocity(self, level_db: float) -> int:
        return round(min(max(127.0 + (level_db - self._top_db) * 126.0 / _RANGE_DB, 1.0), 127.0))

    def _on(self, quantum: int, channel: int, note: int, level_db: float, length: int) -> list[MidiEvent]:
        """Strike a note; one that still sounds is ended first."""
        key = channel, note
        held = self._held.get(key)
        events = [] if held is None else [MidiEvent(min(held[0], quantum), "note_off", *key)]
        self._held[key] = quantum + length, level_db
        return [*events, MidiEvent(quantum, "note_on", channel, note, self._velocity(level_db))]

    def _strike(self, score: Score, backend: int, quantum: int) -> list[MidiEvent]:
        """Strike the notes of a backend's own step in the bar; one in the red rings on between its steps."""
        channel = backend_channel(backend)
        events = self._ended(quantum)
        length = self._slot - 1 + round(float(score.hold_ratio[backend]) * (self._bar - self._slot))
        for note, level_db in self._levels(score, backend).items():
            events += self._on(quantum, channel, note, level_db, min(length, _LONGEST_QUANTA))
        return events

    def _hold(self, score: Score, start: int, end: int) -> list[MidiEvent]:
        """Let notes sound on; strike them again where the level has changed, or after a while."""
        wanted: dict[tuple[int, int], float] = {}
        for backend in range(self._num_backends):
            channel = backend_channel(backend)
            for note, level_db in self._levels(score, backend).items():
                wanted[channel, note] = max(wanted.get((channel, note), -math.inf), level_db)
        events = []
        for key in [key for key in self._held if key[0] in {k[0] for k in wanted} | self._backend_channels()]:
            if key not in wanted:
                del self._held[key]
                events.append(MidiEvent(start, "note_off", *key))
        for key, level_db in wanted.items():
            held = self._held.get(key)
            if held is None or abs(held[1] - level_db) >= _CHANGE_DB:
                events += self._on(start, *key, level_db, _LONGEST_QUANTA)
            while self._held[key][0] < end:  # ring on: strike again when the longest time is over
                events += self._on(self._held[key][0], *key, self._held[key][1], _LONGEST_QUANTA)
        return events

    def _backend_channels(self) -> set[int]:
        return {backend_channel(index) for index in range(self._num_backends)}

    def _ended(self, until: int) -> list[MidiEvent]:
        """End the notes whose time is over before or at `until`."""
        over = sorted((when, key) for key, (when, _) in self._held.items() if when <= until)
        for _, key in over:
            del self._held[key]
        return [MidiEvent(when, "note_off", *key) for when, key in over]

    # -- controllers and percussion --------------------------------------------------------------------------------

    def _control(self, score: Score, quantum: int) -> list[MidiEvent]:
        values: list[tuple[int, str, float]] = [
            (SIGNALS_CHANNEL, "pulse", score.pulse_hz / _PULSE_TOP_HZ),
            (SIGNALS_CHANNEL, "sub", score.sub_gain),
            (SIGNALS_CHANNEL, "fresh", float(score.fresh)),
        ]
        for backend in range(min(self._num_backends, len(PROGRAMS))):
            channel = backend_channel(backend)
            values += [
                (channel, "roughness", float(score.roughness_depth[backend])),
                (channel, "overtones", float(score.overtone_gain[backend]) / _OVERTONES_TOP),
                (channel, "emphasis", float(score.emphasis_gain[backend]) * 100.0 / 127.0),
            ]
        events = []
        for channel, name, share in values:
            number, value = CONTROLLERS[name].number, round(127.0 * min(max(share, 0.0), 1.0))
            if self._controllers.get((channel, number)) != value:
                self._controllers[channel, number] = value
                events.append(MidiEvent(quantum, "control_change", channel, number, value))
        return events

    def _percussion(self, score: Score, start: int, num_quanta: int) -> list[MidiEvent]:
        spread = score.spread_quanta
        bursts = self._scheduler.place(score.glitch_count, start, num_quanta, spread)
        clips = self._arranger.place(score, start, num_quanta)
        events = []
        for quantum, backend in zip(*np.nonzero(bursts), strict=True):
            events += self._hit(start + int(quantum), BURST_NOTE, float(bursts[quantum, backend]))
        first_drum = 3
        for quantum, clip in zip(*np.nonzero(clips), strict=True):
            when, gain, index = start + int(quantum), float(clips[quantum, clip]), int(clip)
            if index < first_drum:
                events += self._hit(when, (TICK_NOTE, ACCENT_NOTE, MOTIF_NOTE)[index], gain)
            elif index < first_drum + self._num_drums:
                events += self._hit(when, drum_note(index - first_drum, self._num_drums), gain)
            else:
                panel, worse = earcon_names()[index - first_drum - self._num_drums]
                note = EARCON_NOTES[panel] + (12 if worse else 0)
                events += self._on(when, SIGNALS_CHANNEL, note, 20.0 * math.log10(gain), _EARCON_QUANTA)
        return events

    def _hit(self, quantum: int, note: int, gain: float) -> list[MidiEvent]:
        return self._on(quantum, PERCUSSION_CHANNEL, note, 20.0 * math.log10(gain), _PERCUSSION_QUANTA)
