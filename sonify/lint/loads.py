"""Loads to listen under: made-up frames in which everything is well, and in which everything is in the red."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sonify.mapping.preset import SoundPreset
from sonify.metrics.frame import Layout, MetricFrame

__all__ = ["BACKENDS", "layout_of", "lognormal_shares", "typical_frame", "worst_frame"]

Array = NDArray[np.float64]

BACKENDS = ("rust", "ts", "go", "csharp", "sql", "julia")
_BATCH_EDGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_BATCH_RATE = (8.0, 4.0, 1.0, 0.3, 0.1)  # 1/s of each size when all is well
_SPREAD = 0.5  # standard deviation of the logarithm of a backend's latencies
_P95_NORMAL = 1.6449
_FASTEST_S = 1e-6  # stands for a limit of 0
_LEAST_SHARE = 1e-3  # a band with less of the traffic counts as empty
_MUCH = 2.0  # a red panel is this far over its limit


def layout_of(preset: SoundPreset) -> Layout:
    """Axes of the made-up frames: the reference service's backends, and those that the preset names."""
    named = [*(preset.baseline or ()), *(eq.backend for eq in preset.eq), preset.compressor.sidechain]
    names = [name for name in dict.fromkeys(named) if name]
    others = [name for name in BACKENDS if name not in names]
    count = min(max(len(BACKENDS), len(names)), preset.arrangement.voices)
    backends = tuple((names + others)[: max(count, len(names))])
    if set(backends) <= set(BACKENDS):
        backends = tuple(name for name in BACKENDS if name in backends)
    return Layout(10.0, backends, preset.bands.latency_bands.edges_s, np.array(_BATCH_EDGES))


def lognormal_shares(edges_s: Array, p95_s: Array) -> Array:
    """Share of the requests in each latency band, shape (backends, bands), for backends with these 95th percentiles."""
    median = np.log(np.maximum(p95_s, _FASTEST_S)) - _P95_NORMAL * _SPREAD
    with np.errstate(divide="ignore"):
        score = (np.log(edges_s)[None, :] - median[:, None]) / _SPREAD
    below = np.vectorize(lambda x: 0.5 * (1.0 + math.erf(x / math.sqrt(2.0))))(score)
    shares = np.diff(below, axis=1)
    return np.where(shares < _LEAST_SHARE, 0.0, shares)


def typical_frame(preset: SoundPreset) -> MetricFrame:
    """All is well: every panel at half its yellow limit, no errors, no fallbacks; the backends differ in speed.

    Where the preset has a baseline, that is how much of which latency is normal.
    """
    layout = layout_of(preset)
    limits, backends = preset.limits, np.ones(layout.num_backends)
    request_rate = 0.5 * limits["request_rate"].yellow * backends
    p95_s = 0.5 * limits["latency_p95"].yellow * np.geomspace(1.0 / 8.0, 1.0, layout.num_backends)
    latency_rate = request_rate[:, None] * lognormal_shares(layout.latency_edges_s, p95_s)
    for row, name in enumerate(layout.backends):
        if preset.baseline is not None and name in preset.baseline:
            latency_rate[row] = preset.baseline[name]
            request_rate[row] = latency_rate[row].sum()
    return MetricFrame(
        layout=layout,
        t=0.0,
        request_rate=request_rate,
        error_ratio=0.0 * backends,
        fallback_ratio=0.0 * backends,
        glitch_rate=0.5 * limits["glitch_rate"].yellow * backends,
        latency_rate=latency_rate,
        batch_rate=np.array(_BATCH_RATE),
        queue_depth=0.5 * limits["queue_depth"].yellow,
        active_requests=0.5 * limits["active_requests"].yellow,
        fresh=True,
    )


def worst_frame(preset: SoundPreset) -> MetricFrame:
    """Every panel of every backend is twice over its red limit."""
    typical = typical_frame(preset)
    limits, backends = preset.limits, np.ones(typical.layout.num_backends)
    request_rate = _MUCH * limits["request_rate"].red * backends
    p95_s = _MUCH * limits["latency_p95"].red * np.geomspace(0.75, 4.0, len(backends))
    return replace(
        typical,
        request_rate=request_rate,
        error_ratio=np.minimum(_MUCH * limits["error_ratio"].red, 1.0) * backends,
        fallback_ratio=np.minimum(_MUCH * limits["fallback_ratio"].red, 1.0) * backends,
        glitch_rate=_MUCH * limits["glitch_rate"].red * backends,
        latency_rate=request_rate[:, None] * lognormal_shares(typical.layout.latency_edges_s, p95_s),
        batch_rate=4.0 * typical.batch_rate,
        queue_depth=_MUCH * limits["queue_depth"].red,
        active_requests=_MUCH * limits["active_requests"].red,
    )
