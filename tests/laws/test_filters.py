"""Filters do what their settings say, measured from outside, and moving them is not heard as a click."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.dsp.biquad import SHAPES
from sonify.kernel import entry
from sonify.mix.eq import eq_process, eq_response_db, make_eq_settings, make_eq_state

RATE_HZ = 48_000
QUANTUM = 480


@entry(nogil=True)
def _process(audio, eq_settings, state):
    eq_process(audio, eq_settings, state)


def one(shape, freq_hz, gain_db=0.0, q=0.5**0.5):
    return make_eq_settings([shape], [freq_hz], [gain_db], [q])


def impulse_response(eq_settings, channels=2, quanta=100):
    audio = np.zeros((channels, quanta * QUANTUM), dtype=np.float32)
    audio[:, 0] = 1.0
    _process(audio, eq_settings, make_eq_state(len(eq_settings)))
    return audio


def measured_db(eq_settings, freq_hz, channels=2):
    """Magnitude of what the process does to an impulse, at whole numbers of Hz."""
    response = impulse_response(eq_settings, channels)[-1].astype(np.float64)
    assert len(response) == RATE_HZ  # so the bins are 1 Hz apart
    return 20.0 * np.log10(np.abs(np.fft.rfft(response))[np.rint(np.atleast_1d(freq_hz)).astype(int)] + 1e-12)


@pytest.mark.parametrize("freq_hz", [60.0, 1000.0, 9000.0, 20_000.0])
@pytest.mark.parametrize("shape", ["low_pass", "high_pass"])
def test_half_power_at_the_cutoff(shape, freq_hz):
    assert measured_db(one(shape, freq_hz), freq_hz)[0] == pytest.approx(-3.0103, abs=0.01)


@pytest.mark.parametrize("gain_db", [-12.0, 6.0])
@pytest.mark.parametrize("shape", ["low_shelf", "high_shelf"])
def test_a_shelf_has_half_its_gain_at_its_frequency_and_all_of_it_beyond(shape, gain_db):
    eq_settings = one(shape, 1000.0, gain_db)
    inside_hz, outside_hz = (20.0, 23_900.0) if shape == "low_shelf" else (23_900.0, 20.0)
    assert measured_db(eq_settings, 1000.0)[0] == pytest.approx(gain_db / 2.0, abs=0.01)
    assert measured_db(eq_settings, inside_hz)[0] == pytest.approx(gain_db, abs=0.02)
    assert measured_db(eq_settings, outside_hz)[0] == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("gain_db", [-18.0, 9.0])
def test_a_bell_has_its_gain_at_its_centre_and_none_far_away(gain_db):
    eq_settings = one("bell", 2000.0, gain_db, 2.0)
    assert measured_db(eq_settings, 2000.0)[0] == pytest.approx(gain_db, abs=0.01)
    np.testing.assert_allclose(measured_db(eq_settings, [20.0, 23_900.0]), 0.0, atol=0.02)


def test_a_notch_is_deep_at_its_centre_and_narrow():
    eq_settings = one("notch", 1000.0, 0.0, 10.0)
    assert measured_db(eq_settings, 1000.0)[0] < -90.0
    np.testing.assert_allclose(measured_db(eq_settings, [500.0, 2000.0]), 0.0, atol=0.1)
    edges_hz = 1000.0 * (np.sqrt(1.0 + 1.0 / 400.0) + np.array([-1.0, 1.0]) / 20.0)  # q = centre / bandwidth
    np.testing.assert_allclose(measured_db(eq_settings, edges_hz), -3.01, atol=0.1)


BAND = st.tuples(
    st.sampled_from(sorted(SHAPES)), st.floats(30.0, 21_000.0), st.floats(-18.0, 18.0), st.floats(0.3, 8.0)
)


@settings(max_examples=40)
@given(bands=st.lists(BAND, min_size=1, max_size=5), channels=st.integers(1, 2))
def test_the_process_has_the_response_that_is_drawn(bands, channels):
    eq_settings = make_eq_settings(*(list(column) for column in zip(*bands, strict=True)))
    freq_hz = np.rint(np.geomspace(25.0, 22_000.0, 40))
    drawn_db = eq_response_db(eq_settings, freq_hz)
    heard = drawn_db > -80.0  # what lies deeper drowns in the rounding of float32 audio
    np.testing.assert_allclose(measured_db(eq_settings, freq_hz, channels)[heard], drawn_db[heard], atol=0.05)


def test_frequencies_out_of_range_are_held_at_the_edge():
    freq_hz = np.geomspace(20.0, 20_000.0, 20)
    held = eq_response_db(one("low_pass", 0.45 * RATE_HZ), freq_hz)
    np.testing.assert_allclose(eq_response_db(one("low_pass", 1e6), freq_hz), held)
    assert np.isfinite(impulse_response(one("low_pass", 1e6))).all()


@pytest.mark.parametrize("shape", ["bell", "low_shelf", "high_shelf"])
def test_a_flat_band_is_transparent(shape):
    audio = np.random.default_rng(1).uniform(-1.0, 1.0, (2, 20 * QUANTUM)).astype(np.float32)
    out = audio.copy()
    _process(out, one(shape, 700.0), make_eq_state(1))
    np.testing.assert_allclose(out, audio, atol=1e-12, rtol=1e-7)


def test_silence_stays_silence_and_a_tail_ends_in_true_zeros():
    eq_settings = make_eq_settings(
        ["bell", "low_shelf", "notch"], [50.0, 100.0, 4000.0], [12.0, 6.0, 0.0], [8.0, 0.7, 3.0]
    )
    state = make_eq_state(3)
    silence = np.zeros((2, 10 * QUANTUM), dtype=np.float32)
    _process(silence, eq_settings, state)
    assert not silence.any()
    noise = np.random.default_rng(1).standard_normal((2, QUANTUM)).astype(np.float32)
    _process(noise, eq_settings, state)
    tail = np.zeros((2, 700 * QUANTUM), dtype=np.float32)
    _process(tail, eq_settings, state)
    assert tail[:, :QUANTUM].any()
    assert not tail[:, -QUANTUM:].any()
    assert not state["memory"].any()


def test_what_is_not_a_number_is_forgotten_with_its_quantum():
    audio = np.zeros((2, 4 * QUANTUM), dtype=np.float32)
    audio[0, 100], audio[1, 700] = np.nan, np.inf
    _process(audio, one("bell", 500.0, 6.0), make_eq_state(1))
    assert np.isfinite(audio[:, 2 * QUANTUM :]).all()


# --- motion


def spread_db(signal, carrier_hz):
    """Power further than 500 Hz from a steady tone, relative to the tone: what a click is made of."""
    power = np.abs(np.fft.rfft(signal * np.blackman(len(signal)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(signal), 1.0 / RATE_HZ) - carrier_hz) < 500.0
    return 10.0 * np.log10(power[~near].sum() / power[near].sum())


STEPS = {
    "gain": (one("bell", 3000.0, -12.0, 1.0), one("bell", 3000.0, 12.0, 1.0)),
    "frequency": (one("bell", 500.0, 12.0, 2.0), one("bell", 8000.0, 12.0, 2.0)),
    "q": (one("bell", 2500.0, 12.0, 0.3), one("bell", 2500.0, 12.0, 10.0)),
    "cutoff": (one("low_pass", 1500.0), one("low_pass", 12_000.0)),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_a_setting_does_not_click(name):
    before, after = STEPS[name]
    frames = np.arange(RATE_HZ)
    tone = np.tile(0.5 * np.sin(2 * np.pi * 3000 / RATE_HZ * frames), (2, 1)).astype(np.float32)
    halves = np.split(tone, 2, axis=1)

    def play(glide):
        state, parts = make_eq_state(1), []
        for half, eq_settings in zip(halves, (before, after), strict=True):
            part = np.ascontiguousarray(half)
            if not glide:
                state["started"] = 0
            _process(part, eq_settings, state)
            parts.append(part)
        return np.concatenate(parts, axis=1)[0, 2400:45_600]

    assert spread_db(play(glide=True), 3000) < -60.0
    assert spread_db(play(glide=False), 3000) > -60.0  # the measure hears a step that does not glide


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 19), max_size=5), seed=st.integers(0, 1000), channels=st.integers(1, 2))
def test_any_split_into_quanta_gives_the_same_bits(cuts, seed, channels):
    rng = np.random.default_rng(seed)
    audio = rng.standard_normal((channels, 20 * QUANTUM)).astype(np.float32)
    first = make_eq_settings(["low_shelf", "bell", "notch"], [100, 900, 5000], [3, -9, 0], [0.7, 2, 5])
    then = make_eq_settings(["low_shelf", "bell", "notch"], [150, 4000, 700], [-6, 9, 0], [0.7, 1, 1])
    whole, state = audio.copy(), make_eq_state(3)
    _process(whole[:, :QUANTUM].copy(), first, state)
    start = state.copy()
    _process(whole, then, state)
    state, parts = start, []
    for part in np.split(audio, [cut * QUANTUM for cut in sorted(set(cuts))], axis=1):
        part = np.ascontiguousarray(part)
        _process(part, then, state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
