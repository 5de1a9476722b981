"""MIDI learn: what is meant is heard out, kept in a file, and nothing jumps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import PresetError
from sonify.midi.learn import (
    TARGETS,
    Binding,
    Learned,
    Listener,
    Standing,
    find_bindings,
    load_bindings,
    save_bindings,
)
from sonify.midi.surfaces.scene import Action

STANDING = Standing(0.0, {"eq": 1.0, "compressor": 1.0, "reverb": 1.0}, ("rust", "go"), {"go": -10.0})


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def heard(is_knob: bool, *messages: bytes) -> Binding | None:
    listener = Listener(is_knob=is_knob)
    return next((binding for message in messages if (binding := listener.hear(message)) is not None), None)


def test_a_knob_is_meant_when_it_has_moved() -> None:
    moves = [bytes((0xB2, 7, value)) for value in (60, 61, 62)]
    assert heard(True, *moves) is None
    assert heard(True, bytes((0xB0, 9, 1)), *moves, bytes((0xB2, 7, 70))) == Binding("control", 3, 7)
    assert heard(True, b"\xe1\x00\x10", b"\xe1\x00\x40") == Binding("pitch", 2)
    assert heard(True, b"\x90\x30\x7f", b"\x80\x30\x00") is None


def test_a_button_is_meant_when_it_is_pressed() -> None:
    assert heard(False, b"\x80\x30\x00", b"\xf8", b"\x91\x30\x01") == Binding("note", 2, 48)
    assert heard(False, b"\xb0\x40\x00", b"\xb0\x40\x7f") == Binding("control", 1, 64)
    assert heard(False, b"\xe0\x00\x40", b"\xf0\x7e\xf7") is None


def test_a_knob_takes_over_when_it_passes_the_value() -> None:
    learned = Learned({"reverb": Binding("control", 1, 16)})
    assert learned.handle(bytes((0xB0, 16, 0)), STANDING) == []
    assert learned.handle(bytes((0xB0, 16, 40)), STANDING) == []
    (action,) = learned.handle(bytes((0xB0, 16, 127)), STANDING)
    assert action == Action("amount", "reverb", 2.0)
    learned.lose()
    assert learned.handle(bytes((0xB0, 16, 0)), STANDING) == []


def test_levels_are_in_db() -> None:
    learned = Learned({"level": Binding("pitch", 1), "trim-2": Binding("control", 1, 0)})
    assert learned.handle(b"\xe0\x00\x00", STANDING) == []
    (action,) = learned.handle(b"\xe0\x7f\x7f", STANDING)
    assert action == Action("level", value=pytest.approx(6.0))
    near = round(127 * 30 / 46)  # -10 dB
    (action,) = learned.handle(bytes((0xB0, 0, near)), STANDING)
    assert action.kind == "trim"
    assert action.target == "go"
    assert action.value == pytest.approx(-10.0, abs=0.5)


def test_buttons_act_when_pressed_and_only_then() -> None:
    learned = Learned(
        {
            "mute": Binding("note", 1, 48),
            "solo-1": Binding("control", 1, 32),
            "mute-3": Binding("note", 1, 50),
            "previous-preset": Binding("note", 1, 51),
        }
    )
    assert learned.handle(b"\x90\x30\x7f", STANDING) == [Action("mute_all")]
    assert learned.handle(b"\x90\x30\x00", STANDING) == []
    assert learned.handle(b"\x80\x30\x40", STANDING) == []
    assert learned.handle(b"\xb0\x20\x7f", STANDING) == [Action("solo", "rust")]
    assert learned.handle(b"\xb0\x20\x7f", STANDING) == []
    assert learned.handle(b"\x90\x32\x7f", STANDING) == []  # there is no third backend
    assert learned.handle(b"\x90\x33\x7f", STANDING) == [Action("preset", value=-1.0)]
    assert learned.handle(b"\x91\x30\x7f", STANDING) == []  # another channel


@given(st.lists(st.binary(max_size=5), max_size=60))
def test_no_bytes_do_harm(messages: list[bytes]) -> None:
    learned = Learned({target: Binding("control", 1, number) for number, target in enumerate(TARGETS)})
    for message in messages:
        for action in learned.handle(message, STANDING):
            assert action.kind != "amount" or 0.0 <= action.value <= 2.0
        Listener(is_knob=True).hear(message)
        Listener(is_knob=False).hear(message)


def test_what_is_learned_is_kept_and_found_by_any_of_the_names_a_port_has() -> None:
    first = {"level": Binding("pitch", 1), "mute": Binding("note", 16, 127)}
    path = save_bindings('Odd "Port" — ü:Odd 20:0', first)
    assert path.name.isascii()
    assert save_bindings('Odd "Port" — ü:Odd 28:0', {"mute": Binding("control", 2, 3)}) == path
    assert load_bindings(path)[1] == {"level": Binding("pitch", 1), "mute": Binding("control", 2, 3)}
    assert find_bindings("odd") == load_bindings(path)[1]


def test_where_nothing_is_learned_it_says_what_to_do() -> None:
    with pytest.raises(PresetError, match="sonify midi learn --port 'Nano'"):
        find_bindings("Nano")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("port = 1", "needs port"),
        ('port = "a"\n[controls]\nvolume = 1', "controls.volume: no such control"),
        ('port = "a"\n[controls]\nlevel = 1', "controls.level: must be such as"),
        ('port = "a"\n[controls]\nlevel = { kind = "control", channel = 17, number = 1 }', "channels 1 to 16"),
        ('port = "a"\n[controls]\nlevel = { kind = "control", channel = 1, number = true }', "numbers 0 to 127"),
        ("port =", "not valid TOML"),
    ],
)
def test_a_file_that_is_not_right_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(PresetError, match=problem):
        load_bindings(path)
