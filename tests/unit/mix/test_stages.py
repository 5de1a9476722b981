"""What all stages have in common: they compile behind one cached entry, and their state is arrays."""

from __future__ import annotations

import numpy as np
import pytest

from sonify.mix.compressor import make_compressor_state
from sonify.mix.eq import make_eq_settings, make_eq_state
from sonify.mix.limiter import LimiterSettings, make_limiter_state
from sonify.mix.reverb import make_reverb_state


@pytest.mark.parametrize(
    "state",
    [make_eq_state(3), make_compressor_state(), make_reverb_state(), make_limiter_state()],
    ids=lambda s: type(s).__name__,
)
def test_a_state_is_arrays_only(state):
    assert all(isinstance(field, np.ndarray) for field in state)


def test_settings_of_an_equaliser_come_from_names():
    eq_settings = make_eq_settings(["bell", "notch"], [100, 200], [3, 0], [1, 2])
    assert [array.dtype for array in eq_settings] == [np.int64, np.float64, np.float64, np.float64]
    with pytest.raises(KeyError):
        make_eq_settings(["bump"], [100], [3], [1])


def test_the_ceiling_is_minus_1_unless_said_otherwise():
    assert LimiterSettings().ceiling_db == -1.0
