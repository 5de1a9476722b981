"""The true peak of what leaves the limiter is never above its ceiling, whoever measures it and whatever goes in."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import missing_tool
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.signal import firwin, resample_poly

from sonify.dsp.oversample import interpolator
from sonify.kernel import entry
from sonify.mix.limiter import (
    LIMITER_LATENCY_FRAMES,
    MARGIN_DB,
    LimiterSettings,
    LimiterState,
    limiter_process,
    make_limiter_state,
)

RATE_HZ = 48_000
QUANTUM = 480


@entry(nogil=True)
def _process(audio, limiter_settings, state):
    limiter_process(audio, limiter_settings, state)


def limit(audio, ceiling_db=-1.0, state=None, release_db_per_s=60.0):
    """Process a copy, with silence added for the latency and up to a whole quantum."""
    frames = audio.shape[1] + LIMITER_LATENCY_FRAMES + 64
    out = np.zeros((2, -(-frames // QUANTUM) * QUANTUM), dtype=np.float32)
    out[:, : audio.shape[1]] = audio
    _process(out, LimiterSettings(ceiling_db, release_db_per_s), make_limiter_state() if state is None else state)
    return out


def oracle_peak_db(audio, factor=16):
    between = resample_poly(audio.astype(np.float64), factor, 1, axis=1)
    return 20.0 * np.log10(max(np.abs(between).max(), np.abs(audio).max(), 1e-12))


def wild_signals():
    rng = np.random.default_rng(7)
    frames = np.arange(4800)
    signs = np.where(rng.random((2, 4800)) < 0.5, -1.0, 1.0)
    alternation = np.where(frames % 2, 1.0, -1.0)
    impulses = np.zeros((2, 4800))
    impulses[:, ::97] = 3.0
    burst = rng.uniform(-0.4, 0.4, (2, 4800))
    burst[:, 2000:2100] *= 1e4
    late_burst = 0.5 * np.sin(frames * 0.3) * np.ones((2, 1))
    late_burst[0, 3001] = -1e4
    late_burst[1, 3007:3019] = 1e4
    step = np.where(frames < 2400, 0.1, 5.0) * np.ones((2, 1))
    flips = alternation * np.where((frames // 31) % 2, 1.0, -1.0)
    ramp = alternation * np.exp(np.linspace(-8.0, 9.0, 4800))
    return {
        "white noise": rng.standard_normal((2, 4800)),
        "loud white noise": 100.0 * rng.standard_normal((2, 4800)),
        "random signs": signs,
        "square 1 kHz": 4.0 * np.sign(np.sin(2 * np.pi * 1000 / RATE_HZ * frames + 0.1)) * np.ones((2, 1)),
        "square 5 kHz": 2.0 * np.sign(np.sin(2 * np.pi * 5017 / RATE_HZ * frames)) * np.ones((2, 1)),
        "quarter rate": np.sqrt(2.0) * np.sin(np.pi / 2 * frames + np.pi / 4) * np.ones((2, 1)),
        "alternation": alternation * np.ones((2, 1)),
        "alternation that flips": flips * np.ones((2, 1)),
        "alternation that grows": ramp * np.ones((2, 1)),
        "near half the rate": 2.0 * np.sin(2 * np.pi * 23_400 / RATE_HZ * frames) * np.ones((2, 1)),
        "step": step,
        "impulses": impulses,
        "burst of 1e4": burst,
        "single samples of 1e4": late_burst,
        "one channel": np.stack([2.0 * rng.standard_normal(4800), np.zeros(4800)]),
    }


@pytest.mark.parametrize("name", wild_signals())
@pytest.mark.parametrize("ceiling_db", [-1.0, -12.0])
def test_the_ceiling_holds_for_a_resampling_oracle(name, ceiling_db):
    out = limit(wild_signals()[name], ceiling_db)
    assert oracle_peak_db(out) <= ceiling_db
    assert oracle_peak_db(out, 4) <= ceiling_db
    assert oracle_peak_db(out) > ceiling_db - 4.0  # and it is not simply too quiet


SEGMENT = st.tuples(
    st.sampled_from(["noise", "signs", "alternation", "sine", "constant", "single", "silence"]),
    st.floats(-60.0, 80.0),
    st.integers(1, 300),
    st.integers(0, 2**31),
)


def invent(segments):
    """Any sequence of sounds: kind, level in dB, length in frames, seed."""
    parts = []
    for kind, level_db, length, seed in segments:
        rng = np.random.default_rng(seed)
        frames = np.arange(length)
        shape = {
            "noise": lambda r, n: r.standard_normal((2, len(n))),
            "signs": lambda r, n: np.where(r.random((2, len(n))) < 0.5, -1.0, 1.0),
            "alternation": lambda r, n: np.where((n + r.integers(2)) % 2, 1.0, -1.0) * np.ones((2, 1)),
            "sine": lambda r, n: np.sin(r.uniform(0.01, 3.14) * n + r.uniform(0, 6.28)) * np.ones((2, 1)),
            "constant": lambda _, n: np.ones((2, len(n))),
            "single": lambda r, n: np.eye(1, len(n), r.integers(len(n))) * np.ones((2, 1)),
            "silence": lambda _, n: np.zeros((2, len(n))),
        }[kind](rng, frames)
        parts.append(10.0 ** (level_db / 20.0) * shape)
    return np.concatenate(parts, axis=1)


@settings(max_examples=150)
@given(segments=st.lists(SEGMENT, min_size=1, max_size=12))
def test_the_ceiling_holds_for_anything(segments):
    assert oracle_peak_db(limit(invent(segments))) <= -1.0


@settings(max_examples=60)
@given(values=st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1, max_size=200))
def test_whatever_comes_in_what_goes_out_is_finite_and_under_the_ceiling(values):
    out = limit(np.array([values, values[::-1]], dtype=np.float32))
    assert np.isfinite(out).all()
    assert oracle_peak_db(out) <= -1.0


def test_numbers_that_are_not_sound_leave_the_sound_around_them_alone():
    rng = np.random.default_rng(3)
    clean = rng.uniform(-0.3, 0.3, (2, 2400)).astype(np.float32)
    dirty = clean.copy()
    places = [5, 700, 701, 1500]
    dirty[0, places] = [np.nan, np.inf, -np.inf, 1e30]
    clean[0, places] = 0.0
    np.testing.assert_array_equal(limit(dirty), limit(clean))


def test_what_is_under_the_threshold_passes_bit_for_bit():
    frames = np.arange(9600)
    audio = np.stack([np.sin(0.05 * frames), np.sin(0.31 * frames)]) * 10.0 ** ((-1.0 - MARGIN_DB - 0.01) / 20.0)
    audio = audio.astype(np.float32)
    audio[:, :200] *= np.linspace(0.0, 1.0, 200, dtype=np.float32)  # a sine that begins at once rings over its own peak
    audio[:, -200:] *= np.linspace(1.0, 0.0, 200, dtype=np.float32)
    state = make_limiter_state()
    out = limit(audio, state=state)
    np.testing.assert_array_equal(out[:, LIMITER_LATENCY_FRAMES : LIMITER_LATENCY_FRAMES + 9600], audio)
    assert not out[:, :LIMITER_LATENCY_FRAMES].any()
    assert state.gain_reduction_db[0] == 0.0


def test_silence_stays_silence():
    assert not limit(np.zeros((2, 4800))).any()


def test_both_channels_get_the_same_gain():
    rng = np.random.default_rng(2)
    left = rng.standard_normal(4800) * 3.0
    out = limit(np.stack([left, 0.25 * left]))
    np.testing.assert_allclose(out[1], 0.25 * out[0], rtol=1e-6, atol=1e-9)


def test_the_gain_comes_back_at_the_release_rate():
    frames = np.arange(RATE_HZ)
    audio = 0.1 * np.sin(2 * np.pi * 997 / RATE_HZ * frames) * np.ones((2, 1))
    audio[:, 4800] = 8.0
    out = limit(audio, release_db_per_s=60.0)
    level = np.array([np.abs(out[0, n : n + 480]).max() for n in range(0, RATE_HZ, 480)])
    level_db = 20.0 * np.log10(np.maximum(level, 1e-9))
    rising = (level_db[14:] < -20.5) & (level_db[14:] > -36.0)
    slope_db_per_s = np.diff(level_db[14:][rising]).mean() * 100.0
    assert slope_db_per_s == pytest.approx(60.0, rel=0.05)
    assert level_db[-5] == pytest.approx(-20.0, abs=0.01)


def test_the_meter_shows_the_deepest_gain():
    state = make_limiter_state()
    frames = np.arange(48_000)
    audio = 10.0 * np.sin(2 * np.pi * 100 / RATE_HZ * frames) * np.ones((2, 1))
    limit(audio, state=state)
    assert state.gain_reduction_db[0] == pytest.approx(-20.0 - 1.0 - MARGIN_DB, abs=0.3)


def test_a_ceiling_that_moves_does_not_click():
    frames = np.arange(RATE_HZ)
    tone = np.sin(2 * np.pi * 3000 / RATE_HZ * frames) * np.ones((2, 1))
    tone = tone.astype(np.float32)
    state = make_limiter_state()
    out = []
    for start, ceiling_db in ((0, -3.0), (24_000, -15.0)):
        part = np.ascontiguousarray(tone[:, start : start + 24_000])
        _process(part, LimiterSettings(ceiling_db, 60.0), state)
        out.append(part)
    glided = np.concatenate(out, axis=1)
    unglided = glided.copy()
    unglided[:, :24_000] = tone[:, :24_000] * 10 ** (-3.5 / 20)
    unglided[:, 24_000:] = tone[:, 24_000:] * 10 ** (-15.5 / 20)
    assert spread_db(glided[0, 4800:43_200], 3000) < -60.0
    assert spread_db(unglided[0, 4800:43_200], 3000) > -60.0


def spread_db(signal, carrier_hz):
    """Power further than 500 Hz from a steady tone, relative to the tone."""
    power = np.abs(np.fft.rfft(signal * np.blackman(len(signal)))) ** 2
    freq_hz = np.fft.rfftfreq(len(signal), 1.0 / RATE_HZ)
    near = np.abs(freq_hz - carrier_hz) < 500.0
    return 10.0 * np.log10(power[~near].sum() / power[near].sum())


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 19), max_size=6), seed=st.integers(0, 1000))
def test_any_split_into_quanta_gives_the_same_bits(cuts, seed):
    rng = np.random.default_rng(seed)
    audio = (rng.standard_normal((2, 20 * QUANTUM)) * rng.choice([0.1, 1.0, 30.0])).astype(np.float32)
    whole = audio.copy()
    _process(whole, LimiterSettings(-1.0, 60.0), make_limiter_state())
    state, parts = make_limiter_state(), []
    for part in np.split(audio, [cut * QUANTUM for cut in sorted(set(cuts))], axis=1):
        part = np.ascontiguousarray(part)
        _process(part, LimiterSettings(-1.0, 60.0), state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_the_state_is_a_tuple_of_arrays():
    assert all(isinstance(field, np.ndarray) for field in make_limiter_state())
    assert isinstance(make_limiter_state(), LimiterState)


# --- how much higher than ours can another meter read, for the worst of all signals?


def _meters():
    """Weights over samples −16 to 16 of what other meters see between two samples."""
    half = 160
    low_pass = firwin(2 * half + 1, 1 / 16, window=("kaiser", 5.0)) * 16  # what scipy's resample_poly does
    for phase in (1, 4, 8):
        taps = phase - 16 * np.arange(-16, 17) + half
        yield np.where((taps >= 0) & (taps <= 2 * half), low_pass[np.clip(taps, 0, 2 * half)], 0.0)
    for phase in (0.0, 1 / 16, 0.25, 0.5):  # what a resampler with 32 taps and a cut-off of 0.97 does
        time = np.arange(-16, 17) - phase
        weights = np.sinc(0.97 * time) * np.i0(9.0 * np.sqrt(np.maximum(1.0 - (time / 16) ** 2, 0.0)))
        yield weights / weights.sum()


def test_no_signal_at_all_reads_much_higher_on_another_meter():
    reach = 30
    ours = [interpolator(phase / 8, 1.0, 7.0) for phase in range(1, 8)]
    ours += [interpolator(phase / 4, 0.97, 5.0) for phase in range(4)]
    size = 2 * reach + 1
    rows = [np.eye(size)]
    for weights in ours:
        wide = np.zeros((size, size + 46))
        for n in range(size):
            wide[n, n + 12 : n + 36] = weights
        rows.append(wide[:, 23 : 23 + size])
    bound = np.concatenate(rows)
    bound = np.concatenate([bound, -bound])
    worst = 0.0
    for weights in _meters():
        goal = np.zeros(size)
        goal[reach - 16 : reach + 17] = weights
        worst = max(worst, -linprog(-goal, A_ub=bound, b_ub=np.ones(len(bound)), bounds=(None, None)).fun)
    assert 20.0 * np.log10(worst) < 0.4
    assert MARGIN_DB > 0.4


# --- a meter that is not ours


def ffmpeg_peak_db(path: Path) -> float:
    command = ["ffmpeg", "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return float(re.findall(r"True peak:\s+Peak:\s+(\S+) dBFS", report)[-1])


@pytest.mark.parametrize("name", wild_signals())
def test_the_ceiling_holds_for_ffmpeg(name, tmp_path):
    if shutil.which("ffmpeg") is None:
        missing_tool("ffmpeg")
    out = np.tile(limit(wild_signals()[name]), 5)  # its meter needs 400 ms
    soundfile.write(tmp_path / "limited.wav", out.T, RATE_HZ, subtype="FLOAT")
    assert ffmpeg_peak_db(tmp_path / "limited.wav") <= -1.0
