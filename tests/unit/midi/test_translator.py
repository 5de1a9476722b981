"""The translator: what sounds is played, every note ends, and pieces make the same events as the whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.mapping.bars import bar_quanta, slot_quanta
from sonify.mapping.mapper import Mapper, learn_baseline
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.mapping.score import Score
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import lay_out_for
from sonify.metrics.recording_format import load_recording
from sonify.midi.chart import BURST_NOTE, CONTROLLERS, PERCUSSION_CHANNEL, SIGNALS_CHANNEL, backend_channel
from sonify.midi.translator import MidiEvent, Translator

SAMPLES = Path(__file__).parents[3] / "samples"


def scored(preset_name: str, speed: float = 60.0) -> tuple[Mapper, list[tuple[Score, int]]]:
    preset = load_sound_preset(preset_name)
    recording = load_recording(SAMPLES / "incident.jsonl.gz").on_bands(preset.bands.latency_bands)
    layout = recording.layout
    mapper = Mapper(preset, layout.backends, learn_baseline(recording), num_batch_bands=layout.num_batch_bands)
    return mapper, list(Scorer(mapper).all(lay_out_for(preset, recording, speed).steps()))


def plain_score(mapper: Mapper, gain: np.ndarray, glitches: np.ndarray | None = None) -> Score:
    silent = np.zeros(len(mapper.backends))
    count = silent if glitches is None else glitches
    drums = np.zeros(mapper.num_batch_bands)
    return Score(gain, silent, silent, np.ones(len(silent)), silent, count, drum_gain=drums)


def translated(mapper: Mapper, steps: list[tuple[Score, int]]) -> list[MidiEvent]:
    translator = Translator(mapper)
    events = translator.programs()
    for score, num_quanta in steps:
        events += translator.step(score, num_quanta)
    return events + translator.finish()


@pytest.mark.parametrize("preset", list_sound_presets())
def test_every_note_ends_and_none_is_struck_while_it_sounds(preset: str) -> None:
    sounding: set[tuple[int, int]] = set()
    events = translated(*scored(preset))
    assert [event.quantum for event in events] == sorted(event.quantum for event in events)
    for event in events:
        key = event.channel, event.number
        if event.kind == "note_on":
            assert key not in sounding
            assert 1 <= event.value <= 127
            sounding.add(key)
        elif event.kind == "note_off":
            sounding.remove(key)
    assert not sounding


@settings(max_examples=20)
@given(data=st.data(), preset=st.sampled_from(["code-live", "organ", "studio"]))
def test_a_step_in_pieces_makes_the_same_events(data: st.DataObject, preset: str) -> None:
    mapper, steps = scored(preset, 180.0)
    pieces: list[tuple[Score, int]] = []
    for score, num_quanta in steps[:12]:
        cut = data.draw(st.integers(1, num_quanta))
        first = replace(score, spread_quanta=score.spread_quanta or num_quanta)
        pieces.append((first, cut))
        if cut < num_quanta:
            pieces.append((replace(first, glitch_count=np.zeros(0), alarms=()), num_quanta - cut))
    whole = [(replace(score, spread_quanta=score.spread_quanta or length), length) for score, length in steps[:12]]
    assert Counter(translated(mapper, pieces)) == Counter(translated(mapper, whole))


def test_a_backend_plays_in_its_own_step_of_the_bar() -> None:
    mapper, steps = scored("code-live")
    slot, bar = slot_quanta(mapper.preset.arrangement), bar_quanta(mapper.preset.arrangement, len(mapper.backends))
    for index in range(len(mapper.backends)):
        begins = {
            event.quantum % bar
            for event in translated(mapper, steps)
            if event.kind == "note_on" and event.channel == backend_channel(index)
        }
        assert begins == {(index + 1) * slot}


def test_slow_requests_play_higher_notes() -> None:
    mapper, _ = scored("organ")
    num_backends, partials = len(mapper.backends), len(mapper.frequencies_hz)
    notes = []
    for band in (2, 10, 20):
        gain = np.zeros((num_backends, partials))
        gain[0, band] = 0.1
        events = Translator(mapper).step(plain_score(mapper, gain), 100)
        (note,) = {e.number for e in events if e.kind == "note_on" and e.channel == backend_channel(0)}
        notes.append(note)
    assert notes == sorted(set(notes))


def test_more_work_is_a_higher_velocity() -> None:
    mapper, _ = scored("organ")
    num_backends, partials = len(mapper.backends), len(mapper.frequencies_hz)
    velocities = []
    for level_db in (-50.0, -40.0, -30.0, -20.0):
        gain = np.zeros((num_backends, partials))
        gain[0, 5] = 10.0 ** (level_db / 20.0)
        events = Translator(mapper).step(plain_score(mapper, gain), 100)
        (velocity,) = [e.value for e in events if e.kind == "note_on" and e.channel == backend_channel(0)]
        velocities.append(velocity)
    assert velocities == sorted(set(velocities))


def test_glitches_are_claps_one_each() -> None:
    mapper, _ = scored("organ")
    num_backends = len(mapper.backends)
    glitches = np.zeros(num_backends)
    glitches[2] = 3.0
    gain = np.zeros((num_backends, len(mapper.frequencies_hz)))
    events = Translator(mapper).step(plain_score(mapper, gain, glitches), 300)
    claps = [e for e in events if (e.kind, e.channel, e.number) == ("note_on", PERCUSSION_CHANNEL, BURST_NOTE)]
    assert len(claps) == 3


def test_errors_fallbacks_queue_and_a_lost_source_are_controllers() -> None:
    mapper, steps = scored("code-live")
    controllers = {(e.channel, e.number): [] for e in translated(mapper, steps) if e.kind == "control_change"}
    for event in translated(mapper, steps):
        if event.kind == "control_change":
            controllers[event.channel, event.number].append(event.value)
    julia = backend_channel(mapper.backends.index("julia"))
    assert max(controllers[julia, CONTROLLERS["roughness"].number]) > 60
    assert max(controllers[julia, CONTROLLERS["overtones"].number]) > 60
    assert max(controllers[SIGNALS_CHANNEL, CONTROLLERS["pulse"].number]) > 40
    assert controllers[SIGNALS_CHANNEL, CONTROLLERS["fresh"].number] == [127]
    lost, _ = steps[0]
    events = Translator(mapper).step(replace(lost, fresh=False), 10)
    assert MidiEvent(0, "control_change", SIGNALS_CHANNEL, CONTROLLERS["fresh"].number, 0) in events


def test_more_backends_than_channels_share() -> None:
    channels = [backend_channel(index) for index in range(30)]
    assert PERCUSSION_CHANNEL not in channels
    assert SIGNALS_CHANNEL not in channels
    assert len(set(channels)) == 14
