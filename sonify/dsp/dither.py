"""Triangular dither: turns the error of rounding to few bits into steady noise that does not follow the signal.

After Lipshitz, Wannamaker, Vanderkooy (1992), "Quantization and dither": two uniform variables of one step each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.noise import hash32
from sonify.kernel import entry

__all__ = ["dither_to_int16"]

_FULL_SCALE = np.float32(32767.0)
_OFFSET = np.float32(32768.5)  # makes rounding down, of what is then positive, rounding to nearest
_LOW = np.uint32(0xFFFF)
_STEP = np.float32(2.0**-16)
_SEED = np.uint32(0xD17E4A)


@entry(nogil=True)
def dither_to_int16(audio: NDArray[np.float32], first_frame: int, out: NDArray[np.int16]) -> None:
    """Round audio (frames, channels) in [−1, 1] to 16 bits with triangular dither; digital silence stays silent.

    The dither is a hash of the sample's place: both uniform variables are halves of one 32-bit word.
    """
    channels = audio.shape[1]
    flat, target = audio.ravel(), out.ravel()
    first = np.uint32(first_frame * channels)
    for i in range(flat.shape[0]):
        word = hash32(np.uint32(first + np.uint32(i)) ^ _SEED)
        triangular = np.float32(np.int32((word & _LOW) + (word >> np.uint32(16)))) * _STEP - np.float32(1.0)
        value = flat[i] * _FULL_SCALE
        value = value if value == np.float32(0.0) else value + triangular
        target[i] = np.int16(np.int32(min(max(value + _OFFSET, np.float32(0.0)), np.float32(65535.0))) - 32768)
