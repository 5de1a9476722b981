"""Step sizes: how many just-noticeable differences a panel's sound changes by from green to yellow and to red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.lint.components import voices_of
from sonify.lint.loads import lognormal_shares, typical_frame
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import SoundPreset
from sonify.mapping.scales import note_of_frequency_hz
from sonify.mapping.score import Score
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import PANELS
from sonify.synth.burst_scheduler import BurstScheduler
from sonify.units import gain_from_db

__all__ = ["WANTED_JND", "Step", "roughness_asper", "steps_of"]

WANTED_JND = 3.0  # fewer are not sure to be noticed by who is not waiting for them

# just-noticeable differences, each at the cautious end of what is published
_PITCH_JND = np.log(1.003)
_TEMPO_JND = np.log(1.05)
_LEVEL_JND_DB = 1.0
_ROUGHNESS_JND = np.log(1.17)

# Roughness of a spectrum of 24 partials at 60 dB under 70 Hz modulation, after the model of Daniel and Weber (1997)
_DEPTH = (0.01, 0.1, 0.3, 0.6, 1.0)
_ASPER = (0.02, 0.025, 0.10, 0.59, 1.87)
_JUST_ROUGH_ASPER = 0.07

_FAINTEST_DB = -40.0  # overtones fainter than this, against their fundamentals, are as good as none
_FROM_NOTHING = 100.0  # just-noticeable differences from silence to a sound: as many as one likes
_BURSTS_S = 60.0  # bursts are counted over this time


@dataclass(frozen=True, slots=True)
class Step:
    """What is heard of a panel in each of its states.

    Attributes
    ----------
    panel : str
    carrier : str
        Property of the sound that carries it, with its unit.
    values : (float, float, float)
        Of the panel: green, yellow, red.
    heard : (float, float, float)
        The carrier at each of them.
    jnd : (float, float)
        Just-noticeable differences from green to yellow, and from yellow to red.
    """

    panel: str
    carrier: str
    values: tuple[float, float, float]
    heard: tuple[float, float, float]
    jnd: tuple[float, float]

    @property
    def is_clear(self) -> bool:
        """Whether both steps are sure to be noticed."""
        return min(self.jnd) >= WANTED_JND

    def __str__(self) -> str:
        """One line for a person."""
        heard = " → ".join(f"{value:.3g}" for value in self.heard)
        mark = "" if self.is_clear else f"  too small: at least {WANTED_JND:g} are wanted"
        return f"{self.panel:<16} {self.carrier:<28} {heard:<24} {self.jnd[0]:5.1f} {self.jnd[1]:5.1f}{mark}"


def roughness_asper(depth: float) -> float:
    """Roughness of 70 Hz amplitude modulation of a depth, interpolated between measured ones over both logarithms."""
    return float(np.exp(np.interp(np.log(max(depth, _DEPTH[0])), np.log(_DEPTH), np.log(_ASPER))))


def steps_of(preset: SoundPreset) -> list[Step]:
    """All panels that have limits.

    Green is half the yellow limit, yellow the geometric mean of both limits, red twice the red limit; all other
    panels are as in a typical load, which is also the baseline.
    """
    typical = typical_frame(preset)
    layout = typical.layout
    mapper = Mapper(preset, layout.backends, typical.latency_rate, num_batch_bands=layout.num_batch_bands)
    return [_step(mapper, panel.name, typical) for panel in PANELS]


def _step(mapper: Mapper, panel: str, typical: MetricFrame) -> Step:
    limits = mapper.preset.limits[panel]
    values = (0.5 * limits.yellow, float(np.sqrt(limits.yellow * limits.red)), 2.0 * limits.red)
    carrier, hear, distance = _CARRIERS[panel]
    frames = [_with(typical, panel, value) for value in values]
    heard = [hear(mapper, frame, mapper.score(frame, np.nan_to_num(frame.glitch_rate) * _BURSTS_S)) for frame in frames]
    green, yellow, red = heard
    jnd = (distance(green, yellow), distance(yellow, red))
    return Step(panel, carrier, values, (green[0], yellow[0], red[0]), jnd)


def _with(frame: MetricFrame, panel: str, value: float) -> MetricFrame:
    """Set one panel: of all backends, but traffic only of the last, for all together would be a matter of the mix."""
    if panel in ("queue_depth", "active_requests"):
        return replace(frame, **{panel: value})  # type: ignore[arg-type]
    each = np.ones(frame.layout.num_backends)
    if panel == "request_rate":
        grown = np.append(each[:-1], value / max(float(frame.request_rate[-1]), 1e-9))
        return replace(frame, request_rate=frame.request_rate * grown, latency_rate=frame.latency_rate * grown[:, None])
    if panel == "latency_p95":
        shares = lognormal_shares(frame.layout.latency_edges_s, value * each)
        return replace(frame, latency_rate=np.maximum(frame.request_rate, 1.0)[:, None] * shares)
    return replace(frame, **{panel: value * each})  # type: ignore[arg-type]


# What is heard: a main figure to show, and perhaps a second one that changes with it.
Heard = tuple[float, ...]


def _level_db(mapper: Mapper, _frame: MetricFrame, score: Score) -> Heard:
    """Level of the last backend, the loudest, behind the compressor, which makes its steps smaller."""
    own = [voice for voice in voices_of(mapper, score) if (voice.kind, voice.owner) == ("backend", mapper.backends[-1])]
    power = sum(float(voice.power.mean(axis=1).sum()) for voice in own)
    return (float(10.0 * np.log10(max(power, 1e-12))),)


def _note(mapper: Mapper, frame: MetricFrame, score: Score) -> Heard:
    """Note of the partial of the band in which the 95th percentile lies."""
    p95_s = float(frame.latency_quantile_s(0.95)[0])
    band = int(np.clip(np.rint(mapper.preset.bands.latency_bands.position(p95_s)), 0, mapper.preset.bands.count - 1))
    sounding = np.flatnonzero(score.partial_gain[0, :-1] > 0.0)
    band = int(sounding[np.abs(sounding - band).argmin()])
    return (float(note_of_frequency_hz(mapper.frequencies_hz[band])),)


def _overtones_db(_mapper: Mapper, _frame: MetricFrame, score: Score) -> Heard:
    return (float(max(20.0 * np.log10(max(score.overtone_gain[0], 1e-9)), _FAINTEST_DB)),)


def _asper(_mapper: Mapper, _frame: MetricFrame, score: Score) -> Heard:
    return (max(roughness_asper(float(score.roughness_depth[0])), _JUST_ROUGH_ASPER),)


def _bursts(mapper: Mapper, _frame: MetricFrame, score: Score) -> Heard:
    """Bursts a second, and their level in dB."""
    preset = mapper.preset
    scheduler = BurstScheduler(
        preset.arrangement,
        len(mapper.backends),
        gain=gain_from_db(preset.glitches.level),
        spacing_quanta=max(round(preset.glitches.spacing * CONTROL_RATE_HZ), 1),
        seed=0,
    )
    placed = scheduler.place(score.glitch_count, 0, round(_BURSTS_S * CONTROL_RATE_HZ))[:, 0].astype(np.float64)
    count = int(np.count_nonzero(placed))
    level_db = 10.0 * np.log10(np.sum(placed**2) / count) if count else -np.inf
    return (count / _BURSTS_S, float(level_db))


def _pulse(_mapper: Mapper, _frame: MetricFrame, score: Score) -> Heard:
    return (score.pulse_hz if score.pulse_gain > 0.0 else 0.0,)


def _sub_db(_mapper: Mapper, _frame: MetricFrame, score: Score) -> Heard:
    return (float(20.0 * np.log10(max(score.sub_gain, 1e-6))),)


def _between_levels(one: Heard, other: Heard) -> float:
    return abs(other[0] - one[0]) / _LEVEL_JND_DB


def _between_notes(one: Heard, other: Heard) -> float:
    return float(abs(other[0] - one[0]) * np.log(2.0) / 12.0 / _PITCH_JND)


def _between_roughness(one: Heard, other: Heard) -> float:
    return float(abs(np.log(other[0] / one[0])) / _ROUGHNESS_JND)


def _between_tempi(one: Heard, other: Heard) -> float:
    """Of two tempi, or of two levels at one tempo, whichever is more; a tempo of 0 is silence."""
    if min(one[0], other[0]) <= 0.0:
        return 0.0 if one[0] == other[0] else _FROM_NOTHING
    tempo = abs(np.log(other[0] / one[0])) / _TEMPO_JND
    level = max((abs(b - a) / _LEVEL_JND_DB for a, b in zip(one[1:], other[1:], strict=True)), default=0.0)
    return float(max(tempo, level))


_Hear = Callable[[Mapper, MetricFrame, Score], Heard]
_Distance = Callable[[Heard, Heard], float]

_CARRIERS: dict[str, tuple[str, _Hear, _Distance]] = {
    "request_rate": ("level (dBFS)", _level_db, _between_levels),
    "error_ratio": ("roughness (asper)", _asper, _between_roughness),
    "latency_p95": ("pitch (MIDI note)", _note, _between_notes),
    "fallback_ratio": ("overtones (dB)", _overtones_db, _between_levels),
    "glitch_rate": ("bursts (1/s)", _bursts, _between_tempi),
    "queue_depth": ("pulse (1/s)", _pulse, _between_tempi),
    "active_requests": ("sub-bass (dBFS)", _sub_db, _between_levels),
}
