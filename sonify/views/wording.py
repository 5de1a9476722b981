"""How views write values and untrusted names. What was not measured is always an en dash, never a zero."""

from __future__ import annotations

import math
import time
import unicodedata

from sonify.metrics.panels import State

__all__ = [
    "MISSING",
    "PANEL_WORDS",
    "STATE_LETTERS",
    "STATE_WORDS",
    "age",
    "clean",
    "clock",
    "count",
    "latency",
    "level",
    "percent",
    "rate",
]

MISSING = "–"
STATE_LETTERS = {State.UNKNOWN: MISSING, State.GREEN: "G", State.YELLOW: "Y", State.RED: "R"}
STATE_WORDS = {State.UNKNOWN: "not measured", State.GREEN: "green", State.YELLOW: "yellow", State.RED: "red"}
PANEL_WORDS = {
    "request_rate": "requests",
    "error_ratio": "errors",
    "latency_p95": "latency",
    "fallback_ratio": "fallbacks",
    "glitch_rate": "glitches",
    "queue_depth": "queue",
    "active_requests": "active",
}

_REPLACEMENT = "�"
_MOST_COMBINING = 2  # marks on one character; more would climb over the lines above
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)  # they change how wide a terminal draws what stands before


def clean(text: str) -> str:
    """Make untrusted text safe to print: one line, no control or direction characters, few combining marks.

    What cannot be printed (escape, newline, right-to-left override, joiners, lone surrogates) becomes a replacement
    character. Markup is left as it is: nothing here interprets any.
    """
    if text.isascii() and text.isprintable():
        return text
    kept, marks = [], 0
    for character in unicodedata.normalize("NFC", text):
        if ord(character) in _VARIATION_SELECTORS:
            continue
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_COMBINING:
            kept.append(character if character.isprintable() else _REPLACEMENT)
    return "".join(kept)


def _significant(value: float) -> str:
    """Three digits at most, never in the form 1e+03: ``0.42``, ``7.6``, ``182``, ``12k``."""
    size = abs(value)
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= factor:
            return f"{value / (1e3 if letter == 'k' else factor):.3g}{letter}" if size < 1e12 else f"{value:.0e}"
    if size >= 99.5:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 9.95 else f"{value:.2g}"


def rate(value: float) -> str:
    """Rate in 1/s, without its unit."""
    return _significant(value) if math.isfinite(value) else MISSING


def count(value: float) -> str:
    """Count of something; a mean has a digit after the point."""
    if not math.isfinite(value):
        return MISSING
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e4 else _significant(value)


def latency(value_s: float) -> str:
    """Latency: ``240 ms``, ``1.4 s``, ``800 µs``."""
    if not math.isfinite(value_s):
        return MISSING
    if 0.0 < value_s < 0.000995:
        return f"{value_s * 1e6:.0f} µs"
    if value_s < 0.995:
        value_ms = value_s * 1e3
        return f"{value_ms:.1f} ms" if 0.0 < value_ms < 9.95 else f"{value_ms:.0f} ms"
    return f"{value_s:.1f} s" if value_s < 99.5 else f"{value_s:.0f} s"


def age(value_s: float) -> str:
    """How old or how far behind something is: ``1.1 s``, ``4 min``, ``3 h``."""
    if not math.isfinite(value_s):
        return MISSING
    if value_s < 99.5:
        return f"{max(value_s, 0.0):.1f} s"
    return f"{value_s / 60.0:.0f} min" if value_s < 5970.0 else f"{value_s / 3600.0:.0f} h"


def percent(ratio: float) -> str:
    """Share: ``0.4 %``; a small one is not rounded to zero."""
    if not math.isfinite(ratio):
        return MISSING
    value = 100.0 * ratio
    if 0.0 < value < 0.05:
        return "<0.1 %"
    return f"{value:.0f} %" if value == 0.0 or value >= 9.95 else f"{value:.1f} %"


def level(value_db: float, unit: str = "dB") -> str:
    """Level or gain: ``−12.0 dB``; minus infinity is ``−∞ dB``."""
    if math.isnan(value_db):
        return MISSING
    if math.isinf(value_db):
        return f"{'−' if value_db < 0 else ''}∞ {unit}"
    return f"{value_db:.1f} {unit}".replace("-0.0 ", "0.0 ").replace("-", "−")


def clock(time_s: float) -> str:
    """Time of day here: ``23:41:07``."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(time_s))
    except (ValueError, OverflowError, OSError):
        return "--:--:--"
