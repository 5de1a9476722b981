"""DJ TechTools MIDI Fighter Twister: sixteen knobs; four for everything, eleven backends, and the worst state."""

from __future__ import annotations

from collections.abc import Sequence

from sonify.midi.surfaces.palette import nearest
from sonify.midi.surfaces.parts import OFF, Control, Gesture, Input, Kind, Light, Ring, Role, Value
from sonify.midi.surfaces.profile import Profile
from sonify.midi.surfaces.roles import Glow, Look

__all__ = ["MIDI_FIGHTER_TWISTER"]

_RING_CHANNEL, _COLOUR_CHANNEL, _ANIMATION_CHANNEL = 0xB0, 0xB1, 0xB2
_BRIGHTNESS_OFF, _BRIGHTNESS_TOP, _PULSE = 17, 47, 13
_HUES = {1: (0, 0, 127), 50: (0, 127, 0), 63: (127, 110, 0), 80: (127, 0, 0), 100: (127, 0, 127)}
_LEVELS = {25: 0.2, 32: 0.5, 47: 1.0}  # of brightness
_CODES: dict[Light, tuple[int, int]] = {
    Light(round(red * share), round(green * share), round(blue * share)): (code, brightness)
    for code, (red, green, blue) in _HUES.items()
    for brightness, share in _LEVELS.items()
}
_PALETTE = (OFF, *_CODES)
_ROLES = (
    Role("eq"), Role("compressor"), Role("reverb"), Role("level"), *(Role("trim", index) for index in range(11)),
    Role("acknowledge"),
)  # fmt: skip


def _table() -> tuple[Control, ...]:
    controls = []
    for index, role in enumerate(_ROLES):
        x, y = 1.3 * (index % 4), 1.3 * (index // 4)
        controls.append(Control(f"knob {index + 1}", Kind.RING, role, index, x, y))
        controls.append(Control(f"light {index + 1}", Kind.PAD, role, index, x + 0.35, y + 1.05, 0.3, 0.15))
    return tuple(controls)


class _Twister(Profile):
    """MIDI Fighter Twister, its knobs set to relative (ENC 3FH/41H) in its utility."""

    name = "midi-fighter-twister"
    title = "MIDI Fighter Twister"
    ports = (r"Midi ?Fighter ?Twister",)
    controls = _table()
    num_strips = 11
    picture_size = (5.0, 5.2)

    def light(self, glow: Glow) -> Light:
        """One of its hues, in three brightnesses."""
        return nearest(_PALETTE, glow)

    def ring(self, look: Look) -> Ring:
        """Seven bits; dark is not a value of its own."""
        return Ring(round(look.share * 127.0) if look.is_present else 0, 128, look.is_centred)

    def goodbye(self) -> list[bytes]:
        """Give the lights back to the colours that its owner has set."""
        return [bytes([channel, number, 0]) for number in range(16) for channel in (0xB1, 0xB2)]

    def encode(self, changes: Sequence[tuple[Control, Value]]) -> list[bytes]:
        """Hue and brightness are two messages."""
        messages = []
        for control, value in changes:
            if isinstance(value, Ring):
                messages.append(bytes([_RING_CHANNEL, control.number, value.position]))
            elif isinstance(value, Light):
                hue, brightness = _CODES.get(value._replace(blinks=False), (0, _BRIGHTNESS_OFF))
                if hue:
                    messages.append(bytes([_COLOUR_CHANNEL, control.number, hue]))
                messages.append(bytes([_ANIMATION_CHANNEL, control.number, _PULSE if value.blinks else brightness]))
        return messages

    def understand(self, message: bytes) -> Input | None:
        """63 and 65 are a tick, further from 64 is faster."""
        if len(message) != 3 or message[1] >= len(_ROLES):
            return None
        status, number, value = message
        if status == _RING_CHANNEL:
            return Input(f"knob {number + 1}", Gesture.TURN, value - 64)
        if status == _COLOUR_CHANNEL:
            return Input(f"knob {number + 1}", Gesture.PRESS if value > 0 else Gesture.RELEASE)
        return None


MIDI_FIGHTER_TWISTER = _Twister()
