from __future__ import annotations

import numpy as np

from sonify.dsp.logarithm import exp2_rows, log2_rows


def test_log2_is_as_accurate_as_it_says():
    x = np.geomspace(1.2e-38, 3e38, 200_001).astype(np.float32)
    out = np.empty_like(x)
    log2_rows(x, out)
    exact = np.log2(x.astype(np.float64))
    np.testing.assert_array_less(np.abs(out - exact), np.maximum(1e-7, 1e-7 * np.abs(exact)))


def test_exp2_is_as_accurate_as_it_says():
    x = np.linspace(-126.0, 126.0, 200_001).astype(np.float32)
    out = np.empty_like(x)
    exp2_rows(x, out)
    assert np.abs(out / np.exp2(x.astype(np.float64)) - 1.0).max() < 1e-7


def test_one_and_zero_are_exact():
    out = np.empty(2, dtype=np.float32)
    log2_rows(np.ones(2, dtype=np.float32), out)
    assert (out == 0.0).all()
    exp2_rows(np.zeros(2, dtype=np.float32), out)
    assert (out == 1.0).all()


def test_what_has_no_logarithm_gives_a_finite_number():
    x = np.array([0.0, 1e-42, np.nan, np.inf], dtype=np.float32)
    out = np.empty_like(x)
    log2_rows(x, out)
    np.testing.assert_array_equal(out[:3], -126.0)
    assert out[3] == 128.0
    exp2_rows(np.array([-1e9, 1e9], dtype=np.float32), out[:2])
    np.testing.assert_array_equal(out[:2], [2.0**-126, 2.0**126])
