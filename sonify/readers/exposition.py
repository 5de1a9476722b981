"""Metrics pages as Prometheus scrapes them: text 0.0.4 and OpenMetrics 1.0, read whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.readers.exposition_lines import (
    MAX_LINE_BYTES,
    Exemplar,
    LineProblem,
    Meta,
    Sample,
    parse_comment,
    parse_sample,
)
from sonify.readers.exposition_rules import Family, FamilyRules, sample_names
from sonify.readers.readable import readable

__all__ = [
    "ACCEPT",
    "ACCEPT_TEXT",
    "MAX_PAGE_BYTES",
    "MAX_SERIES",
    "Exemplar",
    "Family",
    "Line",
    "Sample",
    "check_families",
    "is_openmetrics",
    "lines_of",
    "parse_exposition",
    "parse_line",
]

MAX_PAGE_BYTES = 64 * 2**20
MAX_SERIES = 200_000
ACCEPT_TEXT = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
ACCEPT = f"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,{ACCEPT_TEXT}"

_EOF = b"# EOF"


class Line(NamedTuple):
    """A line of a page: its number from 1, its bytes, and what it is: metadata, a sample, or None for a remark."""

    number: int
    data: bytes
    content: Meta | Sample | None


def is_openmetrics(content_type: str, where: str) -> bool:
    """Which of the two formats a content type means.

    Raises
    ------
    ReaderError
        It is neither: a web page, JSON, or the binary format.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/openmetrics-text":
        return True
    if kind in ("", "application/octet-stream") or (kind.startswith("text/") and kind != "text/html"):
        return False
    found = "a web page" if kind == "text/html" else readable(kind)
    raise ReaderError(f"{where}: the answer is {found}, not metrics; allowed: text/plain, application/openmetrics-text")


def lines_of(data: bytes, *, openmetrics: bool, where: str) -> list[bytes]:
    """Cut a page into lines, without the last one's newline; of OpenMetrics without ``# EOF``, which must be there.

    Raises
    ------
    ReaderError
        The page is larger than allowed, or OpenMetrics that does not end where it says.
    """
    if len(data) > MAX_PAGE_BYTES:
        raise ReaderError(f"{where}: the page is larger than the {MAX_PAGE_BYTES // 2**20} MiB allowed")
    if not openmetrics and b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if openmetrics:
        if not lines or lines[-1] != _EOF:
            raise ReaderError(f"{where}, line {len(lines)}: the page must end with the line # EOF; was it cut off?")
        lines.pop()
    return lines


def parse_line(number: int, data: bytes, *, openmetrics: bool, where: str) -> Line:
    """Read one line.

    Raises
    ------
    ReaderError
        It is not of the format; the message names the line.
    """
    try:
        if len(data) > MAX_LINE_BYTES:
            raise LineProblem(f"longer than the {MAX_LINE_BYTES // 2**20} MiB allowed for a line")
        text = data.decode()
        content: Meta | Sample | None
        if openmetrics:
            content = parse_comment(text, openmetrics=True) if text[:1] == "#" else parse_sample(text, openmetrics=True)
            if content == Meta("EOF"):
                raise LineProblem("# EOF must be the last line")
        else:
            stripped = text.strip(" \t")
            comment = not stripped or stripped[0] == "#"
            content = parse_comment(stripped, openmetrics=False) if comment else parse_sample(text, openmetrics=False)
        return Line(number, data, content)
    except UnicodeDecodeError as error:
        raise ReaderError(f"{where}, line {number}: not UTF-8 text at byte {error.start + 1}") from None
    except LineProblem as problem:
        raise ReaderError(f"{where}, line {number}: {problem}") from None


def scan(data: bytes, *, openmetrics: bool, where: str) -> Iterator[Line]:
    """Go through the lines of a page; see `parse_exposition` for what is raised."""
    lines = lines_of(data, openmetrics=openmetrics, where=where)
    num_series = 0
    for number, line in enumerate(lines, 1):
        read = parse_line(number, line, openmetrics=openmetrics, where=where)
        if isinstance(read.content, Sample):
            num_series += 1
            if num_series > MAX_SERIES:
                raise ReaderError(f"{where}, line {number}: more than the {MAX_SERIES} samples allowed on a page")
        yield read


def parse_exposition(data: bytes, *, openmetrics: bool, where: str = "page") -> list[Family]:
    """Read a page.

    Parameters
    ----------
    data : bytes
        Decompressed.
    openmetrics : bool
        OpenMetrics 1.0, to the letter of its specification; else Prometheus text 0.0.4, as leniently as Prometheus.
    where : str
        URL or file, for messages.

    Returns
    -------
    list of Family
        In the order of the page; a sample without ``# TYPE`` makes a family of its own, of kind ``unknown``.

    Raises
    ------
    ReaderError
        The page is not of the format, or over a limit; the message names the line and what is allowed.
    """
    lines = scan(data, openmetrics=openmetrics, where=where)
    return check_families(lines, where=where) if openmetrics else _loose_families(lines)


def check_families(lines: Iterator[Line], *, where: str) -> list[Family]:
    """Gather the families of an OpenMetrics page and hold them to its rules; raises ReaderError."""
    rules = FamilyRules()
    line = Line(0, b"", None)
    try:
        for line in lines:
            if isinstance(line.content, Sample):
                rules.sample(line.content)
            elif line.content is not None:
                rules.meta(line.content)
        rules.close()
    except LineProblem as problem:
        raise ReaderError(f"{where}, line {line.number}: {problem}") from None
    return rules.families


def _loose_families(lines: Iterator[Line]) -> list[Family]:
    """Gather the families of a page of the older format, in which they may stand in pieces."""
    families: dict[str, Family] = {}
    owners: dict[str, Family] = {}  # name of a sample -> where it goes
    for _, _, content in lines:
        if isinstance(content, Sample):
            family = owners.get(content.name)
            if family is None:
                family = owners[content.name] = families.setdefault(content.name, Family(content.name))
            family.samples.append(content)
        elif content is not None:
            family = families.setdefault(content.name, Family(content.name))
            if content.word == "TYPE":
                family.kind = content.text
                names = sample_names(family.name, family.kind)
                owners |= dict.fromkeys((family.name, *names), family)
            else:
                family.help = content.text
    return list(families.values())
