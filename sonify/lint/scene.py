"""`Scene`: all voices of one score at both ears, and how far each is over the threshold that the others set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.lint.excitation import AuditoryFilters, frequency_hz_of_cams, margins_db
from sonify.lint.voice import Voice
from sonify.mapping.scales import erb_rate

__all__ = ["WANTED_DB", "Heard", "Scene"]

Array = NDArray[np.float64]

WANTED_DB = {"earcon": 10.0, "motif": 10.0}  # what must call, is this far over its threshold; the rest is just heard
_ALWAYS = ("earcon", "motif")  # these must be heard in whatever step of the bar they come; the rest, in the best one
_AUDIBLE_DEPTH = 0.2  # amplitude modulation of 70 Hz below this is not heard as roughness
_PLACES_PER_CAM = 10  # components closer than this are taken together: 0.1 dB at most
_SILENT_SLOT = 1e-6
_NEAR_PEAK = 0.01  # roughness is listened for where a voice's excitation is within 20 dB of its peak


@dataclass(frozen=True, slots=True)
class Heard:
    """How well a voice is heard.

    Attributes
    ----------
    voice : Voice
    over_db : float
        How far it is over its threshold, beyond what is wanted of it; below 0 it is hidden, or does not call.
    maskers : tuple of str
        Who hides it: those that would do so alone, the worst first; else those that do together; nobody where it is
        too faint for silence.
    """

    voice: Voice
    over_db: float
    maskers: tuple[str, ...]


class Scene:
    """Voices that sound in the same bar.

    Parameters
    ----------
    voices : list of Voice
        All of them.
    """

    def __init__(self, voices: list[Voice]) -> None:
        self.voices = voices
        if not voices:
            return  # nothing sounds, so nothing can be asked
        place = np.rint(erb_rate(np.concatenate([v.frequency_hz for v in voices])) * _PLACES_PER_CAM).astype(np.int64)
        powers = np.zeros((place.max() + 1, 2, len(voices)))
        begin = 0
        for column, voice in enumerate(voices):
            end = begin + len(voice.frequency_hz)
            np.add.at(powers[:, :, column], place[begin:end], voice.power)
            begin = end
        used = np.unique(place)
        powers = powers[used]
        self._slot_power = np.array([voice.slot_power for voice in voices])
        self._hides = np.array([voice.hides for voice in voices])
        lasting = powers.mean(axis=1) @ (self._slot_power.mean(axis=1) * self._hides)
        filters = AuditoryFilters(frequency_hz_of_cams(used / _PLACES_PER_CAM), lasting)
        self._excitation = filters.excitation(powers)

    def heard(self, voice: Voice) -> Heard:
        """Judge one voice, and find out who hides it."""
        column = self.voices.index(voice)
        hides = self._rivals(column)
        over_db = self._over_db(column, hides)
        if over_db >= 0.0 or self._over_db(column, np.zeros_like(hides)) < 0.0:
            return Heard(voice, over_db, ())
        rivals = [int(other) for other in np.flatnonzero(hides)]
        alone = sorted((self._over_db(column, np.arange(len(hides)) == other), other) for other in rivals)
        culprits = [other for single_db, other in alone if single_db < 0.0]
        together = np.zeros_like(hides)
        while not culprits:
            together[alone[int(together.sum())][1]] = True
            if self._over_db(column, together) < 0.0:
                culprits = [other for other in rivals if together[other]]
        return Heard(voice, over_db, tuple(dict.fromkeys(self.voices[other].name for other in culprits)))

    def over_db(self, voice: Voice) -> float:
        """How far a voice is over its threshold, beyond what is wanted of it."""
        column = self.voices.index(voice)
        return self._over_db(column, self._rivals(column))

    def _rivals(self, column: int) -> NDArray[np.bool_]:
        """Who may hide a voice: all that last, but not what belongs to itself."""
        voice, hides = self.voices[column], self._hides.copy()
        for other, others in enumerate(self.voices):
            own = others.owner == voice.owner and others.kind in ("backend", "overtones")
            if other == column or (own and voice.kind in ("backend", "roughness")):
                hides[other] = False
        return hides

    def _over_db(self, column: int, hides: NDArray[np.bool_]) -> float:
        voice = self.voices[column]
        slots = np.flatnonzero(voice.slot_power > _SILENT_SLOT)
        signal = self._excitation[:, :, column, None] * voice.slot_power[slots]
        masker = self._excitation[:, :, hides] @ self._slot_power[hides][:, slots]
        if voice.kind == "roughness":
            level_db = _roughness_db(signal, masker, voice.depth)
        else:
            level_db = margins_db(signal, masker).max(axis=(0, 1))
        best = level_db.min() if voice.kind in _ALWAYS else level_db.max()
        return float(best) - WANTED_DB.get(voice.kind, 0.0)


def _roughness_db(signal: Array, masker: Array, depth: float) -> Array:
    """How far the modulation left in the best channel is over the just audible one, shape (slots,), in dB.

    What else sounds in a channel dilutes the modulation: its power is steady.
    """
    peak = signal.max(axis=(0, 1), keepdims=True)
    share = np.where(signal > _NEAR_PEAK * peak, signal / np.maximum(signal + masker, 1e-12), 0.0)
    audible = margins_db(signal, 0.0 * masker) > 0.0
    left = depth * np.where(audible, share, 1e-6).max(axis=(0, 1))
    return np.asarray(20.0 * np.log10(np.maximum(left, 1e-6) / _AUDIBLE_DEPTH))
