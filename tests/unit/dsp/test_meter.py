from __future__ import annotations

import numpy as np

from sonify.dsp.meter import k_weighting

# ITU-R BS.1770-4, tables 1 and 2
SHELF = [1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585]
HIGH_PASS = [1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621]


def test_at_48_khz_the_filters_are_the_tabulated_ones():
    np.testing.assert_allclose(k_weighting(48_000.0), [SHELF, HIGH_PASS], atol=1e-9)
