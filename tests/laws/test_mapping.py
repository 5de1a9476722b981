"""Laws of the mapping: more is never quieter, slower is never lower, what was not measured is not played."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.mapping.mapper import Mapper, learn_baseline
from sonify.mapping.preset import Level, SoundPreset
from sonify.mapping.timeline import lay_out
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.recording import Recording

PRESET = SoundPreset()
BANDS = PRESET.bands.latency_bands
LAYOUT = Layout(5.0, ("rust", "go"), BANDS.edges_s, np.array([]))
MAPPER = Mapper(PRESET, LAYOUT.backends)
NORMAL = np.tile(np.linspace(0.0, 5.0, 24), (2, 1))
MAPPER_WITH_BASELINE = Mapper(PRESET, LAYOUT.backends, NORMAL)

rates = st.lists(st.floats(0.0, 1e5), min_size=24, max_size=24)
ratios = st.floats(0.0, 1.0)


def frame(latency_rate=None, t=5.0, **values):
    blank = MetricFrame.unmeasured(LAYOUT, t, fresh=True)
    rate = np.full((2, 24), np.nan) if latency_rate is None else np.vstack([latency_rate, np.zeros(24)])
    return dataclasses.replace(blank, latency_rate=rate, **values)


def gains(latency_rate, mapper=MAPPER):
    return mapper.partial_gain(frame(latency_rate))[0]


@pytest.mark.parametrize("mapper", [MAPPER, MAPPER_WITH_BASELINE])
@given(rates, st.integers(0, 23), st.floats(0.0, 1e5))
def test_more_traffic_is_never_quieter(mapper, rate, band, more):
    raised = list(rate)
    raised[band] += more
    before, after = gains(rate, mapper), gains(raised, mapper)
    assert np.all(after >= before)


@given(rates)
def test_no_traffic_is_silent_and_traffic_is_not(rate):
    gain = gains(rate)
    assert np.all((gain[:24] > 0.0) == (np.array(rate) > 0.0))


def test_slower_is_higher_and_with_the_other_polarity_lower():
    assert np.all(np.diff(MAPPER.frequencies_hz[:-1]) > 0.0)
    low = dataclasses.replace(PRESET, pitch=dataclasses.replace(PRESET.pitch, polarity="slow is low"))
    assert np.all(np.diff(Mapper(low, ("a",)).frequencies_hz[:-1]) < 0.0)


@given(st.floats(1e-4, 100.0), st.floats(1e-4, 100.0))
def test_a_latency_is_heard_where_its_band_is(a_s, b_s):
    low, high = sorted([a_s, b_s])
    assert MAPPER.frequency_hz_of_latency(low) <= MAPPER.frequency_hz_of_latency(high)


def test_band_centres_are_heard_at_their_notes():
    found = [MAPPER.frequency_hz_of_latency(centre_s) for centre_s in BANDS.centres_s]
    assert found == pytest.approx(MAPPER.frequencies_hz[:-1])


def test_level_rises_10_db_per_decade_of_rate_and_of_latency():
    flat = dataclasses.replace(PRESET, level=Level(equal_loudness=0.0, top=0.0))
    mapper = Mapper(flat, LAYOUT.backends)
    level_db = 20 * np.log10(gains(np.full(24, 1.0), mapper)[:24])
    ten_db = 20 * np.log10(gains(np.full(24, 10.0), mapper)[:24])
    assert ten_db - level_db == pytest.approx(np.full(24, 10.0))
    assert np.diff(level_db) == pytest.approx(10.0 * np.diff(np.log10(BANDS.centres_s)))


def test_what_is_normal_recedes_but_never_over_the_red_limit():
    rate = NORMAL[0]
    with_db = 20 * np.log10(np.maximum(gains(rate, MAPPER_WITH_BASELINE)[:24], 1e-12))
    without_db = 20 * np.log10(np.maximum(gains(rate)[:24], 1e-12))
    heard = rate > 0.0
    red = BANDS.centres_s > 1.0
    assert (without_db - with_db)[heard & ~red] == pytest.approx(15.0)
    assert (without_db - with_db)[heard & red] == pytest.approx(0.0, abs=1e-9)


@given(ratios, ratios)
def test_more_fallbacks_more_overtones_more_errors_rougher(a, b):
    low, high = sorted([a, b])
    ratio = np.array([low, high])
    score = MAPPER.score(frame(error_ratio=ratio, fallback_ratio=ratio), np.zeros(2))
    assert score.overtone_gain[0] <= score.overtone_gain[1]
    assert score.roughness_depth[0] <= score.roughness_depth[1] <= 1.0


def test_what_was_not_measured_is_not_played():
    score = MAPPER.score(MetricFrame.unmeasured(LAYOUT, 0.0), np.full(2, np.nan))
    for name in ("partial_gain", "overtone_gain", "roughness_depth", "hold_ratio", "glitch_count"):
        assert not getattr(score, name).any()
    assert not score.fresh


def test_traffic_without_latency_has_a_place_of_its_own():
    gain = MAPPER.partial_gain(frame(request_rate=np.array([10.0, np.nan])))
    assert gain[0, -1] > 0.0
    assert not gain[0, :-1].any()
    assert not gain[1].any()
    assert MAPPER.frequencies_hz[-1] < MAPPER.frequencies_hz[:-1].min()


@given(st.lists(st.one_of(st.floats(), st.just(np.nan)), min_size=24, max_size=24), st.floats(), st.floats())
def test_scores_are_finite_whatever_comes_in(rate, ratio, count):
    odd = frame(np.array(rate), error_ratio=np.full(2, ratio), fallback_ratio=np.full(2, ratio))
    score = MAPPER_WITH_BASELINE.score(odd, np.full(2, count))
    for name in ("partial_gain", "overtone_gain", "roughness_depth", "hold_ratio", "glitch_count"):
        assert np.isfinite(getattr(score, name)).all()
        assert (getattr(score, name) >= 0.0).all()


# -- time ----------------------------------------------------------------------------------------------------------


def recording(t, **columns):
    frames = [frame(np.zeros(24), t=float(when)) for when in t]
    stacked = Recording.from_frames(LAYOUT, frames)
    return dataclasses.replace(stacked, **columns)


@given(st.integers(1, 400), st.floats(0.5, 5000.0))
def test_steps_fill_time_without_overlap_and_none_is_too_short(num_frames, speed):
    timeline = lay_out(
        recording(5.0 * np.arange(1, num_frames + 1)), speed=speed, shortest_step_s=0.3, red_latency_s=1.0
    )
    lengths = np.diff(timeline.starts)
    assert timeline.starts[0] == 0
    assert lengths.sum() == timeline.num_quanta
    assert lengths.min() >= min(30, timeline.num_quanta)
    assert abs(timeline.num_quanta - num_frames * 500 / speed) <= 1.0


@given(st.lists(st.floats(0.0, 50.0), min_size=40, max_size=40), st.sampled_from([1.0, 10.0, 100.0, 660.0]))
def test_glitches_are_conserved(glitch_rate, speed):
    column = np.column_stack([glitch_rate, np.zeros(40)])
    timeline = lay_out(
        recording(5.0 * np.arange(1, 41), glitch_rate=column), speed=speed, shortest_step_s=0.3, red_latency_s=1.0
    )
    assert sum(step.glitch_count[0] for step in timeline.steps()) == pytest.approx(sum(glitch_rate) * 5.0)


@given(st.integers(0, 199))
def test_the_shortest_outage_survives_compression(when):
    """One frame in a thousand seconds played in three: its errors and its slow requests keep their full value."""
    errors, slow = np.zeros((200, 2)), np.zeros((200, 2, 24))
    errors[when, 0], slow[when, 0, 23] = 1.0, 7.0
    timeline = lay_out(
        recording(5.0 * np.arange(1, 201), error_ratio=errors, latency_rate=slow),
        speed=1000 / 3.0,
        shortest_step_s=0.3,
        red_latency_s=1.0,
    )
    steps = list(timeline.steps())
    assert max(step.frame.error_ratio[0] for step in steps) == 1.0
    assert max(step.frame.latency_rate[0, 23] for step in steps) == 7.0


@pytest.mark.parametrize("speed", [1.0, 40.0])
def test_a_gap_is_stale(speed):
    t = np.concatenate([5.0 * np.arange(1, 21), 5.0 * np.arange(61, 81)])
    timeline = lay_out(recording(t), speed=speed, shortest_step_s=0.3, red_latency_s=1.0)
    stale = sum(step.num_quanta for step in timeline.steps() if not step.frame.fresh) / 100
    assert stale == pytest.approx(200.0 / speed, abs=0.6)


def test_averages_are_of_what_was_measured():
    rate = np.full((4, 2), np.nan)
    rate[0, 0], rate[1, 0] = 2.0, 4.0
    timeline = lay_out(
        recording(5.0 * np.arange(1, 5), request_rate=rate), speed=100.0, shortest_step_s=0.3, red_latency_s=1.0
    )
    (step,) = timeline.steps()
    assert step.frame.request_rate[0] == 3.0
    assert np.isnan(step.frame.request_rate[1])


def test_a_baseline_is_the_median_of_fresh_frames():
    rate = np.zeros((5, 2, 24))
    rate[:, 0, 3] = [1.0, 1.0, 1.0, 100.0, 100.0]
    fresh = np.array([True, True, True, True, False])
    assert learn_baseline(recording(5.0 * np.arange(1, 6), latency_rate=rate, fresh=fresh))[0, 3] == 1.0
