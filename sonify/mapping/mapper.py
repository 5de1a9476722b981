"""`Mapper`: a metric frame becomes a score. Pure and monotone: more is never quieter, slower is never lower."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.mapping.equal_loudness import compensation_db
from sonify.mapping.preset import NOTE_NAMES, SoundPreset
from sonify.mapping.scales import band_frequencies_hz, frequency_hz_of_note
from sonify.mapping.score import Alarm, Score
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import State
from sonify.metrics.recording import Recording
from sonify.units import gain_from_db

__all__ = ["Mapper", "learn_baseline", "partial_frequencies_hz"]

Array = NDArray[np.float64]


OFF_DB = -90.0  # the lowest level that a preset may name means: off


def partial_frequencies_hz(preset: SoundPreset) -> Array:
    """Frequency of each partial, shape (latency bands + 1,), fast to slow; the last is for unmeasured latency."""
    pitch = preset.pitch
    frequencies = band_frequencies_hz(
        pitch.scale, NOTE_NAMES.index(pitch.root), pitch.low_note, pitch.high_note, preset.bands.count
    )
    if pitch.polarity == "slow is low":
        frequencies = frequencies[::-1]
    return np.append(frequencies, frequency_hz_of_note(pitch.rate_only_note))


def learn_baseline(recording: Recording) -> Array:
    """Learn each band's normal rate: the median over the fresh frames, so that an incident does not count.

    Returns
    -------
    array (backends, latency_bands)
        In 1/s; 0 where a band was never measured.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a band that was never measured has no median
        median = np.nanmedian(recording.latency_rate[recording.fresh], axis=0)
    return np.nan_to_num(median)


class Mapper:
    """Turn frames of one layout into scores.

    Parameters
    ----------
    preset : SoundPreset
        How.
    backends : tuple of str
        Their order is that of the score's rows.
    baseline : array (backends, latency_bands) or None
        Normal rates in 1/s (`learn_baseline`); the preset's own wins; None: nothing recedes.
    num_batch_bands : int
        How many batch size bands the frames have.
    """

    def __init__(
        self,
        preset: SoundPreset,
        backends: tuple[str, ...],
        baseline: Array | None = None,
        *,
        num_batch_bands: int = 0,
    ) -> None:
        self.preset = preset
        self.backends = backends
        self.num_batch_bands = num_batch_bands
        self.frequencies_hz = partial_frequencies_hz(preset)
        level = preset.level
        self._centres_s = preset.bands.latency_bands.centres_s
        tilt_db = level.latency_tilt * np.log10(self._centres_s / level.reference_latency)
        loudness_db = np.zeros(len(self.frequencies_hz))
        if level.equal_loudness > 0.0:
            loudness_db = compensation_db(self.frequencies_hz, level.equal_loudness)
        self._offset_db = level.reference_level + np.append(tilt_db, 0.0) + loudness_db
        self._baseline = self._baseline_rates(baseline)
        self._may_recede = np.append(self._centres_s <= preset.limits["latency_p95"].red, False)

    def _baseline_rates(self, learned: Array | None) -> Array:
        """Shape (backends, partials); 0 where nothing is normal, so that anything there stands out."""
        rates = np.zeros((len(self.backends), len(self.frequencies_hz)))
        if learned is not None:
            rates[:, :-1] = learned
        for row, backend in enumerate(self.backends):
            if self.preset.baseline is not None and backend in self.preset.baseline:
                rates[row, :-1] = self.preset.baseline[backend]
        return rates

    def score(self, frame: MetricFrame, glitch_count: Array, alarms: tuple[Alarm, ...] = ()) -> Score:
        """Map one frame; `glitch_count` (backends,) are the glitches of its step, and `alarms` begin with it."""
        red = self._is_red(frame)
        return Score(
            partial_gain=self.partial_gain(frame),
            overtone_gain=_on_curve(frame.fallback_ratio, self.preset.overtones.amount),
            roughness_depth=_on_curve(frame.error_ratio, self.preset.roughness.depth),
            emphasis_gain=self._emphasis_gain(red),
            hold_ratio=np.where(red, self.preset.arrangement.hold, 0.0),
            glitch_count=np.maximum(np.nan_to_num(glitch_count, nan=0.0, posinf=0.0, neginf=0.0), 0.0),
            pulse_hz=float(_on_curve(np.array(frame.queue_depth), self.preset.gauges.pulse_rate)),
            pulse_gain=self._pulse_gain(frame.queue_depth),
            sub_gain=self._sub_gain(frame.active_requests),
            drum_gain=self._drum_gain(frame.batch_rate),
            alarms=alarms,
            fresh=frame.fresh,
        )

    def _is_red(self, frame: MetricFrame) -> NDArray[np.bool_]:
        """Which backends are over the red limit of latency or errors, shape (backends,)."""
        limits = self.preset.limits
        slow = limits["latency_p95"].states(frame.latency_quantile_s(0.95)) == State.RED
        return np.asarray(slow | (limits["error_ratio"].states(frame.error_ratio) == State.RED))

    def _emphasis_gain(self, red: NDArray[np.bool_]) -> Array:
        """Backends in the red come forward, the others step back."""
        arrangement = self.preset.arrangement
        if not red.any():
            return np.ones(len(red))
        return np.asarray(10.0 ** (np.where(red, arrangement.forward, -arrangement.duck) / 20.0))

    def _pulse_gain(self, queue_depth: float) -> float:
        """Fade the pulse in below a depth of one: a queue never begins with a jump."""
        gauges = self.preset.gauges
        if np.isnan(queue_depth) or gauges.pulse_level <= OFF_DB:
            return 0.0
        return float(np.clip(queue_depth, 0.0, 1.0)) * gain_from_db(gauges.pulse_level)

    def _sub_gain(self, active_requests: float) -> float:
        gauges = self.preset.gauges
        count = np.nan_to_num(active_requests, nan=0.0, posinf=0.0)
        return float(_power_law(np.array(count / 10.0), gauges.sub_level, gauges.sub_slope, gauges.top))

    def _drum_gain(self, batch_rate: Array) -> Array:
        gauges = self.preset.gauges
        rate = np.nan_to_num(batch_rate, nan=0.0, posinf=0.0)
        return _power_law(rate, gauges.drum_level, gauges.drum_slope, gauges.top)

    def partial_gain(self, frame: MetricFrame) -> Array:
        """Linear gain of each partial, shape (backends, partials).

        Traffic for which no latency came in, whether none is measured or none was finished, is on the last partial.
        """
        no_latency = ~(np.nansum(frame.latency_rate, axis=1) > 0.0)
        rate_only = np.where(no_latency, frame.request_rate, 0.0)
        rate = np.nan_to_num(np.column_stack([frame.latency_rate, rate_only]), nan=0.0, posinf=0.0)
        return self._gain(np.maximum(rate, 0.0))

    def _gain(self, rate: Array) -> Array:
        level = self.preset.level
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            decades = np.log10(rate / level.reference_rate)
            over_baseline_db = level.rate_slope * np.log10(rate / self._baseline)
        recede_db = np.clip(np.nan_to_num(over_baseline_db, nan=0.0) - level.baseline_depth, -level.baseline_depth, 0.0)
        level_db = self._offset_db + level.rate_slope * decades + np.where(self._may_recede, recede_db, 0.0)
        gain: Array = 10.0 ** (np.minimum(level_db, level.top) / 20.0)
        return gain

    def rate_of_gain(self, gain: Array) -> Array:
        """Invert `_gain`: rates in 1/s of partials (..., backends, partials); one at the top may have been faster.

        Each band's level over its rate is a line, a steeper one while it comes forward from its baseline, and a line.
        """
        level = self.preset.level
        with np.errstate(divide="ignore"):
            level_db = 20.0 * np.log10(gain) - self._offset_db
            normal_db = level.rate_slope * np.log10(self._baseline / level.reference_rate)
        receded_db = level_db + level.baseline_depth
        rising_db = (level_db + np.where(np.isfinite(normal_db), normal_db, 0.0) + level.baseline_depth) / 2.0
        rate_db = np.where(receded_db <= normal_db, receded_db, np.maximum(rising_db, level_db))
        rate_db = np.where(self._may_recede & np.isfinite(normal_db), rate_db, level_db)
        return np.asarray(level.reference_rate * 10.0 ** (rate_db / level.rate_slope))

    def error_ratio_of_depth(self, depth: Array) -> Array:
        """Invert the curve from error ratio to roughness."""
        return _off_curve(depth, self.preset.roughness.depth)

    def fallback_ratio_of_gain(self, overtone_gain: Array) -> Array:
        """Invert the curve from fallback ratio to overtones."""
        return _off_curve(overtone_gain, self.preset.overtones.amount)

    def active_requests_of_gain(self, sub_gain: Array) -> Array:
        """Invert the level of the sub-bass."""
        gauges = self.preset.gauges
        return 10.0 * _inverse_power_law(sub_gain, gauges.sub_level, gauges.sub_slope)

    def batch_rate_of_gain(self, drum_gain: Array) -> Array:
        """Invert the level of the drums, 1/s."""
        gauges = self.preset.gauges
        return _inverse_power_law(drum_gain, gauges.drum_level, gauges.drum_slope)

    def level_of_total_rate_db(self, total_rate: float) -> float:
        """Level in dBFS of a mix that carries `total_rate` requests per second at the reference latency."""
        level = self.preset.level
        return level.reference_level + level.rate_slope * float(np.log10(max(total_rate, 1e-12) / level.reference_rate))

    def frequency_hz_of_latency(self, latency_s: float) -> float:
        """Frequency at which a latency is heard, interpolated over log frequency between the bands' centres."""
        bands = self.preset.bands.latency_bands
        position = float(bands.position(latency_s))
        log_frequency = np.log(self.frequencies_hz[:-1])
        return float(np.exp(np.interp(position, np.arange(bands.count), log_frequency)))


def _power_law(ratio: Array, level_db: float, slope_db: float, top_db: float) -> Array:
    """Gain at `level_db` for a ratio of 1, rising by `slope_db` per decade up to `top_db`; 0 for nothing."""
    if level_db <= OFF_DB:
        return np.zeros_like(ratio)
    gain = gain_from_db(level_db) * np.maximum(ratio, 0.0) ** (slope_db / 20.0)
    return np.asarray(np.minimum(gain, gain_from_db(top_db)))


def _on_curve(values: Array, points: tuple[tuple[float, float], ...]) -> Array:
    """Piecewise linear curve; what was not measured gives the curve's value at 0."""
    inputs, outputs = zip(*points, strict=True)
    return np.asarray(np.interp(np.nan_to_num(values, nan=0.0), inputs, outputs))


def _inverse_power_law(gain: Array, level_db: float, slope_db: float) -> Array:
    return np.asarray((np.maximum(gain, 0.0) / gain_from_db(level_db)) ** (20.0 / slope_db))


def _off_curve(values: Array, points: tuple[tuple[float, float], ...]) -> Array:
    """Invert `_on_curve`; where the curve is flat, the smallest value that gives the same."""
    inputs, outputs = (np.array(column) for column in zip(*points, strict=True))
    rising = np.append(True, np.diff(outputs) > 0.0)
    return np.asarray(np.interp(values, outputs[rising], inputs[rising]))
