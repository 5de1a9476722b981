from __future__ import annotations

import numpy as np
import pytest

from sonify.dsp.oversample import (
    AHEAD_FRAMES,
    BEHIND_FRAMES,
    LARGEST_GAIN,
    highest_magnitude,
    interpolator,
    true_peaks,
    true_peaks_by_4,
)


def by_hand(x, points):
    """Highest magnitude of each interpolated point, from the plain weights."""
    size = len(x) - BEHIND_FRAMES - AHEAD_FRAMES
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), BEHIND_FRAMES + AHEAD_FRAMES + 1)[:size]
    seen = [np.abs(windows @ interpolator(phase, *band)) for phase, band in points]
    return np.max([*seen, np.abs(x[BEHIND_FRAMES : BEHIND_FRAMES + size])], axis=0)


FULL, NARROW = (1.0, 7.0), (0.97, 5.0)


def test_the_folded_sums_are_the_plain_weights():
    x = np.random.default_rng(1).standard_normal(503).astype(np.float32)
    out = np.zeros(480, dtype=np.float32)
    true_peaks(x, out)
    points = [(k / 8, FULL) for k in range(1, 8)] + [(k / 4, NARROW) for k in range(5)]
    np.testing.assert_allclose(out, by_hand(x, points), atol=1e-5)


def test_four_points_are_the_plain_weights():
    x = np.random.default_rng(1).standard_normal(503).astype(np.float32)
    out = np.zeros(480, dtype=np.float32)
    true_peaks_by_4(x, out)
    np.testing.assert_allclose(out, by_hand(x, [(k / 4, FULL) for k in range(1, 4)]), atol=1e-5)


def test_channels_join():
    x = np.full(30, 0.25, dtype=np.float32)
    out = np.full(7, 0.5, dtype=np.float32)
    true_peaks(x, out)
    assert (out == 0.5).all()


@pytest.mark.parametrize("freq_ratio", [0.01, 0.1, 0.25, 0.4, 0.45])
def test_the_peak_of_a_sine_is_its_amplitude(freq_ratio):
    x = np.sin(2 * np.pi * freq_ratio * np.arange(2023) + 0.3).astype(np.float32)
    out = np.zeros(2000, dtype=np.float32)
    true_peaks(x, out)
    assert out.max() == pytest.approx(1.0, abs=0.02)


def test_no_peak_is_above_the_largest_gain():
    rng = np.random.default_rng(1)
    x = np.where(rng.random(20_023) < 0.5, -1.0, 1.0).astype(np.float32)
    x[100:124] = np.sign(interpolator(0.5, *FULL))  # the signal that the half-way point likes best
    out = np.zeros(20_000, dtype=np.float32)
    true_peaks(x, out)
    assert 0.95 * LARGEST_GAIN < out.max() <= LARGEST_GAIN


def test_the_highest_magnitude_has_no_sign():
    x = np.array([0.0, -3.5, 2.0, -0.0], dtype=np.float32)
    assert highest_magnitude(x) == 3.5
    assert highest_magnitude(x[:0]) == 0.0
