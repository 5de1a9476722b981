"""One line's worth of a snapshot: totals over all backends, and the one word for how it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import quantile_s
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import State
from sonify.runner.snapshot import Snapshot
from sonify.views.wording import STATE_WORDS

__all__ = ["Condition", "Summary", "band_totals", "condition", "summarise"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """All backends together; NaN is not measured. Rates in 1/s, latencies in s, ratios 0–1."""

    request_rate: float
    p50_s: float
    p95_s: float
    error_ratio: float
    fallback_ratio: float
    glitch_rate: float
    queue_depth: float
    active_requests: float


@dataclass(frozen=True, slots=True)
class Condition:
    """How it is: a word, and the state whose colour goes with it."""

    word: str
    state: State


def _total(values: Array) -> float:
    measured = values[np.isfinite(values)]
    return float(measured.sum()) if len(measured) else float("nan")


def _weighted(ratios: Array, rates: Array) -> float:
    """Mean ratio by requests; where nothing was requested it is not known."""
    measured = np.isfinite(ratios) & np.isfinite(rates)
    total = float(rates[measured].sum())
    return float((ratios[measured] * rates[measured]).sum() / total) if total > 0.0 else float("nan")


def band_totals(frame: MetricFrame) -> Array:
    """Rate of each latency band over all backends in 1/s, shape (latency_bands,); NaN where none was measured."""
    measured = np.isfinite(frame.latency_rate)
    total = np.where(measured, frame.latency_rate, 0.0).sum(axis=0)
    return np.where(measured.any(axis=0), total, np.nan)


def summarise(frame: MetricFrame) -> Summary:
    """Sum rates, and weigh ratios by requests; quantiles come from the summed bands."""
    bands, edges_s = band_totals(frame), frame.layout.latency_edges_s
    return Summary(
        request_rate=_total(frame.request_rate),
        p50_s=float(quantile_s(bands, edges_s, 0.5)),
        p95_s=float(quantile_s(bands, edges_s, 0.95)),
        error_ratio=_weighted(frame.error_ratio, frame.request_rate),
        fallback_ratio=_weighted(frame.fallback_ratio, frame.request_rate),
        glitch_rate=_total(frame.glitch_rate),
        queue_depth=frame.queue_depth,
        active_requests=frame.active_requests,
    )


def condition(snapshot: Snapshot, summary: Summary) -> Condition:
    """Choose the word: stale before no traffic, before the worst state of any panel."""
    if not snapshot.frame.fresh:
        return Condition("stale", State.UNKNOWN)
    worst = State(max([State.UNKNOWN, *snapshot.panel_states.values(), *snapshot.backend_states]))
    if summary.request_rate == 0.0 and worst <= State.GREEN:
        return Condition("no traffic", State.UNKNOWN)
    return Condition(STATE_WORDS[worst], worst)
