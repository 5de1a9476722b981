"""The simulated service: a discrete-event queueing simulation that can be taken further step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.kernel import kernels_are_compiled, mark_kernels_compiled
from sonify.metrics.bands import LatencyBands
from sonify.metrics.recording import Event
from sonify.simulation.loop import run
from sonify.simulation.scenarios import BackendProfile, Fault, Scenario, find_scenario
from sonify.simulation.state import (
    MAX_BACKENDS,
    MAX_BANDS,
    MAX_BATCH,
    MAX_QUEUE,
    MAX_WINDOW,
    POOL_STRIDE,
    PROFILE,
    State,
    new_state,
)
from sonify.simulation.timeline import event_of, make_cycle

__all__ = ["MeanTimes", "Simulation", "Snapshot"]

Counts = NDArray[np.int64]
_LIMITS = {"workers": POOL_STRIDE, "batch_limit": MAX_BATCH, "queue_limit": MAX_QUEUE, "window": MAX_WINDOW}
_COMPILING = "compiling the simulator (first run) …"


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All counters and gauges at one instant. Counters only ever rise.

    Attributes
    ----------
    t_s : float
        Simulated s.
    requests : int array (backends, statuses)
        Answered requests by the backend that was asked for; see `STATUSES`.
    band_counts : int array (backends, bands)
        The same requests by latency, on the engine's bands.
    le_counts : int array (backends, len(LE_EDGES_S) + 1)
        Again, non-cumulative, on the buckets of the exposition.
    latency_sum_s : float array (backends,)
        Sum of all latencies.
    fallbacks, glitches, breaker_openings : int array (backends,)
        Requests that another backend served; stalls of a worker; times that the breaker opened.
    batches : int array (MAX_BATCH + 1,)
        Batches by their size.
    queue_depth, active_requests : int
        Requests that wait, and that are worked on, now.
    """

    t_s: float
    requests: Counts
    band_counts: Counts
    le_counts: Counts
    latency_sum_s: NDArray[np.float64]
    fallbacks: Counts
    glitches: Counts
    breaker_openings: Counts
    batches: Counts
    queue_depth: int
    active_requests: int


@dataclass(frozen=True, slots=True, eq=False)
class MeanTimes:
    """What queueing theory speaks about, measured from 0 s up to the last event.

    Attributes
    ----------
    t_s : float
        Time of the last event.
    queued, active, in_system : float
        Time averages of the numbers of requests that wait, are worked on, and are anywhere in the service.
    wait_s : float array (backends,)
        Mean wait in the queue of an attempt that was served.
    served : int array (backends,)
        Attempts served.
    busy_ratio : float array (backends,)
        Share of the pool's time that was work.
    """

    t_s: float
    queued: float
    active: float
    in_system: float
    wait_s: NDArray[np.float64]
    served: Counts
    busy_ratio: NDArray[np.float64]


class Simulation:
    """A scenario that runs; same scenario, bands and seed, same result, however it is cut into steps.

    Parameters
    ----------
    scenario : Scenario or str
        What runs, or its name.
    seed : int
        Of all randomness.
    bands : LatencyBands
        Layout of `Snapshot.band_counts`.
    on_compile : callable, optional
        Gets one line of text if the kernels are about to be compiled, which takes a while.
    """

    def __init__(
        self,
        scenario: Scenario | str,
        seed: int = 0,
        *,
        bands: LatencyBands = LatencyBands(),  # noqa: B008  (frozen)
        on_compile: Callable[[str], None] | None = None,
    ) -> None:
        self.scenario = find_scenario(scenario) if isinstance(scenario, str) else scenario
        self.seed = seed
        self.bands = bands
        self.t_s = 0.0
        if bands.count > MAX_BANDS:
            raise ValueError(f"{bands.count} latency bands; the simulation keeps at most {MAX_BANDS}")
        self._state = new_state(_profile_records(self.scenario), bands.edges_s, seed)
        self._faults: list[Fault] = []
        self._cycle_index = -1
        self._next_cycle()
        _compile(self._state, on_compile)

    @property
    def backends(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(profile.name for profile in self.scenario.backends)

    @property
    def profiles(self) -> tuple[BackendProfile, ...]:
        """What the backends are like, with their true capacity."""
        return self.scenario.backends

    def advance(self, until_s: float) -> None:
        """Let everything happen that is due up to `until_s` (simulated s); a time that is past changes nothing."""
        while self._cycle.end_s <= until_s:
            run(self._state, self._cycle.row_t, self._cycle.rows, self._cycle.end_s)
            self._next_cycle()
        run(self._state, self._cycle.row_t, self._cycle.rows, float(until_s))
        self.t_s = max(self.t_s, float(until_s))

    def _next_cycle(self) -> None:
        self._cycle_index += 1
        self._cycle = make_cycle(self.scenario, self.seed, self._cycle_index)
        self._faults += self._cycle.faults
        self._state["row"] = 0

    def source_is_lost(self) -> bool:
        """Whether the source of the metrics is gone now, while the service runs on."""
        return any(fault.kind == "source_lost" and fault.begin_s <= self.t_s < fault.end_s for fault in self._faults)

    def events(self, start_s: float = 0.0) -> tuple[Event, ...]:
        """List what was injected up to now: the simulation's own truth. `start_s` is where its 0 s lies, Unix s."""
        return tuple(event_of(fault, start_s) for fault in self._faults if fault.begin_s < self.t_s)

    def breaker_states(self) -> tuple[int, ...]:
        """State of each backend's breaker now: CLOSED, OPEN or PROBING of `sonify.simulation.breaker`."""
        return tuple(int(state) for state in self._per_backend("breaker"))

    def snapshot(self) -> Snapshot:
        """Copy all counters and gauges as they are now."""
        state, num = self._state, len(self.profiles)
        return Snapshot(
            t_s=self.t_s,
            requests=state["answered"][:num].copy(),
            band_counts=state["bands"][:num, : self.bands.count].copy(),
            le_counts=state["le"][:num].copy(),
            latency_sum_s=self._per_backend("latency_sum_s"),
            fallbacks=self._per_backend("fallbacks"),
            glitches=self._per_backend("glitches"),
            breaker_openings=self._per_backend("openings"),
            batches=state["batches"].copy(),
            queue_depth=int(state["queued"]),
            active_requests=int(state["active"]),
        )

    def _per_backend(self, field: str) -> NDArray[Any]:
        return np.array(self._state["backends"][field][: len(self.profiles)])

    def mean_times(self) -> MeanTimes:
        """Averages since 0 s; NaN before the first event or where nothing was served."""
        state, t_s = self._state, float(self._state["last_event_s"])
        workers = np.asarray([profile.workers for profile in self.profiles])
        served = self._per_backend("served")
        with np.errstate(divide="ignore", invalid="ignore"):
            return MeanTimes(
                t_s=t_s,
                queued=float(state["queued_area_s"] / t_s),
                active=float(state["active_area_s"] / t_s),
                in_system=float(state["in_system_area_s"] / t_s),
                wait_s=self._per_backend("wait_s") / served,
                served=served,
                busy_ratio=self._per_backend("busy_s") / (workers * t_s),
            )


def _profile_records(scenario: Scenario) -> NDArray[np.void]:
    """Check the profiles of a scenario, and write them as the kernels read them."""
    names = [profile.name for profile in scenario.backends]
    if not 1 <= len(names) <= MAX_BACKENDS:
        raise ValueError(f"{scenario.name}: {len(names)} backends; allowed: 1–{MAX_BACKENDS}")
    records = np.zeros(len(names), PROFILE)
    for record, profile in zip(records, scenario.backends, strict=True):
        for key, most in _LIMITS.items():
            if not 1 <= getattr(profile, key) <= most:
                raise ValueError(f"{scenario.name}, {profile.name}: {key} is {getattr(profile, key)}, not 1–{most}")
        for key in PROFILE.names or ():
            if key != "fallback":
                record[key] = getattr(profile, key)
        record["fallback"] = names.index(profile.fallback) if profile.fallback else -1
    return records


def _compile(state: State, on_compile: Callable[[str], None] | None) -> None:
    """Make sure the kernels are there: an empty run does nothing but load or compile them."""
    fresh = not kernels_are_compiled("simulation")
    if fresh and on_compile is not None:
        on_compile(_COMPILING)
    run(state, np.zeros(0), np.zeros((0, *state["level"].shape)), -1.0)
    if fresh:
        mark_kernels_compiled("simulation")
