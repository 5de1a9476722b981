from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sonify.dsp.record import pack
from sonify.kernel import entry


class Inner(NamedTuple):
    gain: float
    rows: np.ndarray


class Outer(NamedTuple):
    count: int
    inner: Inner


@entry(nogil=True)
def _count_up(state):
    state[0].count += 1
    for channel in range(2):
        state[0].inner.rows[channel, 1] += np.float32(state[0].inner.gain)


def test_a_kernel_reads_and_writes_the_fields_of_a_record():
    rows = np.ones((2, 3), np.float32)
    packed = pack(Outer(2, Inner(0.5, rows)))
    _count_up(packed)
    assert packed["count"] == 3
    np.testing.assert_array_equal(packed["inner"]["rows"][0], [[1.0, 1.5, 1.0]] * 2)
    np.testing.assert_array_equal(rows, 1.0)  # a record is a copy
