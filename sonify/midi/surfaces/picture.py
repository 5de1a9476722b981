"""A picture of what a device shows, as SVG: drawn from the profile's table and the values that it would be sent."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import cos, pi, sin

from sonify.midi.surfaces.parts import (
    Colours,
    Control,
    Fader,
    Kind,
    Lamp,
    Light,
    Meter,
    Ring,
    Text,
    Value,
)
from sonify.midi.surfaces.profile import Profile

__all__ = ["draw"]

_UNIT = 56.0  # pixels of a button
_MARGIN = 28.0
_CAPTION = 46.0
_CASE, _EDGE, _DARK = "#23262b", "#3a3f47", "#101215"
_FACE, _INK, _LCD = "#c9ced6", "#8f98a4", "#9fd0ff"
_LEDS = "#ff9a3c"
_STRIP_COLOURS = ("#20242a", "#ff5040", "#40d060", "#ffd040", "#5080ff", "#e060e0", "#50d8e0", "#e8ecf0")
_FADER_TOP = 16383


def draw(profile: Profile, values: Mapping[str, Value], caption: str, sliders: Mapping[str, float]) -> str:
    """Draw a device.

    Parameters
    ----------
    profile : Profile
        What it is.
    values : mapping of str to Value
        What its controls show, by name.
    caption : str
        A line below it.
    sliders : mapping of str to float
        Where controls without a motor stand, 0–1.

    Returns
    -------
    str
        The SVG file.
    """
    width, height = (_UNIT * size + 2.0 * _MARGIN for size in profile.picture_size)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height + _CAPTION:.0f}" '
        f'width="{width:.0f}" height="{height + _CAPTION:.0f}" font-family="Helvetica, Arial, sans-serif">',
        f"<title>{_text(profile.title)}: {_text(caption)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="18" fill="{_CASE}" stroke="{_EDGE}" stroke-width="2"/>',
    ]
    for control in profile.controls:
        parts.append(f'<g transform="translate({_MARGIN + _UNIT * control.x:.1f} {_MARGIN + _UNIT * control.y:.1f})">')
        parts.append(f"<title>{_text(control.name)}</title>")
        parts += _control(control, values.get(control.name), sliders.get(control.name, 0.0), values.get("colours"))
        parts.append("</g>")
    parts.append(
        f'<text x="{_MARGIN:.0f}" font-size="13" fill="{_INK}">'
        f'<tspan x="{_MARGIN:.0f}" y="{height + 19.0:.0f}">{_text(profile.title)}</tspan>'
        f'<tspan x="{_MARGIN:.0f}" y="{height + 37.0:.0f}">{_text(caption)}</tspan></text></svg>'
    )
    return "\n".join(parts) + "\n"


def _text(text: str) -> str:
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))


def _control(control: Control, value: Value | None, slider: float, colours: Value | None) -> list[str]:
    width, height = control.width * _UNIT, control.height * _UNIT
    if control.kind is Kind.PAD:
        return [_pad(value, width, height)]
    if control.kind is Kind.BUTTON:
        return _button(control, value, width, height)
    if control.kind is Kind.RING:
        return _ring(value, min(width, height))
    if control.kind is Kind.METER:
        return _meter(value, width, height)
    if control.kind is Kind.TEXT:
        return _display(control, value, width, height, colours)
    if control.kind in (Kind.FADER, Kind.SLIDER):
        share = value.position / _FADER_TOP if isinstance(value, Fader) else slider
        return _fader(share, width, height)
    return []


def _rect(width: float, height: float, fill: str, *, inset: float = 3.0, radius: float = 5.0, extra: str = "") -> str:
    return (
        f'<rect x="{inset:.1f}" y="{inset:.1f}" width="{width - 2 * inset:.1f}" height="{height - 2 * inset:.1f}" '
        f'rx="{radius:g}" fill="{fill}" {extra}/>'
    )


def _pad(value: Value | None, width: float, height: float) -> str:
    light = value if isinstance(value, Light) else Light(0, 0, 0)
    # LEDs are far brighter than a screen at the same number: lifted, so that dim is seen
    red, green, blue = (round(255.0 * (part / 127.0) ** 0.6) for part in light[:3])
    ground = [max(part, least) for part, least in zip((red, green, blue), (34, 37, 42), strict=True)]
    ring = 'stroke="#ffffff" stroke-width="2" stroke-dasharray="5 4"' if light.blinks else f'stroke="{_EDGE}"'
    return _rect(width, height, "#{:02x}{:02x}{:02x}".format(*ground), inset=min(3.0, height / 8.0), extra=ring)


def _button(control: Control, value: Value | None, width: float, height: float) -> list[str]:
    is_lit = value in (Lamp.ON, Lamp.BLINK)
    dashes = 'stroke="#ffffff" stroke-width="1.5" stroke-dasharray="4 3"' if value is Lamp.BLINK else ""
    label = control.name.rpartition(" ")[0] or control.name
    ink = _DARK if is_lit else _INK
    return [
        _rect(width, height, control.colour if is_lit else _DARK, inset=2.0, extra=dashes or f'stroke="{_EDGE}"'),
        f'<text x="{width / 2:.1f}" y="{height / 2 + 3.5:.1f}" font-size="10" text-anchor="middle" fill="{ink}">'
        f"{_text(label)}</text>",
    ]


def _ring(value: Value | None, size: float) -> list[str]:
    ring = value if isinstance(value, Ring) else Ring(0, 11)
    middle, radius = size / 2.0, size * 0.42
    parts = [f'<circle cx="{middle:.1f}" cy="{middle:.1f}" r="{size * 0.27:.1f}" fill="{_DARK}" stroke="{_INK}"/>']
    lit = _lit_dots(ring)
    for index in range(11):
        angle = pi * (0.75 + 1.5 * index / 10.0)
        x, y = middle + radius * cos(angle), middle + radius * sin(angle)
        fill = _LEDS if index in lit else _DARK
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size * 0.045:.1f}" fill="{fill}"/>')
    return parts


def _lit_dots(ring: Ring) -> set[int]:
    """Which of eleven LEDs are lit."""
    if ring.steps == 11:
        if ring.position == 0:
            return set()
        at = ring.position - 1
    else:
        at = round(10.0 * ring.position / max(ring.steps - 1, 1))
    if ring.is_centred:
        return set(range(min(at, 5), max(at, 5) + 1))
    return set(range(at + 1))


def _meter(value: Value | None, width: float, height: float) -> list[str]:
    segments = value.segments if isinstance(value, Meter) else 0
    step = height / 14.0
    parts = []
    for index in range(14):
        colour = "#ff4030" if index == 13 else "#ffd040" if index > 9 else "#40d060"
        fill = colour if index < segments else _DARK
        parts.append(
            f'<rect y="{height - (index + 1) * step:.1f}" width="{width:.1f}" height="{step - 1:.1f}" fill="{fill}"/>'
        )
    return parts


def _display(control: Control, value: Value | None, width: float, height: float, colours: Value | None) -> list[str]:
    ground, ink = "#0c2038", _LCD
    if isinstance(colours, Colours):
        ground, ink = _STRIP_COLOURS[colours.colours[control.role.number]], _DARK
    shown = value.text if isinstance(value, Text) else ""
    return [
        f'<rect width="{width:.1f}" height="{height + 0.5:.1f}" fill="{ground}"/>',
        f'<text x="5" y="{height * 0.72:.1f}" font-size="14" font-family="Menlo, DejaVu Sans Mono, monospace" '
        f'xml:space="preserve" fill="{ink}">{_text(shown)}</text>',
    ]


def _fader(share: float, width: float, height: float) -> list[str]:
    cap = 22.0
    y = (height - cap) * (1.0 - share)
    return [
        f'<rect x="{width / 2 - 2:.1f}" width="4" height="{height:.1f}" rx="2" fill="{_DARK}"/>',
        f'<rect x="{width * 0.2:.1f}" y="{y:.1f}" width="{width * 0.6:.1f}" height="{cap:g}" rx="3" fill="{_FACE}"/>',
        f'<rect x="{width * 0.2:.1f}" y="{y + cap / 2 - 1:.1f}" width="{width * 0.6:.1f}" height="2" fill="{_DARK}"/>',
    ]
