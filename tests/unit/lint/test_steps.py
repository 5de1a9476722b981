"""Steps from green to yellow to red are large enough to be noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.lint.steps import WANTED_JND, roughness_asper, steps_of
from sonify.mapping.preset import SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset, parse_sound_preset
from sonify.metrics.panels import PANELS


def step(toml, panel):
    return next(one for one in steps_of(parse_sound_preset(toml, "my.toml", "my")) if one.panel == panel)


@pytest.mark.parametrize("panel", [panel.name for panel in PANELS])
@pytest.mark.parametrize("name", list_sound_presets())
def test_every_step_of_every_shipped_preset_is_noticed(name, panel):
    found = next(one for one in steps_of(load_sound_preset(name)) if one.panel == panel)
    assert min(found.jnd) >= WANTED_JND, str(found)


def test_every_panel_with_limits_is_judged():
    assert [one.panel for one in steps_of(SoundPreset())] == [panel.name for panel in PANELS]


@pytest.mark.parametrize("depth_asper", [(0.1, 0.025), (0.3, 0.10), (0.6, 0.59), (1.0, 1.87)])
def test_roughness_is_what_was_measured(depth_asper):
    assert roughness_asper(depth_asper[0]) == pytest.approx(depth_asper[1])


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_deeper_is_never_less_rough(one, other):
    assert (roughness_asper(one) <= roughness_asper(other)) or one > other


@pytest.mark.parametrize(
    ("toml", "panel"),
    [
        ('[level]\nrate_slope = "2 dB"\nbaseline_depth = "0 dB"', "request_rate"),
        ('[roughness]\ndepth = [["0%", 0.5], ["100%", 0.51]]', "error_ratio"),
        ('[bands]\nlow = "1us"\nhigh = "10000s"\ncount = 4', "latency_p95"),
        ('[overtones]\namount = [["0%", 0.5], ["100%", 0.6]]', "fallback_ratio"),
        ("[gauges]\npulse_rate = [[0, 4.0], [1000, 4.2]]", "queue_depth"),
        ('[gauges]\nsub_slope = "1 dB"', "active_requests"),
        ('[gauges]\ntop = "-40 dBFS"', "active_requests"),
        ("[limits]\nqueue_depth = [50, 50]\n[gauges]\npulse_rate = [[0, 1.0], [25, 3.0], [100, 3.2]]", "queue_depth"),
    ],
)
def test_a_step_that_is_too_small_is_found(toml, panel):
    assert not step(toml, panel).is_clear


def test_one_semitone_is_twenty_just_noticeable_differences():
    found = step("", "latency_p95")
    semitones = found.heard[1] - found.heard[0]
    assert found.jnd[0] == pytest.approx(semitones * 19.28, rel=0.01)


def test_strong_compression_makes_the_steps_of_traffic_smaller():
    free = step("[compressor]\nratio = 1.0", "request_rate")
    pressed = step('[compressor]\nratio = 8.0\nthreshold = "-40 dBFS"', "request_rate")
    assert max(pressed.jnd) < min(free.jnd)
