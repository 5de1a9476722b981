"""What a voice and the gauges can sound like in one step of a bar: columns for least squares, with exact phases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.noise import seed32
from sonify.dsp.oscillator import FIRST_OVERTONE, NUM_OVERTONES, overtone_weights, phase_increment
from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.mapping.bars import envelopes, slot_quanta
from sonify.mapping.mapper import partial_frequencies_hz
from sonify.mapping.preset import SoundPreset
from sonify.mapping.scales import frequency_hz_of_note

__all__ = ["GaugeBasis", "VoiceBasis"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_HARMONICS = (1, *range(FIRST_OVERTONE, FIRST_OVERTONE + NUM_OVERTONES))
_SPARE_TREMOLO_TERMS = 4


def _radians(increment: NDArray[np.uint32], sample: int) -> Float64:
    """Exact phase at a sample: it wraps as the oscillators' does."""
    turns = (increment.astype(np.uint64) * np.uint64(sample)) & np.uint64(0xFFFFFFFF)
    return np.asarray(turns.astype(np.float64) * (2.0 * np.pi / 2.0**32))


class VoiceBasis:
    """Columns of one voice in its own step: P fundamentals, P sums of overtones, and both with roughness.

    Parameters
    ----------
    preset : SoundPreset
        Pitches, envelope, overtones, roughness.
    """

    def __init__(self, preset: SoundPreset) -> None:
        frequencies_hz = partial_frequencies_hz(preset)
        self.num_partials = len(frequencies_hz)
        self._increment = phase_increment(frequencies_hz, SAMPLE_RATE_HZ)
        self._roughness = phase_increment([preset.roughness.rate], SAMPLE_RATE_HZ)
        self._weights = np.ones((self.num_partials, len(_HARMONICS)))
        self._weights[:, 1:] = overtone_weights(frequencies_hz, preset.overtones.rolloff)
        slot = slot_quanta(preset.arrangement)
        self.slot_frames = slot * QUANTUM_FRAMES
        borders = envelopes(preset.arrangement, 1)[slot : 2 * slot + 1, 0].astype(np.float64)
        borders[-1] = 0.0
        frames = np.arange(self.slot_frames)
        envelope = np.interp(frames, np.arange(slot + 1) * QUANTUM_FRAMES, borders)
        step = _radians(self._increment, 1)[:, None] * np.array(_HARMONICS)
        self._table = np.empty((self.num_partials, 2 * len(_HARMONICS), self.slot_frames), np.float32)
        for partial in range(self.num_partials):
            angle = step[partial, :, None] * frames
            self._table[partial, 0::2] = envelope * np.cos(angle)
            self._table[partial, 1::2] = envelope * np.sin(angle)

    def columns(self, voice: int, first_sample: int) -> Float32:
        """Columns of a step that begins at `first_sample`, shape (4 P, frames).

        With gains g, overtones f and roughness d the voice is [g, f g, d g, f d g] · columns.
        """
        start = np.array([seed32(voice, partial) for partial in range(self.num_partials)]) * (2.0 * np.pi / 2.0**32)
        angle = _radians(self._increment, first_sample)[:, None] * np.array(_HARMONICS) - start[:, None]
        mix = np.zeros((self.num_partials, 2, 2 * len(_HARMONICS)), np.float32)
        mix[:, 0, 0], mix[:, 0, 1] = np.cos(angle[:, 0]), -np.sin(angle[:, 0])
        mix[:, 1, 2::2] = self._weights[:, 1:] * np.cos(angle[:, 1:])
        mix[:, 1, 3::2] = -self._weights[:, 1:] * np.sin(angle[:, 1:])
        plain = np.matmul(mix, self._table)
        step = _radians(self._roughness, 1)[0]
        rough = np.cos(_radians(self._roughness, first_sample)[0] + step * np.arange(self.slot_frames))
        count = self.num_partials
        out = np.empty((4 * count, self.slot_frames), np.float32)
        out[:count], out[count : 2 * count] = plain[:, 0], plain[:, 1]
        np.multiply(out[: 2 * count], rough.astype(np.float32), out=out[2 * count :])
        return out


class GaugeBasis:
    """Columns of the gauges in one step: the sub-bass, and the pulse under any tremolo that the preset allows.

    Parameters
    ----------
    preset : SoundPreset
        Pitches, and the fastest tempo.

    Attributes
    ----------
    tremolo : array (terms, quanta)
        Values of the tremolo's terms (a cosine series over the step) in the middle of each quantum.
    """

    def __init__(self, preset: SoundPreset) -> None:
        gauges = preset.gauges
        notes = np.array([gauges.sub_note, gauges.pulse_note])
        self._increment = phase_increment(frequency_hz_of_note(notes), SAMPLE_RATE_HZ)
        slot = slot_quanta(preset.arrangement)
        self._frames = np.arange(slot * QUANTUM_FRAMES)
        fastest_hz = max(hz for _, hz in gauges.pulse_rate)
        terms = int(np.ceil(2.0 * fastest_hz * slot / CONTROL_RATE_HZ)) + _SPARE_TREMOLO_TERMS
        order = np.arange(min(terms, slot))[:, None]
        self._series = np.cos(np.pi * order * (self._frames + 0.5) / len(self._frames))
        self.tremolo = np.cos(np.pi * order * (np.arange(slot) + 0.5) / slot)
        left = np.exp(-1.0 / (CONTROL_RATE_HZ * preset.motion.glide)) ** np.arange(slot + 1)
        self._before = np.interp(self._frames, np.arange(slot + 1) * QUANTUM_FRAMES, left)

    @property
    def num_columns(self) -> int:
        """Two of the sub-bass, and one a term of the tremolo."""
        return 2 + len(self._series)

    def columns(self, first_sample: int, *, gliding: bool) -> Float32:
        """Columns, shape (num_columns, frames): sub-bass, what it glides away from (0 unless `gliding`), pulse."""
        phase = _radians(self._increment, first_sample)[:, None] + _radians(self._increment, 1)[:, None] * self._frames
        sub, pulse = np.sin(phase)
        before = self._before if gliding else np.zeros_like(self._before)
        return np.concatenate([[sub * (1.0 - before), sub * before], pulse * self._series]).astype(np.float32)
