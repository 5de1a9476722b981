"""Gauges: the queue as a pulse whose tempo rises with its depth, active requests as a sub-bass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.oscillator import phase_increment, sine
from sonify.kernel import kernel

__all__ = ["Gauges", "gauges_quantum", "make_gauges"]

Float32 = NDArray[np.float32]

_SILENT = np.float32(1e-7)
_PULSE, _SUB = range(2)


class Gauges(NamedTuple):
    """Pitches and state.

    `increment` (2,) of pulse and sub-bass, `turns` (1,) phase of the pulse's tremolo in turns, `gain` (2,) what the
    last quantum ended with, `coefficient` (1,) share of the way to a target gone in one quantum.
    """

    increment: NDArray[np.uint32]
    turns: NDArray[np.float64]
    gain: Float32
    coefficient: Float32


def make_gauges(*, pulse_hz: float, sub_hz: float, glide_s: float, quantum_frames: int, sample_rate_hz: int) -> Gauges:
    """Make silent gauges; the arguments are the pitches."""
    return Gauges(
        increment=phase_increment([pulse_hz, sub_hz], sample_rate_hz),
        turns=np.zeros(1),
        gain=np.zeros(2, np.float32),
        coefficient=np.array([1.0 - np.exp(-quantum_frames / sample_rate_hz / glide_s)], np.float32),
    )


@kernel
def gauges_quantum(
    state: Gauges,
    first_sample: np.int64,
    tempo_per_frame: np.float64,
    pulse_gain: np.float32,
    sub_gain: np.float32,
    out: Float32,
) -> None:
    """Add one quantum to `out` (quantum,).

    `tempo_per_frame` is the pulse's tempo in turns a frame; its tremolo is a raised cosine, silent at the start of each
    turn, and goes on from where it was when the tempo changes.
    """
    frames = out.shape[0]
    share = state.coefficient[0]
    for voice in range(2):
        begin = state.gain[voice]
        target = pulse_gain if voice == _PULSE else sub_gain
        end = begin + share * (target - begin)
        if target == np.float32(0.0) and end < _SILENT:
            end = np.float32(0.0)
        state.gain[voice] = end
        if begin == np.float32(0.0) and end == np.float32(0.0):
            continue
        step = (end - begin) / np.float32(frames)
        increment = state.increment[voice]
        start = np.uint32(np.int64(increment) * first_sample)
        for i in range(frames):
            value = sine(np.uint32(start + np.uint32(increment * np.uint32(i)))) * (begin + step * np.float32(i))
            if voice == _PULSE:
                turns = state.turns[0] + tempo_per_frame * i
                quarter = np.uint32(np.int64((turns + 0.75) * 4294967296.0))  # sin(2π(turns − 1/4)) = −cos(2π turns)
                value *= np.float32(0.5) + np.float32(0.5) * sine(quarter)
            out[i] += value
    turns = state.turns[0] + tempo_per_frame * frames
    state.turns[0] = turns - np.floor(turns)
