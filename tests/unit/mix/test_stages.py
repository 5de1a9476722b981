"""What all stages have in common: their state fits into a record."""

from __future__ import annotations

import numpy as np
import pytest

from sonify.dsp.biquad import SHAPES
from sonify.dsp.record import pack
from sonify.mix.compressor import make_compressor_state
from sonify.mix.eq import make_eq_settings
from sonify.mix.limiter import LimiterSettings, make_limiter_state
from sonify.mix.reverb import make_reverb_state


@pytest.mark.parametrize(
    "state", [make_compressor_state(), make_reverb_state(), make_limiter_state()], ids=lambda s: type(s).__name__
)
def test_a_record_holds_what_the_state_holds(state):
    packed = pack(state)
    assert packed.dtype.names == state._fields
    for name, array in zip(state._fields, state, strict=True):
        assert packed[name].dtype == array.dtype
        np.testing.assert_array_equal(packed[name][0], array)


def test_settings_of_an_equaliser_come_from_names():
    eq_settings = make_eq_settings(["bell", "notch"], [100, 200], [3, 0], [1, 2])
    assert eq_settings.tolist() == [(SHAPES["bell"], 100.0, 3.0, 1.0), (SHAPES["notch"], 200.0, 0.0, 2.0)]
    with pytest.raises(KeyError):
        make_eq_settings(["bump"], [100], [3], [1])


def test_the_ceiling_is_minus_1_unless_said_otherwise():
    assert LimiterSettings().ceiling_db == -1.0
