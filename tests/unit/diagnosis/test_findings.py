"""Findings: few requests prove nothing, what stands is said once, what was not measured is never found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.diagnosis.findings import Finding, diagnose, incidents, not_measured
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Recording

LIMITS = load_sound_preset("code-live").limits
BANDS = LatencyBands()
CALM_S, SLOW_S = 0.02, 5.0


def recording(
    *, frames: int = 60, rate: float = 8.0, interval_s: float = 5.0, backends: tuple[str, ...] = ("rust", "go")
) -> Recording:
    """A calm service: `rate` requests a second in each backend, all of 20 ms."""
    shape = (frames, len(backends))
    latency = np.zeros((*shape, BANDS.count))
    latency[:, :, band(CALM_S)] = rate
    return Recording(
        layout=Layout(interval_s, backends, BANDS.edges_s, np.empty(0)),
        source="test",
        events=(),
        t=1_700_000_000.0 + interval_s * np.arange(1, frames + 1),
        request_rate=np.full(shape, rate),
        error_ratio=np.zeros(shape),
        fallback_ratio=np.zeros(shape),
        glitch_rate=np.zeros(shape),
        latency_rate=latency,
        batch_rate=np.empty((frames, 0)),
        queue_depth=np.zeros(frames),
        active_requests=np.ones(frames),
        fresh=np.ones(frames, dtype=np.bool_),
    )


def band(latency_s: float) -> int:
    return int(np.searchsorted(BANDS.edges_s, latency_s, side="right")) - 1


def slow(calm: Recording, rows: slice, backend: int = 0, share: float = 1.0) -> Recording:
    latency = calm.latency_rate.copy()
    total = latency[rows, backend].sum(axis=1)
    latency[rows, backend, band(CALM_S)] = (1.0 - share) * total
    latency[rows, backend, band(SLOW_S)] = share * total
    return replace(calm, latency_rate=latency)


def found(of: Recording) -> list[tuple[str, str, str]]:
    return [(one.panel, one.backend, one.state) for one in diagnose(of, LIMITS)]


def test_a_calm_service_has_no_findings() -> None:
    assert found(recording()) == []


def test_a_slow_spell_is_found_with_its_time_its_worst_and_what_to_do() -> None:
    calm = recording()
    (one,) = diagnose(slow(calm, slice(20, 30)), LIMITS)
    assert (one.panel, one.backend, one.state) == ("latency_p95", "rust", "red")
    assert one.since_s == pytest.approx(calm.t[19])
    assert one.until_s == pytest.approx(calm.t[29])
    assert one.ratio == pytest.approx(one.worst / LIMITS["latency_p95"].red)
    assert 4.0 < one.worst < 7.0
    assert one.confidence > 1.0 - 1e-6
    assert not one.ongoing
    assert "heatmap" in one.action
    assert one.sentence.startswith("rust: latency (p95) red, up to ")
    assert "for 50 s" in one.sentence


def test_one_slow_request_among_few_proves_nothing() -> None:
    thin = recording(rate=0.4)  # two requests a frame: one of them is half
    assert found(slow(thin, slice(20, 21), share=0.5)) == []
    assert found(slow(recording(rate=18.0), slice(20, 21), share=0.5)) == [("latency_p95", "rust", "red")]


def test_the_same_share_is_found_once_it_lasts() -> None:
    thin = recording(rate=0.4, frames=120)
    assert ("latency_p95", "rust", "red") in found(slow(thin, slice(40, 60), share=0.5))


def test_what_stands_all_the_time_is_said_once() -> None:
    findings = diagnose(slow(recording(), slice(0, 60)), LIMITS)
    assert [one.standing for one in findings] == [True]
    assert "does the limit suit this system?" in findings[0].sentence


def test_what_is_worse_at_times_is_heard_of_beside_what_stands() -> None:
    always_yellow = recording(rate=18.0)
    errors = np.full((60, 2), [0.02, 0.0])
    errors[30:35, 0] = 0.5
    findings = diagnose(replace(always_yellow, error_ratio=errors), LIMITS)
    assert {(one.state, one.standing) for one in findings} == {("yellow", True), ("red", False)}


def test_what_comes_and_goes_is_one_finding_that_counts() -> None:
    flapping = recording(frames=120)
    ratios = flapping.fallback_ratio.copy()
    for begin in range(10, 100, 12):
        ratios[begin : begin + 4, 1] = 1.0
    (one,) = diagnose(replace(flapping, fallback_ratio=ratios), LIMITS)
    assert (one.panel, one.backend, one.times) == ("fallback_ratio", "go", 8)


def test_a_gauge_needs_two_looks() -> None:
    calm = recording()
    queue = calm.queue_depth.copy()
    queue[10] = 500.0
    assert found(replace(calm, queue_depth=queue)) == []
    queue[11] = 500.0
    assert found(replace(calm, queue_depth=queue)) == [("queue_depth", "", "red")]


def test_a_backend_far_from_its_own_normal_is_unusual_within_the_limits() -> None:
    calm = recording(rate=20.0)
    latency = calm.latency_rate.copy()
    latency[20:30, 0] = 0.0
    latency[20:30, 0, band(0.2)] = 20.0
    assert found(replace(calm, latency_rate=latency)) == [("latency_p95", "rust", "unusual")]


def test_traffic_that_breaks_off_and_traffic_that_doubles() -> None:
    calm = recording(rate=6.0)
    rate = calm.request_rate.copy()
    rate[30:36, 1] = 0.2
    rate[45:50, 0] = 19.0
    assert set(found(replace(calm, request_rate=rate))) == {
        ("traffic", "go", "unusual"),
        ("request_rate", "rust", "unusual"),
    }


def test_a_lost_source_and_a_gap_are_findings_and_one_lost_frame_is_none() -> None:
    calm = recording()
    fresh = calm.fresh.copy()
    fresh[10] = False
    assert found(replace(calm, fresh=fresh)) == []
    fresh[10:14] = False
    (one,) = diagnose(replace(calm, fresh=fresh), LIMITS)
    assert (one.panel, one.state, one.until_s - one.since_s) == ("source", "stale", pytest.approx(20.0))
    late = np.where(np.arange(60) >= 30, 60.0, 0.0)
    (one,) = diagnose(replace(calm, t=calm.t + late), LIMITS)
    assert (one.panel, one.until_s - one.since_s) == ("source", pytest.approx(60.0))


def test_what_was_not_measured_is_named_and_never_found() -> None:
    calm = recording()
    blank = replace(calm, error_ratio=np.full((60, 2), np.nan), queue_depth=np.full(60, np.nan))
    assert not_measured(blank) == ["error_ratio", "queue_depth", "batch_size"]
    assert found(blank) == []


def test_findings_that_overlap_are_one_incident_and_begin_with_what_came_first() -> None:
    both = slow(slow(recording(), slice(20, 30), backend=1), slice(24, 40), backend=0)
    (incident,) = incidents(diagnose(both, LIMITS))
    assert [one.backend for one in incident] == ["go", "rust"]


@given(extra=st.integers(1, 200), share=st.floats(0.2, 1.0))
def test_calm_time_before_adds_no_finding_and_takes_none_away(extra: int, share: float) -> None:
    short, long = recording(frames=60), recording(frames=60 + extra)
    before = found(slow(short, slice(40, 50), share=share))
    after = found(slow(long, slice(40 + extra, 50 + extra), share=share))
    assert after == before


@given(factor=st.floats(1.0, 50.0), share=st.floats(0.0, 1.0), length=st.integers(1, 12))
def test_more_requests_never_take_a_latency_finding_away(factor: float, share: float, length: int) -> None:
    def latency_findings(rate: float) -> set[tuple[str, str, str]]:
        spell = slow(recording(rate=rate), slice(20, 20 + length), share=share)
        return {one for one in found(spell) if one[0] == "latency_p95"}

    few, many = latency_findings(1.0), latency_findings(factor)
    rank = {"unusual": 0, "yellow": 1, "red": 2}
    assert len(many) >= len(few)
    assert max((rank[one[2]] for one in many), default=-1) >= max((rank[one[2]] for one in few), default=-1)


def test_a_finding_is_frozen() -> None:
    assert Finding.__dataclass_params__.frozen  # type: ignore[attr-defined]
