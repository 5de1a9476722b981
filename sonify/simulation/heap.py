"""The events to come: a binary heap in the state's arrays, earliest first, first scheduled first among equals."""

from __future__ import annotations

from typing import Any

from sonify.kernel import kernel
from sonify.simulation.state import State

__all__ = ["pop", "push"]


@kernel
def _earlier(state: State, a: int, b: int) -> Any:
    if state.heap_t[a] == state.heap_t[b]:
        return state.heap_order[a] < state.heap_order[b]
    return state.heap_t[a] < state.heap_t[b]


@kernel
def _swap(state: State, a: int, b: int) -> None:
    state.heap_t[a], state.heap_t[b] = state.heap_t[b], state.heap_t[a]
    state.heap_order[a], state.heap_order[b] = state.heap_order[b], state.heap_order[a]
    state.heap_what[a], state.heap_what[b] = state.heap_what[b], state.heap_what[a]


@kernel
def push(state: State, t: float, what: int) -> Any:
    """Schedule an event; False where the heap is full."""
    index = state.heap_size
    if index >= len(state.heap_t):
        return False
    state.heap_t[index] = t
    state.heap_order[index] = state.heap_next
    state.heap_what[index] = what
    state.heap_size += 1
    state.heap_next += 1
    while index > 0:
        parent = (index - 1) // 2
        if not _earlier(state, index, parent):
            break
        _swap(state, index, parent)
        index = parent
    return True


@kernel
def pop(state: State) -> Any:
    """Take the earliest event out, and return what it is; the heap must not be empty."""
    what = state.heap_what[0]
    state.heap_size -= 1
    size = state.heap_size
    _swap(state, 0, size)
    index = 0
    while True:
        least, left = index, 2 * index + 1
        if left < size and _earlier(state, left, least):
            least = left
        if left + 1 < size and _earlier(state, left + 1, least):
            least = left + 1
        if least == index:
            return what
        _swap(state, index, least)
        index = least
