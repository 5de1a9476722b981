"""Which queries make the panels, and what their answers make of them: averages, sums, sparse buckets, natives."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.readers import promql
from sonify.readers.le_buckets import parse_vmrange, sparse_shares
from sonify.readers.prometheus_answers import Native, Series, merge_matrix, read_vector
from sonify.readers.prometheus_discovery import Found
from sonify.readers.prometheus_panels import Gathered
from sonify.readers.prometheus_parts import Part, choose_parts, tag_parts
from sonify.readers.signals import Signal, Signals
from sonify.readers.time_grid import TimeGrid

EDGES_S = LatencyBands().edges_s


def parts_of(signals: Signals, *names: str, **keywords: bool) -> list[Part]:
    return list(choose_parts(signals, Found(frozenset(names)), window_s=4.0, **keywords))


def kinds(parts: list[Part]) -> list[tuple[str, str, int]]:
    return [(part.kind, part.name, part.sign) for part in parts if part.kind != "time"]


# -- names -------------------------------------------------------------------------------------------------------------

LATENCY = Signals("t", latency=Signal(("a", "b")))


def test_a_classic_histogram_is_taken_and_its_count_tells_its_age() -> None:
    parts = parts_of(LATENCY, "b_bucket", "b_count", "b_sum")
    assert kinds(parts) == [("buckets", "b_bucket", 1)]
    assert [part.name for part in parts if part.kind == "time"] == ["b_count"]


def test_the_numbers_of_a_summary_are_no_native_histogram() -> None:
    assert kinds(parts_of(LATENCY, "a", "a_count", "a_sum")) == [("sum", "a_sum", 1), ("number", "a_count", 1)]
    assert kinds(parts_of(LATENCY, "a")) == [("native", "a", 1)]


def test_where_both_are_there_a_classic_series_beside_its_native_one_is_left_out() -> None:
    parts = parts_of(LATENCY, "a", "a_bucket", "a_count")
    assert kinds(parts) == [("buckets", "a_bucket", 1), ("native", "a", 1)]
    assert 'rate(a_bucket{backend!=""}[4000ms]) unless ignoring (le) a{backend!=""}' in parts[0].query


def test_averages_are_made_of_a_sum_and_a_number() -> None:
    signals = Signals("t", latency=Signal((), mode="average", sum=("s",), count=("m", "n")))
    assert kinds(parts_of(signals, "s", "n")) == [("sum", "s", 1), ("number", "n", 1)]
    assert kinds(parts_of(signals, "s")) == []
    named = Signals("t", latency=Signal(("x",), mode="average"))
    assert kinds(parts_of(named, "x_sum", "x_count")) == [("sum", "x_sum", 1), ("number", "x_count", 1)]
    gauge = Signals("t", latency=Signal(("g",), mode="gauge"))
    assert kinds(parts_of(gauge, "g")) == [("mean", "g", 1)]


def test_what_is_added_and_taken_away() -> None:
    signals = Signals(
        "t", requests=Signal(("a", "b"), plus=("p", "q")), active=Signal(("started",), plus=("more",), minus=("done",))
    )
    parts = kinds(parts_of(signals, "b", "q", "started", "done"))
    assert parts == [("count", "b", 1), ("count", "q", 1), ("gauge", "started", 1), ("gauge", "done", -1)]


def test_labels_that_no_series_has_are_not_asked_for() -> None:
    signals = Signals("t", requests=Signal(("a",)), backend_labels=("service.name", "service"))
    found = Found(frozenset({"a"}), {"a": frozenset({"service"})})
    (count, time) = choose_parts(signals, found, window_s=4.0)
    assert count.query == 'sum by (service) (rate(a{service!=""}[4000ms]))'
    assert time.query == 'max by (service) (timestamp(a{service!=""}))'
    dotted = choose_parts(signals, Found(frozenset({"a"})), window_s=4.0, is_victoria=True)
    assert r'sum by (service\.name) (rate(a{service\.name!=""}[4000ms]))' in dotted[0].query


def test_equal_queries_are_asked_once() -> None:
    signals = Signals("t", requests=Signal(("a",)), errors=Signal(("a",)))
    tags = tag_parts(parts_of(signals, "a"))
    assert sorted(len(same) for same in tags.values()) == [2, 2]
    query = promql.tagged({tag: same[0].query for tag, same in tags.items()} | {"": "sum (h)"})
    assert query.count("label_replace(") == 2
    assert query.endswith(" or sum (h)")


# -- sparse buckets ----------------------------------------------------------------------------------------------------

bounds = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1e-300, 5e-324, math.inf, -math.inf, 1e300])


@given(st.lists(st.tuples(bounds, bounds).map(sorted), max_size=20))
def test_every_share_is_whole_whatever_the_bounds(pairs: list[list[float]]) -> None:
    lows, highs = np.asarray([[low, high] for low, high in pairs]).reshape(-1, 2).T
    with np.errstate(all="raise", under="ignore"):
        shares = sparse_shares(lows, highs, EDGES_S)
    assert (shares >= 0.0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_buckets_fall_where_they_lie() -> None:
    lows, highs = np.array([0.1, -3.0, -1e-9, 1e6, 0.0]), np.array([0.1001, -2.0, 1e-9, math.inf, 1e-3])
    band = np.argmax(sparse_shares(lows, highs, EDGES_S), axis=1)
    assert EDGES_S[band[0]] < 0.1 < EDGES_S[band[0] + 1]
    assert band[1:].tolist() == [0, 0, len(EDGES_S) - 2, 0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.000e-01...1.136e-01", (0.1, 0.1136)), ("0...1.000e-09", (0.0, 1e-9)),
        ("1.000e+18...+Inf", (1e18, math.inf)), ("1", None), ("...", None),
        ("2...1", None), ("a...b", None), ("NaN...1", None),
    ],
)  # fmt: skip
def test_ranges_of_victoria_metrics(text: str, found: tuple[float, float] | None) -> None:
    assert parse_vmrange(text) == found


# -- panels ------------------------------------------------------------------------------------------------------------


def series(*values: float, natives: dict[int, Native] | None = None, **labels: str) -> Series:
    return Series(labels, np.asarray(values or (math.nan,)), natives or {})


def gathered(signals: Signals, names: list[str], answers: dict[str, list[Series]]) -> Gathered:
    result = Gathered(signals, 1, EDGES_S)
    for part in parts_of(signals, *names):
        if part.kind != "time":
            result.add(part, answers.get(part.name, []))
    return result


def test_all_requests_of_a_window_are_in_the_band_of_their_average() -> None:
    signals = Signals("t", latency=Signal(("x",), mode="average", unit_s=1e-3))
    answers = {
        "x_sum": [series(500.0, backend="a"), series(0.0, backend="idle")],
        "x_count": [series(10.0, backend="a"), series(0.0, backend="idle")],
    }
    columns = gathered(signals, ["x_sum", "x_count"], answers).columns(["a", "idle", "gone"], np.empty(0))
    np.testing.assert_array_equal(columns.request_rate[0], [10.0, 0.0, math.nan])
    rates = columns.latency_rate[0]
    band = int(np.argmax(rates[0]))
    assert rates[0].sum() == rates[0, band] == 10.0
    assert EDGES_S[band] <= 0.05 < EDGES_S[band + 1]
    assert (rates[1] == 0.0).all()
    assert np.isnan(rates[2]).all()


def test_an_average_that_is_a_gauge_needs_the_requests() -> None:
    signals = Signals("t", requests=Signal(("r",)), latency=Signal(("g",), mode="gauge"))
    answers = {
        "r": [series(8.0, backend="a"), series(5.0, backend="b"), series(0.0, backend="idle")],
        "g": [series(0.05, backend="a"), series(0.01, backend="idle")],
    }
    columns = gathered(signals, ["r", "g"], answers).columns(["a", "b", "idle"], np.empty(0))
    np.testing.assert_array_equal(columns.latency_rate[0].sum(axis=1), [8.0, math.nan, 0.0])


def test_panels_are_sums_and_differences() -> None:
    signals = Signals(
        "t", errors=Signal(("e",), plus=("f",)), requests=Signal(("r",)), active=Signal(("s",), minus=("d",))
    )
    answers = {
        "r": [series(8.0, backend="a")], "e": [series(1.0, backend="a")], "f": [series(1.0, backend="a")],
        "s": [series(9.0)], "d": [series(4.0)],
    }  # fmt: skip
    made = gathered(signals, ["r", "e", "f", "s", "d"], answers)
    columns = made.columns(["a"], np.empty(0))
    assert columns.error_ratio[0, 0] == 0.25
    assert columns.active_requests[0] == 5.0
    answers["d"] = [series(10.0)]
    over = gathered(signals, ["r", "e", "f", "s", "d"], answers).columns(["a"], np.empty(0))
    assert np.isnan(over.active_requests[0])  # fewer than none cannot be


def test_a_latency_counts_the_requests_where_nothing_else_does() -> None:
    native = Native(np.array([0.1, -1e-9]), np.array([0.11, 1e-9]), np.array([3.0, 1.0]), 4.0)
    answers = {"a": [series(natives={0: native}, backend="x")], "a_bucket": [series(2.0, backend="x", le="+Inf")]}
    answers["a_bucket"].append(series(1.0, backend="x", le="0.5"))
    columns = gathered(LATENCY, ["a", "a_bucket"], answers).columns(["x"], np.empty(0))
    assert columns.request_rate[0, 0] == pytest.approx(6.0)
    assert columns.latency_rate[0, 0, 0] >= 1.0  # what is about 0 is fast


def test_native_batches_come_onto_round_sizes() -> None:
    signals = Signals("t", batch=Signal(("n",)))
    native = Native(np.array([0.917, 3.668]), np.array([1.0, 4.0]), np.array([5.0, 2.0]), 7.0)
    made = gathered(signals, ["n"], {"n": [series(natives={0: native})]})
    edges = made.batch_edges()
    columns = made.columns(["all"], edges)
    assert columns.batch_rate[0, edges.tolist().index(1.0) - 1] == pytest.approx(5.0)
    assert columns.batch_rate[0, edges.tolist().index(4.0) - 1] == pytest.approx(2.0)


def test_what_cannot_be_read_is_said_once() -> None:
    answers = {"a_bucket": [series(1.0, backend="x", vmrange="no\x1b"), series(1.0, backend="y", vmrange="no\x1b")]}
    assert list(gathered(LATENCY, ["a_bucket"], answers).warnings) == [
        "a_bucket: vmrange='no\\x1b' is no range: left out"
    ]


# -- answers -----------------------------------------------------------------------------------------------------------

GRID = TimeGrid(1000, 1000, 3)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["metric", "value", "values", "histogram", "histograms", "buckets", "count", "result"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_whatever_comes_is_read_or_refused(result: object) -> None:
    for kind, read in (
        ("vector", lambda answer: read_vector("http://h", answer, "x")),
        ("matrix", lambda answer: merge_matrix("http://h", GRID, lambda *_: answer, "x")),
    ):
        for answer in (result, {"resultType": kind, "result": result}, {"resultType": kind, "result": [result]}):
            try:
                read(answer)
            except ReaderError as error:
                assert "http://h" in str(error)  # noqa: PT017


def test_a_native_histogram_as_the_server_writes_it() -> None:
    histogram = {"count": "3", "sum": "1.5", "buckets": [[0, "0.1", "0.2", "2"], [3, "-0.001", "0.001", "1"]]}
    answer = {"resultType": "vector", "result": [{"metric": {"backend": "a"}, "histogram": [7.5, histogram]}]}
    by_tag, asked_s = read_vector("http://h", answer, "x")
    native = by_tag[""][0].natives[0]
    assert asked_s == 7.5
    np.testing.assert_array_equal(native.counts, [2.0, 1.0])
    answer = {"resultType": "matrix", "result": [{"metric": {}, "histograms": [[2, histogram], [2.9, histogram]]}]}
    merged = merge_matrix("http://h", GRID, lambda *_: answer, "x")
    assert sorted(merged[""][0].natives) == [1, 2]
    broken = replace(GRID, first_ms=0)
    histogram["buckets"] = [[0, "0.3", "0.2", "2"]]
    with pytest.raises(ReaderError, match="not a matrix"):
        merge_matrix("http://h", broken, lambda *_: answer, "x")
