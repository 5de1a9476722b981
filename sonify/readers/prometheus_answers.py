"""Answers of the query API, vectors and matrices alike, put onto one grid of times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.readers import promql
from sonify.readers.time_grid import TimeGrid

__all__ = ["Native", "Series", "merge_matrix", "read_vector"]

Array = NDArray[np.float64]


class Native(NamedTuple):
    """A native histogram: bounds and counts (or rates) of its sparse buckets, shape (buckets,), and its total."""

    lows: Array
    highs: Array
    counts: Array
    total: float


class Series(NamedTuple):
    """One series on the grid.

    Attributes
    ----------
    labels : dict of str to str
        Without the tag.
    values : array (times,)
        NaN where it has no point.
    natives : dict of int to Native
        Histograms by their index on the grid.
    """

    labels: dict[str, str]
    values: Array
    natives: dict[int, Native]


_BAD = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


def _native(histogram: Any) -> Native:
    """Read ``{"count": "9", "sum": "1.5", "buckets": [[rule, low, high, count], …]}``; no buckets where it is empty."""
    buckets = np.asarray([bucket[1:4] for bucket in histogram.get("buckets") or ()], dtype=np.float64).reshape(-1, 3)
    if np.isnan(buckets).any() or (buckets[:, 1] < buckets[:, 0]).any():
        raise ValueError("bounds of a bucket")
    return Native(buckets[:, 0], buckets[:, 1], np.maximum(buckets[:, 2], 0.0), float(histogram["count"]))


def _points(item: Any, *keys: str) -> list[Any]:
    for key in keys:
        if key in item:
            found = item[key]
            return found if key.endswith("s") else [found]
    return []


def _labels(item: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in item["metric"].items()}


def read_vector(url: str, answer: Any, what: str) -> tuple[dict[str, list[Series]], float]:
    """Sort an instant answer by its tags.

    Returns
    -------
    dict of str to list of Series
        By tag, each on a grid of one time.
    float
        When the server evaluated it, Unix s; NaN where there is nothing.

    Raises
    ------
    ReaderError
        It is not a vector.
    """
    by_tag: dict[str, list[Series]] = {}
    asked_s = float("nan")
    try:
        if answer["resultType"] != "vector":
            raise ValueError
        for item in answer["result"]:
            labels = _labels(item)
            values, natives = np.full(1, np.nan), {}
            for point in _points(item, "value"):
                asked_s, values[0] = float(point[0]), float(point[1])
            for point in _points(item, "histogram"):
                asked_s, natives[0] = float(point[0]), _native(point[1])
            values[~np.isfinite(values)] = np.nan
            by_tag.setdefault(labels.pop(promql.TAG, ""), []).append(Series(labels, values, natives))
    except _BAD:
        raise ReaderError(f"{url}/api/v1/query ({what}): the answer is not a vector of samples") from None
    return by_tag, asked_s


def merge_matrix(url: str, grid: TimeGrid, ask: Callable[[int, int], Any], what: str) -> dict[str, list[Series]]:
    """Ask for a range in as many pieces as it takes, and sort the answers by their tags.

    Parameters
    ----------
    url : str
        Of the server, for messages.
    grid : TimeGrid
        Which times.
    ask : callable
        Gets the first and the last time of a piece in ms, and returns the data of its answer.
    what : str
        What is asked for, in words.

    Raises
    ------
    ReaderError
        As `ask`, or an answer is not a matrix.
    """
    series: dict[tuple[tuple[str, str], ...], Series] = {}
    for first_ms, last_ms in grid.chunks():
        answer = ask(first_ms, last_ms)
        try:
            if answer["resultType"] != "matrix":
                raise ValueError
            for item in answer["result"]:
                labels = _labels(item)
                key = tuple(sorted(labels.items()))
                one = series.setdefault(key, Series(labels, np.full(grid.count, np.nan), {}))
                points = _points(item, "values")
                times_s = np.asarray([point[0] for point in points], dtype=np.float64)
                grid.place(one.values, times_s, np.asarray([point[1] for point in points], dtype=np.float64))
                _place_natives(one, grid, _points(item, "histograms"))
        except _BAD:
            raise ReaderError(f"{url}/api/v1/query_range ({what}): the answer is not a matrix of time series") from None
    by_tag: dict[str, list[Series]] = {}
    for one in series.values():
        by_tag.setdefault(one.labels.pop(promql.TAG, ""), []).append(one)
    return by_tag


def _place_natives(series: Series, grid: TimeGrid, points: Iterable[Any]) -> None:
    for time_s, histogram in points:
        index = grid.index(float(time_s))
        if index is not None:
            series.natives[index] = _native(histogram)
