"""The example service: healthy, and in any state of any panel that is asked for, with the preset's own limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sonify.lessons.example import PANEL_WORDS, backend_names, make_example, state_of, value_in
from sonify.mapping.preset import Compressor, Eq, SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.metrics.panels import PANELS, Limits, State

STATES = (State.GREEN, State.YELLOW, State.RED)


@pytest.mark.parametrize("name", list_sound_presets())
@pytest.mark.parametrize("panel", [panel.name for panel in PANELS])
def test_every_state_of_every_panel_can_be_made(name, panel):
    example = make_example(load_sound_preset(name), 3)
    limits = example.preset.limits[panel]
    made = [state_of(example.preset, panel, example.with_panel(panel, value_in(limits, state))) for state in STATES]
    assert made == list(STATES)


@pytest.mark.parametrize("name", list_sound_presets())
def test_healthy_is_green_all_over(name):
    example = make_example(load_sound_preset(name), 3)
    assert all(state_of(example.preset, panel.name, example.healthy) == State.GREEN for panel in PANELS)
    assert example.healthy.latency_rate.sum(axis=1) == pytest.approx(example.healthy.request_rate)


@given(st.sampled_from(list(PANEL_WORDS)), st.floats(1e-3, 0.3), st.floats(1.3, 3.0))
def test_limits_are_the_presets_own(panel, yellow, ratio):
    preset = replace(SoundPreset(), limits={**SoundPreset().limits, panel: Limits(yellow, yellow * ratio)})
    example = make_example(preset, 2)
    # latencies: not closer together than a band is wide, and not in the very first one
    assume(panel != "latency_p95" or (ratio > 1.6 and yellow > 0.003))
    for state in STATES:
        frame = example.with_panel(panel, value_in(preset.limits[panel], state))
        assert state_of(preset, panel, frame) == state


@pytest.mark.parametrize("p95_s", [0.0015, 0.02, 0.3, 0.71, 4.0, 50.0])
def test_the_p95_is_where_it_was_asked_for(p95_s):
    frame = make_example(SoundPreset(), 2).with_panel("latency_p95", p95_s, 1)
    assert frame.latency_quantile_s(0.95)[1] == pytest.approx(p95_s, rel=0.2)
    assert frame.latency_rate.sum(axis=1) == pytest.approx(frame.request_rate)


@pytest.mark.parametrize("panel", ["request_rate", "latency_p95", "error_ratio", "fallback_ratio", "glitch_rate"])
def test_one_backend_changes_in_one_panel(panel):
    example = make_example(SoundPreset(), 3)
    changed = example.with_panel(panel, value_in(example.preset.limits[panel], State.RED), 1)
    columns = ("request_rate", "error_ratio", "fallback_ratio", "glitch_rate", "latency_rate")
    for column in columns:
        before, after = getattr(example.healthy, column), getattr(changed, column)
        assert np.array_equal(before[[0, 2]], after[[0, 2]])
    alone = {"request_rate": {"request_rate", "latency_rate"}, "latency_p95": {"latency_rate"}}.get(panel, {panel})
    differ = {
        column for column in columns if not np.array_equal(getattr(example.healthy, column), getattr(changed, column))
    }
    assert differ == alone


def test_names_are_those_of_the_preset():
    assert len(backend_names(SoundPreset(), 3)) == 3
    filtered = replace(SoundPreset(), eq=(Eq(backend="shop"),), compressor=Compressor(sidechain="till"))
    assert {"shop", "till"} <= set(backend_names(filtered, 2))
    learned = replace(SoundPreset(), baseline={"api": (0.1,) * 24, "db": (0.2,) * 24})
    assert backend_names(learned, 4) == ("api", "db")
    assert make_example(learned, 2).healthy.request_rate == pytest.approx([2.4, 4.8])
    few = replace(SoundPreset(), arrangement=replace(SoundPreset().arrangement, voices=1))
    assert len(backend_names(few, 3)) == 1


def test_no_traffic_is_zero_and_stale_is_unknown():
    example = make_example(SoundPreset(), 2)
    assert not example.no_traffic().request_rate.any()
    assert example.no_traffic().fresh
    assert np.isnan(example.stale().request_rate).all()
    assert not example.stale().fresh
