"""What each voice of a preset is made of: frequencies and powers at both ears, and when in the bar it sounds.

All of it comes from the score and from the tables, filters and drawings that the engine plays, so that lint hears the
same preset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.oscillator import FIRST_OVERTONE, NUM_OVERTONES, overtone_weights
from sonify.dsp.quantum import SAMPLE_RATE_HZ
from sonify.lint.spectra import INTEGRATION_S, Drawing, clip_spectrum, noise_spectrum
from sonify.lint.tuning import compression_gain, through_filters
from sonify.lint.voice import Voice
from sonify.mapping.bars import bar_quanta, envelopes, slot_quanta
from sonify.mapping.mapper import OFF_DB, Mapper
from sonify.mapping.scales import frequency_hz_of_note
from sonify.mapping.score import Score
from sonify.metrics.panels import PANELS
from sonify.synth.bursts import make_bursts
from sonify.synth.earcons import accent, drum, earcon, stale_motif, tick
from sonify.units import gain_from_db

__all__ = ["voices_of"]

Array = NDArray[np.float64]

_FAINTEST = 1e-12  # −120 dBFS: components below this are left out
_LOWEST_HZ = 20.0  # sidebands below this are not heard


def voices_of(mapper: Mapper, score: Score) -> list[Voice]:
    """All voices that sound in a score."""
    preset = mapper.preset
    dry = _backends(mapper, score) + _glitches(mapper, score)
    voices = through_filters(dry, mapper) if dry else []
    pressing = compression_gain(mapper, voices)
    voices = [replace(voice, power=voice.power * pressing) for voice in voices]
    voices += _gauges(mapper, score) + _drums(mapper, score)
    slots = _slot_power(mapper, score)
    if score.fresh and preset.freshness.pilot_level > OFF_DB:
        gain = gain_from_db(preset.freshness.pilot_level)
        voices.append(_clip("tick", "", tick, gain, slots.any_slot))
        if slots.sequenced:
            voices.append(_clip("tick", "of the bar", accent, gain, slots.head))
    if preset.alarms.level > OFF_DB:
        gain = gain_from_db(preset.alarms.level)
        voices += [_clip("earcon", panel.name, _Earcon(panel.name), gain, slots.any_slot) for panel in PANELS]
    if not score.fresh:
        voices.append(_clip("motif", "", stale_motif, gain_from_db(preset.freshness.stale_level), slots.any_slot))
    return [kept for voice in voices if len((kept := _without_faint(voice)).frequency_hz)]


@dataclass(frozen=True, slots=True)
class _Slots:
    """Power gains per step of the bar: of each backend's voice, of the head alone, of what may come at any time."""

    sequenced: bool
    backend: Array
    own: Array
    head: Array
    any_slot: Array


def _slot_power(mapper: Mapper, score: Score) -> _Slots:
    arrangement, count = mapper.preset.arrangement, len(mapper.backends)
    if arrangement.mode != "sequenced":
        one = np.ones(1)
        return _Slots(False, np.ones((count, 1)), np.ones((count, 1)), one, one)
    plucked = envelopes(arrangement, count).astype(np.float64)
    held = (plucked + (1.0 - plucked) * score.hold_ratio) ** 2
    slot, bar = slot_quanta(arrangement), bar_quanta(arrangement, count)
    backend = held[:bar].reshape(-1, slot, count).mean(axis=1).T
    own = np.eye(count, count + 1, 1)
    return _Slots(True, backend, own, np.eye(1, count + 1)[0], np.ones(count + 1))


def _backends(mapper: Mapper, score: Score) -> list[Voice]:
    preset = mapper.preset
    gain = score.partial_gain * score.emphasis_gain[:, None]
    over_gain = gain * score.overtone_gain[:, None]
    weights = overtone_weights(mapper.frequencies_hz, preset.overtones.rolloff).astype(np.float64)
    harmonics_hz = np.outer(mapper.frequencies_hz, FIRST_OVERTONE + np.arange(NUM_OVERTONES)).ravel()
    slots = _slot_power(mapper, score)
    voices = []
    for row, name in enumerate(mapper.backends):
        depth = float(score.roughness_depth[row])
        over_power = (over_gain[row][:, None] * weights).ravel() ** 2 / 2.0
        for kind, frequency_hz, power in (
            ("backend", mapper.frequencies_hz, gain[row] ** 2 / 2.0),
            ("overtones", harmonics_hz, over_power),
            ("roughness", np.append(mapper.frequencies_hz, harmonics_hz), np.append(gain[row] ** 2 / 2.0, over_power)),
        ):
            if kind == "roughness":
                if depth > 0.0:
                    voices.append(Voice(kind, name, frequency_hz, _both(power), slots.backend[row], depth=depth))
                continue
            sides = np.concatenate([frequency_hz, frequency_hz + preset.roughness.rate])
            sides = np.append(sides, np.abs(frequency_hz - preset.roughness.rate))
            powers = np.concatenate([power, power * depth**2 / 4.0, power * depth**2 / 4.0])
            voices.append(Voice(kind, name, sides, _both(powers), slots.backend[row], hides=True))
    return voices


def _glitches(mapper: Mapper, score: Score) -> list[Voice]:
    settings, slots = mapper.preset.glitches, _slot_power(mapper, score)
    made = make_bursts(
        1, centre_hz=settings.centre, q=settings.q, decay_s=settings.decay, sample_rate_hz=SAMPLE_RATE_HZ, seed=0
    )
    frequency_hz, share = noise_spectrum(*(float(value) for value in made.filter))
    # a burst falls by 60 dB in `decay`, so its energy is that of its first decay / (6 ln 10) seconds
    lasting = min(settings.decay / (6.0 * np.log(10.0)) / INTEGRATION_S, 1.0)
    power = _both(share * gain_from_db(settings.level) ** 2 * lasting)
    return [
        Voice("glitches", name, frequency_hz, power, slots.own[row])
        for row, name in enumerate(mapper.backends)
        if score.glitch_count[row] > 0.0
    ]


def _gauges(mapper: Mapper, score: Score) -> list[Voice]:
    gauges, slots = mapper.preset.gauges, _slot_power(mapper, score)
    voices = []
    if score.pulse_gain > 0.0:
        hz = frequency_hz_of_note([gauges.pulse_note])
        voices.append(Voice("pulse", "", hz, _both(_pulse_power(score)), slots.any_slot, hides=True))
    if score.sub_gain > 0.0:
        hz = frequency_hz_of_note([gauges.sub_note])
        voices.append(Voice("sub", "", hz, _both(np.array([score.sub_gain**2 / 2.0])), slots.any_slot, hides=True))
    return voices


def _pulse_power(score: Score) -> Array:
    """Mean square of the pulse over the 200 ms around its peak: (½ + ½ cos)² of a shorter or longer turn."""
    turns = min(INTEGRATION_S * score.pulse_hz, 1.0) * np.linspace(-0.5, 0.5, 65)
    shape = 0.5 + 0.5 * np.cos(2.0 * np.pi * turns)
    return np.array([score.pulse_gain**2 / 2.0 * float(np.mean(shape**2))])


def _drums(mapper: Mapper, score: Score) -> list[Voice]:
    count, slots = len(score.drum_gain), _slot_power(mapper, score)
    return [
        _clip("drum", str(band + 1), _Drum(band, count), float(gain), slots.head)
        for band, gain in enumerate(score.drum_gain)
        if gain > 0.0
    ]


@dataclass(frozen=True, slots=True)
class _Earcon:
    panel: str

    def __call__(self, sample_rate_hz: int) -> NDArray[np.float32]:
        return earcon(self.panel, True, sample_rate_hz)


@dataclass(frozen=True, slots=True)
class _Drum:
    band: int
    count: int

    def __call__(self, sample_rate_hz: int) -> NDArray[np.float32]:
        return drum(self.band, self.count, sample_rate_hz)


def _clip(kind: str, owner: str, draw: Drawing, gain: float, slot_power: Array) -> Voice:
    frequency_hz, power = clip_spectrum(draw)
    return Voice(kind, owner, frequency_hz, _both(power * gain**2), slot_power)


def _both(power: Array) -> Array:
    return np.repeat(np.asarray(power, dtype=np.float64)[:, None], 2, axis=1)


def _without_faint(voice: Voice) -> Voice:
    kept = (voice.power.max(axis=1) > _FAINTEST) & (voice.frequency_hz > _LOWEST_HZ)
    return replace(voice, frequency_hz=voice.frequency_hz[kept], power=voice.power[kept])
