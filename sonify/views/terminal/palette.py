"""Colours of the terminal view: true colour, the sixteen of any terminal, or none at all.

State colours are those of Okabe and Ito, "Color Universal Design" (2008), which colour-blind people tell apart; yet a
letter always stands beside them. The heatmap's ramp runs from blue to yellow with ever more luminance, so that it reads
the same in grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
from rich.color import Color
from rich.style import Style

from sonify.metrics.panels import State

__all__ = ["ColourMode", "Palette", "palette"]

_GROUND = "#0d1117"
_RAMP_ANCHORS = (
    (13, 17, 23),
    (17, 42, 92),
    (26, 84, 132),
    (64, 128, 140),
    (138, 166, 122),
    (222, 196, 88),
    (255, 243, 160),
)
_RAMP_STEPS = 49
_RAMP_OF_SIXTEEN = ("default", "blue", "cyan", "bright_cyan", "bright_white")  # rising luminance in common themes
SHADES = " ·░▒▓█"  # the same without colours


class ColourMode(Enum):
    """What the terminal can show."""

    TRUE = "true colour"
    SIXTEEN = "sixteen colours"
    NONE = "no colour"


@dataclass(frozen=True, slots=True)
class Palette:
    """All styles of one colour mode.

    Attributes
    ----------
    mode : ColourMode
        Which.
    text, dim, strong, title, accent, peak, hatch, key : Style
        By what they are for.
    states, chips : dict of State to Style
        For text in the colour of a state, and for a filled label.
    selected : Style
        Name of the selected backend.
    stale, idle : Style
        Filled labels for a lost source, and for no traffic: neither looks like a state.
    ramp : tuple of Color
        From nothing to the most, by luminance; empty without colours.
    bars : tuple of Style
        Styles of a bar's rows, bottom to top.
    """

    mode: ColourMode
    text: Style
    dim: Style
    strong: Style
    title: Style
    accent: Style
    peak: Style
    hatch: Style
    key: Style
    selected: Style
    stale: Style
    idle: Style
    states: dict[State, Style]
    chips: dict[State, Style]
    ramp: tuple[Color, ...]
    bars: tuple[Style, ...]

    def heat(self, share: float) -> int:
        """Place on the ramp, or among the shades, of a share 0–1; more than nothing never looks like nothing."""
        last = (len(self.ramp) or len(SHADES)) - 1
        return 0 if not share > 0.0 else max(1, min(round(share * last), last))


def _ramp() -> tuple[Color, ...]:
    anchors = np.array(_RAMP_ANCHORS, dtype=float)
    places = np.linspace(0.0, len(anchors) - 1, _RAMP_STEPS)
    channels = [np.interp(places, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return tuple(Color.from_rgb(*(round(float(channel[step])) for channel in channels)) for step in range(_RAMP_STEPS))


def _true_colour() -> Palette:
    def on_ground(colour: str, *, bold: bool = False) -> Style:
        return Style(color=colour, bgcolor=_GROUND, bold=bold)

    colours = {State.UNKNOWN: "#8b949e", State.GREEN: "#2bb98a", State.YELLOW: "#f0e442", State.RED: "#ff7a33"}
    ramp = _ramp()
    ground = Color.parse(_GROUND)
    return Palette(
        mode=ColourMode.TRUE,
        text=on_ground("#d0d7de"),
        dim=on_ground("#7d8590"),
        strong=on_ground("#f0f6fc", bold=True),
        title=Style(color="#9fb3c8", bgcolor="#161d27", bold=True),
        accent=on_ground("#56b4e9"),
        peak=on_ground("#fff3a0"),
        hatch=on_ground("#5a636e"),
        key=on_ground("#56b4e9", bold=True),
        selected=Style(color="#0d1117", bgcolor="#56b4e9", bold=True),
        stale=Style(color="#0d1117", bgcolor="#e08fc0", bold=True),
        idle=Style(color="#0d1117", bgcolor="#56b4e9", bold=True),
        states={state: on_ground(colour) for state, colour in colours.items()},
        chips={state: Style(color="#0d1117", bgcolor=colour, bold=True) for state, colour in colours.items()},
        ramp=ramp,
        bars=tuple(Style(color=colour, bgcolor=ground) for colour in ramp[_RAMP_STEPS // 3 :]),
    )


def _sixteen() -> Palette:
    names = {State.UNKNOWN: "white", State.GREEN: "green", State.YELLOW: "bright_yellow", State.RED: "bright_red"}
    return Palette(
        mode=ColourMode.SIXTEEN,
        text=Style(),
        dim=Style(color="bright_black"),
        strong=Style(bold=True),
        title=Style(bold=True, underline=True),
        accent=Style(color="bright_cyan"),
        peak=Style(color="bright_yellow"),
        hatch=Style(color="bright_black"),
        key=Style(color="bright_cyan", bold=True),
        selected=Style(color="black", bgcolor="bright_cyan"),
        stale=Style(color="black", bgcolor="bright_magenta"),
        idle=Style(color="black", bgcolor="bright_cyan"),
        states={state: Style(color=name) for state, name in names.items()},
        chips={state: Style(color="black", bgcolor=name) for state, name in names.items()},
        ramp=tuple(Color.parse(name) for name in _RAMP_OF_SIXTEEN),
        bars=tuple(Style(color=name) for name in ("blue", "cyan", "bright_cyan")),
    )


def _no_colour() -> Palette:
    plain, bold, reverse = Style(), Style(bold=True), Style(reverse=True, bold=True)
    return Palette(
        mode=ColourMode.NONE,
        text=plain,
        dim=plain,
        strong=bold,
        title=Style(bold=True, underline=True),
        accent=plain,
        peak=bold,
        hatch=plain,
        key=bold,
        selected=reverse,
        stale=reverse,
        idle=reverse,
        states=dict.fromkeys(State, plain) | {State.RED: bold},
        chips=dict.fromkeys(State, bold) | {State.RED: reverse},
        ramp=(),
        bars=(plain,),
    )


@lru_cache
def palette(mode: ColourMode) -> Palette:
    """All styles of a mode."""
    return {ColourMode.TRUE: _true_colour, ColourMode.SIXTEEN: _sixteen, ColourMode.NONE: _no_colour}[mode]()
