"""Sine and cosine of an exact phase, and sums of their overtones.

The phase is uint32(increment × sample index): it wraps exactly, never drifts, however long the engine runs, and it is a
pure function of the sample index. Sine and cosine are polynomials in x² (Chebyshev interpolation on [0, π²], error
−159 dB and better). Overtones come from that one pair by the recurrence of the Chebyshev polynomials,
cos((h+1)θ) = 2 cos θ cos hθ − cos((h−1)θ), and likewise for the sine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sonify.kernel import kernel

__all__ = ["FIRST_OVERTONE", "NUM_OVERTONES", "overtone_weights", "phase_increment", "quadrature", "sine"]

FIRST_OVERTONE = 2
NUM_OVERTONES = 4
_HIGHEST_HZ = 21_000.0  # overtones above this are left out: nobody hears them, and none may fold back

_RADIANS = np.float32(np.pi / 2**31)
_C0, _C1, _C2, _C3, _C4, _C5, _C6 = (
    np.float32(c)
    for c in (
        0.9999999889445764,
        -0.4999998901779042,
        0.04166648823470609,
        -0.0013887799355633355,
        2.4769800744363848e-05,
        -2.707828560004982e-07,
        1.7242576572472218e-09,
    )
)
_S0, _S1, _S2, _S3, _S4, _S5, _S6 = (
    np.float32(s)
    for s in (
        0.9999999992502204,
        -0.16666665921891802,
        0.008333321235978332,
        -0.00019840531555462168,
        2.753580048650192e-06,
        -2.47283665104447e-08,
        1.3611596283805796e-10,
    )
)


def phase_increment(frequency_hz: ArrayLike, sample_rate_hz: float) -> NDArray[np.uint32]:
    """Phase step per sample, in 1/2³² turns."""
    turns = np.asarray(frequency_hz, dtype=np.float64) / sample_rate_hz
    return np.asarray(np.rint(turns * 2.0**32).astype(np.int64) & 0xFFFFFFFF, dtype=np.uint32)


def overtone_weights(frequency_hz: ArrayLike, rolloff_db: float) -> NDArray[np.float32]:
    """Gain of overtones 2–5 of each frequency, shape (frequencies, 4).

    Their powers sum to that of the fundamental; those over 21 kHz are 0.
    """
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    gains = 10.0 ** (-rolloff_db * np.arange(NUM_OVERTONES) / 20.0)
    gains /= np.sqrt(np.sum(gains**2))
    overtone_hz = frequency[:, None] * (FIRST_OVERTONE + np.arange(NUM_OVERTONES))
    return np.asarray(np.where(overtone_hz < _HIGHEST_HZ, gains, 0.0), dtype=np.float32)


@kernel
def sine(phase: np.uint32) -> np.float32:
    """Sine of one phase in 1/2³² turns."""
    x = np.float32(np.int32(phase)) * _RADIANS
    u = x * x
    return x * (_S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * (_S4 + u * (_S5 + u * _S6))))))


@kernel
def quadrature(
    increment: np.uint32,
    first_sample: np.int64,
    weights: NDArray[np.float32],
    cosine: NDArray[np.float32],
    sine: NDArray[np.float32],
    over_cosine: NDArray[np.float32],
    over_sine: NDArray[np.float32],
) -> None:
    """Fill a fundamental and the weighted sum of its overtones, each in quadrature, from `first_sample` on."""
    w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3]
    start = np.uint32(np.int64(increment) * first_sample)
    two = np.float32(2.0)
    for i in range(cosine.shape[0]):
        phase = np.uint32(start + np.uint32(increment * np.uint32(i)))
        x = np.float32(np.int32(phase)) * _RADIANS
        u = x * x
        c = _C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * (_C4 + u * (_C5 + u * _C6)))))
        s = x * (_S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * (_S4 + u * (_S5 + u * _S6))))))
        twice = two * c
        c2 = twice * c - np.float32(1.0)
        s2 = twice * s
        c3 = twice * c2 - c
        s3 = twice * s2 - s
        c4 = twice * c3 - c2
        s4 = twice * s3 - s2
        cosine[i] = c
        sine[i] = s
        over_cosine[i] = w2 * c2 + w3 * c3 + w4 * c4 + w5 * (twice * c4 - c3)
        over_sine[i] = w2 * s2 + w3 * s3 + w4 * s4 + w5 * (twice * s4 - s3)
