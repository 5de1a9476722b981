"""Limiter: keeps the true peak under a ceiling, by looking ahead, with one gain for both channels.

Two passes of the same machine. The first brings the samples themselves under the threshold, however wild they are; the
second looks between the samples of what the first one made (ITU-R BS.1770-4, annex 2) and never has more than the
interpolator's own 7 dB left to take away. A single pass would have to trust that a gain that falls by 80 dB within
2 ms leaves the shape between the samples alone, and it does not.

In each pass the gain lives on knots, eight frames apart, with straight lines between them. A knot is a mean of held
minima of what its surroundings need, so a line never lies above what any frame needs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.glide import glide
from sonify.dsp.oversample import AHEAD_FRAMES, BEHIND_FRAMES, LARGEST_GAIN, highest_magnitude, true_peaks
from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.kernel import kernel

__all__ = [
    "LIMITER_LATENCY_FRAMES",
    "MARGIN_DB",
    "LimiterSettings",
    "LimiterState",
    "limiter_process",
    "make_limiter_state",
]

Array = NDArray[np.float64]
Audio = NDArray[np.float32]

_F = np.float32
_ONE = _F(1.0)
_KNOT_FRAMES = 8
_KNOTS = QUANTUM_FRAMES // _KNOT_FRAMES
_SMOOTH = 4  # knots of one moving mean; two of them make a triangle
_AHEAD_KNOTS = 2 * _SMOOTH  # 1.3 ms
_HOLD = _AHEAD_KNOTS + 1  # a minimum is held until both means have passed it, and a knot on either side
_MEAN_PAST = 2 * (_SMOOTH - 1)
_FIRST_FRAMES = _AHEAD_KNOTS * _KNOT_FRAMES
_SECOND_FRAMES = _FIRST_FRAMES + AHEAD_FRAMES
_PEAK_FRAMES = 96  # between samples is looked by pieces of a quantum: most of them cannot hold too high a peak
_ABSURD = _F(1e6)  # +120 dBFS is not sound
_NEAR_DB = 1e-4

LIMITER_LATENCY_FRAMES = _FIRST_FRAMES + _SECOND_FRAMES
# the threshold is this far under the ceiling: other meters may read up to 0.4 dB higher, see oversample
MARGIN_DB = 0.5


class LimiterSettings(NamedTuple):
    """Targets.

    Attributes
    ----------
    ceiling_db : float
        True peak that is never passed, dBTP.
    release_db_per_s : float
        How fast the gain comes back.
    """

    ceiling_db: float = -1.0
    release_db_per_s: float = 60.0


class LimiterState(NamedTuple):
    """What survives a quantum.

    Attributes
    ----------
    started : int64 array (1,)
        0 until the first quantum, which takes the ceiling as it is.
    value : array (1,)
        Ceiling in dB where its glide is.
    first, second : float32 array (2, frames)
        The signal in front of each pass: what is delayed, and room for a quantum.
    needed, held : float32 array (2 passes, 69), (2 passes, 66)
        The last knots, and room for those of a quantum: gains that release as far as they may, their held minima.
    last_gain : float32 array (2 passes,)
        The last knot's gain.
    gain_reduction_db : array (1,)
        For meters: the lowest gain of the last call, 0 or less.
    peaks, gain : float32 array (480,)
        Of the quantum that is being worked on; and at its knots:
    highest, limits, mean, knots : float32 array (60,), (60,), (63,), (61,)
        Peaks, thresholds, moving means, gains.
    """

    started: NDArray[np.int64]
    value: Array
    first: Audio
    second: Audio
    needed: Audio
    held: Audio
    last_gain: Audio
    gain_reduction_db: Array
    peaks: Audio
    gain: Audio
    highest: Audio
    limits: Audio
    mean: Audio
    knots: Audio


def make_limiter_state() -> LimiterState:
    """State of a limiter that has heard nothing yet."""
    return LimiterState(
        np.zeros(1, dtype=np.int64),
        np.zeros(1),
        np.zeros((2, _FIRST_FRAMES + QUANTUM_FRAMES), dtype=np.float32),
        np.zeros((2, _SECOND_FRAMES + QUANTUM_FRAMES), dtype=np.float32),
        np.ones((2, _HOLD + _KNOTS), dtype=np.float32),
        np.ones((2, _MEAN_PAST + _KNOTS), dtype=np.float32),
        np.ones(2, dtype=np.float32),
        np.zeros(1),
        *(np.zeros(size, np.float32) for size in (QUANTUM_FRAMES, QUANTUM_FRAMES)),
        *(np.zeros(size, np.float32) for size in (_KNOTS, _KNOTS, _KNOTS + _SMOOTH - 1, _KNOTS + 1)),
    )


@kernel
def _highest_of_knots(peaks: Audio, out: Audio) -> None:
    """Highest of each eight frames' `peaks` (480,), to `out` (60,)."""
    for k in range(_KNOTS):
        n = k * _KNOT_FRAMES
        a = peaks[n] if peaks[n] > peaks[n + 1] else peaks[n + 1]
        b = peaks[n + 2] if peaks[n + 2] > peaks[n + 3] else peaks[n + 3]
        c = peaks[n + 4] if peaks[n + 4] > peaks[n + 5] else peaks[n + 5]
        d = peaks[n + 6] if peaks[n + 6] > peaks[n + 7] else peaks[n + 7]
        a = a if a > b else b
        c = c if c > d else d
        out[k] = a if a > c else c


@kernel
def _gains_of_knots(rise: float, state: LimiterState, number: int) -> float:
    """Turn ``state.highest`` into gains that keep it under ``state.limits``, to ``state.knots`` from the last one on.

    Returns the lowest of them. `rise` is the most that a gain may grow from one knot to the next, as a factor.
    """
    growth = _F(rise)
    highest, limits, mean, knots = state.highest, state.limits, state.mean, state.knots
    needed, held = state.needed[number], state.held[number]
    for k in range(_KNOTS):  # exactly 1 where nothing is too high
        knots[k] = limits[k] / (highest[k] if highest[k] > limits[k] else limits[k])
    gain = needed[_HOLD - 1]
    for k in range(_KNOTS):
        gain = gain * growth if gain * growth < _ONE else _ONE
        gain = gain if gain < knots[k] else knots[k]
        needed[_HOLD + k] = gain
    for k in range(_KNOTS):
        low = needed[k]
        for i in range(1, _HOLD + 1):
            low = low if low < needed[k + i] else needed[k + i]
        held[_MEAN_PAST + k] = low
    # sums of equal numbers are exact, and no rounded sum of four is above four times the greatest
    for k in range(_KNOTS + _SMOOTH - 1):
        mean[k] = (held[k] + held[k + 1]) + (held[k + 2] + held[k + 3])
    lowest = knots[0] = state.last_gain[number]
    for k in range(_KNOTS):
        knots[k + 1] = ((mean[k] + mean[k + 1]) + (mean[k + 2] + mean[k + 3])) * _F(1.0 / _SMOOTH**2)
        lowest = lowest if lowest < knots[k + 1] else knots[k + 1]
    for k in range(_HOLD):
        needed[k] = needed[_KNOTS + k]
    for k in range(_MEAN_PAST):
        held[k] = held[_KNOTS + k]
    state.last_gain[number] = knots[_KNOTS]
    return float(lowest)


@kernel
def _draw_gain(knots: Audio, out: Audio) -> None:
    """Straight lines between `knots` (61,), to `out` (480,)."""
    for k in range(_KNOTS):
        begin, step = knots[k], (knots[k + 1] - knots[k]) * _F(1.0 / _KNOT_FRAMES)
        for i in range(_KNOT_FRAMES):
            out[k * _KNOT_FRAMES + i] = begin + step * _F(i + 1)


@kernel
def _take_in(audio: Audio, start: int, first: Audio, peaks: Audio) -> None:
    """Append the quantum of `audio` at `start` to the first delay, no sound as 0, and note its peaks."""
    for channel in range(2):
        row, target = audio[channel, start : start + QUANTUM_FRAMES], first[channel, _FIRST_FRAMES:]
        for n in range(QUANTUM_FRAMES):
            target[n] = row[n] if abs(row[n]) < _ABSURD else _F(0.0)
    left, right = first[0, _FIRST_FRAMES:], first[1, _FIRST_FRAMES:]
    for n in range(QUANTUM_FRAMES):
        a, b = abs(left[n]), abs(right[n])
        peaks[n] = a if a > b else b


@kernel
def _apply(source: Audio, gain: Audio, out: Audio) -> None:
    """Multiply the front of `source` (≥ 480,) by `gain` (480,), to `out` (480,)."""
    for n in range(QUANTUM_FRAMES):
        out[n] = source[n] * gain[n]


@kernel
def _advance_limits(settings: LimiterSettings, state: LimiterState) -> float:
    """Move the ceiling on by one quantum; the threshold at each knot goes to ``state.limits``. Returns the lowest."""
    value, limits = state.value, state.limits
    if state.started[0] == 0:
        value[0] = settings.ceiling_db
        state.started[0] = 1
    begin = math.pow(10.0, (value[0] - MARGIN_DB) / 20.0)
    value[0] = glide(value[0], settings.ceiling_db, _NEAR_DB)
    end = math.pow(10.0, (value[0] - MARGIN_DB) / 20.0)
    for k in range(_KNOTS):
        limits[k] = begin + (end - begin) * (k + 1) / _KNOTS
    return min(begin, end)


@kernel
def _peaks_between(second: Audio, threshold: float, peaks: Audio) -> None:
    """Find the true peaks of the quantum that lies `AHEAD_FRAMES` back in `second`, where any can be too high."""
    behind = _SECOND_FRAMES - AHEAD_FRAMES - BEHIND_FRAMES
    for n in range(QUANTUM_FRAMES):
        peaks[n] = _F(0.0)
    for start in range(0, QUANTUM_FRAMES, _PEAK_FRAMES):
        begin, end = behind + start, behind + start + _PEAK_FRAMES + BEHIND_FRAMES + AHEAD_FRAMES
        for channel in range(2):
            heard = second[channel, begin:end]
            if highest_magnitude(heard) * LARGEST_GAIN > threshold:
                true_peaks(heard, peaks[start : start + _PEAK_FRAMES])


@kernel
def _shift(row: Audio, kept: int) -> None:
    """Keep the last frames of `row` (kept + 480,) as its first."""
    for n in range(kept):
        row[n] = row[QUANTUM_FRAMES + n]


@kernel
def limiter_process(audio: Audio, settings: LimiterSettings, state: LimiterState) -> None:
    """Limit `audio` (2, quanta × 480) in place; it comes out `LIMITER_LATENCY_FRAMES` later.

    NaN, infinity and anything from ±1e6 up come in as 0. What stays under the threshold passes bit for bit.
    """
    first, second, peaks, gain = state.first, state.second, state.peaks, state.gain
    rise = 10.0 ** (max(settings.release_db_per_s, 0.1) * _KNOT_FRAMES / SAMPLE_RATE_HZ / 20.0)
    lowest = 1.0
    for start in range(0, audio.shape[1], QUANTUM_FRAMES):
        lowest_limit = _advance_limits(settings, state)
        _take_in(audio, start, first, peaks)
        lowest_here = 1.0
        for number in range(2):
            if number == 1:
                _peaks_between(second, lowest_limit, peaks)
            _highest_of_knots(peaks, state.highest)
            lowest_here *= _gains_of_knots(rise, state, number)
            _draw_gain(state.knots, gain)
            for channel in range(2):  # rows, because a slice of both axes has no unit stride and would not run as SIMD
                if number == 0:
                    _apply(first[channel], gain, second[channel, _SECOND_FRAMES:])
                else:
                    _apply(second[channel], gain, audio[channel, start : start + QUANTUM_FRAMES])
        lowest = min(lowest, lowest_here)
        for channel in range(2):
            _shift(first[channel], _FIRST_FRAMES)
            _shift(second[channel], _SECOND_FRAMES)
    state.gain_reduction_db[0] = 20.0 * math.log10(lowest)
