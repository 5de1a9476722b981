"""The names and labels that an OTLP metric has in Prometheus, so that one signals preset fits both."""

from __future__ import annotations

import re
from functools import lru_cache

from sonify.readers.otlp_model import Attributes
from sonify.readers.signals import LATENCY_UNITS_S

__all__ = ["labels_of", "spellings", "unit_s"]

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "kBy": "kilobytes",
    "MBy": "megabytes",
    "%": "percent",
}
_TIME_SUFFIXES = tuple(_UNITS[unit] for unit in LATENCY_UNITS_S)
_TIME_UNITS = {**{unit: unit for unit in LATENCY_UNITS_S}, "µs": "us", "seconds": "s", "milliseconds": "ms"}
_NOT_IN_NAME, _NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9_:]"), re.compile(r"[^A-Za-z0-9_]")
_PARTS = (("_bucket", "bucket"), ("_count", "count"), ("_sum", "sum"))


def unit_s(unit: str) -> float | None:
    """Seconds in one unit of OTLP; None where it is no unit of time that a latency has."""
    known = _TIME_UNITS.get(unit)
    return None if known is None else LATENCY_UNITS_S[known]


def _bases(name: str, unit: str, *, is_gauge: bool) -> dict[str, None]:
    """Name as sent, with underscores, and with the unit that Prometheus adds.

    A time may go by any unit of time: which one it is in is known, whatever the preset calls it.
    """
    plain = _NOT_IN_NAME.sub("_", name)
    suffix = _UNITS.get(unit) or ("ratio" if unit == "1" and is_gauge else "")
    suffixes = dict.fromkeys((suffix, *(_TIME_SUFFIXES if suffix in _TIME_SUFFIXES else ()))) if suffix else {}
    bases = dict.fromkeys((name, plain, re.sub(r"__+", "_", plain)))
    for base in [base for base in bases if "." not in base]:
        stem = base.removesuffix("_total")
        if not stem.endswith(tuple(suffixes)):
            bases |= {f"{stem}_{other}": None for other in suffixes}
    return bases


def spellings(name: str, unit: str, kind: str, *, is_monotonic: bool) -> dict[str, str]:
    """Names that a signals preset may call a metric by.

    Returns
    -------
    dict of str to str
        What each name stands for: ``value``, or ``bucket``, ``count`` or ``sum`` of a histogram.
    """
    bases = _bases(name, unit, is_gauge=kind == "gauge")
    if kind in ("gauge", "sum"):
        totals = (f"{base.removesuffix('_total')}_total" for base in bases) if is_monotonic else ()
        return dict.fromkeys((*bases, *totals), "value")
    parts = _PARTS[1:] if kind == "summary" else _PARTS
    return {f"{base}{suffix}": part for base in bases for suffix, part in parts}


@lru_cache(maxsize=4096)
def _label(key: str) -> str:
    label = _NOT_IN_LABEL.sub("_", key)
    return f"key_{label}" if label[:1].isdigit() else label


def labels_of(attributes: Attributes, resource: Attributes) -> dict[str, str]:
    """Labels of a point: its own attributes, then those of its resource, by name as sent and with underscores.

    ``job`` and ``instance`` are made of the service's name and instance, as Prometheus does.
    """
    labels: dict[str, str] = {}
    for pairs in (attributes, resource):
        for key, value in pairs:
            labels.setdefault(_label(key), value)
        for key, value in pairs:
            labels.setdefault(key, value)
    owner = dict(resource)
    if name := owner.get("service.name"):
        space = owner.get("service.namespace")
        labels.setdefault("job", f"{space}/{name}" if space else name)
    if instance := owner.get("service.instance.id"):
        labels.setdefault("instance", instance)
    return labels
