"""The scenarios of the simulated service: six backends, a demand, and what goes wrong. A table, nothing else.

To add one: copy a row of `SCENARIOS`, and change its name, text and faults.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from typing import Any

from sonify.errors import ReaderError

__all__ = ["FAULT_KINDS", "SCENARIOS", "BackendProfile", "Fault", "FaultKind", "Load", "Scenario", "find_scenario"]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a kind of fault does to a backend.

    Attributes
    ----------
    field : str
        Which level it changes: ``arrivals``, ``slowness`` and ``workers`` are multiplied by its size, ``glitches``
        (1/s) and ``failure`` (0–1) grow by it; ``source`` takes the source of the metrics away.
    shape : str
        ``step``, ``decay`` (full at once, then less and less) or ``swell`` (rises, stays, falls).
    event : str
        Kind of the event in a recording.
    random_size : (float, float)
        Range from which chaos draws the size; (0, 0) if it never does.
    """

    field: str
    shape: str = "step"
    event: str = "fault"
    random_size: tuple[float, float] = (0.0, 0.0)


FAULT_KINDS: dict[str, FaultKind] = {
    "slow_dependency": FaultKind("slowness", random_size=(8.0, 40.0)),
    "errors": FaultKind("failure", random_size=(0.3, 0.95)),
    "glitch_storm": FaultKind("glitches", random_size=(0.5, 5.0)),
    "worker_crash": FaultKind("workers", random_size=(0.2, 0.5)),
    "surge": FaultKind("arrivals", "swell", random_size=(2.0, 6.0)),
    "restart": FaultKind("workers", event="deploy"),
    "handover": FaultKind("workers", event="deploy"),
    "cold_start": FaultKind("slowness", "decay", event="deploy"),
    "warm_up_pauses": FaultKind("glitches", "decay", event="deploy"),
    "source_lost": FaultKind("source"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong; `backend` is None for all of them; times in s."""

    kind: str
    backend: str | None
    begin_s: float
    end_s: float
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class BackendProfile:
    """One backend: a worker pool behind a queue and a circuit breaker.

    Attributes
    ----------
    name : str
    median_s, spread : float
        Time of service of one request: median in s and standard deviation of its logarithm.
    workers : int
        Size of the pool.
    request_rate : float
        Demand in 1/s at load 1.
    fallback : str
        Who serves while the breaker is open; empty for nobody.
    tail_ratio, tail_exponent : float
        Share of requests that a Pareto tail stretches, and its exponent (over 1).
    exponential : bool
        Exponential times of service with this median instead.
    group_ratio : float
        Chance that one more request comes in the same group (a page holds several cells).
    batch_limit : int
        Most requests that a worker takes at once, up to 16.
    batch_cost : float
        What each further request adds to a batch's time, as a share of the first.
    queue_limit : int
        Requests that may wait; more are refused with 503.
    failure_ratio : float
        Share of attempts that fail by themselves.
    client_error_ratio : float
        Share of answers that are 400.
    glitch_rate, pause_s : float
        Stalls of a worker in 1/s, and their mean length in s.
    max_attempts : int
    backoff_s : float
        Mean wait before the second attempt; doubles.
    attempt_timeout_s : float
        An attempt that takes longer fails.
    deadline_s : float
        A request that waited longer is answered with 504.
    bad_ratio, window, open_s, probes, slow_s
        The breaker opens for `open_s` when this share of the last `window` attempts failed or took over `slow_s`;
        then `probes` attempts must go well. A `bad_ratio` over 1 never opens.
    """

    name: str
    median_s: float
    spread: float
    workers: int
    request_rate: float
    fallback: str = ""
    tail_ratio: float = 0.0
    tail_exponent: float = 1.6
    exponential: bool = False
    group_ratio: float = 0.25
    batch_limit: int = 8
    batch_cost: float = 0.25
    queue_limit: int = 250
    failure_ratio: float = 2e-4
    client_error_ratio: float = 0.01
    glitch_rate: float = 0.0
    pause_s: float = 0.15
    max_attempts: int = 3
    backoff_s: float = 0.05
    attempt_timeout_s: float = 10.0
    deadline_s: float = 30.0
    bad_ratio: float = 0.6
    window: int = 30
    open_s: float = 15.0
    probes: int = 3
    slow_s: float = math.inf

    @property
    def mean_service_s(self) -> float:
        """Mean time of service of one request alone in s, before any time-out."""
        body_s = self.median_s / math.log(2.0) if self.exponential else self.median_s * math.exp(self.spread**2 / 2.0)
        return body_s * (1.0 + self.tail_ratio * (self.tail_exponent / (self.tail_exponent - 1.0) - 1.0))

    @property
    def capacity_rate(self) -> float:
        """Requests that the whole pool can serve one by one, 1/s."""
        return self.workers / self.mean_service_s

    @property
    def batched_capacity_rate(self) -> float:
        """Requests that the whole pool can serve in full batches, 1/s."""
        return self.capacity_rate * self.batch_limit / (1.0 + (self.batch_limit - 1) * self.batch_cost)


@dataclass(frozen=True, slots=True)
class Load:
    """Demand over time: `level`, a day's wave of ± `day_ratio`, and a slow wander of at most ± `wander_ratio`."""

    level: float = 1.0
    day_ratio: float = 0.3
    wander_ratio: float = 0.1


@dataclass(frozen=True, slots=True)
class Scenario:
    """A service, its demand and its faults.

    Attributes
    ----------
    name, text : str
        How it is called, and what happens in it.
    backends : tuple of BackendProfile
    load : Load
    faults : tuple of Fault
        The story of its first natural length.
    duration_s : float
        That length; longer simulations go on in cycles of it.
    again_ratio : float
        Chance that a later cycle has the story again.
    moves : bool
        Whether the story then happens to other backends.
    random_faults : int
        Seeded faults in every cycle.
    interval_s : float
        Default interval of a recording.
    """

    name: str
    text: str
    backends: tuple[BackendProfile, ...]
    load: Load = Load()
    faults: tuple[Fault, ...] = ()
    duration_s: float = 600.0
    again_ratio: float = 0.0
    moves: bool = False
    random_faults: int = 0
    interval_s: float = 5.0


_CALM = (
    BackendProfile("rust", 0.003, 0.35, workers=4, request_rate=4.2, fallback="go"),
    BackendProfile("ts", 0.011, 0.50, workers=4, request_rate=3.8, fallback="go"),
    BackendProfile("go", 0.006, 0.40, workers=4, request_rate=3.8, fallback="rust"),
    BackendProfile("csharp", 0.018, 0.45, workers=4, request_rate=3.5, fallback="go"),
    BackendProfile("sql", 0.026, 0.50, workers=5, request_rate=3.5, fallback="csharp"),
    BackendProfile("julia", 0.046, 0.45, workers=6, request_rate=3.5, fallback="ts", group_ratio=0.2, batch_limit=6),
)


def _busier(profile: BackendProfile, factor: float, glitch_rate: float, julia_tail_ratio: float) -> BackendProfile:
    """More demand, glitches, and documents that are sometimes large: a tail that is heavy in julia, light elsewhere."""
    heavy = profile.name == "julia"
    return replace(
        profile,
        request_rate=profile.request_rate * factor,
        glitch_rate=glitch_rate,
        tail_ratio=julia_tail_ratio if heavy else 0.001,
        tail_exponent=2.2 if heavy else 2.5,
    )


_BUSY = tuple(_busier(profile, 2.2, 0.008, 0.04) for profile in _CALM)
_USUAL = tuple(_busier(profile, 1.2, 0.002, 0.01) for profile in _CALM)


def _with(name: str, **changes: Any) -> tuple[BackendProfile, ...]:
    """Change one of the usual backends."""
    return tuple(replace(profile, **changes) if profile.name == name else profile for profile in _USUAL)


def _rolling_restart() -> tuple[Fault, ...]:
    """Restart one backend after the other: half its workers go, for a moment all, then they are back and cold."""
    faults = []
    for index, profile in enumerate(_CALM):
        begin_s = 120.0 + 60.0 * index
        faults += [
            Fault("restart", profile.name, begin_s, begin_s + 18.0, 0.5),
            Fault("handover", profile.name, begin_s + 8.0, begin_s + 10.0, 0.0),
            Fault("cold_start", profile.name, begin_s + 10.0, begin_s + 40.0, 12.0),
            Fault("warm_up_pauses", profile.name, begin_s + 10.0, begin_s + 40.0, 0.6),
        ]
    return tuple(faults)


def _flaps() -> tuple[Fault, ...]:
    return tuple(Fault("errors", "csharp", begin_s, begin_s + 20.0, 0.95) for begin_s in range(90, 480, 60))


_ROWS = (
    Scenario("quiet", "ten calm minutes: every panel is green", _CALM, Load(wander_ratio=0.05)),
    Scenario("busy", "twice the demand: request rates turn yellow at times", _BUSY, Load(day_ratio=0.25)),
    Scenario(
        "incident",
        "julia's dependency slows down, then fails: latency, queue, errors and fallbacks turn red, and recover",
        _with("julia", workers=5),
        faults=(
            Fault("slow_dependency", "julia", 240.0, 540.0, 70.0),
            Fault("errors", "julia", 420.0, 540.0, 0.45),
        ),
        duration_s=900.0,
        again_ratio=0.12,
        moves=True,
    ),
    Scenario(
        "deploy",
        "a rolling restart: backend after backend drops its work, comes back cold, and warms up",
        tuple(replace(profile, window=60) for profile in _USUAL),  # two seconds of refusals do not open a breaker
        faults=_rolling_restart(),
        again_ratio=0.05,
    ),
    Scenario(
        "overload",
        "demand for julia rises over what its small pool can serve: the queue grows until it is full, then drains",
        _with("julia", median_s=0.09, workers=2, batch_limit=2),
        faults=(Fault("surge", "julia", 120.0, 420.0, 9.0),),
        again_ratio=0.1,
    ),
    Scenario(
        "flapping",
        "csharp fails again and again: its breaker opens, sends the work to go, closes, and opens",
        _with("csharp", open_s=8.0, window=20),
        faults=_flaps(),
        again_ratio=0.3,
    ),
    Scenario("chaos", "ten random faults in ten minutes, on any backend", _USUAL, random_faults=10),
    Scenario("silence", "the service is up and nobody calls: true zeros", _CALM, Load(level=0.0)),
    Scenario(
        "source-lost",
        "normal traffic, but the source of the metrics is gone for three minutes",
        _USUAL,
        faults=(Fault("source_lost", None, 240.0, 420.0),),
        again_ratio=0.1,
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ROWS}


def find_scenario(name: str) -> Scenario:
    """Look a scenario up.

    Raises
    ------
    ReaderError
        There is none of this name; the message lists all and names the nearest.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    near = difflib.get_close_matches(name.lower(), SCENARIOS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise ReaderError(f"sim:{name}: there is no such scenario{hint}; allowed: {' '.join(SCENARIOS)}")
