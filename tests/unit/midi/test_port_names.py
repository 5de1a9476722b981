"""Names of ports: found again whatever numbers the system gives them; commands survive the way to the process."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.midi.port import AT_END, EVENT, Command, encode, find_port, parse_wish, plain_name, read_command

NAMES = [
    "Midi Through:Midi Through Port-0 14:0",
    "Launchpad Mini MK3:Launchpad Mini MK3 LPMiniMK3 DA 20:0",
    "Launchpad Mini MK3:Launchpad Mini MK3 LPMiniMK3 MI 20:1",
    "2- nanoKONTROL2 3",
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (NAMES[2], 2),
        ("Launchpad Mini MK3:Launchpad Mini MK3 LPMiniMK3 MI 28:1", 2),  # plugged in again: another number
        ("lpminimk3 mi", 2),
        ("Launchpad", 1),
        ("nanoKONTROL2 1", 3),
        ("nanokontrol2", 3),
        ("through", 0),
        ("X-Touch", None),
        ("", None),
        ("  ", None),
    ],
)
def test_a_port_is_found_by_what_stays_of_its_name(wanted: str, index: int | None) -> None:
    assert find_port(wanted, NAMES) == index


def test_numbers_decide_between_ports_of_the_same_name() -> None:
    names = ["Keys:Keys 20:0", "Keys:Keys 24:0"]
    assert find_port("Keys:Keys 24:0", names) == 1
    assert find_port("Keys:Keys 99:0", names) == 0


@given(st.integers(0, 255), st.integers(0, 15))
def test_numbers_of_alsa_never_matter(client: int, port: int) -> None:
    assert plain_name(f"Some  Synth:Some Synth MIDI 1 {client}:{port}") == "some synth:some synth midi 1"


@pytest.mark.parametrize(
    ("text", "name", "system", "is_virtual"),
    [
        ("virtual", "virtual", "", True),
        ("jack:virtual", "virtual", "jack", True),
        (" ALSA:Midi Through:Port-0 ", "Midi Through:Port-0", "alsa", False),
        ("jack:", "jack:", "", False),
        ("synth:in", "synth:in", "", False),
    ],
)
def test_a_wish_may_name_the_system(text: str, name: str, system: str, is_virtual: bool) -> None:
    wish = parse_wish(text)
    assert (wish.name, wish.system, wish.is_virtual) == (name, system, is_virtual)


@given(st.lists(st.tuples(st.sampled_from([EVENT, AT_END]), st.floats(0.0, 1e9), st.binary(max_size=400))))
def test_commands_arrive_as_they_were_told(told: list[tuple[int, float, bytes]]) -> None:
    commands = [Command(*parts) for parts in told]
    stream = io.BytesIO(b"".join(map(encode, commands)))
    assert [read_command(stream) for _ in commands] == commands
    assert read_command(stream) is None


def test_a_command_that_is_cut_short_is_the_end() -> None:
    whole = encode(Command(EVENT, 1.0, b"\x90\x3c\x40"))
    assert all(read_command(io.BytesIO(whole[:size])) is None for size in range(len(whole)))
