"""Least squares for one step of a bar: partial gains, overtones and roughness of a voice, and what sounds beside it.

The voice is bilinear: gains times (1 + overtones) times (1 + roughness). For given overtones and roughness it is
linear, so a coarse grid over these two finds the basin and Gauss–Newton steps find its bottom, all in the space of
inner products: samples are touched once a step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["VoiceFit", "fit_beside", "fit_voice"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_OVERTONES = (0.0, 0.35, 0.7, 1.2)
_ROUGHNESS = (0.0, 0.3, 0.7, 1.0)
_GAUSS_NEWTON_STEPS = 6
_RIDGE = 1e-6  # of the mean power of a column: over the rounding of the inner products, far under what matters
_SIGNIFICANT = 5.0  # standard deviations: what is smaller is noise
_INAUDIBLE = 1e-6  # −120 dBFS: what is smaller is rounding


class VoiceFit(NamedTuple):
    """What was found in one step.

    `gain` (P,) partial gains, 0 where none is significant; `overtone`, `roughness` of the voice; `beside` (C,) gains of
    the other columns and `spread` (C,) their standard deviations; `residual` (2, frames) what is left of the audio.
    """

    gain: Float64
    overtone: float
    roughness: float
    beside: Float64
    spread: Float64
    residual: Float32


def _solve(gram: Float64, moment: Float64) -> Float64:
    ridge = _RIDGE * np.trace(gram) / max(len(gram), 1) + 1e-30
    return np.asarray(np.linalg.solve(gram + ridge * np.eye(len(gram)), moment))


def _deviation(noise_power: float, gram: Float64) -> Float64:
    """Return the standard deviation of each gain; infinite where the sound says nothing about it."""
    variance = noise_power * np.diag(_solve(gram, np.eye(len(gram))))
    return np.asarray(np.sqrt(np.where(variance > 0.0, variance, np.inf)))


def fit_beside(audio: Float32, columns: Float32, weight: Float32) -> VoiceFit:
    """Fit columns (C, frames) in the centre of the audio (2, frames), where no voice sounds."""
    weighted = columns * weight
    gram = 2.0 * (weighted @ weighted.T).astype(np.float64)
    both = (audio[0] + audio[1]) * weight
    gains = _solve(gram, (weighted @ both).astype(np.float64))
    residual = audio - (gains.astype(np.float32) @ columns)
    spread = _deviation(_noise_power(residual, weight), gram)
    return VoiceFit(np.zeros(0), 0.0, 0.0, gains, spread, residual)


def fit_voice(audio: Float32, pan: Float64, columns: Float32, beside: Float32, weight: Float32) -> VoiceFit:
    """Fit one voice and what sounds beside it in the centre.

    Parameters
    ----------
    audio : array (2, frames)
        One step.
    pan : array (2,)
        Gains of the voice to left and right.
    columns : array (4 P, frames)
        See `VoiceBasis.columns`.
    beside : array (C, frames)
        Columns of what sounds in the centre.
    weight : array (frames,)
        How far each frame counts: the inverse of how strong the noise is there.
    """
    num_voice = len(columns)
    all_columns = np.concatenate([columns, beside]) * weight
    gram = (all_columns @ all_columns.T).astype(np.float64)
    gram[:num_voice, :num_voice] *= pan @ pan
    gram[:num_voice, num_voice:] *= pan.sum()
    gram[num_voice:, :num_voice] *= pan.sum()
    gram[num_voice:, num_voice:] *= 2.0
    moment = np.empty(len(all_columns))
    moment[:num_voice] = all_columns[:num_voice] @ (pan.astype(np.float32) @ audio * weight)
    moment[num_voice:] = all_columns[num_voice:] @ ((audio[0] + audio[1]) * weight)

    inner, cross = gram[num_voice:, num_voice:], gram[:num_voice, num_voice:]
    bridge = _solve(inner, cross.T)  # what the centre explains of the voice's columns
    rest = gram[:num_voice, :num_voice] - cross @ bridge
    wanted = moment[:num_voice] - bridge.T @ moment[num_voice:]
    gain, overtone, roughness = _bilinear(rest, wanted)
    parts = _parts(overtone, roughness)
    voice = np.kron(parts, gain)
    gains = _solve(inner, moment[num_voice:] - cross.T @ voice)

    residual = audio - gains.astype(np.float32) @ beside
    residual -= pan.astype(np.float32)[:, None] * (voice.astype(np.float32) @ columns)
    noise = _noise_power(residual, weight)
    deviation, spread = _deviation(noise, _reduced(rest, parts)), _deviation(noise, inner)
    gain = np.where(gain > np.maximum(_SIGNIFICANT * deviation, _INAUDIBLE), gain, 0.0)
    return VoiceFit(gain, overtone, roughness, gains, spread, residual)


def _noise_power(residual: Float32, weight: Float32) -> float:
    """Power of what is left, a channel and frame, as it counts in the weighted sums."""
    count = max(int(np.count_nonzero(weight)), 1)
    return float(np.sum((residual * weight).astype(np.float64) ** 2) / (2 * count))


def _parts(overtone: float, roughness: float) -> Float64:
    """How the four blocks of columns follow from the gains."""
    return np.array([1.0, overtone, roughness, overtone * roughness])


def _reduced(gram: Float64, parts: Float64) -> Float64:
    """Inner products of the P columns that are left once overtones and roughness are given."""
    count = len(gram) // 4
    return np.asarray(np.einsum("a,aibj,b->ij", parts, gram.reshape(4, count, 4, count), parts))


def _bilinear(gram: Float64, moment: Float64) -> tuple[Float64, float, float]:
    """Find the gains, overtones and roughness with the least squared error."""
    count = len(gram) // 4
    blocks = moment.reshape(4, count)

    def gains(overtone: float, roughness: float) -> tuple[float, Float64]:
        parts = _parts(overtone, roughness)
        wanted = parts @ blocks
        found = _solve(_reduced(gram, parts), wanted)
        return float(found @ wanted), found

    candidates = [(overtone, roughness) for overtone in _OVERTONES for roughness in _ROUGHNESS]
    overtone, roughness = max(candidates, key=lambda pair: gains(*pair)[0])
    explained, gain = gains(overtone, roughness)
    for _ in range(_GAUSS_NEWTON_STEPS):
        step = _gauss_newton_step(gram, moment, gain, overtone, roughness)
        nearer = False
        for share in (1.0, 0.3):
            tried = max(overtone + share * step[0], 0.0), float(np.clip(roughness + share * step[1], 0.0, 1.0))
            now, found = gains(*tried)
            if now > explained:
                nearer = True
                moved = abs(tried[0] - overtone) + abs(tried[1] - roughness)
                explained, gain, (overtone, roughness) = now, found, tried
                break
        if not nearer or moved < 1e-6:
            break
    return gain, overtone, roughness


def _gauss_newton_step(
    gram: Float64, moment: Float64, gain: Float64, overtone: float, roughness: float
) -> tuple[float, float]:
    """How overtones and roughness should change, together with all gains."""
    count = len(gain)
    basis = np.zeros((4 * count, count + 2))
    basis[:, :count] = np.kron(_parts(overtone, roughness)[:, None], np.eye(count))
    basis[:, count] = np.kron([0.0, 1.0, 0.0, roughness], gain)
    basis[:, count + 1] = np.kron([0.0, 0.0, 1.0, overtone], gain)
    left = moment - gram @ np.kron(_parts(overtone, roughness), gain)
    scale = np.linalg.norm(basis, axis=0) + 1e-30
    basis /= scale
    step = _solve(basis.T @ gram @ basis, basis.T @ left) / scale
    return float(step[count]), float(step[count + 1])
