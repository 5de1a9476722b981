"""Compressor: feed-forward, in the log domain, with a soft knee and one gain for all channels.

After D. Giannoulis, M. Massberg, J. D. Reiss, "Digital Dynamic Range Compressor Design: A Tutorial and Analysis",
J. Audio Eng. Soc. 60(6), 2012. The gain computer maps a level in dB to a reduction in dB and never touches the
signal, so that linked channels and a sidechain cost nothing. Ballistics are the paper's *smooth branching*
detector: one one-pole, whose coefficient is the attack's while the reduction must grow and the release's while it
shrinks. The paper's decoupled detector sounds alike, but its attack also delays the release; here both are the
one-poles that the settings name.

Work is split into passes: only the one-pole has to wait for itself, everything else runs as SIMD.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sonify.dsp.glide import glide
from sonify.dsp.logarithm import DB_PER_OCTAVE_OF_GAIN, exp2_rows, log2_rows
from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.kernel import kernel

__all__ = ["CompressorSettings", "CompressorState", "compressor_process", "make_compressor_state", "static_curve_db"]

Array = NDArray[np.float64]
Audio = NDArray[np.float32]

_F = np.float32
_DB = _F(DB_PER_OCTAVE_OF_GAIN)
_PER_DB = _F(1.0 / DB_PER_OCTAVE_OF_GAIN)
_NEAR = 1e-4  # dB, and slope: a glide that is this close has arrived
_SHARPEST_KNEE_DB = 0.01  # a knee of 0 would divide by it
_SHORTEST_S = 1e-5
_AT_REST_DB = 1e-7
_THRESHOLD, _SLOPE, _KNEE, _MAKEUP = range(4)


class CompressorSettings(NamedTuple):
    """Targets.

    Attributes
    ----------
    threshold_db : float
        Level of the sidechain's highest channel, dBFS of its peaks, at the middle of the knee.
    ratio : float
        dB in per dB out above the knee, from 1 up.
    knee_db : float
        Width of the knee.
    attack_s, release_s : float
        Time constants (63 %) of the reduction in dB.
    makeup_db : float
        Gain added to everything.
    """

    threshold_db: float
    ratio: float
    knee_db: float
    attack_s: float
    release_s: float
    makeup_db: float


class CompressorState(NamedTuple):
    """What survives a quantum.

    Attributes
    ----------
    started : int64 array (1,)
        0 until the first quantum, which takes the targets as they are.
    value : array (4,)
        Threshold, slope, knee, makeup: where each glide is.
    reduction_db : array (1,)
        The ballistics' one-pole, 0 or more.
    gain_reduction_db : array (1,)
        For meters: the lowest gain of the last call without makeup, 0 or less.
    begin : array (4,)
        Where the glides were when the quantum began.
    scratch : float32 array (2, quantum)
        Levels and gains.
    """

    started: NDArray[np.int64]
    value: Array
    reduction_db: Array
    gain_reduction_db: Array
    begin: Array
    scratch: Audio


def make_compressor_state() -> CompressorState:
    """State of a compressor that has heard nothing yet."""
    return CompressorState(
        np.zeros(1, dtype=np.int64),
        np.zeros(4),
        np.zeros(1),
        np.zeros(1),
        np.zeros(4),
        np.zeros((2, QUANTUM_FRAMES), dtype=np.float32),
    )


def static_curve_db(settings: CompressorSettings, level_db: ArrayLike) -> Array:
    """Level out in dB, shape of `level_db`, of a steady level in: knee, ratio and makeup (equation 4 of the paper)."""
    level = np.asarray(level_db, dtype=np.float64)
    knee_db = max(settings.knee_db, _SHARPEST_KNEE_DB)
    over = level - settings.threshold_db + knee_db / 2.0
    bent = np.clip(over, 0.0, knee_db) ** 2 / (2.0 * knee_db) + np.maximum(over - knee_db, 0.0)
    return np.asarray(level - (1.0 - 1.0 / max(settings.ratio, 1.0)) * bent + settings.makeup_db)


@kernel
def _advance(settings: CompressorSettings, state: CompressorState) -> None:
    """Copy where the glides are to ``state.begin``, and move them on by one quantum."""
    value, begin = state.value, state.begin
    threshold_db, makeup_db = settings.threshold_db, settings.makeup_db
    slope = 1.0 - 1.0 / max(settings.ratio, 1.0)
    knee_db = max(settings.knee_db, _SHARPEST_KNEE_DB)
    if state.started[0] == 0:
        value[_THRESHOLD], value[_SLOPE], value[_KNEE], value[_MAKEUP] = threshold_db, slope, knee_db, makeup_db
        state.started[0] = 1
    for i in range(4):
        begin[i] = value[i]
    value[_THRESHOLD] = glide(begin[_THRESHOLD], threshold_db, _NEAR)
    value[_SLOPE] = glide(begin[_SLOPE], slope, _NEAR)
    value[_KNEE] = glide(begin[_KNEE], knee_db, _NEAR)
    value[_MAKEUP] = glide(begin[_MAKEUP], makeup_db, _NEAR)


@kernel
def _peaks(sidechain: Audio, start: int, out: Audio) -> None:
    """Highest magnitude of all channels, to `out` (frames,)."""
    first = sidechain[0, start : start + QUANTUM_FRAMES]
    for n in range(QUANTUM_FRAMES):
        out[n] = abs(first[n])
    for channel in range(1, sidechain.shape[0]):
        row = sidechain[channel, start : start + QUANTUM_FRAMES]
        for n in range(QUANTUM_FRAMES):
            magnitude = abs(row[n])
            out[n] = magnitude if magnitude > out[n] else out[n]


@kernel
def _wanted_db(level: Audio, begin: Array, end: Array) -> None:
    """Turn log2 of the level into the reduction in dB that the static curve wants, in place (frames,)."""
    pace = 1.0 / len(level)
    threshold, threshold_step = _F(begin[_THRESHOLD]), _F((end[_THRESHOLD] - begin[_THRESHOLD]) * pace)
    slope, slope_step = _F(begin[_SLOPE]), _F((end[_SLOPE] - begin[_SLOPE]) * pace)
    knee, knee_step = _F(begin[_KNEE]), _F((end[_KNEE] - begin[_KNEE]) * pace)
    for n in range(len(level)):
        time = _F(n + 1)
        width = knee + knee_step * time
        over = level[n] * _DB - (threshold + threshold_step * time) + _F(0.5) * width
        inside = over if over > _F(0.0) else _F(0.0)
        inside = inside if inside < width else width
        above = over - width
        above = above if above > _F(0.0) else _F(0.0)
        level[n] = (slope + slope_step * time) * (inside * inside / (width + width) + above)


@kernel
def _ballistics(wanted: Audio, state: CompressorState, attack: float, release: float) -> None:
    """Smooth the reduction in place (frames,), keep its last and deepest value; one-pole coefficients per sample."""
    attack_keep, release_keep = 1.0 - attack, 1.0 - release
    reduction_db, deepest_db = state.reduction_db[0], -state.gain_reduction_db[0]
    if attack >= release:
        # whichever way the reduction has to go, the coefficient that is meant gives the greater result: no branch
        for n in range(len(wanted)):
            want = float(wanted[n])
            rising = reduction_db * attack_keep + want * attack
            falling = reduction_db * release_keep + want * release
            reduction_db = rising if rising > falling else falling
            deepest_db = reduction_db if reduction_db > deepest_db else deepest_db
            wanted[n] = reduction_db
    else:
        for n in range(len(wanted)):
            want = float(wanted[n])
            rising = reduction_db * attack_keep + want * attack
            falling = reduction_db * release_keep + want * release
            reduction_db = rising if rising < falling else falling
            deepest_db = reduction_db if reduction_db > deepest_db else deepest_db
            wanted[n] = reduction_db
    state.reduction_db[0] = reduction_db if reduction_db > _AT_REST_DB else 0.0
    state.gain_reduction_db[0] = -deepest_db


@kernel
def compressor_process(audio: Audio, sidechain: Audio, settings: CompressorSettings, state: CompressorState) -> None:
    """Compress `audio` (channels, quanta × 480) in place by the level of `sidechain` (any channels, same frames).

    Pass the audio itself where there is no sidechain. All channels get one gain, so the stereo image stays.
    """
    num_frames = audio.shape[1]
    begin, end = state.begin, state.value
    level, gain = state.scratch[0], state.scratch[1]
    attack = 1.0 - math.exp(-1.0 / (max(settings.attack_s, _SHORTEST_S) * SAMPLE_RATE_HZ))
    release = 1.0 - math.exp(-1.0 / (max(settings.release_s, _SHORTEST_S) * SAMPLE_RATE_HZ))
    state.gain_reduction_db[0] = 0.0
    for start in range(0, num_frames, QUANTUM_FRAMES):
        _advance(settings, state)
        _peaks(sidechain, start, gain)
        log2_rows(gain, level)
        _wanted_db(level, begin, end)
        _ballistics(level, state, attack, release)
        makeup, makeup_step = _F(begin[_MAKEUP]), _F((end[_MAKEUP] - begin[_MAKEUP]) / QUANTUM_FRAMES)
        for n in range(QUANTUM_FRAMES):
            level[n] = (makeup + makeup_step * _F(n + 1) - level[n]) * _PER_DB
        exp2_rows(level, gain)
        for channel in range(audio.shape[0]):
            row = audio[channel, start : start + QUANTUM_FRAMES]
            for n in range(QUANTUM_FRAMES):
                row[n] *= gain[n]
