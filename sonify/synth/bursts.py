"""Glitches: one burst of band-passed noise each, in the backend's own bus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.noise import seed32, white
from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.kernel import kernel

__all__ = ["Bursts", "bursts_quantum", "make_bursts"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_SILENT = 1e-7  # −140 dBFS
_LANES = 4


class Bursts(NamedTuple):
    """Filter and state; B backends.

    `filter` (3,) b0, a1, a2 of a band-pass whose peak gain makes the burst's level that of its envelope, `decay`
    (quantum + 1,) envelope after each sample, `seed` (B,), `envelope` (B,), `memory` (B + 1, 4) last two samples into
    and out of the filter, `lane` (4,) backends that ring side by side, `noise` (quantum,), `driven` (quantum + 2,) and
    `rows` (4, quantum) scratch.
    """

    filter: Float64
    decay: Float64
    seed: NDArray[np.uint32]
    envelope: Float64
    memory: Float64
    lane: NDArray[np.int64]
    noise: Float32
    driven: Float64
    rows: Float64


def make_bursts(
    num_backends: int, *, centre_hz: float, q: float, decay_s: float, sample_rate_hz: int, seed: int
) -> Bursts:
    """Make silent burst generators.

    The band-pass is the one with constant peak gain of the RBJ Audio EQ Cookbook. White noise in [−1, 1) has a power of
    1/3, of which the share π/2 · bandwidth / Nyquist passes; the filter's gain makes up for both: a burst begins
    at the RMS level of its envelope.
    """
    omega = 2.0 * np.pi * centre_hz / sample_rate_hz
    alpha = np.sin(omega) / (2.0 * q)
    passed_power = (1.0 / 3.0) * min(1.0, 0.5 * np.pi * (centre_hz / q) / (0.5 * sample_rate_hz))
    b0 = alpha / (1.0 + alpha) / np.sqrt(passed_power)
    return Bursts(
        filter=np.array([b0, -2.0 * np.cos(omega) / (1.0 + alpha), (1.0 - alpha) / (1.0 + alpha)]),
        decay=np.power(10.0, -3.0 / (decay_s * sample_rate_hz) * np.arange(QUANTUM_FRAMES + 1.0)),
        seed=np.array([seed32(seed, 0xB0057, backend) for backend in range(num_backends)], np.uint32),
        envelope=np.zeros(num_backends),
        memory=np.zeros((num_backends + 1, 4)),
        lane=np.zeros(_LANES, np.int64),
        noise=np.zeros(QUANTUM_FRAMES, np.float32),
        driven=np.zeros(QUANTUM_FRAMES + 2),
        rows=np.zeros((_LANES, QUANTUM_FRAMES)),
    )


@kernel
def bursts_quantum(bursts: Bursts, first_sample: np.int64, burst_gain: Float32, out: Float32) -> None:
    """Add one quantum of bursts to each backend's bus.

    `burst_gain` (B,) is the linear level of a burst that begins with this quantum, 0 where none does; `out` is
    (B or more, quantum). A burst that begins while another rings takes over where it is louder.
    """
    num_backends, lanes = bursts.seed.shape[0], 0
    for backend in range(num_backends):
        bursts.envelope[backend] = max(bursts.envelope[backend], np.float64(burst_gain[backend]))
        memory = bursts.memory[backend]
        if bursts.envelope[backend] < _SILENT and abs(memory[2]) < _SILENT and abs(memory[3]) < _SILENT:
            bursts.envelope[backend] = 0.0
            memory[0], memory[1], memory[2], memory[3] = 0.0, 0.0, 0.0, 0.0
            continue
        _excite(bursts, first_sample, backend, bursts.rows[lanes])
        bursts.lane[lanes] = backend
        lanes += 1
        if lanes == _LANES:
            _ring(bursts)
            _add_lanes(bursts, lanes, out)
            lanes = 0
    if lanes > 0:
        for lane in range(lanes, _LANES):  # nothing rings there
            bursts.lane[lane] = num_backends
            bursts.rows[lane, :] = 0.0
        _ring(bursts)
        _add_lanes(bursts, lanes, out)


@kernel
def _excite(bursts: Bursts, first_sample: np.int64, backend: int, row: Float64) -> None:
    """Write what drives the filter of a backend to `row` (quantum,): fading noise less that of two samples before."""
    noise, driven, memory, decay = bursts.noise, bursts.driven, bursts.memory[backend], bursts.decay
    white(first_sample, bursts.seed[backend], noise)
    scale = bursts.filter[0] * bursts.envelope[backend]
    frames = row.shape[0]
    driven[0], driven[1] = memory[0], memory[1]
    for i in range(frames):
        driven[i + 2] = scale * decay[i] * np.float64(noise[i])
    for i in range(frames):
        row[i] = driven[i + 2] - driven[i]
    memory[0], memory[1] = driven[frames], driven[frames + 1]
    bursts.envelope[backend] *= decay[frames]


@kernel
def _ring(bursts: Bursts) -> None:
    """Run four band-passes in place: a recursion waits for itself, four fill the wait."""
    a1, a2 = bursts.filter[1], bursts.filter[2]
    r0, r1, r2, r3 = bursts.rows[0], bursts.rows[1], bursts.rows[2], bursts.rows[3]
    lane, memory = bursts.lane, bursts.memory
    y0, y1, y2, y3 = memory[lane[0], 2], memory[lane[1], 2], memory[lane[2], 2], memory[lane[3], 2]
    z0, z1, z2, z3 = memory[lane[0], 3], memory[lane[1], 3], memory[lane[2], 3], memory[lane[3], 3]
    for i in range(r0.shape[0]):
        x0, x1, x2, x3 = r0[i] - a2 * z0, r1[i] - a2 * z1, r2[i] - a2 * z2, r3[i] - a2 * z3
        z0, z1, z2, z3 = y0, y1, y2, y3
        y0, y1, y2, y3 = x0 - a1 * y0, x1 - a1 * y1, x2 - a1 * y2, x3 - a1 * y3
        r0[i], r1[i], r2[i], r3[i] = y0, y1, y2, y3
    memory[lane[0], 2], memory[lane[1], 2], memory[lane[2], 2], memory[lane[3], 2] = y0, y1, y2, y3
    memory[lane[0], 3], memory[lane[1], 3], memory[lane[2], 3], memory[lane[3], 3] = z0, z1, z2, z3


@kernel
def _add_lanes(bursts: Bursts, lanes: int, out: Float32) -> None:
    for lane in range(lanes):
        row, bus = bursts.rows[lane], out[bursts.lane[lane]]
        for i in range(bus.shape[0]):
            bus[i] += np.float32(row[i])
