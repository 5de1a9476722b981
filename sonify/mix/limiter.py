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
from sonify.dsp.oversample import AHEAD_FRAMES, BEHIND_FRAMES, LARGEST_GAIN, true_peaks
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
_ABSURD = _F(1e6)  # +120 dBFS is not sound
_NEAR_DB = 1e-4
_CEILING, _LAST_PEAK = range(2)

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
    value : array (2,)
        Ceiling in dB where its glide is; highest sample of the last quantum.
    first, second : float32 array (2, frames)
        The signal in front of each pass, delayed.
    needed, held : float32 array (2 passes, 9), (2 passes, 6)
        The last knots: gains that release as far as they may, and their held minima.
    gain : float32 array (2 passes,)
        The last knot's gain.
    gain_reduction_db : array (1,)
        For meters: the lowest gain of the last call, 0 or less.
    """

    started: NDArray[np.int64]
    value: Array
    first: Audio
    second: Audio
    needed: Audio
    held: Audio
    gain: Audio
    gain_reduction_db: Array


def make_limiter_state() -> LimiterState:
    """State of a limiter that has heard nothing yet."""
    return LimiterState(
        np.zeros(1, dtype=np.int64),
        np.zeros(2),
        np.zeros((2, _FIRST_FRAMES), dtype=np.float32),
        np.zeros((2, _SECOND_FRAMES), dtype=np.float32),
        np.ones((2, _HOLD), dtype=np.float32),
        np.ones((2, _MEAN_PAST), dtype=np.float32),
        np.ones(2, dtype=np.float32),
        np.zeros(1),
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
def _gains_of_knots(highest: Audio, limits: Audio, rise: float, state: LimiterState, number: int, out: Audio) -> float:
    """Turn the highest peaks (60,) into gains that keep them under `limits` (60,), to `out` (61,) from the last one on.

    Returns the lowest of them. `rise` is the most that a gain may grow from one knot to the next, as a factor.
    """
    growth = _F(rise)
    work = np.empty((3, _HOLD + _KNOTS), dtype=np.float32)
    needed, held, mean = work[0], work[1], work[2]
    needed[:_HOLD], held[:_MEAN_PAST] = state.needed[number], state.held[number]
    for k in range(_KNOTS):
        out[k] = limits[k] / (
            highest[k] if highest[k] > limits[k] else limits[k]
        )  # exactly 1 where nothing is too high
    gain = needed[_HOLD - 1]
    for k in range(_KNOTS):
        gain = gain * growth if gain * growth < _ONE else _ONE
        gain = gain if gain < out[k] else out[k]
        needed[_HOLD + k] = gain
    for k in range(_KNOTS):
        low = needed[k]
        for i in range(1, _HOLD + 1):
            low = low if low < needed[k + i] else needed[k + i]
        held[_MEAN_PAST + k] = low
    # sums of equal numbers are exact, and no rounded sum of four is above four times the greatest
    for k in range(_KNOTS + _SMOOTH - 1):
        mean[k] = (held[k] + held[k + 1]) + (held[k + 2] + held[k + 3])
    out[0] = state.gain[number]
    for k in range(_KNOTS):
        out[k + 1] = ((mean[k] + mean[k + 1]) + (mean[k + 2] + mean[k + 3])) * _F(1.0 / _SMOOTH**2)
    lowest = out[0]
    for k in range(_KNOTS):
        lowest = lowest if lowest < out[k + 1] else out[k + 1]
    state.needed[number] = needed[_KNOTS:]
    state.held[number] = held[_KNOTS : _KNOTS + _MEAN_PAST]
    state.gain[number] = out[_KNOTS]
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
def _apply(source: Audio, gain: Audio, out: Audio, start: int) -> None:
    """Multiply the front of `source` (2, ≥ 480) by `gain` (480,), to `out` (2, frames) from `start` on."""
    for channel in range(2):  # rows, because a slice of both axes has no unit stride and would not run as SIMD
        row, target = source[channel, :QUANTUM_FRAMES], out[channel, start : start + QUANTUM_FRAMES]
        for n in range(QUANTUM_FRAMES):
            target[n] = row[n] * gain[n]


@kernel
def _advance_limits(settings: LimiterSettings, state: LimiterState, limits: Audio) -> float:
    """Move the ceiling on by one quantum; the threshold at each knot goes to `limits` (60,). Returns the lowest."""
    value = state.value
    if state.started[0] == 0:
        value[_CEILING] = settings.ceiling_db
        state.started[0] = 1
    begin = math.pow(10.0, (value[_CEILING] - MARGIN_DB) / 20.0)
    value[_CEILING] = glide(value[_CEILING], settings.ceiling_db, _NEAR_DB)
    end = math.pow(10.0, (value[_CEILING] - MARGIN_DB) / 20.0)
    for k in range(_KNOTS):
        limits[k] = begin + (end - begin) * (k + 1) / _KNOTS
    return min(begin, end)


@kernel
def _peaks_between(second: Audio, loudest: float, threshold: float, peaks: Audio) -> None:
    """Find the true peaks of the quantum that lies `AHEAD_FRAMES` back in `second`, unless none can be too high."""
    peaks[:] = _F(0.0)
    if loudest * LARGEST_GAIN <= threshold:
        return
    for channel in range(2):
        true_peaks(second[channel, _SECOND_FRAMES - AHEAD_FRAMES - BEHIND_FRAMES :], peaks)


@kernel
def limiter_process(audio: Audio, settings: LimiterSettings, state: LimiterState) -> None:
    """Limit `audio` (2, quanta × 480) in place; it comes out `LIMITER_LATENCY_FRAMES` later.

    NaN, infinity and anything from ±1e6 up come in as 0. What stays under the threshold passes bit for bit.
    """
    first = np.empty((2, _FIRST_FRAMES + QUANTUM_FRAMES), dtype=np.float32)
    second = np.empty((2, _SECOND_FRAMES + QUANTUM_FRAMES), dtype=np.float32)
    peaks, gain = np.empty(QUANTUM_FRAMES, dtype=np.float32), np.empty(QUANTUM_FRAMES, dtype=np.float32)
    highest, limits = np.empty(_KNOTS, dtype=np.float32), np.empty(_KNOTS, dtype=np.float32)
    knots = np.empty(_KNOTS + 1, dtype=np.float32)
    first[:, :_FIRST_FRAMES], second[:, :_SECOND_FRAMES] = state.first, state.second
    rise = 10.0 ** (max(settings.release_db_per_s, 0.1) * _KNOT_FRAMES / SAMPLE_RATE_HZ / 20.0)
    lowest = 1.0
    for start in range(0, audio.shape[1], QUANTUM_FRAMES):
        lowest_limit = _advance_limits(settings, state, limits)
        _take_in(audio, start, first, peaks)
        _highest_of_knots(peaks, highest)
        loudest = 0.0
        for k in range(_KNOTS):
            loudest = highest[k] if highest[k] > loudest else loudest
        lowest_first = _gains_of_knots(highest, limits, rise, state, 0, knots)
        _draw_gain(knots, gain)
        _apply(first, gain, second, _SECOND_FRAMES)
        _peaks_between(second, max(loudest, state.value[_LAST_PEAK]), lowest_limit, peaks)
        state.value[_LAST_PEAK] = loudest
        _highest_of_knots(peaks, highest)
        lowest_second = _gains_of_knots(highest, limits, rise, state, 1, knots)
        _draw_gain(knots, gain)
        _apply(second, gain, audio, start)
        lowest = min(lowest, lowest_first * lowest_second)
        for channel in range(2):
            first[channel, :_FIRST_FRAMES] = first[channel, QUANTUM_FRAMES:]
            second[channel, :_SECOND_FRAMES] = second[channel, QUANTUM_FRAMES:]
    state.first[:], state.second[:] = first[:, :_FIRST_FRAMES], second[:, :_SECOND_FRAMES]
    state.gain_reduction_db[0] = 20.0 * math.log10(lowest)
