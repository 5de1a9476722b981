"""OTLP metrics in protobuf, read with the published message types of OpenTelemetry."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from sonify.errors import ReaderError
from sonify.readers.otlp_model import (
    MAX_ATTRIBUTES,
    MAX_NAME,
    MAX_VALUE,
    NO_RECORDED_VALUE,
    Attributes,
    Metric,
    Number,
    Point,
    TooMuchError,
    check_parts,
    check_points,
    exponential,
    histogram,
)
from sonify.readers.readable import readable

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

__all__ = ["decode_protobuf", "encode_partial_success", "encode_status", "require_protobuf"]

_TEMPORALITIES = {1: "delta", 2: "cumulative"}
_MAX_DEPTH = 8  # of a list within a list in an attribute


def require_protobuf() -> None:
    """Raise ReaderError where the message types are not installed."""
    try:
        import opentelemetry.proto.collector.metrics.v1.metrics_service_pb2  # noqa: F401
    except ImportError:
        raise ReaderError("otlp:// needs the message types of OpenTelemetry: pip install 'sonify[otlp]'") from None


def decode_protobuf(body: bytes) -> list[Metric]:
    """Read an ``ExportMetricsServiceRequest``.

    Raises
    ------
    ReaderError
        It is none; the message says at which byte it goes wrong.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    try:
        request = ExportMetricsServiceRequest.FromString(body)
    except DecodeError:
        raise ReaderError(
            f"{len(body)} bytes that are no ExportMetricsServiceRequest: wrong in the field that begins at byte "
            f"{_broken_at(body)}"
        ) from None
    metrics: list[Metric] = []
    check_parts(num_parts := len(request.resource_metrics))
    for place, owner in enumerate(request.resource_metrics):
        resource = _attributes(owner.resource.attributes, f"resource_metrics[{place}].resource")
        check_parts(num_parts := num_parts + len(owner.scope_metrics))
        for part in owner.scope_metrics:
            check_parts(num_parts := num_parts + len(part.metrics))
            scope = f"{part.scope.name} {part.scope.version}"
            metrics += (_metric(metric, resource, scope) for metric in part.metrics)
    return check_points(metrics)


def _broken_at(body: bytes) -> int:
    """Find the first of the outermost fields that cannot be read."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

    at = 0
    while at < len(body):
        tag, start = _varint(body, at)
        length, start = _varint(body, start)
        if tag != 10 or start > len(body) - length or length < 0:  # field 1, a message
            break
        try:
            ResourceMetrics.FromString(body[start : start + length])
        except DecodeError:
            break
        at = start + length
    return at


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Read an integer of at most ten bytes, and say where it ends; −1 where there is none."""
    value = 0
    for shift, byte in enumerate(body[at : at + 10]):
        value |= (byte & 127) << (7 * shift)
        if byte < 128:
            return value, at + shift + 1
    return -1, at


def _metric(metric: pb.Metric, resource: Attributes, scope: str) -> Metric:
    name, which = metric.name, metric.WhichOneof("data")
    if which is None:
        return Metric(name, metric.unit, "gauge", "cumulative", False, resource, scope, 0, list)
    data: Any = getattr(metric, which)
    read = _READERS[which]
    return Metric(
        name=name,
        unit=metric.unit,
        kind="exponential" if which == "exponential_histogram" else which,
        temporality=_TEMPORALITIES.get(data.aggregation_temporality, "")
        if which in ("sum", "histogram", "exponential_histogram")
        else "cumulative",
        is_monotonic=which == "sum" and data.is_monotonic,
        resource=resource,
        scope=scope,
        num_points=len(data.data_points),
        points=partial(_points, data.data_points, read, name),
    )


def _points(points: Iterable[Any], read: Callable[[Any, str], Point | None], name: str) -> list[Point]:
    found, shown = [], readable(name, 60)
    for place, point in enumerate(points):
        if not point.flags & NO_RECORDED_VALUE:
            decoded = read(point, f"{shown}, data_points[{place}]")
            if decoded is not None:
                found.append(decoded)
    return found


def _number(point: pb.NumberDataPoint, where: str) -> Number | None:
    which = point.WhichOneof("value")
    if which is None:
        return None
    value = point.as_double if which == "as_double" else float(point.as_int)
    return Number(_attributes(point.attributes, where), point.start_time_unix_nano, point.time_unix_nano, value)


def _histogram(point: pb.HistogramDataPoint, where: str) -> Point:
    head = (_attributes(point.attributes, where), point.start_time_unix_nano, point.time_unix_nano)
    total = point.sum if point.HasField("sum") else math.nan
    return histogram(where, head, float(point.count), total, tuple(point.explicit_bounds), list(point.bucket_counts))


def _exponential(point: pb.ExponentialHistogramDataPoint, where: str) -> Point:
    head = (_attributes(point.attributes, where), point.start_time_unix_nano, point.time_unix_nano)
    total = point.sum if point.HasField("sum") else math.nan
    lowest = float(point.zero_count + sum(point.negative.bucket_counts))
    counts = list(point.positive.bucket_counts)
    return exponential(where, head, float(point.count), total, point.scale, lowest, point.positive.offset, counts)


def _summary(point: pb.SummaryDataPoint, where: str) -> Point:
    head = (_attributes(point.attributes, where), point.start_time_unix_nano, point.time_unix_nano)
    return histogram(where, head, float(point.count), point.sum, (), [])


_READERS: dict[str, Callable[[Any, str], Point | None]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


def _attributes(pairs: Iterable[KeyValue], where: str) -> Attributes:
    """Sort attributes, their values as text."""
    found = []
    for pair in pairs:
        value = pair.value
        # most values are text: ask for that first
        text = value.string_value or _text(value)
        if len(pair.key) > MAX_NAME or len(text) > MAX_VALUE:
            raise TooMuchError(
                f"{where}: an attribute of {len(pair.key)} and {len(text)} characters; allowed are {MAX_NAME} for its "
                f"name and {MAX_VALUE} for its value"
            )
        found.append((pair.key, text))
    if len(found) > MAX_ATTRIBUTES:
        raise TooMuchError(f"{where}: {len(found)} attributes; allowed are {MAX_ATTRIBUTES}")
    found.sort()
    return tuple(found)


def _text(value: AnyValue) -> str:
    plain = _plain(value, 0)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: AnyValue, depth: int) -> Any:
    which = value.WhichOneof("value")
    if which is None or depth > _MAX_DEPTH:
        return ""
    if which == "array_value":
        return [_plain(item, depth + 1) for item in value.array_value.values]
    if which == "kvlist_value":
        return {item.key: _plain(item.value, depth + 1) for item in value.kvlist_value.values}
    if which == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, which)


# -- answers -------------------------------------------------------------------------------------------------------


def encode_partial_success(rejected: int, message: str) -> bytes:
    """Write an ``ExportMetricsServiceResponse``; one in which all is well is empty."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    response = ExportMetricsServiceResponse()
    if rejected:
        response.partial_success.rejected_data_points = rejected
        response.partial_success.error_message = message
    return response.SerializeToString()


def encode_status(code: int, message: str) -> bytes:
    """Write a ``google.rpc.Status``: field 1 is the code, field 2 the text."""
    text = message.encode()
    length = len(text)
    size = bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes((8, code, 18, *size, length)) + text
