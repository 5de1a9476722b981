"""Mackie Control and its extender, and Behringer's X-Touch, which adds colours: a backend on every strip."""

from __future__ import annotations

from collections.abc import Sequence

from sonify.midi.surfaces.parts import (
    Colours,
    Control,
    Fader,
    Gesture,
    Input,
    Kind,
    Lamp,
    Meter,
    Ring,
    Role,
    Text,
    Value,
)
from sonify.midi.surfaces.profile import Profile

__all__ = ["MACKIE_CONTROL", "MACKIE_EXTENDER", "X_TOUCH", "X_TOUCH_EXTENDER"]

_FADER_TOP = 16383
_TEXT_WIDTH = 7
_SECOND_LINE = 0x38
_METER_SEGMENTS, _OVERLOAD = 0x0D, 0x0E
_BOOST_CUT = 1
_LAMPS = {Lamp.OFF: 0, Lamp.BLINK: 1, Lamp.ON: 0x7F}
_RING_ROLES = ("eq", "compressor", "reverb")
_TOUCH = 0x68
_MASTER = 8
_MAIN_BUTTONS = (  # what is printed on it, number, role
    ("bank left", 0x2E, Role("bank", -1)),
    ("bank right", 0x2F, Role("bank", 1)),
    ("rewind", 0x5B, Role("preset", -1)),
    ("forward", 0x5C, Role("preset", 1)),
    ("stop", 0x5D, Role("mute_all")),
    ("play", 0x5E, Role("fresh")),
    ("record", 0x5F, Role("acknowledge")),
)


def _strip(index: int) -> list[Control]:
    number, x = index + 1, 1.3 * index
    ring = Role(_RING_ROLES[index]) if index < len(_RING_ROLES) else Role("none")

    def button(what: str, role: str, note: int, y: float, colour: str) -> Control:
        return Control(f"{what} {number}", Kind.BUTTON, Role(role, index), note + index, x, y, 1.0, 0.5, colour)

    return [
        Control(f"upper text {number}", Kind.TEXT, Role("name", index), _TEXT_WIDTH * index, x, 0.0, 1.2, 0.4),
        Control(
            f"lower text {number}", Kind.TEXT, Role("reading", index), _SECOND_LINE + _TEXT_WIDTH * index,
            x, 0.4, 1.2, 0.4,
        ),
        Control(f"v-pot {number}", Kind.RING, ring, index, x, 1.0, 1.0, 1.0),
        button("rec", "alarm", 0x00, 2.1, "#ff4030"),
        button("solo", "solo", 0x08, 2.7, "#ffc020"),
        button("mute", "mute", 0x10, 3.3, "#ff4030"),
        Control(f"meter {number}", Kind.METER, Role("meter", index), index, x + 1.02, 2.1, 0.16, 2.4),
        Control(f"fader {number}", Kind.FADER, Role("trim", index), index, x, 4.7, 1.0, 3.6),
    ]  # fmt: skip


def _table(*, is_main: bool, has_colours: bool) -> tuple[Control, ...]:
    controls = [control for index in range(8) for control in _strip(index)]
    if has_colours:
        controls.append(Control("colours", Kind.COLOURS, Role("colours"), 0, 0.0, -0.12, 10.3, 0.08))
    if is_main:
        controls.append(Control("master fader", Kind.FADER, Role("level"), _MASTER, 10.6, 4.7, 1.0, 3.6))
        controls += [
            Control(name, Kind.BUTTON, role, number, 10.6, 0.1 + 0.62 * row, 1.0, 0.5)
            for row, (name, number, role) in enumerate(_MAIN_BUTTONS)
        ]
    return tuple(controls)


class _Mackie(Profile):
    """All that speak Mackie Control."""

    text_width = _TEXT_WIDTH

    def __init__(
        self, name: str, title: str, device: int, ports: tuple[str, ...], *, is_main: bool, has_colours: bool
    ) -> None:
        self.name, self.title, self.ports = name, title, ports
        self.controls = _table(is_main=is_main, has_colours=has_colours)
        self.picture_size = (11.8 if is_main else 10.5, 8.5)
        self._header = bytes([0xF0, 0x00, 0x00, 0x66, device])
        self._buttons = {control.number: control.name for control in self.controls if control.kind is Kind.BUTTON}
        self._faders = {control.number: control.name for control in self.controls if control.kind is Kind.FADER}

    def hello(self) -> list[bytes]:
        """Ask who is there. Clones do not answer, and need no greeting."""
        return [self._header + b"\x00\xf7"]

    def has_restarted(self, message: bytes) -> bool:
        """Whether it asks for a host, as it does when it was switched on; its reply to a greeting looks the same."""
        return message[:6] == self._header + b"\x01"

    def encode(self, changes: Sequence[tuple[Control, Value]]) -> list[bytes]:
        """Texts that stand side by side go together."""
        texts = [(control.number, value.text) for control, value in changes if isinstance(value, Text)]
        messages = [self._header + b"\x12" + bytes([place]) + text.encode() + b"\xf7" for place, text in _joined(texts)]
        for control, value in changes:
            if isinstance(value, Colours):
                messages.append(self._header + b"\x72" + bytes(value.colours) + b"\xf7")
            elif not isinstance(value, Text):
                messages += _short_messages(control, value)
        return messages

    def understand(self, message: bytes) -> Input | None:
        """Faders are pitch bend, knobs controllers, everything else notes."""
        if len(message) != 3:
            return None
        status, number, value = message
        if status & 0xF0 == 0xE0:
            name = self._faders.get(status & 0x0F)
            return None if name is None else Input(name, Gesture.MOVE, (value << 7 | number) / _FADER_TOP)
        if status == 0xB0 and 0x10 <= number <= 0x17:
            ticks = value & 0x3F
            return Input(f"v-pot {number - 0x0F}", Gesture.TURN, -ticks if value & 0x40 else ticks)
        if status not in (0x80, 0x90):
            return None
        is_down = value > 0 and status == 0x90
        if number - _TOUCH in self._faders:
            return Input(self._faders[number - _TOUCH], Gesture.TOUCH if is_down else Gesture.LET_GO)
        gesture = Gesture.PRESS if is_down else Gesture.RELEASE
        if 0x20 <= number <= 0x27:
            return Input(f"v-pot {number - 0x1F}", gesture)
        name = self._buttons.get(number)
        return None if name is None else Input(name, gesture)


def _joined(texts: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Join texts that follow each other on one line."""
    joined: list[tuple[int, str]] = []
    for place, text in sorted(texts):
        if joined and joined[-1][0] + len(joined[-1][1]) == place and place != _SECOND_LINE:
            joined[-1] = (joined[-1][0], joined[-1][1] + text)
        else:
            joined.append((place, text))
    return joined


def _short_messages(control: Control, value: Value) -> list[bytes]:
    if isinstance(value, Lamp):
        return [bytes([0x90, control.number, _LAMPS[value]])]
    if isinstance(value, Fader):
        return [bytes([0xE0 | control.number, value.position & 0x7F, value.position >> 7])]
    if isinstance(value, Ring):
        is_centre = value.is_centred and value.position == (value.steps + 1) // 2
        mode = _BOOST_CUT << 4 if value.is_centred else 0
        return [bytes([0xB0, 0x30 + control.number, is_centre << 6 | mode | value.position])]
    assert isinstance(value, Meter)
    place = control.number << 4
    if value.segments >= _OVERLOAD:
        return [bytes([0xD0, place | _METER_SEGMENTS]), bytes([0xD0, place | _OVERLOAD])]
    return [bytes([0xD0, place | value.segments]), bytes([0xD0, place | 0x0F])]


MACKIE_CONTROL = _Mackie(
    "mackie", "Mackie Control", 0x14, (r"MCU|Mackie Control(?!.*XT)|iCON.*(Platform M|QCon)",), is_main=True,
    has_colours=False,
)  # fmt: skip
MACKIE_EXTENDER = _Mackie("mackie-xt", "Mackie Control XT", 0x15, (r"Mackie.*XT",), is_main=False, has_colours=False)
X_TOUCH = _Mackie(
    "x-touch", "X-Touch", 0x14, (r"X-?Touch(?!.*(Mini|Ext|Compact|One))",), is_main=True, has_colours=True
)
X_TOUCH_EXTENDER = _Mackie(
    "x-touch-extender", "X-Touch Extender", 0x15, (r"X-?Touch.?Ext",), is_main=False, has_colours=True
)
