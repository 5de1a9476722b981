"""Freshness: a quiet tick while data comes in; a motif of its own while the source is lost.

Silence is never the sign of a lost source. The motif's notes stand outside every pentatonic band, with four harmonics
each, so that it cannot be taken for latencies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.kernel import kernel

__all__ = ["Freshness", "freshness_quantum", "make_freshness"]

Float32 = NDArray[np.float32]

_TICK_HZ = 1480.0  # F#6
_TICK_S = 0.03
_NOTES_HZ = (622.25, 415.30, 311.13)  # D#5 G#4 D#4, falling
_NOTE_S = 0.16
_EDGE_S = 0.02  # notes fade in and out over this


class Freshness(NamedTuple):
    """Clips and state.

    `tick` and `motif` mono clips at their level, `tick_period` and `motif_period` (1,) in frames, `motif_position`
    (1,) frames since the motif began, −1 when it is not playing.
    """

    tick: Float32
    motif: Float32
    tick_period: NDArray[np.int64]
    motif_period: NDArray[np.int64]
    motif_position: NDArray[np.int64]


def make_freshness(
    *, tick_gain: float, tick_period_s: float, motif_gain: float, motif_period_s: float, sample_rate_hz: int
) -> Freshness:
    """Draw the clips; a gain is the peak of a single sine."""
    tick_t = np.arange(round(_TICK_S * sample_rate_hz)) / sample_rate_hz
    fade = 1.0 - tick_t / _TICK_S  # ends at 0: no click
    tick = tick_gain * np.sin(2.0 * np.pi * _TICK_HZ * tick_t) * fade**2 * np.minimum(tick_t / 0.002, 1.0)
    note_t = np.arange(round(_NOTE_S * sample_rate_hz)) / sample_rate_hz
    edge = np.minimum(np.minimum(note_t, _NOTE_S - note_t) / _EDGE_S, 1.0)
    notes = [
        sum(np.sin(2.0 * np.pi * frequency_hz * harmonic * note_t) / harmonic for harmonic in (1, 2, 3, 4)) * edge
        for frequency_hz in _NOTES_HZ
    ]
    return Freshness(
        tick=tick.astype(np.float32),
        motif=(motif_gain * np.concatenate(notes)).astype(np.float32),
        tick_period=np.array([round(tick_period_s * sample_rate_hz)], np.int64),
        motif_period=np.array([round(motif_period_s * sample_rate_hz)], np.int64),
        motif_position=np.array([-1], np.int64),
    )


@kernel
def freshness_quantum(state: Freshness, first_sample: np.int64, fresh: bool, out: Float32) -> None:
    """Write one quantum, shape (quantum,). A motif that has begun is finished even when data comes back."""
    tick_frames, motif_frames = state.tick.shape[0], state.motif.shape[0]
    position = state.motif_position[0]
    if not fresh and position < 0:
        position = 0
    tick_at = first_sample % state.tick_period[0] - 1
    for i in range(out.shape[0]):
        value = np.float32(0.0)
        tick_at += 1
        if tick_at == state.tick_period[0]:
            tick_at = 0
        if fresh and tick_at < tick_frames:
            value += state.tick[tick_at]
        if position >= 0:
            if position < motif_frames:
                value += state.motif[position]
            position += 1
            if position >= motif_frames and fresh:
                position = -1
            elif position >= state.motif_period[0]:
                position = 0
        out[i] = value
    state.motif_position[0] = position
