"""Latency bands: the engine's own histogram layout, and exact re-bucketing onto it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LatencyBands", "quantile_s", "rebucket"]

_LONE_BUCKET_RATIO = 2.0  # width assumed for an open-ended bucket that has no neighbour to copy
_SAME_EDGE = 1e-6  # edges written to a file with 9 digits are the same edges
_LEAST_QUANTILE = 1e-12  # the quantile 0 is the begin of the first band that holds anything
_LARGE = 1e300  # above any count: a sentinel that still subtracts and divides


@dataclass(frozen=True, slots=True)
class LatencyBands:
    """`count` bands spaced evenly in log latency from `low_s` to `high_s`.

    The outermost bands are open: the first starts at 0, the last ends at +Inf, so that no request is ever outside.

    Attributes
    ----------
    low_s, high_s : float
        Nominal range in s.
    count : int
        Number of bands.
    """

    low_s: float = 0.001
    high_s: float = 60.0
    count: int = 24

    @property
    def nominal_edges_s(self) -> NDArray[np.float64]:
        """Edges in s, shape (count + 1,), before the ends are opened."""
        return np.geomspace(self.low_s, self.high_s, self.count + 1)

    @property
    def edges_s(self) -> NDArray[np.float64]:
        """Edges in s, shape (count + 1,), from 0 to +Inf."""
        edges_s = self.nominal_edges_s
        edges_s[0], edges_s[-1] = 0.0, math.inf
        return edges_s

    @property
    def centres_s(self) -> NDArray[np.float64]:
        """Geometric centres in s, shape (count,)."""
        nominal_s = self.nominal_edges_s
        return np.asarray(np.sqrt(nominal_s[:-1] * nominal_s[1:]))

    def position(self, latency_s: ArrayLike) -> NDArray[np.float64]:
        """Where a latency lies, counted in bands: 0.0 is the centre of the first band, 1.0 of the second."""
        latency = np.maximum(np.asarray(latency_s, dtype=np.float64), 1e-12)
        width = math.log(self.high_s / self.low_s) / self.count
        return np.asarray(np.log(latency / self.low_s) / width - 0.5)


def _closed_edges(edges_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges with the open ends closed: 0 and +Inf become one more bucket of the neighbour's own width (as a ratio)."""
    closed = edges_s.astype(np.float64, copy=True)
    inner = closed[(closed > 0.0) & np.isfinite(closed)]
    low_ratio = inner[1] / inner[0] if len(inner) > 1 else _LONE_BUCKET_RATIO
    high_ratio = inner[-1] / inner[-2] if len(inner) > 1 else _LONE_BUCKET_RATIO
    if closed[0] <= 0.0:
        closed[0] = inner[0] / low_ratio
    if math.isinf(closed[-1]):
        closed[-1] = inner[-1] * high_ratio
    return closed


def _check_edges(edges_s: NDArray[np.float64], what: str) -> None:
    if edges_s.ndim != 1 or len(edges_s) < 2 or not np.all(np.diff(edges_s) > 0.0) or edges_s[0] < 0.0:
        raise ValueError(f"{what} must be at least two rising edges in s, from 0 up: {edges_s!r}")
    if not np.any((edges_s > 0.0) & np.isfinite(edges_s)):
        raise ValueError(f"{what} need one edge between 0 and +Inf, else nothing is known of the latency: {edges_s!r}")


def rebucket(counts: ArrayLike, source_edges_s: ArrayLike, target_edges_s: ArrayLike) -> NDArray[np.float64]:
    """Move a histogram onto another bucket layout.

    A count is spread log-uniformly inside its own bucket. An open bucket (from 0, or to +Inf) is taken to be as wide,
    as a ratio, as the bucket beside it. The total is conserved; what lies beyond the target's ends goes into its
    outermost buckets.

    Parameters
    ----------
    counts : array (..., n)
        Non-cumulative counts or rates; NaN is carried through to the whole row.
    source_edges_s : array (n + 1,)
        Rising edges in s, the first may be 0, the last +Inf.
    target_edges_s : array (m + 1,)
        Likewise.

    Returns
    -------
    array (..., m)
    """
    source = np.asarray(source_edges_s, dtype=np.float64)
    target = np.asarray(target_edges_s, dtype=np.float64)
    values = np.asarray(counts, dtype=np.float64)
    _check_edges(source, "source edges")
    if values.shape[-1] != len(source) - 1:
        raise ValueError(f"{values.shape[-1]} counts for {len(source) - 1} buckets")
    _check_edges(target, "target edges")
    if source.shape == target.shape and np.allclose(source, target, rtol=_SAME_EDGE, atol=0.0):
        return values.copy()
    return np.asarray(values @ _shares(_closed_edges(source), target))


def _shares(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each source bucket that falls into each target bucket, shape (n, m); every row sums to 1."""
    inner = np.log(target[1:-1])
    low, high = np.log(source[:-1, None]), np.log(source[1:, None])
    below = np.clip((inner - low) / (high - low), 0.0, 1.0)
    ones = np.ones((len(source) - 1, 1))
    return np.diff(np.hstack([0.0 * ones, below, ones]), axis=1)


def quantile_s(band_rate: ArrayLike, edges_s: ArrayLike, q: float) -> NDArray[np.float64]:
    """Quantile of a histogram, log-linear inside its band.

    Parameters
    ----------
    band_rate : array (..., n)
        Non-cumulative rates or counts.
    edges_s : array (n + 1,)
        Rising edges in s.
    q : float
        0–1.

    Returns
    -------
    array (...)
        Latency in s; NaN where nothing was measured or nothing happened.
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"a quantile lies from 0 to 1, not at {q}")
    edges = np.asarray(edges_s, dtype=np.float64)
    _check_edges(edges, "edges")
    rate = np.asarray(band_rate, dtype=np.float64)
    log_edges = np.log(_closed_edges(edges))
    with np.errstate(all="ignore"):  # a total that is no number has no quantile
        cumulative = np.cumsum(rate, axis=-1)
        total = cumulative[..., -1]
        measured = np.isfinite(total) & (total > 0.0)
        wanted = np.where(measured, max(q, _LEAST_QUANTILE) * total, _LARGE)
        index = np.clip(np.sum(cumulative < wanted[..., None], axis=-1), 0, rate.shape[-1] - 1)
        inside = np.take_along_axis(rate, index[..., None], axis=-1)[..., 0]
        below = np.take_along_axis(cumulative, index[..., None], axis=-1)[..., 0] - inside
        share = np.clip((wanted - below) / inside, 0.0, 1.0)
        value = np.exp(log_edges[index] + share * (log_edges[index + 1] - log_edges[index]))
    return np.asarray(np.where(measured, value, np.nan))
