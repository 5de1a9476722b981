"""What every profile of a device has: its table, its names on ports, and its bytes both ways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from sonify.midi.surfaces.parts import Colours, Control, Fader, Input, Kind, Lamp, Light, Meter, Ring, Text, Value
from sonify.midi.surfaces.roles import Glow, Look

__all__ = ["NUM_STRIPS", "Profile", "dark", "light_of"]

NUM_STRIPS = 8
_FADER_TOP = 16383
_METER_FLOOR_DB, _METER_STEP_DB = -60.0, 4.5  # of a meter's 13 segments


class Profile(ABC):
    """One kind of device. Profiles hold no state.

    Attributes
    ----------
    name, title : str
        As a person types it, and as it stands on the device.
    ports : tuple of str
        Regular expressions of its port's name, the best first; case does not matter.
    identities : tuple of bytes
        What follows ``7E id 06 02`` in its reply to an identity request.
    controls : tuple of Control
        The table.
    num_strips : int
        Backends that it shows at once.
    heat_size : (int, int)
        Columns and rows of its heatmap.
    most_changes : int
        Controls that it takes in one picture; more are lost.
    text_width : int
        Characters of a strip's line.
    """

    name: str
    title: str
    ports: tuple[str, ...]
    identities: tuple[bytes, ...] = ()
    controls: tuple[Control, ...]
    num_strips: int = NUM_STRIPS
    heat_size: tuple[int, int] = (8, 8)
    most_changes: int = 96
    text_width: int = 7
    picture_size: tuple[float, float] = (9.0, 9.0)

    def hello(self) -> list[bytes]:
        """Messages that make it ready to be painted."""
        return []

    def goodbye(self) -> list[bytes]:
        """Messages that give it back, after it was darkened."""
        return []

    @abstractmethod
    def encode(self, changes: Sequence[tuple[Control, Value]]) -> list[bytes]:
        """Messages that make controls show values."""

    @abstractmethod
    def understand(self, message: bytes) -> Input | None:
        """Say what a message of the device means; None where it means nothing here."""

    def has_restarted(self, message: bytes) -> bool:
        """Whether a message says that the device was switched on, and has to be greeted again."""
        del message
        return False

    def value(self, control: Control, look: Look) -> Value | None:
        """Find what a control can show of a look; None where it can show nothing."""
        kind = control.kind
        if kind is Kind.PAD:
            return self.light(look.glow)
        if kind is Kind.BUTTON:
            return look.lamp
        if kind is Kind.RING:
            return self.ring(look)
        if kind is Kind.FADER:
            return Fader(round(look.share * _FADER_TOP))
        if kind is Kind.METER:
            return Meter(_segments(look.level_db))
        if kind is Kind.TEXT:
            return Text(look.text[: self.text_width].ljust(self.text_width))
        return Colours(look.colours) if kind is Kind.COLOURS else None

    def light(self, glow: Glow) -> Light:
        """Colour that a pad can show."""
        return light_of(glow)

    def ring(self, look: Look) -> Ring:
        """Ring of 11 LEDs, as most have."""
        position = 1 + round(look.share * 10.0) if look.is_present else 0
        return Ring(position, 11, look.is_centred)


def light_of(glow: Glow) -> Light:
    """Seven bits a colour."""
    red, green, blue = (round(127.0 * min(max(part, 0.0), 1.0)) for part in glow[:3])
    return Light(red, green, blue, glow.blinks)


def dark(control: Control, text_width: int = 7) -> Value | None:
    """Return what a control shows when it shows nothing."""
    values: dict[Kind, Value] = {
        Kind.PAD: Light(0, 0, 0),
        Kind.BUTTON: Lamp.OFF,
        Kind.RING: Ring(0, 0),
        Kind.FADER: Fader(0),
        Kind.METER: Meter(0),
        Kind.TEXT: Text(" " * text_width),
        Kind.COLOURS: Colours((7,) * NUM_STRIPS),  # white: as it was
    }
    return values.get(control.kind)


def _segments(level_db: float) -> int:
    if level_db >= 0.0:
        return 14
    return max(0, min(13, int((level_db - _METER_FLOOR_DB) / _METER_STEP_DB) + 1)) if level_db > _METER_FLOOR_DB else 0
