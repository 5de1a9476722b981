"""Excitation patterns: how far a sound spreads along the inner ear, and the threshold of what is heard beside it.

Auditory filters are rounded exponentials whose lower side becomes shallower as the level rises (Glasberg and Moore
1990, "Derivation of auditory filter shapes from notched-noise data"), so that loud low sounds hide higher ones more
than the other way round. What is needed to hear a sound among others follows Moore, Glasberg and Baer (1997), "A model
for the prediction of thresholds, loudness, and partial loudness".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sonify.mapping.equal_loudness import compensation_db, equal_loudness_level_db

__all__ = [
    "CHANNELS_HZ",
    "FULL_SCALE_DB_SPL",
    "AuditoryFilters",
    "erb_hz",
    "frequency_hz_of_cams",
    "margins_db",
    "threshold_in_quiet_db",
]

Array = NDArray[np.float64]

FULL_SCALE_DB_SPL = 90.0  # a signal whose RMS is 1 at each ear: a bed of −30 LUFS is then heard at about 60 dB

_LOWEST_CAM, _HIGHEST_CAM, _CHANNELS_PER_CAM = 0.75, 36.0, 4
_EAR_PHON = 90.0  # the contour whose inverse stands for the outer and middle ear, as near to 100 phon as ISO 226 goes
_QUIET_PHON = 2.4  # the loudness level at which the formula of ISO 226 gives the threshold of hearing
_SLOPE_1K = 4.0 * 1000.0 / 132.639  # p at 1 kHz and 51 dB an ERB
_SHALLOWEST = 0.1  # of the slope at 51 dB: the fit of the paper ends at about 90 dB

# Level of a just audible sound against what hides it, both at the output of one auditory filter (Moore, Glasberg and
# Baer 1997, figure 9, read at these frequencies): low channels are worse at it.
_EFFICIENCY_HZ = (50.0, 100.0, 200.0, 500.0, 1000.0)
_EFFICIENCY_DB = (13.0, 6.0, 1.0, -2.0, -3.0)


def erb_hz(frequency_hz: ArrayLike) -> Array:
    """Equivalent rectangular bandwidth of the auditory filter at a frequency (Glasberg and Moore 1990, equation 3)."""
    return np.asarray(24.7 * (4.37e-3 * np.asarray(frequency_hz, dtype=np.float64) + 1.0))


def frequency_hz_of_cams(cams: ArrayLike) -> Array:
    """Frequency of an ERB-rate (Glasberg and Moore 1990, equation 4)."""
    return np.asarray((10.0 ** (np.asarray(cams, dtype=np.float64) / 21.366) - 1.0) / 0.004368)


CHANNELS_HZ = frequency_hz_of_cams(np.arange(_LOWEST_CAM, _HIGHEST_CAM, 1.0 / _CHANNELS_PER_CAM))


def threshold_in_quiet_db(frequency_hz: ArrayLike) -> Array:
    """Level in dB SPL of a tone that is just audible in silence (ISO 226)."""
    return equal_loudness_level_db(frequency_hz, _QUIET_PHON)


def _through_ear(frequency_hz: Array) -> Array:
    """Power gain from the sound field to the inner ear, 1 at 1 kHz."""
    return np.asarray(10.0 ** (-compensation_db(frequency_hz, _EAR_PHON) / 10.0))


def _rounded_exponential(distance: Array, slope: Array) -> Array:
    steep = slope * distance
    return np.asarray((1.0 + steep) * np.exp(-steep))


_EFFICIENCY = 10.0 ** (np.interp(np.log(CHANNELS_HZ), np.log(_EFFICIENCY_HZ), _EFFICIENCY_DB) / 10.0)
_QUIET = _through_ear(CHANNELS_HZ) * 10.0 ** (threshold_in_quiet_db(CHANNELS_HZ) / 10.0)


class AuditoryFilters:
    """The filters as one scene of sound has set them.

    Parameters
    ----------
    frequency_hz : array (components,)
        Of everything that sounds.
    power : array (components,)
        Mean square of each, 1 being full scale (`FULL_SCALE_DB_SPL`); it decides how shallow the filters are.
    """

    def __init__(self, frequency_hz: Array, power: Array) -> None:
        self._gain = _through_ear(frequency_hz) * 10.0 ** (FULL_SCALE_DB_SPL / 10.0)
        upper = (4.0 * CHANNELS_HZ / erb_hz(CHANNELS_HZ))[:, None]
        distance = (frequency_hz - CHANNELS_HZ[:, None]) / CHANNELS_HZ[:, None]
        apart = np.abs(distance)
        weight = _rounded_exponential(apart, upper)
        around_db = 10.0 * np.log10(np.maximum(np.einsum("cf,f->c", weight, self._gain * power), 1e-6))
        level_db = np.interp(frequency_hz, CHANNELS_HZ, around_db)
        lower = upper * np.maximum(1.0 - 0.35 / _SLOPE_1K * (level_db - 51.0), _SHALLOWEST)
        self._weight = np.where(distance < 0.0, _rounded_exponential(apart, lower), weight) * self._gain

    def excitation(self, power: Array) -> Array:
        """Excitation of some of the components, or all: shape (channels,) + the rest of the shape of `power`."""
        # not "@": that would wake other threads for what one does in under a millisecond
        return np.asarray(np.einsum("cf,f...->c...", self._weight, power))


def margins_db(signal: Array, masker: Array) -> Array:
    """How far a signal is over the threshold of hearing beside a masker, in dB, in each channel.

    Parameters
    ----------
    signal, masker : array (channels, ...)
        Excitations.
    """
    axes = (-1,) + (1,) * (signal.ndim - 1)
    needed = _EFFICIENCY.reshape(axes) * masker + _QUIET.reshape(axes)
    return np.asarray(10.0 * np.log10(np.maximum(signal, 1e-12) / needed))
