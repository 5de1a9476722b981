"""White noise as a pure function of the sample index and a seed: the same wherever rendering begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.kernel import kernel

__all__ = ["hash32", "seed32", "white"]

_SCALE = np.float32(2.0**-31)
_M1 = np.uint32(0x7FEB352D)
_M2 = np.uint32(0x846CA68B)
_GOLDEN = np.uint32(0x9E3779B9)


@kernel
def hash32(value: np.uint32) -> np.uint32:
    """Mix all bits of a 32-bit number: multiply and shift twice, with constants found by search (C. Wellons, 2018)."""
    x = np.uint32(value)
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * _M1)
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * _M2)
    return np.uint32(x ^ (x >> np.uint32(16)))


@kernel
def white(first_sample: np.int64, seed: np.uint32, out: NDArray[np.float32]) -> None:
    """Fill `out` (frames,) with white noise in [−1, 1) from `first_sample` on."""
    low = np.uint32(first_sample)
    # the upper half of the sample index, mixed with the seed, changes once in 2³² samples
    high = first_sample >> 32
    key, next_key = hash32(np.uint32(seed ^ np.uint32(high))), hash32(np.uint32(seed ^ np.uint32(high + 1)))
    wraps_at = np.int64(4294967296) - np.int64(low)
    for i in range(out.shape[0]):
        place = np.uint32(low + np.uint32(i)) * _GOLDEN
        mixed = hash32(np.uint32(place + (key if i < wraps_at else next_key)))
        out[i] = np.float32(np.int32(mixed)) * _SCALE


def seed32(*parts: int) -> int:
    """Mix integers into one 32-bit seed, the same on every machine."""
    value = 0x6A09E667
    for part in parts:
        for word in (part & 0xFFFFFFFF, (part >> 32) & 0xFFFFFFFF):
            value = ((value ^ word) * 0x01000193 + 0x9E3779B9) & 0xFFFFFFFF
            value ^= value >> 15
            value = (value * 0x846CA68B) & 0xFFFFFFFF
            value ^= value >> 13
    return value
