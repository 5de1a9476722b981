"""The event loop: always the earliest of what may happen next."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.kernel import entry
from sonify.simulation.flow import arrive, end_batch, glitch, retry, set_level
from sonify.simulation.heap import pop
from sonify.simulation.state import ARRIVALS, GLITCHES, MAX_BACKENDS, POOL_STRIDE, State

__all__ = ["run"]


@entry(nogil=True)
def run(state: State, row_t: NDArray[np.float64], rows: NDArray[np.float64], until_s: float) -> None:
    """Let everything happen that is due up to and including `until_s`.

    Nothing is written at a stop that is not written at an event, so the stops leave no trace in the result.

    Parameters
    ----------
    state : State
        Changed in place.
    row_t : array (rows,)
        When each row of the timeline comes into force, in s, rising.
    rows : array (rows, FIELDS, backends)
        The levels.
    until_s : float
        Simulated s.
    """
    num_workers = MAX_BACKENDS * POOL_STRIDE
    while True:
        # at one instant the timeline comes first, then the batches and retries, then arrivals, then glitches
        kind: Any = np.int64(-1)  # not literals, which the compiler would specialise for
        backend: Any = np.int64(0)
        t = np.inf
        if state.row < len(row_t):
            t = row_t[state.row]
        if state.heap_size > 0 and state.heap_t[0] < t:
            kind, t = -2, state.heap_t[0]
        for process in (ARRIVALS, GLITCHES):
            for candidate in range(state.num_backends):
                if state.next_s[process, candidate] < t:
                    kind, backend, t = process, candidate, state.next_s[process, candidate]
        if not t <= until_s or t == np.inf:
            return
        elapsed_s = t - state.last_event_s
        state.last_event_s = t
        state.queued_area_s += elapsed_s * state.queued
        state.active_area_s += elapsed_s * state.active
        state.in_system_area_s += elapsed_s * state.in_system
        if kind == ARRIVALS:
            arrive(state, backend, t)
        elif kind == GLITCHES:
            glitch(state, backend, t)
        elif kind == -2:
            what = pop(state)
            if what < num_workers:
                end_batch(state, what, t)
            else:
                retry(state, what - num_workers, t)
        else:
            state.row += 1
            set_level(state, rows[state.row - 1], t)
