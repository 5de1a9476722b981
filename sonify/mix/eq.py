"""Equaliser: any number of eq bands in a row, every one of which may move."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sonify.dsp.biquad import SHAPES, design_biquad, response_db, run_row, run_stereo, run_stereo_pair
from sonify.dsp.glide import glide
from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.kernel import kernel

__all__ = ["EQ_BAND", "EQ_STATE", "eq_process", "eq_response_db", "make_eq_settings", "make_eq_state"]

Array = NDArray[np.float64]
Records = NDArray[np.void]

_RATE = float(SAMPLE_RATE_HZ)
_NEAR_DB = 1e-4
_NEAR_LOG = 1e-6  # of a natural logarithm: one part in a million of a frequency or of q
_AT_REST = 1e-20  # a state below this (−400 dB) is silence; what follows would be denormal numbers
_WILD = 1e15  # a state above this, or not a number, would never come back by itself


# Targets of one eq band: a code from `sonify.dsp.biquad.SHAPES`; corner or centre; gain of shelves and bells; quality.
EQ_BAND = np.dtype([("shape", "i8"), ("freq_hz", "f8"), ("gain_db", "f8"), ("q", "f8")], align=True)

# What survives a quantum of one eq band: whether targets were taken; the shape that the coefficients were made for; log
# freq_hz, gain_db, log q where each glide is; coefficients before and at the end of a quantum; the filter's two state
# variables in each of two channels.
EQ_STATE = np.dtype(
    [
        ("started", "i8"),
        ("shape", "i8"),
        ("value", "f8", (3,)),
        ("begin", "f8", (5,)),
        ("end", "f8", (5,)),
        ("memory", "f8", (2, 2)),
    ],
    align=True,
)


def make_eq_settings(shape: list[str], freq_hz: ArrayLike, gain_db: ArrayLike, q: ArrayLike) -> Records:
    """Make an array of `EQ_BAND` from the names of shapes and sequences of numbers."""
    bands = np.zeros(len(shape), EQ_BAND)
    bands["shape"] = [SHAPES[name] for name in shape]
    bands["freq_hz"], bands["gain_db"], bands["q"] = freq_hz, gain_db, q
    return bands


def make_eq_state(num_eq_bands: int) -> Records:
    """State of an equaliser that has heard nothing yet."""
    return np.zeros(num_eq_bands, EQ_STATE)


def eq_response_db(settings: Records, freq_hz: ArrayLike) -> Array:
    """Magnitude in dB, shape of `freq_hz`, of all eq bands in a row once they have arrived at `settings`."""
    total_db = np.zeros(np.shape(freq_hz))
    coefficients = np.empty(5)
    design = getattr(design_biquad, "py_func", design_biquad)  # a picture need not wait for the compiler
    for shape, band_hz, gain_db, q in settings.tolist():
        design(shape, band_hz, gain_db, q, _RATE, coefficients)
        total_db = total_db + response_db(coefficients, freq_hz, _RATE)
    return total_db


@kernel
def _advance(target: Any, state: Any) -> None:
    """Move one eq band on by one quantum: its coefficients for the quantum's end go to ``state.end``."""
    value = state.value
    log_freq, gain_db, log_q = math.log(target.freq_hz), target.gain_db, math.log(target.q)
    started = state.started != 0
    if started:
        log_freq = glide(value[0], log_freq, _NEAR_LOG)
        gain_db = glide(value[1], gain_db, _NEAR_DB)
        log_q = glide(value[2], log_q, _NEAR_LOG)
        same = log_freq == value[0] and gain_db == value[1] and log_q == value[2]
        if same and target.shape == state.shape:
            return
    value[0], value[1], value[2] = log_freq, gain_db, log_q
    state.shape = target.shape
    design_biquad(target.shape, math.exp(log_freq), gain_db, math.exp(log_q), _RATE, state.end)
    if not started:
        _arrive(state)
        state.started = 1


@kernel
def _arrive(state: Any) -> None:
    for i in range(5):
        state.begin[i] = state.end[i]


@kernel
def _come_to_rest(memory: Array) -> None:
    """Empty a filter (channels, 2) whose tail has gone, and one that was handed something wild.

    Both variables go together: one alone may be small because it swings through zero.
    """
    for channel in range(memory.shape[0]):
        first, second = abs(memory[channel, 0]), abs(memory[channel, 1])
        tame = first <= _WILD and second <= _WILD
        if not tame or (first < _AT_REST and second < _AT_REST):
            memory[channel, 0], memory[channel, 1] = 0.0, 0.0


@kernel
def eq_process(audio: NDArray[np.float32], settings: Records, state: Records) -> None:
    """Filter `audio` (1 or 2 channels, quanta × 480) in place.

    Frequency and q glide in their logarithm, gain in dB; a shape that changes is a straight line between the
    coefficients of one quantum. Every filter is transposed direct form II in double precision.
    """
    num_channels, num_frames = audio.shape
    num_bands = len(settings)
    for start in range(0, num_frames, QUANTUM_FRAMES):
        stop = start + QUANTUM_FRAMES
        for k in range(num_bands):
            _advance(settings[k], state[k])
        if num_channels == 2:
            left, right = audio[0, start:stop], audio[1, start:stop]
            for k in range(0, num_bands - 1, 2):
                one, two = state[k], state[k + 1]
                run_stereo_pair(left, right, one.begin, one.end, one.memory, two.begin, two.end, two.memory)
            if num_bands % 2:
                last = state[num_bands - 1]
                run_stereo(left, right, last.begin, last.end, last.memory)
        else:
            for k in range(num_bands):
                run_row(audio[0, start:stop], state[k].begin, state[k].end, state[k].memory[0])
        for k in range(num_bands):
            _arrive(state[k])
            _come_to_rest(state[k].memory)
