"""What a Prometheus server has of a signals preset: names, scrape interval, metrics that have counted nothing yet."""

from __future__ import annotations

from sonify.errors import ReaderError, UsageError
from sonify.readers import promql
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.signals import Signal, Signals
from sonify.units import parse_duration_s

__all__ = ["HISTOGRAM_TABLES", "Discovery", "find_jobs", "find_names", "find_scrape_interval_s", "is_declared"]

HISTOGRAM_TABLES = ("latency", "batch")

Discovery = list[tuple[str, str]]  # the ``start`` and ``end`` fields of a request


def _candidates(table: str, signal: Signal) -> list[str]:
    """Names of the series that may hold a panel; those that cannot be read come last."""
    if table in HISTOGRAM_TABLES:
        return [f"{name}_bucket" for name in signal.metrics] + list(signal.metrics)
    return list(signal.metrics)


def find_names(api: PrometheusApi, signals: Signals, time_range: Discovery, warnings: list[str]) -> dict[str, str]:
    """Series name of each panel that the server has in the range, by table; of several the first of the preset.

    Raises
    ------
    ReaderError
        As `PrometheusApi`.
    """
    wanted = {name for table, signal in signals.panels() for name in _candidates(table, signal)}
    match = promql.any_of(sorted(wanted), signals.matchers)
    found = api.get("/api/v1/label/__name__/values", [("match[]", match), *time_range], what="names of the metrics")
    if not isinstance(found, list):
        raise ReaderError(f"{api.url}/api/v1/label/__name__/values: the names of the metrics are not a list")
    names = {}
    for table, signal in signals.panels():
        there = [name for name in _candidates(table, signal) if name in found]
        if there and table in HISTOGRAM_TABLES and not there[0].endswith("_bucket"):
            warnings.append(f"{there[0]} is a native histogram: only histograms with _bucket series are read")
        elif there:
            names[table] = there[0]
    return names


def find_jobs(api: PrometheusApi, signals: Signals, names: dict[str, str], time_range: Discovery) -> list[str]:
    """Scrape jobs that these metrics come from; empty where the server does not say."""
    match = promql.any_of(sorted(set(names.values())), signals.matchers)
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
            parse_duration_s(target["scrapeInterval"]) for target in targets if target["labels"].get("job") in jobs
        ]
    except (ReaderError, UsageError, KeyError, TypeError, AttributeError):
        return None  # clusters and proxies have no such page
    return max(intervals_s, default=None)


def is_declared(api: PrometheusApi, signal: Signal, jobs: list[str]) -> bool:
    """Whether a target of these jobs declares a metric that has no series: then it has counted nothing yet."""
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
