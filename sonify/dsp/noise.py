"""White noise as a pure function of the sample index and a seed: the same wherever rendering begins."""

from __future__ import annotations

import numpy as np

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
def white(sample_index: np.int64, seed: np.uint32) -> np.float32:
    """One sample of white noise in [−1, 1)."""
    low = np.uint32(sample_index)
    high = np.uint32(sample_index >> 32)
    return np.float32(np.int32(hash32(np.uint32(low * _GOLDEN + hash32(np.uint32(seed ^ high)))))) * _SCALE


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
