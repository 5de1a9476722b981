"""Who sounds when: the bar, the step of each voice in it, and its envelope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.preset import Arrangement
from sonify.units import gain_from_db

__all__ = ["bar_quanta", "drum_offsets", "envelopes", "is_silent_between_steps", "slot_quanta"]

Float32 = NDArray[np.float32]

_NO_BED_DB = -60.0  # the lowest bed that a preset may name means: none


def slot_quanta(arrangement: Arrangement) -> int:
    """Length of one backend's step in a bar, in quanta."""
    return round(arrangement.step * CONTROL_RATE_HZ)


def bar_quanta(arrangement: Arrangement, num_voices: int) -> int:
    """Length of a bar in quanta: a head for tick and drums and a step for each voice, or what the preset says."""
    if arrangement.mode == "sequenced":
        return (num_voices + 1) * slot_quanta(arrangement)
    return round(arrangement.bar * CONTROL_RATE_HZ)


def is_silent_between_steps(arrangement: Arrangement) -> bool:
    """Whether a backend is heard in its own steps only, even in the red: such a bar can be decoded step by step."""
    return arrangement.mode == "sequenced" and arrangement.bed <= _NO_BED_DB and arrangement.hold == 0.0


def drum_offsets(arrangement: Arrangement, num_drums: int) -> list[int]:
    """Quantum of each drum in the bar's head, small batches first."""
    return [index * slot_quanta(arrangement) // max(num_drums, 1) for index in range(num_drums)]


def envelopes(arrangement: Arrangement, num_voices: int) -> Float32:
    """Gain of each voice at the borders of the bar's quanta, shape (bar + 1, voices).

    In a sequence a voice is plucked in its own step: up in one quantum, then falling evenly in dB, and down in the last
    quantum. Between steps it is at the level of the bed. A sustained voice is always at 1.
    """
    bar = bar_quanta(arrangement, num_voices)
    if arrangement.mode != "sequenced":
        return np.ones((bar + 1, num_voices), np.float32)
    slot = slot_quanta(arrangement)
    bed = gain_from_db(arrangement.bed) if arrangement.bed > _NO_BED_DB else 0.0
    decay = 10.0 ** (-arrangement.pluck / 20.0 * np.arange(slot - 1) / max(slot - 2, 1))
    table = np.full((bar + 1, num_voices), bed, np.float32)
    for voice in range(num_voices):
        begin = (voice + 1) * slot
        table[begin + 1 : begin + slot, voice] = np.maximum(decay[: slot - 1], bed)
    return table
