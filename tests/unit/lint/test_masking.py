"""Lint finds what is hidden, and what it proposes helps."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from sonify.commands.presets import presets
from sonify.errors import PresetError
from sonify.lint.masking import find_hidden, scene_at
from sonify.lint.scene import Scene
from sonify.lint.steps import steps_of
from sonify.lint.voice import Voice
from sonify.mapping.preset import SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset, parse_sound_preset
from sonify.metrics.panels import PANELS


def parse(toml):
    return parse_sound_preset(toml, "my.toml", "my")


def voice(kind, owner, *tones, slots=(1.0,), hides=True, depth=0.0):
    """Tones are (Hz, dBFS) or (Hz, left dBFS, right dBFS)."""
    levels = np.array([[tone[1], tone[-1]] for tone in tones], float)
    hz = np.array([tone[0] for tone in tones], float)
    return Voice(kind, owner, hz, 10.0 ** (levels / 10.0), np.array(slots), hides=hides, depth=depth)


def heard(*voices):
    scene = Scene(list(voices))
    return [scene.heard(one) for one in voices]


def test_a_soft_tone_under_a_loud_neighbour_is_hidden_by_it_and_not_by_a_distant_one():
    soft, loud, far = heard(
        voice("pulse", "", (440.0, -70.0)),
        voice("backend", "rust", (415.0, -40.0)),
        voice("backend", "go", (4000.0, -40.0)),
    )
    assert soft.over_db < 0.0
    assert soft.maskers == ("rust",)
    assert loud.over_db > 0.0
    assert far.over_db > 0.0


def test_what_none_hides_alone_may_be_hidden_by_all_together():
    quiet_each = [voice("backend", name, (440.0, -50.0)) for name in ("a", "b", "c", "d")]
    soft = heard(voice("pulse", "", (440.0, -52.0)), *quiet_each)[0]
    assert soft.over_db < 0.0
    assert len(soft.maskers) > 1


def test_the_better_ear_counts():
    masker = voice("backend", "rust", (440.0, -40.0, -90.0))
    left = heard(voice("pulse", "", (440.0, -65.0, -90.0)), masker)[0]
    right = heard(voice("pulse", "", (440.0, -90.0, -65.0)), masker)[0]
    assert left.over_db < 0.0 < right.over_db


def test_another_step_of_the_bar_frees():
    masker = voice("backend", "rust", (440.0, -40.0), slots=(0.0, 1.0))
    assert heard(voice("pulse", "", (440.0, -60.0), slots=(0.0, 1.0)), masker)[0].over_db < 0.0
    assert heard(voice("pulse", "", (440.0, -60.0), slots=(1.0, 0.0)), masker)[0].over_db > 0.0


def test_an_alarm_must_call_in_every_step_and_well_over_its_threshold():
    masker = voice("backend", "rust", (440.0, -50.0), slots=(0.0, 1.0))
    anywhere = {"slots": (1.0, 1.0), "hides": False}
    pulse = heard(voice("pulse", "", (440.0, -50.0), **anywhere), masker)[0]
    alarm = heard(voice("earcon", "x", (440.0, -50.0), **anywhere), masker)[0]
    assert pulse.over_db > 0.0 > alarm.over_db


def test_steady_sound_at_the_same_pitch_dilutes_roughness():
    rough = voice("roughness", "rust", (440.0, -40.0), hides=False, depth=0.4)
    assert heard(rough)[0].over_db == pytest.approx(6.0, abs=0.1)  # twice the depth that is just heard
    assert heard(rough, voice("backend", "go", (440.0, -60.0)))[0].over_db > 5.0
    assert heard(rough, voice("backend", "go", (440.0, -38.0)))[0].over_db < 0.0


def test_what_is_too_faint_for_silence_is_hidden_by_nobody():
    faint = heard(voice("sub", "", (55.0, -60.0)))[0]
    assert faint.over_db < 0.0
    assert faint.maskers == ()


@pytest.mark.parametrize(
    ("toml", "kind"),
    [
        ('[gauges]\npulse_level = "-78 dBFS"', "pulse"),
        ('[freshness]\npilot_level = "-70 dBFS"', "tick"),
        ('[glitches]\nlevel = "-50 dBFS"', "glitches"),
        ('[alarms]\nlevel = "-60 dBFS"', "earcon"),
    ],
)
def test_a_voice_that_is_much_too_soft_is_found(toml, kind):
    found = {voice.split()[0] for hidden in find_hidden(parse(toml)) for voice in hidden.voices}
    assert kind in found


ZERO = "\n".join(f"{panel.name} = [0, 0]" for panel in PANELS)
GAUGES_OFF = "[gauges]\npulse_level = -90\nsub_level = -90\ndrum_level = -90\n"
OFF = f"{GAUGES_OFF}[alarms]\nlevel = -90\n[freshness]\npilot_level = -90"


@pytest.mark.parametrize(
    "toml",
    [
        f"[limits]\n{ZERO}",
        f"[limits]\n{ZERO}\n{OFF}",
        '[arrangement]\nvoices = 1\nmode = "sequenced"',
        '[bands]\ncount = 96\n[pitch]\nscale = "continuous"\npolarity = "slow is low"',
        "[bands]\ncount = 4",
        "[level]\nreference_level = -6\ntop = 0",
        "[level]\nreference_level = -90",
        '[bands]\nlow = "1us"\nhigh = "1ms"',
        '[limits]\nlatency_p95 = ["1h", "2h"]\nrequest_rate = [1e8, 1e9]',
        "[baseline]\n" + "\n".join(f"b{i} = {[0.1] * 24}" for i in range(15)),
        '[[eq]]\nbackend = "rust"\nat = "120ms"\n[compressor]\nthreshold = "800 req/s"\nsidechain = "go"',
    ],
)
def test_any_preset_that_is_allowed_is_judged(toml):
    for found in (*find_hidden(parse(toml)), *steps_of(parse(toml))):
        assert "nan" not in str(found)


def test_a_voice_that_is_off_is_not_missed():
    found = find_hidden(parse('[gauges]\npulse_level = "-90 dBFS"\n[alarms]\nlevel = "-90 dBFS"'))
    assert not [hidden for hidden in found if {"pulse", "earcon"} & {name.split()[0] for name in hidden.voices}]


@pytest.mark.parametrize(
    "toml", ["", '[arrangement]\nmode = "sequenced"\nbed = "-12 dB"\n[gauges]\npulse_level = "-50 dBFS"']
)
def test_every_remedy_frees_what_it_is_proposed_for(toml):
    proposed = 0
    for hidden in find_hidden(parse(toml)):
        for remedy in hidden.remedies:
            section, rest = remedy.split(".", 1)
            name = rest.split(" = ")[0]
            lines = [line for line in toml.split("\n") if not line.startswith(f"{name} =")]
            if f"[{section}]" in lines:
                lines.insert(lines.index(f"[{section}]") + 1, rest)
            else:
                lines += [f"[{section}]", rest]
            scene = scene_at(parse("\n".join(lines)), hidden.load)
            for one in scene.voices:
                assert one.name not in hidden.voices or scene.over_db(one) >= -0.01, remedy
            proposed += 1
    assert proposed


@pytest.mark.parametrize("name", list_sound_presets())
def test_no_shipped_alarm_or_motif_is_hidden_and_nothing_that_a_backend_says_when_all_is_well(name):
    for hidden in find_hidden(load_sound_preset(name)):
        kinds = {voice.split()[0] for voice in hidden.voices}
        assert not kinds & {"earcon", "motif"}, str(hidden)
        if hidden.load == "typical":
            assert not kinds & {"glitches", "overtones", "roughness", "pulse", "tick"}, str(hidden)


@pytest.mark.parametrize("load", ["typical", "worst"])
def test_mono_frees_nobody(load):
    plain = SoundPreset()
    wide, mono = (scene_at(replace(plain, motion=replace(plain.motion, width=width)), load) for width in (1.0, 0.0))
    for one, other in zip(wide.voices, mono.voices, strict=True):
        if one.kind == "backend":
            assert mono.over_db(other) < wide.over_db(one) + 0.1, one.name


# -- the command ---------------------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(presets, ["check", *arguments])


def test_check_takes_a_name_or_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text('[gauges]\npulse_level = "-70 dBFS"\n')
    named, filed = run("studio"), run(str(tmp_path / "mine.toml"))
    assert (named.exit_code, filed.exit_code) == (0, 0)
    assert "studio: good" in named.output
    assert "hidden: pulse (54, 185 Hz)" in filed.output
    assert "gauges.pulse_level = " in filed.output
    assert "latency_p95" in named.output


def test_check_says_it_in_json_and_strict_exits_with_1(tmp_path):
    (tmp_path / "mine.toml").write_text('[gauges]\npulse_level = "-70 dBFS"\n')
    result = run(str(tmp_path / "mine.toml"), "--json", "--strict")
    assert result.exit_code == 1
    said = json.loads(result.output)
    assert any("pulse" in hidden["voices"] for hidden in said["hidden"])
    assert {step["panel"] for step in said["steps"]} >= {"latency_p95", "queue_depth"}


def test_check_still_refuses_what_is_not_allowed(tmp_path):
    (tmp_path / "mine.toml").write_text("[gauges]\npulse_levl = 3\n")
    result = run(str(tmp_path / "mine.toml"))
    assert isinstance(result.exception, PresetError)
    assert "code-live: good" in run("code-live", "--signals").output
