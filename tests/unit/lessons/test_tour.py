"""The legend is heard to be what its captions say: features of the sound of each stage, for both arrangements."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from sonify.dsp.meter import LoudnessMeter
from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.lessons.playing import play_tour
from sonify.lessons.tour import make_tour
from sonify.mapping.preset import Pitch, SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.mapping.scales import frequency_hz_of_note
from sonify.metrics.panels import PANELS, Limits

SCENES = ["healthy", "backends", "traffic", "latency", "fallbacks", "errors", "glitches", "queue", "active", "batches"]
SCENES += ["no traffic", "stale", "stopped"]


class Ear:
    """A sink that keeps what it hears."""

    def __init__(self):
        self.parts = []

    def write(self, audio):
        self.parts.append(audio.copy())


class Heard:
    """The legend of a preset, and pieces of its sound."""

    def __init__(self, preset):
        self.preset = preset
        self.tour = make_tour(preset)
        ear = Ear()
        play_tour(self.tour, (ear,))
        self.audio = np.concatenate(ear.parts).astype(float)

    def stages(self, scene, *, skip=0.0):
        """Mono sound of each stage of a scene, without its first share."""
        return [stage.mean(axis=1) for stage in self.stereo(scene, skip=skip)]

    def stereo(self, scene, *, skip=0.0):
        cut = []
        for caption in self.tour.captions:
            if caption.scene == scene:
                begin, end = round(caption.begin_s * SAMPLE_RATE_HZ), round(caption.end_s * SAMPLE_RATE_HZ)
                cut.append(self.audio[begin + round(skip * (end - begin)) : end])
        return cut


def without_earcons(preset):
    return replace(preset, alarms=replace(preset.alarms, level=-90.0))


@pytest.fixture(scope="module", params=["code-live", "organ"])
def heard(request):
    """Without earcons, which would be in every spectrum."""
    return Heard(without_earcons(load_sound_preset(request.param)))


def level_db(sound):
    return 10.0 * np.log10(np.mean(sound**2) + 1e-12)


def band_db(sound, low_hz, high_hz):
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    bins = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    return 10.0 * np.log10(power[(bins >= low_hz) & (bins < high_hz)].sum() / len(sound) ** 2 + 1e-20)


def centroid_hz(sound, low_hz=100.0, high_hz=8000.0):
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    bins = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    kept = (bins >= low_hz) & (bins <= high_hz)
    return np.exp(np.sum(np.log(bins[kept]) * power[kept]) / power[kept].sum())


def filtered(sound, kind, *edges_hz):
    return sosfiltfilt(
        butter(4, edges_hz if len(edges_hz) > 1 else edges_hz[0], kind, fs=SAMPLE_RATE_HZ, output="sos"), sound
    )


def short_level_db(sound, frames=240):
    return 10.0 * np.log10(np.mean(sound[: len(sound) // frames * frames].reshape(-1, frames) ** 2, axis=1) + 1e-12)


# -- the form ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_sound_presets())
def test_about_a_minute_and_every_scene_in_order(name):
    tour = make_tour(load_sound_preset(name))
    assert 55.0 <= tour.num_quanta / CONTROL_RATE_HZ <= 75.0
    assert list(dict.fromkeys(caption.scene for caption in tour.captions)) == SCENES
    assert tour.captions[0].begin_s == 0.0
    assert tour.captions[-1].end_s == tour.num_quanta / CONTROL_RATE_HZ
    assert all(before.end_s == after.begin_s for before, after in pairwise(tour.captions))


@pytest.mark.parametrize("step", [0.1, 0.25, 0.4, 0.7])
@pytest.mark.parametrize("mode", ["sequenced", "sustained"])
def test_about_a_minute_for_other_bars_too(mode, step):
    arrangement = replace(SoundPreset().arrangement, mode=mode, step=step)
    assert 55.0 <= make_tour(replace(SoundPreset(), arrangement=arrangement)).num_quanta / CONTROL_RATE_HZ <= 80.0


@pytest.mark.parametrize("name", list_sound_presets())
def test_every_panel_calls_up_and_down_in_its_own_scene(name):
    preset = load_sound_preset(name)
    loud = replace(preset, alarms=replace(preset.alarms, level=-20.0))
    scenes = dict(zip([panel.name for panel in PANELS], [""] * len(PANELS), strict=True))
    scenes.update(request_rate="traffic", error_ratio="errors", latency_p95="latency", fallback_ratio="fallbacks")
    scenes.update(glitch_rate="glitches", queue_depth="queue", active_requests="active")
    words = {"active": "active requests"}
    for scene in scenes.values():
        called = [call for caption in make_tour(loud).captions if caption.scene == scene for call in caption.earcons]
        word = words.get(scene, scene)
        assert called == [f"{word}, rising", f"{word}, rising", f"{word}, falling"]


def test_what_is_off_is_said_to_be_off():
    preset = SoundPreset()
    quiet = replace(
        without_earcons(preset),
        gauges=replace(preset.gauges, pulse_level=-90.0, sub_level=-90.0, drum_level=-90.0),
        freshness=replace(preset.freshness, pilot_level=-90.0),
    )
    tour = make_tour(quiet)
    texts = {caption.scene: caption.text for caption in tour.captions}
    assert all("off in this preset" in texts[scene] for scene in ("queue", "active", "batches"))
    assert "no tick" in texts["no traffic"]
    assert not any(caption.earcons for caption in tour.captions)
    turned = make_tour(replace(preset, pitch=Pitch(polarity="slow is low")))
    assert "slow is low" in next(caption.text for caption in turned.captions if caption.scene == "latency")


def test_nobody_waits_for_what_comes_once_a_minute():
    preset = SoundPreset()
    rare = replace(
        preset,
        arrangement=replace(preset.arrangement, bar=60.0),
        freshness=replace(preset.freshness, pilot_period=60.0, stale_period=30.0),
    )
    tour = make_tour(rare)
    texts = {caption.scene: caption.text for caption in tour.captions}
    assert 55.0 <= tour.num_quanta / CONTROL_RATE_HZ <= 75.0
    assert "in earnest only every 60 s" in texts["no traffic"]
    assert "in earnest only every 30 s" in texts["stale"]
    assert "in earnest" not in "".join(caption.text for caption in make_tour(preset).captions)


def test_captions_tell_the_limits_of_the_preset():
    preset = replace(SoundPreset(), limits={**SoundPreset().limits, "queue_depth": Limits(1000.0, 4000.0)})
    details = [caption.detail for caption in make_tour(preset).captions if caption.scene == "queue"]
    assert details == ["400: green", "2000: yellow", "12000: red", "normal again: green"]


def test_it_waits_for_what_is_said():
    preset = load_sound_preset("code-live")
    silent = make_tour(preset)
    spoken = make_tour(preset, lambda texts: [2.0] * len(texts))
    assert len(spoken.spoken_at_quantum) == len(SCENES)
    assert len(spoken.captions) == len(silent.captions) + len(SCENES)
    first = dict.fromkeys(SCENES)
    for caption in spoken.captions:
        first[caption.scene] = first[caption.scene] or caption
    for quantum, scene in zip(spoken.spoken_at_quantum, SCENES, strict=True):
        assert quantum == round(first[scene].begin_s * CONTROL_RATE_HZ)
        assert first[scene].end_s - first[scene].begin_s >= 2.0


# -- the sound -----------------------------------------------------------------------------------------------------


def test_the_sound_is_as_long_as_its_captions(heard):
    assert len(heard.audio) == heard.tour.num_quanta * QUANTUM_FRAMES
    assert round(heard.tour.captions[-1].end_s * SAMPLE_RATE_HZ) == len(heard.audio)


def test_traffic_gets_louder(heard):
    levels = [level_db(stage) for stage in heard.stages("traffic", skip=0.4)]
    assert np.all(np.diff(levels[:-1]) > 1.5)  # the compressor holds the last step back
    assert levels[-2] - levels[0] > 12.0
    assert levels[-1] < levels[-2] - 4.0


def test_latency_rises_in_pitch_and_begins_with_its_caption(heard):
    centroids = [centroid_hz(stage) for stage in heard.stages("latency", skip=0.5)]
    assert np.all(np.diff(np.log2(centroids[:-1])) > 0.15)
    assert centroids[-2] > 10.0 * centroids[0]


def test_backends_go_from_left_to_right(heard):
    balance = [level_db(stage[:, 0]) - level_db(stage[:, 1]) for stage in heard.stereo("backends", skip=0.3)]
    assert np.all(np.diff(balance) < -2.0)
    assert balance[0] > 3.0
    assert balance[-1] < -3.0


def test_fallbacks_add_overtones(heard):
    """Over the highest note of the healthy service, where nothing but overtones can be."""
    high_db = [band_db(stage, 1700.0, 6000.0) for stage in heard.stages("fallbacks", skip=0.4)]
    assert np.all(np.diff(high_db[:-1]) > 2.0)
    assert high_db[-1] < high_db[-2] - 6.0


def test_errors_flutter_at_the_rate_of_the_preset(heard):
    def flutter(stage):
        """Power of the envelope at the modulation rate against all of it, of the notes that are there anyway."""
        envelope = filtered(stage, "bandpass", 350.0, 1400.0) ** 2
        return np.abs(np.fft.rfft(envelope * np.hanning(len(envelope)))) ** 2

    depths = []
    for stage in heard.stages("errors", skip=0.3):
        power, bins = flutter(stage), np.fft.rfftfreq(len(stage), 1 / SAMPLE_RATE_HZ)
        near = np.abs(bins - heard.preset.roughness.rate) < 3.0
        depths.append(10.0 * np.log10(power[near].sum() / power[bins < 3.0].sum()))
    assert depths[0] < depths[1] < depths[2]
    assert depths[2] > depths[3] + 5.0


def test_glitches_are_counted_bursts(heard):
    counts = []
    for stage in heard.stages("glitches"):
        loud = short_level_db(filtered(stage, "highpass", 6000.0)) > -58.0
        counts.append(int(np.sum(loud[1:] & ~loud[:-1]) + loud[0]))
    assert counts[0] == 1
    assert 2 <= counts[1] <= 3
    assert counts[2] > counts[1]
    assert counts[3] == 0


def test_a_deeper_queue_pulses_faster(heard):
    note_hz = float(frequency_hz_of_note(heard.preset.gauges.pulse_note))
    tempos = []
    for stage in heard.stages("queue")[:3]:
        envelope = short_level_db(filtered(stage, "bandpass", 0.93 * note_hz, 1.07 * note_hz))
        amplitude = 10.0 ** (envelope / 20.0)
        spectrum = np.abs(np.fft.rfft((amplitude - amplitude.mean()) * np.hanning(len(amplitude)), 1 << 14))
        tempos.append(np.argmax(spectrum) * 200.0 / (1 << 14))
    assert tempos[0] < 0.8 * tempos[1] < 0.64 * tempos[2]


def test_active_requests_swell_in_the_bass(heard):
    note_hz = float(frequency_hz_of_note(heard.preset.gauges.sub_note))
    levels = [band_db(stage, 0.9 * note_hz, 1.1 * note_hz) for stage in heard.stages("active", skip=0.3)]
    assert np.all(np.diff(levels[:-1]) > 5.0)
    assert levels[-1] < levels[-2] - 10.0


def test_drums_get_lower_as_batches_get_larger(heard):
    """What the drums add to the same legend without them."""
    dull = replace(heard.preset, gauges=replace(heard.preset.gauges, drum_level=-90.0))
    added = [one - other for one, other in zip(heard.stages("batches"), Heard(dull).stages("batches"), strict=True)]
    centroids = [centroid_hz(drums, 40.0) for drums in added]
    assert all(np.abs(drums).max() > 1e-3 for drums in added)
    assert np.all(np.diff(np.log2(centroids)) < -1.0)


def test_the_four_states_are_never_alike(heard):
    (healthy,), (idle,), (lost,), (stopped,) = (
        heard.stages(scene, skip=skip)
        for scene, skip in (("healthy", 0.3), ("no traffic", 0.5), ("stale", 0.0), ("stopped", 0.0))
    )
    assert not np.abs(stopped).any()
    assert level_db(healthy) > level_db(idle) + 15.0
    assert short_level_db(idle).max() > -75.0  # the tick
    assert level_db(lost) > level_db(idle) + 15.0
    assert not heard.tour.scores[-1][0].fresh


def test_earcons_begin_with_their_captions():
    """What alarms add to the same legend without them: sound at each caption that tells of one, and nowhere else."""
    preset = load_sound_preset("code-live")
    calling = Heard(preset)
    added = np.abs(calling.audio - Heard(without_earcons(preset)).audio).max(axis=1)
    starts = [round(caption.begin_s * SAMPLE_RATE_HZ) for caption in calling.tour.captions if caption.earcons]
    assert len(starts) == 3 * len(PANELS)
    elsewhere = added.copy()
    for start in starts:
        assert added[start : start + SAMPLE_RATE_HZ // 10].max() > 0.05
        elsewhere[start : start + SAMPLE_RATE_HZ] = 0.0
    assert elsewhere.max() < 0.01


@pytest.mark.parametrize("name", list_sound_presets())
def test_it_stays_under_the_ceiling(name):
    meter = LoudnessMeter(SAMPLE_RATE_HZ, 2)
    audio = Heard(load_sound_preset(name)).audio.astype(np.float32)
    meter.process(np.ascontiguousarray(audio.T))
    assert np.isfinite(audio).all()
    assert meter.true_peak_dbtp() <= -1.0
