"""`MidiOut`: what plays is also played on a MIDI port, note by note when it is heard, with clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event, Thread

import numpy as np

from sonify.mapping.mapper import Mapper
from sonify.mapping.score import Score
from sonify.midi.clock import Clock, Timebase
from sonify.midi.translator import MidiEvent, Translator
from sonify.runner.companion import Block
from sonify.runner.controls import Knobs
from sonify.runner.midi_port import MidiPort
from sonify.units import gain_from_db

__all__ = ["MidiOut", "MidiStatus"]

_MOST_BLOCKS = 50  # that wait to be translated: a second; of more the oldest are dropped
_LATEST_S = 0.1  # of the clock; what would come later is left out
_REFRESH_S = 10.0  # all programs and controllers are sent again, for whoever joined later
_STATUS = {"note_off": 0x80, "note_on": 0x90, "control_change": 0xB0, "program_change": 0xC0}

_Timed = tuple[bytes, float]


@dataclass(frozen=True, slots=True)
class MidiStatus:
    """How the port is. `port` is its name, empty while there is none; `problem` says why, empty while all is well."""

    port: str
    problem: str
    num_dropped: int


class MidiOut:
    """Play along on a MIDI port; a `sonify.runner.companion.Companion`.

    Parameters
    ----------
    name : str
        Of the port, as `sonify.runner.midi_port.MidiPort` takes it.
    seed : int
        That of the session, so that glitches fall together.
    has_clock : bool
        Whether clock and transport are sent.
    say : callable
        Told in words how the port is, when that changes.
    """

    def __init__(
        self, name: str, *, seed: int = 0, has_clock: bool = True, say: Callable[[str], None] = lambda _text: None
    ) -> None:
        self._port = MidiPort(name, say=say)
        self._seed = seed
        self._clock = Clock() if has_clock else None
        self._timebase = Timebase()
        self._mapper: Mapper | None = None
        self._translator: Translator | None = None
        self._blocks: deque[Block] = deque(maxlen=_MOST_BLOCKS)
        self._arrived, self._stopping = Event(), Event()
        self._settings: dict[tuple[int, int], bytes] = {}  # newest program and controllers of each channel
        self._connections = 0
        self._refresh_s = 0.0
        self._until_s = 0.0  # no message is sent for an earlier time than one before it
        self._thread = Thread(target=self._run, name="midi out", daemon=True)

    @property
    def status(self) -> MidiStatus:
        """How the port is now."""
        return MidiStatus(self._port.opened, self._port.problem, self._port.num_dropped)

    def start(self) -> None:
        """Begin to open the port, and to keep it open; nothing is waited for."""
        self._port.start()
        self._thread.start()

    def play(self, block: Block) -> None:
        """Play a block when it is heard; nothing is waited for."""
        self._blocks.append(block)
        self._arrived.set()

    def stop(self) -> None:
        """Stop the receiver's clock, end every note, and close the port."""
        self._stopping.set()
        self._arrived.set()
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._port.close()

    # -- thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._arrived.wait()
            self._arrived.clear()
            while self._blocks and not self._stopping.is_set():
                again = self._told_again()
                self._port.send_all([*again, *self._translate(self._blocks.popleft())])
        self._port.send_all((message, 0.0) for message in (self._clock.stop() if self._clock is not None else []))

    def _translate(self, block: Block) -> list[_Timed]:
        self._timebase.update(block.quantum, block.sounds_at_s)
        timed: list[tuple[float, bytes]] = []
        events: list[MidiEvent] = []
        translator = self._translator
        if translator is None or block.mapper is not self._mapper or translator.now != block.quantum:
            if translator is not None:
                events += [event._replace(quantum=block.quantum) for event in translator.finish()]
            translator = Translator(block.mapper, seed=self._seed, begin=block.quantum)
            self._translator, self._mapper = translator, block.mapper
            events += translator.programs()
        gains = _gains(block.knobs, block.mapper.backends)
        for score, num_quanta in block.scores:
            events += translator.step(_heard(score, gains, is_muted=block.knobs.is_muted), num_quanta)
        for event in events:
            message = _message(event)
            is_hit = event.kind == "note_on" and block.knobs.is_muted  # tick and motif
            if message and not is_hit:
                timed.append((event.quantum, message))
                if event.kind in ("control_change", "program_change"):
                    number = event.number if event.kind == "control_change" else -1
                    self._settings[event.channel, number] = message
        if self._clock is not None:
            if self._timebase.at_s(block.quantum) < time.monotonic() - _LATEST_S:
                self._clock.restart()  # sound that was caught up with: many ticks at once would be another tempo
            else:
                timed += self._clock.messages(block.quantum, translator.now)
        return [(message, self._at_s(quantum)) for quantum, message in sorted(timed, key=lambda pair: pair[0])]

    def _at_s(self, quantum: float) -> float:
        """When to send: a jump back of the sound card's time must not change the order of messages."""
        self._until_s = max(self._timebase.at_s(quantum), self._until_s)
        return self._until_s

    def _told_again(self) -> list[_Timed]:
        """List what the other side must be told again, because it was away, or may have come later."""
        now_s = time.monotonic()
        if self._port.connections != self._connections and self._port.opened:
            self._connections = self._port.connections
            if self._clock is not None:
                self._clock.restart()
        elif now_s < self._refresh_s:
            return []
        self._refresh_s = now_s + _REFRESH_S
        return [(message, 0.0) for _, message in sorted(self._settings.items())]


def _message(event: MidiEvent) -> bytes:
    """Bytes of an event; none of a marker."""
    status = _STATUS.get(event.kind)
    if status is None:
        return b""
    if event.kind == "program_change":
        return bytes((status | event.channel, event.number))
    return bytes((status | event.channel, event.number, event.value))


def _gains(knobs: Knobs, backends: tuple[str, ...]) -> np.ndarray:
    """How much of each backend is heard, shape (backends,)."""
    heard = [name not in knobs.muted and (not knobs.soloed or name in knobs.soloed) for name in backends]
    trim = [gain_from_db(knobs.backend_trim_db.get(name, 0.0)) for name in backends]
    return np.where(heard, trim, 0.0)


def _heard(score: Score, gains: np.ndarray, *, is_muted: bool) -> Score:
    """Leave out of a score what is not heard."""
    if is_muted:
        return replace(
            score,
            partial_gain=np.zeros_like(score.partial_gain),
            drum_gain=np.zeros_like(score.drum_gain),
            glitch_count=np.zeros_like(score.glitch_count),
            alarms=(),
        )
    if np.all(gains == 1.0):
        return score
    glitches = score.glitch_count * (gains > 0.0) if len(score.glitch_count) else score.glitch_count
    return replace(score, partial_gain=score.partial_gain * gains[:, None], glitch_count=glitches)
