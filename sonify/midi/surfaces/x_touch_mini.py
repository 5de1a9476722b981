"""Behringer X-Touch Mini in its MC mode: knobs for the tuning filters and five backends, two rows of state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sonify.midi.surfaces.parts import Control, Gesture, Input, Kind, Lamp, Ring, Role, Value
from sonify.midi.surfaces.profile import Profile

__all__ = ["X_TOUCH_MINI"]

_UPPER = (0x59, 0x5A, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D)
_LOWER = (0x57, 0x58, 0x5B, 0x5C, 0x56, 0x5D, 0x5E, 0x5F)
_LAMPS = {Lamp.OFF: 0, Lamp.BLINK: 1, Lamp.ON: 0x7F}
_PAN, _FILL = 16, 32  # what a ring's position is added to
_KNOBS = (Role("eq"), Role("compressor"), Role("reverb"), *(Role("trim", index) for index in range(5)))


def _table() -> tuple[Control, ...]:
    knobs = [
        Control(f"knob {index + 1}", Kind.RING, role, index, 1.2 * index, 0.0) for index, role in enumerate(_KNOBS)
    ]
    upper = [
        Control(f"upper button {index + 1}", Kind.BUTTON, Role("backend", index), note, 1.2 * index, 1.3, 1.0, 0.6)
        for index, note in enumerate(_UPPER)
    ]
    lower = [
        Control(
            f"lower button {index + 1}", Kind.BUTTON, Role("panel", index) if index < 7 else Role("fresh"), note,
            1.2 * index, 2.1, 1.0, 0.6,
        )
        for index, note in enumerate(_LOWER)
    ]  # fmt: skip
    layers = [
        Control("layer A", Kind.BUTTON, Role("mute_all"), 0x54, 9.6, 1.3, 0.6, 0.6),
        Control("layer B", Kind.BUTTON, Role("acknowledge"), 0x55, 9.6, 2.1, 0.6, 0.6),
    ]
    return (*knobs, *upper, *lower, *layers, Control("fader", Kind.SLIDER, Role("level"), 8, 10.5, 0.0, 0.8, 2.7))


class _XTouchMini(Profile):
    """Behringer X-Touch Mini."""

    name = "x-touch-mini"
    title = "X-Touch Mini"
    ports = (r"X-?Touch.?Mini",)
    controls = _table()
    picture_size = (11.4, 2.9)
    _buttons: ClassVar[dict[int, str]] = {
        control.number: control.name for control in controls if control.kind is Kind.BUTTON
    }

    def hello(self) -> list[bytes]:
        """Select MC mode."""
        return [bytes([0xBA, 127, 1])]

    def goodbye(self) -> list[bytes]:
        """Back to its own mode."""
        return [bytes([0xBA, 127, 0])]

    def encode(self, changes: Sequence[tuple[Control, Value]]) -> list[bytes]:
        """Write a message a control."""
        messages = []
        for control, value in changes:
            if isinstance(value, Lamp):
                messages.append(bytes([0x90, control.number, _LAMPS[value]]))
            elif isinstance(value, Ring):
                style = _PAN if value.is_centred else _FILL
                messages.append(bytes([0xB0, 48 + control.number, value.position and style + value.position]))
        return messages

    def understand(self, message: bytes) -> Input | None:
        """Knobs send ticks."""
        if len(message) != 3:
            return None
        status, number, value = message
        if status == 0xE8:
            return Input("fader", Gesture.MOVE, value / 127.0)
        if status == 0xB0 and 16 <= number <= 23:
            return Input(f"knob {number - 15}", Gesture.TURN, value if value <= 64 else -(value - 64))
        if status not in (0x80, 0x90):
            return None
        gesture = Gesture.PRESS if value > 0 and status == 0x90 else Gesture.RELEASE
        if 32 <= number <= 39:
            return Input(f"knob {number - 31}", gesture)
        name = self._buttons.get(number)
        return None if name is None else Input(name, gesture)


X_TOUCH_MINI = _XTouchMini()
