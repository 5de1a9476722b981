"""Compare decoded panels with the recording that was played: the only place in `verify` that knows a recording."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.errors import UsageError
from sonify.mapping.preset import SoundPreset
from sonify.mapping.timeline import Timeline, lay_out_for
from sonify.mapping.voicing import choose_voices, fold_backends
from sonify.metrics.recording import Recording
from sonify.verify.decode import Decoded

__all__ = ["PANEL_NAMES", "PanelError", "Truth", "compare", "overall_score", "truth_of"]

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

# panel -> unit of its error; error up to which a value is right; error at which the panel's score is 0
_PANELS: dict[str, tuple[str, float, float]] = {
    "request_rate": ("dB", 1.0, 10.0),
    "latency_p50": ("bands", 1.0, 6.0),
    "latency_p95": ("bands", 1.0, 6.0),
    "latency_heatmap": ("dB", 1.0, 10.0),
    "error_ratio": ("percentage points", 1.0, 20.0),
    "fallback_ratio": ("percentage points", 1.0, 20.0),
    "glitches": ("1 - F1", 0.0, 1.0),
    "queue_depth": ("%", 10.0, 100.0),
    "active_requests": ("%", 10.0, 100.0),
    "batch_size": ("dB", 1.0, 10.0),
    "freshness": ("share of bars", 0.0, 1.0),
}
PANEL_NAMES = tuple(_PANELS)

Measure = Callable[[Float64, Float64], Float64]

_LEAST_RATE = 1e-3  # 1/s: decibels are counted from here, so that 0 has some


@dataclass(frozen=True, slots=True)
class PanelError:
    """How far a decoded panel is off.

    Attributes
    ----------
    error : float or None
        Median over bars and voices where something was played or heard; for glitches 1 − F1, for freshness the share
        of bars that are wrong.
    correlation : float or None
        Pearson's, over bars and voices; None where either does not vary.
    extra : dict
        `right`: share of values that are within 1 dB, 1 band, 1 percentage point or 10 %; one that was played and not
        heard is not. `states_right` where the panel has limits. `precision` and `recall` of glitches.
    """

    error: float | None
    correlation: float | None
    extra: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What was played.

    Attributes
    ----------
    recording : Recording
        One row a frame that was played.
    row_of_bar : int array (bars,)
        −1 in a gap.
    step_of_bar : int array (bars,)
        Steps last one bar or more.
    glitches : array (steps, voices)
        Whole ones; what is left of a fraction counts in a later step.
    """

    recording: Recording
    row_of_bar: NDArray[np.int64]
    step_of_bar: NDArray[np.int64]
    glitches: Float64

    def column(self, values: Float64) -> Float64:
        """Spread a column of the recording over bars; NaN in a gap."""
        gap = (self.row_of_bar < 0).reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(np.where(gap, np.nan, values[self.row_of_bar]))


def truth_of(recording: Recording, preset: SoundPreset, duration_s: float, bar_quanta: int) -> Truth:
    """Lay a recording out as a render of that length does."""
    on_bands = recording.on_bands(preset.bands.latency_bands)
    kept = choose_voices(on_bands, preset.limits, preset.arrangement.voices)
    folded = fold_backends(on_bands, kept)
    timeline = lay_out_for(preset, folded, folded.duration_s / duration_s)
    begins = np.arange(0, timeline.num_quanta, bar_quanta)
    step_of_bar = np.searchsorted(timeline.starts, begins, side="right") - 1
    return Truth(timeline.recording, timeline.rows[step_of_bar], step_of_bar, _whole_glitches(timeline))


def _whole_glitches(timeline: Timeline) -> Float64:
    """Count the glitches that each step plays, as only whole ones are heard."""
    due = np.zeros((len(timeline.rows), timeline.recording.layout.num_backends))
    for index, row in enumerate(timeline.rows):
        if row >= 0:
            due[index] = timeline.glitch_count[row]
    return np.asarray(np.diff(np.floor(np.cumsum(due, axis=0) + 1e-6), axis=0, prepend=0.0))


def compare(
    decoded: Decoded, recording: Recording, preset: SoundPreset, duration_s: float
) -> dict[str, PanelError | None]:
    """Compare all panels; None where the recording does not measure one.

    Parameters
    ----------
    decoded : Decoded
        What was heard.
    recording : Recording
        What went in, as it was read.
    preset : SoundPreset
        With which it was rendered.
    duration_s : float
        Length of the sound.

    Raises
    ------
    UsageError
        The sound has another number of voices than the recording.
    """
    truth = truth_of(recording, preset, duration_s, decoded.bar_quanta)
    num_bars = min(len(decoded.fresh), len(truth.row_of_bar))
    panels: dict[str, PanelError | None] = dict.fromkeys(PANEL_NAMES)
    fresh = np.where(truth.row_of_bar >= 0, truth.recording.fresh[truth.row_of_bar], False)[:num_bars]
    panels["freshness"] = PanelError(
        float(np.mean(fresh != decoded.fresh[:num_bars])),
        _correlation(fresh.astype(float), decoded.fresh[:num_bars].astype(float)),
        {},
    )
    if not decoded.num_voices:
        return panels
    if decoded.num_voices != truth.recording.layout.num_backends:
        raise UsageError(
            f"the sound has {decoded.num_voices} voices, but the recording has {truth.recording.layout.num_backends}: "
            "it is not the one that was rendered, or not with this preset"
        )
    panels |= _panel_errors(decoded, truth, preset, num_bars)
    panels["glitches"] = _glitches(decoded, truth, num_bars)
    return panels


def _panel_errors(decoded: Decoded, truth: Truth, preset: SoundPreset, num_bars: int) -> dict[str, PanelError | None]:
    played = truth.recording
    position = preset.bands.latency_bands.position
    idle = ~(np.nan_to_num(played.request_rate) > 0.0)  # without requests nothing sounds that could be rough or bright
    sounded = ~np.isnan(decoded.request_rate)
    bars = np.ones(len(decoded.fresh), np.bool_)

    def errors(name: str, heard: Float64, true: Float64, measure: Measure, ended: Bool = bars) -> PanelError | None:
        due = ended if ended is not bars else ~np.isnan(heard)
        return _error(name, heard[:num_bars], truth.column(true)[:num_bars], due[:num_bars], measure, preset)

    def bands(heard_s: Float64, true_s: Float64) -> Float64:
        return np.abs(position(heard_s) - position(true_s))

    def busy(ratio: Float64) -> Float64:
        return np.where(idle, np.nan, ratio)

    def quantile(name: str, q: float) -> PanelError | None:
        return errors(name, decoded.latency_quantile_s(q), played.latency_quantile_s(q), bands, sounded)

    each = np.repeat(sounded[:, :, None], preset.bands.count, axis=2)
    return {
        "request_rate": errors("request_rate", decoded.request_rate, played.request_rate, _decibels, sounded),
        "latency_p50": quantile("latency_p50", 0.5),
        "latency_p95": quantile("latency_p95", 0.95),
        "latency_heatmap": errors("latency_heatmap", decoded.latency_rate, played.latency_rate, _decibels, each),
        "error_ratio": errors("error_ratio", decoded.error_ratio, busy(played.error_ratio), _points, sounded),
        "fallback_ratio": errors(
            "fallback_ratio", decoded.fallback_ratio, busy(played.fallback_ratio), _points, sounded
        ),
        "queue_depth": errors("queue_depth", decoded.queue_depth, played.queue_depth, _percent),
        "active_requests": errors("active_requests", decoded.active_requests, played.active_requests, _percent),
        "batch_size": errors("batch_size", _as_many(decoded.batch_rate, played), played.batch_rate, _decibels),
    }


def _as_many(heard: Float64, played: Recording) -> Float64:
    """Batch rates as heard; nothing where another number of drums was heard than there are."""
    wanted = played.layout.num_batch_bands
    return heard if heard.shape[1] == wanted else np.zeros((len(heard), wanted))


def _error(
    name: str, heard: Float64, true: Float64, due: Bool, measure: Measure, preset: SoundPreset
) -> PanelError | None:
    """Compare what was measured and had time to sound (`due`); what is truly 0 and heard as 0 has no error."""
    due = due & ~np.isnan(true)
    if not due.any():
        return None
    heard, true = heard[due], true[due]
    known = ~np.isnan(heard)
    interesting = known & ((true > 0.0) | (heard > 0.0))
    error = np.full(len(true), np.inf)
    error[known] = measure(heard[known], true[known])
    extra = {"right": float(np.mean(error <= _PANELS[name][1]))}
    if name in preset.limits:
        states = preset.limits[name].states
        extra["states_right"] = float(np.mean(states(heard) == states(true)))
    median = None
    if known.any():
        median = float(np.median(error[interesting])) if interesting.any() else 0.0
    return PanelError(median, _correlation(heard[known], true[known]), extra)


def _decibels(heard: Float64, true: Float64) -> Float64:
    return np.asarray(10.0 * np.abs(np.log10((heard + _LEAST_RATE) / (true + _LEAST_RATE))))


def _points(heard: Float64, true: Float64) -> Float64:
    return np.asarray(100.0 * np.abs(heard - true))


def _percent(heard: Float64, true: Float64) -> Float64:
    return np.asarray(100.0 * np.abs(heard - true) / np.maximum(true, 1.0))


def _glitches(decoded: Decoded, truth: Truth, num_bars: int) -> PanelError | None:
    """Match counts a step and voice: as many as both have are right."""
    if not np.isfinite(truth.recording.glitch_rate).any():
        return None
    heard = np.zeros_like(truth.glitches)
    np.add.at(heard, truth.step_of_bar[:num_bars], np.nan_to_num(decoded.glitches[:num_bars]))
    both = float(np.minimum(heard, truth.glitches).sum())
    precision = both / heard.sum() if heard.sum() else 1.0
    recall = both / truth.glitches.sum() if truth.glitches.sum() else 1.0
    f1 = 2.0 * precision * recall / (precision + recall) if both else float(heard.sum() + truth.glitches.sum() == 0.0)
    correlation = _correlation(heard.ravel(), truth.glitches.ravel())
    return PanelError(float(1.0 - f1), correlation, {"precision": float(precision), "recall": float(recall)})


def _correlation(a: Float64, b: Float64) -> float | None:
    if len(a) < 2 or np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def overall_score(panels: dict[str, PanelError | None]) -> float | None:
    """Mean over the measured panels, 0–1.

    Each panel's falls evenly from 1 at no error to 0 at an error that tells nothing; the heatmap's is its correlation.
    It is multiplied by the share of values that are right.
    """
    scores = []
    for name, panel in panels.items():
        if panel is None:
            continue
        score = 0.0 if panel.error is None else 1.0 - panel.error / _PANELS[name][2]
        if name == "latency_heatmap" and panel.correlation is not None:
            score = panel.correlation
        scores.append(float(np.clip(score, 0.0, 1.0)) * panel.extra.get("right", 1.0))
    return float(np.mean(scores)) if scores else None


def unit_of(name: str) -> str:
    """Return the unit of a panel's error."""
    return _PANELS[name][0]
