"""What a signal does between its samples: true peaks by polyphase interpolation (ITU-R BS.1770-4, annex 2).

Interpolators of different meters disagree near half the sample rate, by up to 2 dB for the worst of signals. So
peaks are taken from two families of 24-tap windowed sincs at once: the full band at eight points per sample, and a
band that ends 3 % lower at four points, which is how resampling meters see the signal. The weights of any common
meter are nearly a mean of these, so no signal at all can read more than 0.4 dB higher there (solved as a linear
programme, see the tests).

A phase and its mirror image share their work: with sums and differences of opposite samples the two are E + O and E
− O, and the greater of their magnitudes is |E| + |O|.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.bits import bits_of, number_of
from sonify.kernel import kernel

__all__ = [
    "AHEAD_FRAMES",
    "BEHIND_FRAMES",
    "LARGEST_GAIN",
    "highest_magnitude",
    "interpolator",
    "true_peaks",
    "true_peaks_by_4",
]

Audio = NDArray[np.float32]

_HALF = 12
BEHIND_FRAMES = _HALF - 1  # samples needed before the one whose peak is asked for
AHEAD_FRAMES = _HALF  # and after it
_FULL_BAND = (1.0, 7.0)  # width of the band over half the sample rate, shape of the Kaiser window
_NARROW_BAND = (0.97, 5.0)


def interpolator(phase: float, width: float, beta: float) -> NDArray[np.float64]:
    """Weights (24,) of samples −11 to 12 for the signal's value at `phase` samples, 0–1."""
    time = np.arange(-BEHIND_FRAMES, AHEAD_FRAMES + 1) - phase
    window = np.i0(beta * np.sqrt(np.maximum(1.0 - (time / _HALF) ** 2, 0.0)))
    weights = np.sinc(time * width) * window
    return np.asarray(weights / weights.sum())


def _halves(phase: float, band: tuple[float, float]) -> tuple[tuple[np.float32, ...], tuple[np.float32, ...]]:
    """Weights (12,) of the sums and of the differences of opposite samples, from the middle outwards."""
    weights = interpolator(phase, *band)
    left, right = weights[_HALF - 1 :: -1], weights[_HALF:]
    even, odd = (left + right) / 2.0, (left - right) / 2.0
    return tuple(np.float32(v) for v in even), tuple(np.float32(v) for v in odd)


_E1, _O1 = _halves(1 / 8, _FULL_BAND)
_E2, _O2 = _halves(2 / 8, _FULL_BAND)
_E3, _O3 = _halves(3 / 8, _FULL_BAND)
_E4, _ = _halves(4 / 8, _FULL_BAND)
_N0, _M0 = _halves(0.0, _NARROW_BAND)
_N2, _M2 = _halves(2 / 8, _NARROW_BAND)
_N4, _ = _halves(4 / 8, _NARROW_BAND)

# no peak can be more than this many times the highest sample near it
LARGEST_GAIN = 1.001 * max(
    float(np.abs(interpolator(phase / 8, *band)).sum()) for phase in range(8) for band in (_FULL_BAND, _NARROW_BAND)
)


@kernel
def _dot(
    c: tuple[np.float32, ...],
    v0: Any,
    v1: Any,
    v2: Any,
    v3: Any,
    v4: Any,
    v5: Any,
    v6: Any,
    v7: Any,
    v8: Any,
    v9: Any,
    v10: Any,
    v11: Any,
) -> Any:
    near = c[0] * v0 + c[1] * v1 + c[2] * v2 + c[3] * v3 + c[4] * v4 + c[5] * v5
    return near + (c[6] * v6 + c[7] * v7 + c[8] * v8 + c[9] * v9 + c[10] * v10 + c[11] * v11)


@kernel
def true_peaks(x: Audio, out: Audio) -> None:
    """Highest magnitude from each sample up to the next, if it is higher than what `out` (frames,) holds.

    Parameters
    ----------
    x : float32 array (frames + 23,)
        The signal from `BEHIND_FRAMES` before the first sample in question to `AHEAD_FRAMES` after the last.
    out : float32 array (frames,)
        Updated, so that several channels may be joined.
    """
    for n in range(len(out)):
        s0, d0 = x[n + 11] + x[n + 12], x[n + 11] - x[n + 12]
        s1, d1 = x[n + 10] + x[n + 13], x[n + 10] - x[n + 13]
        s2, d2 = x[n + 9] + x[n + 14], x[n + 9] - x[n + 14]
        s3, d3 = x[n + 8] + x[n + 15], x[n + 8] - x[n + 15]
        s4, d4 = x[n + 7] + x[n + 16], x[n + 7] - x[n + 16]
        s5, d5 = x[n + 6] + x[n + 17], x[n + 6] - x[n + 17]
        s6, d6 = x[n + 5] + x[n + 18], x[n + 5] - x[n + 18]
        s7, d7 = x[n + 4] + x[n + 19], x[n + 4] - x[n + 19]
        s8, d8 = x[n + 3] + x[n + 20], x[n + 3] - x[n + 20]
        s9, d9 = x[n + 2] + x[n + 21], x[n + 2] - x[n + 21]
        s10, d10 = x[n + 1] + x[n + 22], x[n + 1] - x[n + 22]
        s11, d11 = x[n] + x[n + 23], x[n] - x[n + 23]
        e1 = abs(_dot(_E1, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        e2 = abs(_dot(_E2, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        e3 = abs(_dot(_E3, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        e4 = abs(_dot(_E4, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        n0 = abs(_dot(_N0, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        n2 = abs(_dot(_N2, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        n4 = abs(_dot(_N4, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        p1 = e1 + abs(_dot(_O1, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11))
        p2 = e2 + abs(_dot(_O2, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11))
        p3 = e3 + abs(_dot(_O3, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11))
        q0 = n0 + abs(_dot(_M0, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11))
        q2 = n2 + abs(_dot(_M2, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11))
        p0 = abs(x[n + 11])
        p1 = p1 if p1 > p0 else p0
        p2 = p2 if p2 > p3 else p3
        e4 = e4 if e4 > n4 else n4
        q0 = q0 if q0 > q2 else q2
        p1 = p1 if p1 > p2 else p2
        q0 = q0 if q0 > e4 else e4
        p1 = p1 if p1 > q0 else q0
        out[n] = out[n] if out[n] > p1 else p1


@kernel
def true_peaks_by_4(x: Audio, out: Audio) -> None:
    """As `true_peaks`, from four points per sample of the full band: what a meter shows."""
    for n in range(len(out)):
        s0, d0 = x[n + 11] + x[n + 12], x[n + 11] - x[n + 12]
        s1, d1 = x[n + 10] + x[n + 13], x[n + 10] - x[n + 13]
        s2, d2 = x[n + 9] + x[n + 14], x[n + 9] - x[n + 14]
        s3, d3 = x[n + 8] + x[n + 15], x[n + 8] - x[n + 15]
        s4, d4 = x[n + 7] + x[n + 16], x[n + 7] - x[n + 16]
        s5, d5 = x[n + 6] + x[n + 17], x[n + 6] - x[n + 17]
        s6, d6 = x[n + 5] + x[n + 18], x[n + 5] - x[n + 18]
        s7, d7 = x[n + 4] + x[n + 19], x[n + 4] - x[n + 19]
        s8, d8 = x[n + 3] + x[n + 20], x[n + 3] - x[n + 20]
        s9, d9 = x[n + 2] + x[n + 21], x[n + 2] - x[n + 21]
        s10, d10 = x[n + 1] + x[n + 22], x[n + 1] - x[n + 22]
        s11, d11 = x[n] + x[n + 23], x[n] - x[n + 23]
        p2 = abs(_dot(_E2, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        p4 = abs(_dot(_E4, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11))
        p2 += abs(_dot(_O2, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11))
        p0 = abs(x[n + 11])
        p4 = p4 if p4 > p0 else p0
        p2 = p2 if p2 > p4 else p4
        out[n] = out[n] if out[n] > p2 else p2


@kernel
def highest_magnitude(x: Audio) -> float:
    """Highest magnitude in `x` (frames,); the bits of numbers without a sign are in the order of the numbers."""
    highest = np.int32(0)
    for n in range(len(x)):
        magnitude = np.int32(bits_of(x[n]) & np.int32(0x7FFFFFFF))
        highest = magnitude if magnitude > highest else highest
    return float(number_of(highest))
