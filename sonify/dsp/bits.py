"""The bits of a number: what a vectorised logarithm, power or search for a peak works on."""

from __future__ import annotations

import numpy as np

from sonify.kernel import kernel

__all__ = ["bits_of", "number_of"]


@kernel
def bits_of(number: np.float32) -> np.int32:
    """Return the bits of a float32; without the sign they are in the order of the numbers, NaN last."""
    return np.float32(number).view(np.int32)


@kernel
def number_of(bits: np.int32) -> np.float32:
    """Return the float32 with these bits."""
    return np.int32(bits).view(np.float32)
