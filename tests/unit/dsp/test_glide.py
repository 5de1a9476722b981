from __future__ import annotations

import math

import pytest

from sonify.dsp.glide import GLIDE_S, glide
from sonify.dsp.quantum import CONTROL_RATE_HZ


def test_63_percent_of_the_way_after_one_time_constant():
    value = 0.0
    for _ in range(round(GLIDE_S * CONTROL_RATE_HZ)):
        value = glide(value, 1.0, 1e-6)
    assert value == pytest.approx(1.0 - math.exp(-1.0))


def test_it_arrives_exactly_and_never_passes_its_target():
    value, before = 3.0, math.inf
    for _ in range(200):
        value, before = glide(value, -1.0, 1e-6), value
        assert -1.0 <= value <= before
    assert value == -1.0


def test_a_target_that_is_not_a_number_changes_nothing():
    assert glide(0.5, math.nan, 1e-6) == 0.5
