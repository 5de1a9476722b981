"""OTLP metrics in JSON: both spellings of keys and integers, enums by number or name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

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

__all__ = ["decode_json"]

_TEMPORALITIES = {
    1: "delta",
    2: "cumulative",
    "AGGREGATION_TEMPORALITY_DELTA": "delta",
    "AGGREGATION_TEMPORALITY_CUMULATIVE": "cumulative",
}
_UINT64, _INT64, _INT32 = (0, 2**64 - 1), (-(2**63), 2**63 - 1), (-(2**31), 2**31 - 1)
_MAX_DEPTH = 8  # of a list within a list in an attribute


def decode_json(body: bytes) -> list[Metric]:
    """Read an ``ExportMetricsServiceRequest`` in JSON.

    Raises
    ------
    ReaderError
        It is none; the message says where it goes wrong: line and column, or the path of the key.
    """
    try:
        request = json.loads(body)
    except json.JSONDecodeError as error:
        raise ReaderError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise ReaderError(f"not JSON: {error.reason} at byte {error.start}") from None
    except (RecursionError, ValueError) as error:  # too deep; an integer of thousands of digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ReaderError(f"not JSON that can be read: {readable(reason)}") from None
    metrics: list[Metric] = []
    check_parts(num_parts := len(_entries(request, "", "resourceMetrics", "resource_metrics")))
    for path, owner in _items(request, "", "resourceMetrics", "resource_metrics"):
        check_parts(num_parts := num_parts + len(_entries(owner, path, "scopeMetrics", "scope_metrics")))
        resource = _attributes(_object(owner, path, "resource"), f"{path}.resource")
        for scope_path, part in _items(owner, path, "scopeMetrics", "scope_metrics"):
            check_parts(num_parts := num_parts + len(_entries(part, scope_path, "metrics", "metrics")))
            named = _object(part, scope_path, "scope")
            scope = f"{_text(named, scope_path, 'name')} {_text(named, scope_path, 'version')}"
            metrics += (
                _metric(metric, metric_path, resource, scope)
                for metric_path, metric in _items(part, scope_path, "metrics", "metrics")
            )
    return check_points(metrics)


# -- values ------------------------------------------------------------------------------------------------------------


def _refuse(path: str, key: str, value: Any, allowed: str) -> NoReturn:
    shown = readable(json.dumps(value, ensure_ascii=False, default=str), 60)
    raise ReaderError(f"{f'{path}.' if path else ''}{key}: {shown} is not allowed; it must be {allowed}")


def _get(owner: dict[str, Any], camel: str, snake: str) -> Any:
    """Value of a key in either spelling; null counts as absent."""
    value = owner.get(camel)
    return owner.get(snake) if value is None else value


def _entries(owner: Any, path: str, camel: str, snake: str) -> list[Any]:
    """Value of a key that is a list; what stands in it is not looked at."""
    if not isinstance(owner, dict):
        _refuse(path, "the request", owner, "an object")
    value = _get(owner, camel, snake)
    if value is None:
        return []
    if not isinstance(value, list):
        _refuse(path, camel, value, "a list")
    return value


def _items(owner: Any, path: str, camel: str, snake: str) -> list[tuple[str, dict[str, Any]]]:
    """Go through a list of objects, each with its path."""
    value = _entries(owner, path, camel, snake)
    prefix = f"{path}.{camel}" if path else camel
    for place, item in enumerate(value):
        if not isinstance(item, dict):
            _refuse(path, f"{camel}[{place}]", item, "an object")
    return [(f"{prefix}[{place}]", item) for place, item in enumerate(value)]


def _object(owner: dict[str, Any], path: str, key: str, snake: str = "") -> dict[str, Any]:
    value = _get(owner, key, snake or key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(path, key, value, "an object")
    return value


def _text(owner: dict[str, Any], path: str, key: str) -> str:
    value = owner.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        _refuse(path, key, value, "text")
    return value if value.isascii() else value.encode(errors="replace").decode()  # half a pair of surrogates is no text


def _integer(value: Any, path: str, key: str, limits: tuple[int, int]) -> int:
    """Read a whole number, written as a number or as text."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    elif isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isdecimal():
        number = int(value)
    if number is None or not limits[0] <= number <= limits[1]:
        _refuse(path, key, value, f"a whole number from {limits[0]} to {limits[1]}")
    return number


def _double(value: Any, path: str, key: str) -> float:
    """Read a number, written as a number or as text, ``NaN`` and ``Infinity`` among them."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    _refuse(path, key, value, "a number")


def _time_ns(owner: dict[str, Any], path: str, camel: str, snake: str) -> int:
    value = _get(owner, camel, snake)
    return 0 if value is None else _integer(value, path, camel, _UINT64)


def _count(owner: dict[str, Any], path: str, camel: str, snake: str) -> float:
    return float(_time_ns(owner, path, camel, snake))


def _counts(owner: dict[str, Any], path: str) -> list[int]:
    values = _entries(owner, path, "bucketCounts", "bucket_counts")
    return [_integer(value, path, f"bucketCounts[{place}]", _UINT64) for place, value in enumerate(values)]


def _total(owner: dict[str, Any], path: str) -> float:
    value = owner.get("sum")
    return math.nan if value is None else _double(value, path, "sum")


# -- metrics and points --------------------------------------------------------------------------------------------


def _metric(metric: dict[str, Any], path: str, resource: Attributes, scope: str) -> Metric:
    name, unit = _text(metric, path, "name"), _text(metric, path, "unit")
    for kind, camel, snake, read in _KINDS:
        if _get(metric, camel, snake) is None:
            continue
        data = _object(metric, path, camel, snake)
        num_points = len(_entries(data, f"{path}.{camel}", "dataPoints", "data_points"))
        points = partial(_points, data, f"{path}.{camel}", read)
        temporality = "cumulative"
        if kind in ("sum", "histogram", "exponential"):
            value = _get(data, "aggregationTemporality", "aggregation_temporality")
            temporality = _TEMPORALITIES.get(value, "") if isinstance(value, (int, str)) else ""
        is_monotonic = _get(data, "isMonotonic", "is_monotonic") is True
        return Metric(name, unit, kind, temporality, is_monotonic, resource, scope, num_points, points)
    return Metric(name, unit, "gauge", "cumulative", False, resource, scope, 0, list)


_Read = Callable[[dict[str, Any], str], Point | None]


def _points(data: dict[str, Any], where: str, read: _Read) -> list[Point]:
    found = []
    for path, point in _items(data, where, "dataPoints", "data_points"):
        flags = point.get("flags")
        if flags is None or not _integer(flags, path, "flags", _UINT64) & NO_RECORDED_VALUE:
            decoded = read(point, path)
            if decoded is not None:
                found.append(decoded)
    return found


def _head(point: dict[str, Any], path: str) -> tuple[Attributes, int, int]:
    start_ns = _time_ns(point, path, "startTimeUnixNano", "start_time_unix_nano")
    return _attributes(point, path), start_ns, _time_ns(point, path, "timeUnixNano", "time_unix_nano")


def _number(point: dict[str, Any], path: str) -> Number | None:
    value = _get(point, "asDouble", "as_double")
    if value is not None:
        return Number(*_head(point, path), _double(value, path, "asDouble"))
    value = _get(point, "asInt", "as_int")
    return None if value is None else Number(*_head(point, path), float(_integer(value, path, "asInt", _INT64)))


def _histogram(point: dict[str, Any], path: str) -> Point:
    bounds = tuple(
        _double(value, path, f"explicitBounds[{place}]")
        for place, value in enumerate(_entries(point, path, "explicitBounds", "explicit_bounds"))
    )
    count = _count(point, path, "count", "count")
    return histogram(path, _head(point, path), count, _total(point, path), bounds, _counts(point, path))


def _exponential(point: dict[str, Any], path: str) -> Point:
    scale, positive = point.get("scale"), _object(point, path, "positive")
    offset = positive.get("offset")
    lowest = _count(point, path, "zeroCount", "zero_count")
    lowest += sum(_counts(_object(point, path, "negative"), f"{path}.negative"))
    return exponential(
        path,
        _head(point, path),
        _count(point, path, "count", "count"),
        _total(point, path),
        0 if scale is None else _integer(scale, path, "scale", _INT32),
        lowest,
        0 if offset is None else _integer(offset, path, "positive.offset", _INT32),
        _counts(positive, f"{path}.positive"),
    )


def _summary(point: dict[str, Any], path: str) -> Point:
    total = point.get("sum")
    sum_of_all = 0.0 if total is None else _double(total, path, "sum")
    return histogram(path, _head(point, path), _count(point, path, "count", "count"), sum_of_all, (), [])


_KINDS: tuple[tuple[str, str, str, _Read], ...] = (
    ("gauge", "gauge", "gauge", _number),
    ("sum", "sum", "sum", _number),
    ("histogram", "histogram", "histogram", _histogram),
    ("exponential", "exponentialHistogram", "exponential_histogram", _exponential),
    ("summary", "summary", "summary", _summary),
)


def _attributes(owner: dict[str, Any], path: str) -> Attributes:
    """Sort attributes, their values as text."""
    found = []
    for pair_path, pair in _items(owner, path, "attributes", "attributes"):
        key = _text(pair, pair_path, "key")
        held = _object(pair, pair_path, "value")
        value = held.get("stringValue")
        if not isinstance(value, str) or not value.isascii():  # most are text: look for that first
            value = _plain(held, f"{pair_path}.value", 0)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if len(key) > MAX_NAME or len(text) > MAX_VALUE:
            raise TooMuchError(
                f"{path}: an attribute of {len(key)} and {len(text)} characters; allowed are {MAX_NAME} for its name "
                f"and {MAX_VALUE} for its value"
            )
        found.append((key, text))
    if len(found) > MAX_ATTRIBUTES:
        raise TooMuchError(f"{path}: {len(found)} attributes; allowed are {MAX_ATTRIBUTES}")
    found.sort()
    return tuple(found)


def _plain(value: dict[str, Any], path: str, depth: int) -> Any:
    """Value of an attribute; of those nested too deeply nothing is kept."""
    for camel, snake in (("stringValue", "string_value"), ("bytesValue", "bytes_value")):
        if _get(value, camel, snake) is not None:
            return _text({camel: _get(value, camel, snake)}, path, camel)
    if (flag := _get(value, "boolValue", "bool_value")) is not None:
        return flag if isinstance(flag, bool) else _refuse(path, "boolValue", flag, "true or false")
    if (number := _get(value, "intValue", "int_value")) is not None:
        return _integer(number, path, "intValue", _INT64)
    if (real := _get(value, "doubleValue", "double_value")) is not None:
        return _double(real, path, "doubleValue")
    if depth > _MAX_DEPTH:
        return ""
    if _get(value, "arrayValue", "array_value") is not None:
        items = _items(_object(value, path, "arrayValue", "array_value"), f"{path}.arrayValue", "values", "values")
        return [_plain(item, item_path, depth + 1) for item_path, item in items]
    if _get(value, "kvlistValue", "kvlist_value") is not None:
        pairs = _items(_object(value, path, "kvlistValue", "kvlist_value"), f"{path}.kvlistValue", "values", "values")
        return {_text(pair, p, "key"): _plain(_object(pair, p, "value"), f"{p}.value", depth + 1) for p, pair in pairs}
    return ""
