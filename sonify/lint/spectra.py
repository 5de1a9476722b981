"""Spectra of what is not a sum of sines: clips as they are drawn, and noise as it is filtered."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import SAMPLE_RATE_HZ
from sonify.lint.excitation import erb_hz

__all__ = ["INTEGRATION_S", "Drawing", "clip_spectrum", "noise_spectrum"]

Array = NDArray[np.float64]
Drawing = Callable[[int], NDArray[np.float32]]

INTEGRATION_S = 0.2  # the ear adds up energy over this time: a shorter sound must be louder
_CLIP_RATE_HZ = 16_000  # clips are drawn at this rate here: none has anything above 4 kHz


@lru_cache(maxsize=8)
def noise_spectrum(b0: float, a1: float, a2: float) -> tuple[Array, Array]:
    """Middle frequencies of bands half an ERB wide, and the power in each, of filtered noise in [−1, 1)."""
    edges_hz = _half_erb_edges_hz(SAMPLE_RATE_HZ / 2.0)
    middle_hz = (edges_hz[1:] + edges_hz[:-1]) / 2.0
    z = np.exp(-2j * np.pi * middle_hz / SAMPLE_RATE_HZ)
    response = b0 * (1.0 - z**2) / (1.0 + a1 * z + a2 * z**2)
    density = np.abs(response) ** 2 / 3.0 / (SAMPLE_RATE_HZ / 2.0)
    return middle_hz, density * np.diff(edges_hz)


def _half_erb_edges_hz(highest_hz: float) -> Array:
    edges = [30.0]
    while edges[-1] < highest_hz:
        edges.append(edges[-1] + 0.5 * float(erb_hz(edges[-1])))
    return np.array(edges[:-1])


@lru_cache(maxsize=64)
def clip_spectrum(draw: Drawing) -> tuple[Array, Array]:
    """Frequencies and powers of a clip of gain 1, in bands half an ERB wide, over the time in which it sounds."""
    samples = draw(_CLIP_RATE_HZ).astype(np.float64)
    energy = np.abs(np.fft.rfft(samples)) ** 2
    energy[1:] *= 2.0
    energy /= len(samples) * _CLIP_RATE_HZ  # Parseval: sums to that of the samples, in s
    sounding_s = np.count_nonzero(samples) / _CLIP_RATE_HZ
    hz = np.fft.rfftfreq(len(samples), 1.0 / _CLIP_RATE_HZ)
    edges_hz = _half_erb_edges_hz(_CLIP_RATE_HZ / 2.0)
    band = np.digitize(hz, edges_hz)
    in_band = np.bincount(band, energy, len(edges_hz) + 1)
    centre_hz = np.bincount(band, energy * hz, len(edges_hz) + 1) / np.maximum(in_band, 1e-30)
    kept = (in_band > 1e-6 * in_band.max()) & (np.arange(len(in_band)) > 0)
    return centre_hz[kept], in_band[kept] / max(sounding_s, INTEGRATION_S)
