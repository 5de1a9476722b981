"""Loudness and true peak as broadcasters measure them, over a stream of any length.

ITU-R BS.1770-4 and EBU R 128: two K-weighting filters, mean squares over 400 ms every 100 ms, an absolute gate at
−70 LUFS and a relative gate 10 LU under what passes it. Blocks are kept as a histogram of 0.01 LU, so memory stays
the same.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.oversample import AHEAD_FRAMES, BEHIND_FRAMES, LARGEST_GAIN, highest_magnitude, true_peaks_by_4
from sonify.kernel import entry, kernel

__all__ = ["LoudnessMeter", "k_weighting"]

Array = NDArray[np.float64]
Audio = NDArray[np.float32]

_OFFSET_DB = -0.691  # BS.1770: a 0 dBFS sine of 997 Hz in one channel reads −3.01 LUFS
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_BINS_PER_LU = 100
_BINS = 100 * _BINS_PER_LU  # from the absolute gate to +30 LUFS
_STEPS = 4  # 100 ms steps in a block of 400 ms
_HISTORY = BEHIND_FRAMES + AHEAD_FRAMES
_CHUNK_FRAMES = 480
_AT_REST = 1e-20
_FILLED, _STEPS_DONE = range(2)


class _MeterState(NamedTuple):
    """What survives a call.

    Attributes
    ----------
    counters : int64 array (2,)
        Frames in the step so far, whole steps so far.
    memory : array (channels, rounded up to an even number; 4)
        Two state variables of each of the two filters.
    step_energy : array (5,)
        Sum of squares over all channels: the last four whole steps, and the one being filled.
    blocks, energy : int64 array (10000,), array (10000,)
        Blocks per bin of loudness, and the sum of their mean squares.
    history : float32 array (channels, 23)
        The last samples, for the interpolator.
    peak : array (1,)
        Highest true peak so far, linear.
    """

    counters: NDArray[np.int64]
    memory: Array
    step_energy: Array
    blocks: NDArray[np.int64]
    energy: Array
    history: Audio
    peak: Array


def k_weighting(sample_rate_hz: float) -> Array:
    """Coefficients (2 filters, 5) b0, b1, b2, a1, a2 of the shelf and the high-pass of BS.1770.

    The standard tabulates them for 48 kHz only; these are the analogue filters behind that table (parameters as
    found by B. De Man, "Evaluation of Implementations of the EBU R128 Loudness Measurement", AES 145th Convention,
    2018), transformed to any rate. At 48 kHz they agree with the table to 1e-9.
    """
    tangent = math.tan(math.pi * 1681.974450955533 / sample_rate_hz)
    q, high = 0.7071752369554196, 10.0 ** (3.999843853973347 / 20.0)
    middle = high**0.4996667741545416
    a0 = 1.0 + tangent / q + tangent**2
    shelf = (
        (high + middle * tangent / q + tangent**2) / a0,
        2.0 * (tangent**2 - high) / a0,
        (high - middle * tangent / q + tangent**2) / a0,
        2.0 * (tangent**2 - 1.0) / a0,
        (1.0 - tangent / q + tangent**2) / a0,
    )
    tangent, q = math.tan(math.pi * 38.13547087602444 / sample_rate_hz), 0.5003270373238773
    a0 = 1.0 + tangent / q + tangent**2
    high_pass = (1.0, -2.0, 1.0, 2.0 * (tangent**2 - 1.0) / a0, (1.0 - tangent / q + tangent**2) / a0)
    return np.array([shelf, high_pass])


@kernel
def _weighted_energy(left: Audio, right: Audio, c: Array, memory: Array) -> float:
    """Sum of squares of two channels (frames,) after both filters, `memory` (2, 4): together they fill the waits."""
    b0, b1, b2, a1, a2 = c[0, 0], c[0, 1], c[0, 2], c[0, 3], c[0, 4]
    d0, d1, d2, e1, e2 = c[1, 0], c[1, 1], c[1, 2], c[1, 3], c[1, 4]
    s1, s2, t1, t2 = memory[0, 0], memory[0, 1], memory[0, 2], memory[0, 3]
    u1, u2, v1, v2 = memory[1, 0], memory[1, 1], memory[1, 2], memory[1, 3]
    energy = 0.0
    for n in range(len(left)):
        x, p = float(left[n]), float(right[n])
        y, q = b0 * x + s1, b0 * p + u1
        s1, u1 = (b1 * x + s2) - a1 * y, (b1 * p + u2) - a1 * q
        s2, u2 = b2 * x - a2 * y, b2 * p - a2 * q
        z, r = d0 * y + t1, d0 * q + v1
        t1, v1 = (d1 * y + t2) - e1 * z, (d1 * q + v2) - e1 * r
        t2, v2 = d2 * y - e2 * z, d2 * q - e2 * r
        energy += z * z + r * r
    memory[0, 0], memory[0, 1], memory[0, 2], memory[0, 3] = s1, s2, t1, t2
    memory[1, 0], memory[1, 1], memory[1, 2], memory[1, 3] = u1, u2, v1, v2
    for channel in range(2):
        highest = 0.0
        for i in range(4):
            highest = max(highest, abs(memory[channel, i]))
        if highest < _AT_REST:
            for i in range(4):
                memory[channel, i] = 0.0
    return energy


@kernel
def _end_step(step_frames: int, state: _MeterState) -> None:
    """Close a step of 100 ms, and count the block of 400 ms that ends with it."""
    steps = state.step_energy
    for i in range(_STEPS):
        steps[i] = steps[i + 1]
    steps[_STEPS] = 0.0
    state.counters[_FILLED] = 0
    state.counters[_STEPS_DONE] += 1
    if state.counters[_STEPS_DONE] < _STEPS:
        return
    mean_square = (steps[0] + steps[1] + steps[2] + steps[3]) / (_STEPS * step_frames)
    if mean_square > 0.0:
        over = _OFFSET_DB + 10.0 * math.log10(mean_square) - _ABSOLUTE_GATE_LUFS
        if over > 0.0:
            i = min(int(over * _BINS_PER_LU), _BINS - 1)
            state.blocks[i] += 1
            state.energy[i] += mean_square


@kernel
def _follow_peak(row: Audio, start: int, stop: int, history: Audio, work: Audio, peak: Array) -> None:
    """Raise `peak` to the highest true peak of a chunk of one channel, and remember the chunk's end."""
    size = stop - start
    signal, between = work[0, : _HISTORY + size], work[1, :size]
    for n in range(_HISTORY):
        signal[n] = history[n]
    for n in range(size):
        signal[_HISTORY + n] = row[start + n]
    for n in range(_HISTORY):
        history[n] = signal[size + n]
    if highest_magnitude(signal) * LARGEST_GAIN <= peak[0]:
        return
    for n in range(size):
        between[n] = np.float32(0.0)
    true_peaks_by_4(signal, between)
    peak[0] = max(peak[0], highest_magnitude(between))


@entry(nogil=True)
def _process(audio: Audio, step_frames: int, coefficients: Array, state: _MeterState) -> None:
    num_channels, num_frames = audio.shape
    work = np.empty((2, _HISTORY + _CHUNK_FRAMES), dtype=np.float32)
    silence = np.zeros(_CHUNK_FRAMES, dtype=np.float32)
    start = 0
    while start < num_frames:
        stop = min(start + _CHUNK_FRAMES, num_frames, start + step_frames - state.counters[_FILLED])
        for channel in range(0, num_channels, 2):
            # where there is no second channel, silence stands in for it
            second = audio[channel + 1, start:stop] if channel + 1 < num_channels else silence[: stop - start]
            state.step_energy[_STEPS] += _weighted_energy(
                audio[channel, start:stop], second, coefficients, state.memory[channel : channel + 2]
            )
        for channel in range(num_channels):
            _follow_peak(audio[channel], start, stop, state.history[channel], work, state.peak)
        state.counters[_FILLED] += stop - start
        if state.counters[_FILLED] == step_frames:
            _end_step(step_frames, state)
        start = stop


@entry(nogil=True)
def _end_peak(signal: Audio, peak: Array) -> None:
    """Raise `peak` to the highest true peak of a channel's last samples `signal` (46,), silence after them."""
    between = np.zeros(_HISTORY, dtype=np.float32)
    true_peaks_by_4(signal, between)
    peak[0] = max(peak[0], highest_magnitude(between))


def _loudness_lufs(mean_square: float) -> float:
    return _OFFSET_DB + 10.0 * math.log10(mean_square) if mean_square > 0.0 else -math.inf


class LoudnessMeter:
    """Integrated loudness and true peak of a stream; all channels have the weight of a front channel.

    Parameters
    ----------
    sample_rate_hz : float
        Sample rate.
    channels : int
        Number of channels.
    """

    def __init__(self, sample_rate_hz: float, channels: int) -> None:
        self._step_frames = round(sample_rate_hz / 10.0)
        self._coefficients = k_weighting(sample_rate_hz)
        self._state = _MeterState(
            np.zeros(2, dtype=np.int64),
            np.zeros((channels + channels % 2, 4)),
            np.zeros(_STEPS + 1),
            np.zeros(_BINS, dtype=np.int64),
            np.zeros(_BINS),
            np.zeros((channels, _HISTORY), dtype=np.float32),
            np.zeros(1),
        )

    def process(self, audio: Audio) -> None:
        """Hear more of the stream: finite float32 `audio` (channels, any number of frames)."""
        _process(np.ascontiguousarray(audio, dtype=np.float32), self._step_frames, self._coefficients, self._state)

    def momentary_lufs(self) -> float:
        """Loudness of the last whole 400 ms in LUFS; NaN before there are any, −inf for silence."""
        if self._state.counters[_STEPS_DONE] < _STEPS:
            return math.nan
        return _loudness_lufs(float(self._state.step_energy[:_STEPS].sum()) / (_STEPS * self._step_frames))

    def integrated_lufs(self) -> float:
        """Gated loudness of everything so far in LUFS; NaN under 400 ms, −inf where nothing passes −70 LUFS."""
        if self._state.counters[_STEPS_DONE] < _STEPS:
            return math.nan
        blocks, energy = self._state.blocks, self._state.energy
        if not blocks.any():
            return -math.inf
        gate_lufs = _loudness_lufs(float(energy.sum()) / int(blocks.sum())) + _RELATIVE_GATE_LU
        first = max(math.ceil((gate_lufs - _ABSOLUTE_GATE_LUFS) * _BINS_PER_LU), 0)
        return _loudness_lufs(float(energy[first:].sum()) / int(blocks[first:].sum()))

    def true_peak_dbtp(self) -> float:
        """Highest true peak so far in dBTP; −inf for silence. The stream is taken to end here, in silence."""
        history = self._state.history
        rest = np.zeros((history.shape[0], 2 * _HISTORY), dtype=np.float32)
        rest[:, :_HISTORY] = history
        highest = self._state.peak.copy()
        for row in rest:
            _end_peak(row, highest)
        peak = float(highest[0])
        return 20.0 * math.log10(peak) if peak > 0.0 else -math.inf
