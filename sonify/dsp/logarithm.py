"""Logarithm and exponential to base 2 that run as SIMD: float32, branch-free, no library call.

The compiler cannot vectorise a call to the C library, and a compressor needs one logarithm and one power per sample.
Polynomials were fitted for the least greatest error (Lawson's reweighted least squares) with log2(1) = 0 and 2**0 = 1
exact, so that a stage that changes nothing changes no bit.

Accuracy: log2 within 1e-7, or 1e-7 of the result where that is more; exp2 within 1e-7 of the result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.bits import bits_of, number_of
from sonify.kernel import kernel

__all__ = ["DB_PER_OCTAVE_OF_GAIN", "exp2_rows", "log2_rows"]

Audio = NDArray[np.float32]

DB_PER_OCTAVE_OF_GAIN = 20.0 * np.log10(2.0)  # 6.0206 dB: from log2 of a gain to dB

_F = np.float32
_ONE = np.int32(0x3F800000)  # the bits of 1.0
_SQRT_HALF = np.int32(0x3F3504F3)  # the bits of √½: mantissas are taken from √½ to √2, so that 1.0 lies inside
_MANTISSA = np.int32(0x007FFFFF)
_SMALLEST = _F(1.17549435e-38)  # the smallest normal number: log2 of silence is −126, not −inf
_LOG2 = (1.442694869, -0.7213471285, 0.4809225291, -0.3607211958, 0.2876566713, -0.2385194267, 0.2173794069)
_L = tuple(_F(c) for c in (*_LOG2, -0.2103034208, 0.1254124702))
_E = tuple(_F(c) for c in (0.6931472062, 0.2402265135, 0.05550327791, 0.00961800389, 0.001340026984, 0.0001547630033))
_ROUND = _F(12582912.0)  # 1.5 × 2**23: adding and taking away rounds to a whole number
_EXPONENT_SHIFT = np.int32(23)


@kernel
def log2_rows(x: Audio, out: Audio) -> None:
    """Write log2 of `x` ≥ 0, shape (frames,), to `out`; anything below 1.2e-38, silence too, gives −126."""
    for n in range(len(x)):
        held = x[n] if x[n] > _SMALLEST else _SMALLEST
        offset = np.int32(bits_of(held) - _SQRT_HALF)
        exponent = np.int32(offset >> _EXPONENT_SHIFT)
        t = number_of(np.int32((offset & _MANTISSA) + _SQRT_HALF)) - _F(1.0)
        p = _L[8] * t + _L[7]
        p = p * t + _L[6]
        p = p * t + _L[5]
        p = p * t + _L[4]
        p = p * t + _L[3]
        p = p * t + _L[2]
        p = p * t + _L[1]
        p = p * t + _L[0]
        out[n] = p * t + _F(exponent)


@kernel
def exp2_rows(x: Audio, out: Audio) -> None:
    """Write 2 to the power of `x`, shape (frames,), to `out`; `x` is held within ±126."""
    for n in range(len(x)):
        held = x[n] if x[n] > _F(-126.0) else _F(-126.0)
        held = held if held < _F(126.0) else _F(126.0)
        whole = (held + _ROUND) - _ROUND
        f = held - whole
        p = _E[5] * f + _E[4]
        p = p * f + _E[3]
        p = p * f + _E[2]
        p = p * f + _E[1]
        p = p * f + _E[0]
        bits = bits_of(p * f + _F(1.0))
        out[n] = number_of(np.int32(bits + np.int32(np.int32(whole) << _EXPONENT_SHIFT)))
