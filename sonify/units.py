"""Quantities as people write them (``120ms``, ``800 req/s``, ``-12 dB``), and decibels."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from sonify.errors import UsageError

__all__ = [
    "clock",
    "db_from_gain",
    "format_duration",
    "gain_from_db",
    "parse_duration_s",
    "parse_quantity",
    "parse_speed",
    "parse_time_s",
]

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*$")

# dimension -> spelling -> factor to the unit that the code computes in
_UNITS: dict[str, dict[str, float]] = {
    "s": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "Hz": {"Hz": 1.0, "hz": 1.0, "kHz": 1e3, "khz": 1e3},
    "dB": {"dB": 1.0, "db": 1.0},
    "dBFS": {"dBFS": 1.0, "dbfs": 1.0, "dB": 1.0, "db": 1.0},
    "dBTP": {"dBTP": 1.0, "dbtp": 1.0, "dB": 1.0, "db": 1.0},
    "1/s": {"1/s": 1.0, "/s": 1.0, "req/s": 1.0, "rps": 1.0, "1/min": 1 / 60, "/min": 1 / 60, "req/min": 1 / 60},
    "ratio": {"": 1.0, "%": 0.01},
    "": {"": 1.0},
}


def gain_from_db(level_db: float) -> float:
    """Linear gain of a level in dB (0 dB is 1.0)."""
    return float(10.0 ** (level_db / 20.0))


def db_from_gain(gain: float) -> float:
    """Level in dB of a linear gain; 0 is −inf."""
    return 20.0 * math.log10(gain) if gain > 0.0 else -math.inf


def parse_quantity(text: str | float, *dimensions: str) -> tuple[float, str]:
    """Read a number with a unit.

    Parameters
    ----------
    text : str or float
        ``"120ms"``, ``"1.2 kHz"``, ``"800 req/s"``, ``"5%"``; a bare number is in the first dimension's own unit.
    *dimensions : str
        What is allowed, from ``s Hz dB dBFS dBTP 1/s ratio`` and the empty string for a plain number.

    Returns
    -------
    (float, str)
        The value in the dimension's own unit (s, Hz, dB, 1/s, 0–1), and the dimension.

    Raises
    ------
    UsageError
        Not a number, or a unit that is not allowed; the message lists the units that are.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text), dimensions[0]
    match = _NUMBER.match(str(text))
    if match:
        number, unit = float(match.group(1)), match.group(2)
        if not unit:
            return number, dimensions[0]
        for dimension in dimensions:
            factor = _UNITS[dimension].get(unit)
            if factor is not None:
                return number * factor, dimension
    allowed = " ".join(dict.fromkeys(unit for dimension in dimensions for unit in _UNITS[dimension] if unit))
    raise UsageError(
        f"{str(text)!r} is not a quantity here: write a number{' with one of: ' + allowed if allowed else ''}"
    )


def parse_duration_s(text: str | float) -> float:
    """Seconds of ``90s``, ``15m``, ``1h30m`` or a bare number of seconds; positive."""
    parts = re.findall(r"[0-9.]+(?:[eE][+-]?\d+)?\s*[a-zµ]+", str(text)) if isinstance(text, str) else []
    if len(parts) > 1 and "".join(parts).replace(" ", "") == str(text).replace(" ", ""):
        value_s = sum(parse_quantity(part, "s")[0] for part in parts)
    else:
        value_s, _ = parse_quantity(text, "s")
    if not (0.0 < value_s < math.inf):
        raise UsageError(f"{str(text)!r} is not a duration: it must be more than 0 s, such as 90s, 15m, 24h")
    return value_s


def parse_speed(text: str | float) -> float:
    """Factor of ``60x``, ``0.5x`` or a bare number; positive."""
    stripped = text.strip().removesuffix("x").removesuffix("×") if isinstance(text, str) else text
    try:
        speed = float(stripped)
    except ValueError:
        speed = math.nan
    if not (0.0 < speed < math.inf):
        raise UsageError(f"{str(text)!r} is not a speed: write a factor over 0, such as 60x")
    return speed


def parse_time_s(text: str, now_s: float) -> float:
    """Unix seconds of an ISO 8601 time, Unix seconds, ``now``, or a time before `now_s` such as ``-1h``.

    A time without an offset is UTC.
    """
    stripped = text.strip()
    if stripped == "now":
        return now_s
    if stripped.startswith("-"):
        return now_s - parse_duration_s(stripped[1:])
    try:
        return float(stripped)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time: write ISO 8601 (2022-08-22T05:18:00Z), Unix seconds, now, or -1h for an hour ago"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def format_duration(duration_s: float) -> str:
    """Short text of a duration: ``0.25 s``, ``59.7 s``, ``4 min 10 s``, ``20 h 8 min``."""
    if duration_s < 60.0:
        return f"{duration_s:.3g} s"
    total_s = round(duration_s)
    hours, rest_s = divmod(total_s, 3600)
    minutes, seconds = divmod(rest_s, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"


def clock(time_s: float) -> str:
    """Write a Unix time as a person reads it, in UTC; what no calendar has is left in seconds."""
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_s:.0f} s"
