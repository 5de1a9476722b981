"""Second-order filters: Robert Bristow-Johnson's Audio EQ Cookbook, run as transposed direct form II.

Coefficients are ``(b0, b1, b2, a1, a2)`` with a0 = 1. They may move: they are interpolated linearly across a
quantum. That is safe because the coefficients (a1, a2) of all stable second-order filters form a triangle, which is
convex: every point on the way between two stable filters is a stable filter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sonify.kernel import kernel

__all__ = [
    "BELL",
    "HIGHEST_RATIO",
    "HIGH_PASS",
    "HIGH_SHELF",
    "LOWEST_HZ",
    "LOW_PASS",
    "LOW_SHELF",
    "NOTCH",
    "SHAPES",
    "design_biquad",
    "response_db",
    "run_row",
    "run_stereo",
    "run_stereo_pair",
]

Array = NDArray[np.float64]
Audio = NDArray[np.float32]

LOW_SHELF, HIGH_SHELF, BELL, NOTCH, LOW_PASS, HIGH_PASS = range(6)
SHAPES = {
    "low_shelf": LOW_SHELF,
    "high_shelf": HIGH_SHELF,
    "bell": BELL,
    "notch": NOTCH,
    "low_pass": LOW_PASS,
    "high_pass": HIGH_PASS,
}

LOWEST_HZ = 10.0
HIGHEST_RATIO = 0.45  # of the sample rate: above it the bilinear transform squeezes a filter out of shape
_LOWEST_Q = 0.05


@kernel
def design_biquad(shape: int, freq_hz: float, gain_db: float, q: float, sample_rate_hz: float, out: Array) -> None:
    """Write the coefficients of one filter to `out`.

    Parameters
    ----------
    shape : int
        One of `SHAPES`.
    freq_hz : float
        Corner or centre, held within 10 Hz and 0.45 of the sample rate.
    gain_db : float
        Of a shelf or bell; the other shapes take no notice.
    q : float
        Quality; 1/√2 is the steepest corner without a peak.
    sample_rate_hz : float
        Sample rate.
    out : array (5,)
        Receives b0, b1, b2, a1, a2.
    """
    freq_hz = min(max(freq_hz, LOWEST_HZ), HIGHEST_RATIO * sample_rate_hz)
    angle = 2.0 * math.pi * freq_hz / sample_rate_hz
    cosine = math.cos(angle)
    alpha = math.sin(angle) / (2.0 * max(q, _LOWEST_Q))
    amplitude = 10.0 ** (gain_db / 40.0)
    if shape in (LOW_SHELF, HIGH_SHELF):
        # the two shelves mirror each other about a quarter of the sample rate: the sign of every cosine
        sign = 1.0 if shape == LOW_SHELF else -1.0
        slope = 2.0 * math.sqrt(amplitude) * alpha
        up, down = amplitude + 1.0, (amplitude - 1.0) * sign
        b0 = amplitude * (up - down * cosine + slope)
        b1 = 2.0 * amplitude * (down - up * cosine)
        b2 = amplitude * (up - down * cosine - slope)
        a0 = up + down * cosine + slope
        a1 = -2.0 * (down + up * cosine)
        a2 = up + down * cosine - slope
    elif shape == BELL:
        b0, b1, b2 = 1.0 + alpha * amplitude, -2.0 * cosine, 1.0 - alpha * amplitude
        a0, a1, a2 = 1.0 + alpha / amplitude, -2.0 * cosine, 1.0 - alpha / amplitude
    else:
        a0, a1, a2 = 1.0 + alpha, -2.0 * cosine, 1.0 - alpha
        if shape == NOTCH:
            b0, b1, b2 = 1.0, -2.0 * cosine, 1.0
        elif shape == LOW_PASS:
            b0, b1, b2 = (1.0 - cosine) / 2.0, 1.0 - cosine, (1.0 - cosine) / 2.0
        else:
            b0, b1, b2 = (1.0 + cosine) / 2.0, -1.0 - cosine, (1.0 + cosine) / 2.0
    out[0], out[1], out[2], out[3], out[4] = b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0


def response_db(coefficients: ArrayLike, freq_hz: ArrayLike, sample_rate_hz: float) -> Array:
    """Magnitude in dB, shape of `freq_hz`, of one filter with coefficients b0, b1, b2, a1, a2."""
    b0, b1, b2, a1, a2 = np.asarray(coefficients, dtype=np.float64)
    delay = np.exp(-2j * np.pi * np.asarray(freq_hz, dtype=np.float64) / sample_rate_hz)
    gain = np.abs((b0 + (b1 + b2 * delay) * delay) / (1.0 + (a1 + a2 * delay) * delay))
    return np.asarray(20.0 * np.log10(np.maximum(gain, 1e-15)))


@kernel
def run_row(row: Audio, begin: Array, end: Array, memory: Array) -> None:
    """Filter one channel in place while the coefficients move from `begin` to `end`.

    Parameters
    ----------
    row : float32 array (frames,)
        Audio.
    begin, end : array (5,)
        Coefficients before the first and at the last sample.
    memory : array (2,)
        The filter's two state variables, updated.
    """
    b0, b1, b2, a1, a2 = begin[0], begin[1], begin[2], begin[3], begin[4]
    pace = 1.0 / len(row)
    d0, d1, d2 = (end[0] - b0) * pace, (end[1] - b1) * pace, (end[2] - b2) * pace
    e1, e2 = (end[3] - a1) * pace, (end[4] - a2) * pace
    s1, s2 = memory[0], memory[1]
    for n in range(len(row)):
        b0, b1, b2, a1, a2 = b0 + d0, b1 + d1, b2 + d2, a1 + e1, a2 + e2
        x = float(row[n])
        y = b0 * x + s1
        s1 = (b1 * x + s2) - a1 * y
        s2 = b2 * x - a2 * y
        row[n] = y
    memory[0], memory[1] = s1, s2


@kernel
def run_stereo(left: Audio, right: Audio, begin: Array, end: Array, memory: Array) -> None:
    """As `run_row` for two channels at once, `memory` of shape (2 channels, 2)."""
    b0, b1, b2, a1, a2 = begin[0], begin[1], begin[2], begin[3], begin[4]
    pace = 1.0 / len(left)
    d0, d1, d2 = (end[0] - b0) * pace, (end[1] - b1) * pace, (end[2] - b2) * pace
    e1, e2 = (end[3] - a1) * pace, (end[4] - a2) * pace
    l1, l2, r1, r2 = memory[0, 0], memory[0, 1], memory[1, 0], memory[1, 1]
    for n in range(len(left)):
        b0, b1, b2, a1, a2 = b0 + d0, b1 + d1, b2 + d2, a1 + e1, a2 + e2
        x, z = float(left[n]), float(right[n])
        y, w = b0 * x + l1, b0 * z + r1
        l1, r1 = (b1 * x + l2) - a1 * y, (b1 * z + r2) - a1 * w
        l2, r2 = b2 * x - a2 * y, b2 * z - a2 * w
        left[n], right[n] = y, w
    memory[0, 0], memory[0, 1], memory[1, 0], memory[1, 1] = l1, l2, r1, r2


@kernel
def run_stereo_pair(
    left: Audio,
    right: Audio,
    begin: Array,
    end: Array,
    memory: Array,
    next_begin: Array,
    next_end: Array,
    next_memory: Array,
) -> None:
    """Two filters one after the other over two channels, in one loop; each has arguments as `run_stereo` has.

    A recursion waits eight cycles for itself at every sample; four of them side by side keep the processor busy.
    """
    b0, b1, b2, a1, a2 = begin[0], begin[1], begin[2], begin[3], begin[4]
    c0, c1, c2, g1, g2 = next_begin[0], next_begin[1], next_begin[2], next_begin[3], next_begin[4]
    pace = 1.0 / len(left)
    d0, d1, d2 = (end[0] - b0) * pace, (end[1] - b1) * pace, (end[2] - b2) * pace
    e1, e2 = (end[3] - a1) * pace, (end[4] - a2) * pace
    h0, h1, h2 = (next_end[0] - c0) * pace, (next_end[1] - c1) * pace, (next_end[2] - c2) * pace
    f1, f2 = (next_end[3] - g1) * pace, (next_end[4] - g2) * pace
    l1, l2, r1, r2 = memory[0, 0], memory[0, 1], memory[1, 0], memory[1, 1]
    m1, m2, s1, s2 = next_memory[0, 0], next_memory[0, 1], next_memory[1, 0], next_memory[1, 1]
    for n in range(len(left)):
        b0, b1, b2, a1, a2 = b0 + d0, b1 + d1, b2 + d2, a1 + e1, a2 + e2
        c0, c1, c2, g1, g2 = c0 + h0, c1 + h1, c2 + h2, g1 + f1, g2 + f2
        x, z = float(left[n]), float(right[n])
        y, w = b0 * x + l1, b0 * z + r1
        l1, r1 = (b1 * x + l2) - a1 * y, (b1 * z + r2) - a1 * w
        l2, r2 = b2 * x - a2 * y, b2 * z - a2 * w
        u, v = c0 * y + m1, c0 * w + s1
        m1, s1 = (c1 * y + m2) - g1 * u, (c1 * w + s2) - g1 * v
        m2, s2 = c2 * y - g2 * u, c2 * w - g2 * v
        left[n], right[n] = u, v
    memory[0, 0], memory[0, 1], memory[1, 0], memory[1, 1] = l1, l2, r1, r2
    next_memory[0, 0], next_memory[0, 1], next_memory[1, 0], next_memory[1, 1] = m1, m2, s1, s2
