"""MIDI clock of the audio that plays: 24 ticks a quarter at 120 quarters a minute, at deadlines that do not drift."""

from __future__ import annotations

import math

from sonify.dsp.quantum import CONTROL_RATE_HZ

__all__ = ["QUARTERS_PER_MINUTE", "Clock", "Timebase"]

QUARTERS_PER_MINUTE = 120  # as in the files, so that port, file and audio agree
_TICKS_PER_QUARTER = 24
_TICK_QUANTA = 60.0 * CONTROL_RATE_HZ / (QUARTERS_PER_MINUTE * _TICKS_PER_QUARTER)
_TICKS_PER_SIXTEENTH = 6
_MOST_SIXTEENTHS = 1 << 14
_TICK, _START, _CONTINUE, _STOP, _POSITION = b"\xf8", b"\xfa", b"\xfb", b"\xfc", 0xF2

_ABRUPT_S = 0.05  # the sound card's time may wander; a larger difference is a jump
_PATIENCE = 3  # so often in turn
_SHARE = 0.02  # of a difference that is made up for at once


class Clock:
    """Ticks on the engine's quanta: the time that is played is the only time there is.

    A receiver that joins hears the song position and ``continue`` at the next quarter; at quantum 0 it is ``start``.
    Positions go up to 16384 sixteenths, 34 minutes, and begin again.
    """

    def __init__(self) -> None:
        self._is_running = False

    def restart(self) -> None:
        """Tell the position again: the other side has lost it."""
        self._is_running = False

    def messages(self, begin: int, end: int) -> list[tuple[float, bytes]]:
        """Messages that are due from a quantum to before another, each with its time in quanta."""
        found = []
        for tick in range(math.ceil(begin / _TICK_QUANTA), math.ceil(end / _TICK_QUANTA)):
            at = tick * _TICK_QUANTA
            if not self._is_running and tick % _TICKS_PER_QUARTER == 0:
                self._is_running = True
                found += [(at, message) for message in _begin(tick)]
            found.append((at, _TICK))
        return found

    def stop(self) -> list[bytes]:
        """Messages that stop the receiver."""
        was_running, self._is_running = self._is_running, False
        return [_STOP] if was_running else []


def _begin(tick: int) -> list[bytes]:
    if tick == 0:
        return [_START]
    sixteenth = tick // _TICKS_PER_SIXTEENTH % _MOST_SIXTEENTHS
    return [bytes((_POSITION, sixteenth & 0x7F, sixteenth >> 7)), _CONTINUE]


class Timebase:
    """When a quantum sounds, by a clock that never jumps, from measurements that wander.

    A first-order loop follows the sound card's time with a time constant of about a second (50 measurements); what is
    off by more than 50 ms three times in turn is a new card, or a pause, and is followed at once.
    """

    def __init__(self) -> None:
        self._quantum = 0
        self._at_s = math.nan
        self._num_abrupt = 0

    def update(self, quantum: int, sounds_at_s: float) -> None:
        """Take a measurement: when a quantum sounds."""
        if not math.isfinite(sounds_at_s):
            return
        error_s = sounds_at_s - self.at_s(quantum)
        self._num_abrupt = self._num_abrupt + 1 if abs(error_s) > _ABRUPT_S else 0
        if math.isnan(error_s) or self._num_abrupt >= _PATIENCE:
            self._quantum, self._at_s, self._num_abrupt = quantum, sounds_at_s, 0
        else:
            self._at_s = self.at_s(quantum) + (0.0 if self._num_abrupt else _SHARE * error_s)
            self._quantum = quantum

    def at_s(self, quantum: float) -> float:
        """When a quantum sounds; NaN before the first measurement."""
        return self._at_s + (quantum - self._quantum) / CONTROL_RATE_HZ
