"""Points of one series become what was counted since the point before: cumulative and delta, restarts and stragglers.

The data model of OpenTelemetry (specification, metrics/data-model, "Resets and Gaps", "Exponential scale") is followed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.readers.otlp_model import Array, Exponential, Histogram, Number, Point

__all__ = ["MAX_STREAMS", "Counted", "Series", "edges_of", "since"]

MAX_STREAMS = 8
_LOG2_MOST = 64.0  # buckets beyond 2^±64 of a unit are one
_LOG2_LEAST = 1e-9  # and those that are narrower


class Counted(NamedTuple):
    """What a series counted: a point that holds only that, over `covered_ns` (0 where that is not known)."""

    point: Point
    covered_ns: int


class Series:
    """Memory of one cumulative series.

    Two programs that say they are one (workers of one server without an instance of their own) write into one series;
    their start times tell them apart, and each is a stream here.
    """

    __slots__ = ("streams",)

    def __init__(self) -> None:
        self.streams: list[Point] = []  # newest point of each

    def advance(self, point: Point, *, from_zero_ns: float) -> Counted | None:
        """Take the next point.

        Parameters
        ----------
        point : Point
            Cumulative.
        from_zero_ns : float
            How old a stream may be, at its first point, to be counted from 0; what an older one counted before is not
            known, and its first point only says where it stands. Inf: it cannot have been there before.

        Returns
        -------
        Counted or None
            What was counted since the last point; None where that is not known, or the point is not news.
        """
        for place, last in enumerate(self.streams):
            if last.start_ns == point.start_ns:
                return self._go_on(place, last, point)
        started_after = all(point.start_ns >= last.time_ns for last in self.streams)
        self.streams = [last for last in self.streams if last.time_ns > point.start_ns]
        self.streams.append(point)
        if len(self.streams) > MAX_STREAMS:
            self.streams.remove(min(self.streams, key=lambda last: last.time_ns))
        age_ns = point.time_ns - point.start_ns
        is_young = 0 < age_ns <= from_zero_ns and (point.start_ns > 0 or from_zero_ns == math.inf)
        if is_young and started_after:
            return Counted(point, 0 if from_zero_ns == math.inf else age_ns)
        return None

    def _go_on(self, place: int, last: Point, point: Point) -> Counted | None:
        if point.time_ns <= last.time_ns:
            return None  # a copy, or overtaken on its way
        self.streams[place] = point
        difference = since(point, last)
        if difference is None:
            return None
        return Counted(difference, point.time_ns - last.time_ns)


def since(point: Point, last: Point) -> Point | None:
    """Subtract the last point of a stream from the next: what was counted between them; None if they do not compare.

    A stream whose values fell was begun anew, whatever its start time says: all that it counts is new.
    """
    if isinstance(point, Number) and isinstance(last, Number):
        step = point.value - last.value
        return point if step < 0.0 else point._replace(value=step)
    if isinstance(point, Histogram) and isinstance(last, Histogram):
        return _histogram_since(point, last)
    if isinstance(point, Exponential) and isinstance(last, Exponential):
        return _exponential_since(point, last)
    return None


def _histogram_since(point: Histogram, last: Histogram) -> Histogram | None:
    if point.number < last.number:
        return point
    if point.bounds != last.bounds:
        return None
    counts = point.counts - last.counts
    if len(counts) and counts.min() < 0.0:
        return point
    return point._replace(number=point.number - last.number, total=_sum_since(point, last), counts=counts)


def _sum_since(point: Histogram | Exponential, last: Histogram | Exponential) -> float:
    step = point.total - last.total
    return step if step >= 0.0 else math.nan


def _exponential_since(point: Exponential, last: Exponential) -> Exponential:
    """Compare on the coarser scale of both; halving the resolution is exact."""
    if point.number < last.number or point.lowest < last.lowest:
        return point
    scale = min(point.scale, last.scale)
    indices, counts = _coarser(point, scale)
    last_indices, last_counts = _coarser(last, scale)
    union = np.union1d(indices, last_indices)
    difference = np.zeros(len(union))
    difference[np.searchsorted(union, indices)] = counts
    difference[np.searchsorted(union, last_indices)] -= last_counts
    if len(difference) and difference.min() < 0.0:
        return point
    held = difference > 0.0
    return point._replace(
        number=point.number - last.number,
        total=_sum_since(point, last),
        scale=scale,
        lowest=point.lowest - last.lowest,
        indices=union[held],
        counts=difference[held],
    )


def _coarser(point: Exponential, scale: int) -> tuple[NDArray[np.int64], Array]:
    if scale == point.scale:
        return point.indices, point.counts
    indices, places = np.unique(point.indices >> (point.scale - scale), return_inverse=True)
    return indices, _binned(places, point.counts, len(indices))


def _binned(places: NDArray[np.int64], counts: Array, length: int) -> Array:
    return np.asarray(np.bincount(places, weights=counts, minlength=length), dtype=np.float64)


def edges_of(point: Histogram | Exponential) -> tuple[Array, Array]:
    """Rising edges from 0, and non-cumulative counts between them, in the metric's own unit.

    What lies at or below 0 is in the first bucket. Both are empty where nothing is told but count and sum.
    """
    if isinstance(point, Exponential):
        return _exponential_edges(point)
    bounds = np.asarray(point.bounds, dtype=np.float64)
    # what is absurdly small, large or near to another bound is no edge: it has no logarithm, or no distance
    inner = bounds[(bounds > 2.0**-_LOG2_MOST) & (bounds < 2.0**_LOG2_MOST)]
    inner = inner[np.diff(np.log2(inner), prepend=-math.inf) > _LOG2_LEAST]
    if not len(inner):
        return np.empty(0), np.empty(0)
    edges = np.concatenate([[0.0], inner, [math.inf]])
    places = np.searchsorted(inner, np.append(bounds, math.inf), side="left")
    return edges, _binned(places, point.counts, len(edges) - 1)


def _exponential_edges(point: Exponential) -> tuple[Array, Array]:
    """Edges of the buckets that hold anything; `lowest` is left to the caller, who knows where low is."""
    if not len(point.indices):
        return np.empty(0), np.empty(0)
    width = 2.0**-point.scale
    low = np.clip(point.indices * width, -_LOG2_MOST, _LOG2_MOST)
    high = np.clip((point.indices + 1) * width, -_LOG2_MOST, _LOG2_MOST)
    edges = np.unique(np.concatenate([low, high]))
    if len(edges) < 2:
        edges = np.append(edges, edges[-1] + 1.0)
    places = np.minimum(np.searchsorted(edges, low), len(edges) - 2)
    return np.exp2(edges), _binned(places, point.counts, len(edges) - 1)
