"""The sound preset: how panels become sound. Every key, its unit, range and meaning stand here and nowhere else."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonify.errors import PresetError
from sonify.mapping.scales import FREE_SCALES, SCALES
from sonify.mapping.schema import build_section, choice, curve, quantity, suggest, text
from sonify.metrics.bands import LatencyBands
from sonify.metrics.panels import PANELS, Limits
from sonify.paths import presets_dir
from sonify.units import parse_quantity

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
    "list_sound_presets",
    "load_sound_preset",
    "parse_sound_preset",
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
_OTHER_KEYS = ("title", "purpose", "limits", "eq", "baseline")


def _default_limits() -> dict[str, Limits]:
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
    limits: dict[str, Limits] = dataclasses.field(default_factory=_default_limits)
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


def list_sound_presets() -> list[str]:
    """Names of the shipped sound presets."""
    return sorted(path.stem for path in (presets_dir() / "sound").glob("*.toml"))


def load_sound_preset(name_or_path: str) -> SoundPreset:
    """Load a shipped preset by name, or a file by path (anything with a slash or ``.toml``).

    Raises
    ------
    PresetError
        No such preset, not TOML, or a key that is not allowed.
    """
    is_path = name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path
    path = Path(name_or_path).expanduser() if is_path else presets_dir() / "sound" / f"{name_or_path}.toml"
    if not is_path and not path.is_file():
        known = list_sound_presets()
        raise PresetError(
            f"no sound preset named {name_or_path!r}{suggest(name_or_path, known)} (or the path of a .toml file)"
        )
    try:
        return parse_sound_preset(path.read_text(encoding="utf-8"), str(path) if is_path else path.name, path.stem)
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def parse_sound_preset(toml: str, where: str, name: str) -> SoundPreset:
    """Make a preset from TOML text; `where` names the file in messages."""
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"{where}: not valid TOML: {error}") from None
    known = [*_OTHER_KEYS[:2], *SECTIONS, *_OTHER_KEYS[2:]]
    for key in table:
        if key not in known:
            raise PresetError(f"{where}: {key}: no such key{suggest(key, known)}")
    for key in ("title", "purpose"):
        if not isinstance(table.get(key, ""), str):
            raise PresetError(f"{where}: {key} = {table[key]!r}: not allowed; it must be text in quotes")
    sections: dict[str, Any] = {
        key: build_section(kind, table[key], f"{where}: {key}") for key, kind in SECTIONS.items() if key in table
    }
    preset = SoundPreset(
        name=name,
        title=table.get("title", ""),
        purpose=table.get("purpose", ""),
        limits=_parse_limits(table.get("limits", {}), where),
        eq=_parse_eq(table.get("eq", []), where),
        **sections,
    )
    _check_ranges(preset, where)
    return dataclasses.replace(preset, baseline=_parse_baseline(table.get("baseline"), preset, where))


def _parse_limits(table: object, where: str) -> dict[str, Limits]:
    limits = _default_limits()
    units = {panel.name: panel.unit for panel in PANELS}
    if not isinstance(table, dict):
        raise PresetError(f'{where}: limits: must be a table such as error_ratio = ["1%", "5%"]')
    for panel, pair in table.items():
        if panel not in limits:
            raise PresetError(f"{where}: limits.{panel}: no such panel{suggest(panel, list(limits))}")
        try:
            yellow, red = (parse_quantity(value, units[panel])[0] for value in pair)
        except Exception:
            yellow, red = 1.0, 0.0
        if not 0.0 <= yellow <= red < float("inf"):
            raise PresetError(
                f"{where}: limits.{panel} = {pair!r}: not allowed; it must be [yellow, red], rising, "
                f"from 0 up{' in ' + units[panel] if units[panel] else ''}"
            )
        limits[panel] = Limits(yellow, red)
    return limits


def _parse_eq(tables: object, where: str) -> tuple[Eq, ...]:
    if not isinstance(tables, list):
        raise PresetError(f"{where}: eq: write each EQ band as its own [[eq]] table")
    return tuple(build_section(Eq, table, f"{where}: eq[{index}]") for index, table in enumerate(tables))


def _check_ranges(preset: SoundPreset, where: str) -> None:
    for section, low, high in (
        ("bands", preset.bands.low, preset.bands.high),
        ("pitch", preset.pitch.low_note, preset.pitch.high_note),
    ):
        names = ("low", "high") if section == "bands" else ("low_note", "high_note")
        if not low < high:
            raise PresetError(
                f"{where}: {section}.{names[1]} = {high:g}: not allowed; it must be over {names[0]} ({low:g})"
            )


def _parse_baseline(table: object, preset: SoundPreset, where: str) -> dict[str, tuple[float, ...]] | None:
    if table is None:
        return None
    count = preset.bands.count
    allowed = f"not allowed; it must be {count} rates from 0 up in 1/s, one a latency band"
    if not isinstance(table, dict):
        raise PresetError(f"{where}: baseline: must be a table of backends")
    for backend, rates in table.items():
        good = isinstance(rates, list) and len(rates) == count
        if not good or not all(isinstance(rate, (int, float)) and 0.0 <= rate < float("inf") for rate in rates):
            raise PresetError(f"{where}: baseline.{backend}: {allowed}")
    return {backend: tuple(float(rate) for rate in rates) for backend, rates in table.items()}
