"""Pages of one target, scrape after scrape: what was parsed once is known again by its bytes.

Between two scrapes of a target hardly anything changes but the values. Where every line of a page begins with the
series that stood at its place before, only the values that somebody wants are converted. Else each line is looked up
among the series that were parsed before, and only one that was never seen takes the strict parser. Whether families and
their samples belong together (see `exposition_rules`) is checked on the first page, and after that on every
`CHECK_EVERY`-th one whose lines changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.readers.exposition import MAX_SERIES, Line, check_families, lines_of, parse_line
from sonify.readers.exposition_lines import Sample

__all__ = ["CHECK_EVERY", "Page", "PageReader", "Series"]

Array = NDArray[np.float64]
Ids = NDArray[np.intp]

CHECK_EVERY = 240
_FORGET_FACTOR = 2  # what is remembered, at most, in lines of the page
_FORGET_MARGIN = 20_000

_UNWANTED = -1
_NEVER = b"\n"  # what no line is
_PLAIN_NUMBER = b"0123456789+-.eEinfNaI"
_NUMBER = re.compile(rb"[+-]?(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|[iI]nf)|[nN]a[nN]")
_BRACES = rb'\{(?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+\}'
_SERIES = re.compile(rb'[^{ \t"]*+(?:' + _BRACES + rb")?(?![ \t]*\{)")
_STRICT_TAIL = re.compile(rb" (\S+)(?: ([-+0-9.eE]+))?(?: # " + _BRACES + rb" \S+(?: [-+0-9.eE]+)?)?")
_LENIENT_TAIL = re.compile(rb"[ \t]*+(\S+)(?:[ \t]+([-+]?[0-9]{1,18}))?[ \t]*")


class Series(NamedTuple):
    """Name and labels of a series."""

    name: str
    labels: dict[str, str]


class Page(NamedTuple):
    """What a page says of the series that are wanted.

    Attributes
    ----------
    ids : array of int (n,)
        Of the series, in the order of the page; the same object as before where they are the same series.
    values : array (n,)
        NaN where the page says NaN.
    times_s : array (n,) or None
        Timestamps in Unix s, NaN for samples without one; None where no sample has one.
    born : array of int
        Which of `ids` were never seen before.
    is_first : bool
        Whether nothing of before is known: there are no older values to compare with.
    """

    ids: Ids
    values: Array
    times_s: Array | None
    born: Ids
    is_first: bool


class _Shape(NamedTuple):
    """Lines of a page that can be read by their places."""

    starts: list[bytes]  # a series and the blank after it; or the whole of a remark
    remarks_at: list[int]
    remarks: list[bytes]
    values_at: list[tuple[int, int]]  # line, and where its value begins
    ids: Ids
    openmetrics: bool


class _Found(NamedTuple):
    id: int
    value: float
    time_s: float | None


class _Gathered:
    """What a page's lines turned out to be."""

    def __init__(self) -> None:
        self.starts: list[bytes] = []
        self.found: list[_Found] = []
        self.remarks_at: list[int] = []
        self.values_at: list[tuple[int, int]] = []

    def add(self, at: int, start: bytes, one: _Found | None = None) -> None:
        """Take a line that begins with `start`."""
        self.starts.append(start)
        if one is not None:
            self.found.append(one)
            self.values_at.append((at, len(start)))


class PageReader:
    """Reads the pages of one target.

    Parameters
    ----------
    where : str
        URL, for messages.
    wants : callable
        Whether the values of a metric are wanted, by its name.

    Attributes
    ----------
    series : list of Series
        Those that are wanted, by id.
    names : dict of str to set of str
        Names of all metrics that were seen, wanted or not, with the names of their labels.
    """

    def __init__(self, where: str, wants: Callable[[str], bool] = lambda _: True) -> None:
        self._where = where
        self.want(wants)

    def want(self, wants: Callable[[str], bool]) -> None:
        """Change what is wanted; all that is known is forgotten."""
        self._wants = wants
        self.names: dict[str, set[str]] = {}
        self._forget()

    def _forget(self) -> None:
        self.series: list[Series] = []
        self._known: dict[bytes, int] = {}  # bytes of a series -> id, or _UNWANTED
        self._id_of: dict[tuple[str, frozenset[tuple[str, str]]], int] = {}
        self._remarks: set[bytes] = set()
        self._shape: _Shape | None = None
        self._until_check = 0
        self._is_first = True

    def read(self, data: bytes, *, openmetrics: bool) -> Page:
        """Read the next page.

        Raises
        ------
        ReaderError
            It is not of the format, or over a limit; the next page is read as if this one had not been.
        """
        lines = lines_of(data, openmetrics=openmetrics, where=self._where)
        shape = self._shape
        if shape is not None and shape.openmetrics == openmetrics and len(lines) == len(shape.starts):
            page = self._read_in_place(lines, shape)
            if page is not None:
                return page
        if len(self._known) > _FORGET_FACTOR * len(lines) + _FORGET_MARGIN:
            self._forget()
        return self._read_changed(lines, openmetrics=openmetrics)

    @staticmethod
    def _read_in_place(lines: list[bytes], shape: _Shape) -> Page | None:
        """Read a page whose lines hold the same series as before; None where they do not."""
        if not all(map(bytes.startswith, lines, shape.starts)):
            return None
        if [lines[at] for at in shape.remarks_at] != shape.remarks:
            return None
        tails = [lines[at][start:] for at, start in shape.values_at]
        times_s = None
        if b"".join(tails).translate(None, _PLAIN_NUMBER):  # timestamps, exemplars
            found = [_tail(b" " + tail, openmetrics=shape.openmetrics) for tail in tails]
            if None in found:
                return None
            values = np.asarray([one[0] for one in found if one], np.float64)
            times_s = _times_s([one[1] for one in found if one])
        else:
            try:
                values = np.fromiter(map(float, tails), np.float64, len(tails))
            except ValueError:
                return None
        return Page(shape.ids, values, times_s, np.empty(0, np.intp), False)

    def _read_changed(self, lines: list[bytes], *, openmetrics: bool) -> Page:
        is_first, num_before = self._is_first, len(self.series)
        if openmetrics and self._until_check <= 0:
            parsed = (self._parse(at, line, openmetrics) for at, line in enumerate(lines))
            check_families(parsed, where=self._where)
            self._until_check = CHECK_EVERY
        self._until_check -= 1
        got = _Gathered()
        for at, line in enumerate(lines):
            key = line[: line.rfind(b" ")]
            known = self._known.get(key)
            if known == _UNWANTED:
                got.add(at, key + b" ")
            elif known is not None and _NUMBER.fullmatch(line, len(key) + 1):
                got.add(at, key + b" ", _Found(known, float(line[len(key) + 1 :]), None))
            elif line in self._remarks:
                got.remarks_at.append(at)
                got.add(at, line)
            else:
                self._gather(got, at, line, openmetrics=openmetrics)
        num_samples = len(lines) - len(got.remarks_at)
        if num_samples > MAX_SERIES:
            raise ReaderError(f"{self._where}: {num_samples} samples are more than the {MAX_SERIES} allowed on a page")
        page = self._page(got, num_before, is_first=is_first)
        starts = got.starts if len(page.ids) == len(got.found) else [_NEVER]
        remarks = [lines[at] for at in got.remarks_at]
        self._shape = _Shape(starts, got.remarks_at, remarks, got.values_at, page.ids, openmetrics)
        self._is_first = False
        return page

    def _gather(self, got: _Gathered, at: int, line: bytes, *, openmetrics: bool) -> None:
        """Read a line whose bytes before the last blank are not known: a timestamp, an exemplar, or a new series."""
        match = _SERIES.match(line)
        start = match[0] if match else b""
        known = self._known.get(start)
        tail = None if known is None else _tail(line[len(start) :], openmetrics=openmetrics)
        if known is not None and tail is not None:
            one = _Found(known, *tail)
        else:
            content = self._parse(at, line, openmetrics).content
            if not isinstance(content, Sample):
                self._remarks.add(line)
                got.remarks_at.append(at)
                got.add(at, line)
                return
            one = _Found(self._learn(line, content), content.value, content.timestamp_s)
        in_place = start in self._known and line.startswith(b" ", len(start))
        got.add(at, start + b" " if in_place else _NEVER, None if one.id == _UNWANTED else one)

    def _page(self, got: _Gathered, num_before: int, *, is_first: bool) -> Page:
        by_id = {one.id: one for one in got.found}  # of a series that is there twice the last one counts
        found = got.found if len(by_id) == len(got.found) else list(by_id.values())
        ids = np.fromiter((one.id for one in found), np.intp, len(found))
        if self._shape is not None and np.array_equal(ids, self._shape.ids):
            ids = self._shape.ids
        values = np.fromiter((one.value for one in found), np.float64, len(found))
        times_s = _times_s([one.time_s for one in found])
        return Page(ids, values, times_s, np.arange(num_before, len(self.series)), is_first)

    def _parse(self, at: int, line: bytes, openmetrics: bool) -> Line:
        return parse_line(at + 1, line, openmetrics=openmetrics, where=self._where)

    def _learn(self, line: bytes, sample: Sample) -> int:
        self.names.setdefault(sample.name, set()).update(sample.labels)
        series_id = _UNWANTED
        if self._wants(sample.name):
            key = (sample.name, frozenset(sample.labels.items()))
            series_id = self._id_of.setdefault(key, len(self.series))
            if series_id == len(self.series):
                self.series.append(Series(sample.name, sample.labels))
        head, _, tail = line.rpartition(b" ")
        if sample.timestamp_s is None and sample.exemplar is None and _NUMBER.fullmatch(tail):
            self._known[head] = series_id
        match = _SERIES.match(line)
        if match and match[0]:
            self._known[match[0]] = series_id
        return series_id


def _tail(tail: bytes, *, openmetrics: bool) -> tuple[float, float | None] | None:
    """Value and Unix s of what follows a series; None where the strict parser must look at it."""
    match = (_STRICT_TAIL if openmetrics else _LENIENT_TAIL).fullmatch(tail)
    if match is None or not _NUMBER.fullmatch(match[1]):
        return None
    try:
        return float(match[1]), None if match[2] is None else float(match[2]) / (1.0 if openmetrics else 1000.0)
    except ValueError:
        return None


def _times_s(times_s: list[float | None]) -> Array | None:
    if all(time_s is None for time_s in times_s):
        return None
    return np.asarray([np.nan if time_s is None else time_s for time_s in times_s], np.float64)
