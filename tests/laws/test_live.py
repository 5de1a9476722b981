"""Live equals offline: whatever arrives whenever, its recording renders into the very same samples."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES
from sonify.engine import LATENCY_FRAMES, Engine
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import lay_out_for
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.recording_format import load_recording
from sonify.runner.controls import Knobs
from sonify.runner.deck import Deck
from sonify.runner.offline import render_offline
from sonify.runner.played import PlayedRecording
from sonify.runner.player import FADE_QUANTA, Player
from sonify.runner.recording import RecordingFiles

BACKENDS = ("rust", "go", "sql")
EPOCH_S = 1_790_000_000.123


def layout(interval_s=1.0, backends=BACKENDS):
    return Layout(interval_s, backends, LatencyBands().edges_s, np.array([1.0, 2.0, 4.0, np.inf]))


def frame(seed, shape, *, fresh=True):
    """A frame in which everything moves, some of it not measured."""
    if not fresh:
        return MetricFrame.unmeasured(shape, float(seed))
    rng = np.random.default_rng(seed)
    count = shape.num_backends
    latency_rate = rng.gamma(0.3, 3.0, (count, 24))
    return MetricFrame(
        layout=shape,
        t=float(seed),
        request_rate=latency_rate.sum(axis=1),
        error_ratio=np.where(rng.random(count) < 0.3, np.nan, rng.random(count) * 0.1),
        fallback_ratio=rng.random(count) * 0.2,
        glitch_rate=np.where(rng.random(count) < 0.2, np.nan, rng.random(count) * 3.0 / shape.interval_s),
        latency_rate=latency_rate,
        batch_rate=rng.random(3),
        queue_depth=float(rng.random() * 120.0),
        active_requests=float(rng.random() * 30.0),
        fresh=True,
    )


def quiet_frame():
    """Steady traffic that no stage presses down."""
    busy = frame(1, layout())
    return dataclasses.replace(
        busy,
        latency_rate=0.02 * busy.latency_rate,
        request_rate=0.02 * busy.request_rate,
        error_ratio=np.zeros(3),
        fallback_ratio=np.zeros(3),
        glitch_rate=np.zeros(3),
        queue_depth=2.0,
        active_requests=3.0,
    )


class Collect:
    def __init__(self):
        self.parts = []

    def write(self, audio):
        self.parts.append(audio.copy())

    @property
    def audio(self):
        return np.concatenate(self.parts)


def play(preset, arrivals, num_quanta, path, *, block=2, seed=0, speed=1.0):
    """Play frames that arrive before some quantum, each (quantum, frame); audio, and its recording at `path`."""
    recording = PlayedRecording(
        RecordingFiles(path, source="test", say=lambda _line: None), epoch_s=EPOCH_S, speed=speed
    )
    player = Player(lambda played: recording.begin_step(played.frame, played.quantum))
    player.adopt(Deck(preset, [arrivals[0][1]], seed=seed, speed=speed))
    waiting, parts = sorted(arrivals, key=lambda arrival: arrival[0]), []
    while player.quantum < num_quanta:
        while waiting and waiting[0][0] <= player.quantum:
            assert player.take(waiting.pop(0)[1])
        parts.append(player.render(min(block, num_quanta - player.quantum), Knobs()))
    recording.close(player.quantum)
    return np.concatenate(parts)


def render(preset, path, *, seed=0, speed=1.0):
    """What an offline render of a recording plays, in a preset that has its own baseline or none."""
    recording = load_recording(path).on_bands(preset.bands.latency_bands)
    timeline = lay_out_for(preset, recording, speed)
    mapper = Mapper(preset, recording.layout.backends, num_batch_bands=recording.layout.num_batch_bands)
    sink = Collect()
    steps = Scorer(mapper).all(timeline.steps())
    render_offline(Engine(mapper, seed=seed), steps, num_quanta=timeline.num_quanta, sinks=(sink,))
    return sink.audio


def assert_same_sound(live, offline):
    """Live comes later by the limiter; the offline render fades its last 30 ms."""
    length = len(offline) - LATENCY_FRAMES - 1500
    assert length > 3 * QUANTUM_FRAMES
    assert np.array_equal(live[LATENCY_FRAMES : LATENCY_FRAMES + length], offline[:length])


@pytest.mark.parametrize("sound", list_sound_presets())
def test_what_was_played_renders_into_the_same_samples(sound, tmp_path):
    """Early, late, two at once, lost, and back again, in every preset."""
    shape = layout()
    times = (0, 97, 204, 205, 330, 470, 800, 860, 905, 1010)
    arrivals = [(at, frame(seed, shape, fresh=seed != 8)) for seed, at in enumerate(times)]
    preset = load_sound_preset(sound)
    path = tmp_path / "played.jsonl"
    live = play(preset, arrivals, 1200, path)
    recording = load_recording(path)
    assert not recording.gap_before.any()
    assert not recording.fresh.all()
    assert_same_sound(live, render(preset, path))


@settings(max_examples=12)
@given(
    st.lists(st.tuples(st.integers(1, 260), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([0.1, 0.25, 1.0]),
    st.integers(1, 7),
    st.integers(0, 1000),
    st.sampled_from([1.0, 4.0]),
)
def test_whatever_arrives_whenever_sounds_the_same_offline(tmp_path_factory, gaps, interval_s, block, seed, speed):
    shape = layout(interval_s * speed)
    at, arrivals = 0, [(0, frame(seed, shape))]
    for index, (gap, fresh) in enumerate(gaps):
        at += max(round(gap * interval_s), 1)
        arrivals.append((at, frame(seed + index + 1, shape, fresh=fresh)))
    preset = load_sound_preset("code-live")
    path = tmp_path_factory.mktemp("live") / "played.jsonl"
    live = play(preset, arrivals, at + 300, path, block=block, seed=seed, speed=speed)
    assert_same_sound(live, render(preset, path, seed=seed, speed=speed))


def test_all_glitches_are_played(tmp_path):
    shape = layout(0.25)
    arrivals = [(25 * i, frame(i, shape)) for i in range(40)]
    path = tmp_path / "played.jsonl"
    play(load_sound_preset("code-live"), arrivals, 1030, path)
    recording = load_recording(path)
    counted = np.nansum([np.nan_to_num(f.glitch_rate) * 0.25 for _, f in arrivals])
    assert np.nansum(recording.glitch_rate) * recording.layout.interval_s == pytest.approx(counted, rel=1e-6)


# -- changes of preset and layout ----------------------------------------------------------------------------------


def changed(before, after, *, first, then, at=400, num_quanta=900):
    """Audio across a change of preset or layout, block by block, and the steps that began."""
    steps = []
    player = Player(steps.append)
    player.adopt(Deck(before, [first], seed=0))
    player.take(first)
    parts = []
    while player.quantum < num_quanta:
        if player.quantum == at:
            player.adopt(Deck(after, [then], seed=0))
            player.take(then)
        elif player.quantum % 100 == 0:
            player.take(first if player.quantum < at else then)
        parts.append(player.render(2, Knobs()))
    return np.concatenate(parts), steps


def steepest(audio):
    """Largest jump of the slope from sample to sample: what a click is."""
    return np.abs(np.diff(audio, n=2, axis=0)).max()


@pytest.mark.parametrize("sound", ["night-shift", "organ", "accessible"])
def test_another_preset_fades_in_without_a_click_or_a_gap(sound):
    one, other = load_sound_preset("code-live"), load_sound_preset(sound)
    calm = dataclasses.replace(frame(1, layout()), glitch_rate=np.zeros(3))
    audio, _ = changed(one, other, first=calm, then=calm)
    fade = audio[400 * QUANTUM_FRAMES : (400 + FADE_QUANTA) * QUANTUM_FRAMES]
    alone = max(steepest(audio[: 400 * QUANTUM_FRAMES]), steepest(audio[500 * QUANTUM_FRAMES :]))
    assert steepest(fade) <= 1.5 * alone
    level = np.sqrt(np.mean(audio.reshape(-1, 10 * QUANTUM_FRAMES, 2) ** 2, axis=(1, 2)))
    assert level[40:50].min() > 0.2 * min(level[30:40].min(), level[55:65].min())


def test_a_backend_that_appears_fades_in_and_calls_no_alarm_again():
    preset = load_sound_preset("code-live")
    bad = dataclasses.replace(frame(1, layout()), queue_depth=500.0)
    wide = dataclasses.replace(frame(2, layout(backends=("rust", "go", "sql", "ts"))), queue_depth=500.0)
    audio, steps = changed(preset, preset, first=bad, then=wide)
    assert {len(step.frame.request_rate) for step in steps} == {3, 4}
    assert next(step.quantum for step in steps if len(step.frame.request_rate) == 4) == 400
    assert np.isfinite(audio).all()


def test_the_ceiling_holds_across_a_change():
    from sonify.dsp.meter import LoudnessMeter

    preset = load_sound_preset("code-live")
    loud = dataclasses.replace(
        preset, level=dataclasses.replace(preset.level, reference_level=-8.0, top=0.0), compressor=preset.compressor
    )
    full = dataclasses.replace(frame(3, layout()), latency_rate=np.full((3, 24), 500.0))
    audio, _ = changed(loud, dataclasses.replace(loud, name="other"), first=full, then=full, num_quanta=600)
    meter = LoudnessMeter(48_000, 2)
    meter.process(audio.T)
    assert -3.0 < meter.true_peak_dbtp() <= -1.0


# -- controls ------------------------------------------------------------------------------------------------------


def knobbed(knobs, seconds=2.0, at_s=1.0, preset="code-live"):
    """A steady frame, with knobs turned after a second."""
    calm = quiet_frame()
    player = Player()
    player.adopt(Deck(load_sound_preset(preset), [calm], seed=0))
    parts = []
    while player.quantum < seconds * CONTROL_RATE_HZ:
        if player.quantum % 100 == 0:
            player.take(calm)
        parts.append(player.render(2, knobs if player.quantum >= at_s * CONTROL_RATE_HZ else Knobs()))
    return np.concatenate(parts)


@pytest.mark.parametrize(
    "knobs",
    [
        Knobs(trim_db=-12.0),
        Knobs(trim_db=6.0),
        Knobs(soloed=frozenset({"go"})),
        Knobs(muted=frozenset({"go"})),
        Knobs(eq=0.0, compressor=0.0, reverb=0.0),
        Knobs(eq=2.0, compressor=2.0, reverb=2.0),
        Knobs(is_muted=True),
    ],
)
def test_controls_change_the_sound_without_a_click(knobs):
    plain, turned = knobbed(Knobs()), knobbed(knobs)
    half = 48_000 + LATENCY_FRAMES
    assert np.array_equal(plain[: half - LATENCY_FRAMES], turned[: half - LATENCY_FRAMES])
    assert not np.array_equal(plain[half:], turned[half:])
    change, after = turned[half - 1000 : half + 14_400], turned[half + 14_400 :]
    assert steepest(change) <= 1.5 * max(steepest(plain), steepest(after))


def test_trim_is_a_level_in_db_and_mute_is_silence():
    plain, softer, muted = knobbed(Knobs()), knobbed(Knobs(trim_db=-12.0)), knobbed(Knobs(is_muted=True))
    end = slice(-24_000, None)
    ratio_db = 20.0 * np.log10(np.std(softer[end]) / np.std(plain[end]))
    assert ratio_db == pytest.approx(-12.0, abs=0.5)
    assert not muted[end].any()


def test_the_end_is_a_fade():
    calm = frame(1, layout())
    player = Player()
    player.adopt(Deck(load_sound_preset("code-live"), [calm], seed=0))
    player.take(calm)
    player.render(100, Knobs())
    player.end()
    last = player.render(30, Knobs())
    assert player.has_ended
    assert not last[-480:].any()
    assert np.abs(last[:480]).max() > 0.0
