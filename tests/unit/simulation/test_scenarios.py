"""The table of scenarios: what is in it, and how it is looked up."""

from __future__ import annotations

import math

import pytest

from sonify.errors import ReaderError
from sonify.simulation.scenarios import FAULT_KINDS, SCENARIOS, BackendProfile, find_scenario
from sonify.simulation.timeline import make_cycle

NAMES = ["quiet", "busy", "incident", "deploy", "overload", "flapping", "chaos", "silence", "source-lost"]


def test_all_scenarios_are_there() -> None:
    assert list(SCENARIOS) == NAMES
    assert all(scenario.name == name for name, scenario in SCENARIOS.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_has_six_backends_and_its_fallbacks_and_faults_exist(name: str) -> None:
    scenario = SCENARIOS[name]
    backends = [profile.name for profile in scenario.backends]
    assert backends == ["rust", "ts", "go", "csharp", "sql", "julia"]
    for profile in scenario.backends:
        assert profile.fallback in backends
        assert profile.fallback != profile.name
    for fault in scenario.faults:
        assert fault.kind in FAULT_KINDS
        assert fault.backend is None or fault.backend in backends
        assert 0.0 <= fault.begin_s < fault.end_s <= scenario.duration_s


def test_rust_is_fastest_and_julia_slowest_and_heavy_tailed() -> None:
    backends = {profile.name: profile for profile in SCENARIOS["busy"].backends}
    means_s = {name: profile.mean_service_s for name, profile in backends.items()}
    assert min(means_s, key=lambda name: means_s[name]) == "rust"
    assert max(means_s, key=lambda name: means_s[name]) == "julia"
    assert backends["julia"].tail_ratio == max(profile.tail_ratio for profile in backends.values())


def test_capacity_is_workers_over_mean_service() -> None:
    plain = BackendProfile("a", 0.1, 0.0, workers=4, request_rate=1.0, batch_limit=1)
    assert plain.mean_service_s == pytest.approx(0.1)
    assert plain.capacity_rate == plain.batched_capacity_rate == pytest.approx(40.0)
    memoryless = BackendProfile("b", 0.1 * math.log(2.0), 0.0, workers=1, request_rate=1.0, exponential=True)
    assert memoryless.mean_service_s == pytest.approx(0.1)
    batched = BackendProfile("c", 0.1, 0.0, workers=1, request_rate=1.0, batch_limit=5, batch_cost=0.25)
    assert batched.batched_capacity_rate == pytest.approx(10.0 * 5.0 / 2.0)


def test_demand_of_overload_is_over_its_true_capacity_and_everywhere_else_under() -> None:
    for name, scenario in SCENARIOS.items():
        for profile in scenario.backends:
            surge = max(
                (f.size for f in scenario.faults if f.kind == "surge" and f.backend == profile.name), default=1.0
            )
            over = profile.request_rate * surge > profile.batched_capacity_rate
            assert over == (name == "overload" and profile.name == "julia"), profile.name


def test_an_unknown_scenario_names_the_nearest_and_lists_all() -> None:
    with pytest.raises(ReaderError) as caught:
        find_scenario("Incidents")
    assert "did you mean incident?" in str(caught.value)
    assert all(name in str(caught.value) for name in NAMES)
    assert "\n" not in str(caught.value)


def test_later_cycles_have_seeded_faults_at_plausible_intervals() -> None:
    scenario = SCENARIOS["incident"]
    day = [make_cycle(scenario, 7, index) for index in range(96)]
    troubled = [cycle for cycle in day if cycle.faults]
    assert day[0].faults
    assert 3 <= len(troubled) <= 30
    assert len({fault.backend for cycle in troubled for fault in cycle.faults}) >= 3
    for cycle in troubled:
        assert all(cycle.begin_s <= fault.begin_s < fault.end_s <= cycle.end_s for fault in cycle.faults)
    assert [cycle.faults for cycle in day] == [make_cycle(scenario, 7, index).faults for index in range(96)]
    assert [cycle.faults for cycle in day] != [make_cycle(scenario, 8, index).faults for index in range(96)]
