"""Diagnosis against the simulator, whose truth is known: faults, capacity, recovery; and against real recordings."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sonify.diagnosis.compressor import compressor_figures
from sonify.diagnosis.findings import Finding, diagnose
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.recording_format import load_recording
from sonify.readers.simulation import simulate_recording
from sonify.simulation.scenarios import find_scenario
from sonify.simulation.service import Simulation

SEEDS = range(50)
LIMITS = load_sound_preset("code-live").limits
INTERVAL_S = 5.0


@cache
def findings_of(scenario: str, seed: int) -> list[tuple[Finding, float, float]]:
    """Findings with their begin and end in s of the simulation."""
    recording = simulate_recording(scenario, seed=seed)
    return [
        (one, one.since_s - recording.start_s, one.until_s - recording.start_s) for one in diagnose(recording, LIMITS)
    ]


@pytest.mark.parametrize("scenario", ["quiet", "silence"])
def test_nothing_is_found_where_nothing_is_wrong(scenario: str) -> None:
    assert [one.sentence for seed in SEEDS for one, _, _ in findings_of(scenario, seed)] == []


# panels any of which shows the fault, its backend, when it begins, and how late its first trace may be
FAULTS = [
    ("incident", {"latency_p95"}, "julia", 240.0, 2 * INTERVAL_S),
    # failures show once the retries of requests that take seconds are used up
    ("incident", {"error_ratio", "fallback_ratio"}, "julia", 420.0, 5 * INTERVAL_S),
    ("flapping", {"error_ratio", "fallback_ratio"}, "csharp", 90.0, 2 * INTERVAL_S),
    ("source-lost", {"source"}, "", 240.0, 2 * INTERVAL_S),
    # demand swells slowly: the double is reached after a while
    ("overload", {"request_rate", "latency_p95"}, "julia", 120.0, 8 * INTERVAL_S),
]


@pytest.mark.parametrize(("scenario", "panels", "backend", "begin_s", "late_s"), FAULTS)
def test_every_fault_is_found_with_panel_backend_and_time(
    scenario: str, panels: set[str], backend: str, begin_s: float, late_s: float
) -> None:
    for seed in SEEDS:
        begins = [
            since
            for one, since, _ in findings_of(scenario, seed)
            if (one.panel, one.backend) in {(panel, backend) for panel in panels}
        ]
        assert begins, f"seed {seed}"
        assert min(abs(begin - begin_s) for begin in begins) <= late_s, f"seed {seed}: {begins}"


def test_every_backend_of_a_rolling_restart_is_found() -> None:
    names = [profile.name for profile in find_scenario("deploy").backends]
    for seed in SEEDS:
        findings = findings_of("deploy", seed)
        for index, name in enumerate(names):
            begin_s = 120.0 + 60.0 * index
            begins = [since for one, since, until in findings if one.backend == name and until > begin_s]
            assert any(abs(since - begin_s) <= 2 * INTERVAL_S for since in begins), f"seed {seed}, {name}: {begins}"


def test_capacity_is_measured_within_15_percent() -> None:
    scenario = find_scenario("overload")
    capacity = scenario.backends[-1].batched_capacity_rate
    measured = []
    for seed in SEEDS:
        threshold = compressor_figures(simulate_recording(scenario, seed=seed), 5)[0]
        assert threshold.is_known, f"seed {seed}: {threshold.sentence}"
        measured.append(threshold.value / capacity)
    assert 0.85 < min(measured) <= max(measured) < 1.15


def test_a_backend_that_slows_down_without_more_load_has_no_threshold() -> None:
    for seed in range(10):
        (figure,) = compressor_figures(simulate_recording("incident", seed=seed), 5)
        assert not figure.is_known
        assert "without more load" in figure.sentence


def true_recovery_s(seed: int) -> float:
    """From when demand falls under capacity until nothing waits, out of the simulation itself, at half a second."""
    scenario = find_scenario("overload")
    simulation, step_s = Simulation(scenario, seed), 0.5
    queue, taken_in = [], []
    for step in range(1, 1201):
        simulation.advance(step * step_s)
        now = simulation.snapshot()
        queue.append(now.queue_depth)
        taken_in.append(now.requests[5].sum() + now.queue_depth + now.active_requests)
    t = step_s * np.arange(1, 1201)
    demand = np.convolve(np.diff(taken_in, prepend=0) / step_s, np.ones(20) / 20, "same")
    pressed = t[(demand >= scenario.backends[-1].batched_capacity_rate) & (t < 500.0)][-1]
    drained = t[(t > pressed) & (np.asarray(queue) <= 2)][0]
    return float(drained - pressed)


def test_recovery_is_measured() -> None:
    """Within a quarter, or a frame, in two of three runs; half of the runs within an eighth."""
    errors, good = [], 0
    for seed in range(24):
        figures = {one.name: one for one in compressor_figures(simulate_recording("overload", seed=seed), 5)}
        truth_s, measured_s = true_recovery_s(seed), figures["release"].value
        good += abs(measured_s - truth_s) <= max(0.25 * truth_s, INTERVAL_S)
        if truth_s > 2 * INTERVAL_S:
            errors.append(abs(measured_s - truth_s) / truth_s)
    assert good >= 16
    assert np.median(errors) < 0.125


def test_the_faults_that_reach_the_front_page_are_found(real_recordings: Path) -> None:
    recording = load_recording(real_recordings / "boutique-day.jsonl.gz")
    findings = [one for one in diagnose(recording, LIMITS) if one.backend == "front-page" and not one.standing]
    p95_s = recording.latency_quantile_s(0.95)[:, 0]
    reached = [
        event
        for event in recording.events
        if np.nanmax(p95_s[(recording.t > event.t) & (recording.t <= (event.end or event.t) + 60.0)], initial=0.0) > 5.0
    ]
    assert len(reached) >= 5
    for event in reached:
        assert any(one.since_s <= (event.end or event.t) and one.until_s >= event.t for one in findings), event.text


def test_a_quiet_real_service_has_at_most_one_finding(real_recordings: Path) -> None:
    assert len(diagnose(load_recording(real_recordings / "nginx-quiet.jsonl.gz"), LIMITS)) <= 1
