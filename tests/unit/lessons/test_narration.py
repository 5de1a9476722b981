"""Speech over the legend: before the limiter, over a sound that steps back."""

import numpy as np
import pytest

from sonify.dsp.meter import LoudnessMeter
from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.engine import Engine
from sonify.lessons.example import make_example
from sonify.lessons.narration import DUCK_DB, SPEECH_LUFS, NarratedEngine
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset_file import load_sound_preset
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import Step

QUANTA = 800
BEGIN_QUANTUM = 300


def speech(length_s=2.0, peak=0.3):
    """Noise in syllables: as peaky as speech, and at a level of its own."""
    t = np.arange(round(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = np.random.default_rng(1).standard_normal(len(t))
    return (peak * noise * (np.sin(2 * np.pi * 4 * t) > 0)).astype(np.float32)


@pytest.fixture(scope="module")
def mapper():
    return Mapper(load_sound_preset("organ"), make_example(load_sound_preset("organ"), 2).backends, num_batch_bands=3)


def played(engine, mapper):
    example = make_example(mapper.preset, 2)
    steps = [Step(example.with_panel("request_rate", 0.5), np.zeros(2), 0, QUANTA)]
    audio = [engine.render(list(Scorer(mapper).all(steps))), engine.flush()]
    return np.concatenate(audio).astype(float)


def test_nothing_said_nothing_changed(mapper):
    assert np.array_equal(played(NarratedEngine(mapper, [], num_quanta=QUANTA), mapper), played(Engine(mapper), mapper))


def test_before_it_speaks_it_is_the_same_sound(mapper):
    spoken = played(NarratedEngine(mapper, [(BEGIN_QUANTUM, speech())], num_quanta=QUANTA), mapper)
    plain = played(Engine(mapper), mapper)
    begin = BEGIN_QUANTUM * QUANTUM_FRAMES - 2000
    assert np.array_equal(spoken[:begin], plain[:begin])
    assert not np.array_equal(spoken, plain)


def test_the_sound_steps_back_under_speech(mapper):
    """Silent speech leaves the ducked sound alone."""
    hush = np.full(2 * SAMPLE_RATE_HZ, 1e-9, np.float32)
    ducked = played(NarratedEngine(mapper, [(BEGIN_QUANTUM, hush)], num_quanta=QUANTA), mapper)
    plain = played(Engine(mapper), mapper)
    middle = slice((BEGIN_QUANTUM + 120) * QUANTUM_FRAMES, (BEGIN_QUANTUM + 190) * QUANTUM_FRAMES)
    stepped_back_db = 20 * np.log10(np.std(plain[middle]) / np.std(ducked[middle]))
    assert stepped_back_db == pytest.approx(DUCK_DB, abs=1.0)
    end = slice(-20000, None)
    assert 20 * np.log10(np.std(plain[end]) / np.std(ducked[end])) == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("peak", [0.01, 0.9])
def test_speech_has_its_level_whatever_the_engines(mapper, peak):
    sound = speech(peak=peak)
    engine = NarratedEngine(mapper, [(0, sound)], num_quanta=QUANTA)
    meter = LoudnessMeter(SAMPLE_RATE_HZ, 2)
    meter.process(np.stack([engine._track[: len(sound)]] * 2))
    assert meter.integrated_lufs() == pytest.approx(SPEECH_LUFS, abs=0.1)


def test_speech_passes_the_limiter(mapper):
    shout = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    shout[::4800] = 1.0  # as peaky as can be: at its loudness far over the ceiling
    spoken = played(NarratedEngine(mapper, [(BEGIN_QUANTUM, shout)], num_quanta=QUANTA), mapper)
    meter = LoudnessMeter(SAMPLE_RATE_HZ, 2)
    meter.process(np.ascontiguousarray(spoken.T.astype(np.float32)))
    assert -6.0 < meter.true_peak_dbtp() <= -1.0


def test_what_is_said_past_the_end_is_cut_off(mapper):
    engine = NarratedEngine(mapper, [(QUANTA - 10, speech())], num_quanta=QUANTA)
    assert np.isfinite(played(engine, mapper)).all()
