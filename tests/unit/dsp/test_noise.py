from __future__ import annotations

import numpy as np
import pytest

from sonify.dsp.noise import white


def noise(first_sample, frames, seed=7):
    out = np.empty(frames, np.float32)
    white(first_sample, np.uint32(seed), out)
    return out


@pytest.mark.parametrize("first_sample", [0, 12_345, 2**32 - 500, 2**33 - 1])
def test_noise_is_a_function_of_the_sample_index(first_sample):
    whole = noise(first_sample, 1000)
    parts = [noise(first_sample + begin, 1) for begin in range(1000)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_noise_is_white_and_seeds_do_not_agree():
    one, two = noise(2**32 - 50_000, 100_000), noise(2**32 - 50_000, 100_000, seed=8)
    assert abs(one.mean()) < 0.01
    assert one.var() == pytest.approx(1.0 / 3.0, rel=0.02)
    assert one.min() >= -1.0
    assert one.max() < 1.0
    spectrum = np.abs(np.fft.rfft(one)) ** 2
    assert spectrum[1:].max() < 20.0 * spectrum[1:].mean()
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


def test_noise_does_not_repeat_after_2_to_the_32_samples():
    assert abs(np.corrcoef(noise(0, 10_000), noise(2**32, 10_000))[0, 1]) < 0.05
