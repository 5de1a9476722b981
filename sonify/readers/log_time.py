"""Times as logs write them: ``$time_local``, ISO 8601, and Unix time in s, ms, µs or ns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

__all__ = ["CLF", "EPOCH", "ISO", "MAX_TIME_US", "has_zone", "time_kind", "time_parser"]

CLF, ISO, EPOCH = "clf", "iso", "epoch"
MAX_TIME_US = 253_402_300_800_000_000  # year 10000

_CLF = re.compile(r"(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)((?<=:\d\d:\d\d)[.,]\d{1,9})?( ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _in_range(time_us: int) -> int | None:
    return time_us if 0 < time_us < MAX_TIME_US else None


def _parse_clf(text: str) -> int | None:
    """``10/Oct/2000:13:55:36 -0700`` of nginx' ``$time_local`` and Apache's ``%t``."""
    match = _CLF.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    offset_s = (int(match[8]) * 60 + int(match[9])) * (-60 if match[7] == "-" else 60)
    try:
        zone = timezone(timedelta(seconds=offset_s))
        moment = datetime(
            int(match[3]), _MONTHS[match[2]], int(match[1]), int(match[4]), int(match[5]), int(match[6]), tzinfo=zone
        )
        return _in_range((moment - _EPOCH) // _MICROSECOND)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=64)
def _iso_second_us(second: str, zone: str) -> int | None:
    """Unix time in µs of a whole second; the lines of one follow each other."""
    zone = zone.strip().replace("UTC", "Z")
    try:
        return (datetime.fromisoformat(f"{second}{zone or 'Z'}") - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _parse_iso(text: str) -> int | None:
    """ISO 8601; without a zone it is UTC."""
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    second, fraction, zone = match.groups()
    base_us = _iso_second_us(second, zone or "")
    if base_us is None:
        return None
    return _in_range(base_us + int(f"{fraction[1:]}00000"[:6]) if fraction else base_us)


def _parse_epoch(text: str) -> int | None:
    """Unix time; its size tells its unit: each unit covers the years 1973 to 5138."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not 0.0 < value < 1e21:
        return None
    scale = 1e6 if value < 1e11 else 1e3 if value < 1e14 else 1.0 if value < 1e17 else 1e-3
    return _in_range(math.floor(value * scale + 0.5))


_PARSERS: dict[str, Callable[[str], int | None]] = {CLF: _parse_clf, ISO: _parse_iso, EPOCH: _parse_epoch}


def time_kind(text: str) -> str:
    """How a time is written: `CLF`, `ISO` or `EPOCH`; empty where it is no time."""
    return next((kind for kind, parse in _PARSERS.items() if parse(text) is not None), "")


def time_parser(kind: str) -> Callable[[str], int | None]:
    """Build a function from text to Unix time in µs, or None where it cannot be read.

    Lines of one second follow each other, so that the last text is kept.
    """
    parse = _PARSERS[kind]
    last_text, last_us = "", None

    def parse_next(text: str) -> int | None:
        nonlocal last_text, last_us
        if text != last_text:
            last_text, last_us = text, parse(text)
        return last_us

    return parse_next


def has_zone(text: str) -> bool:
    """Whether a time tells its zone, as Unix time and ``$time_local`` do, and ISO 8601 may."""
    match = _ISO.fullmatch(text)
    return match is None or match[3] is not None
