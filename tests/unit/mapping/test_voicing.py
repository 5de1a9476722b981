import numpy as np
import pytest

from sonify.mapping.preset import SoundPreset
from sonify.mapping.voicing import OTHERS, choose_voices, fold_backends
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Recording

LIMITS = SoundPreset().limits


def recording(rates, errors=None):
    """Ten frames of backends with steady rates and error ratios, all requests in band 5."""
    count = len(rates)
    layout = Layout(1.0, tuple(f"b{i}" for i in range(count)), LatencyBands().edges_s, np.array([]))
    rate = np.tile(np.asarray(rates, float), (10, 1))
    latency = np.zeros((10, count, 24))
    latency[:, :, 5] = rate
    error = np.tile(np.zeros(count) if errors is None else np.asarray(errors, float), (10, 1))
    blank = np.full((10, count), np.nan)
    return Recording(
        layout, "", (), np.arange(1.0, 11.0), rate, error, blank, blank, latency, np.full((10, 0), np.nan),
        np.full(10, np.nan), np.full(10, np.nan), np.ones(10, bool),
    )  # fmt: skip


def test_all_keep_their_voice_where_they_fit():
    small = recording([1, 2, 3])
    assert choose_voices(small, LIMITS, 3) == [0, 1, 2]
    assert fold_backends(small, [0, 1, 2]) is small


def test_the_unhealthy_come_first_then_the_busy_in_their_own_order():
    many = recording([5, 1, 9, 7, 2], errors=[0, 0.2, 0, 0, 0])
    assert choose_voices(many, LIMITS, 3) == [1, 2]


def test_the_choice_is_stable():
    many = recording([5.0] * 64)
    assert choose_voices(many, LIMITS, 8) == choose_voices(many, LIMITS, 8) == list(range(7))


def test_the_rest_share_one_voice_and_nothing_is_lost():
    many = recording([5, 1, 9, 7, 2], errors=[0, 0.2, 0, 0.1, 0])
    folded = fold_backends(many, [1, 2])
    assert folded.layout.backends == ("b1", "b2", OTHERS)
    assert folded.request_rate.sum() == pytest.approx(many.request_rate.sum())
    assert folded.latency_rate.sum() == pytest.approx(many.latency_rate.sum())
    assert folded.error_ratio[0, 2] == pytest.approx(0.7 / 14)
    assert np.isnan(folded.fallback_ratio[:, 2]).all()
