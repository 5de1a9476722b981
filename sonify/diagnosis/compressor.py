"""The system's compressor: at which load a backend's latency leaves its baseline, how steeply, how fast, and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sonify.diagnosis.figure import Figure, median_range, unknown
from sonify.metrics.recording import Recording
from sonify.units import format_duration

__all__ = ["compressor_figures"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_SATURATED_RATIO = 4.0  # median latency over its normal: then requests wait for each other
_CALM_RATIO = 2.0
_RECOVERED_RATIO = 1.5
_OTHERS_SERVE = 0.05  # with more fallbacks than this the rate is not what the backend itself served
_DRAINED_SHARE = 0.03  # of the longest queue
_JOIN_FRAMES, _JOIN_S = 6, 30.0  # saturated stretches closer than this are one
_LEAST_FRAMES = 3
_LEAST_COUNT = 3.0  # requests a frame, for a median latency that means something
_TOP_LOAD_QUANTILE = 0.95
_LOAD_MARGIN = 0.95
_NEAR_THRESHOLD = 0.5  # from this share of the threshold on the ratio is measured


def compressor_figures(recording: Recording, index: int) -> list[Figure]:
    """Threshold, ratio, attack and release of one backend.

    While a backend is saturated it answers as fast as it can: the rate of its answers then *is* its capacity, however
    far demand is over it. A backend that slows down without more load is ill, not loaded, and has no threshold.
    """
    backend = recording.layout.backends[index]
    frame_s = recording.layout.interval_s
    rate, p50_s = recording.request_rate[:, index], recording.latency_quantile_s(0.5)[:, index]
    with np.errstate(invalid="ignore"):
        own = ~(recording.fallback_ratio[:, index] > _OTHERS_SERVE) & (rate * frame_s >= _LEAST_COUNT)
        if not (own & np.isfinite(p50_s)).any():
            return [unknown("compressor", "threshold", backend, "no latencies")]
        normal_s = float(np.nanmedian(p50_s[own]))
        saturated = own & (p50_s >= _SATURATED_RATIO * normal_s)
        calm = own & (p50_s < _CALM_RATIO * normal_s)
    if saturated.sum() < _LEAST_FRAMES:
        top = float(np.nanmax(rate[calm])) if calm.any() else 0.0
        why = f"latency never left its baseline, at up to {top:.3g} 1/s"
        return [unknown("compressor", "threshold", backend, why)]
    threshold, low, high = median_range(rate[saturated])
    if calm.any() and threshold < _LOAD_MARGIN * float(np.quantile(rate[calm], _TOP_LOAD_QUANTILE)):
        return [
            unknown("compressor", "threshold", backend, "latency rose without more load: a fault, no limit of load")
        ]
    figures = [
        Figure(
            "compressor", "threshold", backend, threshold, low, high, "1/s",
            f"median rate of answers in {int(saturated.sum())} saturated frames",
            f"from {threshold:.3g} requests/s on they wait for each other",
        ),
        _ratio(backend, rate, p50_s, own & (rate > _NEAR_THRESHOLD * threshold) & (rate <= high), threshold),
    ]  # fmt: skip
    return figures + _attack_and_release(recording, backend, rate, p50_s, saturated, threshold, normal_s)


def _ratio(backend: str, rate: Float64, p50_s: Float64, near: Bool, threshold: float) -> Figure:
    """Slope of latency over load, both in logarithms: the median of all pairs (Theil 1950, Sen 1968)."""
    x, y = np.log(rate[near]), np.log(p50_s[near])
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    dx = x[:, None] - x[None, :]
    far = dx > math.log(1.1)
    if far.sum() < 10:
        return unknown("compressor", "ratio", backend, "too few loads near the threshold")
    slopes = (y[:, None] - y[None, :])[far] / dx[far]
    value, (low, high) = float(np.median(slopes)), np.quantile(slopes, [0.25, 0.75])
    ten = 100.0 * (1.1**value - 1.0)
    return Figure(
        "compressor", "ratio", backend, value, float(low), float(high), "",
        f"median slope of log latency over log load, from {_NEAR_THRESHOLD:.0%} of the threshold on",
        f"near {threshold:.3g} requests/s, 10 % more load make latency {ten:.0f} % longer",
    )  # fmt: skip


def _attack_and_release(
    recording: Recording,
    backend: str,
    rate: Float64,
    p50_s: Float64,
    saturated: Bool,
    threshold: float,
    normal_s: float,
) -> list[Figure]:
    t = recording.t
    attacks, releases = [], []
    demand = _demand(recording, rate)
    with np.errstate(invalid="ignore"):
        recovered = _recovered(recording.queue_depth, p50_s, normal_s)
        over = demand >= threshold
    join = max(_JOIN_FRAMES, math.ceil(_JOIN_S / recording.layout.interval_s))
    for first, last in _runs(saturated, join):
        before = np.flatnonzero(rate[: first + 1] < _NEAR_THRESHOLD * threshold)
        if len(before):
            attacks.append(float(t[first] - t[before[-1]]))
        after = last + np.flatnonzero(recovered[last:])[:1]
        pressed = first + np.flatnonzero(over[first : last + 1])
        if len(after) and len(pressed):
            releases.append(_between(t, demand, int(pressed[-1]), threshold, float(t[after[0]])))
    figures = []
    for name, values, sentence in (
        ("attack", attacks, "from half of that load, latency is at four times its normal in {}"),
        ("release", releases, "once demand falls under it, nothing waits any more in {}"),
    ):
        if not values:
            figures.append(unknown("compressor", name, backend, "no whole rise" if name == "attack" else "no recovery"))
            continue
        median = float(np.median(values))
        figures.append(
            Figure(
                "compressor",
                name,
                backend,
                median,
                min(values),
                max(values),
                "s",
                f"median of {len(values)}",
                sentence.format(format_duration(median)),
            )
        )
    return figures


def _demand(recording: Recording, rate: Float64) -> Float64:
    """Rate at which requests come in, 1/s: what is answered, and what the queue grows by; smoothed over three frames.

    Without a queue it is what is answered.
    """
    growth = np.diff(recording.queue_depth, prepend=recording.queue_depth[:1]) / recording.layout.interval_s
    demand = np.nan_to_num(rate) + np.nan_to_num(growth)
    padded = np.concatenate([demand[:1], demand, demand[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3.0)


def _between(t: Float64, demand: Float64, last_over: int, threshold: float, end_s: float) -> float:
    """Time from where demand falls through the threshold, on the line to the frame after, until the end; in s."""
    frame_s = float(t[1] - t[0]) if len(t) > 1 else 0.0
    here, after = float(demand[last_over]), float(demand[min(last_over + 1, len(demand) - 1)])
    share = (here - threshold) / (here - after) if here > after else 0.0
    middle_s = float(t[last_over]) - frame_s / 2.0 + min(max(share, 0.0), 1.0) * frame_s
    return max(end_s - frame_s / 2.0 - middle_s, 0.0)


def _recovered(queue: Float64, p50_s: Float64, normal_s: float) -> Bool:
    """Whether nothing waits any more; where the queue is not measured, whether latency is near its normal."""
    if np.isfinite(queue).any():
        drained: Bool = queue <= max(_DRAINED_SHARE * float(np.nanmax(queue)), 1.0)
        return drained
    near: Bool = p50_s <= _RECOVERED_RATIO * normal_s
    return near


def _runs(mask: Bool, join: int) -> list[tuple[int, int]]:
    """First and last index of each run, runs that are closer than `join` put together."""
    places = np.flatnonzero(mask)
    if not len(places):
        return []
    cuts = np.flatnonzero(np.diff(places) > join)
    firsts, lasts = np.append(places[0], places[cuts + 1]), np.append(places[cuts], places[-1])
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]
