"""How the clips sound: pilot ticks, the stale motif, drums for batch sizes, earcons for limits.

Their notes stand outside the pentatonic scale of the bands, so that none is taken for a latency.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.mapping.equal_loudness import compensation_db
from sonify.mapping.scales import frequency_hz_of_note
from sonify.metrics.panels import PANELS

__all__ = ["accent", "drum", "earcon", "earcon_names", "stale_motif", "tick"]

Float32 = NDArray[np.float32]

_TICK_NOTE, _ACCENT_NOTE = 90, 102  # F#6, F#7
_MOTIF_NOTES = (75, 68, 63)  # D#5 G#4 D#4: falling
_EDGE_S = 0.02  # onset of an alarm's pulses, as IEC 60601-1-8 has it
_HARMONICS = 4
_HEARD_AT_ONCE_S, _EARCON_POWER = 0.4, 0.4  # every earcon's power over its loudest 400 ms
_SMALL_HZ, _LARGE_HZ = 1480.0, 110.0  # drums of the smallest and the largest batches
_DRUM_PHON = 60.0
_SMALL_S, _LARGE_S = 0.05, 0.22

# rhythm of each panel's earcon: lengths of its notes and rests (negative) in units of 60 ms
_UNIT_S = 0.06
_RHYTHMS: dict[str, tuple[int, ...]] = {
    "request_rate": (4, -1, 4),
    "error_ratio": (1, -1, 1, -1, 1, -1, 3),
    "latency_p95": (5, -1, 2),
    "fallback_ratio": (2, -1, 2, -1, 4),
    "glitch_rate": (1, -1, 1, -2, 1, -1, 1),
    "queue_depth": (2, -1, 1, -1, 2, -1, 1),
    "active_requests": (3, -1, 1, -1, 1),
}
_RISING = (66, 68, 70, 73)  # F#4 G#4 A#4 C#5: the black keys


def _tone(frequency_hz: float, length_s: float, sample_rate_hz: int, *, harmonics: int) -> NDArray[np.float64]:
    t = np.arange(round(length_s * sample_rate_hz)) / sample_rate_hz
    edge = np.minimum(np.minimum(t, length_s - t) / min(_EDGE_S, length_s / 3), 1.0)
    waves = [np.sin(2.0 * np.pi * frequency_hz * h * t) / h for h in range(1, harmonics + 1)]
    return np.asarray(np.sum(waves, axis=0) * np.clip(edge, 0.0, 1.0))


def _click(note: int, sample_rate_hz: int) -> Float32:
    t = np.arange(round(0.03 * sample_rate_hz)) / sample_rate_hz
    frequency_hz = float(frequency_hz_of_note(note))
    fade = (1.0 - t / 0.03) ** 2 * np.minimum(t / 0.002, 1.0)
    return np.asarray(np.sin(2.0 * np.pi * frequency_hz * t) * fade, dtype=np.float32)


def tick(sample_rate_hz: int) -> Float32:
    """Draw the pilot's tick, of peak 1."""
    return _click(_TICK_NOTE, sample_rate_hz)


def accent(sample_rate_hz: int) -> Float32:
    """Draw the tick that begins a bar, an octave higher."""
    return _click(_ACCENT_NOTE, sample_rate_hz)


def stale_motif(sample_rate_hz: int) -> Float32:
    """Draw three falling notes with four harmonics: the source is lost."""
    notes = [
        _tone(float(frequency_hz_of_note(note)), 0.16, sample_rate_hz, harmonics=_HARMONICS) for note in _MOTIF_NOTES
    ]
    return np.concatenate(notes).astype(np.float32)


def drum(band: int, num_bands: int, sample_rate_hz: int) -> Float32:
    """Draw the drum of a batch size band: a high short tick for the smallest, a low thump for the largest; peak 1."""
    place = band / max(num_bands - 1, 1)
    frequency_hz = _SMALL_HZ * (_LARGE_HZ / _SMALL_HZ) ** place
    length_s = _SMALL_S * (_LARGE_S / _SMALL_S) ** place
    t = np.arange(round(length_s * sample_rate_hz)) / sample_rate_hz
    envelope = 10.0 ** (-2.0 * t / length_s) * np.minimum(t / 0.001, 1.0) * np.minimum((length_s - t) / 0.005, 1.0)
    gain = 10.0 ** (float(compensation_db(frequency_hz, _DRUM_PHON)) / 20.0)
    return np.asarray(gain * np.sin(2.0 * np.pi * frequency_hz * t) * envelope, dtype=np.float32)


def _equally_loud(wave: NDArray[np.float64], sample_rate_hz: int) -> Float32:
    """Scale to the same power in its loudest 400 ms (what a momentary loudness meter hears), whatever its rhythm."""
    energy = np.concatenate([[0.0], np.cumsum(wave**2)])
    window = min(round(_HEARD_AT_ONCE_S * sample_rate_hz), len(wave))
    loudest = (energy[window:] - energy[:-window]).max() / (_HEARD_AT_ONCE_S * sample_rate_hz)
    return np.asarray(wave * np.sqrt(_EARCON_POWER / loudest), dtype=np.float32)


def earcon_names() -> list[tuple[str, bool]]:
    """Each panel, getting worse and recovering, in the order of their clips."""
    return [(panel.name, worse) for panel in PANELS for worse in (True, False)]


def earcon(panel: str, worse: bool, sample_rate_hz: int) -> Float32:
    """Draw a panel's rhythm on rising notes (worse) or falling ones (recovered)."""
    parts, note = [], 0
    notes = _RISING if worse else _RISING[::-1]
    for units in _RHYTHMS[panel]:
        length_s = abs(units) * _UNIT_S
        if units < 0:
            parts.append(np.zeros(round(length_s * sample_rate_hz)))
        else:
            frequency_hz = float(frequency_hz_of_note(notes[min(note, len(notes) - 1)]))
            parts.append(_tone(frequency_hz, length_s, sample_rate_hz, harmonics=_HARMONICS if worse else 1))
            note += 1
    return _equally_loud(np.concatenate(parts), sample_rate_hz)
