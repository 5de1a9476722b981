"""The spectrum of the output, and how meters move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.views.terminal.analyzer import FLOOR_DB, HIGH_HZ, LOW_HZ, column_of_frequency, spectrum_db
from sonify.views.terminal.ballistics import Ballistics

FRAMES = 4096


def sine(frequency_hz, level_db=0.0, channels=(1.0, 1.0)):
    wave = 10.0 ** (level_db / 20.0) * np.sin(2.0 * np.pi * frequency_hz * np.arange(FRAMES) / 48000.0)
    return (wave[:, None] * np.array(channels)).astype(np.float32)


@given(st.floats(100.0, 15000.0), st.floats(-60.0, 0.0), st.integers(20, 180))
def test_a_sine_reads_its_level_in_its_own_column(frequency_hz, level_db, columns):
    levels = spectrum_db(sine(frequency_hz, level_db), columns)
    strongest = int(np.argmax(levels))
    assert abs(strongest - column_of_frequency(frequency_hz, columns)) <= max(
        1, round(0.1 * columns * 60.0 / frequency_hz)
    )
    assert levels.max() == pytest.approx(level_db, abs=1.6)  # the window's scalloping is 1.42 dB


def test_opposite_phases_do_not_cancel_and_one_channel_is_3_db_less():
    both = spectrum_db(sine(1000.0), 60).max()
    assert spectrum_db(sine(1000.0, channels=(1.0, -1.0)), 60).max() == pytest.approx(both, abs=0.01)
    assert spectrum_db(sine(1000.0, channels=(1.0, 0.0)), 60).max() == pytest.approx(both - 3.01, abs=0.02)


def test_silence_and_what_is_no_number_are_below_the_floor():
    assert (spectrum_db(np.zeros((FRAMES, 2), np.float32), 50) < FLOOR_DB).all()
    assert (spectrum_db(np.full((FRAMES, 2), np.nan, np.float32), 50) < FLOOR_DB).all()


def test_the_axis_ends_where_it_says():
    assert column_of_frequency(LOW_HZ * 1.001, 60) == 0
    assert column_of_frequency(HIGH_HZ * 0.999, 60) == 59


def test_a_meter_rises_at_once_and_falls_ever_faster():
    meter = Ballistics(-60.0, gravity_db=90.0)
    meter.update(np.array([-60.0]), 0.0)
    meter.update(np.array([-6.0]), 0.1)
    assert meter.level_db[0] == -6.0
    seen = []
    for _ in range(8):
        meter.update(np.array([-60.0]), 0.1)
        seen.append(float(meter.level_db[0]))
    steps = -np.diff([-6.0, *seen])
    assert (steps[:-1] > 0.0).all()
    assert (np.diff(steps[:6]) > 0.0).all()


def test_a_peak_is_held_and_then_falls_to_the_level():
    meter = Ballistics(-60.0, hold_s=1.0)
    meter.update(np.array([-60.0]), 0.0)
    meter.update(np.array([-10.0]), 0.1)
    for _ in range(9):
        meter.update(np.array([-40.0]), 0.1)
    assert meter.peak_db[0] == -10.0
    for _ in range(40):
        meter.update(np.array([-40.0]), 0.1)
    assert meter.peak_db[0] == meter.level_db[0] == -40.0


@given(st.lists(st.floats(-120.0, 12.0), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_neither_level_nor_peak_is_ever_below_what_was_measured(levels, elapsed_s):
    meter = Ballistics(-60.0)
    for level_db in levels:
        meter.update(np.array([level_db]), elapsed_s)
        assert meter.peak_db[0] >= meter.level_db[0] >= max(level_db, -60.0)


def test_another_number_of_backends_starts_anew():
    meter = Ballistics(-60.0)
    meter.update(np.zeros(6), 0.1)
    meter.update(np.full(2, np.nan), 0.1)
    assert meter.level_db.tolist() == [-60.0, -60.0]
