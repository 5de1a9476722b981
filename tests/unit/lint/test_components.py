"""Lint hears what the engine plays."""

from dataclasses import replace

import numpy as np
import pytest

from sonify.dsp.quantum import CONTROL_RATE_HZ, SAMPLE_RATE_HZ
from sonify.engine import Engine
from sonify.lint.components import voices_of
from sonify.lint.loads import typical_frame, worst_frame
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import State
from sonify.synth.voices import Voices

LOADS = {"typical": typical_frame, "worst": worst_frame}


def listening(preset, load, **panels):
    """The mapper and the score of a load, without glitches, and with some panels changed."""
    typical = typical_frame(preset)
    frame = replace(LOADS[load](preset), **panels)
    layout = frame.layout
    mapper = Mapper(preset, layout.backends, typical.latency_rate, num_batch_bands=layout.num_batch_bands)
    return mapper, mapper.score(frame, 0.0 * frame.glitch_rate)


def level_db(power):
    return 10.0 * np.log10(np.maximum(power, 1e-12))


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("name", list_sound_presets())
def test_the_bed_is_as_loud_as_the_engine_plays_it(name, load):
    mapper, score = listening(load_sound_preset(name), load)
    lasting = [voice for voice in voices_of(mapper, score) if voice.hides]
    predicted_db = level_db(sum(voice.power.sum(axis=0) * voice.slot_power.mean() for voice in lasting))
    sound = Engine(mapper).render([(score, 5 * CONTROL_RATE_HZ)])[2 * SAMPLE_RATE_HZ :].astype(float)
    played_db = level_db(np.mean(sound**2, axis=0))
    # the engine also has a reverb, and a compressor that follows each pluck instead of the mean
    assert np.mean(predicted_db) == pytest.approx(np.mean(played_db), abs=4.0)


def test_one_voice_is_as_loud_on_its_dry_bus_as_lint_says():
    """Fundamentals, overtones and sidebands of one backend, sustained, without filters: exactly."""
    preset = SoundPreset()
    preset = replace(preset, compressor=replace(preset.compressor, ratio=1.0), motion=replace(preset.motion, width=0.0))
    mapper, score = listening(preset, "worst")
    row, name = 2, mapper.backends[2]
    own = [v for v in voices_of(mapper, score) if v.owner == name and v.kind in ("backend", "overtones")]
    predicted_db = level_db(sum(voice.power[:, 0].sum() for voice in own))
    voices = Voices(mapper, seed=0)
    dry = voices.synthesize(voices.block([(score, 5 * CONTROL_RATE_HZ)]))[CONTROL_RATE_HZ:, row].astype(float)
    assert predicted_db == pytest.approx(level_db(np.mean(dry**2)), abs=0.3)


@pytest.mark.parametrize("name", list_sound_presets())
def test_the_loads_are_green_and_red(name):
    preset = load_sound_preset(name)
    for load, state in (("typical", State.GREEN), ("worst", State.RED)):
        frame = LOADS[load](preset)
        for panel, values in {
            "request_rate": frame.request_rate,
            "error_ratio": frame.error_ratio,
            "latency_p95": frame.latency_quantile_s(0.95),
            "fallback_ratio": frame.fallback_ratio,
            "glitch_rate": frame.glitch_rate,
            "queue_depth": frame.queue_depth,
            "active_requests": frame.active_requests,
        }.items():
            assert (preset.limits[panel].states(values) == state).all(), (load, panel)


def test_what_does_not_sound_is_no_voice():
    preset = SoundPreset()
    mapper, score = listening(preset, "typical", queue_depth=0.0, active_requests=np.nan, batch_rate=np.zeros(5))
    kinds = {voice.kind for voice in voices_of(mapper, score)}
    assert kinds == {"backend", "tick", "earcon"}


def test_a_lost_source_is_a_motif_and_nothing_that_lasts():
    preset = load_sound_preset("code-live")
    frame = MetricFrame.unmeasured(typical_frame(preset).layout, 0.0)
    mapper = Mapper(preset, frame.layout.backends, num_batch_bands=5)
    voices = voices_of(mapper, mapper.score(frame, np.zeros(6)))
    assert [voice for voice in voices if voice.hides] == []
    assert "motif" in {voice.kind for voice in voices}


def test_in_a_sequence_each_backend_has_its_step():
    mapper, score = listening(load_sound_preset("percussive"), "typical")
    for row, voice in enumerate(v for v in voices_of(mapper, score) if v.kind == "backend"):
        assert np.flatnonzero(voice.slot_power > 0.01).tolist() == [row + 1]
