"""OTLP requests in both encodings become one model; what cannot be read is refused with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import REAL_DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.readers import otlp_model
from sonify.readers.otlp_json import decode_json
from sonify.readers.otlp_model import Exponential, Histogram, Metric, Number, TooMuchError
from sonify.readers.otlp_protobuf import decode_protobuf, encode_status

json_format = pytest.importorskip("google.protobuf.json_format")
service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")

START, TIME = 1_700_000_000_000_000_000, 1_700_000_001_000_000_000


def request(*metrics: dict[str, Any], resource: dict[str, str] | None = None) -> dict[str, Any]:
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in (resource or {}).items()]
    return {"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": list(metrics)}]}]}


def sum_of(**point: Any) -> dict[str, Any]:
    return {"name": "a", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}}


def from_json(document: Any) -> list[Metric]:
    return decode_json(json.dumps(document).encode())


def as_protobuf(document: Any) -> bytes:
    return bytes(json_format.ParseDict(document, service.ExportMetricsServiceRequest()).SerializeToString())


def plain(metrics: list[Metric]) -> list[tuple[object, ...]]:
    """All that two models must agree on, as values that compare."""
    return [
        (
            *metric[:8],
            [tuple(v.tolist() if isinstance(v, np.ndarray) else repr(v) for v in point) for point in metric.points()],
        )
        for metric in metrics
    ]


EVERYTHING = request(
    {"name": "q", "unit": "1", "gauge": {"dataPoints": [{"timeUnixNano": str(TIME), "asDouble": -1.5}]}},
    sum_of(
        timeUnixNano=str(TIME),
        startTimeUnixNano=str(START),
        asInt="7",
        attributes=[
            {"key": "z", "value": {"boolValue": True}},
            {"key": "i", "value": {"intValue": "-3"}},
            {"key": "d", "value": {"doubleValue": 0.5}},
            {"key": "b", "value": {"bytesValue": "AAE="}},
            {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": "1"}]}}},
            {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}},
            {"key": "e", "value": {"stringValue": ""}},
        ],
    ),
    {
        "name": "h",
        "unit": "s",
        "histogram": {
            "aggregationTemporality": 1,
            "dataPoints": [
                {
                    "timeUnixNano": str(TIME),
                    "count": "3",
                    "sum": 2.5,
                    "bucketCounts": ["1", "2"],
                    "explicitBounds": [1],
                },
                {"timeUnixNano": str(TIME), "count": "3"},
            ],
        },
    },
    {
        "name": "x",
        "exponentialHistogram": {
            "aggregationTemporality": 2,
            "dataPoints": [
                {
                    "timeUnixNano": str(TIME),
                    "count": "7",
                    "sum": 9.0,
                    "scale": 3,
                    "zeroCount": "1",
                    "positive": {"offset": -4, "bucketCounts": ["0", "2", "0", "3"]},
                    "negative": {"bucketCounts": ["1"]},
                }
            ],
        },
    },
    {"name": "u", "summary": {"dataPoints": [{"timeUnixNano": str(TIME), "count": "4", "sum": 1.25}]}},
    {"name": "stale", "gauge": {"dataPoints": [{"timeUnixNano": str(TIME), "flags": 1}]}},
    {"name": "none"},
    resource={"service.name": "shop"},
)


def test_both_encodings_read_the_same() -> None:
    assert plain(from_json(EVERYTHING)) == plain(decode_protobuf(as_protobuf(EVERYTHING)))


def test_values_of_every_kind() -> None:
    gauge, counter, explicit, exponential, summary, stale, none = from_json(EVERYTHING)
    assert gauge.points() == [Number((), 0, TIME, -1.5)]
    attributes = dict(counter.points()[0].attributes)
    assert attributes == {"z": "true", "i": "-3", "d": "0.5", "b": "AAE=", "l": '["x",1]', "m": '{"k":"v"}', "e": ""}
    assert (counter.temporality, counter.is_monotonic, counter.resource) == (
        "cumulative",
        True,
        (("service.name", "shop"),),
    )
    told, only_count = explicit.points()
    assert isinstance(told, Histogram)
    assert (told.number, told.total, told.bounds, told.counts.tolist()) == (3.0, 2.5, (1.0,), [1.0, 2.0])
    assert isinstance(only_count, Histogram)
    assert math.isnan(only_count.total)
    assert len(only_count.counts) == 0
    (point,) = exponential.points()
    assert isinstance(point, Exponential)
    assert (point.scale, point.lowest, point.indices.tolist(), point.counts.tolist()) == (3, 2.0, [-3, -1], [2.0, 3.0])
    assert [(p.number, p.total) for p in summary.points() if isinstance(p, Histogram)] == [(4.0, 1.25)]
    assert stale.points() == []
    assert none.points() == []


def test_published_example() -> None:
    path = REAL_DATA / "otlp-examples" / "metrics.json"
    if not path.is_file():
        pytest.skip(f"the published examples are not here: {path}")
    metrics = decode_json(path.read_bytes())
    assert plain(metrics) == plain(decode_protobuf(as_protobuf(json.loads(path.read_bytes()))))
    assert [metric.kind for metric in metrics] == ["sum", "gauge", "histogram", "exponential"]
    assert metrics[0].temporality == "delta"


@pytest.mark.parametrize(
    "point",
    [
        {"timeUnixNano": str(TIME), "asInt": "7"},
        {"timeUnixNano": TIME, "asInt": 7},
        {"time_unix_nano": TIME, "as_int": "7"},
        {"timeUnixNano": TIME, "asDouble": 7},
        {"timeUnixNano": TIME, "asDouble": "7.0", "startTimeUnixNano": None},
    ],
)
def test_spellings_of_one_point(point: dict[str, Any]) -> None:
    assert from_json(request(sum_of(**point)))[0].points() == [Number((), 0, TIME, 7.0)]


@pytest.mark.parametrize("temporality", [2, "AGGREGATION_TEMPORALITY_CUMULATIVE"])
def test_enums_by_number_and_name(temporality: object) -> None:
    metric = {"name": "a", "sum": {"aggregation_temporality": temporality, "is_monotonic": True, "data_points": []}}
    document = {"resource_metrics": [{"scope_metrics": [{"metrics": [metric]}]}]}
    assert from_json(document)[0].temporality == "cumulative"


def test_numbers_that_json_has_none_for() -> None:
    values = [from_json(request(sum_of(asDouble=text)))[0].points()[0] for text in ("NaN", "Infinity", "-Infinity")]
    assert [repr(point.value) for point in values if isinstance(point, Number)] == ["nan", "inf", "-inf"]


def read_all(metrics: list[Metric]) -> None:
    for metric in metrics:
        metric.points()


def read_or_refuse(decode: Callable[[], list[Metric]]) -> str:
    """Message of a refusal, or nothing; any other exception is a failure."""
    try:
        read_all(decode())
    except ReaderError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "the request"),
        ({"resourceMetrics": {}}, "resourceMetrics"),
        ({"resourceMetrics": [7]}, "resourceMetrics[0]"),
        (request({"name": 5}), "metrics[0].name"),
        (request({"name": "a", "sum": []}), "metrics[0].sum"),
        (request(sum_of(asInt="7.5")), 'dataPoints[0].asInt: "7.5"'),
        (request(sum_of(asInt=True)), "asInt"),
        (request(sum_of(asInt=str(2**63))), "asInt"),
        (request(sum_of(asDouble="seven")), "asDouble"),
        (request(sum_of(asInt=1, timeUnixNano=-1)), "timeUnixNano"),
        (
            request(sum_of(asInt=1, attributes=[{"key": "a", "value": {"boolValue": 1}}])),
            "attributes[0].value.boolValue",
        ),
        (
            request({"name": "h", "histogram": {"dataPoints": [{"bucketCounts": [1], "explicitBounds": [1, 2]}]}}),
            "1 bucket counts for 2",
        ),
        (
            request({"name": "h", "histogram": {"dataPoints": [{"bucketCounts": [1] * 3, "explicitBounds": [2, 1]}]}}),
            "do not rise",
        ),
        (request({"name": "h", "exponentialHistogram": {"dataPoints": [{"scale": 40}]}}), "a scale of 40"),
    ],
)
def test_json_that_is_no_request_names_the_place(document: object, place: str) -> None:
    with pytest.raises(ReaderError) as error:
        read_all(from_json(document))
    assert place in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "line 1, column 1"),
        (b'{"resourceMetrics": [}', "line 1, column 22"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "not JSON"),
    ],
)
def test_bytes_that_are_no_json(body: bytes, place: str) -> None:
    with pytest.raises(ReaderError, match=place):
        read_all(decode_json(body))


def test_protobuf_that_breaks_off_names_the_byte() -> None:
    whole = as_protobuf(EVERYTHING)
    with pytest.raises(ReaderError, match=f"begins at byte {len(whole)}$"):
        decode_protobuf(whole + b"\x0a\x05\x0a")
    with pytest.raises(ReaderError, match=r"begins at byte 0$"):
        decode_protobuf(whole[:-3])


def test_names_cannot_break_a_message() -> None:
    document = request({"name": "a\nb\x1b[2J", "exponentialHistogram": {"dataPoints": [{"scale": 40}]}})
    with pytest.raises(ReaderError) as error:
        read_all(decode_protobuf(as_protobuf(document)))
    assert str(error.value).isprintable()


def test_half_a_surrogate_is_replaced() -> None:
    (metric,) = decode_json(b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a\\ud800"}]}]}]}')
    metric.name.encode()


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_POINTS", 2), ("MAX_BUCKETS", 2), ("MAX_NAME", 8)):
        monkeypatch.setattr(otlp_model, name, most)
    point = {"timeUnixNano": TIME, "asInt": 1}
    many = {"name": "a", "gauge": {"dataPoints": [point] * 3}}
    wide = {"name": "h", "histogram": {"dataPoints": [{"bucketCounts": [1] * 4, "explicitBounds": [1, 2, 3]}]}}
    monkeypatch.setattr(otlp_model, "MAX_PARTS", 10)
    for document in (request(many), request({"name": "a" * 9}), request(wide), {"resourceMetrics": [{}] * 11}):
        for metrics in (lambda d=document: from_json(d), lambda d=document: decode_protobuf(as_protobuf(d))):
            with pytest.raises(TooMuchError):
                read_all(metrics())


@pytest.mark.parametrize(
    "attributes",
    [
        [{"key": str(n), "value": {"stringValue": ""}} for n in range(otlp_model.MAX_ATTRIBUTES + 1)],
        [{"key": "a", "value": {"stringValue": "x" * (otlp_model.MAX_VALUE + 1)}}],
    ],
)
def test_attributes_are_bounded(attributes: list[dict[str, Any]]) -> None:
    document = request(sum_of(asInt=1, attributes=attributes))
    with pytest.raises(TooMuchError):
        read_all(from_json(document))
    with pytest.raises(TooMuchError):
        read_all(decode_protobuf(as_protobuf(document)))


def test_status_is_what_others_read() -> None:
    status_pb2 = pytest.importorskip("google.rpc.status_pb2")
    for message in ("", "no", "é" * 300):
        status = status_pb2.Status.FromString(encode_status(3, message))
        assert (status.code, status.message) == (3, message)


# -- hostile bytes -----------------------------------------------------------------------------------------------------

KEYS = (
    "resourceMetrics,scopeMetrics,metrics,resource,attributes,key,value,stringValue,arrayValue,name,sum,histogram,"
    "exponentialHistogram,gauge,summary,dataPoints,asInt,asDouble,bucketCounts,explicitBounds,positive,offset,scale,"
    "count,timeUnixNano"
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("18446744073709551615"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS.split(",")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(JSON_VALUES)
def test_any_json_is_read_or_refused(value: object) -> None:
    for document in (value, request({"name": "a", "sum": {"dataPoints": [value]}}), {"resourceMetrics": [value]}):
        assert "\n" not in read_or_refuse(lambda found=document: from_json(found))


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_any_bytes_are_read_or_refused(noise: bytes, place: int, byte: int) -> None:
    damaged = bytearray(as_protobuf(EVERYTHING))
    damaged[place % len(damaged)] = byte
    for body in (noise, bytes(damaged), bytes(damaged)[:place], b"\x0a" + bytes([len(noise) & 127]) + noise):
        for decode in (decode_protobuf, decode_json):
            assert "\n" not in read_or_refuse(lambda read=decode, found=body: read(found))
