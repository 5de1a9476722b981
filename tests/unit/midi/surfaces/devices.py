"""Strict state machines of the devices: bytes in, state out. Written from what is known of them, not from profiles.

Each keeps what its LEDs, displays, meters and faders show. A message that the device does not know, or that does not
fit the mode that it is in, is a failure, as is one that is longer than the device takes.
"""

from __future__ import annotations

from typing import Any

from sonify.midi.surfaces.parts import Colours, Control, Fader, Kind, Lamp, Light, Meter, Ring, Text, Value


class RefusedError(AssertionError):
    """The device does not know this."""


class Device:
    """What all have: power, and one way in.

    `is_strict` False: what does not fit the mode is ignored, as the device would; for tests that lose messages.
    """

    longest_sysex = 512

    def __init__(self, *, is_strict: bool = True) -> None:
        self.is_strict = is_strict
        self.num_messages = 0
        self.reset()

    def reset(self) -> None:
        """Be as after power-on."""
        self.lights: dict[Any, Any] = {}
        self.in_mode = False

    def take(self, message: bytes) -> None:
        """Take one message."""
        self.num_messages += 1
        if not message or message[0] < 0x80 or any(byte >= 0x80 for byte in message[1:-1]):
            raise RefusedError(f"no MIDI message: {message.hex(' ')}")
        if message[0] == 0xF0:
            if message[-1] != 0xF7 or len(message) > self.longest_sysex:
                raise RefusedError(f"system exclusive message of {len(message)} bytes: {message[:24].hex(' ')} …")
            self.take_sysex(message)
        else:
            if len(message) != {0xC0: 2, 0xD0: 2}.get(message[0] & 0xF0, 3) or message[-1] >= 0x80:
                raise RefusedError(f"not whole: {message.hex(' ')}")
            self.take_short(message)

    def take_sysex(self, message: bytes) -> None:
        raise RefusedError(f"unknown: {message.hex(' ')}")

    def take_short(self, message: bytes) -> None:
        raise RefusedError(f"unknown: {message.hex(' ')}")

    def out_of_mode(self, message: bytes) -> None:
        if self.is_strict:
            raise RefusedError(f"out of mode: {message.hex(' ')}")

    def shows(self, control: Control) -> Value | None:
        """What a control shows, in the profile's words; None where nothing was ever said."""
        raise NotImplementedError

    @property
    def is_restored(self) -> bool:
        """Whether it is as it was before anybody came."""
        raise NotImplementedError


class Launchpad(Device):
    """MK3: an LED for every note or controller of the 9 × 9 field."""

    def __init__(self, model: int, **options: bool) -> None:
        self.header = bytes([0xF0, 0x00, 0x20, 0x29, 0x02, model])
        super().__init__(**options)

    def take_sysex(self, message: bytes) -> None:
        body = message[len(self.header) : -1]
        if not message.startswith(self.header) or not body:
            raise RefusedError(f"not mine: {message.hex(' ')}")
        if body[0] == 0x0E and len(body) == 2 and body[1] <= 1:
            if self.in_mode != bool(body[1]):
                self.lights = {}
            self.in_mode = bool(body[1])
        elif body[0] == 0x03:
            if not self.in_mode:
                self.out_of_mode(message)
            else:
                self._light(body[1:])
        else:
            raise RefusedError(f"unknown: {message.hex(' ')}")

    def _light(self, specs: bytes) -> None:
        at = 0
        if not specs:
            raise RefusedError("no light in it")
        while at < len(specs):
            length = {0: 3, 1: 4, 2: 3, 3: 5}.get(specs[at])
            if length is None or at + length > len(specs) or not self._has(specs[at + 1]):
                raise RefusedError(f"no light: {specs[at : at + 5].hex(' ')}")
            self.lights[specs[at + 1]] = tuple(specs[at : at + 1]) + tuple(specs[at + 2 : at + length])
            at += length

    @staticmethod
    def _has(number: int) -> bool:
        return number // 10 in range(1, 10) and number % 10 in range(1, 10)

    def shows(self, control: Control) -> Value | None:
        light = self.lights.get(control.number)
        if light is None:
            return None
        return Light(*light[1:]) if light[0] == 3 else Light(127, 6, 0, blinks=True)

    @property
    def is_restored(self) -> bool:
        return not self.in_mode


class Mackie(Device):
    """Mackie Control: 2 × 56 characters, 8 rings, 9 motor faders, meters, and a lamp in every button."""

    def __init__(self, device: int = 0x14, *, has_colours: bool = False, **options: bool) -> None:
        self.header = bytes([0xF0, 0x00, 0x00, 0x66, device])
        self.has_colours, self.is_main = has_colours, device == 0x14
        super().__init__(**options)

    def reset(self) -> None:
        super().reset()
        self.screen = bytearray(b" " * 112)
        self.rings: dict[int, int] = {}
        self.faders = dict.fromkeys(range(9), 0)
        self.meters = dict.fromkeys(range(8), 0)
        self.overloads: set[int] = set()
        self.colours = (7,) * 8
        self.touched: set[int] = set()

    def take_sysex(self, message: bytes) -> None:
        body = message[5:-1]
        if not message.startswith(self.header) or not body:
            raise RefusedError(f"not mine: {message.hex(' ')}")
        if body == b"\x00":
            return  # the question who is there
        if body[0] == 0x12 and len(body) >= 3 and body[1] + len(body) - 2 <= 112:
            if any(not 0x20 <= byte <= 0x7E for byte in body[2:]):
                raise RefusedError(f"no character: {message.hex(' ')}")
            self.screen[body[1] : body[1] + len(body) - 2] = body[2:]
        elif body[0] == 0x72 and self.has_colours and len(body) == 9 and max(body[1:]) <= 7:
            self.colours = tuple(body[1:])
        else:
            raise RefusedError(f"unknown: {message.hex(' ')}")

    def take_short(self, message: bytes) -> None:
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        if kind == 0xE0 and channel < (9 if self.is_main else 8):
            if channel in self.touched:
                raise RefusedError(f"fader {channel + 1} moves under a hand")
            self.faders[channel] = message[2] << 7 | message[1]
        elif (
            kind == 0x90
            and channel == 0
            and message[1] < (0x74 if self.is_main else 0x20)
            and message[2] in (0, 1, 127)
        ):
            self.lights[message[1]] = message[2]
        elif kind == 0xB0 and channel == 0 and 0x30 <= message[1] <= 0x37 and message[2] & 0x0F <= 11:
            self.rings[message[1] - 0x30] = message[2]
        elif kind == 0xD0 and channel == 0 and message[1] >> 4 < 8:
            strip, level = message[1] >> 4, message[1] & 0x0F
            if level == 0x0E:
                self.overloads.add(strip)
            elif level == 0x0F:
                self.overloads.discard(strip)
            else:
                self.meters[strip] = level
        else:
            raise RefusedError(f"unknown: {message.hex(' ')}")

    def decay(self) -> None:
        """Let 300 ms go by: every meter falls by a segment."""
        self.meters = {strip: max(level - 1, 0) for strip, level in self.meters.items()}

    def shows(self, control: Control) -> Value | None:
        if control.kind is Kind.TEXT:
            return Text(self.screen[control.number : control.number + 7].decode())
        if control.kind is Kind.FADER:
            return Fader(self.faders[control.number])
        if control.kind is Kind.METER:
            return Meter(14 if control.number in self.overloads else self.meters[control.number])
        if control.kind is Kind.COLOURS:
            return Colours(self.colours)
        if control.kind is Kind.RING:
            ring = self.rings.get(control.number, 0)
            if ring & 0x0F and (ring >> 6 == 1) != ((ring & 0x0F) == 6 and ring >> 4 & 3 == 1):
                raise RefusedError(f"the middle LED of ring {control.number + 1} is wrong")
            return Ring(ring & 0x0F, 11, ring >> 4 & 3 == 1)
        return {0: Lamp.OFF, 1: Lamp.BLINK, 127: Lamp.ON}[self.lights.get(control.number, 0)]

    @property
    def is_restored(self) -> bool:
        return (
            not any(self.lights.values())
            and not self.screen.strip()
            and not any(ring & 0x4F for ring in self.rings.values())
            and not any(self.faders.values())
            and not any(self.meters.values())
            and not self.overloads
            and self.colours == (7,) * 8
        )


class XTouchMini(Device):
    """In MC mode; its buttons' numbers are those of a Mackie Control."""

    buttons = (*range(0x28, 0x2E), *range(0x54, 0x60))

    def take_short(self, message: bytes) -> None:
        status, number, value = message
        if status == 0xBA and number == 127 and value <= 1:
            self.in_mode = bool(value)
            if not self.in_mode:
                self.lights = {}
        elif not self.in_mode:
            self.out_of_mode(message)
        elif (status == 0x90 and number in self.buttons and value in (0, 1, 127)) or (
            status == 0xB0
            and 48 <= number <= 55
            and (value == 0 or value in (*range(1, 12), *range(17, 28), *range(33, 44), *range(49, 55)))
        ):
            self.lights[status, number] = value
        else:
            raise RefusedError(f"unknown: {message.hex(' ')}")

    def shows(self, control: Control) -> Value | None:
        if control.kind is Kind.BUTTON:
            value = self.lights.get((0x90, control.number))
            return None if value is None else {0: Lamp.OFF, 1: Lamp.BLINK, 127: Lamp.ON}[value]
        value = self.lights.get((0xB0, 48 + control.number))
        if value is None:
            return None
        return Ring(value & 0x0F, 11, value >> 4 == 1) if value else Ring(0, 11)

    @property
    def is_restored(self) -> bool:
        return not self.in_mode


class ApcMiniMk2(Device):
    """Takes four pads a message. `begin_picture` says that a thirtieth of a second has passed."""

    longest_sysex = 8 + 4 * 8
    most_pads = 12

    def reset(self) -> None:
        super().reset()
        self.num_pads = 0

    def begin_picture(self) -> None:
        self.num_pads = 0

    def take_sysex(self, message: bytes) -> None:
        if message[:5] != bytes.fromhex("f0477f4f24"):
            raise RefusedError(f"unknown: {message.hex(' ')}")
        length, body = message[5] << 7 | message[6], message[7:-1]
        if length != len(body) or length % 8 or not length:
            raise RefusedError(f"length {length}, and {len(body)} bytes")
        for at in range(0, length, 8):
            first, last, *parts = body[at : at + 8]
            if first > last or last > 63 or any(high > 1 for high in parts[::2]):
                raise RefusedError(f"no pads: {body[at : at + 8].hex(' ')}")
            for pad in range(first, last + 1):
                self.num_pads += 1
                if self.num_pads > self.most_pads:
                    raise RefusedError(f"more than {self.most_pads} pads in one picture")
                self.lights[pad] = tuple(high << 7 | low for high, low in zip(parts[::2], parts[1::2], strict=True))

    def take_short(self, message: bytes) -> None:
        status, number, value = message
        if status != 0x90 or number not in (*range(0x64, 0x6C), *range(0x70, 0x78)) or value > 2:
            raise RefusedError(f"unknown: {message.hex(' ')}")
        self.lights[number] = value

    def shows(self, control: Control) -> Value | None:
        light = self.lights.get(control.number)
        if light is None or control.kind is Kind.SLIDER:
            return None
        if control.kind is Kind.BUTTON:
            return (Lamp.OFF, Lamp.ON, Lamp.BLINK)[light]
        return Light(*(-(-part * 127 // 255) for part in light))

    @property
    def is_restored(self) -> bool:
        return all(light in (0, (0, 0, 0)) for light in self.lights.values())


class Twister(Device):
    """Channels: 1 the ring, 2 the hue, 3 brightness and animation."""

    def take_short(self, message: bytes) -> None:
        status, number, value = message
        known = {0xB0: range(128), 0xB1: range(127), 0xB2: (0, *range(1, 17), *range(17, 48))}
        if number > 63 or value not in known.get(status, ()):
            raise RefusedError(f"unknown: {message.hex(' ')}")
        self.lights[status, number] = value

    hues = {1: (0, 0, 127), 50: (0, 127, 0), 63: (127, 110, 0), 80: (127, 0, 0), 100: (127, 0, 127)}  # noqa: RUF012

    def shows(self, control: Control) -> Value | None:
        if control.kind is Kind.RING:
            value = self.lights.get((0xB0, control.number))
            return None if value is None else Ring(value, 128)
        brightness = self.lights.get((0xB2, control.number))
        if brightness is None:
            return None
        if brightness == 17:
            return Light(0, 0, 0)
        hue = self.hues[self.lights[0xB1, control.number]]
        share = {25: 0.2, 32: 0.5, 47: 1.0}.get(brightness, 1.0)
        return Light(*(round(part * share) for part in hue), blinks=brightness < 17)

    @property
    def is_restored(self) -> bool:
        return all(value == 0 for (status, _), value in self.lights.items() if status != 0xB0)


class Apc40Mk2(Device):
    """Grid and scenes in colours of a palette, lamps of the tracks by channel, rings with a style."""

    palette = {  # noqa: RUF012 - those of its 128 that are used
        0: (0, 0, 0), 1: (15, 15, 15), 2: (63, 63, 63), 3: (127, 127, 127),
        5: (127, 0, 0), 6: (44, 0, 0), 7: (12, 0, 0),
        13: (127, 127, 0), 14: (44, 44, 0), 15: (12, 12, 0), 21: (0, 127, 0), 22: (0, 44, 0), 23: (0, 12, 0),
        45: (0, 0, 127), 46: (0, 0, 44), 47: (0, 0, 12), 53: (127, 0, 127), 54: (44, 0, 44), 55: (12, 0, 12),
    }  # fmt: skip

    def reset(self) -> None:
        super().reset()
        self.mode = 0x40

    def take_sysex(self, message: bytes) -> None:
        if message[:7] != bytes.fromhex("f0477f29600004") or len(message) != 12 or message[7] not in (0x40, 0x41, 0x42):
            raise RefusedError(f"unknown: {message.hex(' ')}")
        if self.mode != message[7]:
            self.lights = {}
        self.mode = message[7]
        self.in_mode = self.mode == 0x42

    def take_short(self, message: bytes) -> None:
        kind, channel, (number, value) = message[0] & 0xF0, message[0] & 0x0F, message[1:]
        if not self.in_mode:
            self.out_of_mode(message)
        elif kind == 0x90 and (number <= 39 or 82 <= number <= 86) and value in self.palette:
            if channel == 0:
                self.lights[number] = (value, 0)
            else:
                self.lights[number] = (value, channel)
        elif kind == 0x90 and 48 <= number <= 52 and channel < 8 and value <= 1:
            self.lights["track", number, channel] = value
        elif (kind == 0xB0 and channel == 0 and number in (*range(16, 24), *range(48, 56))) or (
            kind == 0xB0 and channel == 0 and number in (*range(24, 32), *range(56, 64)) and value <= 3
        ):
            self.lights["ring", number] = value
        else:
            raise RefusedError(f"unknown: {message.hex(' ')}")

    def shows(self, control: Control) -> Value | None:
        if control.kind is Kind.PAD:
            light = self.lights.get(control.number)
            return None if light is None else Light(*self.palette[light[0]], blinks=light[1] >= 6)
        if control.kind is Kind.BUTTON:
            value = self.lights.get(("track", control.number >> 4, control.number & 0x0F))
            return None if value is None else (Lamp.ON if value else Lamp.OFF)
        if control.kind is Kind.RING:
            value = self.lights.get(("ring", control.number))
            return None if value is None else Ring(value, 128, self.lights.get(("ring", control.number + 8)) == 3)
        return None

    @property
    def is_restored(self) -> bool:
        return self.mode == 0x40


def device_of(profile_name: str, *, is_strict: bool = True) -> Device:
    """Make the device of a profile."""
    if profile_name.startswith("launchpad"):
        return Launchpad({"launchpad-mini-mk3": 0x0D, "launchpad-x": 0x0C}.get(profile_name, 0x0E), is_strict=is_strict)
    makers = {
        "mackie": lambda: Mackie(is_strict=is_strict),
        "mackie-xt": lambda: Mackie(0x15, is_strict=is_strict),
        "x-touch": lambda: Mackie(has_colours=True, is_strict=is_strict),
        "x-touch-extender": lambda: Mackie(0x15, has_colours=True, is_strict=is_strict),
        "x-touch-mini": lambda: XTouchMini(is_strict=is_strict),
        "apc-mini-mk2": lambda: ApcMiniMk2(is_strict=is_strict),
        "midi-fighter-twister": lambda: Twister(is_strict=is_strict),
        "apc40-mk2": lambda: Apc40Mk2(is_strict=is_strict),
    }
    return makers[profile_name]()


def same_look(shown: Value | None, wanted: Value) -> bool:
    """Whether a device shows what is wanted, as far as it can tell things apart."""
    if isinstance(wanted, Ring) and isinstance(shown, Ring):
        return shown.position == wanted.position and (wanted.position == 0 or shown.steps == 128 or shown == wanted)
    if isinstance(wanted, Light) and isinstance(shown, Light):
        return wanted == shown or (wanted.blinks and shown.blinks)
    return shown == wanted
