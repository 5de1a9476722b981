"""Cumulative series: nothing is counted twice, nothing is negative, whatever order and restarts points come in."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonify.metrics.bands import LatencyBands, quantile_s, rebucket
from sonify.readers.otlp_model import Exponential, Histogram, Number, Point, exponential
from sonify.readers.otlp_series import MAX_STREAMS, Series, edges_of, since

OLD = 0.0  # nothing that is older than this is counted from 0


def number(value: float, time_ns: int, start_ns: int = 1) -> Number:
    return Number((), start_ns, time_ns, value)


def counted(series: Series, point: Point, *, from_zero_ns: float = OLD) -> float | None:
    found = series.advance(point, from_zero_ns=from_zero_ns)
    if found is None:
        return None
    return found.point.value if isinstance(found.point, Number) else found.point.number


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_what_is_counted_is_what_the_counter_rose(steps: list[int]) -> None:
    series, value, total = Series(), 100.0, 0.0
    assert counted(series, number(value, 1)) is None
    for time_ns, step in enumerate(steps, start=2):
        value += step
        total += counted(series, number(value, time_ns)) or 0.0
    assert total == value - 100.0


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 50)), max_size=40))
def test_old_and_repeated_points_change_nothing(arrivals: list[tuple[int, int]]) -> None:
    """Points of one true counter, whose value at a time is that time, in any order and any number of times."""
    series, total = Series(), 0.0
    counted(series, number(0, 0))
    for time_ns, _ in arrivals:
        total += counted(series, number(time_ns, time_ns)) or 0.0
    assert total == max((time_ns for time_ns, _ in arrivals), default=0)


def test_a_young_stream_counts_from_0_and_an_old_one_says_where_it_stands() -> None:
    assert counted(Series(), number(5, 100, start_ns=90), from_zero_ns=20) == 5
    assert counted(Series(), number(5, 100, start_ns=50), from_zero_ns=20) is None
    assert counted(Series(), number(5, 100, start_ns=0), from_zero_ns=200) is None  # nobody knows when it began
    assert counted(Series(), number(5, 100, start_ns=0), from_zero_ns=math.inf) == 5


def test_a_restart_counts_from_0_once() -> None:
    series = Series()
    counted(series, number(100, 10, start_ns=1))
    assert counted(series, number(3, 30, start_ns=20), from_zero_ns=1000) == 3
    assert counted(series, number(5, 40, start_ns=20), from_zero_ns=1000) == 2
    assert counted(series, number(110, 15, start_ns=1), from_zero_ns=1000) is None  # of the one before, and late
    assert len(series.streams) <= 2


def test_a_value_that_falls_is_a_restart_too() -> None:
    series = Series()
    counted(series, number(100, 10, start_ns=0))
    assert counted(series, number(4, 20, start_ns=0)) == 4


def test_two_workers_under_one_name_are_kept_apart() -> None:
    """Neither of two processes that write one series makes the other look restarted."""
    series, total = Series(), 0.0
    for time_ns in range(10, 100, 2):
        total += counted(series, number(1000 + time_ns, time_ns, start_ns=1), from_zero_ns=5) or 0
        total += counted(series, number(10 * time_ns, time_ns + 1, start_ns=2), from_zero_ns=5) or 0
    assert total == (98 - 10) + 10 * (98 - 10)


def test_streams_are_bounded() -> None:
    series = Series()
    for start_ns in range(1, 100):
        counted(series, number(1, 1000, start_ns=start_ns))
    assert len(series.streams) <= MAX_STREAMS


def histogram(counts: list[int], time_ns: int = 1, bounds: tuple[float, ...] = (0.1, 1.0)) -> Histogram:
    return Histogram((), 1, time_ns, sum(counts), float(sum(counts)), bounds, np.asarray(counts, dtype=np.float64))


def test_a_bucket_that_falls_is_a_restart_of_the_whole() -> None:
    found = since(histogram([0, 9, 0]), histogram([1, 0, 0]))
    assert isinstance(found, Histogram)
    assert found.counts.tolist() == [0, 9, 0]


def test_other_bounds_do_not_compare() -> None:
    assert since(histogram([1, 1, 1]), histogram([1, 0, 0], bounds=(0.2, 1.0))) is None


def samples_to_exponential(samples_s: np.ndarray, scale: int) -> Exponential:
    indices = np.ceil(np.log2(samples_s) * 2.0**scale).astype(np.int64) - 1
    low = int(indices.min()) if len(indices) else 0
    counts = np.bincount(indices - low).tolist() if len(indices) else []
    head = ((), 1, 1)
    return exponential("", head, float(len(samples_s)), float(samples_s.sum()), scale, 0.0, low, counts)


LATENCIES = st.lists(st.floats(0.0015, 50.0), min_size=1, max_size=60).map(np.asarray)


@given(LATENCIES, LATENCIES, st.integers(-2, 6), st.integers(-2, 6))
def test_a_change_of_scale_loses_nothing(before: np.ndarray, after: np.ndarray, scale: int, other: int) -> None:
    """Exponential histograms halve their resolution as they grow; the difference is that of the newer values alone."""
    last = samples_to_exponential(before, scale)
    point = samples_to_exponential(np.concatenate([before, after]), other)
    found = since(point, last)
    wanted = samples_to_exponential(after, min(scale, other))
    assert isinstance(found, Exponential)
    assert found.indices.tolist() == wanted.indices.tolist()
    assert found.counts.tolist() == wanted.counts.tolist()


@given(LATENCIES)
def test_exponential_and_explicit_agree_within_a_band(samples_s: np.ndarray) -> None:
    bands = LatencyBands()
    bounds = tuple(bands.edges_s[1:-1].tolist())
    places = np.searchsorted(np.asarray(bounds), samples_s, side="left")
    explicit = Histogram((), 1, 1, 0.0, 0.0, bounds, np.bincount(places, minlength=24).astype(np.float64))
    both = []
    for point in (explicit, samples_to_exponential(samples_s, 5)):
        edges_s, counts = edges_of(point)
        moved = rebucket(counts, edges_s, bands.edges_s)
        assert math.isclose(moved.sum(), len(samples_s))
        both.append(quantile_s(moved, bands.edges_s, 0.95))
    assert abs(bands.position(both[0]) - bands.position(both[1])) <= 1.0


@given(st.integers(-10, 20), st.integers(-(2**31), 2**31 - 1), st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_edges_of_any_exponential_rise(scale: int, offset: int, counts: list[int]) -> None:
    point = exponential("", ((), 0, 0), 0.0, 0.0, scale, 0.0, offset, counts)
    edges, found = edges_of(point)
    assert found.sum() == sum(counts)
    if len(edges):
        assert np.all(np.diff(edges) > 0.0)
        assert np.all(np.isfinite(edges))
        assert math.isclose(rebucket(found, edges, LatencyBands().edges_s).sum(), sum(counts))


def test_scales_far_apart_take_no_memory() -> None:
    low = exponential("", ((), 0, 0), 1.0, 0.0, 20, 0.0, -(2**31), [1])
    high = exponential("", ((), 0, 0), 2.0, 0.0, 20, 0.0, 2**31 - 1, [1])
    found = since(high, low)
    assert isinstance(found, Exponential)
    assert len(found.indices) <= 2


BOUND = st.floats(-10, 1e6) | st.floats(allow_nan=False) | st.floats(1.0, 1.0 + 1e-14)


@given(st.lists(BOUND, min_size=1, max_size=12, unique=True).map(sorted))
def test_edges_of_any_bounds_rise_from_0_and_keep_the_total(bounds: list[float]) -> None:
    point = Histogram((), 1, 1, 0.0, 0.0, tuple(bounds), np.ones(len(bounds) + 1))
    edges, counts = edges_of(point)
    if any(2.0**-64 < bound < 2.0**64 for bound in bounds):
        assert edges[0] == 0.0
        assert counts.sum() == len(bounds) + 1
        for unit_s in (1.0, 1e-9):
            moved = rebucket(counts, edges * unit_s, LatencyBands().edges_s)
            assert math.isclose(moved.sum(), len(bounds) + 1)
    else:
        assert len(edges) == 0
