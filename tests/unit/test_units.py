import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import UsageError
from sonify.units import (
    db_from_gain,
    format_duration,
    gain_from_db,
    parse_duration_s,
    parse_quantity,
    parse_speed,
    parse_time_s,
)


@pytest.mark.parametrize(
    ("text", "dimensions", "value", "dimension"),
    [
        ("120ms", ("s",), 0.12, "s"),
        ("1.5 s", ("s",), 1.5, "s"),
        ("250 µs", ("s",), 250e-6, "s"),
        ("1.2 kHz", ("Hz", "s"), 1200.0, "Hz"),
        ("120ms", ("Hz", "s"), 0.12, "s"),
        ("800 req/s", ("dBFS", "1/s"), 800.0, "1/s"),
        ("60/min", ("1/s",), 1.0, "1/s"),
        ("-12 dB", ("dB",), -12.0, "dB"),
        ("5%", ("ratio",), 0.05, "ratio"),
        ("440", ("Hz",), 440.0, "Hz"),
        (3, ("dB",), 3.0, "dB"),
    ],
)
def test_quantities_carry_their_unit(text, dimensions, value, dimension):
    assert parse_quantity(text, *dimensions) == (pytest.approx(value), dimension)


@pytest.mark.parametrize(("text", "dimensions"), [("12 Hz", ("s",)), ("fast", ("s",)), ("", ("s",)), ("1 2", ("",))])
def test_what_is_no_quantity_says_which_units_are_allowed(text, dimensions):
    with pytest.raises(UsageError, match="write a number"):
        parse_quantity(text, *dimensions)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86400), ("1h30m", 5400), ("1d", 86400), ("45", 45)]
)
def test_durations(text, seconds):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["0s", "-3s", "soon", "inf", "1h30", "3 parsecs"])
def test_what_is_no_duration(text):
    with pytest.raises(UsageError):
        parse_duration_s(text)


@pytest.mark.parametrize(("text", "speed"), [("60x", 60.0), ("0.5×", 0.5), ("7", 7.0)])
def test_speeds(text, speed):
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0x", "-1", "fast", "nan", "infx"])
def test_what_is_no_speed(text):
    with pytest.raises(UsageError, match="60x"):
        parse_speed(text)


@pytest.mark.parametrize(
    ("text", "time_s"),
    [
        ("2022-08-22T05:18:00Z", 1661145480.0),
        ("2022-08-22T05:18", 1661145480.0),
        ("2022-08-22T07:18+02:00", 1661145480.0),
        ("2022-08-22", 1661126400.0),
        ("1661145480.5", 1661145480.5),
        ("now", 5000.0),
        ("-1h", 1400.0),
    ],
)
def test_times(text, time_s):
    assert parse_time_s(text, now_s=5000.0) == time_s


def test_what_is_no_time():
    with pytest.raises(UsageError, match="ISO 8601"):
        parse_time_s("tea time", 0.0)


@given(st.floats(-200.0, 60.0))
def test_decibels_and_gains_are_inverse(level_db):
    assert db_from_gain(gain_from_db(level_db)) == pytest.approx(level_db, abs=1e-9)


def test_no_gain_is_minus_infinity():
    assert db_from_gain(0.0) == -math.inf


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.25 s"), (59.7, "59.7 s"), (60, "1 min"), (250, "4 min 10 s"), (72541, "20 h 9 min")]
)
def test_durations_are_shown_short(seconds, text):
    assert format_duration(seconds) == text
