"""Reading a range of time, as several commands do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sonify.commands import printable
from sonify.errors import UsageError
from sonify.units import parse_time_s

if TYPE_CHECKING:
    from sonify.metrics.recording import Recording

__all__ = ["parsed", "read_range"]


def parsed(option: str, parse: Callable[[str], float], text: str) -> float:
    """Parse the value of an option; an error names the option."""
    try:
        return parse(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def read_range(
    source: str,
    signals: str,
    options: tuple[str, ...],
    since: str | None,
    until: str | None,
    say: Callable[[str], None],
) -> Recording:
    """Read the range; times before the end (-1h) count from now for a server, from its last frame for the rest.

    Parameters
    ----------
    source, signals, options
        As `sonify.readers.source.open_source` takes them.
    since, until : str or None
        As a person wrote them.
    say : callable
        Told what the source was not sure of.
    """
    from sonify.readers.source import open_source

    opened = open_source(source, signals, options)
    relative = any(text is not None and text.strip().startswith("-") for text in (since, until))
    now_s = time.time()
    if relative and not source.startswith("prometheus"):
        now_s = opened.read(None, None).end_s
    since_s, until_s = (
        None if text is None else parsed(option, lambda value: parse_time_s(value, now_s), text)
        for option, text in (("--since", since), ("--until", until))
    )
    recording = opened.read(since_s, until_s)
    for warning in opened.warnings:
        say(f"note: {printable(warning)}")
    return recording
