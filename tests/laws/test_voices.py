"""Laws of the voices: what a score asks for is what is in the spectrum, and nothing else."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.dsp.oscillator import phase_increment
from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.mapping.bars import bar_quanta, envelopes
from sonify.mapping.mapper import Mapper, partial_frequencies_hz
from sonify.mapping.preset import Arrangement, Freshness, SoundPreset
from sonify.mapping.score import Alarm, Score
from sonify.metrics.panels import PANELS
from sonify.synth.burst_scheduler import BurstScheduler
from sonify.synth.voices import Voices

PRESET = dataclasses.replace(SoundPreset(), freshness=Freshness(pilot_level=-90.0))
FREQUENCIES_HZ = partial_frequencies_hz(PRESET)
NUM_PARTIALS = len(FREQUENCIES_HZ)


def voices(num_backends=1, seed=0, preset=PRESET, num_drums=0):
    mapper = Mapper(preset, tuple(f"b{i}" for i in range(num_backends)), num_batch_bands=num_drums)
    return Voices(mapper, seed=seed)


def score(num_backends=1, partial=None, gain=0.1, overtone=0.0, roughness=0.0, glitches=0.0, hold=0.0, **rest):
    partial_gain = np.zeros((num_backends, NUM_PARTIALS))
    if partial is not None:
        partial_gain[:, partial] = gain
    filled = [np.full(num_backends, value, float) for value in (overtone, roughness, 1.0, hold, glitches)]
    return Score(partial_gain, *filled, **rest)


def bus(made, backend=0):
    """One bus as one stretch of sound, shape (frames,)."""
    return made[:, backend].ravel()


def steady(a_score, seconds=2, **options):
    """A bus long after its score began, so that glides are over."""
    instrument = voices(len(a_score.overtone_gain), **options)
    sound = instrument.synthesize(instrument.block([(a_score, (seconds + 1) * CONTROL_RATE_HZ)]))
    return bus(sound)[SAMPLE_RATE_HZ:].astype(float)


def amplitude(sound, frequency_hz):
    """Amplitude of a sine in a sound that lasts whole seconds, by projection on its exact (quantised) frequency."""
    exact_hz = float(phase_increment(frequency_hz, SAMPLE_RATE_HZ)) * SAMPLE_RATE_HZ / 2**32
    t = np.arange(len(sound)) / SAMPLE_RATE_HZ
    window = np.hanning(len(sound))
    return 2.0 * abs(np.sum(window * sound * np.exp(-2j * np.pi * exact_hz * t))) / window.sum()


@pytest.mark.parametrize("partial", [0, 7, 15, 23, 24])
def test_a_partial_is_one_pure_tone_of_its_gain(partial):
    sound = steady(score(partial=partial, gain=0.1))
    assert amplitude(sound, FREQUENCIES_HZ[partial]) == pytest.approx(0.1, rel=1e-4)
    spectrum = np.abs(np.fft.rfft(sound * np.kaiser(len(sound), 25.0)))
    bins = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    elsewhere = spectrum[np.abs(bins - FREQUENCIES_HZ[partial]) > 5.0]
    assert 20 * np.log10(elsewhere.max() / spectrum.max()) < -100.0


def test_phase_does_not_drift_however_late_it_is():
    """An hour in, a partial is still the pure function of the sample index that it was at the start."""
    instrument = voices()
    instrument._quantum = 3600 * CONTROL_RATE_HZ
    late = bus(instrument.synthesize(instrument.block([(score(partial=12), 200)])))[SAMPLE_RATE_HZ:].astype(float)
    increment = int(phase_increment(FREQUENCIES_HZ[12], SAMPLE_RATE_HZ))
    first = 3601 * SAMPLE_RATE_HZ
    index = (increment * np.arange(first, first + len(late), dtype=object) % 2**32).astype(float)
    basis = np.column_stack([np.cos(2 * np.pi * index / 2**32), np.sin(2 * np.pi * index / 2**32)])
    fitted, *_ = np.linalg.lstsq(basis, late, rcond=None)
    residual = late - basis @ fitted
    assert 20 * np.log10(np.abs(residual).max() / 0.1) < -100.0


@pytest.mark.parametrize("partial", [3, 20])
def test_more_fallbacks_more_overtones_and_the_same_fundamental(partial):
    frequency_hz = FREQUENCIES_HZ[partial]
    energies = []
    for overtone in (0.0, 0.35, 0.7, 1.5):
        sound = steady(score(partial=partial, overtone=overtone))
        assert amplitude(sound, frequency_hz) == pytest.approx(0.1, rel=1e-3)
        energies.append(sum(amplitude(sound, frequency_hz * h) ** 2 for h in (2, 3, 4, 5) if frequency_hz * h < 21_000))
    assert energies[0] < 1e-12
    assert np.all(np.diff(energies) > 0.0)
    assert np.sqrt(energies[-1]) == pytest.approx(0.15, rel=0.01 if partial == 3 else 0.2)


def test_no_overtone_folds_back():
    sound = steady(score(partial=23, overtone=1.5))
    spectrum = np.abs(np.fft.rfft(sound * np.kaiser(len(sound), 25.0)))
    bins = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    expected = [FREQUENCIES_HZ[23] * h for h in (1, 2, 3, 4) if FREQUENCIES_HZ[23] * h < 21_000]
    far = np.all([np.abs(bins - f) > 5.0 for f in expected], axis=0)
    assert 20 * np.log10(spectrum[far].max() / spectrum.max()) < -100.0


@pytest.mark.parametrize("depth", [0.0, 0.3, 0.7, 1.0])
def test_roughness_is_70_hz_sidebands_of_half_its_depth(depth):
    sound = steady(score(partial=12, roughness=depth))
    carrier_hz = FREQUENCIES_HZ[12]
    assert amplitude(sound, carrier_hz) == pytest.approx(0.1, rel=1e-3)
    for sideband_hz in (carrier_hz - 70.0, carrier_hz + 70.0):
        assert amplitude(sound, sideband_hz) == pytest.approx(0.05 * depth, abs=1e-4)


def test_backends_add_as_powers():
    """The start phases of backends differ, so ten backends on one band are about 10 dB louder, not 20."""
    instrument = voices(64)
    made = instrument.synthesize(instrument.block([(score(64, partial=10), 200)]))[100:, :64]
    together = made.sum(axis=1).ravel()
    alone = made[:, 0].ravel()
    gained_db = 20 * np.log10(np.std(together) / np.std(alone))
    assert 14.0 < gained_db < 22.0


def test_silence_in_silence_out():
    instrument = voices(3)
    made = instrument.synthesize(instrument.block([(score(3), 300)]))
    assert not made[:, :3].any()


def test_a_voice_that_ends_is_exactly_silent():
    instrument = voices()
    made = instrument.synthesize(instrument.block([(score(partial=5, glitches=3.0), 50), (score(), 400)]))
    assert made[:50, 0].any()
    assert not made[-100:, 0].any()


def test_levels_glide_without_clicks():
    """A jump of 60 dB in the score has no energy away from the partial beyond that of a 60 ms glide."""
    instrument = voices()
    made = bus(instrument.synthesize(instrument.block([(score(partial=12, gain=1e-4), 100), (score(partial=12), 100)])))
    jump = np.concatenate([np.full(SAMPLE_RATE_HZ, 1e-4), np.full(SAMPLE_RATE_HZ, 0.1)])
    t = np.arange(len(jump)) / SAMPLE_RATE_HZ
    clicking = jump * np.cos(2 * np.pi * FREQUENCIES_HZ[12] * t)

    def away_db(sound):
        around = sound[SAMPLE_RATE_HZ - 4800 : SAMPLE_RATE_HZ + 4800] * np.kaiser(9600, 25.0)
        spectrum = np.abs(np.fft.rfft(around)) ** 2
        bins = np.fft.rfftfreq(9600, 1 / SAMPLE_RATE_HZ)
        return 10 * np.log10(spectrum[np.abs(bins - FREQUENCIES_HZ[12]) > 400].sum() / spectrum.sum())

    assert away_db(made) < -50.0
    assert away_db(clicking) > away_db(made) + 20.0


# -- glitches ------------------------------------------------------------------------------------------------------


def count_bursts(sound):
    """Bursts in a bus, by the jumps of its short-time level."""
    level = np.sqrt(np.mean(sound.reshape(-1, 240) ** 2, axis=1))
    loud = level > 0.01
    return int(np.sum(loud[1:] & ~loud[:-1]) + loud[0])


@pytest.mark.parametrize("glitches", [1, 2, 5, 12])
def test_one_burst_per_glitch(glitches):
    instrument = voices()
    made = instrument.synthesize(instrument.block([(score(glitches=float(glitches)), 300), (score(), 30)]))
    assert count_bursts(bus(made)) == glitches


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60), st.integers(0, 1000))
def test_no_glitch_is_lost_or_invented(counts, seed):
    scheduler = BurstScheduler(Arrangement(), 1, gain=1.0, spacing_quanta=12, seed=seed)
    placed = np.concatenate([scheduler.place(np.array([count]), 100 * i, 100) for i, count in enumerate(counts)])
    assert abs(np.sum(placed[:, 0] > 0) - sum(counts)) <= 1.0 + 1e-6


def test_crowded_glitches_merge_into_louder_bursts_of_the_same_power():
    scheduler = BurstScheduler(Arrangement(), 1, gain=0.1, spacing_quanta=12, seed=0)
    placed = scheduler.place(np.array([1000.0]), 0, 120)[:, 0]
    assert np.sum(placed > 0) == 10
    assert np.sum((placed / 0.1) ** 2) == pytest.approx(1000.0, rel=1e-5)
    assert np.diff(np.flatnonzero(placed)).min() >= 12


def test_a_burst_has_the_level_and_band_of_the_preset():
    peaks, centres = [], []
    for seed in range(40):
        instrument = voices(seed=seed)
        made = bus(instrument.synthesize(instrument.block([(score(glitches=1.0), 30)]))).astype(float)
        begin = np.flatnonzero(np.abs(made) > 1e-4)[0]
        burst = made[begin : begin + 480]
        envelope = 10.0 ** (-3.0 * np.arange(480) / (PRESET.glitches.decay * SAMPLE_RATE_HZ))
        peaks.append(np.mean((burst[48:] / envelope[48:]) ** 2))
        power = np.abs(np.fft.rfft(burst, 4096)) ** 2
        centres.append(np.sum(power * np.fft.rfftfreq(4096, 1 / SAMPLE_RATE_HZ)) / power.sum())
    assert 10 * np.log10(np.mean(peaks)) == pytest.approx(PRESET.glitches.level, abs=1.0)
    assert 2000.0 < np.median(centres) < 6000.0


def test_same_seed_same_bits_other_seed_other_bursts():
    def made(seed):
        instrument = voices(seed=seed)
        return instrument.synthesize(instrument.block([(score(glitches=4.0), 300)]))

    assert np.array_equal(made(1), made(1))
    assert not np.array_equal(made(1), made(2))


# -- freshness -----------------------------------------------------------------------------------------------------

TICKING = dataclasses.replace(SoundPreset(), freshness=Freshness(pilot_level=-40.0))


def signals(*steps, preset=TICKING):
    """The signals' bus over some steps, each (seconds, what the score holds)."""
    instrument = voices(preset=preset)
    block = instrument.block([(score(**values), round(seconds * CONTROL_RATE_HZ)) for seconds, values in steps])
    return instrument.synthesize(block)[:, -1].ravel()


def test_fresh_ticks_once_a_second():
    seconds = signals((3, {})).reshape(3, SAMPLE_RATE_HZ)
    assert np.abs(seconds[0]).max() == pytest.approx(0.01, rel=0.3)
    assert np.array_equal(seconds[0], seconds[1])
    assert not seconds[:, SAMPLE_RATE_HZ // 10 :].any()


def test_losing_the_source_adds_a_sound_and_stops_the_tick():
    fresh, stale, again = signals((1, {}), (1, {"fresh": False}), (1, {})).reshape(3, SAMPLE_RATE_HZ)
    assert np.std(stale) > 10.0 * np.std(fresh)
    assert np.std(again) < 2.0 * np.std(fresh)


def test_a_motif_that_began_is_finished():
    """Even a stale state of 300 ms is heard whole."""
    short = signals((0.3, {"fresh": False}), (1, {}), preset=PRESET)
    long = signals((1.3, {"fresh": False}), preset=PRESET)
    assert np.array_equal(short, long)
    assert np.abs(short[round(0.35 * SAMPLE_RATE_HZ) : round(0.45 * SAMPLE_RATE_HZ)]).max() > 0.01


def test_the_motif_repeats_while_the_source_is_lost():
    sound = signals(*[(0.7, {"fresh": False})] * 10, preset=PRESET)
    onsets = np.abs(sound.reshape(-1, QUANTUM_FRAMES)).max(axis=1) > 1e-4
    assert np.sum(onsets[1:] & ~onsets[:-1]) + onsets[0] == 4  # 7 s, every 2 s


def test_healthy_no_traffic_stale_and_stopped_differ():
    """Pairwise: the mean spectra of the whole sound differ by more than 20 dB somewhere that is audible."""

    def spectrum(values):
        instrument = voices(preset=TICKING)
        made = instrument.synthesize(instrument.block([(score(**values), 400)])).sum(axis=1).ravel()
        power = np.abs(np.fft.rfft(made.reshape(4, -1), axis=1)) ** 2
        bands = power.mean(axis=0)[:24_000].reshape(-1, 200).sum(axis=1)
        return 10 * np.log10(np.maximum(bands, 1e-4))

    states = [spectrum(values) for values in ({"partial": 10, "gain": 0.02}, {}, {"fresh": False}, {})]
    states[3][:] = -40.0  # the engine stopped: silence
    for first in range(4):
        for second in range(first):
            assert np.abs(states[first] - states[second]).max() > 20.0


# -- gauges --------------------------------------------------------------------------------------------------------


def gauge(seconds=4, **values):
    instrument = voices()
    made = instrument.synthesize(instrument.block([(score(**values), seconds * CONTROL_RATE_HZ)]))
    return made[:, -2].ravel().astype(float)


@pytest.mark.parametrize("tempo_hz", [0.8, 3.0, 4.5, 12.0])
def test_the_queue_is_a_pulse_of_its_tempo(tempo_hz):
    sound = gauge(seconds=11, pulse_hz=tempo_hz, pulse_gain=0.1)[SAMPLE_RATE_HZ:]
    envelope = np.abs(sound).reshape(-1, 480).max(axis=1)
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
    assert np.argmax(spectrum) / 10.0 == pytest.approx(tempo_hz, abs=0.05)
    assert envelope.max() == pytest.approx(0.1, rel=0.02)
    assert envelope.min() < 0.01


def test_active_requests_are_a_low_tone_of_their_level():
    sound = gauge(sub_gain=0.05)[SAMPLE_RATE_HZ:]
    assert amplitude(sound, 55.0) == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("num_drums", [1, 6, 12])
def test_each_batch_size_has_its_drum_small_is_high_large_is_low(num_drums):
    centroids, levels = [], []
    for band in range(num_drums):
        instrument = voices(num_drums=num_drums)
        gains = np.zeros(num_drums)
        gains[band] = 0.1
        made = instrument.synthesize(instrument.block([(score(drum_gain=gains), 200)]))[:, -2].ravel().astype(float)
        power = np.abs(np.fft.rfft(made)) ** 2
        centroids.append(np.sum(power * np.fft.rfftfreq(len(made), 1 / SAMPLE_RATE_HZ)) / power.sum())
        levels.append(np.abs(made).max())
    assert np.all(np.diff(centroids) < 0.0)
    assert np.min(levels) > 0.06


@pytest.mark.parametrize("worse", [True, False])
def test_each_panel_has_its_own_earcon(worse):
    sounds = [signals((2, {"alarms": (Alarm(panel.name, worse),)}), preset=PRESET).astype(float) for panel in PANELS]
    for first in range(len(sounds)):
        assert np.abs(sounds[first]).max() > 0.05
        for second in range(first):
            envelopes_of = [np.abs(s).reshape(-1, 960).max(axis=1) > 0.02 for s in (sounds[first], sounds[second])]
            assert np.sum(envelopes_of[0] != envelopes_of[1]) >= 3  # 60 ms of rhythm


def test_up_is_worse_and_down_is_recovered():
    for panel in PANELS:
        for worse in (True, False):
            sound = signals((1.5, {"alarms": (Alarm(panel.name, worse),)}), preset=PRESET).astype(float)
            active = np.flatnonzero(np.abs(sound) > 1e-3)
            middle = (active[0] + active[-1]) // 2
            halves = [sound[active[0] : middle], sound[middle : active[-1]]]
            pitches = []
            for half in halves:
                power = np.abs(np.fft.rfft(half, 2**17)) ** 2
                bins = np.fft.rfftfreq(2**17, 1 / SAMPLE_RATE_HZ)
                low = (bins > 300) & (bins < 700)
                pitches.append(np.sum(bins[low] * power[low]) / power[low].sum())
            assert (pitches[1] > pitches[0]) == worse, panel.name


def test_earcons_follow_each_other_at_a_distance():
    together = tuple(Alarm(panel.name, worse=True) for panel in PANELS[:3])
    sound = signals((6, {"alarms": together}), preset=PRESET)
    silent = np.abs(sound.reshape(-1, QUANTUM_FRAMES)).max(axis=1) < 1e-4
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(int), [0]]))))[::2]
    assert np.sum(runs[:-1] >= 28) >= 2  # two pauses of about 300 ms between three earcons


# -- bars ----------------------------------------------------------------------------------------------------------

SEQUENCED = dataclasses.replace(PRESET, arrangement=Arrangement(mode="sequenced", step=0.2))


def test_in_a_sequence_each_voice_sounds_in_its_own_step_and_nowhere_else():
    bar = bar_quanta(SEQUENCED.arrangement, 3)
    assert bar == 80
    instrument = voices(3, preset=SEQUENCED)
    made = instrument.synthesize(instrument.block([(score(3, partial=8, glitches=2.0), 3 * bar)]))[:, :3]
    sounding = np.abs(made).max(axis=2) > 1e-5
    for voice in range(3):
        place = np.arange(3 * bar) % bar
        own = (place >= 20 * (voice + 1)) & (place < 20 * (voice + 2))
        assert sounding[own, voice].mean() > 0.9
        assert not (sounding[~own, voice] & (place[~own] > 20 * (voice + 2) + 12)).any()


def test_a_step_plays_one_value_however_the_metrics_move():
    """The score changes in the middle of a step: the step keeps the value it began with, the next takes the new one."""
    bar = bar_quanta(SEQUENCED.arrangement, 1)

    def rendered(*steps):
        instrument = voices(1, preset=SEQUENCED)
        return bus(instrument.synthesize(instrument.block(list(steps))))

    moved = rendered((score(partial=8, gain=0.1), 30), (score(partial=8, gain=0.02), 2 * bar - 30))
    first = rendered((score(partial=8, gain=0.1), bar))
    assert np.array_equal(moved[: bar * QUANTUM_FRAMES], first)
    assert np.abs(moved[bar * QUANTUM_FRAMES :]).max() == pytest.approx(0.02, rel=0.05)


def test_a_backend_in_the_red_sounds_on_between_its_steps():
    bar = bar_quanta(SEQUENCED.arrangement, 2)
    instrument = voices(2, preset=SEQUENCED)
    made = instrument.synthesize(instrument.block([(score(2, partial=8, hold=1.0), 3 * bar)]))
    steady = np.abs(made[bar:, 0]).max(axis=1)
    assert steady.min() > 0.09


def test_the_bed_is_as_much_softer_as_the_preset_says():
    arrangement = Arrangement(mode="sequenced", step=0.2, bed=-18.0)
    table = envelopes(arrangement, 2)
    assert table.min() == pytest.approx(10 ** (-18 / 20))
    assert table.max() == 1.0


def test_envelopes_do_not_click():
    """No step of the envelope is a jump: it starts and ends at the bed, and falls evenly in between."""
    table = envelopes(SEQUENCED.arrangement, 2)
    assert table[0].tolist() == table[-1].tolist() == [0.0, 0.0]
    assert table[20, 0] == 0.0
    assert table[21, 0] == 1.0
    assert table[40, 0] == 0.0
    falling = 20 * np.log10(table[21:40, 0])
    assert np.diff(falling) == pytest.approx(np.full(18, -12.0 / 18), abs=1e-4)


# -- pieces --------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 2**31))
def test_any_split_into_quanta_gives_the_same_bits(pieces, seed):
    def block(instrument):
        changing = [
            (
                score(
                    2,
                    partial=i % NUM_PARTIALS,
                    overtone=0.5,
                    roughness=0.2,
                    glitches=0.7,
                    pulse_hz=3.3,
                    pulse_gain=0.1,
                    sub_gain=0.05,
                    alarms=(Alarm("queue_depth", worse=True),),
                    fresh=i % 3 != 0,
                ),
                35,
            )
            for i in range(4)
        ]
        return instrument.block(changing)

    whole = voices(2, seed=seed)
    expected = whole.synthesize(block(whole))
    split = voices(2, seed=seed)
    rest = block(split)
    found = []
    for length in [*pieces, rest.num_quanta]:
        per_quantum = ("step", "burst_gain", "clip_gain")
        piece = rest._replace(**{name: getattr(rest, name)[:length] for name in per_quantum})
        rest = rest._replace(**{name: getattr(rest, name)[length:] for name in per_quantum})
        if piece.num_quanta:
            found.append(split.synthesize(piece))
    assert np.array_equal(np.concatenate(found), expected)
