"""Pushes become frames: rates, periods, losses, restarts; time is the test's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sonify.metrics.frame import MetricFrame
from sonify.readers import otlp_panels
from sonify.readers.otlp_model import Attributes, Exponential, Histogram, Metric, Number, Point
from sonify.readers.otlp_panels import OtlpPanels, Receipt
from sonify.readers.otlp_routes import OtlpRouter
from sonify.readers.otlp_sums import DEFAULT_BOUNDS
from sonify.readers.signals import load_signals

WALL_S = 1_700_000_000.0
BOUNDS = (0.01, 0.1, 1.0)
SHOP: Attributes = (("service.instance.id", "1"), ("service.name", "shop"))
OTHER: Attributes = (("service.instance.id", "2"), ("service.name", "shop"))


def ns(t_s: float) -> int:
    return round((WALL_S + t_s) * 1e9)


def metric(name: str, kind: str, *points: Point, **fields: Any) -> Metric:
    defaults: dict[str, Any] = {
        "unit": "",
        "temporality": "cumulative",
        "is_monotonic": kind == "sum",
        "resource": SHOP,
    }
    values = {**defaults, "scope": "", **fields}
    return Metric(name=name, kind=kind, num_points=len(points), points=lambda: list(points), **values)


@dataclass
class Service:
    """Counts, and pushes; times in s since following began."""

    resource: Attributes = SHOP
    backend: str = "rust"
    start_s: float = -100.0
    temporality: str = "cumulative"
    requests: float = 1000.0
    errors: float = 0.0
    latencies: np.ndarray = field(default_factory=lambda: np.zeros(len(BOUNDS) + 1))
    last_s: float = math.nan
    sent: tuple[float, float, Any] = (1000.0, 0.0, 0.0)

    def serve(self, requests: int, errors: int = 0) -> None:
        self.requests += requests
        self.errors += errors
        self.latencies[1] += requests + errors

    def push(self, t_s: float) -> list[Metric]:
        requests, errors, latencies, start_s = self.requests, self.errors, self.latencies.copy(), self.start_s
        if self.temporality == "delta":
            requests, errors, latencies = requests - self.sent[0], errors - self.sent[1], latencies - self.sent[2]
            self.sent = (self.requests, self.errors, self.latencies.copy())
            start_s = self.start_s if math.isnan(self.last_s) else self.last_s
            self.last_s = t_s
        times = (ns(start_s), ns(t_s))
        common: dict[str, Any] = {"resource": self.resource, "temporality": self.temporality}

        def count(status: str, value: float) -> Number:
            return Number((("backend", self.backend), ("status", status)), *times, value)

        number = float(latencies.sum())
        seen = Histogram((("backend", self.backend),), *times, number, 0.05 * number, BOUNDS, latencies)
        return [
            metric("code_live.requests", "sum", count("200", requests), count("500", errors), **common),
            metric("code_live.request.duration", "histogram", seen, unit="s", **common),
        ]


class Ear:
    """Panels, and a clock."""

    def __init__(
        self, signals: str = "code-live", *, window_s: float = 4.0, stale_after_s: float | None = None
    ) -> None:
        router = OtlpRouter(None if signals == "auto" else load_signals(signals))
        self.panels = OtlpPanels(router, interval_s=0.05, window_s=window_s, stale_after_s=stale_after_s, began_s=0.0)

    def hear(self, t_s: float, metrics: list[Metric]) -> Receipt:
        return self.panels.receive(metrics, t_s)

    def frame(self, t_s: float) -> MetricFrame:
        if self.panels.drop_lost(t_s):
            return self.panels.frame(WALL_S + t_s, t_s)
        return self.panels.skip(WALL_S + t_s)


def pushes(period_s: float, first_s: float, until_s: float) -> Iterator[float]:
    for index in range(int((until_s - first_s) / period_s) + 1):
        yield first_s + index * period_s


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
@pytest.mark.parametrize("period_s", [0.5, 1.0, 15.0, 60.0])
def test_steady_traffic_is_one_steady_rate_whatever_the_period(period_s: float, temporality: str) -> None:
    """Ten requests a second, of which one fails; no frame between pushes may say anything else."""
    service, ear, heard = Service(temporality=temporality), Ear(), []
    service.push(0.02 - period_s)
    ticks = np.arange(0.0, 6 * period_s, max(period_s / 20, 0.05))
    due = iter(pushes(period_s, 0.02, 6 * period_s))
    next_s, pushed = next(due), 0
    for tick_s in ticks:
        while next_s <= tick_s:
            service.serve(round(9 * period_s), round(period_s))
            ear.hear(next_s, service.push(next_s))
            next_s, pushed = next(due, math.inf), pushed + 1
        frame = ear.frame(float(tick_s))
        if pushed > 2:
            heard.append((frame.request_rate[0], frame.error_ratio[0], frame.latency_rate.sum()))
    expected = round(9 * period_s) / period_s + round(period_s) / period_s
    rates, ratios, latency_rates = np.array(heard).T
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    np.testing.assert_allclose(latency_rates, expected, rtol=1e-6)
    assert np.ptp(ratios) < 1e-6


def test_cumulative_and_delta_say_the_same() -> None:
    generator = np.random.default_rng(1)
    both = [(Service(temporality=kind), Ear()) for kind in ("cumulative", "delta")]
    for service, _ in both:
        service.push(-1.0)
    for index in range(20):
        requests, errors = generator.integers(0, 50, 2).tolist()
        frames = []
        for service, ear in both:
            service.serve(requests, errors)
            ear.hear(index, service.push(index))
            frames.append(ear.frame(index + 0.01))
        if index > 5:  # what delta tells of the first push, cumulative cannot know
            assert frames[0].request_rate == pytest.approx(frames[1].request_rate)
            assert frames[0].error_ratio == pytest.approx(frames[1].error_ratio, nan_ok=True)
            np.testing.assert_allclose(frames[0].latency_rate, frames[1].latency_rate)


def test_what_was_counted_before_following_is_not_news() -> None:
    service, ear = Service(requests=1e6), Ear()
    ear.hear(0.1, service.push(0.1))
    frame = ear.frame(0.15)
    assert frame.fresh
    assert np.isnan(frame.request_rate).all()


def test_a_service_that_starts_later_counts_from_0() -> None:
    service, ear = Service(start_s=5.0, requests=0.0), Ear()
    service.serve(30)
    ear.hear(8.0, service.push(8.0))
    assert ear.frame(8.05).request_rate == pytest.approx([10.0])


def test_a_series_that_appears_in_a_known_service_counts_from_0() -> None:
    """The first error of a process that has run for long is an error, though its start time is old."""
    service, ear = Service(), Ear()
    for index in range(6):
        service.serve(10)
        ear.hear(index, service.push(index)[:1])
        ear.frame(index + 0.05)
    appeared = Number((("backend", "rust"), ("status", "503")), ns(-100.0), ns(6.0), 5.0)
    service.serve(10)
    same = service.push(6.0)[0]
    ear.hear(6.0, [metric("code_live.requests", "sum", *same.points(), appeared)])
    assert ear.frame(6.05).error_ratio == pytest.approx([5.0 / 45.0])


def test_a_restart_is_neither_negative_nor_counted_twice() -> None:
    service, ear, total = Service(), Ear(window_s=1.0), 0.0
    for index in range(10):
        if index == 5:  # it counted 10 more that nobody heard of, then 3 after its start
            service = Service(start_s=4.5, requests=3.0)
        else:
            service.serve(10)
        ear.hear(index, service.push(index))
        rate = ear.frame(index + 0.05).request_rate[0]
        if index:
            assert rate >= 0.0
            total += rate
    assert total == pytest.approx(4 * 10 + 3 + 4 * 10)


def test_copies_change_nothing() -> None:
    for temporality in ("cumulative", "delta"):
        service, ear = Service(temporality=temporality), Ear(window_s=1.0)
        service.push(-1.0)
        for index in range(5):
            service.serve(10)
            sent = service.push(index)
            ear.hear(index, sent)
            ear.hear(index + 0.03, sent)  # the exporter had no answer, and tried again
            frame = ear.frame(index + 0.05)
        assert frame.request_rate[0] == pytest.approx(10.0, rel=0.05)


def test_silence_is_stale_within_two_periods_and_recovers() -> None:
    service, ear = Service(), Ear()
    for index in range(5):
        service.serve(10)
        ear.hear(index, service.push(index))
        assert ear.frame(index + 0.05).fresh
    assert ear.frame(6.0).fresh
    lost = ear.frame(6.2)
    assert not lost.fresh
    assert np.isnan(lost.request_rate).all()
    service.serve(100_000)  # while nobody heard
    ear.hear(60.0, service.push(60.0))
    back = ear.frame(60.05)
    assert back.fresh
    assert np.isnan(back.request_rate).all()  # no rate is known yet, and none of before is repeated
    service.serve(10)
    ear.hear(61.0, service.push(61.0))
    assert ear.frame(61.05).request_rate == pytest.approx([10.0])


def test_stale_after_is_what_was_asked_for() -> None:
    service, ear = Service(), Ear(stale_after_s=30.0)
    for index in range(3):
        ear.hear(index, service.push(index))
    assert ear.frame(31.0).fresh
    assert not ear.frame(33.0).fresh


def test_a_slow_pusher_is_stale_until_its_period_is_known_and_loses_nothing() -> None:
    service, ear = Service(), Ear()
    ear.hear(0.0, service.push(0.0))
    assert not ear.frame(11.0).fresh
    service.serve(600)
    ear.hear(60.0, service.push(60.0))
    assert ear.frame(60.05).request_rate == pytest.approx([10.0])
    assert ear.frame(179.0).fresh
    assert not ear.frame(190.0).fresh


def test_each_pusher_has_its_own_period_and_one_that_dies_is_not_measured() -> None:
    rust, go, ear = Service(), Service(resource=OTHER, backend="go"), Ear()
    rates = []
    for index in range(40):
        t_s = index * 0.5
        who = rust if index % 2 else go
        if who is rust or t_s < 10.0:
            who.serve(10)
            ear.hear(t_s, who.push(t_s))
        rates.append(ear.frame(t_s + 0.05))
    for frame in rates[12:20]:
        assert frame.request_rate == pytest.approx([10.0, 10.0], rel=0.15)
    last = rates[-1]
    assert last.fresh
    assert np.isnan(last.request_rate[last.layout.backends.index("go")])
    assert last.request_rate[last.layout.backends.index("rust")] == pytest.approx(10.0, rel=0.15)


def test_a_request_that_comes_in_parts_is_one_round() -> None:
    """A collector splits large batches: neither the period nor the rates may suffer."""
    service, ear, heard = Service(), Ear(window_s=1.0), []
    for index in range(12):
        service.serve(10)
        for place, part in enumerate(service.push(index)):
            ear.hear(index + 0.06 * place, [part])
            frame = ear.frame(index + 0.06 * place + 0.05)
            if index > 3:
                heard.append(frame.request_rate[0])
                assert frame.latency_rate.sum() > 0.0
    assert np.asarray(heard) == pytest.approx(10.0, rel=0.08)
    assert ear.frame(12.9).fresh


def test_a_queue_that_drains_is_no_burst() -> None:
    service, ear = Service(), Ear()
    for index in range(5):
        service.serve(10)
        ear.hear(index, service.push(index))
        ear.frame(index + 0.05)
    held = []
    for index in range(5, 65):
        service.serve(10)
        held.append(service.push(index))
    for place, sent in enumerate(held):
        ear.hear(65.0 + 0.01 * place, sent)
    ear.frame(65.6)
    assert any("later than before" in text for text in ear.panels.notices())
    for index in range(66, 80):
        service.serve(10)
        ear.hear(index, service.push(index))
        frame = ear.frame(index + 0.05)
        assert not frame.request_rate[0] > 60.0
    assert frame.request_rate == pytest.approx([10.0])


def test_a_clock_that_is_set_back_does_not_silence_a_service() -> None:
    service, ear = Service(), Ear()
    for index in range(15):
        service.serve(10)
        ear.hear(index, service.push(index - (3600.0 if index > 4 else 0.0)))
        frame = ear.frame(index + 0.05)
    assert frame.request_rate == pytest.approx([10.0], rel=0.3)


def test_a_panel_that_appears_later_takes_nothing_from_the_others() -> None:
    """A counter that is made at the first fallback arrives in the middle of an incident."""
    service, ear = Service(), Ear()
    for index in range(8):
        service.serve(10)
        fallbacks = Number((("backend", "rust"),), ns(4.5), ns(index), 2.0 * (index - 4))
        extra = [metric("code_live.fallbacks", "sum", fallbacks)] if index > 4 else []
        ear.hear(index, service.push(index) + extra)
        frame = ear.frame(index + 0.05)
        if index:
            assert frame.request_rate == pytest.approx([10.0])
    assert frame.fallback_ratio == pytest.approx([6.0 / 40.0])


def test_parts_of_a_round_that_nobody_wants_take_no_time_away() -> None:
    service, ear = Service(), Ear()
    for index in range(8):
        service.serve(10)
        ear.hear(index, service.push(index))
        ear.hear(index + 0.3, [metric("jvm.memory.used", "gauge", Number((), 0, ns(index), 1.0))])
        frame = ear.frame(index + 0.35)
    assert frame.request_rate == pytest.approx([10.0])


def test_a_slow_pusher_that_joins_fast_ones_is_no_burst() -> None:
    fast, slow, ear = Service(), Service(resource=OTHER, backend="go"), Ear()
    for index in range(400):
        fast.serve(10)
        slow.serve(10)
        ear.hear(index, fast.push(index))
        if index % 60 == 30:
            ear.hear(index + 0.5, slow.push(index + 0.5))
        frame = ear.frame(index + 0.55)
        assert not (frame.request_rate > 16.0).any()
    assert frame.request_rate == pytest.approx([10.0, 10.0], rel=0.35)


def test_gauges_are_summed_over_series_and_vanish_with_them() -> None:
    ear = Ear()

    def queue(t_s: float, *levels: float) -> list[Metric]:
        points = [Number((("shard", str(i)),), 0, ns(t_s), level) for i, level in enumerate(levels)]
        return [metric("code_live.queue_depth", "gauge", *points)]

    ear.hear(0.0, queue(0.0, 3.0, 4.0))
    assert ear.frame(0.05).queue_depth == 7.0
    for index in range(1, 8):
        ear.hear(index, queue(index, 5.0))
    assert ear.frame(7.05).queue_depth == 5.0
    assert math.isnan(ear.frame(30.0).queue_depth)


def test_an_up_down_counter_is_a_level_in_both_temporalities() -> None:
    for temporality, values in (("cumulative", (3.0, 5.0, 4.0)), ("delta", (3.0, 2.0, -1.0))):
        ear = Ear()
        for index, value in enumerate(values):
            point = Number((), ns(index - 1.0), ns(index), value)
            sent = metric("code_live.active_requests", "sum", point, temporality=temporality, is_monotonic=False)
            ear.hear(index, [sent])
        assert ear.frame(2.05).active_requests == 4.0


def latency_of(ear: Ear, name: str, kind: str, points: list[Point], unit: str) -> float:
    for index, point in enumerate(points):
        ear.hear(index, [metric(name, kind, point._replace(time_ns=ns(index), start_ns=ns(-50.0)), unit=unit)])
    return float(ear.frame(len(points) - 0.95).latency_quantile_s(0.5)[0])


def test_every_kind_tells_the_latency_in_its_own_unit() -> None:
    name = "code_live.request.duration"
    head = ((("backend", "rust"),), 0, 0)
    explicit = [Histogram(*head, n, 100.0 * n, (50.0, 90.0, 110.0, 500.0), np.array([0, 0, n, 0, 0.0])) for n in (1, 9)]
    assert latency_of(Ear(), name, "histogram", list(explicit), "ms") == pytest.approx(0.1, rel=0.3)
    place = np.array([math.ceil(math.log2(0.1) * 8) - 1])
    powers = [Exponential(*head, n, 0.1 * n, 3, 0.0, place, np.array([float(n)])) for n in (1, 9)]
    assert latency_of(Ear(), name, "exponential", list(powers), "s") == pytest.approx(0.1, rel=0.3)
    summaries = [Histogram(*head, n, 1e8 * n, (), np.empty(0)) for n in (1, 9)]
    assert latency_of(Ear(), name, "summary", list(summaries), "ns") == pytest.approx(0.1, rel=0.3)
    bare = [Histogram(*head, n, 0.1 * n, (), np.empty(0)) for n in (1, 9)]
    assert latency_of(Ear(), "code_live_request_duration_seconds", "histogram", list(bare), "") == pytest.approx(
        0.1, rel=0.3
    )


def test_bounds_that_were_made_for_ms_are_said_once_and_give_the_average() -> None:
    ear, heard = Ear(), []
    counts = np.zeros(len(DEFAULT_BOUNDS) + 1)
    for index in range(5):
        counts[1] += 20
        total = float(counts.sum())
        point = Histogram((("backend", "go"),), ns(-9.0), ns(index), total, 0.02 * total, DEFAULT_BOUNDS, counts.copy())
        ear.hear(index, [metric("code_live.request.duration", "histogram", point, unit="s")])
        frame = ear.frame(index + 0.05)
        heard += ear.panels.notices()
    assert len([text for text in heard if "made for ms" in text]) == 1
    assert frame.latency_quantile_s(0.95)[0] == pytest.approx(0.02, rel=0.5)


def test_bounds_in_ms_are_no_trap() -> None:
    ear = Ear()
    counts = np.zeros(len(DEFAULT_BOUNDS) + 1)
    for index in range(3):
        counts[1] += 20
        point = Histogram((), ns(-9.0), ns(index), 1.0, 1.0, DEFAULT_BOUNDS, counts.copy())
        ear.hear(index, [metric("code_live.request.duration", "histogram", point, unit="ms")])
        ear.frame(index + 0.05)
    assert not any("made for ms" in text for text in ear.panels.notices())


def test_batches_of_both_kinds_of_histogram() -> None:
    head = ((), ns(-9.0))
    for kind in ("histogram", "exponential"):
        ear = Ear()
        for index in range(2):
            number = 10.0 * index
            point: Point = (
                Histogram(*head, ns(index), number, 0.0, (1.0, 2.0, 4.0), np.array([0.0, 0.0, number, 0.0]))
                if kind == "histogram"
                else Exponential(*head, ns(index), number, 0.0, 0, 0.0, np.array([1]), np.array([number]))
            )
            ear.hear(index, [metric("code_live.batch_size", kind, point)])
            frame = ear.frame(index + 0.05)
        edges = frame.layout.batch_edges
        assert frame.batch_rate.sum() == pytest.approx(10.0)
        assert frame.batch_rate[np.searchsorted(edges, 4.0) - 1] == pytest.approx(10.0)


def test_names_that_nobody_wants_are_told() -> None:
    ear = Ear()
    ear.hear(0.0, [metric("jvm.memory.used", "gauge", Number((), 0, ns(0.0), 1.0))])
    assert not ear.frame(0.05).fresh
    assert "none of the 1 metrics" in ear.panels.router.problem


def test_auto_waits_for_names_that_fit() -> None:
    ear, service = Ear("auto"), Service()
    ear.hear(0.0, [metric("jvm.memory.used", "gauge", Number((), 0, ns(0.0), 1.0))])
    assert "no preset fits" in ear.panels.router.problem
    for index in range(1, 4):
        service.serve(10)
        ear.hear(index, service.push(index))
        frame = ear.frame(index + 0.05)
    assert frame.request_rate == pytest.approx([10.0])
    assert any("code-live" in text for text in ear.panels.notices())


def test_series_are_bounded_and_the_sender_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_panels, "MAX_SERIES", 5)
    ear = Ear()
    points = [Number((("backend", str(i)),), ns(-1.0), ns(0.0), 1.0) for i in range(20)]
    receipt = ear.hear(0.0, [metric("code_live.requests", "sum", *points)])
    assert receipt.rejected == 15
    assert "series" in receipt.message
    assert any("the rest is left out" in text for text in ear.panels.notices())


def test_pushers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_panels, "MAX_PUSHERS", 3)
    ear = Ear()
    for index in range(10):
        point = Number((), ns(-1.0), ns(0.0), 1.0)
        receipt = ear.hear(0.1 * index, [metric("code_live.requests", "sum", point, resource=(("id", str(index)),))])
    assert receipt.rejected == 1
    ear.frame(500.0)  # all are lost: their places are free
    assert ear.hear(500.0, [metric("code_live.requests", "sum", point, resource=(("id", "new"),))]).rejected == 0


def test_values_that_are_no_numbers_leave_counters_alone() -> None:
    ear = Ear()
    for index, value in enumerate((0.0, 10.0, math.nan, math.inf, *range(40, 130, 10))):
        ear.hear(index, [metric("code_live.requests", "sum", Number((), ns(-9.0), ns(index), value))])
        frame = ear.frame(index + 0.05)
        assert not frame.request_rate[0] < 0.0
    assert frame.request_rate == pytest.approx([10.0])
