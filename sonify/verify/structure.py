"""Find the bars in the sound: how many voices there are, when the source was lost, and how many drums there are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.mapping.bars import drum_offsets, slot_quanta
from sonify.mapping.preset import SoundPreset
from sonify.synth.earcons import accent, drum, stale_motif, tick
from sonify.units import gain_from_db

__all__ = ["Clips", "count_drums", "count_voices", "without_motifs"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_MOST_DRUMS = 24
_HEADS = 6  # bars that are looked at to count the drums
_CERTAIN = 0.25  # how far the accent's level may be off
_HEARD = 0.6  # share of a motif's level at which it counts as heard
_SAME_FIT = 1.5  # a count of drums that explains the heads this much worse than the best may still be right
_DRUM_FLOOR = 1e-9  # power of what drums add to a head below which there are none: −90 dBFS


class Clips(NamedTuple):
    """Drawings of the clips, each over the whole step that it begins with, shape (frames,)."""

    tick: Float32
    accent: Float32

    @classmethod
    def of_slot(cls, slot_frames: int) -> Clips:
        """Draw them for steps of a length."""
        return cls(*(_padded(clip(SAMPLE_RATE_HZ), 0, slot_frames) for clip in (tick, accent)))


def _padded(clip: Float32, begin: int, length: int) -> Float32:
    """Shift a clip to `begin`, which may be negative, cut or filled up to a length."""
    out = np.zeros(length, np.float32)
    source = clip[max(-begin, 0) : max(length - begin, 0)]
    out[max(begin, 0) : max(begin, 0) + len(source)] = source
    return out


def drum_columns(preset: SoundPreset, num_drums: int) -> tuple[Float32, Float32]:
    """Draw the drums as they sound in the bar's head and in the step after it, each (drums, frames)."""
    length = slot_quanta(preset.arrangement) * QUANTUM_FRAMES
    offsets = [offset * QUANTUM_FRAMES for offset in drum_offsets(preset.arrangement, num_drums)]
    clips = [drum(band, num_drums, SAMPLE_RATE_HZ) for band in range(num_drums)]
    head = [_padded(clip, begin, length) for clip, begin in zip(clips, offsets, strict=True)]
    tail = [_padded(clip, begin - length, length) for clip, begin in zip(clips, offsets, strict=True)]
    shape = (num_drums, length)
    return np.array(head, np.float32).reshape(shape), np.array(tail, np.float32).reshape(shape)


def count_voices(audio: Float32, preset: SoundPreset) -> int:
    """Count the steps between two accents, less the bar's head; 0 where no accent is heard.

    Steps that sound like the accent by chance, and bars whose source was lost, are outvoted: the count is the one
    that most accents agree with.
    """
    length = slot_quanta(preset.arrangement) * QUANTUM_FRAMES
    template = Clips.of_slot(length).accent.astype(np.float64)
    num_slots = int(audio.shape[1]) // length
    centre = audio[:, : num_slots * length].mean(axis=0).reshape(num_slots, length)
    level = centre @ template / (template @ template)
    wanted = gain_from_db(preset.freshness.pilot_level)
    heard = np.flatnonzero(np.abs(level / wanted - 1.0) < _CERTAIN)
    if not len(heard):
        return 0
    if heard.max() == 0:
        return max(num_slots - 1, 1)

    def agreement(period: int) -> float:
        """F-measure of accents at every so many steps."""
        right = float(np.count_nonzero(heard % period == 0))
        return 2.0 * right / (len(heard) + len(range(0, num_slots, period)))

    periods = range(2, min(num_slots, preset.arrangement.voices + 1) + 1)
    return max(periods, key=agreement, default=2) - 1


def without_motifs(audio: Float32, preset: SoundPreset, stale: NDArray[np.bool_]) -> Float32:
    """Take the stale motifs out, whose level is known; `stale` (steps,) says where they may begin."""
    motif = stale_motif(SAMPLE_RATE_HZ) * np.float32(gain_from_db(preset.freshness.stale_level))
    slot = slot_quanta(preset.arrangement)
    begins = (np.flatnonzero(stale)[:, None] * slot + np.arange(slot)).ravel() * QUANTUM_FRAMES
    begins = begins[begins + len(motif) // 2 < audio.shape[1]]
    if not len(begins):
        return audio
    centre = np.append(audio.mean(axis=0), np.zeros(len(motif), np.float32))
    likeness = np.array([centre[begin : begin + len(motif)] @ motif for begin in begins]) / (motif @ motif)
    out = audio.copy()
    spacing = round(preset.freshness.stale_period * CONTROL_RATE_HZ) * QUANTUM_FRAMES
    while len(likeness) and likeness.max() > _HEARD:
        begin = int(begins[np.argmax(likeness)])
        end = min(begin + len(motif), audio.shape[1])
        out[:, begin:end] -= motif[: end - begin]
        likeness = np.where(np.abs(begins - begin) < spacing // 2, 0.0, likeness)
    return out


def count_drums(heads: list[Float32], beside: list[Float32], preset: SoundPreset) -> int:
    """Count the batch size bands by the drums that explain the bars' heads best.

    Parameters
    ----------
    heads : list of array (frames,)
        What is heard in the centre, in heads of bars.
    beside : list of array (C, frames)
        Columns of what else sounds in each.
    """
    if not heads:
        return 0
    loudest = sorted(range(len(heads)), key=lambda index: -float(heads[index] @ heads[index]))[
        :: max(len(heads) // _HEADS, 1)
    ]
    chosen = loudest[:_HEADS]
    left = [_left(heads[index], beside[index]) for index in chosen]
    alone = sum(power for power in left)
    if alone / (len(chosen) * len(heads[0])) < _DRUM_FLOOR:
        return 0
    errors = []
    for count in range(1, _MOST_DRUMS + 1):
        columns = drum_columns(preset, count)[0]
        errors.append(sum(_left(heads[index], np.concatenate([beside[index], columns])) for index in chosen))
    good = np.array(errors) <= _SAME_FIT * min(errors)
    return int(np.argmax(good)) + 1


def _left(audio: Float32, columns: Float32) -> float:
    """Power that columns do not explain."""
    gram = (columns @ columns.T).astype(np.float64)
    moment = (columns @ audio).astype(np.float64)
    gains = np.linalg.lstsq(gram, moment, rcond=1e-9)[0]
    rest = audio - gains.astype(np.float32) @ columns
    return float(rest @ rest)
