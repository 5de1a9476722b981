"""Akai APC mini mk2: a heatmap of latencies, backends below, panels beside, and faders without motors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sonify.midi.surfaces.parts import Control, Gesture, Input, Kind, Lamp, Light, Role, Value
from sonify.midi.surfaces.profile import Profile

__all__ = ["APC_MINI_MK2"]

_HEADER = bytes.fromhex("f0477f4f24")
_PADS_A_MESSAGE = 4  # more are lost
_LAMPS = {Lamp.OFF: 0, Lamp.ON: 1, Lamp.BLINK: 2}
_FADERS = (
    *(Role("trim", index) for index in range(5)), Role("eq"), Role("compressor"), Role("reverb"), Role("level")
)  # fmt: skip


def _table() -> tuple[Control, ...]:
    pads = [
        Control(f"pad {column + 1},{row + 1}", Kind.PAD, Role("heat", column, row), 8 * row + column, column, 7.0 - row)
        for row in range(8)
        for column in range(8)
    ]
    tracks = [
        Control(
            f"track {index + 1}",
            Kind.BUTTON,
            Role("backend", index),
            0x64 + index,
            index + 0.1,
            8.2,
            0.8,
            0.5,
            "#ff4030",
        )
        for index in range(8)
    ]
    scenes = [
        Control(
            f"scene {index + 1}", Kind.BUTTON, Role("panel", index) if index < 7 else Role("mute_all"), 0x70 + index,
            8.2, index + 0.2, 0.6, 0.6, "#30e060",
        )
        for index in range(8)
    ]  # fmt: skip
    faders = [
        Control(f"fader {index + 1}", Kind.SLIDER, role, 48 + index, index + 0.1, 9.0, 0.8, 2.4)
        for index, role in enumerate(_FADERS)
    ]
    return (*pads, *tracks, *scenes, *faders)


class _ApcMini(Profile):
    """Akai APC mini mk2."""

    name = "apc-mini-mk2"
    title = "APC mini mk2"
    ports = (r"APC mini mk2.*(Contr|Control)", r"^(?!.*(Notes|MIDIIN2|MIDIOUT2)).*APC mini mk2")
    identities = (b"\x47\x4f",)
    controls = _table()
    most_changes = 12
    picture_size = (9.1, 11.6)
    _notes: ClassVar[dict[int, str]] = {
        control.number: control.name for control in controls if control.kind is not Kind.SLIDER
    }

    def encode(self, changes: Sequence[tuple[Control, Value]]) -> list[bytes]:
        """Four pads a message."""
        pads = [(control.number, value) for control, value in changes if isinstance(value, Light)]
        messages = []
        for begin in range(0, len(pads), _PADS_A_MESSAGE):
            body = b"".join(_pad(*one) for one in pads[begin : begin + _PADS_A_MESSAGE])
            messages.append(_HEADER + bytes([len(body) >> 7, len(body) & 0x7F]) + body + b"\xf7")
        for control, value in changes:
            if isinstance(value, Lamp):
                messages.append(bytes([0x90, control.number, _LAMPS[value]]))
        return messages

    def understand(self, message: bytes) -> Input | None:
        """Read notes of pads and buttons, and controllers of faders."""
        if len(message) != 3:
            return None
        status, number, value = message
        if status == 0xB0 and 48 <= number <= 56:
            return Input(f"fader {number - 47}", Gesture.MOVE, value / 127.0)
        name = self._notes.get(number)
        if name is None or status not in (0x80, 0x90):
            return None
        return Input(name, Gesture.PRESS if value > 0 and status == 0x90 else Gesture.RELEASE)


def _pad(number: int, value: Light) -> bytes:
    body = [number, number]
    for part in value[:3]:
        wide = part * 255 // 127  # eight bits, in two bytes
        body += [wide >> 7, wide & 0x7F]
    return bytes(body)


APC_MINI_MK2 = _ApcMini()
