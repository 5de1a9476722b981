"""One preset fits what Prometheus and OpenTelemetry call the same metric."""

from __future__ import annotations

import pytest

from sonify.readers.otlp_names import labels_of, spellings, unit_s


@pytest.mark.parametrize(
    ("name", "unit", "kind", "is_monotonic", "wanted", "part"),
    [
        (
            "http.server.request.duration",
            "s",
            "histogram",
            False,
            "http_server_request_duration_seconds_bucket",
            "bucket",
        ),
        (
            "http.server.request.duration",
            "s",
            "histogram",
            False,
            "http_server_request_duration_seconds_count",
            "count",
        ),
        ("http.server.request.duration", "s", "exponential", False, "http.server.request.duration_bucket", "bucket"),
        ("http.server.duration", "ms", "histogram", False, "http_server_duration_milliseconds_bucket", "bucket"),
        (
            "code_live_request_duration_seconds",
            "s",
            "histogram",
            False,
            "code_live_request_duration_seconds_sum",
            "sum",
        ),
        ("code_live.requests", "{request}", "sum", True, "code_live_requests_total", "value"),
        ("code_live_requests_total", "1", "sum", True, "code_live_requests_total", "value"),
        ("process.cpu.time", "s", "sum", True, "process_cpu_time_seconds_total", "value"),
        ("http.server.active_requests", "{request}", "sum", False, "http_server_active_requests", "value"),
        ("cpu.utilization", "1", "gauge", False, "cpu_utilization_ratio", "value"),
        ("rpc.duration", "s", "summary", False, "rpc_duration_seconds_sum", "sum"),
        ("a..b", "", "gauge", False, "a_b", "value"),
    ],
)
def test_spellings(name: str, unit: str, kind: str, is_monotonic: bool, wanted: str, part: str) -> None:
    assert spellings(name, unit, kind, is_monotonic=is_monotonic)[wanted] == part


def test_only_what_rises_is_a_total_and_only_a_histogram_has_buckets() -> None:
    assert "a_total" not in spellings("a", "", "sum", is_monotonic=False)
    assert "a_total" not in spellings("a", "", "gauge", is_monotonic=False)
    assert "a_bucket" not in spellings("a", "", "summary", is_monotonic=False)


def test_labels_of_the_point_win_over_those_of_its_resource() -> None:
    labels = labels_of(
        (("http.route", "/"), ("service.name", "mine")),
        (("service.name", "shop"), ("service.namespace", "eu"), ("service.instance.id", "7"), ("0", "zero")),
    )
    assert labels["http_route"] == labels["http.route"] == "/"
    assert labels["service_name"] == "mine"
    assert (labels["job"], labels["instance"], labels["key_0"]) == ("eu/shop", "7", "zero")


def test_units_of_time() -> None:
    assert [unit_s(unit) for unit in ("s", "ms", "us", "ns", "By", "")] == [1.0, 1e-3, 1e-6, 1e-9, None, None]
