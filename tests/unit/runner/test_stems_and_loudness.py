"""Stems that add up, rates and gains that hold the ceiling, loudness that is met."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from sonify.dsp.quantum import SAMPLE_RATE_HZ
from sonify.engine import LATENCY_FRAMES, Engine
from sonify.errors import RenderError
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import Compressor, Eq, SoundPreset
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import lay_out_for
from sonify.mix.stems import Ceiling, StemChain
from sonify.outputs.metering import MeterSink
from sonify.readers.source import open_source
from sonify.runner.delivery import Delivery, deliver
from sonify.runner.finishing import Finish, frames_at
from sonify.runner.stem_files import stem_file_names

LENGTH_S = 6.0
TUNED = SoundPreset(
    eq=(Eq(shape="bell", at=1000.0, gain=12.0), Eq(shape="low shelf", at=300.0, gain=-6.0, backend="julia")),
    compressor=Compressor(threshold=-40.0, ratio=8.0, attack=0.001, makeup=9.0),
)


@pytest.fixture(scope="module", params=["", "rust"])
def piece(request):
    """Mapper, scored steps and length of an incident; a preset with much EQ and compression, also by sidechain."""
    preset = replace(TUNED, compressor=replace(TUNED.compressor, sidechain=request.param))
    recording = open_source("sim:incident", "auto", ()).read(None, None).on_bands(preset.bands.latency_bands)
    timeline = lay_out_for(preset, recording, recording.duration_s / LENGTH_S)
    mapper = Mapper(preset, recording.layout.backends, num_batch_bands=recording.layout.num_batch_bands)
    return mapper, list(Scorer(mapper).all(timeline.steps())), timeline.num_quanta


def db(audio):
    return 20.0 * np.log10(np.abs(audio).max() + 1e-12)


def test_stems_add_up_to_what_the_mix_has_in_front_of_its_limiter(piece):
    """The mix itself, its limiter opened so far that nothing is limited, is the reference."""
    mapper, scores, _ = piece
    engine, stems = Engine(mapper), StemChain(mapper)
    engine.chain._settings["limiter"]["ceiling_db"][0] = 80.0
    dry = [engine.synthesize(engine.block([score])) for score in scores]
    split = np.concatenate([stems.split(block.copy()) for block in dry], axis=1)
    mix = np.concatenate([*(engine.mix(block) for block in dry), engine.flush()])[LATENCY_FRAMES:]
    assert db(mix) > -20.0
    # single floats round in parts of the value: a mix over full scale rounds more coarsely
    assert db(split.sum(axis=0, dtype=np.float64) - mix) < -120.0 + max(db(mix), 0.0)
    assert all(db(stem) > -80.0 for stem in split)


def delivered(piece, path, **wanted):
    mapper, scores, num_quanta = piece
    return deliver(Delivery(path=path, **wanted), mapper, iter(scores), num_quanta)


@pytest.mark.parametrize("rate_hz", [48_000, 44_100])
def test_stem_files_add_up_to_the_mix_where_the_limiter_rests(piece, tmp_path, rate_hz):
    """Much quieter than the ceiling, the mix is the sum of its stems: from the same beginning to the same end."""
    mapper, scores, num_quanta = piece
    quiet = Mapper(replace(mapper.preset, compressor=Compressor(makeup=-24.0)), mapper.backends, num_batch_bands=3)
    paths = tuple(tmp_path / name for name in stem_file_names(mapper.backends).values())
    done = delivered(
        (quiet, scores, num_quanta), tmp_path / "x.wav", depth="32f", stem_paths=paths, rate_hz=rate_hz, tail_quanta=50
    )
    mix = soundfile.read(tmp_path / "x.wav")[0]
    stems = [soundfile.read(path)[0] for path in paths]
    assert {len(stem) for stem in stems} == {len(mix)} == {done.num_frames}
    assert done.loudness.true_peak_dbtp < -1.5
    assert db(np.sum(stems, axis=0) - mix) < -120.0


def test_a_tail_rings_out_and_is_not_heard_without_one(piece, tmp_path):
    delivered(piece, tmp_path / "x.wav", depth="32f", tail_quanta=200)
    audio = soundfile.read(tmp_path / "x.wav")[0]
    end = round(LENGTH_S * SAMPLE_RATE_HZ)
    assert len(audio) == end + 2 * SAMPLE_RATE_HZ
    begin, last = audio[end + 4800 : end + 9600], audio[-9600:-4800]
    assert -70.0 < db(begin) < db(audio)
    assert db(last) < db(begin) - 20.0


@pytest.mark.parametrize("target_lufs", [-23.0, -16.0, -14.0])
@pytest.mark.parametrize("rate_hz", [48_000, 96_000])
def test_a_loudness_is_met_under_the_ceiling(piece, tmp_path, target_lufs, rate_hz):
    done = delivered(piece, tmp_path / "x.wav", depth="24", target_lufs=target_lufs, rate_hz=rate_hz)
    assert done.loudness.integrated_lufs == pytest.approx(target_lufs, abs=0.15)
    assert done.loudness.true_peak_dbtp <= -1.0
    assert [path.name for path in tmp_path.iterdir()] == ["x.wav"]


def test_silence_cannot_have_a_loudness(piece, tmp_path):
    mapper, scores, _ = piece
    with pytest.raises(RenderError, match="--loudness"):
        deliver(Delivery(path=tmp_path / "x.wav", target_lufs=-14.0), mapper, iter([(scores[0][0], 10)]), 10)
    assert list(tmp_path.iterdir()) == []


class Keep:
    def __init__(self):
        self.blocks = []

    def write(self, audio):
        self.blocks.append(audio.copy())


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("ceiling_dbtp", [None, -1.0])
def test_what_is_finished_stays_in_step(rate_hz, ceiling_dbtp):
    num_frames = 48_123
    time_s = np.arange(num_frames) / SAMPLE_RATE_HZ
    sine = np.column_stack([np.sin(2.0 * np.pi * hz * time_s) for hz in (441.0, 9_970.0)]).astype(np.float32) * 0.5
    kept = Keep()
    finish = Finish((kept,), num_frames=num_frames, rate_hz=rate_hz, ceiling_dbtp=ceiling_dbtp)
    for begin in range(0, num_frames, 1001):
        finish.write(sine[begin : begin + 1001])
    finish.finish()
    audio = np.concatenate(kept.blocks)
    assert len(audio) == frames_at(num_frames, rate_hz)
    time_s = np.arange(len(audio)) / rate_hz
    wanted = np.column_stack([np.sin(2.0 * np.pi * hz * time_s) for hz in (441.0, 9_970.0)]) * 0.5
    assert db((audio - wanted)[2000:-2000]) < -95.0


def test_a_new_rate_and_a_gain_cannot_pass_the_ceiling():
    """Noise clipped at the ceiling overshoots when it is drawn anew."""
    noise = np.random.default_rng(1).normal(0.0, 1.0, (48_000, 2)).astype(np.float32)
    limited = Ceiling(-1.0).process(noise)
    meter = MeterSink(44_100, 2)
    finish = Finish((meter,), num_frames=48_000, rate_hz=44_100, gain_db=6.0, ceiling_dbtp=-1.0)
    finish.write(limited)
    finish.finish()
    assert -3.0 < meter.true_peak_dbtp() <= -1.0


def test_stems_have_harmless_names_of_their_own():
    names = stem_file_names(["../../etc/passwd", "a b", "a b", "gauges", "", "x" * 500])
    assert len(set(names.values())) == len(names) == 9
    for name in names.values():
        assert "/" not in name
        assert len(name) < 80
        assert name[:2].isdigit()
