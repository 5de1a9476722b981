"""What a MIDI port is sent, byte by byte."""

from __future__ import annotations

import time

import numpy as np

from sonify.mapping.mapper import Mapper
from sonify.mapping.preset_file import load_sound_preset
from sonify.mapping.score import Score
from sonify.midi.outbox import Outbox
from sonify.runner.companion import Block
from sonify.runner.controls import Knobs
from sonify.runner.midi_out import MidiOut

FIRST_BLOCK = """
c00c c10b cf50
b00100 b00b64 b04a00 b10100 b10b64 b14a00 bf1400 bf1500 bf167f
903040
fa f8
"""


def block(mapper: Mapper, quantum: int, num_quanta: int, knobs: Knobs, gain_db: float = -48.0) -> Block:
    silent = np.zeros(2)
    gain = np.zeros((2, len(mapper.frequencies_hz)))
    gain[0, 0] = 10.0 ** ((mapper.preset.level.top + gain_db / 2.0) / 20.0)
    score = Score(gain, silent, silent, np.ones(2), silent, np.zeros(0), drum_gain=np.zeros(mapper.num_batch_bands))
    return Block(mapper, quantum, ((score, num_quanta),), time.monotonic() + 0.05 + 0.01 * quantum, knobs)


def sent(out: MidiOut, played: Block) -> list[str]:
    return [message.hex() for message, _ in out._translate(played)]


def test_the_first_block_tells_everything_that_a_receiver_must_know() -> None:
    mapper = Mapper(load_sound_preset("organ"), ("rust", "go"))
    out = MidiOut("nobody")
    messages = sent(out, block(mapper, 0, 2, Knobs()))
    without_percussion = [text for text in messages if text[1] != "9"]
    assert sorted(without_percussion) == sorted(FIRST_BLOCK.split())


def test_what_goes_on_is_not_told_again() -> None:
    mapper = Mapper(load_sound_preset("organ"), ("rust", "go"))
    out = MidiOut("nobody")
    sent(out, block(mapper, 0, 2, Knobs()))
    assert [text for text in sent(out, block(mapper, 2, 3, Knobs())) if text[1] != "9"] == ["f8", "f8"]


def test_who_is_muted_is_silent_in_midi_too() -> None:
    mapper = Mapper(load_sound_preset("organ"), ("rust", "go"))
    out = MidiOut("nobody")
    sent(out, block(mapper, 0, 2, Knobs()))
    assert "803000" in sent(out, block(mapper, 2, 2, Knobs(muted=frozenset({"rust"}))))
    muted = sent(out, block(mapper, 4, 200, Knobs(is_muted=True)))
    assert not [text for text in muted if text[0] == "9"]
    assert "903040" in sent(out, block(mapper, 204, 2, Knobs()))


def test_the_end_of_all_sound() -> None:
    outbox = Outbox()
    outbox.add(bytes.fromhex("933c64"))
    outbox.take(1.0)
    assert [message.hex() for message in outbox.panic()] == ["833c00", "b37b00", "b37800", "b37900"]
