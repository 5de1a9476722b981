"""`MetricFrame`: the ten panels over one interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import quantile_s

__all__ = ["Layout", "MetricFrame"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What the axes of a frame's arrays mean; shared by all frames of a recording.

    Attributes
    ----------
    interval_s : float
        Length of a frame's interval.
    backends : tuple of str
        Names, in order. Untrusted text: it comes from the metrics.
    latency_edges_s : array (latency_bands + 1,)
        Rising edges of the latency bands in s, from 0, the last may be +Inf.
    batch_edges : array (batch_bands + 1,) or (0,)
        Rising edges of the batch size bands (a count); empty where batches are not measured.
    """

    interval_s: float
    backends: tuple[str, ...]
    latency_edges_s: Array
    batch_edges: Array

    @property
    def num_backends(self) -> int:
        """Number of backends."""
        return len(self.backends)

    @property
    def num_latency_bands(self) -> int:
        """Number of latency bands."""
        return len(self.latency_edges_s) - 1

    @property
    def num_batch_bands(self) -> int:
        """Number of batch size bands, 0 where batches are not measured."""
        return max(len(self.batch_edges) - 1, 0)

    def same_as(self, other: Layout) -> bool:
        """Whether frames of both may stand in one recording."""
        return (
            self.interval_s == other.interval_s
            and self.backends == other.backends
            and np.array_equal(self.latency_edges_s, other.latency_edges_s)
            and np.array_equal(self.batch_edges, other.batch_edges)
        )


@dataclass(frozen=True, slots=True, eq=False)
class MetricFrame:
    """One interval of the ten panels. NaN means *not measured*, never zero.

    Attributes
    ----------
    layout : Layout
        What the axes mean.
    t : float
        End of the interval, Unix s.
    request_rate, glitch_rate : array (backends,)
        1/s.
    error_ratio, fallback_ratio : array (backends,)
        0–1.
    latency_rate : array (backends, latency_bands)
        Non-cumulative, 1/s.
    batch_rate : array (batch_bands,)
        Non-cumulative, 1/s.
    queue_depth, active_requests : float
        Counts.
    fresh : bool
        Whether the source delivered this interval; False is *stale*.
    """

    layout: Layout
    t: float
    request_rate: Array
    error_ratio: Array
    fallback_ratio: Array
    glitch_rate: Array
    latency_rate: Array
    batch_rate: Array
    queue_depth: float
    active_requests: float
    fresh: bool

    @classmethod
    def unmeasured(cls, layout: Layout, t: float, *, fresh: bool = False) -> MetricFrame:
        """Build a frame in which nothing was measured."""
        backends = np.full(layout.num_backends, np.nan)
        return cls(
            layout=layout,
            t=t,
            request_rate=backends,
            error_ratio=backends,
            fallback_ratio=backends,
            glitch_rate=backends,
            latency_rate=np.full((layout.num_backends, layout.num_latency_bands), np.nan),
            batch_rate=np.full(layout.num_batch_bands, np.nan),
            queue_depth=np.nan,
            active_requests=np.nan,
            fresh=fresh,
        )

    def latency_quantile_s(self, q: float) -> Array:
        """Quantile of each backend's latency in s, shape (backends,), from the bands; NaN where there is none."""
        return quantile_s(self.latency_rate, self.layout.latency_edges_s, q)
