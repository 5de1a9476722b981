"""How a line of a text log is taken apart: the combined format, and nginx ``log_format`` strings."""

from __future__ import annotations

import re
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.readers.readable import readable

__all__ = ["COMBINED", "LinePattern", "compile_log_format", "is_combined"]

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_QUOTED = r'[^"\\]*(?:\\.[^"\\]*)*'
_MAX_FORMAT_CHARACTERS = 4000


class LinePattern(NamedTuple):
    """A regular expression that matches a whole line, and the names of its groups in order.

    It uses only what both Python's ``re`` and RE2 know.
    """

    pattern: str
    names: tuple[str, ...]


# Common and combined log format of Apache and nginx, with or without a virtual host before, and with whatever a site
# has added after the agent: the first bare or quoted number there is the request's time.
COMBINED = LinePattern(
    r"(?:([^ ]+:[0-9]+) )?([^ ]+) [^ ]+ [^\[]+ \[([^\]]+)\] "
    rf'"({_QUOTED})" ([0-9]{{3}}|-) (?:[0-9]+|-)(?: "{_QUOTED}" "{_QUOTED}")?'
    r'(?: (?:"[^"]*" )*?(?:[a-z_]+=)?"?([0-9]+(?:\.[0-9]+)?)"?(?: .*)?| .*)?',
    ("vhost", "remote_addr", "time_local", "request", "status", "request_time"),
)


def is_combined(line: str) -> bool:
    """Whether a line is of the common or combined format."""
    return re.fullmatch(COMBINED.pattern, line) is not None


def _group(name: str, following: str, before: str) -> str:
    """Pattern of a variable's value, from what stands around it."""
    if name.startswith("upstream_") and following != '"':
        # several servers that were tried: "0.012, 0.030 : 0.001"
        return r"([^ ,]+(?:(?:, | : )[^ ,]+)*)"
    if following == '"' and before == '"':
        return f"({_QUOTED})"
    if following == "$":
        # nothing but the values themselves can say where one ends and the next begins
        return r"([^ /]{0,255})" if "host" in name or name == "server_name" else r"([^ ]{0,255}?)"
    return f"([^{re.escape(following)}]*)" if following else "(.*)"


def compile_log_format(text: str) -> LinePattern:
    """Build the pattern of an nginx ``log_format``.

    A value is taken to end where the next character of the format stands; between quotes, a quote may be escaped.

    Raises
    ------
    ReaderError
        A format without a variable, with one twice, or too long.
    """
    text = text.strip().replace('\\"', '"')
    found = list(_VARIABLE.finditer(text))
    names = tuple(match[1] or match[2] for match in found)
    shown = readable(repr(text))
    if not names or len(text) > _MAX_FORMAT_CHARACTERS:
        raise ReaderError(
            f"log format {shown} is not allowed; it must be combined, json, csv, or an nginx log_format with "
            "$variables, such as '$remote_addr [$time_local] $status $request_time'"
        )
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise ReaderError(f"log format {shown}: ${twice} stands there twice; each variable may stand once")
    parts, position = [], 0
    for match, name in zip(found, names, strict=True):
        parts.append(re.escape(text[position : match.start()]))
        position = match.end()
        parts.append(_group(name, text[position : position + 1], text[max(match.start() - 1, 0) : match.start()]))
    return LinePattern("".join([*parts, re.escape(text[position:])]), names)
