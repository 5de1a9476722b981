"""Novation Launchpad Mini MK3, X and Pro MK3: a heatmap of latencies, panels above, backends beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sonify.midi.surfaces.parts import Control, Gesture, Input, Kind, Light, Role, Value
from sonify.midi.surfaces.profile import Profile

__all__ = ["LAUNCHPAD_MINI_MK3", "LAUNCHPAD_PRO_MK3", "LAUNCHPAD_X"]

_NOTE, _CONTROLLER = 0x90, 0xB0
_RGB, _PULSE = 3, 2
_RED_OF_PALETTE = 5  # only red blinks


def _table() -> tuple[Control, ...]:
    tops = [Control(f"top {index + 1}", Kind.PAD, Role("panel", index), 91 + index, index, 0.0) for index in range(7)]
    tops.append(Control("top 8", Kind.PAD, Role("mute_all"), 98, 7.0, 0.0))
    sides = [
        Control(f"side {index + 1}", Kind.PAD, Role("backend", index), 89 - 10 * index, 8.0, 1.0 + index)
        for index in range(8)
    ]
    pads = [
        # row 0 is the fastest and the lowest
        Control(
            f"pad {column + 1},{row + 1}",
            Kind.PAD,
            Role("heat", column, row),
            11 + 10 * row + column,
            column,
            8.0 - row,
        )
        for row in range(8)
        for column in range(8)
    ]
    return (*tops, *sides, *pads)


class _Launchpad(Profile):
    """All models: they differ in one byte."""

    controls = _table()
    _by_number: ClassVar[dict[int, str]] = {control.number: control.name for control in controls}

    def __init__(self, name: str, title: str, model: int, family: bytes, ports: tuple[str, ...]) -> None:
        self.name, self.title, self.ports = name, title, ports
        self.identities = (bytes.fromhex("002029") + family,)
        self._header = bytes([0xF0, 0x00, 0x20, 0x29, 0x02, model])

    def hello(self) -> list[bytes]:
        """Enter programmer mode."""
        return [self._header + bytes([0x0E, 1, 0xF7])]

    def goodbye(self) -> list[bytes]:
        """Leave it."""
        return [self._header + bytes([0x0E, 0, 0xF7])]

    def encode(self, changes: Sequence[tuple[Control, Value]]) -> list[bytes]:
        """Write one message for all lights."""
        body = bytearray()
        for control, value in changes:
            assert isinstance(value, Light)
            if value.blinks:
                body += bytes([_PULSE, control.number, _RED_OF_PALETTE])
            else:
                body += bytes([_RGB, control.number, value.red, value.green, value.blue])
        return [self._header + b"\x03" + bytes(body) + b"\xf7"]

    def understand(self, message: bytes) -> Input | None:
        """Read notes of pads, and controllers of the buttons around them."""
        if len(message) != 3 or message[0] & 0xF0 not in (0x80, _NOTE, _CONTROLLER):
            return None
        name = self._by_number.get(message[1])
        is_down = message[2] > 0 and message[0] & 0xF0 != 0x80
        return None if name is None else Input(name, Gesture.PRESS if is_down else Gesture.RELEASE)


def _ports(tag: str, plain: str) -> tuple[str, ...]:
    """Names of the port for programmers on Windows, Linux and macOS; never that for DAWs, which comes first."""
    return (rf"MIDI(IN|OUT)2 \(.*{tag}", rf"{tag} MI(?!.*DAW)", rf"{plain}.*MIDI 2")


LAUNCHPAD_MINI_MK3 = _Launchpad(
    "launchpad-mini-mk3", "Launchpad Mini MK3", 0x0D, b"\x13\x01", _ports("LPMiniMK3", "Launchpad Mini MK3")
)
LAUNCHPAD_X = _Launchpad("launchpad-x", "Launchpad X", 0x0C, b"\x03\x01", _ports("LPX", "Launchpad X"))
LAUNCHPAD_PRO_MK3 = _Launchpad(
    "launchpad-pro-mk3",
    "Launchpad Pro MK3",
    0x0E,
    b"\x23\x01",
    (r"LPProMK3 MI(?!.*(DAW|DIN))", r"Launchpad Pro MK3.*MIDI 1"),
)
