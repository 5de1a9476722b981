"""The page that a scraper sees, checked with the official parser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sonify.simulation.exposition import exposition
from sonify.simulation.server import LiveSimulation
from sonify.simulation.service import Simulation
from sonify.simulation.state import STATUSES

NAMES = {
    "code_live_requests": "counter",
    "code_live_request_duration_seconds": "histogram",
    "code_live_queue_depth": "gauge",
    "code_live_active_requests": "gauge",
    "code_live_fallbacks": "counter",
    "code_live_glitches": "counter",
    "code_live_batch_size": "histogram",
}


def families(page: str) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    parsed = list(text_string_to_metric_families(page))
    assert {family.name: family.type for family in parsed} == NAMES
    return {family.name: [(s.name, dict(s.labels), s.value) for s in family.samples] for family in parsed}


def test_the_page_says_what_was_counted() -> None:
    simulation = Simulation("chaos", seed=4)
    simulation.advance(600.0)
    now, backends = simulation.snapshot(), simulation.backends
    page = families(exposition(now, backends))
    for _, labels, value in page["code_live_requests"]:
        assert value == now.requests[backends.index(labels["backend"]), STATUSES.index(labels["status"])]
    for name, counts in (("code_live_fallbacks", now.fallbacks), ("code_live_glitches", now.glitches)):
        assert [value for _, _, value in page[name]] == counts.tolist()
        assert [labels["backend"] for _, labels, _ in page[name]] == list(backends)
    assert page["code_live_queue_depth"] == [("code_live_queue_depth", {}, now.queue_depth)]
    assert page["code_live_active_requests"] == [("code_live_active_requests", {}, now.active_requests)]
    assert now.fallbacks.sum() > 0
    assert now.glitches.sum() > 0


def test_latency_buckets_are_cumulative_and_end_with_the_count() -> None:
    simulation = Simulation("incident", seed=0)
    simulation.advance(600.0)
    now = simulation.snapshot()
    samples = families(exposition(now, simulation.backends))["code_live_request_duration_seconds"]
    for index, backend in enumerate(simulation.backends):
        mine = [(name, labels, value) for name, labels, value in samples if labels["backend"] == backend]
        buckets = {float(labels["le"]): value for name, labels, value in mine if name.endswith("_bucket")}
        count = next(value for name, _, value in mine if name.endswith("_count"))
        total_s = next(value for name, _, value in mine if name.endswith("_sum"))
        assert list(buckets) == sorted(buckets)
        assert [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, math.inf] == list(
            buckets
        )
        assert np.all(np.diff(list(buckets.values())) >= 0)
        assert buckets[math.inf] == count == now.requests[index].sum() == now.band_counts[index].sum()
        assert total_s == now.latency_sum_s[index]


def test_batch_sizes_on_the_page_add_up() -> None:
    simulation = Simulation("incident", seed=0)
    simulation.advance(500.0)
    now = simulation.snapshot()
    samples = families(exposition(now, simulation.backends))["code_live_batch_size"]
    buckets = {labels["le"]: value for name, labels, value in samples if name.endswith("_bucket")}
    assert buckets["1"] == now.batches[1]
    assert buckets["4"] == now.batches[1:5].sum()
    assert buckets["+Inf"] == now.batches.sum()
    assert next(value for name, _, value in samples if name.endswith("_sum")) == now.batches @ np.arange(17)
    assert simulation.mean_times().served.sum() == now.batches @ np.arange(17)


def test_names_of_backends_are_escaped() -> None:
    simulation = Simulation("silence")
    page = exposition(simulation.snapshot(), ('a"b', "c\\d", "e\nf", "g", "h", "i"))
    labels = [labels["backend"] for _, labels, _ in families(page)["code_live_fallbacks"]]
    assert labels[:3] == ['a"b', "c\\d", "e\nf"]


def test_the_live_page_follows_the_clock_and_is_gone_while_the_source_is_lost() -> None:
    now_s = [100.0]
    live = LiveSimulation(Simulation("source-lost"), speed=10.0, clock=lambda: now_s[0])

    def requests() -> float:
        page = live.page()
        assert page is not None
        return sum(value for _, _, value in families(page)["code_live_requests"])

    assert requests() == 0
    now_s[0] += 20.0
    after_200_s = requests()
    assert after_200_s == pytest.approx(200 * 27, rel=0.15)
    assert requests() == after_200_s
    now_s[0] += 5.0
    assert live.page() is None
    now_s[0] += 20.0
    assert requests() > after_200_s
