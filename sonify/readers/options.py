"""Options of sources, written ``KEY=VALUE``: one table of what each means and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sonify.errors import ReaderError, UsageError
from sonify.units import parse_duration_s, parse_speed

__all__ = ["OPTIONS", "Option", "parse_options"]


class Option(NamedTuple):
    """How an option is read: `parse` raises ValueError or UsageError; a `repeated` one becomes a tuple of values."""

    parse: Callable[[str], Any]
    keyword: str
    help: str
    repeated: bool = False
    is_secret: bool = False


def _duration_s(text: str) -> float:
    duration_s = parse_duration_s(text)
    if not 0.001 <= duration_s <= 86400.0:
        raise ValueError
    return duration_s


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 100:
        raise ValueError
    return number


def _pair(text: str) -> tuple[str, str]:
    """``Name: value`` or ``name=value``."""
    places = [place for mark in ":=" if (place := text.find(mark)) > 0]
    if not places:
        raise ValueError
    return text[: min(places)].strip(), text[min(places) + 1 :].strip()


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


def _path(text: str) -> Path:
    return Path(_text(text)).expanduser()


def _unit(text: str) -> str:
    if text not in ("s", "ms", "us", "ns"):
        raise ValueError
    return text


def _engine(text: str) -> str:
    if text not in ("auto", "duckdb", "plain"):
        raise ValueError
    return text


OPTIONS: dict[str, Option] = {
    "interval": Option(_duration_s, "interval_s", "time between frames, such as 250ms (1ms to 24h)"),
    "window": Option(_duration_s, "window_s", "time that rates are taken over, such as 4s (1ms to 24h)"),
    "step": Option(_duration_s, "step_s", "time between the frames of a range, such as 15s (1ms to 24h)"),
    "stale-after": Option(_duration_s, "stale_after_s", "silence that means the source is lost, such as 10s"),
    "speed": Option(parse_speed, "speed", "plays faster than it happened, such as 60x"),
    "header": Option(_pair, "headers", 'a header of every request, "Name: value"', repeated=True, is_secret=True),
    "bearer": Option(_text, "bearer", "a token for Authorization: Bearer", is_secret=True),
    "bearer-file": Option(_path, "bearer_file", "a file that holds the token; read again when it changes"),
    "bearer-env": Option(_text, "bearer_env", "the environment variable that holds the token"),
    "tenant": Option(_text, "tenant", "the tenant, sent as X-Scope-OrgID"),
    "ca": Option(_path, "ca_file", "a PEM file with the authorities to trust"),
    "cert": Option(_path, "cert_file", "a PEM file with the client certificate (and its key)"),
    "key": Option(_path, "key_file", "a PEM file with the client certificate's key"),
    "timeout": Option(_duration_s, "timeout_s", "longest time for one answer, such as 10s"),
    "retries": Option(_count, "retries", "how often a request is tried again (0 to 100)"),
    "target": Option(_text, "targets", "one more URL to scrape", repeated=True),
    "format": Option(_text, "log_format", "how lines are written: combined, json, or an nginx log_format"),
    "field": Option(_pair, "fields", "where a value stands, such as latency=request_time", repeated=True),
    "unit": Option(_unit, "unit", "unit of the latency: s, ms, us or ns"),
    "engine": Option(_engine, "engine", "what reads the file: auto, duckdb or plain"),
}


def parse_options(where: str, given: Sequence[str], allowed: Sequence[str]) -> dict[str, Any]:
    """Read options into keywords for an opener.

    Parameters
    ----------
    where : str
        Kind of source, for messages.
    given : sequence of str
        ``KEY=VALUE`` each.
    allowed : sequence of str
        Names that this kind takes.

    Raises
    ------
    ReaderError
        An option that is not allowed, or a value that cannot be read; a secret is never part of the message.
    """
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        option = OPTIONS.get(name) if name in allowed else None
        if option is None or not equals:
            known = " ".join(f"{key}=…" for key in allowed) or "none"
            raise ReaderError(f"--option {name}: not an option of {where}; allowed: {known}")
        try:
            parsed = option.parse(value)
        except (ValueError, UsageError):
            shown = "that" if option.is_secret else repr(value[:60])
            raise ReaderError(f"--option {name}: {shown} is not allowed; it must be {option.help}") from None
        if option.repeated:
            values[option.keyword] = (*values.get(option.keyword, ()), parsed)
        else:
            values[option.keyword] = parsed
    return values
