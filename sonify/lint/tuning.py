"""What pan, EQ and compressor make of a voice, on average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sonify.lint.voice import Voice
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import Eq
from sonify.mix.chain import pan_gains
from sonify.mix.compressor import CompressorSettings, static_curve_db
from sonify.mix.eq import eq_response_db, make_eq_settings
from sonify.units import parse_quantity

__all__ = ["compression_gain", "through_filters"]

Array = NDArray[np.float64]

_CREST_DB = 3.0  # a compressor reads peaks; those of one sine are 3 dB over its RMS


def through_filters(voices: list[Voice], mapper: Mapper) -> list[Voice]:
    """Pan voices, and send them through the EQ."""
    preset, backends = mapper.preset, mapper.backends
    pan = dict(zip(backends, pan_gains(len(backends), preset.motion.width).astype(np.float64), strict=True))
    every_hz = np.concatenate([voice.frequency_hz for voice in voices])
    every_db = _eq_db([eq for eq in preset.eq if not eq.backend], mapper, every_hz)
    filtered, begin = [], 0
    for voice in voices:
        gain_db = every_db[begin : begin + len(voice.frequency_hz)]
        begin += len(gain_db)
        if voice.owner in pan:
            own = [eq for eq in preset.eq if eq.backend == voice.owner]
            gain_db = gain_db + _eq_db(own, mapper, voice.frequency_hz)
        gain = 10.0 ** (gain_db[:, None] / 10.0) * pan.get(voice.owner, np.ones(2)) ** 2
        filtered.append(replace(voice, power=voice.power * gain))
    return filtered


def _eq_db(eq_bands: list[Eq], mapper: Mapper, frequency_hz: Array) -> Array:
    if not eq_bands:
        return np.zeros(len(frequency_hz))
    at_hz = [
        eq.at if isinstance(eq.at, float) else mapper.frequency_hz_of_latency(parse_quantity(eq.at, "s")[0])
        for eq in eq_bands
    ]
    settings = make_eq_settings(
        [eq.shape.replace(" ", "_") for eq in eq_bands], at_hz, [eq.gain for eq in eq_bands], [eq.q for eq in eq_bands]
    )
    return eq_response_db(settings, frequency_hz)


def compression_gain(mapper: Mapper, voices: list[Voice]) -> float:
    """Power gain of the compressor at the mean level of all that lasts; what bypasses it then stands out more."""
    compressor = mapper.preset.compressor
    threshold = compressor.threshold
    power = sum(float(voice.power.mean(axis=1).sum() * voice.slot_power.mean()) for voice in voices if voice.hides)
    if power <= 0.0:
        return float(10.0 ** (compressor.makeup / 10.0))
    if isinstance(threshold, str):
        threshold = mapper.level_of_total_rate_db(parse_quantity(threshold, "1/s")[0])
    settings = CompressorSettings(threshold, compressor.ratio, compressor.knee, 0.02, 0.2, compressor.makeup)
    level_db = 10.0 * np.log10(power) + _CREST_DB
    return float(10.0 ** ((static_curve_db(settings, level_db) - level_db) / 10.0))
