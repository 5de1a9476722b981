import os

import pytest

from sonify.errors import PresetError
from sonify.mapping.preset_file import list_sound_presets
from sonify.runner.presets import PresetChoice


def write(path, text, age):
    path.write_text(text)
    os.utime(path, (age, age))


def test_a_file_that_changes_is_loaded_and_a_broken_one_keeps_what_was(tmp_path):
    path = tmp_path / "mine.toml"
    write(path, "[reverb]\nmix = 0.1\n", 100)
    choice = PresetChoice(str(path))
    assert not choice.poll(0, 0.0)
    write(path, "[reverb]\nmix = 0.3\n", 200)
    assert not choice.poll(0, 0.5)  # it is looked at once a second
    assert choice.poll(0, 1.5)
    assert choice.preset.reverb.mix == 0.3
    write(path, "[reverb]\nmix = 30\n", 300)
    assert not choice.poll(0, 3.0)
    assert choice.preset.reverb.mix == 0.3
    assert "reverb.mix" in choice.problem
    write(path, "[reverb]\nmix = 0.5\n", 400)
    assert choice.poll(0, 4.5)
    assert choice.problem == ""


def test_next_and_previous_go_round():
    names = list_sound_presets()
    choice = PresetChoice(names[0])
    assert choice.poll(1, 0.0)
    assert choice.preset.name == names[1]
    assert choice.poll(-1, 0.0)
    assert choice.preset.name == names[-1]
    assert choice.poll(0, 0.0)
    assert choice.preset.name == names[0]
    assert not choice.poll(0, 0.0)


def test_a_first_preset_that_is_not_there_is_an_error():
    with pytest.raises(PresetError, match="no sound preset"):
        PresetChoice("nothing-like-it")
