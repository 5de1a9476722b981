"""What waits for a port: in time, within the limit, never growing, and no note without its end."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.midi.outbox import Outbox, silence


def on(note: int, channel: int = 0) -> bytes:
    return bytes((0x90 | channel, note, 100))


def off(note: int, channel: int = 0) -> bytes:
    return bytes((0x80 | channel, note, 0))


def control(number: int, value: int) -> bytes:
    return bytes((0xB0, number, value))


def drained(outbox: Outbox, now_s: float, until_s: float) -> list[tuple[float, bytes]]:
    """Everything that leaves, asked when the outbox wants to be."""
    sent = []
    while now_s <= until_s:
        sent += [(now_s, message) for message in outbox.take(now_s)]
        next_s = outbox.next_s()
        assert next_s > now_s or next_s == math.inf or outbox.take(now_s) == []
        now_s = max(next_s, now_s + 0.0005)
    return sent


def test_a_message_leaves_at_its_time() -> None:
    outbox = Outbox()
    outbox.add(on(60), 10.0)
    assert outbox.next_s() == 10.0
    assert outbox.take(9.999) == []
    assert outbox.take(10.0) == [on(60)]


def test_no_more_bytes_leave_than_the_limit_allows() -> None:
    outbox = Outbox(3000.0, 60)
    for number in range(100):
        outbox.add(control(number, 1))
    sent = drained(outbox, 1.0, 2.0)
    assert len(sent) == 100
    for at_s, _ in sent:
        passed = sum(len(message) for when_s, message in sent if when_s <= at_s)
        assert passed <= 60 + 3 + 3000.0 * (at_s - 1.0)


def test_of_a_controller_only_the_newest_value_leaves() -> None:
    outbox = Outbox(3000.0, 30)
    for value in range(128):
        for number in range(40):
            outbox.add(control(number, value))
    sent = [message for _, message in drained(outbox, 1.0, 2.0)]
    assert sorted(sent) == [control(number, 127) for number in range(40)]


def test_ends_come_first_then_programs_notes_and_controllers() -> None:
    outbox = Outbox(6000.0, 1000)
    outbox.add(on(50))
    outbox.take(1.0)
    for message in (control(1, 2), on(60), b"\xc0\x05", off(50), b"\xf8"):
        outbox.add(message)
    assert outbox.take(1.1) == [b"\xf8", off(50), b"\xc0\x05", on(60), control(1, 2)]


def test_a_note_that_would_be_late_is_dropped_and_its_end_too() -> None:
    outbox = Outbox()
    outbox.add(on(60), 1.0)
    outbox.add(off(60), 1.5)
    assert outbox.take(2.0) == []
    assert drained(outbox, 2.0, 15.0) == []
    assert outbox.num_dropped == 1


def test_a_note_struck_again_is_ended_first() -> None:
    outbox = Outbox()
    outbox.add(on(60))
    outbox.take(1.0)
    outbox.add(on(60))
    assert outbox.take(1.1) == [off(60), on(60)]


def test_a_note_whose_end_never_comes_is_ended() -> None:
    outbox = Outbox()
    outbox.add(on(60))
    outbox.take(1.0)
    assert outbox.take(10.9) == []
    assert outbox.take(11.0) == [off(60)]


def test_an_end_that_a_port_lost_is_told_again_unless_the_note_sounds_anew() -> None:
    outbox = Outbox()
    for message in (on(60), on(61)):
        outbox.add(message)
    outbox.take(1.0)
    for message in (off(60), off(61)):
        outbox.add(message)
    assert outbox.take(1.1) == [off(60), off(61)]
    outbox.add(on(61))
    assert outbox.take(1.2) == [on(61)]
    assert outbox.take(1.7) == [off(60)]
    assert outbox.take(2.5) == []


def test_panic_ends_what_sounds_and_forgets_the_rest() -> None:
    outbox = Outbox()
    outbox.add(on(60, channel=3))
    outbox.take(1.0)
    outbox.add(on(61), 5.0)
    assert outbox.panic() == [off(60, channel=3), *silence(3)]
    assert outbox.next_s() == math.inf
    assert outbox.take(100.0) == []


def test_plain_messages_leave_in_order_and_what_is_too_much_is_dropped() -> None:
    outbox = Outbox(1e6, 1 << 17, is_music=False)
    messages = [b"\xf0" + bytes(1000) + bytes((n,)) for n in range(100)]
    for message in messages:
        outbox.add(message)
    sent = outbox.take(1.0)
    assert sent == messages[: len(sent)]
    assert sum(map(len, sent)) <= 1 << 16
    assert outbox.num_dropped == 100 - len(sent)


@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_whatever_comes_it_stays_small_and_no_note_hangs(seed: int, num_bursts: int) -> None:
    import random

    rng = random.Random(seed)
    outbox = Outbox(3000.0, 60)
    now_s, sounding = 1.0, set()

    def take() -> None:
        for message in outbox.take(now_s):
            if message[0] & 0xF0 == 0x90:
                sounding.add(message[1])
            elif message[0] & 0xF0 == 0x80:
                sounding.discard(message[1])

    for _ in range(num_bursts):
        for _ in range(rng.randrange(40)):
            note, at_s = rng.randrange(128), now_s + rng.random() * 0.2
            outbox.add(rng.choice((on(note), off(note), control(note % 120, 5))), at_s)
        now_s += rng.random() * 0.02
        take()
    for _ in range(2000):
        now_s += 0.01
        take()
    assert not sounding
    assert outbox.next_s() == math.inf


@pytest.mark.parametrize("count", [5_000, 20_000])
def test_a_flood_is_bounded_and_ends_are_kept(count: int) -> None:
    outbox = Outbox()
    outbox.add(on(60))
    outbox.take(1.0)
    for _ in range(count):
        outbox.add(on(61), 100.0)
    outbox.add(off(60), 100.0)  # there is no room for later: it ends too early rather than never
    assert outbox.num_dropped == count - 4096
    assert off(60) in [message for _, message in drained(outbox, 1.1, 2.0)]
