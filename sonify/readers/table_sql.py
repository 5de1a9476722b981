"""The SQL that makes requests of a file's lines or rows, and counts them; every name and pattern is quoted."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sonify.readers.log_plan import LogPlan
from sonify.readers.log_text import MAX_LINE_BYTES
from sonify.readers.log_time import CLF, EPOCH, MAX_TIME_US
from sonify.readers.log_values import FALSE_TEXTS, MAX_NAME_CHARACTERS
from sonify.readers.panel_window import BATCH_EDGES
from sonify.readers.source import ALL

__all__ = ["Grid", "batches_sql", "counts_sql", "parquet_sql", "span_sql"]

_LINES = (
    "columns={'line': 'VARCHAR'}, auto_detect=false, header=false, delim=e'\\x01', quote='', escape='', "
    "comment='', ignore_errors=true, store_rejects=true, rejects_limit=100000, strict_mode=false, "
    f"max_line_size={MAX_LINE_BYTES}"
)
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UTINYINT",
            "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip


class Grid(NamedTuple):
    """Intervals of `step_us` from `origin_us` on, and the times that are wanted: after `since_us`, up to `until_us`."""

    step_us: int
    origin_us: int
    since_us: int
    until_us: int


def _text(value: str) -> str:
    """Quote a text."""
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    """Quote the name of a column."""
    return '"' + value.replace('"', '""') + '"'


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, values)) + "]"


def _file(path: Path) -> str:
    """Quote a file: an absolute path, so that it is no URL, in which no character stands for others."""
    return _text(glob.escape(str(path.absolute())))


def parquet_sql(path: Path) -> str:
    """Write the rows of a Parquet file as a table."""
    return f"read_parquet({_file(path)})"


# -- the values of a line as text ------------------------------------------------------------------------------------


def _values_sql(path: Path, plan: LogPlan) -> str:
    """Select each role's value, by the name of the role."""
    if plan.shape == "parquet":
        picked = ", ".join(f"{_name(name)} AS {role}" for role, name in plan.fields)
        return f"SELECT {picked} FROM {parquet_sql(path)}"
    if plan.shape == "csv":
        # by number: names may occur twice, or differ in case alone
        columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(plan.columns)))
        picked = ", ".join(f"c{plan.columns.index(name)} AS {role}" for role, name in plan.fields)
        return (
            f"SELECT {picked} FROM read_csv({_file(path)}, columns={{{columns}}}, auto_detect=false, header=true, "
            f"delim={_text(plan.delimiter)}, quote='\"', escape='\"', ignore_errors=true, store_rejects=true, "
            f"rejects_limit=100000, max_line_size={MAX_LINE_BYTES})"
        )
    lines = f"SELECT line FROM read_csv({_file(path)}, {_LINES}) WHERE line IS NOT NULL AND trim(line) <> ''"
    if plan.shape == "json":
        flat = [_pointer([name]) for _, name in plan.fields]
        nested = [_pointer(name.split(".")) for _, name in plan.fields]
        found = f"SELECT TRY(json_extract_string(line, {_list(flat + nested)})) AS v FROM ({lines})"
        picked = ", ".join(
            f"coalesce(v[{index}], v[{index + len(flat)}]) AS {role}" for index, role in enumerate(plan.roles, start=1)
        )
        return f"SELECT {picked} FROM ({found})"
    groups = [f"g{index}" for index in range(len(plan.line.names))]
    pattern = _text(f"^(?:{plan.line.pattern})$")
    picked = ", ".join(f"v.g{plan.line.names.index(name)} AS {role}" for role, name in plan.fields)
    return f"SELECT {picked} FROM (SELECT regexp_extract(line, {pattern}, {_list(groups)}) AS v FROM ({lines}))"


def _pointer(parts: Sequence[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


# -- what the values mean --------------------------------------------------------------------------------------------


def _time_sql(plan: LogPlan, kind: str) -> str:
    """Unix time in µs, NULL where it cannot be read."""
    if kind.startswith(("TIMESTAMP", "DATE")):
        time_us = "epoch_us(time::TIMESTAMPTZ)"
    elif plan.time_kind == EPOCH:
        value = "try_cast(time AS DOUBLE)"
        scale = (
            f"CASE WHEN {value} < 1e11 THEN 1e6 WHEN {value} < 1e14 THEN 1e3 WHEN {value} < 1e17 THEN 1.0 ELSE 1e-3 END"
        )
        time_us = f"try_cast(floor({value} * ({scale})::DOUBLE + 0.5) AS BIGINT)"
    elif plan.time_kind == CLF:
        time_us = "epoch_us(try_strptime(time, '%d/%b/%Y:%H:%M:%S %z'))"
    else:
        text = "regexp_replace(replace(replace(time, ',', '.'), 'UTC', 'Z'), ' ([Z+-])', '\\1')"
        time_us = f"epoch_us(try_cast({text} AS TIMESTAMPTZ))"
    return f"CASE WHEN {time_us} > 0 AND {time_us} < {MAX_TIME_US} THEN {time_us} END"


def _amount_sql(role: str, kind: str) -> str:
    """Write a number that is 0 or more, else NULL; the sum of a list, as `parse_amount` has it."""
    value = f"try_cast({role} AS DOUBLE)"
    if not kind:
        part = "try_cast(trim(p) AS DOUBLE)"
        parts = f"[{part} FOR p IN string_split_regex({role}, '[,:]') IF {part} >= 0 AND {part} < 'inf'::DOUBLE]"
        value = f"CASE WHEN {value} IS NULL THEN list_sum({parts}) ELSE {value} END"
    return f"CASE WHEN {value} >= 0 AND {value} < 'inf'::DOUBLE THEN {value} END"


def _flag_sql(role: str) -> str:
    return f"coalesce(lower(trim({role}::VARCHAR)) NOT IN ({', '.join(map(_text, FALSE_TEXTS))}), false)"


def _status_sql(kind: str) -> str:
    return "status::BIGINT::VARCHAR" if kind.startswith(_NUMBERS) else "status::VARCHAR"


def _requests_sql(path: Path, plan: LogPlan) -> str:
    """Select the requests of a file: columns as in `Request`, a latency or batch that is not known is NULL."""
    types = dict(zip(plan.columns, plan.types, strict=False))
    kinds = {role: types.get(name, "").upper() for role, name in plan.fields}

    def given(role: str, sql: Callable[[], str], absent: str) -> str:
        return sql() if role in kinds else absent

    backend = f"coalesce(nullif(nullif(trim(backend::VARCHAR), ''), '-'), {_text(ALL)})"
    error = f"coalesce(regexp_full_match({_status_sql(kinds.get('status', ''))}, {_text(plan.error)}), false)"
    columns = {
        "time_us": _time_sql(plan, kinds["time"]),
        "latency_s": given(
            "latency", lambda: f"{_amount_sql('latency', kinds['latency'])} * {plan.unit_s!r}::DOUBLE", "NULL::DOUBLE"
        ),
        "backend": given("backend", lambda: f"left({backend}, {MAX_NAME_CHARACTERS})", _text(ALL)),
        "is_error": given("status", lambda: error, "false"),
        "is_fallback": given("fallback", lambda: _flag_sql("fallback"), "false"),
        "is_glitch": given("glitch", lambda: _flag_sql("glitch"), "false"),
        "batch": given("batch", lambda: _amount_sql("batch", kinds["batch"]), "NULL::DOUBLE"),
    }
    return f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} FROM ({_values_sql(path, plan)})"


# -- what is asked ---------------------------------------------------------------------------------------------------


def span_sql(path: Path, plan: LogPlan, grid: Grid) -> str:
    """First and last time in range."""
    return (
        f"SELECT min(time_us), max(time_us) FROM ({_requests_sql(path, plan)}) "
        f"WHERE time_us > {grid.since_us} AND time_us <= {grid.until_us}"
    )


def _inside(grid: Grid) -> str:
    return f"time_us > {grid.since_us} AND time_us <= {grid.until_us}"


def _cell(grid: Grid, time_us: str = "time_us") -> str:
    return f"(({time_us} - {grid.origin_us}) // {grid.step_us})"


def counts_sql(path: Path, plan: LogPlan, grid: Grid, inner_edges_s: Sequence[float]) -> str:
    """Count by interval, band and backend.

    Each row has: whether its times can be read, whether they are in range; interval, intervals back to the begin,
    backend, band (one past the last: latency unknown); numbers of requests, errors, fallbacks, glitches; sums of the
    time since the interval began and of the latency in µs; first and last time.
    """
    band = " + ".join(f"(latency_s >= {float(edge)!r}::DOUBLE)::BIGINT" for edge in inner_edges_s)
    latency_us = "floor(least(coalesce(latency_s, 0), 1e9::DOUBLE) * 1e6::DOUBLE + 0.5::DOUBLE)::BIGINT"
    offset_us = f"time_us - {grid.origin_us} - cell * {grid.step_us}"
    return f"""
        WITH request AS ({_requests_sql(path, plan)}),
        timed AS (
            SELECT *, time_us IS NOT NULL AS is_read, coalesce({_inside(grid)}, false) AS is_inside,
                {latency_us} AS latency_us
            FROM request
        ),
        placed AS (
            SELECT *, CASE WHEN is_inside THEN {_cell(grid)} END AS cell,
                CASE WHEN is_inside THEN coalesce({band}, {len(inner_edges_s) + 1}) END AS band,
                CASE WHEN is_inside THEN backend END AS backend_name,
            FROM timed
        ),
        reaching AS (
            SELECT *, CASE WHEN is_inside THEN
                CASE WHEN {offset_us} >= latency_us THEN 0
                ELSE (latency_us - ({offset_us}) + {grid.step_us - 1}) // {grid.step_us} END END AS back,
            FROM placed
        )
        SELECT is_read, is_inside, cell, back, backend_name, band,
            count(*), count_if(is_error), count_if(is_fallback), count_if(is_glitch),
            sum(CASE WHEN is_inside THEN {offset_us} ELSE 0 END)::BIGINT,
            sum(CASE WHEN is_inside THEN latency_us ELSE 0 END)::BIGINT,
            coalesce(min(time_us), 0), coalesce(max(time_us), 0), count(latency_s), count(batch)
        FROM reaching
        GROUP BY is_read, is_inside, cell, back, backend_name, band
    """


def batches_sql(path: Path, plan: LogPlan, grid: Grid) -> str:
    """Count by interval and size band of batches."""
    column = " + ".join(f"(batch > {edge!r}::DOUBLE)::BIGINT" for edge in BATCH_EDGES[1:-1])
    return (
        f"SELECT {_cell(grid)} AS cell, {column} AS size_band, count(*) FROM ({_requests_sql(path, plan)}) "
        f"WHERE {_inside(grid)} AND batch IS NOT NULL GROUP BY ALL"
    )
