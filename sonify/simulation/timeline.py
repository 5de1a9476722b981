"""From a scenario's load and faults to the levels that the kernels follow: piecewise constant, cycle by cycle."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.recording import Event
from sonify.simulation.scenarios import FAULT_KINDS, Fault, Load, Scenario
from sonify.simulation.state import ARRIVALS, FAILURE, FIELDS, GLITCHES, SLOWNESS, WORKERS

__all__ = ["Cycle", "event_of", "make_cycle"]

_STEP_S = 5.0  # how often load and ramps are set anew
_DAY_S = 86400.0
_WANDER_PERIODS_S = (97.0, 411.0, 1777.0)
_RAMP_SHARE = 0.3  # of a surge, for its rise and for its fall


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """One natural length of a scenario.

    Attributes
    ----------
    begin_s, end_s : float
        Simulated s.
    faults : tuple of Fault
        In simulated s, by time.
    row_t : array (rows,)
        When each row of levels comes into force; the first is `begin_s`.
    rows : array (rows, FIELDS, backends)
        The levels.
    """

    begin_s: float
    end_s: float
    faults: tuple[Fault, ...]
    row_t: NDArray[np.float64]
    rows: NDArray[np.float64]


def event_of(fault: Fault, start_s: float) -> Event:
    """Say what a fault is; `start_s` is where simulated time 0 lies, Unix s."""
    kind = FAULT_KINDS[fault.kind].event
    return Event(start_s + fault.begin_s, start_s + fault.end_s, kind, f"{fault.backend or 'all'}: {fault.kind}")


def make_cycle(scenario: Scenario, seed: int, index: int) -> Cycle:
    """Work out cycle number `index`; it depends on nothing but the three arguments."""
    begin_s = index * scenario.duration_s
    end_s = begin_s + scenario.duration_s
    faults = tuple(
        replace(fault, begin_s=begin_s + fault.begin_s, end_s=begin_s + fault.end_s)
        for fault in _faults(scenario, seed, index)
    )
    edges_s = [t for fault in faults for t in (fault.begin_s, fault.end_s) if begin_s <= t < end_s]
    row_t = np.unique(np.concatenate([np.arange(begin_s, end_s, _STEP_S), edges_s]))
    return Cycle(begin_s, end_s, faults, row_t, _levels(scenario, seed, faults, row_t))


def _faults(scenario: Scenario, seed: int, index: int) -> list[Fault]:
    """Faults of a cycle, in s from its begin: the story first; later the same on other backends, now and then."""
    dice = random.Random(f"{scenario.name} {seed} {index}")
    faults = list(scenario.faults)
    if index > 0:
        if dice.random() >= scenario.again_ratio:
            faults = []
        shift = int(dice.random() * len(scenario.backends)) if scenario.moves else 0
        faults = [replace(fault, backend=_neighbour(scenario, fault.backend, shift)) for fault in faults]
    for _ in range(scenario.random_faults):
        faults.append(_random_fault(scenario, dice))
    return sorted(faults, key=lambda fault: fault.begin_s)


def _neighbour(scenario: Scenario, backend: str | None, shift: int) -> str | None:
    names = [profile.name for profile in scenario.backends]
    return None if backend is None else names[(names.index(backend) + shift) % len(names)]


def _random_fault(scenario: Scenario, dice: random.Random) -> Fault:
    kinds = [name for name, kind in FAULT_KINDS.items() if kind.random_size[1] > 0.0]
    kind = kinds[int(dice.random() * len(kinds))]
    low, high = FAULT_KINDS[kind].random_size
    length_s = (0.05 + 0.2 * dice.random()) * scenario.duration_s
    begin_s = dice.random() * (scenario.duration_s - length_s)
    backend = scenario.backends[int(dice.random() * len(scenario.backends))].name
    size = low * (high / low) ** dice.random()
    return Fault(kind, backend, round(begin_s, 1), round(begin_s + length_s, 1), round(size, 3))


def _load(load: Load, seed: int, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Demand over time as a factor: a day's wave (mean at 0 s, peak at 6 h) and a smooth seeded wander."""
    dice = random.Random(f"load {seed}")
    wander = np.zeros_like(t)
    for period_s in _WANDER_PERIODS_S:
        wander += np.sin(2.0 * math.pi * (t / period_s + dice.random())) / len(_WANDER_PERIODS_S)
    day = np.sin(2.0 * math.pi * t / _DAY_S)
    return np.asarray(load.level * (1.0 + load.day_ratio * day) * (1.0 + load.wander_ratio * wander))


def _envelope(fault: Fault, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of a fault is in force, 0–1."""
    share = (t - fault.begin_s) / (fault.end_s - fault.begin_s)
    inside = (t >= fault.begin_s) & (t < fault.end_s)
    shape = FAULT_KINDS[fault.kind].shape
    if shape == "decay":
        return np.where(inside, 1.0 - share, 0.0)
    if shape == "swell":
        return np.where(inside, np.clip(np.minimum(share, 1.0 - share) / _RAMP_SHARE, 0.0, 1.0), 0.0)
    return inside.astype(np.float64)


def _levels(
    scenario: Scenario, seed: int, faults: tuple[Fault, ...], row_t: NDArray[np.float64]
) -> NDArray[np.float64]:
    rows = np.empty((len(row_t), FIELDS, len(scenario.backends)))
    load = _load(scenario.load, seed, row_t)
    for index, profile in enumerate(scenario.backends):
        level = rows[:, :, index]
        # groups come at the rate that makes the mean number of requests right
        level[:, ARRIVALS] = load * profile.request_rate * (1.0 - profile.group_ratio)
        level[:, GLITCHES] = profile.glitch_rate
        level[:, SLOWNESS] = 1.0
        level[:, FAILURE] = profile.failure_ratio
        level[:, WORKERS] = profile.workers
        for fault in faults:
            if fault.backend in (None, profile.name):
                _apply(fault, _envelope(fault, row_t), level)
        level[:, FAILURE] = np.clip(level[:, FAILURE], 0.0, 1.0)
        level[:, WORKERS] = np.floor(level[:, WORKERS] + 1e-9)
    return rows


def _apply(fault: Fault, amount: NDArray[np.float64], level: NDArray[np.float64]) -> None:
    field = {
        "arrivals": ARRIVALS,
        "glitches": GLITCHES,
        "slowness": SLOWNESS,
        "failure": FAILURE,
        "workers": WORKERS,
    }.get(FAULT_KINDS[fault.kind].field)
    if field is None:
        return
    if field in (GLITCHES, FAILURE):
        level[:, field] += amount * fault.size
    else:
        level[:, field] *= 1.0 + amount * (fault.size - 1.0)
