"""Akai APC40 mk2: a small heatmap, a track a backend, and knobs with rings for the tuning filters and levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sonify.midi.surfaces.palette import nearest
from sonify.midi.surfaces.parts import Control, Gesture, Input, Kind, Lamp, Light, Ring, Role, Value
from sonify.midi.surfaces.profile import Profile
from sonify.midi.surfaces.roles import Glow, Look

__all__ = ["APC40_MK2"]

_MODE = bytes.fromhex("f0477f29600004")
_VERSION = bytes.fromhex("080201f7")
_HOST_HAS_LEDS, _GENERIC = b"\x42", b"\x40"
_PALETTE: dict[Light, int] = {
    Light(0, 0, 0): 0, Light(15, 15, 15): 1, Light(63, 63, 63): 2, Light(127, 127, 127): 3,
    Light(127, 0, 0): 5, Light(44, 0, 0): 6, Light(12, 0, 0): 7,
    Light(127, 127, 0): 13, Light(44, 44, 0): 14, Light(12, 12, 0): 15,
    Light(0, 127, 0): 21, Light(0, 44, 0): 22, Light(0, 12, 0): 23,
    Light(0, 0, 127): 45, Light(0, 0, 44): 46, Light(0, 0, 12): 47,
    Light(127, 0, 127): 53, Light(44, 0, 44): 54, Light(12, 0, 12): 55,
}  # fmt: skip
_COLOURS = tuple(_PALETTE)
_BLINK_CHANNEL = 13
_VOLUME_STYLE, _PAN_STYLE = 2, 3
_TRACK_ROWS = (  # what is printed on it, note (the channel is the track), role
    ("clip stop", 52, None, "#ffffff"),
    ("select", 51, "panel", "#ff8020"),
    ("activator", 50, "mute", "#ff8020"),
    ("solo", 49, "solo", "#4080ff"),
    ("record", 48, "backend", "#ff4030"),
)
_SCENES = (Role("acknowledge"), Role("mute_all"), Role("fresh"), Role("preset", -1), Role("preset", 1))
_KNOBS = (Role("eq"), Role("compressor"), Role("reverb"))
_FIRST_SCENE, _FIRST_DEVICE_KNOB, _FIRST_TRACK_KNOB = 82, 16, 48


def _table() -> tuple[Control, ...]:
    grid = [
        Control(
            f"pad {column + 1},{row + 1}", Kind.PAD, Role("heat", column, row), 8 * row + column, column, 5.4 - row,
            0.95, 0.9,
        )
        for row in range(5)
        for column in range(8)
    ]  # fmt: skip
    controls = [
        *(Control(f"track knob {i + 1}", Kind.RING, Role("trim", i), 48 + i, i, 0.0, 0.95, 0.95) for i in range(8)),
        *grid,
        *(Control(f"scene {i + 1}", Kind.PAD, role, 82 + i, 8.1, 1.4 + i, 0.6, 0.9) for i, role in enumerate(_SCENES)),
    ]
    for row, (what, note, used, colour) in enumerate(_TRACK_ROWS):
        for track in range(8):
            if used is not None and (used != "panel" or track < 7):
                y = 6.0 + 0.55 * row
                role = Role(used, track)
                controls.append(
                    Control(f"{what} {track + 1}", Kind.BUTTON, role, note << 4 | track, track, y, 0.95, 0.45, colour)
                )
    controls += [Control(f"fader {i + 1}", Kind.SLIDER, Role("trim", i), i, i, 9.2, 0.95, 2.2) for i in range(8)]
    controls.append(Control("master fader", Kind.SLIDER, Role("level"), 8, 8.1, 9.2, 0.6, 2.2))
    controls += [
        Control(f"device knob {i + 1}", Kind.RING, role, 16 + i, 9.3 + i, 6.5, 0.95, 0.95)
        for i, role in enumerate(_KNOBS)
    ]
    return tuple(controls)


class _Apc40(Profile):
    """Akai APC40 mk2."""

    name = "apc40-mk2"
    title = "APC40 mk2"
    ports = (r"APC40 ?mkII", r"APC40 mk2")
    identities = (b"\x47\x29",)
    controls = _table()
    heat_size = (8, 5)
    picture_size = (12.3, 11.5)
    _notes: ClassVar[dict[int, str]] = {
        control.number: control.name for control in controls if control.kind is Kind.BUTTON
    }
    _pads: ClassVar[dict[int, str]] = {control.number: control.name for control in controls if control.kind is Kind.PAD}
    _rings: ClassVar[dict[int, str]] = {
        control.number: control.name for control in controls if control.kind is Kind.RING
    }

    def hello(self) -> list[bytes]:
        """Take over all LEDs."""
        return [_MODE + _HOST_HAS_LEDS + _VERSION]

    def goodbye(self) -> list[bytes]:
        """Back to the mode that it wakes up in."""
        return [_MODE + _GENERIC + _VERSION]

    def light(self, glow: Glow) -> Light:
        """Nearest colour of its palette."""
        return nearest(_COLOURS, glow)

    def ring(self, look: Look) -> Ring:
        """Seven bits."""
        return Ring(round(look.share * 127.0) if look.is_present else 0, 128, look.is_centred)

    def value(self, control: Control, look: Look) -> Value | None:
        """Light what would blink: its lamps do not blink by themselves."""
        value = super().value(control, look)
        return Lamp.ON if value is Lamp.BLINK else value

    def encode(self, changes: Sequence[tuple[Control, Value]]) -> list[bytes]:
        """Write a message or two a control."""
        return [message for control, value in changes for message in _messages(control, value)]

    def understand(self, message: bytes) -> Input | None:
        """Tell tracks apart by the channel: their notes share a number."""
        if len(message) != 3:
            return None
        status, number, value = message
        kind, channel = status & 0xF0, status & 0x0F
        if kind == 0xB0:
            if number == 7 and channel < 8:
                return Input(f"fader {channel + 1}", Gesture.MOVE, value / 127.0)
            if number == 14:
                return Input("master fader", Gesture.MOVE, value / 127.0)
            name = self._rings.get(number)
            return None if name is None else Input(name, Gesture.MOVE, value / 127.0)
        if kind not in (0x80, 0x90):
            return None
        gesture = Gesture.PRESS if value > 0 and kind == 0x90 else Gesture.RELEASE
        name = self._notes.get(number << 4 | channel) or self._pads.get(number)
        return None if name is None else Input(name, gesture)


def _messages(control: Control, value: Value) -> list[bytes]:
    if isinstance(value, Light):
        colour = _PALETTE[value._replace(blinks=False)]
        if value.blinks:
            return [bytes([0x90, control.number, 0]), bytes([0x90 | _BLINK_CHANNEL, control.number, colour])]
        return [bytes([0x90, control.number, colour])]
    if isinstance(value, Lamp):
        return [bytes([0x90 | control.number & 0x0F, control.number >> 4, int(value is not Lamp.OFF)])]
    assert isinstance(value, Ring)
    style = _PAN_STYLE if value.is_centred else _VOLUME_STYLE
    return [bytes([0xB0, control.number + 8, style]), bytes([0xB0, control.number, value.position])]


APC40_MK2 = _Apc40()
