import dataclasses
import tomllib

import pytest

from sonify.errors import PresetError
from sonify.mapping.preset import SECTIONS, Eq, SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset, parse_sound_preset
from sonify.mapping.schema import key_of
from sonify.metrics.panels import PANELS, Limits, State
from sonify.paths import presets_dir


def parse(toml):
    return parse_sound_preset(toml, "my.toml", "my")


def test_an_empty_preset_is_all_defaults():
    assert dataclasses.replace(parse(""), name="default") == SoundPreset()


@pytest.mark.parametrize("name", list_sound_presets())
def test_shipped_presets_load_and_say_what_they_are_for(name):
    assert load_sound_preset(name).purpose


def test_the_default_preset_spells_out_every_key():
    table = tomllib.loads((presets_dir() / "sound" / "code-live.toml").read_text())
    for section, kind in SECTIONS.items():
        assert set(table[section]) == {field.name for field in dataclasses.fields(kind)}, section
    assert set(table["limits"]) == {panel.name for panel in PANELS}
    assert load_sound_preset("code-live").limits == SoundPreset().limits


def test_quantities_take_units():
    preset = parse('[level]\nreference_rate = "60/min"\nreference_latency = "250ms"\n[glitches]\ncentre = "2 kHz"')
    assert preset.level.reference_rate == pytest.approx(1.0)
    assert preset.level.reference_latency == pytest.approx(0.25)
    assert preset.glitches.centre == pytest.approx(2000.0)


def test_tuning_filters_keep_the_systems_units():
    preset = parse('[[eq]]\nat = "120ms"\nbackend = "rust"\n[compressor]\nthreshold = "800 req/s"')
    assert preset.eq == (Eq(at="120ms", backend="rust"),)
    assert preset.compressor.threshold == "800 req/s"


BAD = [
    ("[level]\nrate_slop = 3", ["level.rate_slop", "did you mean rate_slope"]),
    ("[levl]", ["levl", "did you mean level"]),
    ("[level]\nrate_slope = 99", ["level.rate_slope", "99", "from 1 to 40 dB"]),
    ('[level]\nrate_slope = "3 Hz"', ["level.rate_slope", "3 Hz", "dB"]),
    ("[level]\nrate_slope = true", ["level.rate_slope"]),
    ("[bands]\ncount = 4.5", ["bands.count", "whole number"]),
    ('[pitch]\nscale = "dorian"', ["pitch.scale", "dorian", "minor pentatonic"]),
    ("[[eq]]\nshape = 'bel'", ["eq[0].shape", "bell"]),
    ("[eq]\nshape = 'bell'", ["eq", "[[eq]]"]),
    ("level = 3", ["level", "table"]),
    ("title = 3", ["title", "text"]),
    ("[limits]\nerror_ratio = ['5%', '1%']", ["limits.error_ratio", "rising"]),
    ("[limits]\nerror_ratio = 3", ["limits.error_ratio"]),
    ("[limits]\nerrors = [1, 2]", ["limits.errors", "error_ratio"]),
    ("[overtones]\namount = [['5%', 0.5], ['1%', 1.0]]", ["overtones.amount", "rising"]),
    ("[overtones]\namount = [['5%', 0.5], ['10%', 0.1]]", ["overtones.amount", "rising"]),
    ("[overtones]\namount = [['5%', 0.5]]", ["overtones.amount"]),
    ("[bands]\nlow = '1s'\nhigh = '10ms'", ["bands.high", "over low"]),
    ("[baseline]\nrust = [1.0]", ["baseline.rust", "24 rates"]),
    ("[limiter]\nceiling = 0.0", ["limiter.ceiling", "-1"]),
    ("[[[", ["not valid TOML"]),
    ('[[eq]]\nat = "0s"', ["eq[0].at", "0s", "over 0 s"]),
    ('[compressor]\nthreshold = "-5 req/s"', ["compressor.threshold", "-5 req/s", "over 0 1/s"]),
]


@pytest.mark.parametrize(("toml", "words"), BAD)
def test_what_is_not_allowed_is_said_in_one_line(toml, words):
    with pytest.raises(PresetError) as caught:
        parse(toml)
    message = str(caught.value)
    assert "\n" not in message
    for word in ["my.toml", *words]:
        assert word in message


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(PresetError, match="did you mean code-live"):
        load_sound_preset("codelive")


def test_every_key_says_what_it_does_and_its_default_is_allowed():
    for section, kind in {**SECTIONS, "eq": Eq}.items():
        for field in dataclasses.fields(kind):
            key = key_of(field)
            assert key.help, (section, field.name)
            if key.kind == "quantity" and not isinstance(field.default, str):
                assert key.low <= field.default <= key.high, (section, field.name)
            if key.kind == "choice":
                assert field.default in key.choices, (section, field.name)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.name)
def test_limits_turn_values_into_states(panel):
    limits = Limits(panel.yellow, panel.red)
    values = [float("nan"), 0.0, panel.yellow, panel.red, panel.red * 1.01]
    assert limits.states(values).tolist() == [
        State.UNKNOWN, State.GREEN, State.YELLOW, State.YELLOW, State.RED,
    ]  # fmt: skip
