"""Counters: nothing is lost or invented, whatever their process does."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonify.readers.counters import CounterValues, increases

steps = st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=30)


@given(steps=steps)
def test_what_is_counted_since_the_last_reading_before_a_restart_is_all_that_is_lost(
    steps: list[tuple[int, bool]],
) -> None:
    """A process counts; now and then it restarts, unseen if it then counts past its last value."""
    counters, ids = CounterValues(), np.array([0])
    counters.update(ids, np.array([5.0]))
    value, told, counted = 5, 0.0, 0
    for count, restarts in steps:
        seen = 0 < count < value if restarts else True
        if restarts and seen:
            value = 0
        value += count
        counted += count
        told += float(counters.update(ids, np.array([float(value)]))[0])
    assert told == counted


@given(last=st.lists(st.floats(0, 1e9), min_size=1, max_size=8), data=st.data())
def test_increases_are_never_below_zero_nor_more_than_is_shown(last: list[float], data: st.DataObject) -> None:
    size = st.lists(st.floats(0, 1e9), min_size=len(last), max_size=len(last))
    groups = data.draw(st.lists(st.integers(-1, 3), min_size=len(last), max_size=len(last)))
    now = np.array(data.draw(size))
    found = increases(np.array(last), now, np.array(groups))
    assert ((found >= 0.0) & (found <= now)).all()


def test_a_group_begins_anew_together() -> None:
    last, now = np.array([5.0, 100.0, 3.0, 9.0]), np.array([7.0, 10.0, 4.0, 9.0])
    np.testing.assert_array_equal(increases(last, now), [2, 10, 1, 0])
    np.testing.assert_array_equal(increases(last, now, np.array([0, 0, 1, -1])), [7, 10, 1, 0])
    np.testing.assert_array_equal(increases(last, now, np.array([0, -1, 0, 0])), [2, 10, 1, 0])


def test_the_first_reading_counts_nothing_and_what_is_born_counts_from_zero() -> None:
    counters = CounterValues()
    assert np.isnan(counters.update(np.array([0, 2]), np.array([5.0, 6.0]))).all()
    found = counters.update(np.array([0, 1, 2, 3]), np.array([6.0, 4.0, 6.0, 9.0]), born=np.array([3]))
    np.testing.assert_array_equal(found, [1, np.nan, 0, 9])
    counters.restart()
    assert np.isnan(counters.update(np.array([0, 1]), np.array([7.0, 7.0]))).all()


def test_what_is_not_read_or_nan_keeps_its_last_value() -> None:
    counters, ids = CounterValues(), np.array([0, 1])
    counters.update(ids, np.array([5.0, 5.0]))
    np.testing.assert_array_equal(counters.update(ids, np.array([np.nan, 6.0])), [np.nan, 1])
    np.testing.assert_array_equal(counters.update(np.array([1]), np.array([7.0])), [1])
    np.testing.assert_array_equal(counters.update(ids, np.array([8.0, 9.0])), [3, 2])


def test_nothing_is_no_trouble() -> None:
    assert not len(CounterValues().update(np.empty(0, np.intp), np.empty(0)))
