"""The loudness meter against the standards' own reference signals, and against a meter that is not ours."""

from __future__ import annotations

import math
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from conftest import missing_tool
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.dsp.meter import LoudnessMeter

RATE_HZ = 48_000


def sine(level_db, seconds, freq_hz=1000.0, rate_hz=RATE_HZ, channels=2):
    frames = np.arange(round(seconds * rate_hz))
    wave = 10.0 ** (level_db / 20.0) * np.sin(2 * np.pi * freq_hz / rate_hz * frames)
    return np.tile(wave, (channels, 1)).astype(np.float32)


def measure(audio, rate_hz=RATE_HZ):
    meter = LoudnessMeter(rate_hz, len(audio))
    meter.process(audio)
    return meter


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
def test_a_full_scale_sine_in_one_channel_reads_minus_3(rate_hz):
    assert measure(sine(0.0, 3.0, 997.0, rate_hz, 1), rate_hz).integrated_lufs() == pytest.approx(-3.01, abs=0.02)


# EBU Tech 3341, table 1: minimum requirements test signals, stereo sine of 1 kHz
EBU_CASES = {
    1: ([(-23.0, 20.0)], -23.0),
    2: ([(-33.0, 20.0)], -33.0),
    3: ([(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
    4: ([(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -23.0),
    5: ([(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
}


@pytest.mark.parametrize("case", EBU_CASES)
def test_the_signals_of_ebu_tech_3341(case):
    parts, expected_lufs = EBU_CASES[case]
    meter = LoudnessMeter(RATE_HZ, 2)
    for level_db, seconds in parts:
        meter.process(sine(level_db, seconds))
    assert meter.integrated_lufs() == pytest.approx(expected_lufs, abs=0.1)


@pytest.mark.parametrize(
    ("freq_ratio", "phase_degrees", "peak_dbtp"),
    [(1 / 4, 0.0, -6.0), (1 / 4, 45.0, -6.0), (1 / 6, 60.0, -6.0), (1 / 8, 67.5, -6.0)],
)
def test_the_true_peak_of_sines_between_samples(freq_ratio, phase_degrees, peak_dbtp):
    frames = np.arange(RATE_HZ)
    wave = 0.5 * np.sin(2 * np.pi * freq_ratio * frames + math.radians(phase_degrees))
    fade = np.minimum(np.minimum(frames, frames[::-1]) / 2400.0, 1.0)  # tech 3341 allows +0.2, −0.4 dB
    reading = measure(np.tile(wave * fade, (2, 1)).astype(np.float32)).true_peak_dbtp()
    assert -0.4 < reading - peak_dbtp < 0.2


def test_nothing_measured_is_nan_and_silence_is_minus_infinity():
    meter = LoudnessMeter(RATE_HZ, 2)
    assert math.isnan(meter.integrated_lufs())
    assert math.isnan(meter.momentary_lufs())
    assert meter.true_peak_dbtp() == -math.inf
    meter.process(np.zeros((2, RATE_HZ), dtype=np.float32))
    assert meter.integrated_lufs() == -math.inf
    assert meter.momentary_lufs() == -math.inf


def test_the_momentary_loudness_is_that_of_the_last_400_ms():
    meter = LoudnessMeter(RATE_HZ, 2)
    meter.process(sine(-12.0, 3.0))
    meter.process(sine(-30.0, 1.0))
    assert meter.momentary_lufs() == pytest.approx(-30.0, abs=0.1)


def test_a_peak_at_the_very_end_is_seen_and_asking_changes_nothing():
    audio = np.zeros((1, 1000), dtype=np.float32)
    audio[0, -1] = 0.5
    meter = measure(audio)
    assert meter.true_peak_dbtp() == pytest.approx(-6.02, abs=0.01)
    assert meter.true_peak_dbtp() == pytest.approx(-6.02, abs=0.01)
    meter.process(np.array([[-0.5]], dtype=np.float32))
    assert meter.true_peak_dbtp() < -4.0


def test_memory_does_not_grow():
    meter = LoudnessMeter(RATE_HZ, 2)
    size = sum(array.nbytes for array in meter._state)
    meter.process(sine(-20.0, 30.0))
    assert sum(array.nbytes for array in meter._state) == size


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 95_999), max_size=8), seed=st.integers(0, 100))
def test_any_split_reads_the_same(cuts, seed):
    audio = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, 96_000)).astype(np.float32)
    whole, split = measure(audio), LoudnessMeter(RATE_HZ, 2)
    for part in np.split(audio, sorted(cuts), axis=1):
        split.process(part)
    assert split.integrated_lufs() == pytest.approx(whole.integrated_lufs(), abs=1e-9)
    assert split.true_peak_dbtp() == pytest.approx(whole.true_peak_dbtp(), abs=1e-9)


def programme(name):
    rng = np.random.default_rng(11)
    noise = rng.standard_normal((2, 8 * RATE_HZ)) * 0.1
    frames = np.arange(8 * RATE_HZ)
    return {
        "noise": noise,
        "left only": noise * np.array([[1.0], [0.0]]),
        "noise with pauses": noise * (np.sin(2 * np.pi * 0.3 * frames / RATE_HZ) > 0.2),
        "noise that fades": noise * np.geomspace(1.0, 1e-4, len(frames)),
        "bass": 0.5 * np.sin(2 * np.pi * 50 / RATE_HZ * frames) * np.ones((2, 1)),
        "plucks": np.sin(2 * np.pi * 700 / RATE_HZ * frames) * np.exp(-(frames % 12_000) / 2000.0) * np.ones((2, 1)),
        "square": 0.7 * np.sign(np.sin(2 * np.pi * 333 / RATE_HZ * frames)) * np.ones((2, 1)),
    }[name].astype(np.float32)


@pytest.mark.parametrize(
    "name", ["noise", "left only", "noise with pauses", "noise that fades", "bass", "plucks", "square"]
)
def test_ffmpeg_reads_the_same(name, tmp_path):
    if shutil.which("ffmpeg") is None:
        missing_tool("ffmpeg")
    audio, path = programme(name), tmp_path / "programme.wav"
    soundfile.write(path, audio.T, RATE_HZ, subtype="FLOAT")
    command = ["ffmpeg", "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    loudness_lufs = float(re.findall(r"I:\s+(\S+) LUFS", report)[-1])
    peak_dbtp = float(re.findall(r"True peak:\s+Peak:\s+(\S+) dBFS", report)[-1])
    meter = measure(audio)
    assert meter.integrated_lufs() == pytest.approx(loudness_lufs, abs=0.1)
    assert meter.true_peak_dbtp() == pytest.approx(peak_dbtp, abs=0.2)
