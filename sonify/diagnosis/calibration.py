"""Limits, level and baseline from a system's own normal: what is usual there is green, and plays at the usual level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.mapping.mapper import learn_baseline
from sonify.mapping.preset import SoundPreset
from sonify.metrics.panels import Limits
from sonify.metrics.recording import Recording

__all__ = ["CalibratedLimit", "Calibration", "calibrate"]

Float64 = NDArray[np.float64]

LEAST_FRAMES = 30
YELLOW_MARGIN, RED_MARGIN = 1.5, 3.0  # over the highest usual value
_MAD_TO_SIGMA = 1.4826
_OUTLIER_SIGMAS = 4.0  # in the logarithm; an incident that lasts less than half of the time is left out
_LEAST_SIGMA = 0.05
_TOP_QUANTILE = 0.99
_COUNT_SIGMAS = 3.0
_HOUR_S, _DAY_S = 3600.0, 86400.0
_LEAST_DAYS = 2.0  # of data before the hours of the day are looked at one by one
_LEAST_HOUR_FRAMES = 10

CALM_IN_FLIGHT = 0.43
"""Requests in flight in calm Code Live (rate × latency, summed over all bands; `sim:quiet`), at which the default
reference rate plays a bed of −30 LUFS."""

# least yellow limits, and how far red lies over yellow
_LEAST = {"latency_p95": 0.001, "request_rate": 0.1, "queue_depth": 5.0, "active_requests": 5.0}
_SHARES = {"error_ratio": (0.005, 0.3, 5.0), "fallback_ratio": (0.01, 0.4, 2.0)}  # least, most, red over yellow
_GLITCHES = (0.02, 10.0)


@dataclass(frozen=True, slots=True)
class CalibratedLimit:
    """New limits of a panel, and in words what they come from; `limits` is None where it is not measured."""

    limits: Limits | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a recording says of a system's normal.

    Attributes
    ----------
    limits : mapping of str to CalibratedLimit
        By panel.
    reference_rate : float or None
        For the preset's level, 1/s; None where no latency is measured.
    in_flight : float
        Normal number of requests in flight that it comes from; NaN where not measured.
    baseline : mapping of str to array (latency_bands,)
        Normal rates of each backend, 1/s.
    """

    limits: Mapping[str, CalibratedLimit]
    reference_rate: float | None
    in_flight: float
    baseline: Mapping[str, Float64]


def calibrate(recording: Recording, preset: SoundPreset) -> Calibration:
    """Learn what is normal.

    Parameters
    ----------
    recording : Recording
        At least `LEAST_FRAMES` fresh frames, on the preset's bands.
    preset : SoundPreset
        Whose level and units are calibrated.

    Raises
    ------
    ReaderError
        Too few frames.
    """
    fresh = int(recording.fresh.sum())
    if fresh < LEAST_FRAMES:
        raise ReaderError(f"{fresh} frames with data are too few to say what is normal; at least {LEAST_FRAMES}")
    baseline = learn_baseline(recording)
    in_flight = float((baseline @ preset.bands.latency_bands.centres_s).sum())
    measured = np.isfinite(recording.latency_rate).any() and in_flight > 0.0
    return Calibration(
        limits=_limits(recording),
        reference_rate=_rounded(preset.level.reference_rate * in_flight / CALM_IN_FLIGHT) if measured else None,
        in_flight=in_flight if measured else math.nan,
        baseline={
            backend: baseline[index]
            for index, backend in enumerate(recording.layout.backends)
            if np.isfinite(recording.latency_rate[:, index]).any()
        },
    )


def _limits(recording: Recording) -> dict[str, CalibratedLimit]:
    tops: dict[str, tuple[Float64, str]] = {
        "request_rate": (recording.request_rate, "1/s"),
        "latency_p95": (recording.latency_quantile_s(0.95), "s"),
        "queue_depth": (recording.queue_depth[:, None], ""),
        "active_requests": (recording.active_requests[:, None], ""),
    }
    limits = {panel: _top_limit(panel, recording.t, values, unit) for panel, (values, unit) in tops.items()}
    limits["error_ratio"] = _share_limit("error_ratio", recording.error_ratio, recording.request_rate)
    limits["fallback_ratio"] = _share_limit("fallback_ratio", recording.fallback_ratio, recording.request_rate)
    limits["glitch_rate"] = _glitch_limit(recording.glitch_rate)
    return limits


def usual_top(values: Float64, *, few: float = 0.0) -> float:
    """Highest usual value: the 99th percentile of what is not an outlier in its logarithm; NaN where there is none.

    A count spreads by its root at least; of a gauge, `few` are never an outlier.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return math.nan
    logs = np.log(np.maximum(known, 0.0) + 1e-3)
    centre = float(np.median(logs))
    sigma = max(_MAD_TO_SIGMA * float(np.median(np.abs(logs - centre))), _LEAST_SIGMA)
    middle = float(np.median(known))
    top = max(math.exp(centre + _OUTLIER_SIGMAS * sigma), middle + _OUTLIER_SIGMAS * math.sqrt(middle + few))
    return float(np.quantile(known[known <= top], _TOP_QUANTILE))


def _by_hour(t: Float64, values: Float64, few: float) -> float:
    """Highest usual value of any hour of the day, where there are days enough; else of all the time."""
    if len(t) and t[-1] - t[0] >= _LEAST_DAYS * _DAY_S:
        hour = (t % _DAY_S // _HOUR_S).astype(np.int64)
        tops = [usual_top(values[hour == h], few=few) for h in range(24) if (hour == h).sum() >= _LEAST_HOUR_FRAMES]
        if tops and np.isfinite(tops).any():
            return float(np.nanmax(tops))
    return usual_top(values, few=few)


def _top_limit(panel: str, t: Float64, values: Float64, unit: str) -> CalibratedLimit:
    few = 0.0 if unit else 1.0
    tops = [_by_hour(t, values[:, column], few) for column in range(values.shape[1])]
    if not np.isfinite(tops).any():
        return CalibratedLimit(None, "not measured")
    top = float(np.nanmax(tops))
    spread = 0.0 if unit else _COUNT_SIGMAS * math.sqrt(top + 1.0)  # a gauge counts, and spreads as counts do
    yellow = max(YELLOW_MARGIN * top, top + spread, _LEAST[panel])
    red = max(RED_MARGIN * top, RED_MARGIN / YELLOW_MARGIN * yellow)
    return CalibratedLimit(Limits(_rounded(yellow), _rounded(red)), f"usually up to {top:.3g} {unit}".rstrip())


def _share_limit(panel: str, ratios: Float64, requests: Float64) -> CalibratedLimit:
    if not np.isfinite(ratios).any():
        return CalibratedLimit(None, "not measured")
    least, most, red_over_yellow = _SHARES[panel]
    usual = float(np.nanmax(np.append(_usual_share(ratios, requests), 0.0)))
    yellow = float(np.clip(RED_MARGIN * usual, least, most))
    return CalibratedLimit(
        Limits(_rounded(yellow), _rounded(min(red_over_yellow * yellow, 0.8))), f"usually {100.0 * usual:.2g} %"
    )


def _usual_share(ratios: Float64, requests: Float64) -> Float64:
    """Share of each backend over the calm half of its frames and what is like it, shape (backends,)."""
    shares = np.full(ratios.shape[1], np.nan)
    for backend in range(ratios.shape[1]):
        known = np.isfinite(ratios[:, backend]) & (requests[:, backend] > 0.0)
        if known.any():
            ratio, weight = ratios[known, backend], requests[known, backend]
            calm = ratio <= max(3.0 * float(np.median(ratio)), 0.02)
            shares[backend] = np.average(ratio[calm], weights=weight[calm]) if calm.any() else np.median(ratio)
    return shares


def _glitch_limit(rates: Float64) -> CalibratedLimit:
    if not np.isfinite(rates).any():
        return CalibratedLimit(None, "not measured")
    least, red_over_yellow = _GLITCHES
    usual = 0.0
    for column in rates.T:
        known = column[np.isfinite(column)]
        if len(known):
            usual = max(usual, float(known[known <= max(3.0 * float(np.median(known)), 1.0)].mean()))
    yellow = max(RED_MARGIN * usual, least)
    return CalibratedLimit(Limits(_rounded(yellow), _rounded(red_over_yellow * yellow)), f"usually {usual:.2g} 1/s")


def _rounded(value: float) -> float:
    """Two digits: a limit is no measurement."""
    return float(f"{value:.2g}")
