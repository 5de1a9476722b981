"""The compressor follows its static curve and its time constants, and touches nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.kernel import entry
from sonify.mix.compressor import CompressorSettings, compressor_process, make_compressor_state, static_curve_db

RATE_HZ = 48_000
QUANTUM = 480
PLAIN = CompressorSettings(-20.0, 4.0, 0.0, 0.005, 0.1, 0.0)


@entry(nogil=True)
def _process(audio, sidechain, compressor_settings, state):
    compressor_process(audio, sidechain, compressor_settings, state)


def compress(audio, compressor_settings, sidechain=None, state=None):
    out = np.array(audio, dtype=np.float32, order="C")
    key = out if sidechain is None else np.ascontiguousarray(sidechain, dtype=np.float32)
    _process(out, key, compressor_settings, make_compressor_state() if state is None else state)
    return out


def constant(level_db, quanta, channels=2):
    return np.full((channels, quanta * QUANTUM), 10.0 ** (level_db / 20.0), dtype=np.float32)


def level_db(signal):
    return 20.0 * np.log10(np.maximum(np.abs(signal.astype(np.float64)), 1e-12))


@settings(max_examples=40)
@given(
    threshold_db=st.floats(-50.0, -5.0),
    ratio=st.floats(1.0, 30.0),
    knee_db=st.floats(0.0, 24.0),
    makeup_db=st.floats(-12.0, 12.0),
    in_db=st.floats(-80.0, 6.0),
)
def test_a_steady_level_comes_out_on_the_static_curve(threshold_db, ratio, knee_db, makeup_db, in_db):
    compressor_settings = CompressorSettings(threshold_db, ratio, knee_db, 0.001, 0.05, makeup_db)
    out = compress(constant(in_db, 4), compressor_settings)
    assert level_db(out[0, -1]) == pytest.approx(static_curve_db(compressor_settings, in_db), abs=0.01)


def test_a_steady_tone_comes_out_near_the_static_curve():
    frames = np.arange(RATE_HZ)
    tone = 10.0 ** (-8.0 / 20.0) * np.sin(2 * np.pi * 1000 / RATE_HZ * frames) * np.ones((2, 1))
    out = compress(tone, CompressorSettings(-20.0, 4.0, 6.0, 0.0005, 0.5, 0.0))
    peak_db = level_db(out[0, -4800:]).max()
    assert peak_db == pytest.approx(static_curve_db(CompressorSettings(-20.0, 4.0, 6.0, 0.0, 0.0, 0.0), -8.0), abs=0.3)


def test_the_static_curve_is_straight_outside_its_knee_and_smooth_inside():
    curve = CompressorSettings(-20.0, 4.0, 10.0, 0.01, 0.1, 3.0)
    assert static_curve_db(curve, -26.0) == pytest.approx(-26.0 + 3.0)
    assert static_curve_db(curve, -20.0) == pytest.approx(-20.0 - 0.75 * 1.25 + 3.0)  # a bend of knee / 8
    assert static_curve_db(curve, 0.0) == pytest.approx(-20.0 + 20.0 / 4.0 + 3.0)
    slope = np.diff(static_curve_db(curve, np.linspace(-40.0, 0.0, 4001))) / 0.01
    assert (np.diff(slope) < 1e-6).all()
    assert np.abs(np.diff(slope)).max() < 0.001


@pytest.mark.parametrize(("attack_s", "release_s"), [(0.005, 0.1), (0.05, 0.2), (0.1, 0.02)])
def test_attack_and_release_are_the_one_poles_they_name(attack_s, release_s):
    compressor_settings = CompressorSettings(-20.0, 4.0, 0.0, attack_s, release_s, 0.0)
    low, high = constant(-30.0, 10), constant(0.0, 100)
    audio = np.concatenate([low, high, constant(-30.0, 100)], axis=1)
    gain_db = level_db(compress(audio, compressor_settings)[0]) - level_db(audio[0])
    time_s = np.arange(1, high.shape[1] + 1) / RATE_HZ
    rising = -15.0 * (1.0 - np.exp(-time_s / attack_s))
    begin, end = low.shape[1], low.shape[1] + high.shape[1]
    np.testing.assert_allclose(gain_db[begin:end], rising, atol=0.02)
    np.testing.assert_allclose(gain_db[end:], rising[-1] * np.exp(-time_s / release_s), atol=0.02)


def test_makeup_is_a_gain_and_nothing_else():
    audio = np.random.default_rng(1).uniform(-0.01, 0.01, (2, 4 * QUANTUM)).astype(np.float32)
    out = compress(audio, PLAIN._replace(makeup_db=6.0))
    np.testing.assert_allclose(out, audio * 10.0 ** (6.0 / 20.0), rtol=1e-6)


def test_what_is_under_the_knee_passes_bit_for_bit():
    audio = np.random.default_rng(1).uniform(-0.09, 0.09, (2, 10 * QUANTUM)).astype(np.float32)
    np.testing.assert_array_equal(compress(audio, PLAIN), audio)
    loud = np.random.default_rng(1).uniform(-1.0, 1.0, (2, 10 * QUANTUM)).astype(np.float32)
    np.testing.assert_array_equal(compress(loud, PLAIN._replace(ratio=1.0)), loud)


def test_the_image_stays_where_it_is():
    rng = np.random.default_rng(4)
    left = rng.uniform(-1.0, 1.0, 40 * QUANTUM)
    out = compress(np.stack([left, 0.3 * left]), PLAIN)
    np.testing.assert_allclose(out[1], 0.3 * out[0], rtol=1e-6, atol=1e-9)
    alone = compress(np.stack([left, np.zeros_like(left)]), PLAIN)
    np.testing.assert_array_equal(out[0], alone[0])  # the louder channel decides


@pytest.mark.parametrize("channels", [1, 2])
def test_a_sidechain_ducks_and_its_own_level_is_all_that_counts(channels):
    audio, silent = constant(-3.0, 60), np.zeros((channels, 60 * QUANTUM))
    np.testing.assert_array_equal(compress(audio, PLAIN, silent), audio)
    ducked = compress(constant(-60.0, 60), PLAIN, constant(0.0, 60, channels))
    assert level_db(ducked[0, -1]) == pytest.approx(-75.0, abs=0.01)


def test_the_meter_shows_the_deepest_gain_of_the_last_call():
    state = make_compressor_state()
    compress(constant(0.0, 50), PLAIN, state=state)
    assert state.gain_reduction_db[0] == pytest.approx(-15.0, abs=0.01)
    compress(constant(-60.0, 200), PLAIN, state=state)
    compress(constant(-60.0, 1), PLAIN, state=state)
    assert state.gain_reduction_db[0] == 0.0


def test_silence_stays_silence():
    assert not compress(np.zeros((2, 10 * QUANTUM)), PLAIN._replace(makeup_db=20.0)).any()


def test_a_sidechain_that_is_not_a_number_leaves_no_trace():
    state = make_compressor_state()
    key = np.zeros((2, QUANTUM))
    key[:, 10], key[:, 20] = np.nan, np.inf
    assert np.isfinite(compress(constant(-30.0, 1), PLAIN, key, state)).all()
    assert np.isfinite(state.reduction_db).all()


def spread_db(signal, carrier_hz):
    """Power further than 500 Hz from a steady tone, relative to the tone: what a click is made of."""
    power = np.abs(np.fft.rfft(signal * np.blackman(len(signal)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(signal), 1.0 / RATE_HZ) - carrier_hz) < 500.0
    return 10.0 * np.log10(power[~near].sum() / power[near].sum())


@pytest.mark.parametrize(
    "change", [{"threshold_db": -50.0}, {"ratio": 20.0}, {"knee_db": 30.0}, {"makeup_db": 12.0}], ids=str
)
def test_a_step_of_a_setting_does_not_click(change):
    frames = np.arange(RATE_HZ)
    tone = (0.5 * np.sin(2 * np.pi * 3000 / RATE_HZ * frames)).astype(np.float32)
    # a steady sidechain: all that moves is the setting; the fastest ballistics hide nothing
    before = CompressorSettings(-12.0, 2.0, 2.0, 1e-5, 1e-5, 0.0)
    key = constant(-6.0, 50)

    def play(glide):
        state, parts = make_compressor_state(), []
        for half, current in zip(np.split(tone, 2), (before, before._replace(**change)), strict=True):
            if not glide:
                state.started[0] = 0
            parts.append(compress(np.stack([half, half]), current, key, state))
        return np.concatenate(parts, axis=1)[0, 2400:45_600]

    assert spread_db(play(glide=True), 3000) < -60.0
    assert spread_db(play(glide=False), 3000) > -60.0  # the measure hears a step that does not glide


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 19), max_size=5), seed=st.integers(0, 1000))
def test_any_split_into_quanta_gives_the_same_bits(cuts, seed):
    audio = np.random.default_rng(seed).standard_normal((2, 20 * QUANTUM)).astype(np.float32)
    moved = CompressorSettings(-30.0, 8.0, 12.0, 0.002, 0.05, 6.0)
    state, start = make_compressor_state(), make_compressor_state()
    for one in (state, start):
        compress(audio[:, :QUANTUM], PLAIN, state=one)
    whole = compress(audio, moved, state=state)
    splits = np.split(audio, [cut * QUANTUM for cut in sorted(set(cuts))], axis=1)
    parts = [compress(part, moved, state=start) for part in splits]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
