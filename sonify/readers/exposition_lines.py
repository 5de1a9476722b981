"""Lines of a metrics page: names, labels, values, timestamps, exemplars, in Prometheus text 0.0.4 and OpenMetrics 1.0.

OpenMetrics is held to its grammar to the letter. The older format is read as leniently as Prometheus reads it: blanks
may stand between all tokens, a comma may follow the last label. Names in quotes (``{"http.requests", "a b"="c"} 1``),
which Prometheus has since version 3, are read in both.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sonify.readers.readable import readable

__all__ = [
    "KINDS",
    "MAX_LABELS",
    "MAX_LINE_BYTES",
    "Exemplar",
    "LineProblem",
    "Meta",
    "Sample",
    "parse_comment",
    "parse_sample",
]

MAX_LINE_BYTES = 2**20
MAX_LABELS = 64
MAX_LABEL_CHARACTERS = 16_384  # of a name or a value
MAX_EXEMPLAR_CHARACTERS = 128  # of all names and values, by the specification

KINDS = ("counter", "gauge", "gaugehistogram", "histogram", "info", "stateset", "summary", "unknown")

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_BARE_NAME = re.compile(_NAME)
_ANY_NAME = re.compile(rf"({_NAME})|({_QUOTED})")
_BLANKS = re.compile(r"[ \t]*")
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)|[nN][aA][nN]"
)
_FINITE = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_MILLISECONDS = re.compile(r"[+-]?[0-9]{1,18}")
_NAMES_ALLOWED = "allowed: letters, digits, _ and :, or anything in quotes"
_NUMBERS_ALLOWED = "allowed: decimal digits, with e if need be, +Inf, -Inf, NaN"
_ESCAPE = re.compile(r'\\([\\n"])')
_ESCAPED = {"\\": "\\", "n": "\n", '"': '"'}
_HELP_ESCAPE = re.compile(r"\\([\\n])")


def _label(blanks: str) -> re.Pattern[str]:
    return re.compile(
        rf"{blanks}(?:([a-zA-Z_][a-zA-Z0-9_]*+)|({_QUOTED})){blanks}(?:(=){blanks}({_QUOTED}){blanks})?([,}}])"
    )


_STRICT_LABEL, _LENIENT_LABEL = _label(""), _label("[ \\t]*+")
_LENIENT_COMMENT = re.compile(r"[ \t]*#[ \t]*(TYPE|HELP)[ \t]+(?=[^ \t])")
_LENIENT_END = re.compile(r"[ \t]*\}")


class LineProblem(Exception):  # noqa: N818  (it becomes a ReaderError, which knows the line)
    """What is wrong with a line, and what is allowed."""


class Exemplar(NamedTuple):
    """An example of what a bucket or counter counted; `timestamp_s` is in Unix s, or None."""

    labels: dict[str, str]
    value: float
    timestamp_s: float | None = None


class Sample(NamedTuple):
    """One value of one series; `timestamp_s` is in Unix s, or None where the page gives none."""

    name: str
    labels: dict[str, str]
    value: float
    timestamp_s: float | None = None
    exemplar: Exemplar | None = None


class Meta(NamedTuple):
    """A line ``# TYPE``, ``# HELP`` or ``# UNIT`` (`word`), or ``# EOF``, of a family `name`."""

    word: str
    name: str = ""
    text: str = ""


def _shown(text: str) -> str:
    return readable(repr(text) if len(text) < 60 else repr(text[:60]) + "…")


def _unescaped(quoted: str) -> str:
    """Text of a quoted name or value; a backslash stands for itself but before another, an n, or a quote."""
    inner = quoted[1:-1]
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], inner) if "\\" in inner else inner


def _parse_labels(text: str, position: int, *, strict: bool) -> tuple[str | None, dict[str, str], int]:
    """Read ``{…}`` from the character after the brace: name in quotes (or None), labels, and where it ends."""
    pattern = _STRICT_LABEL if strict else _LENIENT_LABEL
    name: str | None = None
    labels: dict[str, str] = {}
    if text.startswith("}", position):
        return name, labels, position + 1
    while True:
        if not strict and (end := _LENIENT_END.match(text, position)):
            return name, labels, end.end()
        match = pattern.match(text, position)
        if match is None:
            raise LineProblem(
                f"no label at character {position + 1}, {_shown(text[position : position + 20])}; "
                'allowed: NAME="value", with commas between'
            )
        bare, quoted, equals, value, mark = match.groups()
        if equals is None:
            if quoted is None or name is not None:
                raise LineProblem(f'label {_shown(bare or quoted)} has no value; allowed: NAME="value"')
            name = _unescaped(quoted)
        else:
            key = bare if quoted is None else _unescaped(quoted)
            if key in labels or key == "__name__":
                raise LineProblem(f"label {_shown(key)} is there twice; each label may stand there once")
            labels[key] = _unescaped(value)
            if len(labels) > MAX_LABELS:
                raise LineProblem(f"more than {MAX_LABELS} labels are not allowed")
            if len(key) > MAX_LABEL_CHARACTERS or len(value) > MAX_LABEL_CHARACTERS:
                raise LineProblem(f"label {_shown(key)} is longer than the {MAX_LABEL_CHARACTERS} characters allowed")
        position = match.end()
        if mark == "}":
            return name, labels, position


def _parse_series(text: str, *, strict: bool) -> tuple[str, dict[str, str], int]:
    """Name, labels, and where they end."""
    match = _BARE_NAME.match(text)
    name = match[0] if match else None
    position = match.end() if match else 0
    if not strict:
        blanks = _BLANKS.match(text, position)
        position = blanks.end() if blanks else position
    labels: dict[str, str] = {}
    if text.startswith("{", position):
        quoted, labels, position = _parse_labels(text, position + 1, strict=strict)
        if quoted is not None and name is not None:
            raise LineProblem(f"two names, {_shown(name)} and {_shown(quoted)}; one is allowed")
        name = quoted if name is None else name
    if not name:
        raise LineProblem(f"no name of a metric in {_shown(text[:40])}; {_NAMES_ALLOWED}")
    if len(name) > MAX_LABEL_CHARACTERS:
        raise LineProblem(f"the name is longer than the {MAX_LABEL_CHARACTERS} characters allowed")
    return name, labels, position


def _number(text: str, what: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise LineProblem(f"{what} {_shown(text)} is no number; {_NUMBERS_ALLOWED}")
    return float(text)


def _seconds(text: str) -> float:
    if not _FINITE.fullmatch(text):
        raise LineProblem(f"timestamp {_shown(text)} is not allowed; it must be Unix seconds in decimal digits")
    return float(text)


def _milliseconds(text: str) -> float:
    if not _MILLISECONDS.fullmatch(text):
        raise LineProblem(f"timestamp {_shown(text)} is not allowed; it must be Unix milliseconds, an integer")
    return int(text) / 1000.0


def parse_sample(text: str, *, openmetrics: bool) -> Sample:
    """Read a line that is a sample, without its newline.

    Raises
    ------
    LineProblem
        It is not of the format.
    """
    if not openmetrics:
        text = text.strip(" \t")
    name, labels, position = _parse_series(text, strict=openmetrics)
    rest = text[position:]
    if openmetrics:
        return _openmetrics_sample(name, labels, rest)
    fields = [field for field in rest.replace("\t", " ").split(" ") if field]  # no other blank parts them
    if not 1 <= len(fields) <= 2 or (position and text[position - 1] not in "} \t" and rest[:1] not in " \t"):
        raise LineProblem(f"{_shown(rest)} after the series; allowed: a value, and a timestamp if need be")
    timestamp_s = _milliseconds(fields[1]) if len(fields) > 1 else None
    return Sample(name, labels, _number(fields[0], "value"), timestamp_s)


def _openmetrics_sample(name: str, labels: dict[str, str], rest: str) -> Sample:
    head, hash_mark, tail = rest.partition(" # ")
    fields = head.split(" ")
    if not 2 <= len(fields) <= 3 or fields[0]:
        raise LineProblem(f"{_shown(rest)} after the series; allowed: one blank and a value, a timestamp, an exemplar")
    value = _number(fields[1], "value")
    timestamp_s = _seconds(fields[2]) if len(fields) > 2 else None
    return Sample(name, labels, value, timestamp_s, _exemplar(tail) if hash_mark else None)


def _exemplar(text: str) -> Exemplar:
    allowed = 'allowed after # is {LABEL="value"}, a value, and a timestamp if need be'
    if not text.startswith("{"):
        raise LineProblem(f"no exemplar in {_shown(text)}; {allowed}")
    name, labels, position = _parse_labels(text, 1, strict=True)
    fields = text[position:].split(" ")
    if name is not None or not 2 <= len(fields) <= 3 or fields[0]:
        raise LineProblem(f"no exemplar in {_shown(text)}; {allowed}")
    if sum(len(key) + len(value) for key, value in labels.items()) > MAX_EXEMPLAR_CHARACTERS:
        raise LineProblem(f"the exemplar's labels have more than the {MAX_EXEMPLAR_CHARACTERS} characters allowed")
    value = _number(fields[1], "exemplar's value")
    return Exemplar(labels, value, _seconds(fields[2]) if len(fields) > 2 else None)


def parse_comment(text: str, *, openmetrics: bool) -> Meta | None:
    """Read a line that begins with ``#``; None for a remark, which only the older format allows.

    Raises
    ------
    LineProblem
        It is not of the format.
    """
    return _strict_comment(text) if openmetrics else _lenient_comment(text)


def _kind(text: str, *, untyped: bool) -> str:
    kind = "unknown" if untyped and text == "untyped" else text
    if kind not in KINDS:
        raise LineProblem(f"TYPE {_shown(text)} is not allowed; it must be one of: {' '.join(KINDS)}")
    return kind


def _strict_comment(text: str) -> Meta:
    if text == "# EOF":
        return Meta("EOF")
    fields = text.split(" ", 3)
    if len(fields) < 4 or fields[0] != "#" or fields[1] not in ("TYPE", "HELP", "UNIT"):
        raise LineProblem(
            f"{_shown(text)} is not allowed; with # begin: # TYPE NAME KIND, # HELP NAME TEXT, # UNIT NAME UNIT, # EOF"
        )
    match = _ANY_NAME.match(text, 7)
    if match is None or not text.startswith(" ", match.end()):
        raise LineProblem(f"no name of a metric in {_shown(text)}; {_NAMES_ALLOWED}")
    name, rest = match[1] or _unescaped(match[2]), text[match.end() + 1 :]
    if fields[1] == "TYPE":
        return Meta("TYPE", name, _kind(rest, untyped=False))
    if fields[1] == "UNIT":
        if rest and not name.endswith(f"_{rest}"):
            raise LineProblem(f"UNIT {_shown(rest)} is not allowed; the name {_shown(name)} must end with it")
        return Meta("UNIT", name, rest)
    return Meta("HELP", name, _unescaped(f'"{rest}"'))


def _lenient_comment(text: str) -> Meta | None:
    comment = _LENIENT_COMMENT.match(text)
    if comment is None:
        return None
    match = _ANY_NAME.match(text, comment.end())
    rest = text[match.end() :] if match else ""
    if match is None or (rest and rest[0] not in " \t"):
        raise LineProblem(f"no name of a metric in {_shown(text)}; {_NAMES_ALLOWED}")
    name, rest = match[1] or _unescaped(match[2]), rest.lstrip(" \t")
    if comment[1] == "TYPE":
        return Meta("TYPE", name, _kind(rest, untyped=True))
    return Meta("HELP", name, _HELP_ESCAPE.sub(lambda found: _ESCAPED[found[1]], rest))
