"""`Outbox`: what waits to be sent to a MIDI port. It never grows, and what it cannot send in time it drops with care.

Ports lose silently what comes too fast, so there is a limit to bytes a second. Under it, in this order: clock and
transport at their time; ends of notes, none of which is ever dropped; programs; notes, which are dropped where they are
late; then controllers, of which only the newest value counts. No clock in here: whoever calls says what time it is.
"""

from __future__ import annotations

import heapq
import math
from collections import deque

__all__ = ["Outbox", "silence"]

_NOTE_OFF, _NOTE_ON, _CONTROL, _PROGRAM = 0x80, 0x90, 0xB0, 0xC0
_CONTINUOUS = (0xA0, _CONTROL, 0xD0, 0xE0)
_TRANSPORT = (0xF2, 0xF8, 0xFA, 0xFB, 0xFC)
_ALL_SOUND_OFF, _RESET_CONTROLLERS, _ALL_NOTES_OFF = 120, 121, 123
_MOST_AHEAD = 4096  # messages for later
_MOST_NOTES = 128  # that are due and wait for room
_LATEST_S = 0.1  # of a note; what would come later is dropped
_LONGEST_NOTE_S = 10.0  # whatever becomes of its end
_AGAIN_S = 0.5  # after its end, which is then told a second time: a port may have lost it
_MOST_PLAIN_BYTES = 1 << 16

_Key = tuple[int, int]


class Outbox:
    """Messages on their way to one port.

    Parameters
    ----------
    bytes_per_s : float
        The most that is sent; a DIN cable carries 3125, USB and software ports far more.
    burst_bytes : int
        The most that is sent at once.
    is_music : bool
        False: all messages are of the same kind, such as a control surface's, and leave in the order they came.

    Attributes
    ----------
    num_dropped : int
        Messages that were not sent and never will be; older values of a controller are not counted.
    """

    def __init__(self, bytes_per_s: float = 6000.0, burst_bytes: int = 192, *, is_music: bool = True) -> None:
        self._bytes_per_s = bytes_per_s
        self._burst_bytes = burst_bytes
        self._is_music = is_music
        self._room_bytes = float(burst_bytes)
        self._asked_s = -math.inf
        self._later: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._transport: deque[bytes] = deque()
        self._ends: dict[_Key, None] = {}
        self._programs: dict[int, bytes] = {}
        self._notes: dict[_Key, tuple[float, bytes]] = {}
        self._continuous: dict[_Key, bytes] = {}
        self._plain: deque[bytes] = deque()
        self._plain_bytes = 0
        self._sounding: dict[_Key, float] = {}  # until when at the latest
        self._ended: dict[_Key, float] = {}  # when to tell the end again
        self._channels: set[int] = set()
        self.num_dropped = 0

    def add(self, message: bytes, at_s: float = 0.0) -> None:
        """Take a message that is to be sent at a time, by a clock that never jumps; 0: at once."""
        if not message:
            return
        if not at_s and self._is_music and message[0] & 0xF0 in _CONTINUOUS:
            self._sort_in(message, at_s)
            return
        if len(self._later) >= _MOST_AHEAD:
            if self._is_music and _is_end(message):  # rather too early than never
                self._end(message[0] & 0x0F, message[1])
            else:
                self.num_dropped += 1
            return
        self._count += 1
        heapq.heappush(self._later, (at_s, self._count, message))

    def take(self, now_s: float) -> list[bytes]:
        """Take what is to be sent now."""
        while self._later and self._later[0][0] <= now_s:
            at_s, _, message = heapq.heappop(self._later)
            self._sort_in(message, at_s or now_s)
        for key in [key for key, until_s in self._sounding.items() if until_s <= now_s]:
            self._ends[key] = None
        for key in [key for key, again_s in self._ended.items() if again_s <= now_s]:
            del self._ended[key]
            self._ends[key] = None
        for key in [key for key, (at_s, _) in self._notes.items() if now_s - at_s > _LATEST_S]:
            del self._notes[key]
            self.num_dropped += 1
        self._room_bytes = min(self._room_bytes + (now_s - self._asked_s) * self._bytes_per_s, float(self._burst_bytes))
        self._asked_s = now_s
        return self._send(now_s)

    def next_s(self) -> float:
        """When there will be something to take; inf: not before a message is added."""
        if self._transport:
            return self._asked_s
        next_s = self._later[0][0] if self._later else math.inf
        if self._ends or self._programs or self._notes or self._continuous or self._plain:
            next_s = min(next_s, self._asked_s + max(-self._room_bytes / self._bytes_per_s, 0.0) + 1e-4)
        ends_s = (min(times.values(), default=math.inf) for times in (self._sounding, self._ended))
        return min(next_s, *ends_s)

    def panic(self) -> list[bytes]:
        """Forget all that waits; messages that end every sound."""
        messages = [bytes((_NOTE_OFF | channel, note, 0)) for channel, note in {**self._sounding, **self._ended}]
        for channel in sorted(self._channels):
            messages += silence(channel)
        for waiting in (self._later, self._transport, self._plain):
            waiting.clear()
        for keyed in (self._ends, self._programs, self._notes, self._continuous, self._sounding, self._ended):
            keyed.clear()
        self._plain_bytes = 0
        return messages

    # -- in ----------------------------------------------------------------------------------------------------------

    def _sort_in(self, message: bytes, at_s: float) -> None:
        kind = message[0] & 0xF0
        if not self._is_music or (kind == 0xF0 and message[0] not in _TRANSPORT):
            self._add_plain(message)
        elif kind == 0xF0:
            self._transport.append(message)
        elif _is_end(message):
            self._end(message[0] & 0x0F, message[1])
        elif kind == _NOTE_ON:
            self._begin(message, at_s)
        elif kind == _PROGRAM:
            self._programs[message[0]] = message
        elif kind in _CONTINUOUS:
            number = message[1] if kind in (0xA0, _CONTROL) else 0
            self._continuous.pop((message[0], number), None)
            self._continuous[message[0], number] = message
        else:
            self.num_dropped += 1  # no message begins like this

    def _add_plain(self, message: bytes) -> None:
        if self._plain_bytes + len(message) > _MOST_PLAIN_BYTES:
            self.num_dropped += 1
            return
        self._plain.append(message)
        self._plain_bytes += len(message)

    def _begin(self, message: bytes, at_s: float) -> None:
        key = message[0] & 0x0F, message[1]
        if key in self._sounding:
            self._ends[key] = None
        if self._notes.pop(key, None) is not None or len(self._notes) >= _MOST_NOTES:
            self.num_dropped += 1
        if len(self._notes) < _MOST_NOTES:
            self._notes[key] = at_s, message

    def _end(self, channel: int, note: int) -> None:
        if self._notes.pop((channel, note), None) is not None:
            self.num_dropped += 1  # it ended before there was room for it
        if (channel, note) in self._sounding:
            self._ends[channel, note] = None

    # -- out ---------------------------------------------------------------------------------------------------------

    def _send(self, now_s: float) -> list[bytes]:
        sent = []
        while self._transport:
            sent.append(self._transport.popleft())
            self._room_bytes -= len(sent[-1])
        while self._room_bytes > 0.0:
            message = self._next_message(now_s)
            if message is None:
                break
            sent.append(message)
            self._room_bytes -= len(message)
        return sent

    def _next_message(self, now_s: float) -> bytes | None:
        if self._ends:
            key = next(iter(self._ends))
            del self._ends[key]
            if self._sounding.pop(key, None) is not None:
                self._ended[key] = now_s + _AGAIN_S
            return bytes((_NOTE_OFF | key[0], key[1], 0))
        message: bytes
        if self._programs:
            message = self._programs.pop(next(iter(self._programs)))
        elif self._notes:
            key = next(iter(self._notes))
            _, message = self._notes.pop(key)
            self._sounding[key] = now_s + _LONGEST_NOTE_S
            self._ended.pop(key, None)
        elif self._continuous:
            message = self._continuous.pop(next(iter(self._continuous)))
        elif self._plain:
            message = self._plain.popleft()
            self._plain_bytes -= len(message)
            return message
        else:
            return None
        self._channels.add(message[0] & 0x0F)
        return message


def silence(channel: int) -> list[bytes]:
    """Messages that end whatever sounds on a channel, for devices that know one of them but not the others."""
    return [bytes((_CONTROL | channel, number, 0)) for number in (_ALL_NOTES_OFF, _ALL_SOUND_OFF, _RESET_CONTROLLERS)]


def _is_end(message: bytes) -> bool:
    kind = message[0] & 0xF0
    return len(message) == 3 and (kind == _NOTE_OFF or (kind == _NOTE_ON and message[2] == 0))
