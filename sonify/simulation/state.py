"""What survives between two events of the simulated service: one record, of fixed size, that the kernels share.

One record is one pointer. With a tuple of 20 arrays instead, the kernels took 31 s to compile (11 s so) and 6 s for a
busy day (1 s so).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sonify.simulation.randomness import seed_streams

__all__ = [
    "ARRIVALS",
    "BUSY",
    "FAILURE",
    "FIELDS",
    "GLITCHES",
    "IDLE",
    "LE_EDGES_S",
    "MAX_BACKENDS",
    "MAX_BANDS",
    "MAX_BATCH",
    "MAX_QUEUE",
    "MAX_WINDOW",
    "POOL_STRIDE",
    "PROFILE",
    "SLOWNESS",
    "STALLED",
    "STATUSES",
    "STREAM_ARRIVALS",
    "STREAM_GLITCHES",
    "STREAM_OUTCOMES",
    "STREAM_SERVICE",
    "WORKERS",
    "State",
    "new_state",
]

STATUSES = ("200", "400", "500", "503", "504")
LE_EDGES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
MAX_BATCH = 16
MAX_BACKENDS = 8
POOL_STRIDE = 16  # places for workers that each backend has
MAX_BANDS = 128
MAX_QUEUE = 4096
MAX_WINDOW = 128
POOL = 16384  # requests in the house at once; more are turned away
_STALE_EVENTS = 4096  # room in the heap for ends of batches that a glitch or a restart moved

# rows of the levels that the timeline sets, each per backend
ARRIVALS, GLITCHES, SLOWNESS, FAILURE, WORKERS = range(5)
FIELDS = 5
# a stream of random numbers per purpose and backend
STREAM_ARRIVALS, STREAM_GLITCHES, STREAM_SERVICE, STREAM_OUTCOMES = range(4)
_STREAMS = 4
# what a worker does
IDLE, BUSY, STALLED = range(3)

PROFILE = np.dtype(
    [
        ("median_s", "f8"),
        ("spread", "f8"),
        ("exponential", "i8"),
        ("tail_ratio", "f8"),
        ("tail_exponent", "f8"),
        ("group_ratio", "f8"),
        ("batch_limit", "i8"),
        ("batch_cost", "f8"),
        ("fallback", "i8"),
        ("queue_limit", "i8"),
        ("client_error_ratio", "f8"),
        ("pause_s", "f8"),
        ("max_attempts", "i8"),
        ("backoff_s", "f8"),
        ("attempt_timeout_s", "f8"),
        ("deadline_s", "f8"),
        ("bad_ratio", "f8"),
        ("window", "i8"),
        ("open_s", "f8"),
        ("probes", "i8"),
        ("slow_s", "f8"),
    ]
)

_BACKEND = np.dtype(
    [
        ("queue_head", "i8"),
        ("queue_size", "i8"),
        ("breaker", "i8"),
        ("open_until_s", "f8"),
        ("window_size", "i8"),
        ("window_next", "i8"),
        ("window_bad", "i8"),
        ("probes_left", "i8"),
        ("probes_good", "i8"),
        ("openings", "i8"),
        ("fallbacks", "i8"),
        ("glitches", "i8"),
        ("latency_sum_s", "f8"),
        ("busy_s", "f8"),
        ("wait_s", "f8"),
        ("served", "i8"),
        ("retries", "i8"),
    ]
)

_WORKER = np.dtype([("doing", "i8"), ("size", "i8"), ("late", "i8"), ("started_s", "f8"), ("finish_s", "f8")])

_REQUEST = np.dtype(
    [
        ("backend", "i8"),
        ("server", "i8"),
        ("arrival_s", "f8"),
        ("queued_s", "f8"),
        ("attempts", "i8"),
        ("fell_back", "i8"),
    ]
)


_STATE = np.dtype(
    [
        # per backend: what does not change, and what does
        ("num_backends", "i8"),
        ("profiles", PROFILE, (MAX_BACKENDS,)),
        ("backends", _BACKEND, (MAX_BACKENDS,)),
        # what the timeline set last; when the next arrival and glitch come, s; the rest of a unit exponential
        ("level", "f8", (FIELDS, MAX_BACKENDS)),
        ("next_s", "f8", (2, MAX_BACKENDS)),
        ("left", "f8", (2, MAX_BACKENDS)),
        ("row", "i8"),  # of the timeline, comes next
        # rings of waiting request slots; rings of the breakers, 1 for a bad attempt
        ("queue", "i8", (MAX_BACKENDS, MAX_QUEUE)),
        ("windows", "i8", (MAX_BACKENDS, MAX_WINDOW)),
        # workers, and the request slots each has in work
        ("workers", _WORKER, (MAX_BACKENDS * POOL_STRIDE,)),
        ("batch", "i8", (MAX_BACKENDS * POOL_STRIDE, MAX_BATCH)),
        # request slots, and a stack of those that are free
        ("requests", _REQUEST, (POOL,)),
        ("free", "i8", (POOL,)),
        ("num_free", "i8"),
        # requests that wait, are worked on, are anywhere; and request-seconds of each up to the last event
        ("queued", "i8"),
        ("active", "i8"),
        ("in_system", "i8"),
        ("queued_area_s", "f8"),
        ("active_area_s", "f8"),
        ("in_system_area_s", "f8"),
        ("last_event_s", "f8"),
        ("streams", "u8", (_STREAMS * MAX_BACKENDS,)),
        # totals: requests by status and by latency in both layouts (inner edges of the bands), batches by size
        ("answered", "i8", (MAX_BACKENDS, len(STATUSES))),
        ("num_inner_edges", "i8"),
        ("band_edges_s", "f8", (MAX_BANDS,)),
        ("bands", "i8", (MAX_BACKENDS, MAX_BANDS)),
        ("le_edges_s", "f8", (len(LE_EDGES_S),)),
        ("le", "i8", (MAX_BACKENDS, len(LE_EDGES_S) + 1)),
        ("batches", "i8", (MAX_BATCH + 1,)),
        # events to come: ends of batches (the worker's number) and retries (number of worker places + request slot)
        ("heap_t", "f8", (MAX_BACKENDS * POOL_STRIDE + POOL + _STALE_EVENTS,)),
        ("heap_order", "i8", (MAX_BACKENDS * POOL_STRIDE + POOL + _STALE_EVENTS,)),
        ("heap_what", "i8", (MAX_BACKENDS * POOL_STRIDE + POOL + _STALE_EVENTS,)),
        ("heap_size", "i8"),
        ("heap_next", "i8"),
    ]
)

State: TypeAlias = Any  # a record of the type above: kernels read its fields as attributes, Python as items


def new_state(profiles: NDArray[np.void], band_edges_s: NDArray[np.float64], seed: int) -> State:
    """Build an empty, idle service in which nothing has begun yet.

    Parameters
    ----------
    profiles : PROFILE array (backends,)
        One a backend.
    band_edges_s : array (bands + 1,)
        Edges of the latency bands in s; the outermost are taken as open.
    seed : int
        Of all random numbers.
    """
    state = np.zeros(1, _STATE)[0]
    state["num_backends"] = len(profiles)
    state["profiles"][: len(profiles)] = profiles
    state["next_s"] = np.inf
    state["free"] = np.arange(POOL)[::-1]
    state["num_free"] = POOL
    state["streams"] = seed_streams(seed, _STREAMS * MAX_BACKENDS)
    state["num_inner_edges"] = len(band_edges_s) - 2
    state["band_edges_s"][: len(band_edges_s) - 2] = band_edges_s[1:-1]
    state["le_edges_s"] = LE_EDGES_S
    # the first arrival and glitch of each backend: a unit exponential that the first level turns into a time
    for stream in (STREAM_ARRIVALS, STREAM_GLITCHES):
        for backend in range(MAX_BACKENDS):
            state["left"][stream, backend] = _unit_exponential(state["streams"][stream * MAX_BACKENDS + backend])
    return state


def _unit_exponential(bits: np.uint64) -> float:
    """Draw once without the compiler: a stream's start state is as random as what it draws later."""
    return float(-np.log((float(int(bits) >> 11) + 0.5) * 2.0**-53))
