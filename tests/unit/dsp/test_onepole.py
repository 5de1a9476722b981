from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from sonify.dsp.onepole import run_eight_rows


def test_each_row_has_its_own_pole_and_memory():
    rows = np.random.default_rng(1).standard_normal((8, 480)).astype(np.float32)
    poles, memory = np.linspace(0.0, 0.95, 8), np.linspace(-1.0, 1.0, 8)
    exact = np.stack(
        [
            lfilter([1.0], [1.0, -p], x.astype(np.float64), zi=[p * m])[0]
            for p, m, x in zip(poles, memory, rows, strict=True)
        ]
    )
    run_eight_rows(rows, poles, poles, memory)
    np.testing.assert_allclose(rows, exact, atol=2e-5)
    np.testing.assert_array_equal(memory.astype(np.float32), rows[:, -1])
