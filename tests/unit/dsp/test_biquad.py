from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import freqz, lfilter

from sonify.dsp.biquad import SHAPES, design_biquad, response_db, run_row, run_stereo, run_stereo_pair

RATE_HZ = 48_000.0


def design(shape, freq_hz, gain_db, q):
    out = np.empty(5)
    design_biquad(SHAPES[shape], freq_hz, gain_db, q, RATE_HZ, out)
    return out


FILTERS = st.tuples(st.sampled_from(sorted(SHAPES)), st.floats(1.0, 1e5), st.floats(-40.0, 40.0), st.floats(0.01, 40.0))


@given(FILTERS, FILTERS, st.floats(0.0, 1.0))
def test_every_filter_between_two_is_stable(one, other, place):
    begin, end = design(*one), design(*other)
    for _, _, _, a1, a2 in (begin, begin + place * (end - begin)):
        assert abs(a2) < 1.0
        assert abs(a1) < 1.0 + a2


@given(FILTERS)
def test_the_response_is_that_of_the_coefficients(one):
    b0, b1, b2, a1, a2 = design(*one)
    freq_hz = np.geomspace(20.0, 23_000.0, 30)
    exact = 20.0 * np.log10(np.abs(freqz([b0, b1, b2], [1.0, a1, a2], freq_hz, fs=RATE_HZ)[1]) + 1e-15)
    np.testing.assert_allclose(response_db([b0, b1, b2, a1, a2], freq_hz, RATE_HZ), exact, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_loops_run_the_same_filter(shape):
    audio = np.random.default_rng(1).standard_normal((2, 480)).astype(np.float32)
    one, two = design(shape, 700.0, 6.0, 1.3), design("bell", 3000.0, -9.0, 2.0)
    exact = lfilter(one[:3], [1.0, *one[3:]], audio.astype(np.float64))
    row, both, pair = audio[0].copy(), audio.copy(), audio.copy()
    run_row(row, one, one, np.zeros(2))
    run_stereo(both[0], both[1], one, one, np.zeros((2, 2)))
    run_stereo_pair(pair[0], pair[1], one, one, np.zeros((2, 2)), two, two, np.zeros((2, 2)))
    np.testing.assert_allclose(row, exact[0], atol=2e-6)
    np.testing.assert_allclose(both, exact, atol=2e-6)
    np.testing.assert_allclose(pair, lfilter(two[:3], [1.0, *two[3:]], exact), atol=2e-6)
