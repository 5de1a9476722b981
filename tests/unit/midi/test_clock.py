"""The clock: 24 ticks a quarter at 120 a minute on the engine's quanta, whatever blocks and sound card do."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.midi.clock import Clock, Timebase

START, CONTINUE, STOP, TICK = b"\xfa", b"\xfb", b"\xfc", b"\xf8"


def played(clock: Clock, borders: list[int]) -> list[tuple[float, bytes]]:
    found = []
    for begin, end in pairwise(borders):
        found += clock.messages(begin, end)
    return found


def test_a_minute_has_120_quarters() -> None:
    messages = Clock().messages(0, 6000)
    ticks = [at for at, message in messages if message == TICK]
    assert len(ticks) == 120 * 24
    assert np.allclose(np.diff(ticks), 50.0 / 24.0)


def test_it_starts_with_the_first_tick() -> None:
    assert Clock().messages(0, 1) == [(0.0, START), (0.0, TICK)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=50))
def test_blocks_of_any_length_make_the_same_clock(lengths: list[int]) -> None:
    borders = [0, *np.cumsum(lengths).tolist()]
    assert played(Clock(), borders) == Clock().messages(0, borders[-1])


@pytest.mark.parametrize("begin", [1, 333, 5001, 1_000_000])
def test_who_joins_later_hears_the_position_at_a_quarter(begin: int) -> None:
    messages = Clock().messages(begin, begin + 200)
    index = next(index for index, (_, message) in enumerate(messages) if message == CONTINUE)
    at, position = messages[index - 1]
    assert position[0] == 0xF2
    sixteenths = position[1] + 128 * position[2]
    assert at % 50.0 == pytest.approx(0.0, abs=1e-6)
    assert sixteenths == round(at / 12.5) % 16384
    assert messages[index + 1] == (at, TICK)
    assert START not in [message for _, message in messages]


def test_it_stops_once_and_continues_when_told() -> None:
    clock = Clock()
    assert clock.stop() == []
    clock.messages(0, 10)
    clock.restart()
    assert CONTINUE in [message for _, message in clock.messages(10, 100)]
    assert clock.stop() == [STOP]
    assert clock.stop() == []


def test_times_follow_a_card_that_is_fast_without_its_jitter() -> None:
    rng, timebase, errors_s = np.random.default_rng(1), Timebase(), []
    for block in range(5000):
        quantum = 2 * block
        true_s = 100.0 + quantum * 0.01 * (1.0 + 200e-6)
        timebase.update(quantum, true_s + rng.uniform(-0.005, 0.005))
        errors_s.append(timebase.at_s(quantum + 1) - true_s - 0.01)
    assert np.abs(errors_s[500:]).max() < 0.0015
    assert np.abs(np.diff(errors_s[500:])).max() < 0.00025  # from one tick to the next


def test_one_wrong_measurement_moves_nothing_but_a_new_card_does() -> None:
    timebase = Timebase()
    assert math.isnan(timebase.at_s(0))
    for quantum in range(10):
        timebase.update(quantum, 5.0 + 0.01 * quantum)
    timebase.update(10, 7.0)
    timebase.update(11, math.nan)
    assert timebase.at_s(11) == pytest.approx(5.11)
    for quantum in range(12, 16):
        timebase.update(quantum, 6.0 + 0.01 * quantum)
    assert timebase.at_s(20) == pytest.approx(6.2)
