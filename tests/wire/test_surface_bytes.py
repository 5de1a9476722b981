"""Bytes of the surfaces, verbatim as their makers and other programs have them."""

from __future__ import annotations

import pytest

from sonify.midi.surfaces.parts import Colours, Fader, Lamp, Light, Meter, Ring, Text, Value
from sonify.midi.surfaces.registry import find_profile


def bytes_of(profile_name: str, **shown: Value) -> list[str]:
    profile = find_profile(profile_name)
    by_name = {control.name.replace(" ", "_").replace(",", "_"): control for control in profile.controls}
    return [message.hex(" ") for message in profile.encode([(by_name[name], value) for name, value in shown.items()])]


@pytest.mark.parametrize(
    ("name", "model"), [("launchpad-mini-mk3", "0d"), ("launchpad-x", "0c"), ("launchpad-pro-mk3", "0e")]
)
def test_launchpad(name, model):
    profile = find_profile(name)
    assert [message.hex(" ") for message in profile.hello()] == [f"f0 00 20 29 02 {model} 0e 01 f7"]
    assert [message.hex(" ") for message in profile.goodbye()] == [f"f0 00 20 29 02 {model} 0e 00 f7"]
    shown = {"pad_1_1": Light(127, 0, 1), "top_1": Light(127, 6, 0, blinks=True), "side_8": Light(0, 9, 0)}
    assert bytes_of(name, **shown) == [
        f"f0 00 20 29 02 {model} 03 03 0b 7f 00 01 02 5b 05 03 13 00 09 00 f7",
    ]


def test_mackie_control():
    assert [message.hex(" ") for message in find_profile("mackie").hello()] == ["f0 00 00 66 14 00 f7"]
    assert [message.hex(" ") for message in find_profile("mackie-xt").hello()] == ["f0 00 00 66 15 00 f7"]
    assert bytes_of("mackie", fader_1=Fader(16383), master_fader=Fader(129)) == ["e0 7f 7f", "e8 01 01"]
    assert bytes_of("mackie", solo_2=Lamp.ON, mute_8=Lamp.BLINK, rec_1=Lamp.OFF) == ["90 09 7f", "90 17 01", "90 00 00"]
    assert bytes_of("mackie", **{"v-pot_1": Ring(6, 11, is_centred=True)}) == ["b0 30 56"]
    assert bytes_of("mackie", **{"v-pot_2": Ring(11, 11, is_centred=True)}) == ["b0 31 1b"]
    assert bytes_of("mackie", meter_3=Meter(13)) == ["d0 2d", "d0 2f"]
    assert bytes_of("mackie", meter_3=Meter(14)) == ["d0 2d", "d0 2e"]


def test_texts_side_by_side_are_one_message_and_lines_are_not():
    texts = {f"upper_text_{number}": Text("abcdefg") for number in (7, 8)} | {"lower_text_1": Text("12345 7")}
    assert bytes_of("mackie", **texts) == [
        "f0 00 00 66 14 12 2a 61 62 63 64 65 66 67 61 62 63 64 65 66 67 f7",
        "f0 00 00 66 14 12 38 31 32 33 34 35 20 37 f7",
    ]


def test_x_touch_colours():
    assert bytes_of("x-touch", colours=Colours((1, 2, 3, 4, 5, 6, 7, 0))) == [
        "f0 00 00 66 14 72 01 02 03 04 05 06 07 00 f7",
    ]


def test_x_touch_mini():
    profile = find_profile("x-touch-mini")
    assert [message.hex(" ") for message in profile.hello()] == ["ba 7f 01"]
    assert [message.hex(" ") for message in profile.goodbye()] == ["ba 7f 00"]
    shown = {"knob_1": Ring(11, 11, is_centred=True), "knob_8": Ring(1, 11), "knob_7": Ring(0, 11)}
    assert bytes_of("x-touch-mini", **shown) == ["b0 30 1b", "b0 37 21", "b0 36 00"]
    assert bytes_of("x-touch-mini", upper_button_1=Lamp.BLINK, layer_B=Lamp.ON) == ["90 59 01", "90 55 7f"]


def test_apc_mini_mk2_splits_eight_bits_and_takes_four_pads_a_message():
    assert bytes_of("apc-mini-mk2", pad_1_1=Light(127, 0, 64), scene_1=Lamp.ON) == [
        "f0 47 7f 4f 24 00 08 00 00 01 7f 00 00 01 00 f7",
        "90 70 01",
    ]
    five = {f"pad_{number}_8": Light(0, 0, 0) for number in range(1, 6)}
    assert [len(message.split()) for message in bytes_of("apc-mini-mk2", **five)] == [40, 16]


def test_midi_fighter_twister():
    assert bytes_of("midi-fighter-twister", knob_2=Ring(64, 128), light_2=Light(127, 0, 0)) == [
        "b0 01 40",
        "b1 01 50",
        "b2 01 2f",
    ]


def test_apc40_mk2():
    profile = find_profile("apc40-mk2")
    assert [message.hex(" ") for message in profile.hello()] == ["f0 47 7f 29 60 00 04 42 08 02 01 f7"]
    assert bytes_of("apc40-mk2", pad_8_5=Light(127, 0, 0), solo_3=Lamp.ON) == ["90 27 05", "92 31 01"]
    assert bytes_of("apc40-mk2", device_knob_1=Ring(64, 128, is_centred=True)) == ["b0 18 03", "b0 10 40"]
