"""Circuit breakers: closed until too many of the last attempts went wrong, then open for a while, then probing."""

from __future__ import annotations

from typing import Any

from sonify.kernel import kernel
from sonify.simulation.state import State

__all__ = ["CLOSED", "OPEN", "PROBING", "allows", "record"]

CLOSED, OPEN, PROBING = 0, 1, 2


@kernel
def allows(state: State, backend: int, t: float) -> Any:
    """Whether an attempt may go to the backend now; a probe is used up by asking."""
    breaker, profile = state.backends[backend], state.profiles[backend]
    if breaker.breaker == CLOSED:
        return True
    if breaker.breaker == OPEN:
        if t < breaker.open_until_s:
            return False
        breaker.breaker = PROBING
        breaker.probes_left = profile.probes
        breaker.probes_good = 0
    if breaker.probes_left > 0:
        breaker.probes_left -= 1
        return True
    return False


@kernel
def _open(state: State, backend: int, t: float) -> None:
    breaker = state.backends[backend]
    breaker.breaker = OPEN
    breaker.open_until_s = t + state.profiles[backend].open_s
    breaker.openings += 1


@kernel
def _close(state: State, backend: int) -> None:
    breaker = state.backends[backend]
    breaker.breaker = CLOSED
    breaker.window_size = 0
    breaker.window_next = 0
    breaker.window_bad = 0


@kernel
def record(state: State, backend: int, t: float, bad: int) -> None:
    """Note how an attempt at the backend ended: 1 for bad, 0 for good."""
    breaker, profile = state.backends[backend], state.profiles[backend]
    if breaker.breaker == OPEN:
        return  # it began before the breaker opened: no news
    if breaker.breaker == PROBING:
        if bad:
            _open(state, backend, t)
            return
        breaker.probes_good += 1
        if breaker.probes_good >= profile.probes:
            _close(state, backend)
        return
    if breaker.window_size == profile.window:
        breaker.window_bad -= state.windows[backend, breaker.window_next]
    else:
        breaker.window_size += 1
    state.windows[backend, breaker.window_next] = bad
    breaker.window_next = (breaker.window_next + 1) % profile.window
    breaker.window_bad += bad
    if breaker.window_size == profile.window and breaker.window_bad >= profile.bad_ratio * profile.window:
        _open(state, backend, t)
