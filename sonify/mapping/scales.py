"""Pitch: latency bands spaced evenly in ERB-rate, snapped to the notes of a scale.

ERB-rate after Glasberg and Moore (1990), "Derivation of auditory filter shapes from notched-noise data". Neighbours one
ERB apart neither mask each other nor beat.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sonify.errors import PresetError

__all__ = ["SCALES", "band_frequencies_hz", "erb_rate", "frequency_hz_of_note", "note_of_frequency_hz"]

Array = NDArray[np.float64]

# scale -> semitones above the root within an octave; just intonation has fractions
SCALES: dict[str, tuple[float, ...]] = {
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "chromatic": tuple(range(12)),
    "whole tone": (0, 2, 4, 6, 8, 10),
    "just": tuple(12 * math.log2(ratio) for ratio in (1, 9 / 8, 5 / 4, 3 / 2, 5 / 3)),
}
FREE_SCALES = ("continuous", "ladder")  # continuous: no snapping; ladder: consecutive notes of the major pentatonic

LOWEST_NOTE, HIGHEST_NOTE = 0, 127


def frequency_hz_of_note(note: ArrayLike) -> Array:
    """Frequency of a MIDI note number (69 is 440 Hz); fractions allowed."""
    return np.asarray(440.0 * 2.0 ** ((np.asarray(note, dtype=np.float64) - 69.0) / 12.0))


def note_of_frequency_hz(frequency_hz: ArrayLike) -> Array:
    """MIDI note number of a frequency, with its fraction."""
    return np.asarray(69.0 + 12.0 * np.log2(np.asarray(frequency_hz, dtype=np.float64) / 440.0))


def erb_rate(frequency_hz: ArrayLike) -> Array:
    """ERB-rate (Cams) of a frequency."""
    return np.asarray(21.366 * np.log10(0.004368 * np.asarray(frequency_hz, dtype=np.float64) + 1.0))


def _frequency_hz_of_erb_rate(rate: ArrayLike) -> Array:
    return np.asarray((10.0 ** (np.asarray(rate, dtype=np.float64) / 21.366) - 1.0) / 0.004368)


def _scale_notes(scale: str, root: int) -> Array:
    """All notes of a scale over the MIDI range, rising."""
    steps = SCALES["major pentatonic" if scale == "ladder" else scale]
    notes = [root + 12 * octave + step for octave in range(-11, 12) for step in steps]
    return np.asarray(sorted(note for note in notes if LOWEST_NOTE <= note <= HIGHEST_NOTE))


def band_frequencies_hz(scale: str, root: int, low_note: float, high_note: float, count: int) -> Array:
    """Frequency of each latency band, fast to slow, rising.

    Parameters
    ----------
    scale : str
        One of `SCALES`, ``continuous`` or ``ladder``.
    root : int
        Pitch class of the scale's first step, 0 (C) to 11 (B).
    low_note, high_note : float
        MIDI notes of the first and the last band.
    count : int
        Number of bands.

    Returns
    -------
    array (count,)

    Raises
    ------
    PresetError
        The scale has fewer notes than bands between the two.
    """
    low_erb, high_erb = erb_rate(frequency_hz_of_note([low_note, high_note]))
    even_erb = np.linspace(low_erb, high_erb, count)
    if scale == "continuous":
        return _frequency_hz_of_erb_rate(even_erb)
    notes = _scale_notes(scale, root)
    notes = notes[(notes >= low_note - 0.5) & (notes <= high_note + 0.5)]
    if len(notes) < count:
        raise PresetError(
            f"pitch: {scale} has {len(notes)} notes from {low_note:g} to {high_note:g}, but there are {count} bands; "
            f'allowed: at most {len(notes)} bands, a wider range, or scale = "chromatic" or "continuous"'
        )
    if scale == "ladder":
        return frequency_hz_of_note(notes[:count])
    return frequency_hz_of_note(_snap(even_erb, notes))


def _snap(wanted_erb: Array, notes: Array) -> Array:
    """Choose one note for each wanted pitch: rising, none twice, with the least summed squared ERB error.

    Taking the nearest unused note greedily can leave the last bands without notes; this finds the best choice over
    all bands (dynamic programming, as in sequence alignment).
    """
    note_erb = erb_rate(frequency_hz_of_note(notes))
    count, choices = len(wanted_erb), len(notes)
    cost = np.full((count + 1, choices + 1), np.inf)
    cost[0, :] = 0.0
    for band in range(1, count + 1):
        for choice in range(band, choices + 1):
            taken = cost[band - 1, choice - 1] + (wanted_erb[band - 1] - note_erb[choice - 1]) ** 2
            cost[band, choice] = min(taken, cost[band, choice - 1])
    chosen = []
    band, choice = count, choices
    while band:
        if cost[band, choice] == cost[band, choice - 1]:
            choice -= 1
        else:
            chosen.append(notes[choice - 1])
            band, choice = band - 1, choice - 1
    return np.asarray(chosen[::-1])
