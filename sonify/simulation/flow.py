"""How a request goes through the service: routing, queue, batch, answer or retry; compiled kernels, one step each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sonify.kernel import kernel
from sonify.simulation.breaker import allows, record
from sonify.simulation.heap import push
from sonify.simulation.randomness import exponential, normal, uniform
from sonify.simulation.state import (
    ARRIVALS,
    BUSY,
    FAILURE,
    FIELDS,
    GLITCHES,
    IDLE,
    LE_EDGES_S,
    MAX_BACKENDS,
    MAX_BATCH,
    MAX_QUEUE,
    POOL_STRIDE,
    SLOWNESS,
    STALLED,
    STREAM_ARRIVALS,
    STREAM_GLITCHES,
    STREAM_OUTCOMES,
    STREAM_SERVICE,
    WORKERS,
    State,
)

__all__ = ["arrive", "end_batch", "glitch", "retry", "set_level"]

_OK, _CLIENT_ERROR, _FAILED, _REFUSED, _TIMED_OUT = range(5)  # indices of STATUSES


@kernel
def _stream(purpose: int, backend: int) -> Any:
    return purpose * MAX_BACKENDS + backend


@kernel
def _answer(state: State, slot: int, t: float, status: int) -> None:
    """End a request, and count it under the backend that was asked for, whoever served it."""
    request = state.requests[slot]
    backend = request.backend
    latency_s = t - request.arrival_s
    state.answered[backend, status] += 1
    band, bucket = 0, 0
    while band < state.num_inner_edges and latency_s >= state.band_edges_s[band]:
        band += 1  # a band holds its lower edge …
    while bucket < len(LE_EDGES_S) and latency_s > state.le_edges_s[bucket]:
        bucket += 1  # … and a bucket its upper one: le is "less or equal"
    state.bands[backend, band] += 1
    state.le[backend, bucket] += 1
    state.backends[backend].latency_sum_s += latency_s
    state.backends[backend].fallbacks += request.fell_back
    state.in_system -= 1
    state.free[state.num_free] = slot
    state.num_free += 1


@kernel
def _try_again(state: State, slot: int, t: float, status: int) -> None:
    """Schedule another attempt after a backoff that doubles; answer with the status if there have been enough."""
    request = state.requests[slot]
    profile = state.profiles[request.server]
    request.attempts += 1
    if request.attempts < profile.max_attempts:
        jitter = 0.5 + uniform(state.streams, _stream(STREAM_OUTCOMES, request.server))
        wait_s = profile.backoff_s * 2.0 ** (request.attempts - 1) * jitter
        if push(state, t + wait_s, MAX_BACKENDS * POOL_STRIDE + slot):
            state.backends[request.backend].retries += 1
            return
    _answer(state, slot, t, status)


@kernel
def _route(state: State, slot: int, t: float) -> Any:
    """Put a request into a queue: its own backend's, or the fallback's while the breaker is open; −1 if refused."""
    request = state.requests[slot]
    server = request.backend
    if not allows(state, server, t):
        server = state.profiles[server].fallback
        if server < 0 or not allows(state, server, t):
            _answer(state, slot, t, _REFUSED)
            return -1
        request.fell_back = 1
    backend = state.backends[server]
    request.server = server
    request.queued_s = t
    if state.level[WORKERS, server] == 0.0:
        record(state, server, t, 1)  # nobody listens
        _try_again(state, slot, t, _REFUSED)
        return -1
    if backend.queue_size >= state.profiles[server].queue_limit:
        record(state, server, t, 1)
        _answer(state, slot, t, _REFUSED)
        return -1
    state.queue[server, (backend.queue_head + backend.queue_size) % MAX_QUEUE] = slot
    backend.queue_size += 1
    state.queued += 1
    return server


@kernel
def _idle_worker(state: State, server: int) -> Any:
    first = server * POOL_STRIDE
    for worker in range(first, first + int(state.level[WORKERS, server])):
        if state.workers[worker].doing == IDLE:
            return worker
    return -1


@kernel
def _service_s(state: State, server: int, size: int) -> Any:
    """Draw how long a batch takes: a body (lognormal or exponential), sometimes stretched by a Pareto tail."""
    profile = state.profiles[server]
    stream = _stream(STREAM_SERVICE, server)
    if profile.exponential:
        duration_s = profile.median_s / math.log(2.0) * exponential(state.streams, stream)
    else:
        duration_s = profile.median_s * math.exp(profile.spread * normal(state.streams, stream))
    if profile.tail_ratio > 0.0 and uniform(state.streams, stream) < profile.tail_ratio:
        duration_s *= uniform(state.streams, stream) ** (-1.0 / profile.tail_exponent)
    return duration_s * state.level[SLOWNESS, server] * (1.0 + (size - 1) * profile.batch_cost)


@kernel
def _take_batch(state: State, server: int, worker: int, t: float) -> Any:
    """Move waiting requests to a worker; those that waited past the deadline are answered instead."""
    backend, profile = state.backends[server], state.profiles[server]
    size = 0
    while backend.queue_size > 0 and size < profile.batch_limit:
        slot = state.queue[server, backend.queue_head]
        backend.queue_head = (backend.queue_head + 1) % MAX_QUEUE
        backend.queue_size -= 1
        state.queued -= 1
        request = state.requests[slot]
        if t - request.arrival_s > profile.deadline_s:
            record(state, server, t, 1)
            _answer(state, slot, t, _TIMED_OUT)
            continue
        backend.wait_s += t - request.queued_s
        backend.served += 1
        state.batch[worker, size] = slot
        size += 1
    return size


@kernel
def _dispatch(state: State, server: int, t: float) -> None:
    """Give waiting requests to idle workers, as many at once as a batch may hold."""
    while state.backends[server].queue_size > 0:
        number = _idle_worker(state, server)
        if number < 0:
            return
        size = _take_batch(state, server, number, t)
        if size == 0:
            return
        profile, worker = state.profiles[server], state.workers[number]
        duration_s = _service_s(state, server, size)
        timeout_s = profile.attempt_timeout_s * (1.0 + (size - 1) * profile.batch_cost)
        worker.doing = BUSY
        worker.size = size
        worker.late = 1 if duration_s > timeout_s else 0
        worker.started_s = t
        worker.finish_s = t + min(duration_s, timeout_s)
        push(state, worker.finish_s, number)
        state.active += size
        state.batches[size] += 1


@kernel
def _end_attempt(state: State, slot: int, t: float, failed: int, late: int) -> None:
    request = state.requests[slot]
    server = request.server
    profile = state.profiles[server]
    slow = t - request.queued_s > profile.slow_s
    record(state, server, t, 1 if failed or slow else 0)
    stream = _stream(STREAM_OUTCOMES, server)
    if not failed:
        rejected = uniform(state.streams, stream) < profile.client_error_ratio
        _answer(state, slot, t, _CLIENT_ERROR if rejected else _OK)
        return
    _try_again(state, slot, t, _TIMED_OUT if late else _FAILED)


@kernel
def _release(state: State, number: int, t: float, killed: int) -> None:
    """Free a worker; each request of its batch succeeds or fails by itself, all fail if the worker was killed."""
    worker = state.workers[number]
    server = number // POOL_STRIDE
    size, late = worker.size, worker.late
    worker.doing = IDLE
    worker.size = 0
    state.backends[server].busy_s += t - worker.started_s
    state.active -= size
    stream = _stream(STREAM_OUTCOMES, server)
    for place in range(size):
        failed = 1 if uniform(state.streams, stream) < state.level[FAILURE, server] else 0
        _end_attempt(state, state.batch[number, place], t, max(failed, killed, late), late)


@kernel
def end_batch(state: State, number: int, t: float) -> None:
    """End what a worker does, unless a glitch or a restart has moved that end since it was scheduled."""
    worker = state.workers[number]
    if worker.doing == IDLE or worker.finish_s != t:
        return
    if worker.doing == STALLED:
        worker.doing = IDLE
    else:
        _release(state, number, t, 0)
    _dispatch(state, number // POOL_STRIDE, t)


@kernel
def _schedule(state: State, process: int, backend: int, t: float) -> None:
    """Draw when the next arrival or glitch comes: exponential in the integral of its rate."""
    left = exponential(state.streams, _stream(process, backend))
    state.left[process, backend] = left
    rate_hz = state.level[process, backend]
    state.next_s[process, backend] = t + left / rate_hz if rate_hz > 0.0 else math.inf


@kernel
def arrive(state: State, backend: int, t: float) -> None:
    """Let a group of requests come in (a page with several cells): its size is geometric."""
    stream = _stream(STREAM_ARRIVALS, backend)
    _schedule(state, ARRIVALS, backend, t)
    ratio = state.profiles[backend].group_ratio
    size = 1
    while size < MAX_BATCH and ratio > 0.0 and uniform(state.streams, stream) < ratio:
        size += 1
    server: Any = np.int64(-1)  # not a literal, which the compiler would specialise for
    for _ in range(size):
        if state.num_free == 0:
            state.answered[backend, _REFUSED] += 1
            state.bands[backend, 0] += 1
            state.le[backend, 0] += 1
            continue
        state.num_free -= 1
        slot = state.free[state.num_free]
        request = state.requests[slot]
        request.backend = backend
        request.arrival_s = t
        request.attempts = 0
        request.fell_back = 0
        state.in_system += 1
        went_to = _route(state, slot, t)
        if server >= 0 and went_to >= 0 and went_to != server:
            _dispatch(state, server, t)  # a breaker opened inside the group
        server = went_to if went_to >= 0 else server
    if server >= 0:
        _dispatch(state, server, t)


@kernel
def retry(state: State, slot: int, t: float) -> None:
    """Send a request again after its backoff."""
    server = _route(state, slot, t)
    if server >= 0:
        _dispatch(state, server, t)


@kernel
def glitch(state: State, backend: int, t: float) -> None:
    """Stall one worker for a moment: its batch ends later, or, if it was idle, it takes none meanwhile."""
    _schedule(state, GLITCHES, backend, t)
    state.backends[backend].glitches += 1
    pool = int(state.level[WORKERS, backend])
    if pool == 0:
        return
    stream = _stream(STREAM_GLITCHES, backend)
    number = backend * POOL_STRIDE + int(uniform(state.streams, stream) * pool)
    pause_s = state.profiles[backend].pause_s * exponential(state.streams, stream)
    worker = state.workers[number]
    begin_s = t if worker.doing == IDLE else worker.finish_s
    if push(state, begin_s + pause_s, number):
        worker.finish_s = begin_s + pause_s
        if worker.doing == IDLE:
            worker.doing = STALLED


@kernel
def set_level(state: State, level: Any, t: float) -> None:
    """Put new levels in force: rates carry on where they were, and the workers that go lose their batch."""
    for backend in range(state.num_backends):
        for process in (ARRIVALS, GLITCHES):
            old_hz, new_hz = state.level[process, backend], level[process, backend]
            if old_hz == new_hz:
                continue
            if old_hz > 0.0:
                state.left[process, backend] = (state.next_s[process, backend] - t) * old_hz
            left = state.left[process, backend]
            state.next_s[process, backend] = t + left / new_hz if new_hz > 0.0 else math.inf
        for field in range(FIELDS):
            state.level[field, backend] = level[field, backend]
    for backend in range(state.num_backends):
        for number in range(backend * POOL_STRIDE + int(level[WORKERS, backend]), (backend + 1) * POOL_STRIDE):
            if state.workers[number].doing == BUSY:
                _release(state, number, t, 1)
            state.workers[number].doing = IDLE
        _dispatch(state, backend, t)
