"""What a Prometheus server has of a signals preset: names, labels, scrape interval, what is only declared."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sonify.errors import ReaderError, UsageError
from sonify.readers import promql
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.signals import Signal, Signals
from sonify.units import parse_duration_s

__all__ = [
    "COUNTER_TABLES",
    "HISTOGRAM_TABLES",
    "Discovery",
    "Found",
    "candidates",
    "find_all_names",
    "find_declared",
    "find_jobs",
    "find_labels",
    "find_live_names",
    "find_names",
    "find_sample_distance_s",
    "find_scrape_interval_s",
    "labels_asker",
]

HISTOGRAM_TABLES = ("latency", "batch")
COUNTER_TABLES = ("requests", "errors", "fallbacks", "glitches")
_ROUND_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300)
MAX_NAMES = 100_000
_NAMES_PATH = "/api/v1/label/__name__/values"

Discovery = list[tuple[str, str]]  # the ``start`` and ``end`` fields of a request


@dataclass(frozen=True, slots=True)
class Found:
    """What there is.

    Attributes
    ----------
    names : frozenset of str
        Series names, of those that the preset may use.
    labels : mapping of str to frozenset of str
        Names of the labels of each of these; a name is left out where the server does not say.
    declared : frozenset of str
        Tables whose counters a target declares, but that have no series: they have counted nothing yet.
    """

    names: frozenset[str]
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()

    def has_label(self, name: str, label: str) -> bool:
        """Whether series of this name may carry a label."""
        return name not in self.labels or label in self.labels[name]


def candidates(table: str, signal: Signal) -> list[str]:
    """Names of all series that may make a panel."""
    names = [*signal.metrics, *signal.sum, *signal.count, *signal.plus, *signal.minus]
    if table in HISTOGRAM_TABLES and signal.mode != "gauge":
        names += [f"{name}_{end}" for name in signal.metrics for end in ("bucket", "count", "sum")]
    return names


def _wanted(signals: Signals) -> list[str]:
    return sorted({name for table, signal in signals.panels() for name in candidates(table, signal)})


def _texts(api: PrometheusApi, path: str, found: Any) -> list[str]:
    if not isinstance(found, list):
        raise ReaderError(f"{api.url}{path}: the answer is not a list of names")
    return [name for name in found[:MAX_NAMES] if isinstance(name, str)]


def find_names(api: PrometheusApi, signals: Signals, time_range: Discovery) -> frozenset[str]:
    """Names of the preset's series that the server had in a range of time.

    Raises
    ------
    ReaderError
        As `PrometheusApi`.
    """
    match = promql.any_of(_wanted(signals), signals.matchers)
    found = api.get(_NAMES_PATH, [("match[]", match), *time_range], what="names of the metrics")
    return frozenset(_texts(api, _NAMES_PATH, found)) & frozenset(_wanted(signals))


def find_live_names(api: PrometheusApi, signals: Signals) -> frozenset[str]:
    """Names of the preset's series that have a sample now; ReaderError as `PrometheusApi`."""
    query = promql.live_names(_wanted(signals), signals.matchers)
    answer, _ = api.instant(query, what="names of the metrics")
    try:
        names = frozenset(str(item["metric"].get("__name__", "")) for item in answer["result"])
    except (KeyError, TypeError, AttributeError):
        raise ReaderError(f"{api.url}/api/v1/query (names of the metrics): the answer is not a vector") from None
    return names & frozenset(_wanted(signals))


def find_all_names(api: PrometheusApi, time_range: Discovery) -> list[str]:
    """Names of everything that the server had in a range of time; ReaderError as `PrometheusApi`."""
    fields = [*time_range, ("limit", str(MAX_NAMES))]
    return _texts(api, _NAMES_PATH, api.get(_NAMES_PATH, fields, what="names of all metrics"))


def find_labels(
    api: PrometheusApi, signals: Signals, names: Collection[str], time_range: Discovery
) -> dict[str, frozenset[str]]:
    """Names of the labels of each of these series; a name is left out where the server does not say."""
    labels = {}
    for name in sorted(names):
        fields = [("match[]", promql.selector(name, signals.matchers)), *time_range]
        try:
            found = api.get("/api/v1/labels", fields, what="labels of the metrics")
        except ReaderError:
            return {}
        if isinstance(found, list):
            labels[name] = frozenset(label for label in found if isinstance(label, str))
    return labels


def find_jobs(api: PrometheusApi, signals: Signals, names: Collection[str], time_range: Discovery) -> list[str]:
    """Scrape jobs that these metrics come from; empty where the server does not say."""
    match = promql.any_of(sorted(names), signals.matchers)
    try:
        jobs = api.get("/api/v1/label/job/values", [("match[]", match), *time_range], what="jobs of the metrics")
    except ReaderError:
        return []
    return [job for job in jobs if isinstance(job, str)] if isinstance(jobs, list) else []


def find_scrape_interval_s(api: PrometheusApi, jobs: list[str]) -> float | None:
    """How often these jobs are scraped, in s: the longest of their targets; None where the server does not say."""
    try:
        targets = api.get("/api/v1/targets", [("state", "active")], what="scrape intervals")["activeTargets"]
        intervals_s = [
            # VictoriaMetrics says it only where it says what it found
            parse_duration_s(target.get("scrapeInterval") or target["discoveredLabels"]["__scrape_interval__"])
            for target in targets
            if target["labels"].get("job") in jobs
        ]
    except (ReaderError, UsageError, KeyError, TypeError, AttributeError):
        return None  # clusters and proxies have no such page
    return max(intervals_s, default=None)


def find_sample_distance_s(api: PrometheusApi, name: str, signals: Signals) -> float | None:
    """How far apart the samples of a metric were in the last 5 min, in s, rounded; None where that cannot be told."""
    series = promql.selector(name, signals.matchers)
    if api.is_victoria:
        query = f"max (scrape_interval({series}[5m]))"
    else:
        span = " - ".join(f"{end}_over_time(timestamp({series})[5m:1s])" for end in ("max", "min"))
        query = f"max (({span}) / (count_over_time({series}[5m]) - 1))"
    try:
        answer, _ = api.instant(query, what="distance of the samples")
        distance_s = float(answer["result"][0]["value"][1])
    except (ReaderError, LookupError, TypeError, ValueError):
        return None
    if not 0.05 < distance_s < math.inf:
        return None
    return float(min(_ROUND_S, key=lambda round_s: abs(math.log(round_s / distance_s))))


def find_declared(api: PrometheusApi, signals: Signals, names: frozenset[str], jobs: list[str]) -> frozenset[str]:
    """Tables of counters that a target of these jobs declares, but that have no series: they counted nothing yet."""
    missing = [
        (table, signal)
        for table, signal in signals.panels()
        if table in COUNTER_TABLES and names.isdisjoint((*signal.metrics, *signal.plus))
    ]
    return frozenset(table for table, signal in missing if jobs and _is_declared(api, signal, jobs))


def _is_declared(api: PrometheusApi, signal: Signal, jobs: list[str]) -> bool:
    target = promql.label_any_of("job", jobs)
    for name in [spelling for metric in signal.metrics for spelling in (metric, metric.removesuffix("_total"))]:
        fields = [("match_target", target), ("metric", name), ("limit", "1")]
        try:
            found = api.get("/api/v1/targets/metadata", fields, what="declared metrics")
        except ReaderError:
            return False  # not every server has this page, or any target with it
        if found:
            return True
    return False


def labels_asker(api: PrometheusApi, time_range: list[tuple[str, str]]) -> Callable[[str], frozenset[str] | None]:
    """Names of the labels of a metric, asked for once; None where the server does not say."""

    @cache
    def labels(name: str) -> frozenset[str] | None:
        fields = [("match[]", promql.selector(name)), *time_range]
        try:
            found = api.get("/api/v1/labels", fields, what="labels of the metrics", retries=0)
        except ReaderError:
            return None
        return frozenset(label for label in found if isinstance(label, str)) if isinstance(found, list) else None

    return labels
