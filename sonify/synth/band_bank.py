"""The band bank: one partial a latency band for each backend, with overtones for fallbacks and roughness for errors.

All backends share the pitches of the bands, so one oscillator pair (cosine and sine) serves them all: a partial of any
gain and start phase is a mix of the two. Start phases differ between backends, so that their levels add as powers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.noise import seed32
from sonify.dsp.oscillator import overtone_weights, phase_increment, quadrature
from sonify.kernel import kernel

__all__ = ["BandBank", "band_bank_quantum", "make_band_bank"]

Float32 = NDArray[np.float32]

_SILENT = np.float32(1e-7)  # −140 dBFS: a gain below this that is on its way to 0 is 0
_NO_HOLD = np.float32(1e-3)  # −60 dB: the lowest bed that counts as sound
_ENVELOPE, _HOLD, _OVERTONE, _ROUGHNESS = range(4)


class BandBank(NamedTuple):
    """Pitches and state of the bank; B backends, P partials.

    `increment` (P,), `weights` (P, 4) overtone gains, `turn_cos` and `turn_sin` (B, P) start phases, `gain` (B, P) what
    the last quantum ended with, `voice` (B, 4, 2) envelope, hold, overtones and roughness of each voice at the begin
    and the end of the last quantum, `coefficient` (1,) share of the way to a target gone in one quantum,
    `roughness_increment` (1,), `envelope` (bar + 1, B) gain of each voice at the borders of the bar's quanta, `scratch`
    (4, quantum).
    """

    increment: NDArray[np.uint32]
    weights: Float32
    turn_cos: Float32
    turn_sin: Float32
    gain: Float32
    voice: Float32
    coefficient: Float32
    roughness_increment: NDArray[np.uint32]
    envelope: Float32
    scratch: Float32


def make_band_bank(
    frequencies_hz: NDArray[np.float64],
    envelope: Float32,
    *,
    rolloff_db: float,
    roughness_hz: float,
    glide_s: float,
    quantum_frames: int,
    sample_rate_hz: int,
) -> BandBank:
    """Make a silent bank; see `BandBank` for the arguments.

    Start phases are fixed, whatever the seed of a render: who knows the preset can tell the partials of one voice from
    another's at the same pitch.
    """
    num_partials, num_backends = len(frequencies_hz), envelope.shape[1]
    phases = np.array(
        [[seed32(backend, partial) for partial in range(num_partials)] for backend in range(num_backends)]
    ).reshape(num_backends, num_partials)
    radians = phases * (2.0 * np.pi / 2.0**32)
    return BandBank(
        increment=phase_increment(frequencies_hz, sample_rate_hz),
        weights=overtone_weights(frequencies_hz, rolloff_db),
        turn_cos=np.cos(radians).astype(np.float32),
        turn_sin=np.sin(radians).astype(np.float32),
        gain=np.zeros((num_backends, num_partials), np.float32),
        voice=np.zeros((num_backends, 4, 2), np.float32),
        coefficient=np.array([1.0 - np.exp(-quantum_frames / sample_rate_hz / glide_s)], np.float32),
        roughness_increment=phase_increment([roughness_hz], sample_rate_hz),
        envelope=envelope,
        scratch=np.zeros((4, quantum_frames), np.float32),
    )


@kernel
def band_bank_quantum(
    bank: BandBank,
    first_sample: np.int64,
    place_in_bar: int,
    partial_gain: Float32,
    overtone_gain: Float32,
    roughness_depth: Float32,
    emphasis_gain: Float32,
    hold_ratio: Float32,
    out: Float32,
) -> None:
    """Write one quantum of every backend's bus.

    Parameters
    ----------
    bank : BandBank
        Its gains glide toward the targets; the very first quantum rises from silence.
    first_sample : int
        Sample index of the quantum.
    place_in_bar : int
        Quantum of the bar.
    partial_gain, overtone_gain, roughness_depth, emphasis_gain, hold_ratio
        Targets, shapes (B, P), (B,), (B,), (B,), (B,).
    out : array (B or more, quantum)
        The first B rows are overwritten.
    """
    num_backends, num_partials = bank.gain.shape
    frames = out.shape[1]
    per_frame = np.float32(1.0 / frames)
    cosine, sine, over_cosine, over_sine = bank.scratch[0], bank.scratch[1], bank.scratch[2], bank.scratch[3]
    for backend in range(num_backends):
        out[backend, :] = np.float32(0.0)
        _advance(bank, place_in_bar, backend, overtone_gain[backend], roughness_depth[backend], hold_ratio[backend])
    for partial in range(num_partials):
        ready = False
        for backend in range(num_backends):
            target = partial_gain[backend, partial] * emphasis_gain[backend]
            now, after = _glide(bank, backend, bank.gain[backend, partial], target)
            bank.gain[backend, partial] = after
            begin = now * bank.voice[backend, _ENVELOPE, 0]
            end = after * bank.voice[backend, _ENVELOPE, 1]
            if begin == np.float32(0.0) and end == np.float32(0.0):
                continue
            if not ready:
                quadrature(
                    bank.increment[partial], first_sample, bank.weights[partial], cosine, sine, over_cosine, over_sine
                )
                ready = True
            over_begin = begin * bank.voice[backend, _OVERTONE, 0]
            _add_partial(
                out[backend],
                cosine,
                sine,
                over_cosine,
                over_sine,
                bank.turn_cos[backend, partial],
                bank.turn_sin[backend, partial],
                begin,
                (end - begin) * per_frame,
                over_begin,
                (end * bank.voice[backend, _OVERTONE, 1] - over_begin) * per_frame,
            )
    for backend in range(num_backends):
        begin, end = bank.voice[backend, _ROUGHNESS]
        if begin > _SILENT or end > _SILENT:
            _roughen(bank, first_sample, out[backend], begin, (end - begin) * per_frame)


@kernel
def _advance(
    bank: BandBank, place_in_bar: int, backend: int, overtone: np.float32, roughness: np.float32, hold: np.float32
) -> None:
    """Move what a voice has one of to the next quantum."""
    voice = bank.voice[backend]
    before = voice[_HOLD, 1]
    after = before + bank.coefficient[0] * (hold - before)
    if hold == np.float32(0.0) and after < _NO_HOLD:
        after = np.float32(0.0)
    voice[_HOLD, 0], voice[_HOLD, 1] = before, after
    for border in range(2):
        plucked = bank.envelope[place_in_bar + border, backend]
        voice[_ENVELOPE, border] = plucked + (np.float32(1.0) - plucked) * voice[_HOLD, border]
    voice[_OVERTONE, 0], voice[_OVERTONE, 1] = _glide(bank, backend, voice[_OVERTONE, 1], overtone)
    voice[_ROUGHNESS, 0], voice[_ROUGHNESS, 1] = _glide(bank, backend, voice[_ROUGHNESS, 1], roughness)


@kernel
def _glide(bank: BandBank, backend: int, value: np.float32, target: np.float32) -> tuple[np.float32, np.float32]:
    """Return a value at the begin and at the end of a quantum.

    Where its envelope is silent a voice takes the target at once, unheard. In a bar with silence between the steps it
    then keeps it for the whole step, so that a step plays one value, unless it is held through the silence.
    """
    voice = bank.voice[backend]
    if voice[_ENVELOPE, 0] == np.float32(0.0):
        return target, target
    if bank.envelope[0, backend] == np.float32(0.0) and voice[_HOLD, 1] == np.float32(0.0):
        return value, value
    end = value + bank.coefficient[0] * (target - value)
    if target == np.float32(0.0) and end < _SILENT:
        end = np.float32(0.0)
    return value, end


@kernel
def _add_partial(
    out: Float32,
    cosine: Float32,
    sine: Float32,
    over_cosine: Float32,
    over_sine: Float32,
    turn_cos: np.float32,
    turn_sin: np.float32,
    gain: np.float32,
    gain_step: np.float32,
    over_gain: np.float32,
    over_step: np.float32,
) -> None:
    if over_gain == np.float32(0.0) and over_step == np.float32(0.0):
        for i in range(out.shape[0]):
            ramp = gain + gain_step * np.float32(i)
            out[i] += ramp * (turn_cos * cosine[i] + turn_sin * sine[i])
        return
    for i in range(out.shape[0]):
        index = np.float32(i)
        ramp = gain + gain_step * index
        over = over_gain + over_step * index
        out[i] += turn_cos * (ramp * cosine[i] + over * over_cosine[i]) + turn_sin * (
            ramp * sine[i] + over * over_sine[i]
        )


@kernel
def _roughen(bank: BandBank, first_sample: np.int64, bus: Float32, depth: np.float32, depth_step: np.float32) -> None:
    """Modulate a bus by 1 + depth × cos; its mean level stays."""
    cosine = bank.scratch[0]
    quadrature(
        bank.roughness_increment[0],
        first_sample,
        bank.weights[0],
        cosine,
        bank.scratch[1],
        bank.scratch[2],
        bank.scratch[3],
    )
    for i in range(bus.shape[0]):
        bus[i] *= np.float32(1.0) + (depth + depth_step * np.float32(i)) * cosine[i]
