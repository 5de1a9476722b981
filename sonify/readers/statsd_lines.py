"""Lines of StatsD and DogStatsD: what stands around the values, read once for each combination of name and tags."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["KINDS", "MAX_TAGS", "Head", "parse_event_tags", "parse_head"]

KINDS = ("c", "g", "ms", "h", "d", "s")
TIMERS = ("ms", "h", "d")
MAX_TAGS = 64
MAX_NAME_BYTES = 500
MAX_TAG_CHARACTERS = 200
_LEAST_SAMPLE_RATE = 1e-6
_EVENT = re.compile(rb"_e\{(\d{1,6}),(\d{1,6})\}:")
_NOT_A_LABEL = re.compile(r"[^A-Za-z0-9_]")


class Head(NamedTuple):
    """All of a line but its values.

    Attributes
    ----------
    name : str
        As it was sent, without tags.
    kind : str
        One of `KINDS`: counter, gauge, timer (ms), histogram, distribution, set.
    weight : float
        How many events a value stands for: 1 ÷ sample rate.
    tags : dict of str to str
        The first value of each; what no label may hold is ``_`` in its name; a tag without a value is ``true``.
    """

    name: str
    kind: str
    weight: float
    tags: dict[str, str]


def parse_head(name: bytes, suffix: bytes) -> Head:
    """Read ``NAME`` and ``TYPE[|@RATE][|#TAG:VALUE,…][|c:CONTAINER][|TTIME]…`` of a line.

    Tags may also stand in the name, as InfluxDB's (``NAME,tag=value``) or SignalFx's (``NAME[tag=value]``). Fields of
    DogStatsD that say nothing of the value (container, time, external data, cardinality), or that are not known, are
    passed over.

    Raises
    ------
    ValueError
        Not of this form; the message says which part.
    """
    if not 0 < len(name) <= MAX_NAME_BYTES:
        raise ValueError(f"a name has 1 to {MAX_NAME_BYTES} bytes")
    text, tags = _split_name(name.decode(errors="replace"))
    kind, *fields = suffix.rstrip().decode(errors="replace").split("|")
    if kind not in KINDS:
        raise ValueError(f"the type must be one of {' '.join(KINDS)}")
    weight = 1.0
    for field in fields:
        if field.startswith("@"):
            weight = _weight(field[1:])
        elif field.startswith("#"):
            _add_tags(tags, field[1:], ":")
    return Head(text, kind, weight, tags)


def parse_event_tags(line: bytes) -> dict[str, str]:
    """Read the tags of an event, ``_e{6,13}:Glitch|xrun happened|t:error|#backend:rust``; ValueError if it is none."""
    match = _EVENT.match(line)
    if match is None:
        raise ValueError("an event begins with _e{TITLE_BYTES,TEXT_BYTES}:")
    bar = match.end() + int(match[1])
    end = bar + 1 + int(match[2])
    if line[bar : bar + 1] != b"|" or len(line) < end or line[end : end + 1] not in (b"", b"|", b"\r"):
        raise ValueError("the title and text of an event are as long as it says")
    tags: dict[str, str] = {}
    for field in line[end + 1 :].rstrip().decode(errors="replace").split("|"):
        if field.startswith("#"):
            _add_tags(tags, field[1:], ":")
    return tags


def _split_name(text: str) -> tuple[str, dict[str, str]]:
    tags: dict[str, str] = {}
    if "[" in text:
        before, _, rest = text.partition("[")
        inside, bracket, after = rest.partition("]")
        if not bracket:
            raise ValueError("a bracket of tags is not closed")
        _add_tags(tags, inside, "=")
        text = before + after
    elif "," in text:
        text, _, inside = text.partition(",")
        _add_tags(tags, inside, "=")
    if not text:
        raise ValueError("no name")
    return text, tags


def _weight(text: str) -> float:
    rate = float(text)  # ValueError says what it was
    if not _LEAST_SAMPLE_RATE <= rate <= 1.0:
        raise ValueError(f"a sample rate lies from {_LEAST_SAMPLE_RATE:g} to 1")
    return 1.0 / rate


def _add_tags(tags: dict[str, str], text: str, mark: str) -> None:
    given = text.split(",", MAX_TAGS + 1)
    if len(given) + len(tags) > MAX_TAGS:
        raise ValueError(f"more than {MAX_TAGS} tags")
    for tag in given:
        key, equals, value = tag.partition(mark)
        if key:
            label = _NOT_A_LABEL.sub("_", key[:MAX_TAG_CHARACTERS])
            tags.setdefault(label, value[:MAX_TAG_CHARACTERS] if equals else "true")
