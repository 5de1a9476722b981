"""The sound as a picture: a spectrogram whose rows lie on the heatmap's rows, and the outline of its waveform.

The latency band of a heatmap row is heard at one note; the spectrogram's axis is that ladder of notes, log-frequency
between them. So a slow band and its sound lie at the same height.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.report.audio_reading import blocks_at, length_s

__all__ = ["HIGHEST_DB", "LOWEST_DB", "SoundPicture", "draw_sound"]

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

_RATE_HZ = 48_000
_WINDOW_FRAMES = 8192  # 5.9 Hz a bin: the lowest notes are 34 Hz apart
_MOST_COLUMNS = 1200
_ROWS_A_BAND = 8
_HOP_FRAMES = 4096  # at most: windows overlap by half, so that nothing short falls between them
_OUTLINE_COLUMNS = 1000
_LEVELS = 96  # fewer steps of level than a byte has compress better and look the same
LOWEST_DB, HIGHEST_DB = -84.0, -18.0  # fixed, never scaled to a file: levels of sinusoids in dBFS


@dataclass(frozen=True, slots=True, eq=False)
class SoundPicture:
    """A sound, drawn.

    Attributes
    ----------
    level : uint8 array (rows, columns)
        0–255 for `LOWEST_DB`–`HIGHEST_DB`; the first row is the highest frequency.
    outline : uint8 array (2, columns)
        Least and greatest sample, 0–255 for −1 to 1.
    length_s : float
        Of the sound.
    """

    level: NDArray[np.uint8]
    outline: NDArray[np.uint8]
    length_s: float


def draw_sound(path: Path, frequencies_hz: Array) -> SoundPicture:
    """Draw a file; `frequencies_hz` (bands,) are rising, a row of the heatmap each."""
    blocks = [block[:, 0] for block in blocks_at(path, _RATE_HZ, mono=True)]
    mono = np.concatenate(blocks) if blocks else np.zeros(1, np.float32)
    return SoundPicture(_spectrogram(mono, frequencies_hz), _outline(mono), length_s(path))


def _edges_hz(frequencies_hz: Array, num_rows: int) -> Array:
    """Frequencies of the rows' edges, rising: band k is heard at the height k of a ladder, and its row is centred."""
    height = np.linspace(-0.5, len(frequencies_hz) - 0.5, num_rows + 1)
    log_hz = np.log(frequencies_hz)
    ladder = np.arange(len(frequencies_hz))
    inside = np.interp(height, ladder, log_hz)
    below = log_hz[0] + np.minimum(height, 0.0) * (log_hz[1] - log_hz[0])
    above = log_hz[-1] + np.maximum(height - ladder[-1], 0.0) * (log_hz[-1] - log_hz[-2])
    return np.exp(np.where(height < 0.0, below, np.where(height > ladder[-1], above, inside)))


def _spectrogram(mono: Float32, frequencies_hz: Array) -> NDArray[np.uint8]:
    from scipy.fft import rfft

    num_columns = max(min(_MOST_COLUMNS, len(mono) // 480), 1)
    each = max(-(-len(mono) // (num_columns * _HOP_FRAMES)), 1)
    centres = (np.arange(num_columns * each) + 0.5) * len(mono) / (num_columns * each)
    padded = np.pad(mono, (_WINDOW_FRAMES // 2, _WINDOW_FRAMES))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_FRAMES)
    shape = np.hanning(_WINDOW_FRAMES).astype(np.float32)
    edges_bin = _edges_hz(frequencies_hz, _ROWS_A_BAND * len(frequencies_hz)) * _WINDOW_FRAMES / _RATE_HZ
    level = np.empty((len(edges_bin) - 1, num_columns), np.uint8)
    for first in range(0, num_columns, 64):
        some = slice(first * each, min(first + 64, num_columns) * each)
        amplitude = np.abs(rfft(windows[centres[some].astype(np.int64)] * shape, axis=1)) * (2.0 / shape.sum())
        strongest = amplitude.reshape(-1, each, amplitude.shape[1]).max(axis=1)
        level[:, first : first + 64] = _codes(_by_rows(strongest, edges_bin)).T
    return level[::-1]


def _by_rows(amplitude: Array, edges_bin: Array) -> Array:
    """Peak amplitude of each row: of the bins inside it, or between bins where a row is narrower than one."""
    middles = np.minimum((edges_bin[1:] + edges_bin[:-1]) / 2.0, amplitude.shape[1] - 2.0)
    lower = middles.astype(np.int64)
    share = middles - lower
    between = amplitude[:, lower] * (1.0 - share) + amplitude[:, lower + 1] * share
    begins = np.minimum(np.ceil(edges_bin[:-1]).astype(np.int64), amplitude.shape[1] - 1)
    ends = np.minimum(np.ceil(edges_bin[1:]).astype(np.int64), amplitude.shape[1] - 1)
    inside = np.maximum.reduceat(amplitude[:, : ends[-1] + 1], np.minimum(begins, ends[-1]), axis=1)
    return np.asarray(np.where(ends > begins, np.maximum(inside, between), between))


def _codes(amplitude: Array) -> NDArray[np.uint8]:
    level_db = 20.0 * np.log10(np.maximum(amplitude, 1e-9))
    share = np.clip((level_db - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB), 0.0, 1.0)
    return np.asarray(np.round(np.round(share * _LEVELS) * (255.0 / _LEVELS)), dtype=np.uint8)


def _outline(mono: Float32) -> NDArray[np.uint8]:
    columns = min(_OUTLINE_COLUMNS, len(mono))
    begins = np.arange(columns) * len(mono) // columns
    ends = np.stack([np.minimum.reduceat(mono, begins), np.maximum.reduceat(mono, begins)])
    return np.asarray(np.clip(np.round((ends + 1.0) * 127.5), 0, 255), dtype=np.uint8)
