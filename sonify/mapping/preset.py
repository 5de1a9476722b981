"""The sound preset: how panels become sound. Every key, its unit, range and meaning stand here and nowhere else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from sonify.mapping.scales import FREE_SCALES, SCALES
from sonify.mapping.schema import choice, curve, quantity, text
from sonify.metrics.bands import LatencyBands
from sonify.metrics.panels import PANELS, Limits

__all__ = [
    "SECTIONS",
    "Alarms",
    "Arrangement",
    "Bands",
    "Compressor",
    "Eq",
    "Freshness",
    "Gauges",
    "Glitches",
    "Level",
    "Limiter",
    "Motion",
    "Overtones",
    "Pitch",
    "Reverb",
    "Roughness",
    "SoundPreset",
    "default_limits",
]

NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
EQ_SHAPES = ("low shelf", "bell", "notch", "high shelf", "low pass", "high pass")


@dataclass(frozen=True, slots=True)
class Bands:
    """Latency bands of the engine."""

    low: float = quantity(0.001, 1e-6, 10.0, "s", help="latency where the first band begins")
    high: float = quantity(60.0, 1e-3, 1e5, "s", help="latency where the last band ends")
    count: int = quantity(24, 4, 96, whole=True, help="number of bands")

    @property
    def latency_bands(self) -> LatencyBands:
        """The bands."""
        return LatencyBands(self.low, self.high, self.count)


@dataclass(frozen=True, slots=True)
class Pitch:
    """Latency becomes pitch."""

    scale: str = choice("major pentatonic", *SCALES, *FREE_SCALES, help="notes that bands are snapped to")
    root: str = choice("C", *NOTE_NAMES, help="first note of the scale")
    low_note: float = quantity(48, 24, 108, help="MIDI note of the first band")
    high_note: float = quantity(110, 36, 120, help="MIDI note of the last band")
    polarity: str = choice("slow is high", "slow is high", "slow is low", help="which end of the latencies is high")
    rate_only_note: float = quantity(43, 24, 60, help="MIDI note of traffic whose latency is not measured")


@dataclass(frozen=True, slots=True)
class Level:
    """Activity becomes level."""

    reference_rate: float = quantity(1.0, 1e-6, 1e9, "1/s", help="rate in one band that plays at reference_level")
    reference_latency: float = quantity(0.1, 1e-6, 1e5, "s", help="latency at which that holds")
    reference_level: float = quantity(-42.0, -90.0, -6.0, "dBFS", help="level of one partial at the reference")
    rate_slope: float = quantity(10.0, 1.0, 40.0, "dB", help="dB per decade of rate")
    latency_tilt: float = quantity(10.0, 0.0, 30.0, "dB", help="dB per decade of latency; 10 plays work in flight")
    top: float = quantity(-12.0, -60.0, 0.0, "dBFS", help="one partial is never louder than this")
    equal_loudness: float = quantity(70.0, 0.0, 90.0, help="phon at which low and high notes sound alike; 0: off")
    baseline_depth: float = quantity(15.0, 0.0, 40.0, "dB", help="how far a band recedes at its own normal rate")


@dataclass(frozen=True, slots=True)
class Overtones:
    """Fallbacks become overtones 2–5 over a backend's fundamentals."""

    amount: tuple[tuple[float, float], ...] = curve(
        ((0.0, 0.0), (0.05, 0.35), (0.10, 0.7), (1.0, 1.5)),
        "ratio",
        0.0,
        2.0,
        help="fallback ratio -> gain of the overtones, summed, against the fundamentals",
    )
    rolloff: float = quantity(3.0, 0.0, 12.0, "dB", help="how much weaker each higher overtone is")


@dataclass(frozen=True, slots=True)
class Roughness:
    """Errors become amplitude modulation."""

    rate: float = quantity(70.0, 30.0, 150.0, "Hz", help="modulation rate")
    depth: tuple[tuple[float, float], ...] = curve(
        ((0.0, 0.0), (0.01, 0.3), (0.05, 0.7), (1.0, 1.0)), "ratio", 0.0, 1.0, help="error ratio -> depth"
    )


@dataclass(frozen=True, slots=True)
class Glitches:
    """Glitches become noise bursts."""

    level: float = quantity(-24.0, -60.0, -6.0, "dBFS", help="RMS level at which a burst begins")
    centre: float = quantity(3200.0, 200.0, 12000.0, "Hz", help="centre of the noise band")
    q: float = quantity(1.2, 0.3, 10.0, help="sharpness of the noise band")
    decay: float = quantity(0.09, 0.02, 1.0, "s", help="time in which a burst falls by 60 dB")
    spacing: float = quantity(0.12, 0.02, 1.0, "s", help="least time between bursts of one backend; more are merged")


@dataclass(frozen=True, slots=True)
class Motion:
    """How quickly the sound follows, and where backends stand."""

    glide: float = quantity(0.06, 0.005, 10.0, "s", help="time constant of level changes")
    step: float = quantity(0.3, 0.05, 10.0, "s", help="shortest time that one state sounds when time is compressed")
    width: float = quantity(0.8, 0.0, 1.0, help="stereo width over which backends are spread")


@dataclass(frozen=True, slots=True)
class Gauges:
    """Queue depth becomes a pulse, active requests a sub-bass, batch sizes drums."""

    pulse_note: float = quantity(54, 24, 84, help="MIDI note of the queue's pulse; best outside the scale")
    pulse_level: float = quantity(-34.0, -90.0, -10.0, "dBFS", help="level of the pulse; -90: off")
    pulse_rate: tuple[tuple[float, float], ...] = curve(
        ((0.0, 0.0), (1.0, 0.8), (50.0, 3.0), (100.0, 4.5), (1000.0, 12.0)),
        "",
        0.0,
        20.0,
        help="queue depth -> pulses a second",
    )
    sub_note: float = quantity(33, 20, 48, help="MIDI note of the sub-bass")
    sub_level: float = quantity(-30.0, -90.0, -10.0, "dBFS", help="its level at ten active requests; -90: off")
    sub_slope: float = quantity(20.0, 1.0, 40.0, "dB", help="dB per decade of active requests")
    drum_level: float = quantity(-38.0, -90.0, -10.0, "dBFS", help="level of a drum at one batch a second; -90: off")
    drum_slope: float = quantity(10.0, 1.0, 40.0, "dB", help="dB per decade of the rate of batches")
    top: float = quantity(-14.0, -60.0, 0.0, "dBFS", help="none of them is ever louder")


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Who sounds when."""

    mode: str = choice("sustained", "sustained", "sequenced", help="all at once, or each backend its step in a bar")
    step: float = quantity(0.3, 0.1, 2.0, "s", help="length of a backend's step in a bar")
    bed: float = quantity(
        -60.0, -60.0, 0.0, "dB", help="how much softer all sound between their steps; -60: not at all"
    )
    pluck: float = quantity(12.0, 0.0, 60.0, "dB", help="how far a plucked step decays")
    bar: float = quantity(2.0, 0.5, 60.0, "s", help="time between drum figures where nothing is sequenced")
    voices: int = quantity(12, 1, 64, whole=True, help="most voices; backends beyond share the last one")
    forward: float = quantity(3.0, 0.0, 12.0, "dB", help="how far a backend in the red comes forward")
    duck: float = quantity(3.0, 0.0, 24.0, "dB", help="how far the others step back while one is in the red")
    hold: float = quantity(1.0, 0.0, 1.0, help="how far a backend in the red sounds on between its steps; 1: no pause")
    habituation: float = quantity(6.0, 0.0, 24.0, "dB", help="how far the sound fades while nothing changes; 0: never")
    habituation_time: float = quantity(600.0, 10.0, 7200.0, "s", help="how long that takes")


@dataclass(frozen=True, slots=True)
class Alarms:
    """Crossing a limit plays an earcon: its own rhythm per panel, rising for worse, falling for recovered."""

    level: float = quantity(-16.0, -90.0, -6.0, "dBFS", help="level of an earcon; -90: off")
    hysteresis: float = quantity(0.1, 0.0, 0.5, "ratio", help="share under the limit at which a panel has recovered")
    repeat: float = quantity(10.0, 1.0, 3600.0, "s", help="least time between earcons of a panel that gets no worse")
    repeats: int = quantity(
        2, 0, 100, whole=True, help="how often red that stands is called again, unless acknowledged"
    )


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether data is coming in must always be heard."""

    pilot_level: float = quantity(-50.0, -90.0, -20.0, "dBFS", help="level of the tick while data is fresh; -90: off")
    pilot_period: float = quantity(1.0, 0.3, 60.0, "s", help="time between ticks")
    stale_level: float = quantity(-22.0, -50.0, -6.0, "dBFS", help="level of the motif while the source is lost")
    stale_period: float = quantity(2.0, 1.0, 60.0, "s", help="time between motifs")


@dataclass(frozen=True, slots=True)
class Eq:
    """One EQ band: a tuning filter over latencies or frequencies, for all backends or for one."""

    shape: str = choice("bell", *EQ_SHAPES, help="shape of the EQ band")
    at: float | str = quantity(1000.0, 10.0, 21000.0, "Hz", "s", help='frequency, or the latency heard there ("120ms")')
    gain: float = quantity(0.0, -40.0, 24.0, "dB", help="boost or cut")
    q: float = quantity(0.707, 0.1, 20.0, help="sharpness")
    backend: str = text("", help="only this backend; empty: the whole mix")


@dataclass(frozen=True, slots=True)
class Compressor:
    """Dynamics over the whole mix."""

    threshold: float | str = quantity(
        -18.0, -80.0, 0.0, "dBFS", "1/s", help='level, or the total request rate that reaches it ("800 req/s")'
    )
    ratio: float = quantity(2.0, 1.0, 100.0, help="input dB over the threshold for one dB more of output")
    knee: float = quantity(6.0, 0.0, 40.0, "dB", help="width of the bend around the threshold")
    attack: float = quantity(0.02, 0.0005, 5.0, "s", help="time constant of falling gain")
    release: float = quantity(0.25, 0.005, 10.0, "s", help="time constant of rising gain")
    makeup: float = quantity(0.0, -24.0, 24.0, "dB", help="gain after compression")
    sidechain: str = text("", help="backend whose level drives the compressor; empty: the mix itself")


@dataclass(frozen=True, slots=True)
class Reverb:
    """Space: a feedback delay network."""

    decay: float = quantity(1.2, 0.1, 20.0, "s", help="time in which the tail falls by 60 dB")
    size: float = quantity(1.0, 0.5, 2.0, help="size of the room")
    damping: float = quantity(0.5, 0.0, 1.0, help="how much faster high notes fade")
    mix: float = quantity(0.12, 0.0, 1.0, help="wet gain; 0: dry")


@dataclass(frozen=True, slots=True)
class Limiter:
    """The ceiling."""

    ceiling: float = quantity(-1.0, -24.0, -1.0, "dBTP", help="true peak that is never exceeded")


SECTIONS: dict[str, type] = {
    "bands": Bands,
    "pitch": Pitch,
    "level": Level,
    "overtones": Overtones,
    "roughness": Roughness,
    "glitches": Glitches,
    "motion": Motion,
    "gauges": Gauges,
    "arrangement": Arrangement,
    "alarms": Alarms,
    "freshness": Freshness,
    "compressor": Compressor,
    "reverb": Reverb,
    "limiter": Limiter,
}


def default_limits() -> dict[str, Limits]:
    """Limits of every panel where a preset names none."""
    return {panel.name: Limits(panel.yellow, panel.red) for panel in PANELS}


@dataclass(frozen=True, slots=True)
class SoundPreset:
    """All sections of a sound preset.

    Attributes
    ----------
    name, title, purpose : str
        What it is called, and what it is for.
    limits : dict of str to Limits
        By panel name.
    baseline : dict of str to tuple of float, or None
        Normal rate of each latency band in 1/s, by backend; None: learn it from the recording.
    """

    name: str = "default"
    title: str = ""
    purpose: str = ""
    limits: dict[str, Limits] = dataclasses.field(default_factory=default_limits)
    bands: Bands = dataclasses.field(default_factory=Bands)
    pitch: Pitch = dataclasses.field(default_factory=Pitch)
    level: Level = dataclasses.field(default_factory=Level)
    overtones: Overtones = dataclasses.field(default_factory=Overtones)
    roughness: Roughness = dataclasses.field(default_factory=Roughness)
    glitches: Glitches = dataclasses.field(default_factory=Glitches)
    motion: Motion = dataclasses.field(default_factory=Motion)
    gauges: Gauges = dataclasses.field(default_factory=Gauges)
    arrangement: Arrangement = dataclasses.field(default_factory=Arrangement)
    alarms: Alarms = dataclasses.field(default_factory=Alarms)
    freshness: Freshness = dataclasses.field(default_factory=Freshness)
    eq: tuple[Eq, ...] = ()
    compressor: Compressor = dataclasses.field(default_factory=Compressor)
    reverb: Reverb = dataclasses.field(default_factory=Reverb)
    limiter: Limiter = dataclasses.field(default_factory=Limiter)
    baseline: dict[str, tuple[float, ...]] | None = None

    def neutral(self) -> SoundPreset:
        """Return the preset's own bands, pitches and curves, played one backend at a time and through no filter.

        What such a render holds can be read back whole, so that the mapping of a preset can be judged by itself.
        """
        return dataclasses.replace(
            self,
            level=dataclasses.replace(self.level, reference_level=-48.0, latency_tilt=5.0, baseline_depth=0.0),
            arrangement=dataclasses.replace(
                self.arrangement,
                mode="sequenced",
                bed=-60.0,
                forward=0.0,
                duck=0.0,
                hold=0.0,
                habituation=0.0,
            ),
            alarms=dataclasses.replace(self.alarms, level=-90.0),
            eq=(),
            compressor=Compressor(ratio=1.0),
            reverb=Reverb(mix=0.0),
        )
