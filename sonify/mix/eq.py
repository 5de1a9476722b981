"""Equaliser: any number of eq bands in a row, every one of which may move."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sonify.dsp.biquad import SHAPES, design_biquad, response_db, run_row, run_stereo, run_stereo_pair
from sonify.dsp.glide import glide
from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.kernel import kernel

__all__ = ["EqSettings", "EqState", "eq_process", "eq_response_db", "make_eq_settings", "make_eq_state"]

Array = NDArray[np.float64]

_RATE = float(SAMPLE_RATE_HZ)
_NEAR_DB = 1e-4
_NEAR_LOG = 1e-6  # of a natural logarithm: one part in a million of a frequency or of q
_AT_REST = 1e-20  # a state below this (−400 dB) is silence; what follows would be denormal numbers
_WILD = 1e15  # a state above this, or not a number, would never come back by itself


class EqSettings(NamedTuple):
    """Targets of the eq bands.

    Attributes
    ----------
    shape : int64 array (eq_bands,)
        Codes from `sonify.dsp.biquad.SHAPES`.
    freq_hz, gain_db, q : float64 array (eq_bands,)
        Corner or centre; gain of shelves and bells; quality.
    """

    shape: NDArray[np.int64]
    freq_hz: Array
    gain_db: Array
    q: Array


class EqState(NamedTuple):
    """What survives a quantum.

    Attributes
    ----------
    started : int64 array (1,)
        0 until the first quantum, which takes the targets as they are.
    shape : int64 array (eq_bands,)
        Shapes that the coefficients were made for.
    value : array (eq_bands, 3)
        log freq_hz, gain_db, log q: where each glide is.
    coefficients : array (eq_bands, 5)
        At the end of the last quantum.
    memory : array (eq_bands, channels, 2)
        State variables of the filters.
    """

    started: NDArray[np.int64]
    shape: NDArray[np.int64]
    value: Array
    coefficients: Array
    memory: Array


def make_eq_settings(shape: list[str], freq_hz: ArrayLike, gain_db: ArrayLike, q: ArrayLike) -> EqSettings:
    """Make settings from the names of shapes and sequences of numbers."""
    return EqSettings(
        np.array([SHAPES[name] for name in shape], dtype=np.int64),
        np.array(freq_hz, dtype=np.float64),
        np.array(gain_db, dtype=np.float64),
        np.array(q, dtype=np.float64),
    )


def make_eq_state(num_eq_bands: int, num_channels: int = 2) -> EqState:
    """State of an equaliser that has heard nothing yet."""
    return EqState(
        np.zeros(1, dtype=np.int64),
        np.zeros(num_eq_bands, dtype=np.int64),
        np.zeros((num_eq_bands, 3)),
        np.zeros((num_eq_bands, 5)),
        np.zeros((num_eq_bands, num_channels, 2)),
    )


def eq_response_db(settings: EqSettings, freq_hz: ArrayLike) -> Array:
    """Magnitude in dB, shape of `freq_hz`, of all eq bands in a row once they have arrived at `settings`."""
    total_db = np.zeros(np.shape(freq_hz))
    coefficients = np.empty(5)
    design = getattr(design_biquad, "py_func", design_biquad)  # a picture need not wait for the compiler
    for shape, band_hz, gain_db, q in zip(*settings, strict=True):
        design(shape, band_hz, gain_db, q, _RATE, coefficients)
        total_db = total_db + response_db(coefficients, freq_hz, _RATE)
    return total_db


@kernel
def _advance(settings: EqSettings, state: EqState, end: Array) -> None:
    """Move every eq band on by one quantum; its coefficients for the quantum's end go to `end` (eq_bands, 5)."""
    started = state.started[0] != 0
    for k in range(len(settings.shape)):
        value = state.value[k]
        log_freq, gain_db, log_q = math.log(settings.freq_hz[k]), settings.gain_db[k], math.log(settings.q[k])
        if started:
            log_freq = glide(value[0], log_freq, _NEAR_LOG)
            gain_db = glide(value[1], gain_db, _NEAR_DB)
            log_q = glide(value[2], log_q, _NEAR_LOG)
        same = log_freq == value[0] and gain_db == value[1] and log_q == value[2]
        if started and same and settings.shape[k] == state.shape[k]:
            end[k] = state.coefficients[k]
            continue
        value[0], value[1], value[2] = log_freq, gain_db, log_q
        state.shape[k] = settings.shape[k]
        design_biquad(settings.shape[k], math.exp(log_freq), gain_db, math.exp(log_q), _RATE, end[k])
        if not started:
            state.coefficients[k] = end[k]
    state.started[0] = 1


@kernel
def _come_to_rest(memory: Array) -> None:
    """Empty the filters (eq_bands, channels, 2) whose tail has gone, and those that were handed something wild.

    Both variables of a filter go together: one alone may be small because it swings through zero.
    """
    for k in range(memory.shape[0]):
        for channel in range(memory.shape[1]):
            first, second = abs(memory[k, channel, 0]), abs(memory[k, channel, 1])
            tame = first <= _WILD and second <= _WILD
            if not tame or (first < _AT_REST and second < _AT_REST):
                memory[k, channel, 0], memory[k, channel, 1] = 0.0, 0.0


@kernel
def eq_process(audio: NDArray[np.float32], settings: EqSettings, state: EqState) -> None:
    """Filter `audio` (channels, quanta × 480) in place.

    Frequency and q glide in their logarithm, gain in dB; a shape that changes is a straight line between the
    coefficients of one quantum. Every filter is transposed direct form II in double precision.
    """
    num_channels, num_frames = audio.shape
    num_bands = len(settings.shape)
    end = np.empty((num_bands, 5))
    for start in range(0, num_frames, QUANTUM_FRAMES):
        stop = start + QUANTUM_FRAMES
        _advance(settings, state, end)
        begin, memory = state.coefficients, state.memory
        k = 0
        if num_channels == 2:
            left, right = audio[0, start:stop], audio[1, start:stop]
            while k + 1 < num_bands:
                run_stereo_pair(left, right, begin[k : k + 2], end[k : k + 2], memory[k : k + 2])
                k += 2
            if k < num_bands:
                run_stereo(left, right, begin[k], end[k], memory[k])
        else:
            for k in range(num_bands):
                for channel in range(num_channels):
                    run_row(audio[channel, start:stop], begin[k], end[k], memory[k, channel])
        state.coefficients[:] = end
        _come_to_rest(memory)
