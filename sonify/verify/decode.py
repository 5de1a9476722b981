"""Decode the panels from the mixed stereo sound alone: nothing here knows a recording.

What is needed is the sound and the preset: a bar's head and its steps are found by their ticks, the notes' phases are
fixed, and each step is a least-squares problem. It works where the arrangement leaves one voice at a time and no tuning
filter stands in between; `obstacles` says what does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.errors import UsageError
from sonify.mapping.bars import bar_quanta, is_silent_between_steps, slot_quanta
from sonify.mapping.mapper import OFF_DB, Mapper
from sonify.mapping.preset import SoundPreset
from sonify.metrics.bands import quantile_s
from sonify.mix.chain import pan_gains
from sonify.units import gain_from_db
from sonify.verify.basis import GaugeBasis, VoiceBasis
from sonify.verify.bursts import BurstCounter
from sonify.verify.fit import VoiceFit, fit_beside, fit_voice
from sonify.verify.structure import Clips, count_drums, count_voices, drum_columns, without_motifs
from sonify.verify.tempo import PulseReader

__all__ = ["Decoded", "decode", "obstacles"]

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_FADED_FRAMES = 1440  # a render fades out over its last 30 ms
_ENOUGH = 0.5  # share of a step that must be there for it to count
_FAINTEST = 10.0 ** (-100.0 / 20.0)  # summed gain below which a voice is too faint to tell its overtones and roughness
_QUIETEST_NOISE = 1e-6
_NOISY = 3.0  # times the clearest step's noise: steps with more say nothing new of a gauge


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The panels as heard, one row a bar. NaN: not heard, as the sound ended before.

    With T bars, V voices, N latency bands, D batch bands: `fresh` (T,); `request_rate` (1/s), `error_ratio`,
    `fallback_ratio` (NaN where a voice is silent) and `glitches` (a count) (T, V); `latency_rate` (T, V, N) in 1/s, NaN
    where a voice's traffic has no latency; `queue_depth`, `active_requests` (T,); `batch_rate` (T, D) in 1/s.
    """

    bar_quanta: int
    latency_edges_s: Float64
    fresh: Bool
    request_rate: Float64
    error_ratio: Float64
    fallback_ratio: Float64
    glitches: Float64
    latency_rate: Float64
    queue_depth: Float64
    active_requests: Float64
    batch_rate: Float64

    @property
    def num_voices(self) -> int:
        """Voices that were found; 0 where no tick was heard."""
        return int(self.request_rate.shape[1])

    def latency_quantile_s(self, q: float) -> Float64:
        """Quantile of the latency in s, shape (T, V)."""
        return quantile_s(self.latency_rate, self.latency_edges_s, q)


def obstacles(preset: SoundPreset) -> list[str]:
    """Say why the sound of a preset cannot be decoded; empty where it can."""
    arrangement = preset.arrangement
    found = {
        "its voices sound all at once (arrangement.mode)": arrangement.mode != "sequenced",
        "backends sound between their steps (arrangement.bed, .hold)": not is_silent_between_steps(arrangement),
        "backends in the red come forward (arrangement.forward, .duck)": arrangement.forward + arrangement.duck > 0.0,
        "it fades while nothing changes (arrangement.habituation)": arrangement.habituation > 0.0,
        "levels depend on a baseline (level.baseline_depth)": preset.level.baseline_depth > 0.0,
        "alarms sound over it (alarms.level)": preset.alarms.level > OFF_DB,
        "no tick marks the steps (freshness.pilot_level)": preset.freshness.pilot_level <= OFF_DB,
        "it has EQ": bool(preset.eq),
        "it has a compressor": preset.compressor.ratio > 1.0 or preset.compressor.makeup != 0.0,
        "it has reverb": preset.reverb.mix > 0.0,
    }
    return [reason for reason, stands in found.items() if stands]


def decode(audio: Float32, sample_rate_hz: int, preset: SoundPreset) -> Decoded:
    """Decode a whole file.

    Parameters
    ----------
    audio : array (2, frames)
        The mix.
    sample_rate_hz : int
        Must be the engine's.
    preset : SoundPreset
        With which it was rendered; without `obstacles`.

    Raises
    ------
    UsageError
        The sound is not one of ours.
    """
    if sample_rate_hz != SAMPLE_RATE_HZ or len(audio) != 2:
        raise UsageError(
            f"the sound has {len(audio)} channels at {sample_rate_hz} Hz; sonify renders 2 at {SAMPLE_RATE_HZ} Hz"
        )
    length = slot_quanta(preset.arrangement) * QUANTUM_FRAMES
    num_slots = -(-audio.shape[1] // length)
    heard = np.zeros((2, num_slots * length), np.float32)
    heard[:, : audio.shape[1]] = audio
    there = np.zeros(num_slots * length, np.float32)
    there[: max(audio.shape[1] - _FADED_FRAMES, 0)] = 1.0
    num_voices = count_voices(heard, preset)
    if not num_voices:
        return _nothing_heard(num_slots, preset)
    return _Decoder(heard, there, num_voices, preset).decode()


def _nothing_heard(num_slots: int, preset: SoundPreset) -> Decoded:
    """Without a single tick the source was lost all the time, and nobody can tell how long a bar is."""
    none = np.zeros((num_slots, 0))
    unknown = np.full(num_slots, np.nan)
    edges_s = preset.bands.latency_bands.edges_s
    bands = np.zeros((num_slots, 0, preset.bands.count))
    lost = np.zeros(num_slots, np.bool_)
    return Decoded(
        slot_quanta(preset.arrangement), edges_s, lost, none, none, none, none, bands, unknown, unknown, none
    )


class _Decoder:
    """One decoding; `audio` (2, frames) are whole steps, `there` (frames,) is 1 where it may be trusted."""

    def __init__(self, audio: Float32, there: Float32, num_voices: int, preset: SoundPreset) -> None:
        self._preset = preset
        self._slot = slot_quanta(preset.arrangement)
        self._length = self._slot * QUANTUM_FRAMES
        self._num_voices = num_voices
        self._num_bars = -(-audio.shape[1] // (self._length * (num_voices + 1)))
        self._clips = Clips.of_slot(self._length)
        self._voices = VoiceBasis(preset)
        self._gauges = GaugeBasis(preset)
        self._bursts = BurstCounter(preset)
        self._pan = pan_gains(num_voices, preset.motion.width).astype(np.float64)
        self._audio, self._there = audio, there
        self._audio = without_motifs(audio, preset, self._perhaps_stale())
        shape = (self._num_bars, num_voices)
        self._gain = np.full((*shape, self._voices.num_partials), np.nan)
        self._overtone, self._roughness, self._glitches = (np.full(shape, np.nan) for _ in range(3))
        places = (self._num_bars, num_voices + 1)
        self._tick, self._sub = np.full(places, np.nan), np.full(places, np.nan)
        self._pulse, self._pulse_spread = np.full((*places, self._slot), np.nan), np.full(places, np.inf)

    def decode(self) -> Decoded:
        num_drums, head_gain, head_spread = self._decode_heads()
        tail = drum_columns(self._preset, num_drums)[1]
        rings = np.flatnonzero(np.any(tail != 0.0, axis=1))
        for bar in range(self._num_bars):
            for voice in range(self._num_voices):
                if not self._is_there(bar, voice + 1):
                    continue
                ringing = tail[rings] if voice == 0 else tail[:0]
                fit = self._decode_step(bar, voice, ringing)
                if len(ringing):
                    gain, spread = fit.beside[-len(rings) :], fit.spread[-len(rings) :]
                    mean, deviation = _combined(head_gain[bar, rings], head_spread[bar, rings], gain, spread)
                    head_gain[bar, rings], head_spread[bar, rings] = mean, deviation
        return self._panels(np.where(head_gain > 5.0 * head_spread, head_gain, 0.0 * head_gain))

    def _first_sample(self, bar: int, place: int) -> int:
        return (bar * (self._num_voices + 1) + place) * self._length

    def _is_there(self, bar: int, place: int) -> bool:
        begin = self._first_sample(bar, place)
        return bool(self._there[begin : begin + self._length].sum() >= _ENOUGH * self._length)

    def _perhaps_stale(self) -> Bool:
        """Tell the steps of bars whose accent is not as it should be."""
        accent = self._clips.accent.astype(np.float64)
        stale = np.zeros(self._audio.shape[1] // self._length, np.bool_)
        for bar in range(self._num_bars):
            begin = self._first_sample(bar, 0)
            level = self._audio[:, begin : begin + self._length].mean(axis=0) @ accent / (accent @ accent)
            wanted = gain_from_db(self._preset.freshness.pilot_level)
            first = bar * (self._num_voices + 1)
            stale[first : first + self._num_voices + 1] = abs(level / wanted - 1.0) > _ENOUGH
        return stale

    def _decode_heads(self) -> tuple[int, Float64, Float64]:
        """Decode the bars' heads; also return the number of drums and each one's gain and deviation, (bars, drums)."""
        bars = [bar for bar in range(self._num_bars) if self._is_there(bar, 0)]
        begins = {bar: self._first_sample(bar, 0) for bar in bars}
        audio = {bar: self._audio[:, begin : begin + self._length] for bar, begin in begins.items()}
        beside = {
            bar: np.concatenate([self._gauges.columns(begin, gliding=True), self._clips.accent[None]])
            for bar, begin in begins.items()
        }
        whole = [bar for bar in bars if self._there[begins[bar] : begins[bar] + self._length].all()]
        num_drums = count_drums(
            [audio[bar].mean(axis=0) for bar in whole], [beside[bar] for bar in whole], self._preset
        )
        drums = drum_columns(self._preset, num_drums)[0]
        gain, spread = np.full((self._num_bars, num_drums), np.nan), np.full((self._num_bars, num_drums), np.inf)
        for bar in bars:
            there = self._there[begins[bar] : begins[bar] + self._length]
            fit = fit_beside(audio[bar], np.concatenate([beside[bar], drums]), there)
            self._note_gauges(bar, 0, fit)
            first_drum = self._gauges.num_columns + 1
            gain[bar], spread[bar] = fit.beside[first_drum:], fit.spread[first_drum:]
        return num_drums, gain, spread

    def _decode_step(self, bar: int, voice: int, ringing: Float32) -> VoiceFit:
        begin = self._first_sample(bar, voice + 1)
        audio = self._audio[:, begin : begin + self._length]
        there = self._there[begin : begin + self._length]
        columns = self._voices.columns(voice, begin)
        gauges = self._gauges.columns(begin, gliding=False)
        beside = np.concatenate([gauges, self._clips.tick[None], ringing])
        pan = self._pan[voice]
        fit = fit_voice(audio, pan, columns, beside, there)
        bursts = self._bursts.find(pan @ fit.residual * there / (pan @ pan))
        if bursts:
            weight = there * self._bursts.weight(bursts, _QUIETEST_NOISE)
            fit = fit_voice(audio, pan, columns, beside, weight)
        self._glitches[bar, voice] = self._bursts.count(pan @ fit.residual * there / (pan @ pan))
        self._gain[bar, voice] = fit.gain
        if fit.gain.sum() > _FAINTEST:
            self._overtone[bar, voice], self._roughness[bar, voice] = fit.overtone, fit.roughness
        self._note_gauges(bar, voice + 1, fit)
        return fit

    def _note_gauges(self, bar: int, place: int, fit: VoiceFit) -> None:
        count = self._gauges.num_columns
        self._sub[bar, place] = fit.beside[0]
        self._pulse[bar, place] = fit.beside[2:count] @ self._gauges.tremolo
        self._pulse_spread[bar, place] = fit.spread[2:count].max()
        self._tick[bar, place] = fit.beside[count]

    def _panels(self, drum_gain: Float64) -> Decoded:
        preset = self._preset
        mapper = Mapper(preset, tuple(f"voice {index}" for index in range(self._num_voices)))
        rate = mapper.rate_of_gain(self._gain)
        rate_only = rate[..., -1] > rate[..., :-1].sum(axis=2)  # a voice plays either: the rest is noise
        latency_rate = np.where(rate_only[..., None], np.nan, rate[..., :-1])
        wanted = gain_from_db(preset.freshness.pilot_level)
        return Decoded(
            bar_quanta=bar_quanta(preset.arrangement, self._num_voices),
            latency_edges_s=preset.bands.latency_bands.edges_s,
            fresh=np.nanmedian(self._tick, axis=1) > 0.5 * wanted,
            request_rate=np.where(rate_only, rate[..., -1], rate[..., :-1].sum(axis=2)),
            error_ratio=mapper.error_ratio_of_depth(self._roughness),
            fallback_ratio=mapper.fallback_ratio_of_gain(self._overtone),
            glitches=self._glitches,
            latency_rate=latency_rate,
            queue_depth=self._queue_depth(),
            active_requests=mapper.active_requests_of_gain(_settled(self._sub)),
            batch_rate=mapper.batch_rate_of_gain(drum_gain),
        )

    def _queue_depth(self) -> Float64:
        """Depth in each bar, from the steps with little noise; the head, where levels glide, counts if it is alone."""
        if self._preset.gauges.pulse_level <= OFF_DB:
            return np.full(self._num_bars, np.nan)
        reader = PulseReader(self._preset.gauges, self._gauges.tremolo)
        depth = np.full(self._num_bars, np.nan)
        quanta = np.arange(self._slot * (self._num_voices + 1)).reshape(-1, self._slot)
        for bar, (envelope, spread) in enumerate(zip(self._pulse, self._pulse_spread, strict=True)):
            known = np.isfinite(spread)
            known[0] &= not known[1:].any()
            if known.any():
                known &= spread <= _NOISY * spread[known].min()
                depth[bar] = reader.depth(quanta[known], envelope[known])
        return depth


def _settled(values: Float64) -> Float64:
    """Median of what the steps after the head say; the head's value where there are none. Shape (bars, places)."""
    return np.array([np.median(rest) if len(rest := row[1:][~np.isnan(row[1:])]) else row[0] for row in values])


def _combined(a: Float64, a_spread: Float64, b: Float64, b_spread: Float64) -> tuple[Float64, Float64]:
    """Combine two measurements, each weighted by its precision."""
    a_weight, b_weight = 1.0 / (a_spread**2 + 1e-30), 1.0 / (b_spread**2 + 1e-30)
    total = np.maximum(a_weight + b_weight, 1e-300)  # neither knows anything: 0, and any deviation
    return (np.nan_to_num(a) * a_weight + b * b_weight) / total, 1.0 / np.sqrt(total)
