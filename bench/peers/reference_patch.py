"""The reference patch that every engine of the benchmark renders: one description, one set of seeded curves.

60 s of 48 kHz stereo. 6 backends × 24 bands, each band a fundamental with overtones 2–5 (those over 21 kHz are left
out), so 714 sine partials, all of them sounding all the time:

    partial(backend, band, h) = amplitude[t, backend, band] × (1 if h = 1, else overtone_gain[t, backend] × weight[h])

Amplitudes and overtone gains have one value per 10 ms control frame and are ramped linearly in between. Each backend
has its own pan and one noise burst a second. The sum runs through a 4-band EQ with moving parameters, a stereo-linked
compressor, an 8-line feedback delay network and a look-ahead limiter.

Because overtones 2–5 of a band share one envelope and are exact multiples of its frequency, an engine may take them
from one wavetable or from one cosine; that is part of the patch, open to all engines alike.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

Floats = npt.NDArray[np.float32]

SEED = 20240229
SAMPLE_RATE_HZ = 48_000
CONTROL_RATE_HZ = 100
QUANTUM_FRAMES = SAMPLE_RATE_HZ // CONTROL_RATE_HZ
LENGTH_S = 60.0

NUM_BACKENDS = 6
# fmt: off
BAND_NOTES = (48, 52, 57, 60, 64, 67, 69, 72, 74, 76, 79, 81, 84, 86, 88, 91, 93, 96, 98, 100, 103, 105, 108, 110)
# fmt: on
NUM_BANDS = len(BAND_NOTES)
BAND_FREQUENCIES_HZ = tuple(440.0 * 2.0 ** ((note - 69) / 12.0) for note in BAND_NOTES)
OVERTONE_WEIGHTS = {2: 1 / 2, 3: 1 / 3, 4: 1 / 4, 5: 1 / 5}
OVERTONE_LIMIT_HZ = 21_000.0
NUM_PARTIALS = NUM_BACKENDS * sum(
    1 + sum(h * frequency_hz <= OVERTONE_LIMIT_HZ for h in OVERTONE_WEIGHTS) for frequency_hz in BAND_FREQUENCIES_HZ
)
PANS = tuple(-0.8 + 1.6 * backend / (NUM_BACKENDS - 1) for backend in range(NUM_BACKENDS))  # −1 left, 1 right

AMPLITUDE_CENTRE = 0.008
AMPLITUDE_SWING_DB = 9.0
OVERTONE_GAIN_RANGE = (0.1, 0.8)

BURST_PERIOD_S = 1.0
BURST_DECAY_S = 0.080  # time constant: the envelope is exp(−t / 80 ms)
BURST_GAIN = 0.25
BURST_Q = 1.5
BURST_FREQUENCIES_HZ = (700.0, 1100.0, 1700.0, 2600.0, 4000.0, 6200.0)
BURST_OFFSETS_S = tuple(backend / NUM_BACKENDS for backend in range(NUM_BACKENDS))


class Compressor(NamedTuple):
    """Feed-forward, stereo-linked: both channels get the gain computed from the louder one."""

    threshold_db: float = -18.0
    ratio: float = 3.0
    knee_db: float = 6.0
    attack_s: float = 0.010
    release_s: float = 0.120
    makeup_db: float = 3.0


class Reverb(NamedTuple):
    """Feedback delay network: 8 lines, Householder mixing, one one-pole low-pass per line."""

    delay_frames: tuple[int, ...] = (1433, 1601, 1867, 2053, 2251, 2399, 2617, 2797)
    decay_s: float = 1.8  # to −60 dB
    damping_hz: float = 6000.0
    wet_gain: float = 0.2
    dry_gain: float = 1.0

    def feedback_gains(self) -> tuple[float, ...]:
        """Gain of one trip through each line, so that all lines die away together (Jot & Chaigne 1991)."""
        return tuple(10.0 ** (-3.0 * frames / (SAMPLE_RATE_HZ * self.decay_s)) for frames in self.delay_frames)

    def damping_pole(self) -> float:
        """Pole of the one-pole low-pass y = (1 − pole) x + pole y₋₁."""
        return math.exp(-2.0 * math.pi * self.damping_hz / SAMPLE_RATE_HZ)


class Limiter(NamedTuple):
    """Look-ahead limiter on the sum."""

    ceiling_db: float = -1.0
    look_ahead_s: float = 0.005
    release_s: float = 0.050


class EqSettings(NamedTuple):
    """Moving EQ: bands are low shelf, bell, bell, high shelf; arrays are (frames, 4). Q is fixed, in `EQ_Q`."""

    frequency_hz: Floats
    gain_db: Floats


EQ_Q = (math.sqrt(0.5), 1.4, 1.4, math.sqrt(0.5))
COMPRESSOR = Compressor()
REVERB = Reverb()
LIMITER = Limiter()


def num_control_frames(length_s: float = LENGTH_S) -> int:
    """How many 10 ms control frames a patch of this length has."""
    return round(length_s * CONTROL_RATE_HZ)


def _smooth_curves(rng: np.random.Generator, num_frames: int, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Random curves in −1…1, ``(frames, *shape)``: a new random target every 0.5 s, joined by half cosines."""
    segment_frames = CONTROL_RATE_HZ // 2
    targets = rng.uniform(-1.0, 1.0, (num_frames // segment_frames + 2, *shape))
    segment, offset = np.divmod(np.arange(num_frames), segment_frames)
    blend = (0.5 - 0.5 * np.cos(np.pi * offset / segment_frames)).reshape((-1,) + (1,) * len(shape))
    curves: npt.NDArray[np.float64] = targets[segment] * (1.0 - blend) + targets[segment + 1] * blend
    return curves


def amplitudes(num_frames: int) -> Floats:
    """Linear amplitude of every fundamental at the start of each control frame, ``(frames, 6, 24)``; never zero."""
    curves = _smooth_curves(np.random.default_rng([SEED, 1]), num_frames, (NUM_BACKENDS, NUM_BANDS))
    return (AMPLITUDE_CENTRE * 10.0 ** (curves * AMPLITUDE_SWING_DB / 20.0)).astype(np.float32)


def overtone_gain(num_frames: int) -> Floats:
    """Level of each backend's overtones relative to its fundamentals, ``(frames, 6)``; never zero."""
    curves = _smooth_curves(np.random.default_rng([SEED, 2]), num_frames, (NUM_BACKENDS,))
    low, high = OVERTONE_GAIN_RANGE
    return (low + (high - low) * 0.5 * (curves + 1.0)).astype(np.float32)


def start_phases() -> Floats:
    """Start phase of each fundamental in cycles, ``(6, 24)``; overtone h starts at h times that."""
    return np.random.default_rng([SEED, 3]).uniform(0.0, 1.0, (NUM_BACKENDS, NUM_BANDS)).astype(np.float32)


def eq_settings(num_frames: int) -> EqSettings:
    """Return all EQ parameters over time; every one of the eight moves all the time, with its own period."""
    time_s = np.arange(num_frames)[:, None] / CONTROL_RATE_HZ
    centre_hz = np.array([160.0, 500.0, 2200.0, 7000.0])
    frequency_hz = centre_hz * 2.0 ** (0.5 * np.sin(2.0 * np.pi * time_s / np.array([7.0, 5.0, 11.0, 13.0])))
    gain_db = 6.0 * np.sin(2.0 * np.pi * time_s / np.array([9.0, 6.0, 8.0, 10.0]) + np.arange(4.0))
    return EqSettings(frequency_hz.astype(np.float32), gain_db.astype(np.float32))


def pan_gains() -> Floats:
    """Equal-power gains of each backend, ``(6, 2)``: left, right."""
    angle = (np.array(PANS) + 1.0) * np.pi / 4.0
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def overtones_of(band: int) -> tuple[int, ...]:
    """Which of the overtones 2–5 of a band are at or under 21 kHz."""
    return tuple(h for h in OVERTONE_WEIGHTS if h * BAND_FREQUENCIES_HZ[band] <= OVERTONE_LIMIT_HZ)


def write_curves(directory: Path) -> dict[str, Path]:
    """Write the whole patch's curves as WAV files of floats, one frame per 10 ms, for engines that read tables.

    Returns
    -------
    dict
        ``amplitude0`` … ``amplitude5`` (24 channels each), ``overtone`` (6), ``eq_frequency`` and ``eq_gain`` (4).
    """
    num_frames = num_control_frames()
    eq = eq_settings(num_frames)
    curves = {"overtone": overtone_gain(num_frames), "eq_frequency": eq.frequency_hz, "eq_gain": eq.gain_db}
    curves |= {f"amplitude{backend}": values for backend, values in enumerate(amplitudes(num_frames).swapaxes(0, 1))}
    paths = {name: directory / f"{name}.wav" for name in curves}
    for name, values in curves.items():
        soundfile.write(paths[name], values, CONTROL_RATE_HZ, subtype="FLOAT")
    return paths
