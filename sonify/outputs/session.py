"""A session for a digital audio workstation: stems, markers, curves and devices, whatever the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.outputs.about import Marker

__all__ = ["Curve", "EqDevice", "Session", "Squeeze", "StemTrack"]


@dataclass(frozen=True, slots=True)
class EqDevice:
    """One EQ band: a shape's name as in presets, with underscores."""

    shape: str
    freq_hz: float
    gain_db: float
    q: float


@dataclass(frozen=True, slots=True)
class Squeeze:
    """A compressor's settings."""

    threshold_db: float
    ratio: float
    attack_s: float
    release_s: float
    makeup_db: float


@dataclass(frozen=True, slots=True)
class StemTrack:
    """A stem: its name (untrusted), its file, its own EQ, and whether the EQ and compressor of the mix act on it."""

    name: str
    path: Path
    eq: tuple[EqDevice, ...] = ()
    is_voice: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A metric over time, held from point to point.

    Attributes
    ----------
    name : str
        What, whose, and what the top of the curve stands for. Untrusted text.
    time_s, value : array (points,)
        In time of the sound; 0–1. Where nothing was measured there are no points.
    """

    name: str
    time_s: NDArray[np.float64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Session:
    """All of a session.

    Attributes
    ----------
    title, version : str
        Untrusted text; of sonify.
    rate_hz, length_s
        Of all files.
    stems : tuple of StemTrack
        In order.
    markers : tuple of Marker
        In order of time.
    curves : tuple of Curve
        May be empty.
    eq : tuple of EqDevice
        Of all voices.
    compressor : Squeeze
        Of all voices.
    ceiling_dbtp, gain_db : float
        Of the limiter on the whole, and the gain in front of it.
    """

    title: str
    version: str
    rate_hz: int
    length_s: float
    stems: tuple[StemTrack, ...]
    markers: tuple[Marker, ...]
    curves: tuple[Curve, ...]
    eq: tuple[EqDevice, ...]
    compressor: Squeeze
    ceiling_dbtp: float
    gain_db: float = 0.0
