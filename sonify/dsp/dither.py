"""Triangular dither: turns the error of rounding to few bits into steady noise that does not follow the signal.

After Lipshitz, Wannamaker, Vanderkooy (1992), "Quantization and dither": two uniform variables of one step each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.noise import white
from sonify.kernel import entry

__all__ = ["dither_to_int16"]

_FULL_SCALE = np.float32(32767.0)
_HALF = np.float32(0.5)
_SEED_A, _SEED_B = np.uint32(0xD17E4A), np.uint32(0xD17E4B)


@entry(nogil=True)
def dither_to_int16(audio: NDArray[np.float32], first_frame: int, out: NDArray[np.int16]) -> None:
    """Round audio (frames, channels) in [−1, 1] to 16 bits with triangular dither; digital silence stays silent."""
    frames, channels = audio.shape
    for frame in range(frames):
        for channel in range(channels):
            value = audio[frame, channel] * _FULL_SCALE
            if value != np.float32(0.0):
                index = (first_frame + frame) * channels + channel
                value += _HALF * (white(index, _SEED_A) + white(index, _SEED_B))
            out[frame, channel] = np.int16(max(-32768.0, min(32767.0, np.floor(value + _HALF))))
