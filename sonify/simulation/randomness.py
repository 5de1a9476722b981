"""Seeded random numbers for kernels: a SplitMix64 stream per purpose and backend, so that none shifts another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.kernel import kernel

__all__ = ["exponential", "normal", "seed_streams", "uniform"]

_MASK = (1 << 64) - 1
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_SHIFT_11, _SHIFT_27, _SHIFT_30, _SHIFT_31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
_STEP = 2.0**-53


@kernel
def uniform(streams: NDArray[np.uint64], index: int) -> Any:
    """Draw from the open interval 0–1 (SplitMix64: Steele, Lea and Flood 2014)."""
    streams[index] += _GAMMA
    bits = streams[index]
    bits = (bits ^ (bits >> _SHIFT_30)) * _MIX_A
    bits = (bits ^ (bits >> _SHIFT_27)) * _MIX_B
    bits = bits ^ (bits >> _SHIFT_31)
    return (np.float64(bits >> _SHIFT_11) + 0.5) * _STEP


@kernel
def exponential(streams: NDArray[np.uint64], index: int) -> Any:
    """Draw from the exponential distribution of mean 1."""
    return -math.log(uniform(streams, index))


@kernel
def normal(streams: NDArray[np.uint64], index: int) -> Any:
    """Draw from the standard normal distribution (Box and Muller 1958; the second value is not kept)."""
    radius = math.sqrt(-2.0 * math.log(uniform(streams, index)))
    return radius * math.cos(2.0 * math.pi * uniform(streams, index))


def seed_streams(seed: int, count: int) -> NDArray[np.uint64]:
    """Start states of `count` streams that have nothing to do with each other, whatever the seed."""
    state, states = (seed * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) & _MASK, []
    for _ in range(count):
        state = (state + int(_GAMMA)) & _MASK
        bits = ((state ^ (state >> 30)) * int(_MIX_A)) & _MASK
        bits = ((bits ^ (bits >> 27)) * int(_MIX_B)) & _MASK
        states.append(bits ^ (bits >> 31))
    return np.asarray(states, dtype=np.uint64)
