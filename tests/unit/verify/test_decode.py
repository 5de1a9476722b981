"""The decoder: what it reads off a sound is what was played, and nothing but the sound."""

import dataclasses
import inspect

import numpy as np
import pytest

import sonify.verify.basis
import sonify.verify.bursts
import sonify.verify.decode
import sonify.verify.fit
import sonify.verify.structure
import sonify.verify.tempo
from sonify.dsp.quantum import SAMPLE_RATE_HZ
from sonify.errors import UsageError
from sonify.mapping.preset import SoundPreset
from sonify.verify.compare import compare, overall_score
from sonify.verify.decode import decode, obstacles
from tests.unit.verify.rendering import STUDIO, random_recording, render

LENGTH_S = 24.0


def decoded_and_compared(recording, length_s=LENGTH_S, **options):
    audio = render(recording, length_s, **options)
    heard = decode(audio, SAMPLE_RATE_HZ, STUDIO)
    return heard, compare(heard, recording, STUDIO, audio.shape[1] / SAMPLE_RATE_HZ)


@pytest.mark.parametrize(("num_backends", "seed"), [(1, 1), (2, 2), (3, 3), (5, 4)])
def test_every_panel_is_read_back(num_backends, seed):
    heard, panels = decoded_and_compared(random_recording(num_backends=num_backends, seed=seed), seed=seed)
    assert heard.num_voices == num_backends
    for name in ("request_rate", "latency_heatmap", "batch_size"):
        assert panels[name].error < 0.1, name
    for name in ("latency_p50", "latency_p95"):
        assert panels[name].error < 0.05, name
    for name in ("error_ratio", "fallback_ratio"):
        assert panels[name].error < 0.2, name
        assert panels[name].extra["states_right"] >= 0.95, name
    assert panels["queue_depth"].error < 1.0
    assert panels["active_requests"].error < 1.0
    assert min(panels["glitches"].extra.values()) >= 0.95
    assert panels["freshness"].error == 0.0
    assert overall_score(panels) > 0.98


def test_a_lost_source_is_found_although_its_motif_may_begin_anywhere():
    recording = random_recording(seed=5)
    fresh = np.array([True, True, False, False, True, False, True, True])
    gone = {
        name: np.where(fresh.reshape(-1, *[1] * (getattr(recording, name).ndim - 1)), getattr(recording, name), np.nan)
        for name in ("request_rate", "latency_rate", "error_ratio", "glitch_rate", "queue_depth", "active_requests")
    }
    heard, panels = decoded_and_compared(dataclasses.replace(recording, fresh=fresh, **gone))
    assert 0 < np.count_nonzero(~heard.fresh) < len(heard.fresh)
    assert panels["freshness"].error == 0.0
    assert panels["request_rate"].error < 0.1


def test_traffic_without_latencies_has_a_rate_and_no_latency():
    recording = random_recording(latency_rate=np.full((8, 3, STUDIO.bands.count), np.nan))
    heard, panels = decoded_and_compared(recording)
    assert panels["request_rate"].error < 0.1
    assert np.isnan(heard.latency_rate).all()
    assert panels["latency_p95"] is None


def test_what_is_not_measured_is_none_not_zero():
    nothing = np.full((8, 3), np.nan)
    panels = decoded_and_compared(
        random_recording(glitch_rate=nothing, fallback_ratio=nothing, queue_depth=np.full(8, np.nan))
    )[1]
    assert panels["glitches"] is panels["fallback_ratio"] is panels["queue_depth"] is None
    assert panels["error_ratio"] is not None


def test_silence_of_a_healthy_source_is_silence():
    nothing = np.zeros((8, 3))
    recording = random_recording(
        request_rate=nothing, latency_rate=np.zeros((8, 3, STUDIO.bands.count)), glitch_rate=nothing
    )
    heard, panels = decoded_and_compared(recording)
    assert heard.fresh.all()
    assert np.nanmax(heard.request_rate) < 1e-4  # 1/s
    assert panels["request_rate"].error < 0.01


def test_a_lost_source_all_along_leaves_only_that():
    nothing = {
        name: np.full_like(getattr(random_recording(), name), np.nan)
        for name in ("request_rate", "latency_rate", "error_ratio", "glitch_rate", "batch_rate", "queue_depth")
    }
    heard, panels = decoded_and_compared(random_recording(fresh=np.zeros(8, bool), **nothing))
    assert heard.num_voices == 0
    assert panels["freshness"].error == 0.0
    assert panels["request_rate"] is None


@pytest.fixture(scope="module")
def honest():
    recording = random_recording(seed=7)
    return recording, render(recording, LENGTH_S)


def score_of(recording, audio):
    return compare(decode(audio, SAMPLE_RATE_HZ, STUDIO), recording, STUDIO, audio.shape[1] / SAMPLE_RATE_HZ)


def test_a_tampered_level_shows(honest):
    """Only the voices' part is turned up: the ticks, which tell the bars, stay."""
    recording, audio = honest
    slot = round(STUDIO.arrangement.step * SAMPLE_RATE_HZ)
    louder = audio.copy()
    begin = np.arange(slot, audio.shape[1] - slot, slot * 4)
    for first in begin:  # the first voice's step, after its tick
        louder[:, first + 1440 : first + slot] *= 2.0
    panels, fair = score_of(recording, louder), score_of(recording, audio)
    assert panels["request_rate"].extra["right"] < 0.75
    assert overall_score(panels) < overall_score(fair) - 0.05


def test_a_muted_voice_shows(honest):
    recording, audio = honest
    slot = round(STUDIO.arrangement.step * SAMPLE_RATE_HZ)
    muted = audio.copy()
    for first in range(2 * slot, audio.shape[1], slot * 4):
        muted[:, first : first + slot] = 0.0
    panels = score_of(recording, muted)
    assert panels["request_rate"].extra["right"] < 0.75
    assert panels["latency_p95"].extra["right"] < 0.75
    assert overall_score(panels) < 0.85


def test_another_recording_does_not_change_what_is_heard_but_how_it_compares(honest):
    recording, audio = honest
    other = random_recording(seed=8)
    assert overall_score(score_of(other, audio)) < 0.7
    assert overall_score(score_of(recording, audio)) > 0.98


def test_the_decoder_gets_no_recording():
    """Whatever takes part in decoding knows sound and preset only."""
    modules = [getattr(sonify.verify, name) for name in ("basis", "bursts", "decode", "fit", "structure", "tempo")]
    for module in modules:
        source = inspect.getsource(module)
        for word in ("metrics.recording", "Recording", "Timeline", "readers", "timeline", "engine"):
            assert f"import {word}" not in source, f"{module.__name__} knows {word}"
            assert f".{word} import" not in source, f"{module.__name__} knows {word}"
    assert list(inspect.signature(decode).parameters) == ["audio", "sample_rate_hz", "preset"]


def test_a_recording_with_other_voices_is_refused(honest):
    with pytest.raises(UsageError, match="3 voices, but the recording has 2"):
        score_of(random_recording(num_backends=2), honest[1])


def test_a_preset_that_cannot_be_decoded_says_why():
    assert obstacles(STUDIO) == []
    reasons = " ".join(obstacles(SoundPreset()))
    assert "arrangement" in reasons
    assert "reverb" in reasons


def test_sound_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="1 channels at 44100 Hz"):
        decode(np.zeros((1, 44100), np.float32), 44100, STUDIO)
