"""Lines and rows of a log become requests, one by one."""

from __future__ import annotations

import csv
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sonify.readers.log_guess import text_of
from sonify.readers.log_plan import LogPlan, parse_json
from sonify.readers.log_values import Request, request_maker

__all__ = ["line_parser", "requests_of"]

Values = Sequence[str | None]


def _pattern_values(plan: LogPlan) -> Callable[[str], Values | None]:
    groups = [plan.line.names.index(name) + 1 for _, name in plan.fields]
    match_line = re.compile(plan.line.pattern).fullmatch

    def values(line: str) -> Values | None:
        match = match_line(line)
        return None if match is None else [match[group] for group in groups]

    return values


def _path_getter(name: str) -> Callable[[dict[str, Any]], str | None]:
    """Take a field: by its whole name, else through objects by the parts of a dotted one."""
    parts = name.split(".")
    if len(parts) == 1:
        return lambda row: text_of(row.get(name))

    def get(row: dict[str, Any]) -> str | None:
        value: Any = row.get(name)
        if value is None:
            value = row
            for part in parts:
                value = value.get(part) if isinstance(value, dict) else None
        return text_of(value)

    return get


def _json_values(plan: LogPlan) -> Callable[[str], Values | None]:
    getters = [_path_getter(name) for _, name in plan.fields]

    def values(line: str) -> Values | None:
        row = parse_json(line)
        return None if row is None else [get(row) for get in getters]

    return values


def _row_values(plan: LogPlan) -> Callable[[Sequence[str]], Values | None]:
    places = [plan.columns.index(name) for _, name in plan.fields]
    pick = operator.itemgetter(*places)
    width = len(plan.columns)
    if len(places) == 1:
        return lambda row: (pick(row),) if len(row) == width else None
    return lambda row: pick(row) if len(row) == width else None


def line_parser(plan: LogPlan) -> Callable[[str], Request | None]:
    """Build a function from one line to a request, None where the line cannot be read."""
    make = request_maker(plan.roles, plan.time_kind, plan.unit_s, plan.error)
    if plan.shape == "csv":
        pick = _row_values(plan)

        def parse_row(line: str) -> Request | None:
            try:
                row = next(csv.reader([line], delimiter=plan.delimiter), [])
            except csv.Error:
                return None
            values = pick(row)
            return None if values is None else make(values)

        return parse_row
    values_of = _pattern_values(plan) if plan.shape == "pattern" else _json_values(plan)

    def parse(line: str) -> Request | None:
        values = values_of(line)
        return None if values is None else make(values)

    return parse


def requests_of(lines: Iterable[str], plan: LogPlan) -> Iterator[tuple[int, str, Request | None]]:
    """Go through a file's lines: number, text and request of each that is not blank, and is no header.

    A row of CSV may go over several lines; its number is that of the last, its text is left out where it can be read.
    """
    if plan.shape != "csv":
        parse = line_parser(plan)
        for number, line in enumerate(lines, start=1):
            if line and not line.isspace():
                yield number, line, parse(line)
        return
    make, pick = request_maker(plan.roles, plan.time_kind, plan.unit_s, plan.error), _row_values(plan)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=plan.delimiter)
    is_header = True
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num, "", None
            continue
        if not row or is_header:
            is_header = is_header and not row
            continue
        values = pick(row)
        request = None if values is None else make(values)
        yield reader.line_num, "" if request else plan.delimiter.join(row), request
