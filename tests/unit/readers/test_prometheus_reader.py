"""The Prometheus range reader without a network: times, queries, buckets, and what is zero, missing or stale."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.readers import promql
from sonify.readers.http_options import HttpOptions
from sonify.readers.le_buckets import bands_from_le, edges_from_le, outermost_share, parse_le
from sonify.readers.prometheus import MAX_BACKENDS, PrometheusSource, open_prometheus
from sonify.readers.signals import Signal, Signals, load_signals, parse_matchers
from sonify.readers.time_grid import POINTS_PER_QUERY, TimeGrid, choose_step_s

CODE_LIVE = load_signals("code-live")
EDGES_S = LatencyBands().edges_s
NOW_S = 1_700_000_000.0

# -- times -------------------------------------------------------------------------------------------------------------


@given(since_s=st.floats(0, 2e9), num_steps=st.floats(0, 40_000), step_s=st.sampled_from([0.25, 1.0, 7.0, 15.0, 60.0]))
def test_chunks_hold_every_time_once(since_s: float, num_steps: float, step_s: float) -> None:
    until_s = since_s + num_steps * step_s
    grid = TimeGrid.over(since_s, until_s, step_s)
    chunks = [np.arange(first_ms, last_ms + 1, grid.step_ms) for first_ms, last_ms in grid.chunks()]
    assert all(len(chunk) <= POINTS_PER_QUERY for chunk in chunks)
    asked_ms = np.concatenate([np.empty(0), *chunks])
    np.testing.assert_array_equal(asked_ms, np.rint(grid.times_s * 1000))
    assert ((since_s * 1000 < asked_ms) & (asked_ms <= until_s * 1000) & (asked_ms % grid.step_ms == 0)).all()
    assert abs(len(asked_ms) - num_steps) <= 1.0


def test_points_are_placed_whatever_their_order() -> None:
    grid = TimeGrid.over(0.0, 50.0, 10.0)
    column = np.full(grid.count, np.nan)
    grid.place(column, np.array([50.0, 10.0, 10.0, 23.0, 15.0, 60.0, 40.0]), np.array([5, 1, 1, 2, 9, 9, math.inf]))
    np.testing.assert_array_equal(column, [1, 2, np.nan, np.nan, 5])


@pytest.mark.parametrize(
    ("span_s", "scrape_s", "step_s"),
    [(86400, 15, 60), (3600, 15, 15), (3600, 1, 5), (3600, 60, 60), (7 * 86400, 15, 600), (600, 0.25, 1), (60, 25, 30)],
)
def test_step_is_round_and_no_shorter_than_the_scrapes(span_s: float, scrape_s: float, step_s: float) -> None:
    assert choose_step_s(span_s, scrape_s) == step_s


# -- queries -----------------------------------------------------------------------------------------------------------


def test_one_aggregated_query_a_panel() -> None:
    matchers = parse_matchers('job="api"')
    assert promql.rate_by("hits_total", matchers, 60.0, ("backend",)) == (
        'sum by (backend) (rate(hits_total{job="api",backend!=""}[60000ms]))'
    )
    assert promql.rate_by("t_bucket", (), 1.5, ("backend", "target"), "le") == (
        'sum by (backend, le) (rate(t_bucket{backend!=""}[1500ms])) or '
        'sum by (target, le) (rate(t_bucket{target!="",backend=""}[1500ms]))'
    )
    assert promql.rate_by("t_bucket", (), 60.0, (), "le") == "sum by (le) (rate(t_bucket[60000ms]))"
    assert promql.total("depth", (), None) == "sum (depth)"
    assert promql.total("depth", (), 60.0) == "sum (avg_over_time(depth[60000ms]))"


def test_names_with_dots_are_quoted_and_patterns_escaped() -> None:
    assert promql.selector("http.server", parse_matchers('a="b"')) == '{__name__="http.server",a="b"}'
    assert promql.any_of(["a.b", 'c"d']) == '{__name__=~"a\\\\.b|c\\"d"}'
    assert promql.label_any_of("job", ["code live", "a|b+"]) == '{job=~"code live|a\\\\|b\\\\+"}'
    assert promql.rate_by("x", (), 1.0, ("service.name",)) == (
        'sum by ("service.name") (rate(x{"service.name"!=""}[1000ms]))'
    )


# -- buckets -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3), st.lists(st.floats(-0.01, 0.01), min_size=4, max_size=4))
def test_the_highest_bucket_is_the_total_whatever_the_noise(counts: list[float], noise: list[float]) -> None:
    cumulative = np.cumsum([*counts, 1.0]) * (1.0 + np.array(noise))
    buckets = dict(zip([0.05, 0.5, 5.0, math.inf], cumulative[:, None], strict=True))
    bands = bands_from_le(buckets, EDGES_S, 1)
    assert (bands >= 0.0).all()
    assert bands.sum() == pytest.approx(cumulative[-1])


def test_a_layout_that_changes_over_time_keeps_every_total() -> None:
    nan = math.nan
    buckets = {
        0.1: np.array([1.0, nan, nan]),
        0.25: np.array([nan, 2.0, nan]),
        math.inf: np.array([4.0, 8.0, nan]),
    }
    bands = bands_from_le(buckets, EDGES_S, 3)
    np.testing.assert_allclose(bands[:2].sum(axis=1), [4.0, 8.0])
    assert np.isnan(bands[2]).all()
    assert bands[1, EDGES_S[1:] <= 0.12].sum() == 0.0
    assert len(edges_from_le(buckets)) == 3


def test_bounds_that_say_nothing_of_the_latency() -> None:
    assert np.isnan(bands_from_le({math.inf: np.ones(2)}, EDGES_S, 2)).all()
    assert np.isnan(bands_from_le({}, EDGES_S, 2)).all()
    zero = bands_from_le({0.0: np.ones(1), -1.0: np.ones(1), 1.0: np.full(1, 3.0)}, EDGES_S, 1)
    assert zero.sum() == pytest.approx(3.0)
    assert bands_from_le({}, edges_from_le({}), 2).shape == (2, 0)


def test_buckets_that_were_made_for_another_unit_are_seen() -> None:
    assert outermost_share({5.0: np.full(3, 9.9), 10.0: np.full(3, 10.0), math.inf: np.full(3, 10.0)}) > 0.95
    assert outermost_share({1.0: np.full(3, 5.0), math.inf: np.full(3, 10.0)}) == 0.5
    assert outermost_share({1.0: np.zeros(3), math.inf: np.zeros(3)}) == 0.0


@pytest.mark.parametrize(("text", "bound"), [("1", 1.0), ("1.0", 1.0), ("+Inf", math.inf), ("NaN", None), ("x", None)])
def test_bounds_as_servers_write_them(text: str, bound: float | None) -> None:
    assert parse_le(text) == bound


# -- a server that holds these values at every time --------------------------------------------------------------------

Value = float | Callable[[float], float | None]


class FakeServer:
    """Answers the few queries that the reader asks, from a table of series."""

    def __init__(self, series: dict[str, Value], *, scrape: str | None = "15s", declared: tuple[str, ...] = ()) -> None:
        self.series = [self._parse(text, value) for text, value in series.items()]
        self.scrape = scrape
        self.declared = declared
        self.asked: list[dict[str, str]] = []

    @staticmethod
    def _parse(text: str, value: Value) -> tuple[str, dict[str, str], Value]:
        name, _, labels = text.partition("{")
        return name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), value

    def __call__(self, request: httpx.Request) -> httpx.Response:
        fields = dict(httpx.QueryParams(request.content.decode() or request.url.query.decode()))
        self.asked.append({"path": request.url.path, **fields})
        return httpx.Response(200, json={"status": "success", "data": self._data(request.url.path, fields)})

    def _data(self, path: str, fields: dict[str, str]) -> Any:
        if path.endswith("/buildinfo"):
            return {"version": "2.42.0", "goVersion": "go1.19"}
        if path.endswith("/labels"):
            names = {name for name, _, _ in self.series if re.match(rf"{name}\b", fields["match[]"])}
            return sorted({label for name, labels, _ in self.series if name in names for label in labels})
        if path.endswith("__name__/values"):
            return sorted({name for name, _, _ in self.series})
        if path.endswith("job/values"):
            return ["api"]
        if path.endswith("/targets"):
            labels = [("api", self.scrape), ("other", "5m")]
            targets = [{"labels": {"job": job}, "scrapeInterval": scrape} for job, scrape in labels if scrape]
            return {"activeTargets": targets}
        if path.endswith("/targets/metadata"):
            assert fields["match_target"] == '{job=~"api"}'
            return [{"metric": name} for name in self.declared if name == fields["metric"]]
        return {"resultType": "matrix", "result": self._matrix(fields)}

    def _matrix(self, fields: dict[str, str]) -> list[dict[str, Any]]:
        times = np.arange(float(fields["start"]), float(fields["end"]) + 1e-3, float(fields["step"]))
        result = []
        query, position = fields["query"], 0
        for term in query.split(" or "):
            tag = re.search(r'"sonify_part", "(\w+)"', query[position:])
            position += len(term) + 4
            by = re.search(r"\w by \(([^)]*)\)", term)
            wanted = by[1].split(", ") if by else []
            selected = [(labels, value) for name, labels, value in self.series if self._matches(name, labels, term)]
            groups: dict[tuple[tuple[str, str], ...], list[Value]] = {}
            for labels, value in selected:
                key = tuple((label, labels[label]) for label in wanted if label in labels)
                groups.setdefault(key, []).append(value)
            for key, values in groups.items():
                points = [[t, self._sum(values, t)] for t in times.tolist()]
                if "timestamp(" in term:
                    points = [[t, None if v is None else t] for t, v in points]
                metric = dict(key) | ({"sonify_part": tag[1]} if tag else {})
                result.append({"metric": metric, "values": [[t, str(v)] for t, v in points if v is not None][::-1]})
        return result

    @staticmethod
    def _matches(name: str, labels: dict[str, str], term: str) -> bool:
        pattern = re.search(r'__name__=~"([^"]*)"', term)
        if not (re.fullmatch(pattern[1], name) if pattern else re.search(rf"\b{name}\b", term)):
            return False
        for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', term):
            found = labels.get(label, "")
            good = {"=": found == value, "!=": found != value, "=~": bool(re.fullmatch(value, found))}[operator]
            if label != "__name__" and not good:
                return False
        return True

    @staticmethod
    def _sum(values: list[Value], t: float) -> float | None:
        found = [value(t) if callable(value) else value for value in values]
        there = [value for value in found if value is not None]
        return sum(there) if there else None


def read(
    server: FakeServer, signals: Signals = CODE_LIVE, *, step_s: float | None = 60.0, span_s: float = 600.0
) -> Any:
    source = PrometheusSource(
        "http://ann:secret@127.0.0.1:9/p",
        signals,
        step_s=step_s,
        transport=httpx.MockTransport(server),
        now=lambda: NOW_S,
    )
    recording = source.read(NOW_S - span_s, NOW_S)
    return recording, source.warnings


REQUESTS = {
    'code_live_requests_total{backend="rust",status="200"}': 9.0,
    'code_live_requests_total{backend="go",status="200"}': 2.0,
}


def test_no_errors_are_zero_and_no_metric_is_not_measured() -> None:
    recording, warnings = read(FakeServer(REQUESTS))
    assert recording.layout.backends == ("rust", "go")
    np.testing.assert_array_equal(recording.request_rate, [[9.0, 2.0]] * 10)
    assert (recording.error_ratio == 0.0).all()
    for column in (recording.fallback_ratio, recording.glitch_rate, recording.latency_rate, recording.queue_depth):
        assert np.isnan(column).all()
    assert recording.layout.batch_edges.shape == (0,)
    assert recording.fresh.all()
    assert warnings == []


def test_a_metric_that_is_declared_without_series_has_counted_nothing() -> None:
    recording, _ = read(FakeServer(REQUESTS, declared=("code_live_fallbacks", "code_live_glitches_total")))
    assert (recording.fallback_ratio == 0.0).all()
    assert (recording.glitch_rate == 0.0).all()


def test_ratios_are_shares_of_the_requests() -> None:
    server = FakeServer(
        REQUESTS
        | {
            'code_live_requests_total{backend="rust",status="503"}': 1.0,
            'code_live_requests_total{backend="idle",status="200"}': 0.0,
            'code_live_fallbacks_total{backend="go"}': 2.2,
        }
    )
    recording, _ = read(server)
    assert recording.layout.backends == ("rust", "go", "idle")
    np.testing.assert_allclose(recording.error_ratio[0], [0.1, 0.0, np.nan])
    np.testing.assert_allclose(recording.fallback_ratio[0], [0.0, 1.0, np.nan])


def test_a_backend_is_not_measured_before_it_is_seen() -> None:
    server = FakeServer(
        REQUESTS | {'code_live_requests_total{backend="new"}': lambda t: 1.0 if t > NOW_S - 120 else None}
    )
    recording, _ = read(server)
    new = recording.layout.backends.index("new")
    assert np.isnan(recording.request_rate[:8, new]).all()
    assert np.isnan(recording.error_ratio[:8, new]).all()
    assert (recording.request_rate[8:, new] == 1.0).all()


def test_a_label_that_was_renamed_is_one_backend() -> None:
    middle = NOW_S - 300
    server = FakeServer(
        {
            'code_live_requests_total{backend="rust"}': lambda t: 3.0 if t <= middle else None,
            'code_live_requests_total{target="rust"}': lambda t: 4.0 if t > middle - 60 else None,
        }
    )
    recording, _ = read(server)
    assert recording.layout.backends == ("rust",)
    np.testing.assert_array_equal(np.unique(recording.request_rate), [3.0, 4.0, 7.0])


def test_without_a_label_there_is_one_backend() -> None:
    recording, warnings = read(FakeServer({'code_live_requests_total{job="api"}': 5.0}))
    assert recording.layout.backends == ("all",)
    assert (recording.request_rate == 5.0).all()
    assert "no label backend or target" in warnings[0]


def test_a_source_that_is_gone_is_stale_and_blank() -> None:
    def lost(t: float) -> float | None:
        return 5.0 if t <= NOW_S - 300 else None

    recording, _ = read(FakeServer({'code_live_requests_total{backend="a"}': lost, "code_live_queue_depth": lost}))
    gone = recording.t > NOW_S - 300
    np.testing.assert_array_equal(recording.fresh, ~gone)
    assert np.isnan(recording.queue_depth[gone]).all()
    assert np.isnan(recording.request_rate[gone]).all()
    assert (recording.queue_depth[~gone] == 5.0).all()


def test_latency_in_milliseconds_lands_where_seconds_do() -> None:
    bounds = {"s": ["0.1", "0.25", "+Inf"], "ms": ["100", "250.0", "+Inf"]}
    rows = {}
    for unit, names in bounds.items():
        signals = replace(CODE_LIVE, latency=Signal(("t",), (), {"s": 1.0, "ms": 1e-3}[unit]))
        series: dict[str, Value] = {
            f't_bucket{{backend="go",le="{le}"}}': value for le, value in zip(names, [0.0, 4.0, 4.0], strict=True)
        }
        rows[unit] = read(FakeServer(REQUESTS | series), signals)[0].latency_rate
    np.testing.assert_allclose(rows["ms"], rows["s"])
    assert rows["s"][0, 1].sum() == pytest.approx(4.0)
    assert np.isnan(rows["s"][0, 0]).all()  # rust has none


def test_the_same_bound_in_two_spellings_is_one_bucket() -> None:
    name = "code_live_request_duration_seconds_bucket"
    series: dict[str, Value] = {f'{name}{{backend="go",le="{le}"}}': 2.0 for le in ("0.5", "1", "1.0", "+Inf")}
    recording, warnings = read(FakeServer(series | {f'{name}{{backend="go",le="oops"}}': 1.0}))
    assert recording.latency_rate[0].sum() == pytest.approx(2.0)
    assert any("le='oops' is no number" in warning for warning in warnings)


def test_batches_are_summed_over_backends() -> None:
    series: dict[str, Value] = {
        f'code_live_batch_size_bucket{{backend="{backend}",le="{le}"}}': value
        for backend in ("a", "b")
        for le, value in (("1", 1.0), ("4", 3.0), ("+Inf", 3.0))
    }
    recording, _ = read(FakeServer(REQUESTS | series))
    assert recording.layout.batch_edges.tolist() == [0.0, 1.0, 4.0, math.inf]
    np.testing.assert_allclose(recording.batch_rate[0], [2.0, 4.0, 0.0])


def test_a_number_under_the_name_of_a_histogram_is_none() -> None:
    recording, warnings = read(FakeServer(REQUESTS | {'code_live_request_duration_seconds{backend="go"}': 1.0}))
    assert np.isnan(recording.latency_rate).all()
    assert "is no histogram, but a number" in warnings[0]


@pytest.mark.parametrize(
    ("scrape", "step_s", "expected_step_s", "window"),
    [
        ("15s", None, 15.0, "60000ms"),
        ("15s", 300.0, 300.0, "300000ms"),
        (None, None, 60.0, "240000ms"),
        ("1m", 5.0, 5.0, "240000ms"),
    ],
)
def test_the_window_follows_the_scrapes(
    scrape: str | None, step_s: float | None, expected_step_s: float, window: str
) -> None:
    server = FakeServer(REQUESTS, scrape=scrape)
    recording, warnings = read(server, step_s=step_s)
    assert recording.layout.interval_s == expected_step_s
    assert np.diff(recording.t) == pytest.approx(expected_step_s)
    assert any(f'code_live_requests_total{{backend!=""}}[{window}]' in asked.get("query", "") for asked in server.asked)
    assert bool(warnings) == (scrape is None)


def test_the_preset_s_scrape_interval_wins() -> None:
    server = FakeServer(REQUESTS)
    recording, _ = read(server, replace(CODE_LIVE, scrape_interval_s=30.0), step_s=None)
    assert recording.layout.interval_s == 30.0
    assert not any(asked["path"].endswith("/targets") for asked in server.asked)


def test_the_default_is_the_last_hour_from_where_there_is_data() -> None:
    server = FakeServer({'code_live_requests_total{backend="a"}': lambda t: 1.0 if t > NOW_S - 600 else None})
    source = PrometheusSource("http://h", CODE_LIVE, transport=httpx.MockTransport(server), now=lambda: NOW_S)
    recording = source.read(None, None)
    assert recording.fresh.all()
    assert recording.t[0] - NOW_S + 600 <= 15.0
    asked = [asked for asked in server.asked if "step" in asked]
    assert float(asked[0]["start"]) - (NOW_S - 3600) <= 15.0


@pytest.mark.parametrize(("since_s", "until_s"), [(NOW_S, NOW_S - 1), (math.nan, None), (NOW_S + 9, None)])
def test_an_empty_range_is_refused(since_s: float, until_s: float | None) -> None:
    source = PrometheusSource("http://h", CODE_LIVE, transport=httpx.MockTransport(FakeServer({})), now=lambda: NOW_S)
    with pytest.raises(ReaderError, match="range is empty"):
        source.read(since_s, until_s)


@pytest.mark.parametrize("step_s", [0.001, 7200.0])
def test_a_step_that_does_not_fit_the_range_is_refused(step_s: float) -> None:
    with pytest.raises(ReaderError, match="allowed are 1 to"):
        read(FakeServer(REQUESTS), step_s=step_s)


@pytest.mark.parametrize("step_s", [0.0, -1.0, math.nan, math.inf])
def test_a_step_must_be_a_time(step_s: float) -> None:
    with pytest.raises(ReaderError, match="not allowed"):
        PrometheusSource("http://h", CODE_LIVE, step_s=step_s)


def test_too_many_backends_are_refused() -> None:
    series: dict[str, Value] = {
        f'code_live_requests_total{{backend="{index}"}}': 1.0 for index in range(MAX_BACKENDS + 1)
    }
    with pytest.raises(ReaderError, match=rf"{MAX_BACKENDS + 1} backends .* allowed are {MAX_BACKENDS}"):
        read(FakeServer(series))


def test_no_data_says_what_was_looked_for() -> None:
    with pytest.raises(
        ReaderError, match=r"http://127.0.0.1:9/p: no data .*code_live_requests_total .*--signals"
    ) as caught:
        read(FakeServer({"other": 1.0}), replace(CODE_LIVE, matchers=parse_matchers('job="x"')))
    assert 'with job="x"' in str(caught.value)


def test_credentials_are_sent_and_never_shown() -> None:
    server = FakeServer(REQUESTS)
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return server(request)

    source = PrometheusSource(
        "https://ann:s%40cret@host/p/?token=hidden",
        CODE_LIVE,
        options=HttpOptions(tenant="tenant"),
        transport=httpx.MockTransport(handler),
        now=lambda: NOW_S,
    )
    recording = source.read(None, None)
    assert recording.source == "prometheus+https://host/p"
    assert source.title == "Prometheus host"
    assert {request.headers["authorization"] for request in seen} == {httpx.BasicAuth("ann", "s@cret")._auth_header}
    assert {request.headers["x-scope-orgid"] for request in seen} == {"tenant"}
    assert all("token=hidden" in str(request.url) for request in seen)


@pytest.mark.parametrize(
    "url", ["ftp://h", "http://", "http://ann:secret@", "http://ann:secret@h:port", "http://ann:secret@[h", "h:9090"]
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ReaderError) as caught:
        open_prometheus(f"prometheus+{url}", CODE_LIVE)
    assert "secret" not in str(caught.value)


def test_a_header_that_cannot_be_sent_is_named_without_its_value() -> None:
    with pytest.raises(ReaderError, match="X-Token") as caught:
        PrometheusSource("http://h", CODE_LIVE, options=HttpOptions(headers=(("X-Token", "secr\u00e9t\udc80"),)))
    assert "secr" not in str(caught.value)
