"""One-pole low-passes, eight side by side: a recursion waits for itself, eight fill the wait."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.kernel import kernel

__all__ = ["run_eight_rows"]

_F = np.float32
_AT_REST = 1e-20  # −400 dB: what follows would be denormal numbers


@kernel
def run_eight_rows(
    rows: NDArray[np.float32], begin: NDArray[np.float64], end: NDArray[np.float64], memory: NDArray[np.float64]
) -> None:
    """Filter ``y[n] = x[n] + pole y[n − 1]`` in place, row by row.

    Parameters
    ----------
    rows : float32 array (8, frames)
        Audio.
    begin, end : array (8,)
        Poles before the first and at the last sample.
    memory : array (8,)
        Last outputs, updated.
    """
    num_frames = rows.shape[1]
    x0, x1, x2, x3, x4, x5, x6, x7 = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]
    p0, p1, p2, p3 = _F(begin[0]), _F(begin[1]), _F(begin[2]), _F(begin[3])
    p4, p5, p6, p7 = _F(begin[4]), _F(begin[5]), _F(begin[6]), _F(begin[7])
    y0, y1, y2, y3 = _F(memory[0]), _F(memory[1]), _F(memory[2]), _F(memory[3])
    y4, y5, y6, y7 = _F(memory[4]), _F(memory[5]), _F(memory[6]), _F(memory[7])
    pace = 1.0 / num_frames
    d0, d1, d2, d3 = (
        _F((end[0] - begin[0]) * pace),
        _F((end[1] - begin[1]) * pace),
        _F((end[2] - begin[2]) * pace),
        _F((end[3] - begin[3]) * pace),
    )
    d4, d5, d6, d7 = (
        _F((end[4] - begin[4]) * pace),
        _F((end[5] - begin[5]) * pace),
        _F((end[6] - begin[6]) * pace),
        _F((end[7] - begin[7]) * pace),
    )
    for n in range(num_frames):
        p0, p1, p2, p3, p4, p5, p6, p7 = p0 + d0, p1 + d1, p2 + d2, p3 + d3, p4 + d4, p5 + d5, p6 + d6, p7 + d7
        y0, y1, y2, y3 = x0[n] + p0 * y0, x1[n] + p1 * y1, x2[n] + p2 * y2, x3[n] + p3 * y3
        y4, y5, y6, y7 = x4[n] + p4 * y4, x5[n] + p5 * y5, x6[n] + p6 * y6, x7[n] + p7 * y7
        x0[n], x1[n], x2[n], x3[n], x4[n], x5[n], x6[n], x7[n] = y0, y1, y2, y3, y4, y5, y6, y7
    memory[0], memory[1], memory[2], memory[3] = y0, y1, y2, y3
    memory[4], memory[5], memory[6], memory[7] = y4, y5, y6, y7
    for i in range(8):
        if not abs(memory[i]) > _AT_REST:
            memory[i] = 0.0
