"""Laws of the whole engine: same bits whatever the host does, a ceiling that holds, a sound that means what it says."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.engine import LATENCY_FRAMES, Engine
from sonify.errors import PresetError
from sonify.fifo import Fifo
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import Arrangement, Compressor, Eq, Freshness, Level, Motion, Reverb
from sonify.mapping.preset_file import load_sound_preset
from sonify.mapping.score import Score
from sonify.metrics.frame import Layout, MetricFrame
from sonify.runner.offline import render_offline

QUIET = Freshness(pilot_level=-90.0)
PRESET = dataclasses.replace(load_sound_preset("code-live"), freshness=QUIET)
DRY = dataclasses.replace(
    PRESET,
    level=Level(),
    arrangement=Arrangement(forward=0.0, duck=0.0),
    eq=(),
    reverb=Reverb(mix=0.0),
    compressor=Compressor(ratio=1.0),
)
BACKENDS = ("rust", "go", "sql")
BANDS = PRESET.bands.latency_bands
LAYOUT = Layout(1.0, BACKENDS, BANDS.edges_s, np.array([]))


def frame(latency_rate, **values):
    return dataclasses.replace(MetricFrame.unmeasured(LAYOUT, 0.0, fresh=True), latency_rate=latency_rate, **values)


def scores(seed, count=8):
    """A piece in which everything moves: rates, errors, fallbacks, glitches, freshness."""
    rng = np.random.default_rng(seed)
    mapper = Mapper(PRESET, BACKENDS)
    return [
        (
            mapper.score(
                dataclasses.replace(
                    frame(rng.gamma(0.3, 3.0, (3, 24))),
                    error_ratio=rng.random(3) * 0.1,
                    fallback_ratio=rng.random(3) * 0.2,
                    fresh=bool(rng.random() > 0.2),
                ),
                rng.random(3) * 3.0,
            ),
            int(rng.integers(1, 60)),
        )
        for _ in range(count)
    ]


def engine(preset=PRESET, seed=0):
    return Engine(Mapper(preset, BACKENDS), seed=seed)


class Collect:
    def __init__(self):
        self.parts = []

    def write(self, audio):
        self.parts.append(audio.copy())

    @property
    def audio(self):
        return np.concatenate(self.parts)


def rendered(piece, threads=1, seed=0):
    sink = Collect()
    num_quanta = sum(length for _, length in piece)
    render_offline(engine(seed=seed), iter(piece), num_quanta=num_quanta, sinks=(sink,), threads=threads)
    assert len(sink.audio) == num_quanta * QUANTUM_FRAMES
    return sink.audio


WHOLE = engine().render(scores(1))


@pytest.mark.parametrize("block_frames", [1, 7, 64, 441, 479, 480, 481, 512, 1024, 4801, 8193])
def test_the_host_block_size_changes_no_bit(block_frames):
    instrument, piece = engine(), iter(scores(1))
    fifo = Fifo(lambda: instrument.render([next(piece)]))
    found = [fifo.read(block_frames) for _ in range(len(WHOLE) // block_frames)]
    length = block_frames * (len(WHOLE) // block_frames)
    assert np.array_equal(np.concatenate(found), WHOLE[:length])


@settings(max_examples=25)
@given(st.lists(st.integers(1, 8193), min_size=1, max_size=40))
def test_changing_block_sizes_change_no_bit(sizes):
    instrument, piece = engine(), iter(scores(1))
    fifo = Fifo(lambda: instrument.render([next(piece)]))
    position = 0
    for size in sizes:
        if position + size > len(WHOLE):
            break
        assert np.array_equal(fifo.read(size), WHOLE[position : position + size])
        position += size


@settings(max_examples=10)
@given(st.integers(1, 60), st.integers(0, 2**32))
def test_blocks_of_quanta_change_no_bit(pieces, seed):
    """Live renders quantum by quantum, offline half a second at a time: the same bits."""
    piece = scores(seed)
    expected = engine(seed=seed).render(piece)
    live = engine(seed=seed)
    found = [live.mix(live.synthesize(part)) for part in live.block(piece).split(pieces)]
    assert np.array_equal(np.concatenate(found), expected)


def test_the_number_of_threads_changes_no_bit():
    assert np.array_equal(rendered(scores(2), threads=1), rendered(scores(2), threads=2))


def test_same_seed_same_bits_other_seed_other_bits():
    assert np.array_equal(rendered(scores(3), seed=5), rendered(scores(3), seed=5))
    assert not np.array_equal(rendered(scores(3), seed=5), rendered(scores(3), seed=6))


def test_offline_takes_the_limiters_latency_away():
    piece = [(Mapper(DRY, BACKENDS).score(frame(np.full((3, 24), 1.0)), np.zeros(3)), 100)]
    late = Engine(Mapper(DRY, BACKENDS)).render(piece)
    sink = Collect()
    render_offline(Engine(Mapper(DRY, BACKENDS)), iter(piece), num_quanta=100, sinks=(sink,), threads=1)
    kept = len(late) - LATENCY_FRAMES - 2000
    assert np.array_equal(sink.audio[:kept], late[LATENCY_FRAMES : LATENCY_FRAMES + kept])


def test_silence_in_silence_out():
    silence = Score(np.zeros((3, 25)), *np.zeros((5, 3)))
    assert not engine().render([(silence, 300)]).any()


def test_a_tail_decays_to_silence():
    loud = Mapper(PRESET, BACKENDS).score(frame(np.full((3, 24), 5.0)), np.full(3, 2.0))
    silence = Score(np.zeros((3, 25)), *np.zeros((5, 3)))
    audio = engine().render([(loud, 100), (silence, 1500)])
    seconds = audio.reshape(16, SAMPLE_RATE_HZ, 2)
    levels = np.abs(seconds).max(axis=(1, 2))
    assert levels[0] > 0.05
    assert np.all(np.diff(levels[1:6]) < 0.0)
    assert levels[-1] == 0.0


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.floats(1.0, 1e6))
def test_the_ceiling_holds_and_nothing_is_not_a_number(seed, gain):
    """Scores far beyond anything that a mapper makes."""
    rng = np.random.default_rng(seed)
    piece = [
        (
            Score(
                rng.random((3, 25)) * gain,
                rng.random(3) * 2,
                rng.random(3),
                rng.random(3) * 4,
                rng.random(3),
                rng.random(3) * 5,
                pulse_hz=rng.random() * 20,
                pulse_gain=rng.random() * gain,
                sub_gain=rng.random() * gain,
                fresh=bool(rng.integers(2)),
            ),
            int(rng.integers(1, 30)),
        )
        for _ in range(5)
    ]
    audio = engine(seed=seed).render(piece)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() <= 10.0 ** (-1.0 / 20.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_what_is_no_sound_never_reaches_the_output(value):
    instrument = engine()
    dry = instrument.synthesize(instrument.block([(scores(4)[0][0], 20)]))
    dry[5, 1, 100:200] = value
    dry[7] = value
    audio = instrument.mix(dry)
    assert np.isfinite(audio).all()
    after = instrument.render([(scores(4)[0][0], 20)])
    assert np.isfinite(after).all()
    assert after.any()


def loudness(latency_rate):
    """Power of the second second of a steady sound."""
    mapper = Mapper(DRY, BACKENDS)
    audio = Engine(mapper).render([(mapper.score(frame(latency_rate), np.zeros(3)), 200)])[SAMPLE_RATE_HZ:]
    return float(np.mean(audio.astype(float) ** 2)), audio


@pytest.mark.parametrize("band", [2, 12, 22])
def test_more_traffic_is_louder(band):
    powers = []
    for rate in (0.01, 0.1, 1.0, 10.0):
        latency_rate = np.zeros((3, 24))
        latency_rate[1, band] = rate
        powers.append(loudness(latency_rate)[0])
    assert np.diff(10 * np.log10(powers[:3])) == pytest.approx([10.0, 10.0], abs=0.1)
    assert powers[3] >= powers[2]


def test_slower_is_higher():
    """The spectral centroid rises with every band."""
    centroids = []
    for band in range(24):
        latency_rate = np.zeros((3, 24))
        latency_rate[0, band] = 1.0
        spectrum = np.abs(np.fft.rfft(loudness(latency_rate)[1].mean(axis=1))) ** 2
        bins = np.fft.rfftfreq(SAMPLE_RATE_HZ, 1 / SAMPLE_RATE_HZ)
        centroids.append(np.sum(bins * spectrum) / spectrum.sum())
    assert np.all(np.diff(centroids) > 0.0)


def test_backends_stand_from_left_to_right_in_their_order():
    sides = []
    for backend in range(3):
        latency_rate = np.zeros((3, 24))
        latency_rate[backend, 10] = 1.0
        left, right = np.mean(loudness(latency_rate)[1].astype(float) ** 2, axis=0)
        sides.append(10 * np.log10(right / left))
    assert sides[0] < -6.0
    assert sides[1] == pytest.approx(0.0, abs=0.01)
    assert sides[2] > 6.0


def level_of_band_db(preset, backend, band):
    latency_rate = np.zeros((3, 24))
    latency_rate[backend, band] = 1.0
    mapper = Mapper(preset, BACKENDS)
    audio = Engine(mapper).render([(mapper.score(frame(latency_rate), np.zeros(3)), 200)])[SAMPLE_RATE_HZ:]
    return 10 * np.log10(np.mean(audio.astype(float) ** 2))


def test_a_tuning_filter_is_set_in_the_systems_units():
    """A bell at 120 ms raises what takes 120 ms, and little else; limited to a backend it leaves the others alone."""
    near, far = round(float(BANDS.position(0.12))), 2
    bell = dataclasses.replace(DRY, eq=(Eq(shape="bell", at="120ms", gain=9.0, q=3.0),))
    rust = dataclasses.replace(DRY, eq=(Eq(shape="bell", at="120ms", gain=9.0, q=3.0, backend="rust"),))
    flat = level_of_band_db(DRY, 0, near)
    assert level_of_band_db(bell, 0, near) - flat == pytest.approx(9.0, abs=1.5)
    assert level_of_band_db(bell, 0, far) - level_of_band_db(DRY, 0, far) == pytest.approx(0.0, abs=0.5)
    assert level_of_band_db(rust, 0, near) - flat == pytest.approx(9.0, abs=1.5)
    assert level_of_band_db(rust, 1, near) == pytest.approx(level_of_band_db(DRY, 1, near), abs=0.01)


def test_a_threshold_in_requests_per_second_is_the_level_of_that_rate():
    """All traffic in the band of the reference latency: the compressor bends at the rate that its threshold names."""
    flat = dataclasses.replace(DRY, level=dataclasses.replace(DRY.level, equal_loudness=0.0, top=0.0))
    squeezed = dataclasses.replace(
        flat,
        motion=Motion(width=0.0),
        compressor=Compressor(threshold="100 req/s", ratio=100.0, knee=0.0, attack=0.01, release=0.1),
    )
    mapper = Mapper(squeezed, ("one",))
    layout = Layout(1.0, ("one",), BANDS.edges_s, np.array([]))
    levels = []
    for rate in (10.0, 50.0, 100.0, 400.0):
        latency_rate = np.zeros((1, 24))
        band = round(float(BANDS.position(0.1)))
        tilt = (BANDS.centres_s[band] / 0.1) ** 1.0
        latency_rate[0, band] = rate / tilt
        one = dataclasses.replace(MetricFrame.unmeasured(layout, 0.0, fresh=True), latency_rate=latency_rate)
        audio = Engine(mapper).render([(mapper.score(one, np.zeros(1)), 300)])[2 * SAMPLE_RATE_HZ :]
        levels.append(20 * np.log10(np.abs(audio).max()))
    steps = np.diff(levels)
    assert steps[0] == pytest.approx(10 * np.log10(5.0), abs=0.3)
    assert steps[1] == pytest.approx(10 * np.log10(2.0), abs=0.3)
    assert steps[2] < 1.5  # of 6 dB; the detector follows single peaks, and ripples


@pytest.mark.parametrize(
    "change",
    [{"eq": (Eq(backend="rus"),)}, {"compressor": Compressor(sidechain="rus")}],
)
def test_a_filter_on_an_unknown_backend_suggests_the_nearest(change):
    with pytest.raises(PresetError, match="did you mean rust"):
        Engine(Mapper(dataclasses.replace(PRESET, **change), BACKENDS))


def test_a_sidechain_pushes_the_mix_back_while_its_backend_is_loud():
    ducked = dataclasses.replace(
        DRY, compressor=Compressor(threshold=-40.0, ratio=4.0, attack=0.01, release=0.1, sidechain="rust")
    )
    mapper = Mapper(ducked, BACKENDS)
    quiet, loud = np.zeros((3, 24)), np.zeros((3, 24))
    quiet[1, 5] = loud[1, 5] = 1.0
    loud[0, 20] = 50.0
    audio = Engine(mapper).render(
        [(mapper.score(frame(rate), np.zeros(3)), CONTROL_RATE_HZ * 2) for rate in (quiet, loud)]
    )
    spectrum = [np.abs(np.fft.rfft(audio[begin : begin + 48000, 0])) for begin in (48000, 3 * 48000)]
    bin_ = round(mapper.frequencies_hz[5])
    assert 20 * np.log10(spectrum[1][bin_ - 2 : bin_ + 3].max() / spectrum[0][bin_ - 2 : bin_ + 3].max()) < -3.0
