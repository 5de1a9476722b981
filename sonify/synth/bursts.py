"""Glitches: one burst of band-passed noise each, in the backend's own bus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.noise import seed32, white
from sonify.kernel import kernel

__all__ = ["Bursts", "bursts_quantum", "make_bursts"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_SILENT = 1e-7  # −140 dBFS


class Bursts(NamedTuple):
    """Filter and state; B backends.

    `filter` (3,) b0, a1, a2 of a band-pass whose peak gain makes the burst's level that of its envelope, `decay` (1,)
    envelope factor per sample, `seed` (B,), `envelope` (B,), `memory` (B, 2) of the filter.
    """

    filter: Float64
    decay: Float64
    seed: NDArray[np.uint32]
    envelope: Float64
    memory: Float64


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
        decay=np.array([10.0 ** (-3.0 / (decay_s * sample_rate_hz))]),
        seed=np.array([seed32(seed, 0xB0057, backend) for backend in range(num_backends)], np.uint32),
        envelope=np.zeros(num_backends),
        memory=np.zeros((num_backends, 2)),
    )


@kernel
def bursts_quantum(bursts: Bursts, first_sample: np.int64, burst_gain: Float32, out: Float32) -> None:
    """Add one quantum of bursts to each backend's bus.

    `burst_gain` (B,) is the linear level of a burst that begins with this quantum, 0 where none does; `out` is
    (B or more, quantum). A burst that begins while another rings takes over where it is louder.
    """
    b0, a1, a2 = bursts.filter
    decay = bursts.decay[0]
    for backend in range(bursts.seed.shape[0]):
        envelope = max(bursts.envelope[backend], np.float64(burst_gain[backend]))
        m1, m2 = bursts.memory[backend, 0], bursts.memory[backend, 1]
        if envelope < _SILENT and abs(m1) < _SILENT and abs(m2) < _SILENT:
            bursts.envelope[backend] = 0.0
            bursts.memory[backend, :] = 0.0
            continue
        seed = bursts.seed[backend]
        for i in range(out.shape[1]):
            x = envelope * np.float64(white(first_sample + i, seed))
            y = b0 * x + m1
            m1 = m2 - a1 * y
            m2 = -b0 * x - a2 * y
            out[backend, i] += np.float32(y)
            envelope *= decay
        bursts.envelope[backend] = envelope
        bursts.memory[backend, 0], bursts.memory[backend, 1] = m1, m2
