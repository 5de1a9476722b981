"""What the readers of load tests share: rows of a table by the names of its columns, and what comes of a file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.readers.log_text import read_lines
from sonify.readers.log_values import Request
from sonify.readers.table_counts import Measured
from sonify.readers.table_plain import Reading

__all__ = ["Loaded", "csv_rows", "table_requests"]


class Loaded(NamedTuple):
    """How a result was read, which panels it has, and what a person should know of it, a line each."""

    reading: Reading
    measured: Measured
    notes: tuple[str, ...] = ()


def csv_rows(path: Path) -> Iterator[tuple[int, list[str] | None]]:
    """Go through the rows of a table and their line numbers, the header first; None is a row that cannot be read."""
    reader = csv.reader(f"{line}\n" for line in read_lines(path))
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num, None
            continue
        if row:
            yield reader.line_num, row


def table_requests(
    path: Path, make: Callable[[Callable[[str], str]], Request | None]
) -> Iterator[tuple[int, str, Request | None]]:
    """Make requests of the rows of a table.

    Parameters
    ----------
    path : Path
        CSV with a header line.
    make : callable
        From a function that gives the text of a column ("" where there is none) to a request; ValueError or None is a
        row that cannot be read, LookupError one that is no request.
    """
    places: dict[str, int] = {}
    row: Sequence[str] = ()

    def value(name: str) -> str:
        place = places.get(name)
        return "" if place is None else row[place]

    for number, fields in csv_rows(path):
        if not places:
            if fields is None:
                raise ReaderError(f"{path}, line {number}: the header cannot be read")
            places = {name.strip(): place for place, name in enumerate(fields)}
            width = len(fields)
            continue
        if fields is None or len(fields) != width:
            yield number, "", None
            continue
        row = fields
        try:
            yield number, "", make(value)
        except (ValueError, OverflowError):
            yield number, ",".join(row), None
        except LookupError:
            continue
