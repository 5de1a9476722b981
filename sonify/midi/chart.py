"""Which channel, program, controller and note means what: one table for translator, file, port and printed map."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "BACKEND_CHANNELS",
    "BURST_NOTE",
    "CONTROLLERS",
    "DRUM_NOTES",
    "EARCON_NOTES",
    "MOTIF_NOTE",
    "PERCUSSION_CHANNEL",
    "PROGRAMS",
    "SIGNALS_CHANNEL",
    "Controller",
    "backend_channel",
    "drum_note",
]

PERCUSSION_CHANNEL = 9  # counted from 0, as on the wire; musicians say 10
SIGNALS_CHANNEL = 15  # the whole service: gauges, limits crossed, lost source
BACKEND_CHANNELS = tuple(channel for channel in range(16) if channel not in (PERCUSSION_CHANNEL, SIGNALS_CHANNEL))

# General MIDI programs, counted from 0, that ring and can be told apart; in the order of the backends
PROGRAMS = (
    (12, "Marimba"),
    (11, "Vibraphone"),
    (0, "Acoustic Grand Piano"),
    (46, "Orchestral Harp"),
    (24, "Acoustic Guitar (nylon)"),
    (4, "Electric Piano 1"),
    (10, "Music Box"),
    (107, "Koto"),
    (13, "Xylophone"),
    (14, "Tubular Bells"),
    (6, "Harpsichord"),
    (108, "Kalimba"),
    (9, "Glockenspiel"),
    (104, "Sitar"),
)
SIGNALS_PROGRAM = (80, "Lead 1 (square)")


class Controller(NamedTuple):
    """A control change: its number, whose it is, what it means, and what 127 stands for."""

    number: int
    scope: str
    meaning: str
    top: str


CONTROLLERS: dict[str, Controller] = {
    "roughness": Controller(1, "backend", "errors: depth of the roughness", "100 %"),
    "emphasis": Controller(11, "backend", "emphasis: comes forward or steps back (100: as it is)", "+2 dB"),
    "overtones": Controller(74, "backend", "fallbacks: gain of the overtones", "+3.5 dB"),
    "pulse": Controller(20, "service", "queue depth: tempo of the pulse", "12.7 Hz"),
    "sub": Controller(21, "service", "active requests: level of the sub-bass", "0 dBFS"),
    "fresh": Controller(22, "service", "data is fresh (127) or the source is lost (0)", "fresh"),
}

TICK_NOTE, ACCENT_NOTE = 76, 75  # wood block, claves: the pilot
MOTIF_NOTE = 58  # vibraslap: the source is lost
BURST_NOTE = 39  # hand clap: a glitch
DRUM_NOTES = (42, 44, 38, 47, 45, 43, 41, 36, 35)  # small batches high, large ones low
EARCON_NOTES = {  # on the signals channel; an octave higher where it got worse
    "request_rate": 60,
    "error_ratio": 61,
    "latency_p95": 63,
    "fallback_ratio": 64,
    "glitch_rate": 66,
    "queue_depth": 68,
    "active_requests": 70,
}


def backend_channel(index: int) -> int:
    """Channel of a backend; where there are more backends than channels they share."""
    return BACKEND_CHANNELS[index % len(BACKEND_CHANNELS)]


def drum_note(band: int, num_bands: int) -> int:
    """Percussion note of a batch size band, 0 the smallest."""
    return DRUM_NOTES[band * (len(DRUM_NOTES) - 1) // max(num_bands - 1, 1)]
