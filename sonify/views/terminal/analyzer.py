"""Spectrum of the audio that went out, on columns of log frequency. A sine at full scale reads 0 dBFS."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOOR_DB", "HIGH_HZ", "LOW_HZ", "TOP_DB", "column_of_frequency", "spectrum_db"]

Array = NDArray[np.float64]

LOW_HZ, HIGH_HZ = 40.0, 16000.0
FLOOR_DB, TOP_DB = -80.0, 0.0  # fixed: the picture of today compares with yesterday's
_SAMPLE_RATE_HZ = 48000.0
_SILENCE = 1e-12


@lru_cache(maxsize=4)
def _window(num_frames: int) -> NDArray[np.float32]:
    window = np.hanning(num_frames + 1)[:-1]
    return np.asarray(window * 2.0 / window.sum(), dtype=np.float32)


@lru_cache(maxsize=8)
def _columns(num_frames: int, num_columns: int) -> tuple[NDArray[np.intp], NDArray[np.bool_], Array]:
    """First bin of each column, which columns hold none, and their centres counted in bins."""
    edges_hz = np.geomspace(LOW_HZ, HIGH_HZ, num_columns + 1)
    bin_hz = _SAMPLE_RATE_HZ / num_frames
    edges = np.ceil(edges_hz / bin_hz).astype(np.intp)
    first = np.minimum(edges, num_frames // 2)
    return first, np.diff(first) == 0, np.sqrt(edges_hz[:-1] * edges_hz[1:]) / bin_hz


def spectrum_db(audio: NDArray[np.float32], num_columns: int) -> Array:
    """Level of each column in dBFS, shape (num_columns,), from `LOW_HZ` to `HIGH_HZ`.

    Both channels' powers are averaged, so that opposite phases do not cancel. A column is the strongest bin in it;
    between two bins, where columns are narrower, it is interpolated.

    Parameters
    ----------
    audio : array (frames, channels)
        At 48 kHz.
    num_columns : int
        At least 1.
    """
    num_frames = len(audio)
    bins = np.fft.rfft(audio * _window(num_frames)[:, None], axis=0)
    power = (bins.real**2 + bins.imag**2).mean(axis=1)
    with np.errstate(invalid="ignore"):
        level_db = 10.0 * np.log10(np.maximum(np.nan_to_num(power), _SILENCE))
    first, empty, centres = _columns(num_frames, num_columns)
    strongest = np.maximum.reduceat(level_db, first)[:-1]
    between = np.interp(centres, np.arange(len(level_db)), level_db)
    return np.asarray(np.where(empty, between, strongest))


def column_of_frequency(frequency_hz: float, num_columns: int) -> int:
    """Column in which a frequency lies; may be outside."""
    return int(np.floor(np.log(frequency_hz / LOW_HZ) / np.log(HIGH_HZ / LOW_HZ) * num_columns))
