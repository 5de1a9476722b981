"""What devices are made of: controls, what they show, and what is done to them."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = [
    "OFF",
    "Colours",
    "Control",
    "Fader",
    "Gesture",
    "Input",
    "Kind",
    "Lamp",
    "Light",
    "Meter",
    "Ring",
    "Role",
    "Text",
    "Value",
]


class Kind(Enum):
    """Sort of control."""

    PAD = "pad"  # a button lit in colours
    BUTTON = "button"  # a button with a lamp of one colour
    RING = "ring"  # a knob inside a ring of LEDs
    FADER = "fader"  # with a motor
    SLIDER = "slider"  # without: it shows nothing but where a hand left it
    METER = "meter"
    TEXT = "text"
    COLOURS = "colours"  # of all scribble strips at once


class Role(NamedTuple):
    """What a control is for: what, and which one of those. See `sonify.midi.surfaces.roles`."""

    what: str
    number: int = 0
    row: int = 0


class Control(NamedTuple):
    """A row of a device's table.

    Attributes
    ----------
    name : str
        As a person finds it on the device.
    kind : Kind
        Sort.
    role : Role
        What it is for.
    number : int
        Of its note, controller or place in the device's own count.
    x, y, width, height : float
        Where it is, in units of a button, from the top left.
    colour : str
        Of its lamp, where it has only one.
    """

    name: str
    kind: Kind
    role: Role
    number: int
    x: float
    y: float
    width: float = 1.0
    height: float = 1.0
    colour: str = "#ffffff"


class Light(NamedTuple):
    """Colour of a pad, each part 0–127, as the device has it."""

    red: int
    green: int
    blue: int
    blinks: bool = False


class Lamp(Enum):
    """A lamp of one colour."""

    OFF = 0
    ON = 1
    BLINK = 2


class Ring(NamedTuple):
    """LEDs around a knob: `position` of `steps` (0 is dark), and whether it counts from the middle."""

    position: int
    steps: int
    is_centred: bool = False


class Fader(NamedTuple):
    """Place of a motor fader, 0–16383."""

    position: int


class Meter(NamedTuple):
    """Level meter, 0–13 segments; 14 is overload."""

    segments: int


class Text(NamedTuple):
    """Printable ASCII, filled up to the width of the display."""

    text: str


class Colours(NamedTuple):
    """Colour of each strip: 3 bits red, green, blue from the lowest."""

    colours: tuple[int, ...]


Value = Light | Lamp | Ring | Fader | Meter | Text | Colours

OFF = Light(0, 0, 0)


class Gesture(Enum):
    """What was done."""

    PRESS = "press"
    RELEASE = "release"
    TURN = "turn"  # by `amount` ticks, clockwise is positive
    MOVE = "move"  # to `amount`, 0–1
    TOUCH = "touch"
    LET_GO = "let go"


class Input(NamedTuple):
    """What a message from the device means; `control` is its name."""

    control: str
    gesture: Gesture
    amount: float = 0.0
