"""Count the requests of a log or table with duckdb: millions of lines in seconds, in flat memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.readers.log_plan import LogPlan
from sonify.readers.readable import readable
from sonify.readers.table_counts import Groups, RequestCounts
from sonify.readers.table_plain import Reading, TimeRange
from sonify.readers.table_sql import Grid, batches_sql, counts_sql, parquet_sql, span_sql

if TYPE_CHECKING:
    import duckdb

__all__ = ["count_with_duckdb", "describe_parquet", "has_duckdb"]

_MEMORY_LIMIT = "512MB"  # of duckdb's own buffers; what does not fit goes to a temporary folder
_FETCHED = 20_000


def has_duckdb() -> bool:
    """Whether the optional package is installed."""
    return find_spec("duckdb") is not None


@contextmanager
def _connected(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to an empty database that reads files of this machine only; its errors become ReaderError."""
    try:
        import duckdb
    except ImportError:
        raise ReaderError(f"{path}: engine=duckdb needs duckdb: pip install 'sonify[bulk]'") from None
    with tempfile.TemporaryDirectory(prefix="sonify-") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY_LIMIT,
            "temp_directory": folder,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
        connection = duckdb.connect(":memory:", config=settings)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        except duckdb.Error as error:
            lines = str(error).splitlines() or [type(error).__name__]
            raise ReaderError(f"{path}: cannot be read by duckdb: {readable(lines[0])}") from None
        finally:
            connection.close()


def describe_parquet(path: Path, num_rows: int) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Types of a Parquet file's columns by name, and its first rows as text.

    Raises
    ------
    ReaderError
        It is no Parquet file, or duckdb is not installed.
    """
    with _connected(path) as connection:
        described = connection.execute(f"DESCRIBE SELECT * FROM {parquet_sql(path)}").fetchall()
        types = {str(row[0]): str(row[1]) for row in described}
        rows = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {parquet_sql(path)} LIMIT {num_rows:d}").fetchall()
    return types, [{name: value for name, value in zip(types, row, strict=True) if value is not None} for row in rows]


def count_with_duckdb(
    path: Path, plan: LogPlan, wanted: TimeRange, counts: RequestCounts, *, span_us: tuple[int, int] | None = None
) -> Reading:
    """Count the requests in range, as `count_requests` does.

    Parameters
    ----------
    path : Path
        The file.
    plan : LogPlan
        How it is read.
    wanted : TimeRange
        Times that are wanted.
    counts : RequestCounts
        What they are counted in.
    span_us : (int, int), optional
        Times of two requests in range, far apart, Unix µs; None looks for the first and the last.
    """
    with _connected(path) as connection:
        if span_us is None:
            grid = Grid(counts.step_us, counts.origin_us, *wanted)
            span_us = connection.execute(span_sql(path, plan, grid)).fetchall()[0]
        if span_us[0] is not None:
            counts.begin(span_us)
        grid = Grid(counts.step_us, counts.origin_us, *wanted)
        inner_edges_s = [float(edge_s) for edge_s in counts.inner_edges_s]
        reading, groups = _gather(connection.execute(counts_sql(path, plan, grid, inner_edges_s)), counts)
        rejected = _num_rejected(connection) if plan.shape != "parquet" else 0
        counts.add_groups(groups)
        if reading.has_batch:
            rows = connection.execute(batches_sql(path, plan, grid)).fetchall()
            cell, band, number = np.asarray(rows, dtype=np.int64).reshape(-1, 3).T
            counts.add_batches(cell // (counts.step_us // grid.step_us), band, number.astype(np.float64))
    return reading._replace(num_unreadable=reading.num_unreadable + rejected)


def _num_rejected(connection: duckdb.DuckDBPyConnection) -> int:
    """Count the lines that were left out because they are too long or not UTF-8, or no row of the table."""
    query = "SELECT count(DISTINCT line) FROM reject_errors WHERE scan_id = (SELECT max(scan_id) FROM reject_errors)"
    return int(connection.execute(query).fetchall()[0][0])


def _gather(result: duckdb.DuckDBPyConnection, counts: RequestCounts) -> tuple[Reading, Groups]:
    """Sort the rows of `counts_sql`."""
    num_read = num_unreadable = num_latencies = num_batches = 0
    first_us, last_us = 1 << 62, -(1 << 62)
    parts: list[NDArray[np.int64]] = [np.empty((0, 10), dtype=np.int64)]
    while rows := result.fetchmany(_FETCHED):
        kept: list[tuple[int, ...]] = []
        for is_read, is_inside, cell, back, backend, band, *numbers in rows:
            if not is_read:
                num_unreadable += numbers[0]
                continue
            num_read += numbers[0]
            first_us, last_us = min(first_us, numbers[6]), max(last_us, numbers[7])
            num_latencies, num_batches = num_latencies + numbers[8], num_batches + numbers[9]
            if is_inside:
                kept.append((cell, back, counts.backend_number(backend), band, *numbers[:6]))
        parts.append(np.asarray(kept, dtype=np.int64).reshape(-1, 10))
    columns = np.concatenate(parts).T
    groups = Groups(*columns[:4], *columns[4:8].astype(np.float64), *columns[8:])
    reading = Reading(num_read, num_unreadable, "", (first_us, last_us), num_latencies > 0, num_batches > 0)
    return reading, groups
