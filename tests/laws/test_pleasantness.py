"""Laws of comfort: what is heard all day, while all is well, is neither loud nor sharp nor rough, and alarms stand out.

Sharpness after DIN 45692 and roughness after Daniel and Weber (1997), both as MOSQITO computes them: it shares nothing
with sonify's own models. A signal whose RMS is full scale counts as 90 dB SPL: at −30 LUFS the sound is then heard at
about 60 dB, the level of a conversation.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from conftest import missing_tool

from sonify.dsp.meter import LoudnessMeter
from sonify.dsp.quantum import CONTROL_RATE_HZ, SAMPLE_RATE_HZ
from sonify.engine import Engine
from sonify.lint.excitation import FULL_SCALE_DB_SPL
from sonify.mapping.mapper import Mapper, learn_baseline
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.mapping.score import Alarm
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import lay_out_for
from sonify.metrics.panels import PANELS
from sonify.readers.source import open_source
from sonify.runner.offline import render_offline

QUIET = str(Path(__file__).parents[2] / "samples" / "quiet.jsonl.gz")
HEALTHY = {"quiet": (QUIET, 60.0), "busy": ("sim:busy?duration=120s&interval=5s", 40.0)}  # source, where to begin
LENGTH_S = 20.0
SHARPNESS_PART = slice(4 * SAMPLE_RATE_HZ, 12 * SAMPLE_RATE_HZ)  # these take their time
ROUGHNESS_PART = slice(4 * SAMPLE_RATE_HZ, 8 * SAMPLE_RATE_HZ)

BED_LUFS = (-32.0, -28.0)
ALARM_DB = (10.0, 15.0)  # over the bed


@dataclass(frozen=True)
class Comfort:
    """Most sharpness in acum and roughness in asper, on average. Speech has about 1 acum and 0.2 asper."""

    acum: float
    asper: float


LIMITS = {
    "code-live": Comfort(acum=0.9, asper=0.10),
    "night-shift": Comfort(acum=0.75, asper=0.10),
    "organ": Comfort(acum=0.9, asper=0.10),
    "percussive": Comfort(acum=0.9, asper=0.12),
    "accessible": Comfort(acum=0.9, asper=0.15),
}
NOT_FOR_THE_EAR = ("studio",)  # for machines: it is calibrated to be decoded, not to be lived with


@pytest.fixture
def mosqito():
    try:
        import mosqito.sq_metrics
    except ImportError:
        missing_tool("mosqito")
    return mosqito.sq_metrics


def healthy(name, state):
    """Mapper and recording of a healthy state, as `render` would play it: its own median is the baseline."""
    preset = load_sound_preset(name)
    spec, begin_s = HEALTHY[state]
    whole = open_source(spec, "code-live").read(None, None).on_bands(preset.bands.latency_bands)
    layout = whole.layout
    mapper = Mapper(preset, layout.backends, learn_baseline(whole), num_batch_bands=layout.num_batch_bands)
    return mapper, whole.between(whole.start_s + begin_s, whole.start_s + begin_s + LENGTH_S)


@cache
def sound_of(name, state):
    """Audio in real time, shape (frames, 2)."""
    mapper, recording = healthy(name, state)
    timeline = lay_out_for(mapper.preset, recording, 1.0)
    heard = []

    class Keep:
        def write(self, audio):
            heard.append(audio)

    steps = Scorer(mapper).all(timeline.steps())
    render_offline(Engine(mapper), steps, num_quanta=timeline.num_quanta, sinks=(Keep(),), threads=1)
    return np.concatenate(heard)


def pascals(sound):
    """One ear's mean, as a sound pressure."""
    return sound.mean(axis=1).astype(float) * 2e-5 * 10.0 ** (FULL_SCALE_DB_SPL / 20.0)


def integrated_lufs(sound):
    meter = LoudnessMeter(SAMPLE_RATE_HZ, 2)
    meter.process(np.ascontiguousarray(sound.T))
    return meter.integrated_lufs()


def loudest_400_ms_lufs(sound):
    meter, loudest = LoudnessMeter(SAMPLE_RATE_HZ, 2), -np.inf
    for begin in range(0, len(sound), SAMPLE_RATE_HZ // 10):
        meter.process(np.ascontiguousarray(sound[begin : begin + SAMPLE_RATE_HZ // 10].T))
        loudest = np.fmax(loudest, meter.momentary_lufs())
    return float(loudest)


def test_every_shipped_preset_has_limits():
    assert {*LIMITS, *NOT_FOR_THE_EAR} >= set(list_sound_presets())


@pytest.mark.parametrize("state", HEALTHY)
@pytest.mark.parametrize("name", LIMITS)
def test_the_healthy_bed_is_soft(name, state):
    assert BED_LUFS[0] <= integrated_lufs(sound_of(name, state)) <= BED_LUFS[1]


@pytest.mark.parametrize("state", HEALTHY)
@pytest.mark.parametrize("name", LIMITS)
def test_the_healthy_bed_is_not_sharp(name, state, mosqito):
    piece = pascals(sound_of(name, state))[SHARPNESS_PART]
    acum, _ = mosqito.sharpness_din_perseg(piece, SAMPLE_RATE_HZ, nperseg=SAMPLE_RATE_HZ, noverlap=0)
    assert 0.2 < np.mean(acum) <= LIMITS[name].acum


@pytest.mark.parametrize("state", HEALTHY)
@pytest.mark.parametrize("name", LIMITS)
def test_the_healthy_bed_is_not_rough(name, state, mosqito):
    """Roughness is reserved for errors: a healthy service must not sound like a failing one."""
    asper = mosqito.roughness_dw(pascals(sound_of(name, state))[ROUGHNESS_PART], SAMPLE_RATE_HZ, overlap=0)[0]
    assert np.mean(asper) <= LIMITS[name].asper


@pytest.mark.parametrize("name", LIMITS)
def test_alarms_stand_out_but_do_not_shout(name):
    """Each earcon, its loudest 400 ms, against the bed that it sounds over."""
    mapper, recording = healthy(name, "quiet")
    score = mapper.score(recording.frame(1), np.zeros(len(mapper.backends)))
    before, after = 2 * CONTROL_RATE_HZ, 3 * CONTROL_RATE_HZ // 2

    def played(*alarms):
        return Engine(mapper).render([(score, before), (replace(score, alarms=alarms), after)])[2 * SAMPLE_RATE_HZ :]

    bed = played()
    bed_lufs = integrated_lufs(sound_of(name, "quiet"))
    over_db = {
        panel.name: loudest_400_ms_lufs(played(Alarm(panel.name, worse=True)) - bed) - bed_lufs for panel in PANELS
    }
    assert min(over_db.values()) >= ALARM_DB[0], over_db
    assert max(over_db.values()) <= ALARM_DB[1], over_db


def test_the_oracle_is_calibrated(mosqito):
    """By definition: at 1 kHz and 60 dB, noise one critical band wide has 1 acum, and full 70 Hz modulation 1 asper."""
    t = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(len(t)))
    hz = np.fft.rfftfreq(len(t), 1.0 / SAMPLE_RATE_HZ)
    noise = np.fft.irfft(np.where((hz > 920.0) & (hz < 1080.0), spectrum, 0.0))
    rough = (1.0 + np.cos(2.0 * np.pi * 70.0 * t)) * np.sin(2.0 * np.pi * 1000.0 * t)

    def at_60_db(wave):
        return wave / np.std(wave) * 2e-5 * 10.0**3

    acum, _ = mosqito.sharpness_din_perseg(at_60_db(noise), SAMPLE_RATE_HZ, nperseg=SAMPLE_RATE_HZ // 2, noverlap=0)
    assert np.mean(acum) == pytest.approx(1.0, abs=0.05)
    assert np.mean(mosqito.roughness_dw(at_60_db(rough), SAMPLE_RATE_HZ, overlap=0)[0]) == pytest.approx(1.0, abs=0.1)
