"""What each panel says in each frame: its value, and how sure it is over a limit, or far from its own normal."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.diagnosis.evidence import SURE, dispersion, rate_evidence, share_evidence
from sonify.metrics.panels import Limits
from sonify.metrics.recording import Recording

__all__ = ["Sign", "read_signs", "slower_rate"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

P95_SHARE = 0.05  # p95 is over a limit where more than this share of the requests is
UNUSUAL_RATIO = 3.0  # so far from its own normal that it is worth a word although no limit is passed
SURGE_RATIO = 2.0  # … and for traffic that rises
_NORMAL_FRAMES = 30  # what went before, for what is compared with its own past
_LEAST_NORMAL_FRAMES = 6
_LEAST_USUAL_COUNT = 3.0  # requests a frame: with fewer, a drop means nothing


@dataclass(frozen=True, slots=True, eq=False)
class Sign:
    """One panel of one backend over time, against one limit.

    Attributes
    ----------
    panel : str
        Name of the panel, ``traffic`` for a drop of the request rate.
    backend : str
        Whose; empty where the whole service is meant.
    grade : str
        ``red``, ``yellow`` or ``unusual``.
    values : array (frames,)
        In the panel's unit; NaN where not measured.
    limit : float or array (frames,)
        What it is compared with, in that unit.
    is_over : bool array (frames,)
        Whether the value of the frame itself is past the limit.
    chance : array (frames,)
        Smallest chance that this is accident; 1 where nothing was measured.
    frames : int array (frames,)
        How many frames, ending here, prove it.
    """

    panel: str
    backend: str
    grade: str
    values: Float64
    limit: Float64 | float
    is_over: Bool
    chance: Float64
    frames: NDArray[np.int64]


def slower_rate(recording: Recording, limit_s: float) -> Float64:
    """Rate of requests that took longer than a limit, shape (frames, backends); spread log-evenly inside a band."""
    edges_s = recording.layout.latency_edges_s
    low = np.where(edges_s[:-1] > 0.0, edges_s[:-1], edges_s[1] / 2.0)
    high = np.where(np.isfinite(edges_s[1:]), edges_s[1:], edges_s[-2] * 2.0)
    share = np.clip(np.log(high / limit_s) / np.log(high / low), 0.0, 1.0)
    return np.asarray(recording.latency_rate @ share)


def read_signs(recording: Recording, limits: Mapping[str, Limits]) -> Iterator[Sign]:
    """Go through all signs of a recording.

    Parameters
    ----------
    recording : Recording
        Any.
    limits : mapping of str to Limits
        By panel, as in a sound preset.
    """
    frame_s = recording.layout.interval_s
    requests = np.where(recording.fresh[:, None], recording.request_rate, np.nan) * frame_s
    p95_s = recording.latency_quantile_s(0.95)
    for index, backend in enumerate(recording.layout.backends):
        asked = requests[:, index]
        spread = dispersion(asked)
        timed = recording.latency_rate[:, index].sum(axis=1) * frame_s
        for panel, ratio in (("error_ratio", recording.error_ratio), ("fallback_ratio", recording.fallback_ratio)):
            events = ratio[:, index] * asked
            for grade, limit in _grades(limits[panel]):
                yield _share_sign(panel, backend, grade, limit, ratio[:, index], events, asked, spread)
        normal_s = _normal_p95_s(p95_s[:, index])
        grades = [*_grades(limits["latency_p95"]), ("unusual", UNUSUAL_RATIO * normal_s)]
        for grade, limit in grades:
            if np.isfinite(limit):
                slow = slower_rate(recording, limit)[:, index] * frame_s
                yield _share_sign(
                    "latency_p95", backend, grade, limit, p95_s[:, index], slow, timed, spread, share=P95_SHARE
                )
        glitches = recording.glitch_rate[:, index] * frame_s
        for grade, limit in _grades(limits["glitch_rate"]):
            yield _rate_sign("glitch_rate", backend, grade, limit, glitches, frame_s, dispersion(glitches))
        # much traffic is what the service is for: only red is worth a word
        yield _rate_sign("request_rate", backend, "red", limits["request_rate"].red, asked, frame_s, spread)
        yield from _traffic_signs(backend, asked, frame_s, spread)
    for panel, values in (("queue_depth", recording.queue_depth), ("active_requests", recording.active_requests)):
        for grade, limit in _grades(limits[panel]):
            yield _gauge_sign(panel, grade, limit, values)


def _grades(limits: Limits) -> tuple[tuple[str, float], ...]:
    return ("red", limits.red), ("yellow", limits.yellow)


def _share_sign(
    panel: str,
    backend: str,
    grade: str,
    limit: float,
    values: Float64,
    events: Float64,
    of: Float64,
    spread: float,
    share: float | None = None,
) -> Sign:
    # of no requests nothing was late: the frame is measured, and proves nothing
    events, of = (np.where(np.isnan(counts) & np.isfinite(of), 0.0, counts) for counts in (events, of))
    evidence = share_evidence(events, of, limit if share is None else share, spread=spread)
    with np.errstate(invalid="ignore"):
        is_over = values > limit
    return Sign(panel, backend, grade, values, limit, is_over, *evidence)


def _rate_sign(
    panel: str, backend: str, grade: str, limit: float, counts: Float64, frame_s: float, spread: float
) -> Sign:
    evidence = rate_evidence(counts, limit * frame_s, spread=spread)
    with np.errstate(invalid="ignore"):
        return Sign(panel, backend, grade, counts / frame_s, limit, counts > limit * frame_s, *evidence)


def _gauge_sign(panel: str, grade: str, limit: float, values: Float64) -> Sign:
    """Read a gauge, a look at one moment: two looks in a row are sure, one is not."""
    with np.errstate(invalid="ignore"):
        over = values > limit
    twice = over & np.concatenate([[False], over[:-1]])
    return Sign(panel, "", grade, values, limit, over, np.where(twice, 0.0, 1.0), np.full(len(values), 2))


def _normal_p95_s(p95_s: Float64) -> float:
    """Median of the calm majority; NaN where there is too little."""
    known = p95_s[np.isfinite(p95_s)]
    return float(np.median(known)) if len(known) >= _LEAST_NORMAL_FRAMES else np.nan


def _traffic_signs(backend: str, asked: Float64, frame_s: float, spread: float) -> Iterator[Sign]:
    """Traffic that falls to a third, or rises to the double, of what it was just before and is on the whole."""
    before = _usual_before(asked)
    known = asked[np.isfinite(asked)]
    on_the_whole = float(np.median(known)) if len(known) else np.nan
    enough = before >= _LEAST_USUAL_COUNT
    for panel, below, limit in (
        ("traffic", True, np.fmin(before, on_the_whole) / UNUSUAL_RATIO),
        ("request_rate", False, np.fmax(before, on_the_whole) * SURGE_RATIO),
    ):
        evidence = rate_evidence(asked, np.where(enough, limit, np.nan_to_num(asked)), spread=spread, below=below)
        with np.errstate(invalid="ignore"):
            over = (asked < limit if below else asked > limit) & enough
        chance = np.where(enough & (evidence.chance < SURE), evidence.chance, 1.0)
        yield Sign(panel, backend, "unusual", asked / frame_s, limit / frame_s, over, chance, evidence.frames)


def _usual_before(counts: Float64) -> Float64:
    """Median of the frames before each one, shape (frames,); NaN where there were too few."""
    usual = np.full(len(counts), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        padded = np.concatenate([np.full(_NORMAL_FRAMES, np.nan), counts[:-1]])
        windows = np.lib.stride_tricks.sliding_window_view(padded, _NORMAL_FRAMES)
        known = np.isfinite(windows).sum(axis=1) >= _LEAST_NORMAL_FRAMES
        usual[known] = np.nanmedian(windows[known], axis=1)
    return usual
