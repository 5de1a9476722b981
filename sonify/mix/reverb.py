"""Reverb: a feedback delay network of eight lines.

After J.-M. Jot, A. Chaigne, "Digital delay networks for designing artificial reverberators", AES 90th Convention, 1991:
every line loses exactly what a sound loses in the line's own length at the wanted reverberation time, by a gain and a
one-pole. The lines mix by a Householder reflection, whose outputs move on by one line, so that the three quarters that
a line keeps of itself travel through all delays.

No delay is shorter than a quantum: a whole quantum is read from the lines before it is written, as slices. When the
size changes, a second tap at the new length fades in over 100 ms: nothing clicks, and nothing bends in pitch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.glide import glide
from sonify.dsp.onepole import run_eight_rows
from sonify.dsp.oversample import highest_magnitude
from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.kernel import kernel

__all__ = ["ReverbSettings", "ReverbState", "make_reverb_state", "reverb_process", "rt60_s"]

Array = NDArray[np.float64]
Audio = NDArray[np.float32]

SHORTEST_DECAY_S, LONGEST_DECAY_S = 0.2, 30.0
SMALLEST_SIZE, LARGEST_SIZE = 0.5, 2.0

_F = np.float32
_LINES = 8
_DELAYS = (1021, 1193, 1361, 1571, 1789, 2053, 2339, 2671)  # frames at size 1: primes, a steady ratio apart
_ROOM_FRAMES = 13 * QUANTUM_FRAMES  # the longest delay at the largest size, and the quantum being written
_FADE_STEP = 0.1  # of a fade per quantum
_LEAST_HIGH_DECAY_RATIO = 0.05
_SILENT = _F(1e-8)  # −160 dBFS
_ABSURD = _F(1e6)
_NEAR = 1e-6
# rows of a Hadamard matrix: orthogonal, so what goes in left and right, and what comes out, is not correlated
_IN_LEFT = (1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0)
_IN_RIGHT = (1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0)
_OUT_LEFT = (1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
_OUT_RIGHT = (1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0)
_IN_GAIN = 8.0**-0.5
_LOG_DECAY, _DAMPING, _WET = range(3)
_POSITION, _QUIET, _IDLE, _STARTED = range(4)
_TAP, _NEXT_TAP, _POLE, _OUTSIDE = range(4)  # rows of coefficients; taps are numbered as their rows
_OUT, _GATE = range(2)


class ReverbSettings(NamedTuple):
    """Targets.

    Attributes
    ----------
    decay_s : float
        RT60 at low frequencies, 0.2–30 s.
    size : float
        0.5–2: scales the lengths of the lines.
    damping : float
        0–1: at half the sample rate the RT60 is ``decay_s * (1 - 0.95 * damping)``.
    mix : float
        Wet gain. At 1 a steady send comes back, at low frequencies, with its own power in each channel, whatever decay
        and size are. At 0 the reverb is silent, and costs nothing once its tail has gone.
    """

    decay_s: float
    size: float
    damping: float
    mix: float


class ReverbState(NamedTuple):
    """What survives a quantum.

    Attributes
    ----------
    counters : int64 array (4,)
        Where to write in the lines; quanta of silence so far; whether the lines are empty; whether targets were taken.
    value : array (3,)
        log decay_s, damping, mix: where each glide is.
    size : array (3,)
        Size of the taps in use and of those that fade in, and how far the fade is, 0–1.
    delays : int64 array (2, 8)
        Frames of the taps in use and of those that fade in.
    begin, end : array (4, 8)
        Before a quantum and at its end: gains of both taps, poles, and output gain and input gate.
    memory : array (8,)
        The one-poles.
    lines : float32 array (8, 6240)
        Delay lines.
    rows, sums, sent : float32 array (8, 480), (3, 480), (2, 480)
        What the lines give back; all of that, and what is heard left and right; what goes in.
    """

    counters: NDArray[np.int64]
    value: Array
    size: Array
    delays: NDArray[np.int64]
    begin: Array
    end: Array
    memory: Array
    lines: Audio
    rows: Audio
    sums: Audio
    sent: Audio


def make_reverb_state() -> ReverbState:
    """State of a reverb that has heard nothing yet."""
    counters = np.zeros(4, dtype=np.int64)
    counters[_IDLE] = 1
    return ReverbState(
        counters,
        np.zeros(3),
        np.zeros(3),
        np.zeros((2, _LINES), dtype=np.int64),
        np.zeros((4, _LINES)),
        np.zeros((4, _LINES)),
        np.zeros(_LINES),
        *(np.zeros((_LINES, frames), dtype=np.float32) for frames in (_ROOM_FRAMES, QUANTUM_FRAMES)),
        *(np.zeros((rows, QUANTUM_FRAMES), dtype=np.float32) for rows in (3, 2)),
    )


def rt60_s(settings: ReverbSettings, freq_hz: float) -> float:
    """Reverberation time in s at a frequency, for a line of middle length."""
    delay_s = sum(_DELAYS) / _LINES * settings.size / SAMPLE_RATE_HZ
    gain = 10.0 ** (-3.0 * delay_s / settings.decay_s)
    ratio = gain ** (1.0 / (1.0 - (1.0 - _LEAST_HIGH_DECAY_RATIO) * settings.damping) - 1.0)
    pole = (1.0 - ratio) / (1.0 + ratio)
    cosine = math.cos(2.0 * math.pi * freq_hz / SAMPLE_RATE_HZ)
    loss = gain * (1.0 - pole) / math.sqrt(1.0 - 2.0 * pole * cosine + pole * pole)
    return -3.0 * delay_s / math.log10(loss)


@kernel
def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


@kernel
def _tap_delays(size: float, delays: NDArray[np.int64]) -> None:
    """Delays in frames (8,) at a size: the next free length that shares no factor with the lines before it."""
    for i in range(_LINES):
        delay = int(_DELAYS[i] * size + 0.5)
        free = False
        while not free:
            free = True
            for j in range(i):
                if not _coprime(delay, delays[j]):
                    free = False
            if not free:
                delay += 1
        delays[i] = delay


@kernel
def _advance_size(size: float, state: ReverbState) -> None:
    """Start a fade to other delays, or go on with one."""
    size = min(max(size, SMALLEST_SIZE), LARGEST_SIZE) if size == size else state.size[0]
    if state.counters[_STARTED] == 0:
        state.size[0], state.size[1], state.size[2] = size, size, 0.0
        for tap in range(2):
            _tap_delays(size, state.delays[tap])
    elif state.size[2] > 0.0:
        state.size[2] = min(state.size[2] + _FADE_STEP, 1.0)
    elif abs(size - state.size[0]) > _NEAR:
        state.size[1], state.size[2] = size, _FADE_STEP
        _tap_delays(size, state.delays[1])


@kernel
def _advance(settings: ReverbSettings, state: ReverbState) -> None:
    """Move all parameters on by one quantum; the coefficients for the quantum's end go to ``state.end``."""
    value, begin, end, started = state.value, state.begin, state.end, state.counters[_STARTED] != 0
    _advance_size(settings.size, state)
    log_decay = math.log(min(max(settings.decay_s, SHORTEST_DECAY_S), LONGEST_DECAY_S))
    damping, wet = min(max(settings.damping, 0.0), 1.0), max(settings.mix, 0.0)
    value[_LOG_DECAY] = glide(value[_LOG_DECAY], log_decay, _NEAR) if started else log_decay
    value[_DAMPING] = glide(value[_DAMPING], damping, _NEAR) if started else damping
    value[_WET] = glide(value[_WET], wet, _NEAR) if started else wet
    per_frame = -3.0 / (math.exp(value[_LOG_DECAY]) * SAMPLE_RATE_HZ)
    to_highest = 1.0 / (1.0 - (1.0 - _LEAST_HIGH_DECAY_RATIO) * value[_DAMPING]) - 1.0
    fade, kept = state.size[2], 0.0
    for i in range(_LINES):
        delay, next_delay = float(state.delays[0, i]), float(state.delays[1, i])
        gain = 10.0 ** (per_frame * delay)
        next_gain = 10.0 ** (per_frame * next_delay) if fade > 0.0 else gain
        ratio = 10.0 ** (per_frame * (delay + fade * (next_delay - delay)) * to_highest)
        pole = (1.0 - ratio) / (1.0 + ratio)
        end[_TAP, i] = gain * (1.0 - pole) * (1.0 - fade)
        end[_NEXT_TAP, i] = next_gain * (1.0 - pole) * fade
        end[_POLE, i] = pole
        kept += (gain + fade * (next_gain - gain)) ** 2 / _LINES
    # in a steady state the lines hold kept / (1 - kept) of the power that comes in, two channels' worth
    end[_OUTSIDE, _OUT] = value[_WET] * math.sqrt((1.0 - kept) / (2.0 * kept))
    end[_OUTSIDE, _GATE] = 1.0 if value[_WET] > 0.0 else 0.0
    if not started:
        for i in range(_LINES):
            begin[_TAP, i], begin[_NEXT_TAP, i], begin[_POLE, i] = end[_TAP, i], end[_NEXT_TAP, i], end[_POLE, i]
        begin[_OUTSIDE, _OUT] = end[_OUTSIDE, _OUT]
        state.counters[_STARTED] = 1


@kernel
def _is_silent(row: Audio) -> bool:
    """Whether nothing is heard in `row` (frames,); what is not a number is not silence."""
    return highest_magnitude(row) < float(_SILENT)


@kernel
def _sends_silence(send: Audio, start: int) -> bool:
    """Whether the send's quantum at `start` is silent."""
    left, right = send[0, start : start + QUANTUM_FRAMES], send[1, start : start + QUANTUM_FRAMES]
    return _is_silent(left) and _is_silent(right)


@kernel
def _read_tap(line: Audio, first: int, begin: float, end: float, out: Audio, add: bool) -> None:
    """Read a quantum of a line from frame `first` on, round its end, to `out` or added to it; the gain moves."""
    first = first + _ROOM_FRAMES if first < 0 else first
    split = min(QUANTUM_FRAMES, _ROOM_FRAMES - first)
    gain, step = _F(begin), _F((end - begin) / QUANTUM_FRAMES)
    head, tail = line[first : first + split], line[: QUANTUM_FRAMES - split]
    out_head, out_tail = out[:split], out[split:]
    if add:
        for n in range(len(head)):
            out_head[n] += head[n] * (gain + step * _F(n + 1))
        for n in range(len(tail)):
            out_tail[n] += tail[n] * (gain + step * _F(split + n + 1))
    else:
        for n in range(len(head)):
            out_head[n] = head[n] * (gain + step * _F(n + 1))
        for n in range(len(tail)):
            out_tail[n] = tail[n] * (gain + step * _F(split + n + 1))


@kernel
def _read_lines(state: ReverbState) -> None:
    """Read all lines to ``state.rows``, damped."""
    begin, end, rows = state.begin, state.end, state.rows
    taps = 2 if state.size[2] > 0.0 else 1
    for i in range(_LINES):
        for tap in range(taps):
            first = state.counters[_POSITION] - state.delays[tap, i]
            _read_tap(state.lines[i], first, begin[tap, i], end[tap, i], rows[i], tap > 0)
    run_eight_rows(rows, begin[_POLE], end[_POLE], state.memory)


@kernel
def _sum_lines(rows: Audio, sums: Audio) -> None:
    """Add up `rows` (8, 480) three ways: all, left and right, to `sums` (3, 480)."""
    total, left, right = sums[0], sums[1], sums[2]
    for n in range(QUANTUM_FRAMES):
        total[n], left[n], right[n] = _F(0.0), _F(0.0), _F(0.0)
    for i in range(_LINES):
        row, sign_left, sign_right = rows[i], _F(_OUT_LEFT[i]), _F(_OUT_RIGHT[i])
        for n in range(QUANTUM_FRAMES):
            x = row[n]
            total[n] += x
            left[n] += sign_left * x
            right[n] += sign_right * x


@kernel
def _take_send(send: Audio, start: int, begin: float, end: float, out: Audio) -> None:
    """Copy the send's quantum at `start` to `out` (2, 480) through the input gate; no sound becomes 0."""
    gate, step = _F(begin * _IN_GAIN), _F((end - begin) * _IN_GAIN / QUANTUM_FRAMES)
    for channel in range(2):
        source, target = send[channel, start : start + QUANTUM_FRAMES], out[channel]
        for n in range(QUANTUM_FRAMES):
            x = source[n] if abs(source[n]) < _ABSURD else _F(0.0)
            target[n] = x * (gate + step * _F(n + 1))


@kernel
def _write_lines(state: ReverbState) -> None:
    """Householder: every line gets its neighbour less a quarter of the sum, and the send."""
    position, rows, total = state.counters[_POSITION], state.rows, state.sums[0]
    left, right = state.sent[0], state.sent[1]
    for i in range(_LINES):
        row, sign_left, sign_right = rows[(i + 1) % _LINES], _F(_IN_LEFT[i]), _F(_IN_RIGHT[i])
        target = state.lines[i, position : position + QUANTUM_FRAMES]
        for n in range(QUANTUM_FRAMES):
            target[n] = row[n] - _F(0.25) * total[n] + (sign_left * left[n] + sign_right * right[n])


@kernel
def _end_quantum(state: ReverbState) -> None:
    """Finish a fade, move on, and empty the lines once nothing but silence has gone round them."""
    begin, end, counters = state.begin, state.end, state.counters
    position = counters[_POSITION]
    faded = state.size[2] >= 1.0
    if faded:
        state.size[0], state.size[2] = state.size[1], 0.0
    for i in range(_LINES):
        if faded:
            state.delays[0, i] = state.delays[1, i]
            end[_TAP, i], end[_NEXT_TAP, i] = end[_NEXT_TAP, i], 0.0
        for row in range(4):
            begin[row, i] = end[row, i]
    silent = _is_silent(state.sent[0]) and _is_silent(state.sent[1])
    for i in range(_LINES):
        silent = silent and _is_silent(state.lines[i, position : position + QUANTUM_FRAMES])
    counters[_QUIET] = counters[_QUIET] + 1 if silent else 0
    counters[_POSITION] = (position + QUANTUM_FRAMES) % _ROOM_FRAMES
    if counters[_QUIET] * QUANTUM_FRAMES >= _ROOM_FRAMES:
        state.lines[:] = _F(0.0)
        state.memory[:] = 0.0
        counters[_IDLE], counters[_STARTED] = 1, 0  # nobody hears a parameter of empty lines jump


@kernel
def reverb_process(send: Audio, audio: Audio, settings: ReverbSettings, state: ReverbState) -> None:
    """Reverberate `send` (2, quanta × 480) and add the wet sound to `audio` (2, same frames)."""
    begin, end, counters = state.begin, state.end, state.counters
    sums, sent = state.sums, state.sent
    for start in range(0, audio.shape[1], QUANTUM_FRAMES):
        stop = start + QUANTUM_FRAMES
        if counters[_IDLE]:
            if settings.mix <= 0.0:
                begin[_OUTSIDE, _GATE], counters[_QUIET] = 0.0, 1
                continue
            if _sends_silence(send, start):
                begin[_OUTSIDE, _GATE] = 1.0
                continue
            # at the very first quantum nothing was held back: the gate is open
            if counters[_QUIET] == 0:
                begin[_OUTSIDE, _GATE] = 1.0
            counters[_IDLE], counters[_QUIET] = 0, 0
        _advance(settings, state)
        _take_send(send, start, begin[_OUTSIDE, _GATE], end[_OUTSIDE, _GATE], sent)
        _read_lines(state)
        _sum_lines(state.rows, sums)
        _write_lines(state)
        gain, step = _F(begin[_OUTSIDE, _OUT]), _F((end[_OUTSIDE, _OUT] - begin[_OUTSIDE, _OUT]) / QUANTUM_FRAMES)
        for channel in range(2):
            wet, row = sums[1 + channel], audio[channel, start:stop]
            for n in range(QUANTUM_FRAMES):
                row[n] += wet[n] * (gain + step * _F(n + 1))
        _end_quantum(state)
