"""The reverb decays as fast as its settings say, and nothing about it clicks, grows or hums on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from sonify.kernel import entry
from sonify.mix.reverb import ReverbSettings, make_reverb_state, reverb_process, rt60_s

RATE_HZ = 48_000
QUANTUM = 480


@entry(nogil=True)
def _process(send, audio, reverb_settings, state):
    reverb_process(send, audio, reverb_settings, state)


def wet(send, reverb_settings, state=None):
    send = np.ascontiguousarray(send, dtype=np.float32)
    out = np.zeros_like(send)
    _process(send, out, reverb_settings, make_reverb_state() if state is None else state)
    return out


def impulse_response(reverb_settings, seconds):
    send = np.zeros((2, round(seconds * 100) * QUANTUM))
    send[:, 0] = 1.0
    return wet(send, reverb_settings)


def measured_rt60_s(response):
    """Schroeder's backward integration; a straight line through −5 to −35 dB, times two (ISO 3382 T30)."""
    energy = np.cumsum((response.astype(np.float64) ** 2).sum(axis=0)[::-1])[::-1]
    level_db = 10.0 * np.log10(energy / energy[0] + 1e-30)
    part = (level_db < -5.0) & (level_db > -35.0)
    slope_db_per_s = np.polyfit(np.flatnonzero(part) / RATE_HZ, level_db[part], 1)[0]
    return -60.0 / slope_db_per_s


@pytest.mark.parametrize("decay_s", [0.5, 1.5, 4.0])
@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_the_decay_is_the_setting(decay_s, size):
    response = impulse_response(ReverbSettings(decay_s, size, 0.0, 1.0), 1.2 * decay_s + 0.5)
    assert measured_rt60_s(response) == pytest.approx(decay_s, rel=0.1)


@pytest.mark.parametrize("damping", [0.3, 0.7])
@pytest.mark.parametrize("band_hz", [250.0, 4000.0, 12_000.0])
def test_damping_shortens_the_decay_of_high_bands_by_its_law(damping, band_hz):
    reverb_settings = ReverbSettings(2.0, 1.0, damping, 1.0)
    response = impulse_response(reverb_settings, 3.0)
    third = butter(4, [band_hz * 2 ** (-1 / 6), band_hz * 2 ** (1 / 6)], "bandpass", fs=RATE_HZ, output="sos")
    expected_s = rt60_s(reverb_settings, band_hz)
    assert measured_rt60_s(sosfilt(third, response)) == pytest.approx(expected_s, rel=0.1)


def test_the_law_of_damping_has_the_ends_it_names():
    reverb_settings = ReverbSettings(3.0, 1.0, 0.5, 1.0)
    assert rt60_s(reverb_settings, 0.0) == pytest.approx(3.0)
    assert rt60_s(reverb_settings, RATE_HZ / 2) == pytest.approx(3.0 * (1.0 - 0.95 * 0.5))
    assert rt60_s(reverb_settings._replace(damping=0.0), 9000.0) == pytest.approx(3.0)


@pytest.mark.parametrize(("decay_s", "size"), [(0.4, 1.0), (1.0, 0.5), (2.0, 2.0), (6.0, 1.0)])
def test_at_a_mix_of_one_noise_comes_back_with_its_own_power(decay_s, size):
    rng = np.random.default_rng(1)
    frames = round(100 * (3.0 + 1.5 * decay_s)) * QUANTUM
    for send in (rng.standard_normal((2, frames)), np.tile(rng.standard_normal(frames), (2, 1))):
        out = wet(send, ReverbSettings(decay_s, size, 0.0, 1.0))[:, -2 * RATE_HZ :]
        np.testing.assert_allclose(10.0 * np.log10((out.astype(np.float64) ** 2).mean(axis=1)), 0.0, atol=1.0)


def test_left_and_right_are_not_correlated():
    send = np.tile(np.random.default_rng(1).standard_normal(4 * RATE_HZ), (2, 1))
    out = wet(send, ReverbSettings(1.0, 1.0, 0.0, 1.0))[:, RATE_HZ:]
    assert abs(np.corrcoef(out)[0, 1]) < 0.1


def test_the_wet_sound_is_added_to_what_is_there():
    send = np.random.default_rng(1).uniform(-1.0, 1.0, (2, 20 * QUANTUM)).astype(np.float32)
    alone, audio = wet(send, ReverbSettings(1.0, 1.0, 0.3, 0.5)), np.full_like(send, 0.25)
    _process(send, audio, ReverbSettings(1.0, 1.0, 0.3, 0.5), make_reverb_state())
    np.testing.assert_allclose(audio, alone + 0.25, atol=1e-6)
    assert not alone[:, :QUANTUM].any()  # no delay is shorter than a quantum


def test_silence_stays_silence():
    assert not wet(np.zeros((2, 30 * QUANTUM)), ReverbSettings(2.0, 1.0, 0.5, 1.0)).any()


def test_a_tail_ends_in_true_zeros_and_then_rests():
    state = make_reverb_state()
    send = np.zeros((2, 300 * QUANTUM))
    send[:, :QUANTUM] = np.random.default_rng(1).standard_normal((2, QUANTUM))
    out = wet(send, ReverbSettings(0.5, 1.0, 0.2, 1.0), state)
    assert np.abs(out[:, 10 * QUANTUM : 20 * QUANTUM]).max() > 1e-3
    assert not out[:, -QUANTUM:].any()
    assert not state.lines.any()
    assert not state.memory.any()


def test_a_mix_of_zero_is_silent_and_lets_the_lines_empty():
    state = make_reverb_state()
    noise = np.random.default_rng(1).standard_normal((2, 200 * QUANTUM))
    wet(noise, ReverbSettings(0.5, 1.0, 0.0, 1.0), state)
    out = wet(noise, ReverbSettings(0.5, 1.0, 0.0, 0.0), state)
    assert out[:, : 2 * QUANTUM].any()
    assert not out[:, -QUANTUM:].any()
    assert not state.lines.any()


def test_energy_stays_bounded_at_a_long_decay():
    state = make_reverb_state()
    loud = np.random.default_rng(1).uniform(-1.0, 1.0, (2, 1500 * QUANTUM))
    out = wet(loud, ReverbSettings(20.0, 1.0, 0.0, 1.0), state)
    power = (out.astype(np.float64) ** 2).mean()
    assert power < (loud**2).mean() * 1.5
    after = wet(np.zeros((2, 1000 * QUANTUM)), ReverbSettings(20.0, 1.0, 0.0, 1.0), state)
    seconds = (after.astype(np.float64) ** 2).sum(axis=0).reshape(10, -1).sum(axis=1)
    assert (np.diff(10.0 * np.log10(seconds)) < 0.0).all()


@settings(max_examples=15)
@given(
    moves=st.lists(
        st.tuples(st.floats(0.1, 40.0), st.floats(0.2, 3.0), st.floats(0.0, 1.0), st.floats(0.0, 2.0)),
        min_size=2,
        max_size=12,
    )
)
def test_no_motion_of_the_settings_makes_energy(moves):
    state, highest = make_reverb_state(), 0.0
    rng = np.random.default_rng(1)
    for move in moves:
        send = rng.uniform(-1.0, 1.0, (2, 20 * QUANTUM))
        highest = max(highest, np.abs(wet(send, ReverbSettings(*move), state)).max())
    assert highest < 20.0
    assert np.isfinite(state.lines).all()


def test_what_is_not_a_number_does_not_enter():
    send = np.zeros((2, 20 * QUANTUM))
    send[:, 100], send[0, 200], send[1, 300] = np.nan, np.inf, 1e30
    send[:, 1000] = 1.0
    assert np.isfinite(wet(send, ReverbSettings(1.0, 1.0, 0.5, 1.0))).all()


# --- motion


def spread_db(signal, carrier_hz):
    """Power further than 500 Hz from a steady tone, relative to the tone: what a click is made of."""
    power = np.abs(np.fft.rfft(signal * np.blackman(len(signal)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(signal), 1.0 / RATE_HZ) - carrier_hz) < 500.0
    return 10.0 * np.log10(power[~near].sum() / power[near].sum())


BASE = ReverbSettings(0.5, 1.0, 0.2, 1.0)


@pytest.mark.parametrize("change", [{"decay_s": 3.0}, {"size": 1.7}, {"damping": 0.9}, {"mix": 0.1}], ids=str)
def test_a_step_of_a_setting_does_not_click(change):
    frames = np.arange(4 * RATE_HZ)
    tone = np.tile(0.5 * np.sin(2 * np.pi * 3000 / RATE_HZ * frames), (2, 1))
    before, after = tone[:, : 2 * RATE_HZ], tone[:, 2 * RATE_HZ :]
    state = make_reverb_state()
    glided = np.concatenate([wet(before, BASE, state), wet(after, BASE._replace(**change), state)], axis=1)
    cut = np.concatenate(  # what is heard when the setting does not glide: one steady tone is cut and another begins
        [wet(tone, BASE)[:, : 2 * RATE_HZ], wet(tone, BASE._replace(**change))[:, 2 * RATE_HZ :]], axis=1
    )
    window = slice(RATE_HZ, 3 * RATE_HZ)
    assert spread_db(glided[0, window], 3000) < -60.0
    assert spread_db(cut[0, window], 3000) > -60.0


def test_a_change_of_size_does_not_bend_the_pitch():
    frames = np.arange(4 * RATE_HZ)
    tone = np.tile(0.5 * np.sin(2 * np.pi * 3000 / RATE_HZ * frames), (2, 1))
    state = make_reverb_state()
    wet(tone[:, : 2 * RATE_HZ], BASE, state)
    out = wet(tone[:, 2 * RATE_HZ :], BASE._replace(size=2.0), state)[0, :RATE_HZ]
    power = np.abs(np.fft.rfft(out * np.blackman(len(out)))) ** 2
    assert np.argmax(power) == 3000  # bins are 1 Hz apart; a tape speeding up would smear it over hundreds
    near = np.abs(np.arange(len(power)) - 3000) < 40
    assert 10.0 * math.log10(power[~near].sum() / power[near].sum()) < -30.0


def test_opening_the_mix_in_the_middle_of_a_sound_does_not_click():
    frames = np.arange(3 * RATE_HZ)
    tone = np.tile(0.5 * np.sin(2 * np.pi * 3000 / RATE_HZ * frames), (2, 1))
    state = make_reverb_state()
    wet(tone[:, :RATE_HZ], BASE._replace(mix=0.0), state)
    gated = wet(tone[:, RATE_HZ:], BASE, state)
    sudden = wet(tone[:, RATE_HZ:], BASE)
    window = np.concatenate([np.zeros(4800), gated[0, :RATE_HZ]])
    assert spread_db(window, 3000) < -55.0
    assert spread_db(np.concatenate([np.zeros(4800), sudden[0, :RATE_HZ]]), 3000) > -55.0


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 39), max_size=6), seed=st.integers(0, 1000))
def test_any_split_into_quanta_gives_the_same_bits(cuts, seed):
    rng = np.random.default_rng(seed)
    send = rng.standard_normal((2, 40 * QUANTUM)).astype(np.float32)
    moved = ReverbSettings(3.0, 1.4, 0.6, 0.7)
    state, split = make_reverb_state(), make_reverb_state()
    for one in (state, split):
        wet(send[:, : 5 * QUANTUM], BASE, one)
    whole = wet(send, moved, state)
    splits = np.split(send, [cut * QUANTUM for cut in sorted(set(cuts))], axis=1)
    parts = [wet(part, moved, split) for part in splits]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
