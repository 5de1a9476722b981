"""How a log or table is read: its format and its fields; from options, a signals preset, or its first lines."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sonify.errors import ReaderError
from sonify.readers.log_fields import ROLES, LogFields
from sonify.readers.log_guess import find_field, flatten, guess_field, median_amount, unit_from_name
from sonify.readers.log_lines import COMBINED, LinePattern, compile_log_format, is_combined
from sonify.readers.log_time import has_zone, time_kind
from sonify.readers.readable import readable

__all__ = ["SAMPLE_LINES", "LogPlan", "chosen_fields", "csv_delimiter", "parse_json", "plan_lines", "plan_rows"]

SAMPLE_LINES = 200
_LONG_S = 60.0  # a median latency over this is more likely a wrong unit
_LONG_INTEGER = 50.0  # whole numbers of this size are no seconds (%T) but microseconds (%D)
_MAX_NAMED = 12
_NO_PATTERN = LinePattern("", ())


@dataclass(frozen=True, slots=True)
class LogPlan:
    """How each line or row becomes a request.

    Attributes
    ----------
    shape : str
        ``pattern``, ``json``, ``csv`` or ``parquet``.
    format_name : str
        Of the format, for messages.
    line : LinePattern
        Of ``pattern``.
    columns, types : tuple of str
        Header of ``csv``; of ``parquet`` the columns, and duckdb's names of their types.
    delimiter : str
        Of ``csv``.
    fields : tuple of (str, str)
        Role (of `ROLES`) and name of each field that is there.
    time_kind : str
        How the time is written.
    has_zone : bool
        Whether times tell their zone; else they are taken as UTC.
    unit_s : float
        Seconds in one unit of the latency.
    error : str
        Regular expression of the status of an error.
    notes : tuple of str
        What was guessed, a line each, for a person.
    """

    shape: str
    format_name: str
    line: LinePattern = _NO_PATTERN
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    delimiter: str = ","
    fields: tuple[tuple[str, str], ...] = ()
    time_kind: str = ""
    has_zone: bool = True
    unit_s: float = 1.0
    error: str = "5.."
    notes: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles that are there, in the order of `fields`."""
        return tuple(role for role, _ in self.fields)

    @property
    def has_latency(self) -> bool:
        """Whether requests have a latency."""
        return "latency" in self.roles


def chosen_fields(
    log: LogFields, log_format: str | None, fields: Sequence[tuple[str, str]], unit: str | None
) -> LogFields:
    """Put options over what a signals preset says.

    Raises
    ------
    ReaderError
        A field that is none of `ROLES`.
    """
    changes: dict[str, Any] = {}
    for role, name in fields:
        if role not in ROLES or not name:
            raise ReaderError(
                f"--option field: {readable(repr(f'{role}={name}'))} is not allowed; it must be one of "
                f"{' '.join(ROLES)}, = and the name of a field"
            )
        changes[role] = name
    if log_format is not None:
        changes["format"] = log_format
    if unit is not None:
        changes["unit_s"] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
    return replace(log, **changes)


def csv_delimiter(header: str) -> str:
    """Tell what separates the columns of a header line."""
    return max(",;\t|", key=header.count)


def _csv_row(line: str, delimiter: str) -> list[str]:
    """Columns of one line; none where it cannot be read."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _is_mostly_json(lines: Sequence[str]) -> bool:
    return sum(parse_json(line) is not None for line in lines) > sum(map(is_combined, lines))


def parse_json(line: str) -> dict[str, Any] | None:
    """Read a line of JSON; None where it is no object."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def plan_lines(where: str, lines: Sequence[str], log: LogFields, *, is_csv: bool = False) -> LogPlan:
    """Decide how a text file is read.

    Parameters
    ----------
    where : str
        Its name, for messages.
    lines : sequence of str
        Its first lines that are not blank.
    log : LogFields
        What is known; where its format is empty the first lines tell.
    is_csv : bool
        Whether the file's name says that it is CSV.

    Raises
    ------
    ReaderError
        The format cannot be told, no line can be read, or a field is not there.
    """
    shape, plan = log.format.strip(), LogPlan("pattern", "combined", line=COMBINED)
    if shape == "csv" or (not shape and is_csv):
        delimiter = csv_delimiter(lines[0])
        rows = [row for line in lines if (row := _csv_row(line, delimiter))]
        columns = tuple(name.strip() for name in rows[0]) if rows else ()
        plan = LogPlan("csv", "CSV", columns=columns, delimiter=delimiter)
        places = {name: columns.index(name) for name in columns}  # of columns with the same name the first counts
        whole = (cells for cells in rows[1:] if len(cells) == len(columns))
        sample = [{name: cells[place] for name, place in places.items()} for cells in whole]
        if not sample:
            raise ReaderError(f"{where}: no row under the header line")
    elif shape == "json" or (not shape and _is_mostly_json(lines)):
        plan = LogPlan("json", "JSON lines")
        sample = [flatten(fields) for line in lines if (fields := parse_json(line)) is not None]
    else:
        if shape not in ("", "combined"):
            plan = LogPlan("pattern", f"log_format {readable(repr(shape))}", line=compile_log_format(shape))
        elif not shape and not any(map(is_combined, lines)):
            raise ReaderError(
                f"{where}, line 1: {readable(repr(lines[0][:80]))} is neither JSON nor of the combined log format; say "
                "how lines are written with -O format='$remote_addr … $request_time' (an nginx log_format), json or csv"
            )
        matches = [re.fullmatch(plan.line.pattern, line) for line in lines]
        sample = [dict(zip(plan.line.names, match.groups(""), strict=True)) for match in matches if match]
    if not sample:
        raise ReaderError(f"{where}, line 1: {readable(repr(lines[0][:80]))} is not of the format {plan.format_name}")
    return plan_rows(where, sample, log, plan)


def plan_rows(where: str, sample: Sequence[Mapping[str, str]], log: LogFields, plan: LogPlan) -> LogPlan:
    """Choose the fields, the unit and how the time is written, from a sample of rows."""
    names = plan.columns or plan.line.names or tuple(dict.fromkeys(name for row in sample for name in row))
    fields: dict[str, str] = {}
    guessed = []
    for role in ROLES:
        given = getattr(log, role)
        name = find_field(given, names) if given else guess_field(role, sample)
        if given and not name and plan.shape == "json":
            name = given.removeprefix("$")  # it may come in later lines
        if given and not name:
            raise ReaderError(f"{where}: no field {readable(repr(given))} for the {role}; there are {_listed(names)}")
        if name:
            fields[role] = name
            if not given:
                guessed.append(f"{role} from {readable(repr(name))}")
    times = [text for row in sample if "time" in fields and time_kind(text := row.get(fields["time"], ""))]
    if not times:
        if "time" in fields:
            example = next((row[fields["time"]] for row in sample if fields["time"] in row), "")
            raise ReaderError(
                f"{where}: {readable(repr(example))} in field {readable(repr(fields['time']))} is not a time; "
                "it must be $time_local, ISO 8601 or Unix time in s, ms, us or ns"
            )
        raise ReaderError(
            f"{where}: no field holds a time; name it with -O field=time=NAME; there are {_listed(names)}"
        )
    notes = [f"{plan.format_name}: {', '.join(guessed)}"] if guessed and plan.format_name != "combined" else []
    unit_s, unit_notes = _unit(sample, fields, log)
    absent = [role for role in ("latency", "status") if role not in fields or not _occurs(sample, fields[role])]
    if absent and log.latency != fields.get("latency", "-"):
        what = "each row counts as one request; " if len(absent) == 2 and plan.shape in ("csv", "parquet") else ""
        notes.append(f"{what}no {' and no '.join(absent)} in the lines: no data of it (-O field=latency=NAME)")
    if plan.shape == "pattern" and "latency" in absent and not log.latency:
        fields.pop("latency", None)
    zoned = has_zone(times[0])
    if not zoned:
        notes.append("times without a zone: taken as UTC")
    chosen = tuple((role, fields[role]) for role in ROLES if role in fields)
    return replace(
        plan,
        fields=chosen,
        time_kind=time_kind(times[0]),
        has_zone=zoned,
        unit_s=unit_s,
        error=log.error,
        notes=(*notes, *unit_notes),
    )


def _occurs(sample: Sequence[Mapping[str, str]], name: str) -> bool:
    return any(row.get(name) for row in sample)


def _unit(sample: Sequence[Mapping[str, str]], fields: Mapping[str, str], log: LogFields) -> tuple[float, list[str]]:
    """Seconds in one unit of the latency, and what to say about it."""
    name = fields.get("latency", "")
    texts = [row[name] for row in sample if row.get(name)]
    median = median_amount(texts)
    if not name or math.isnan(median):
        return log.unit_s or 1.0, []
    unit_s = log.unit_s or unit_from_name(name)
    if unit_s is None and name == "request_time" and median >= _LONG_INTEGER and all(text.isdigit() for text in texts):
        return 1e-6, ["request times are whole numbers: taken as microseconds (Apache's %D); -O unit=ms or s if not"]
    unit_s = unit_s or 1.0
    if median * unit_s > _LONG_S and log.unit_s is None:
        return unit_s, [
            f"half of the first latencies are over {median * unit_s:.4g} s: is {readable(repr(name))} in another unit? "
            "Say so with -O unit=ms, us or ns"
        ]
    return unit_s, []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return readable(" ".join(names[:_MAX_NAMED])) + more
