"""The simulated service obeys queueing theory, and its scenarios do what they say."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonify.metrics.panels import PANELS, Limits, State
from sonify.metrics.recording import Recording
from sonify.readers.simulation import simulate_recording
from sonify.simulation.breaker import CLOSED
from sonify.simulation.scenarios import SCENARIOS, BackendProfile, Fault, Load, Scenario
from sonify.simulation.service import Simulation, Snapshot

BACKENDS = ("rust", "ts", "go", "csharp", "sql", "julia")
HEALTHY = ("quiet", "silence")
STEADY = Load(level=1.0, day_ratio=0.0, wander_ratio=0.0)


def erlang_c_wait_s(arrival_rate: float, mean_service_s: float, servers: int) -> float:
    """Mean wait in an M/M/c queue (Erlang 1917)."""
    offered = arrival_rate * mean_service_s
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(terms) + last) * mean_service_s / (servers - offered)


def lone_queue(workers: int, mean_service_s: float, request_rate: float, **changes: float | bool) -> Simulation:
    plain = BackendProfile(
        "only",
        median_s=mean_service_s * math.log(2.0),
        spread=0.0,
        workers=workers,
        request_rate=request_rate,
        exponential=True,
        group_ratio=0.0,
        batch_limit=1,
        queue_limit=4096,
        failure_ratio=0.0,
        max_attempts=1,
        attempt_timeout_s=math.inf,
        deadline_s=math.inf,
        bad_ratio=2.0,
    )
    return Simulation(Scenario("lone", "one queue", (replace(plain, **changes),), STEADY), seed=11)  # type: ignore[arg-type]


@pytest.mark.parametrize(("workers", "utilisation"), [(1, 0.5), (1, 0.8), (4, 0.7), (8, 0.9)])
def test_the_mean_wait_is_that_of_erlang_c(workers: int, utilisation: float) -> None:
    mean_service_s = 0.05
    rate = utilisation * workers / mean_service_s
    simulation = lone_queue(workers, mean_service_s, rate)
    simulation.advance(1_000_000 / rate)
    times = simulation.mean_times()
    assert times.served[0] == pytest.approx(1e6, rel=0.01)
    assert times.wait_s[0] == pytest.approx(erlang_c_wait_s(rate, mean_service_s, workers), rel=0.06)
    assert times.busy_ratio[0] == pytest.approx(utilisation, rel=0.01)


def test_a_constant_service_waits_half_as_long_as_a_memoryless_one() -> None:
    simulation = lone_queue(1, 0.0, 14.0, exponential=False, median_s=0.05, spread=0.0)
    simulation.advance(40_000.0)
    # Pollaczek and Khinchine: (1 + squared coefficient of variation) / 2 of the wait in M/M/1
    assert simulation.mean_times().wait_s[0] == pytest.approx(erlang_c_wait_s(14.0, 0.05, 1) / 2.0, rel=0.04)


@pytest.mark.parametrize("name", ["busy", "incident", "deploy", "overload", "chaos"])
def test_littles_law(name: str) -> None:
    simulation = Simulation(name, seed=1)
    simulation.advance(3600.0)
    now, times = simulation.snapshot(), simulation.mean_times()
    answered = now.requests.sum()
    mean_latency_s = now.latency_sum_s.sum() / answered
    assert times.in_system == pytest.approx(answered / times.t_s * mean_latency_s, rel=1e-3)
    assert times.queued <= times.in_system
    # the wait of those that were served, and of no one else unless a deadline or a lost connection ended it
    assert times.queued >= np.nansum(times.wait_s * times.served) / times.t_s * (1.0 - 1e-9)


def test_little_holds_for_the_workers_alone() -> None:
    simulation = lone_queue(4, 0.05, 40.0)
    simulation.advance(20_000.0)
    now, times = simulation.snapshot(), simulation.mean_times()
    served_s = now.latency_sum_s[0] / now.requests.sum() - times.wait_s[0]
    assert times.active == pytest.approx(times.served[0] / times.t_s * served_s, rel=1e-4)
    assert times.active == pytest.approx(2.0, rel=0.02)
    assert times.busy_ratio[0] == pytest.approx(times.active / 4, rel=1e-4)


def test_demand_comes_at_the_rate_asked_for_and_groups_do_not_change_it() -> None:
    for group_ratio in (0.0, 0.5):
        simulation = lone_queue(8, 0.01, 50.0, group_ratio=group_ratio)
        simulation.advance(10_000.0)
        assert simulation.snapshot().requests.sum() == pytest.approx(500_000, rel=0.01)


def test_retries_turn_rare_failures_into_rarer_errors() -> None:
    simulation = lone_queue(8, 0.01, 50.0, failure_ratio=0.2, max_attempts=3)
    simulation.advance(10_000.0)
    statuses = simulation.snapshot().requests[0]
    assert statuses[2] / statuses.sum() == pytest.approx(0.2**3, rel=0.05)
    assert simulation.mean_times().served[0] / statuses.sum() == pytest.approx(1 + 0.2 + 0.2**2, rel=0.01)


def assert_same(a: Snapshot, b: Snapshot) -> None:
    for field in fields(Snapshot):
        assert np.array_equal(getattr(a, field.name), getattr(b, field.name)), field.name


@settings(max_examples=30)
@given(
    name=st.sampled_from(sorted(SCENARIOS)),
    seed=st.integers(0, 2**40),
    cuts=st.lists(st.floats(0.0, 1500.0), max_size=40),
)
def test_steps_of_any_size_lead_to_the_same_place(name: str, seed: int, cuts: list[float]) -> None:
    whole, cut = Simulation(name, seed), Simulation(name, seed)
    whole.advance(1500.0)
    for until_s in (*sorted(cuts), 600.0, 900.0, 1200.0, 1500.0):
        cut.advance(until_s)
    assert_same(whole.snapshot(), cut.snapshot())
    assert whole.mean_times().in_system == cut.mean_times().in_system or math.isnan(whole.mean_times().in_system)
    assert whole.events() == cut.events()


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_counters_never_fall_and_fallbacks_come_only_from_open_breakers(name: str) -> None:
    simulation = Simulation(name, seed=2)
    before, open_before = simulation.snapshot(), np.zeros(len(BACKENDS), dtype=bool)
    last_open_s = np.full(len(BACKENDS), -math.inf)
    for second in range(1, 1201):
        simulation.advance(float(second))
        now = simulation.snapshot()
        for field in ("requests", "band_counts", "le_counts", "latency_sum_s", "fallbacks", "glitches", "batches"):
            assert np.all(getattr(now, field) >= getattr(before, field)), field
        is_open = np.asarray(simulation.breaker_states()) != CLOSED
        opened = now.breaker_openings > before.breaker_openings
        last_open_s[is_open | opened | open_before] = second
        fell_back = now.fallbacks > before.fallbacks
        # a fallback counts when it is answered: at most a deadline and its retries after it was sent elsewhere
        assert np.all(second - last_open_s[fell_back] < 45.0)
        before, open_before = now, is_open
    assert np.array_equal(before.fallbacks > 0, before.breaker_openings > 0)


def states(recording: Recording) -> dict[str, NDArray[np.int8]]:
    values = {
        "latency_p95": recording.latency_quantile_s(0.95),
        "queue_depth": recording.queue_depth[:, None],
        "active_requests": recording.active_requests[:, None],
    }
    return {
        panel.name: Limits(panel.yellow, panel.red).states(values.get(panel.name, getattr(recording, panel.name, None)))
        for panel in PANELS
    }


def red_frames(recording: Recording, panel: str, backend: str = "") -> NDArray[np.bool_]:
    column = BACKENDS.index(backend) if backend else 0
    return np.asarray(states(recording)[panel][:, column] == State.RED)


def times_s(recording: Recording) -> NDArray[np.float64]:
    return recording.t - recording.start_s


@pytest.mark.parametrize("seed", range(8))
def test_quiet_is_green_in_every_panel_and_frame(seed: int) -> None:
    recording = simulate_recording("quiet", seed=seed)
    assert len(recording) == 120
    for panel, state in states(recording).items():
        assert np.all(state == State.GREEN), panel
    assert np.all(recording.request_rate.mean(axis=0) > 2.0)


@pytest.mark.parametrize("seed", range(3))
def test_busy_is_yellow_at_times_and_hardly_ever_red(seed: int) -> None:
    found = states(simulate_recording("busy", seed=seed))
    assert 0.02 < np.mean(found["request_rate"] == State.YELLOW) < 0.5
    assert sum(int(np.sum(state == State.RED)) for state in found.values()) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_incident_is_red_where_it_should_be_and_recovers(seed: int) -> None:
    recording = simulate_recording("incident", seed=seed)
    at_s = times_s(recording)
    during, after = (at_s > 240.0) & (at_s <= 600.0), at_s > 720.0
    for panel, least in (("latency_p95", 30), ("error_ratio", 4), ("fallback_ratio", 8)):
        red = red_frames(recording, panel, "julia")
        assert red[during].sum() >= least, panel
        assert not red[at_s <= 240.0].any(), panel
        assert not red[after].any(), panel
    assert red_frames(recording, "active_requests")[during].sum() >= 20
    assert np.any(states(recording)["queue_depth"][during] >= State.YELLOW)
    for panel in ("latency_p95", "error_ratio", "fallback_ratio"):
        for other in BACKENDS[:-1]:
            assert not red_frames(recording, panel, other).any(), (panel, other)
    assert [event.text for event in recording.events] == ["julia: slow_dependency", "julia: errors"]
    assert recording.events[0].t == recording.start_s + 240.0


def test_deploy_bumps_every_backend_in_turn_and_briefly() -> None:
    recording = simulate_recording("deploy")
    at_s = times_s(recording)
    for index, backend in enumerate(BACKENDS):
        begin_s = 120.0 + 60.0 * index
        mine = (at_s > begin_s) & (at_s <= begin_s + 60.0)
        errors = states(recording)["error_ratio"][:, index] > State.GREEN
        assert 1 <= errors[mine].sum() <= 4, backend
        assert not errors[~mine].any(), backend
        p50_s = recording.latency_quantile_s(0.5)[:, index]
        cold = (at_s > begin_s + 10.0) & (at_s <= begin_s + 20.0)
        assert np.nanmax(p50_s[cold]) > 1.5 * np.nanmedian(p50_s[at_s <= 120.0]), backend
        assert recording.glitch_rate[mine, index].mean() > recording.glitch_rate[~mine, index].mean(), backend
    assert {event.kind for event in recording.events} == {"deploy"}


@pytest.mark.parametrize("seed", range(3))
def test_overload_fills_the_queue_and_drains(seed: int) -> None:
    recording = simulate_recording("overload", seed=seed)
    queue = recording.queue_depth
    at_s = times_s(recording)
    assert red_frames(recording, "queue_depth").sum() >= 4
    assert red_frames(recording, "latency_p95", "julia").sum() >= 10
    assert queue[at_s <= 120.0].max() < 20
    assert queue[at_s > 480.0].max() < 20
    served = recording.request_rate[:, 5]
    capacity = SCENARIOS["overload"].backends[5].batched_capacity_rate
    assert served[red_frames(recording, "queue_depth")].mean() == pytest.approx(capacity, rel=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_flapping_opens_and_closes_again_and_again(seed: int) -> None:
    recording = simulate_recording("flapping", seed=seed)
    red = red_frames(recording, "fallback_ratio", "csharp")
    assert np.sum(np.diff(red.astype(int)) == 1) >= 4
    assert np.sum(np.diff(red.astype(int)) == -1) >= 4
    for other in ("rust", "ts", "go", "sql", "julia"):
        assert np.all(recording.fallback_ratio[:, BACKENDS.index(other)] == 0.0), other


@pytest.mark.parametrize("seed", range(3))
def test_chaos_troubles_several_panels_and_backends(seed: int) -> None:
    recording = simulate_recording("chaos", seed=seed)
    found = states(recording)
    assert sum(bool(np.any(state == State.RED)) for state in found.values()) >= 3
    assert len({event.text for event in recording.events}) >= 5
    for event in recording.events:
        if event.text.endswith("glitch_storm"):
            backend = BACKENDS.index(event.text.partition(":")[0])
            inside = (recording.t > event.t) & (recording.t <= (event.end or 0.0))
            assert recording.glitch_rate[inside, backend].mean() > 0.1


def test_silence_is_true_zero_and_fresh() -> None:
    recording = simulate_recording("silence", duration_s=3600.0)
    assert recording.fresh.all()
    for name in ("request_rate", "error_ratio", "fallback_ratio", "glitch_rate", "latency_rate", "batch_rate"):
        assert np.all(getattr(recording, name) == 0.0), name
    assert np.all(recording.queue_depth == 0.0)
    assert np.all(recording.active_requests == 0.0)


def test_a_lost_source_is_stale_and_unmeasured_and_comes_back() -> None:
    recording = simulate_recording("source-lost")
    at_s = times_s(recording)
    lost = (at_s >= 240.0) & (at_s < 420.0)
    assert np.array_equal(recording.fresh, ~lost)
    assert np.all(np.isnan(recording.request_rate[lost]))
    assert np.all(np.isnan(recording.queue_depth[lost]))
    # one look after the loss tells gauges; rates take two
    back = np.flatnonzero(~lost & (at_s >= 420.0))
    assert np.isfinite(recording.queue_depth[back]).all()
    assert np.isnan(recording.request_rate[back[0]]).all()
    assert np.all(np.isfinite(recording.request_rate[back[1:]]))
    assert recording.request_rate[back[1:]].mean() == pytest.approx(
        recording.request_rate[at_s < 240.0].mean(), rel=0.15
    )


def test_a_killed_worker_fails_its_batch_and_a_pool_that_is_gone_refuses() -> None:
    scenario = Scenario(
        "gone",
        "the only pool goes away",
        (BackendProfile("only", 0.05, 0.1, workers=2, request_rate=10.0, max_attempts=1, bad_ratio=2.0),),
        STEADY,
        faults=(Fault("handover", "only", 100.0, 200.0, 0.0),),
    )
    simulation = Simulation(scenario)
    simulation.advance(100.0 - 1e-9)
    before = simulation.snapshot()
    simulation.advance(200.0 - 1e-9)
    gone = simulation.snapshot()
    assert np.array_equal(gone.requests[0, :2], before.requests[0, :2])
    assert gone.requests[0, 3] > 800
    assert gone.active_requests == 0
    simulation.advance(300.0)
    assert simulation.snapshot().requests[0, 0] > gone.requests[0, 0] + 800
