"""OTLP metrics as both encodings are read: a small model of points, and what a request may hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_BUCKETS",
    "MAX_NAME",
    "MAX_PARTS",
    "MAX_POINTS",
    "MAX_VALUE",
    "NO_RECORDED_VALUE",
    "Attributes",
    "Exponential",
    "Histogram",
    "Metric",
    "Number",
    "Point",
    "TooMuchError",
    "check_parts",
    "check_points",
    "exponential",
    "histogram",
]

Array = NDArray[np.float64]
Attributes: TypeAlias = tuple[tuple[str, str], ...]

MAX_POINTS = 250_000  # of a request
MAX_PARTS = 50_000  # resources, scopes and metrics of a request, together
MAX_ATTRIBUTES = 128  # of a point or a resource
MAX_NAME = 1024  # characters of a metric's or an attribute's name
MAX_VALUE = 4096  # characters of an attribute's value
MAX_BUCKETS = 2048  # of a histogram
NO_RECORDED_VALUE = 1  # flag of a point that says that there is none


class TooMuchError(ReaderError):
    """A request that holds more than is allowed."""


class Number(NamedTuple):
    """A point of a gauge or a sum; times in ns of the sender's clock, `start_ns` 0 where it is not told."""

    attributes: Attributes
    start_ns: int
    time_ns: int
    value: float


class Histogram(NamedTuple):
    """A point of a histogram with explicit bounds, or of a summary (that has none).

    Attributes
    ----------
    number, total : float
        How many values, and their sum; NaN where the sum is not told.
    bounds : tuple of float
        Rising upper bounds, inclusive; the last bucket goes to +Inf.
    counts : array (bounds + 1,) or (0,)
        Non-cumulative; empty where only count and sum are told.
    """

    attributes: Attributes
    start_ns: int
    time_ns: int
    number: float
    total: float
    bounds: tuple[float, ...]
    counts: Array


class Exponential(NamedTuple):
    """A point of an exponential histogram; bucket i holds values over base^i up to base^(i+1), base = 2^(2^−scale).

    Attributes
    ----------
    number, total : float
        As of `Histogram`.
    scale : int
        Resolution.
    lowest : float
        How many values are too near to 0 for any bucket, or below.
    indices : int array (n,)
        Rising indices of the buckets that hold anything.
    counts : array (n,)
        How many they hold.
    """

    attributes: Attributes
    start_ns: int
    time_ns: int
    number: float
    total: float
    scale: int
    lowest: float
    indices: NDArray[np.int64]
    counts: Array


Point: TypeAlias = Number | Histogram | Exponential


class Metric(NamedTuple):
    """One metric of one resource.

    Attributes
    ----------
    name, unit : str
        As sent.
    kind : str
        ``gauge``, ``sum``, ``histogram``, ``exponential`` or ``summary``.
    temporality : str
        ``cumulative``, ``delta``, or empty where there is none; gauges and summaries count as cumulative.
    is_monotonic : bool
        Whether a sum only rises.
    resource : Attributes
        Sorted attributes of who sends.
    scope : str
        Name and version of the instrumentation, so that two with one name are kept apart.
    num_points : int
        How many points there are.
    points : callable
        Reads them; kept apart, since most metrics are of no interest. Raises ReaderError.
    """

    name: str
    unit: str
    kind: str
    temporality: str
    is_monotonic: bool
    resource: Attributes
    scope: str
    num_points: int
    points: Callable[[], list[Point]]


def check_parts(number: int) -> None:
    """Refuse a request that consists of too many things (TooMuchError), before they are gone through."""
    if number > MAX_PARTS:
        raise TooMuchError(
            f"{number} resources, scopes and metrics in one request; allowed are {MAX_PARTS}: export in smaller batches"
        )


def check_points(metrics: list[Metric]) -> list[Metric]:
    """Refuse a request with too many points or a name that is too long (TooMuchError); give it back otherwise."""
    total = sum(metric.num_points for metric in metrics)
    if total > MAX_POINTS:
        raise TooMuchError(f"{total} points in one request; allowed are {MAX_POINTS}: export in smaller batches")
    for metric in metrics:
        if len(metric.name) > MAX_NAME:
            raise TooMuchError(f"a metric's name of {len(metric.name)} characters; allowed are {MAX_NAME}")
    return metrics


def histogram(
    where: str,
    head: tuple[Attributes, int, int],
    number: float,
    total: float,
    bounds: tuple[float, ...],
    counts: list[int],
) -> Histogram:
    """Check a histogram, and build it; ReaderError names `where` it stands."""
    if len(bounds) > MAX_BUCKETS or len(counts) > MAX_BUCKETS + 1:
        raise TooMuchError(f"{where}: {max(len(bounds), len(counts))} buckets; allowed are {MAX_BUCKETS}")
    if counts and len(counts) != len(bounds) + 1:
        raise ReaderError(f"{where}: {len(counts)} bucket counts for {len(bounds)} explicit bounds; one more is needed")
    if not all(low < high for low, high in pairwise(bounds)) or any(map(math.isnan, bounds)):
        raise ReaderError(f"{where}: the explicit bounds do not rise")
    return Histogram(*head, number, total, bounds if counts else (), np.asarray(counts, dtype=np.float64))


def exponential(
    where: str,
    head: tuple[Attributes, int, int],
    number: float,
    total: float,
    scale: int,
    lowest: float,
    offset: int,
    counts: list[int],
) -> Exponential:
    """Check an exponential histogram, and build it; ReaderError names `where` it stands."""
    if len(counts) > MAX_BUCKETS:
        raise TooMuchError(f"{where}: {len(counts)} buckets; allowed are {MAX_BUCKETS}")
    if not -10 <= scale <= 20:
        raise ReaderError(f"{where}: a scale of {scale}; allowed are -10 to 20")
    dense = np.asarray(counts, dtype=np.float64)
    held = np.flatnonzero(dense)
    return Exponential(*head, number, total, scale, lowest, held.astype(np.int64) + offset, dense[held])
