"""Histograms as servers tell them become rates per band: cumulative ``le`` buckets, and sparse ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import rebucket

__all__ = ["bands_from_le", "edges_from_le", "outermost_share", "parse_le", "parse_vmrange", "sparse_shares"]

Array = NDArray[np.float64]


def parse_le(text: str) -> float | None:
    """Upper bound of a bucket: ``1``, ``1.0`` and ``+Inf`` as servers write it; None where it is not a number."""
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _layouts(cumulative: Mapping[float, Array]) -> Iterator[tuple[Array, NDArray[np.bool_], Array]]:
    """Edges, rows and non-cumulative rates of each bucket layout that occurs over time.

    A service that is deployed anew may change its buckets, so that not every row has the same ones. A bound at or below
    0 is left out: what it counts is in the next bucket as well.
    """
    bounds = np.asarray(sorted(bound for bound in cumulative if bound > 0.0))
    if not np.isfinite(bounds).any():
        return
    table = np.stack([cumulative[float(bound)] for bound in bounds], axis=1)
    layouts, which = np.unique(np.isfinite(table), axis=0, return_inverse=True)
    for index, has_bucket in enumerate(layouts):
        if not np.isfinite(bounds[has_bucket]).any():
            continue
        rows = which.reshape(-1) == index
        values = table[np.ix_(rows, has_bucket)]
        # Each bucket's rate is extrapolated on its own, so that a larger bucket may come out a little smaller. The last
        # one counts everything and is believed.
        rising = np.minimum(np.maximum.accumulate(np.maximum(values, 0.0), axis=1), np.maximum(values[:, -1:], 0.0))
        yield np.concatenate([[0.0], bounds[has_bucket]]), rows, np.diff(rising, axis=1, prepend=0.0)


def bands_from_le(cumulative: Mapping[float, Array], edges: Array, num_rows: int) -> Array:
    """Spread cumulative buckets onto bands.

    Parameters
    ----------
    cumulative : mapping of float to array (rows,)
        Rate of all events up to each upper bound; NaN where there is no such bucket at that time.
    edges : array (bands + 1,)
        Of the bands, in the unit of the bounds.
    num_rows : int
        Number of rows.

    Returns
    -------
    array (rows, bands)
        Non-cumulative rates; a row is NaN where nothing was measured. Its sum is the rate in the highest bucket.
    """
    bands = np.full((num_rows, max(len(edges) - 1, 0)), np.nan)
    for layout_edges, rows, rates in _layouts(cumulative):
        bands[rows] = rebucket(rates, layout_edges, edges)
    return bands


def edges_from_le(cumulative: Mapping[float, Array]) -> Array:
    """Edges of the finest layout that occurs, from 0 up; empty where there is none."""
    return max((edges for edges, _, _ in _layouts(cumulative)), key=len, default=np.empty(0))


def outermost_share(cumulative: Mapping[float, Array]) -> float:
    """Share of all events in the lowest or the highest bucket, whichever is more, 0–1.

    Near 1 it says that the buckets were not made for the unit that is measured.
    """
    sums = np.zeros(3)
    for _, _, rates in _layouts(cumulative):
        sums += rates[:, 0].sum(), rates[:, -1].sum(), rates.sum()
    return float(max(sums[:2]) / sums[2]) if sums[2] > 0.0 else 0.0


# -- sparse buckets ----------------------------------------------------------------------------------------------------

_LEAST, _MOST = 1e-300, 1e300
_OPEN_BUCKET_RATIO = 2.0  # width taken for a bucket that begins at 0 or below, or ends at +Inf


def parse_vmrange(text: str) -> tuple[float, float] | None:
    """Bounds of a VictoriaMetrics bucket, ``1.000e-01...1.136e-01``; None where it is none."""
    low_text, mark, high_text = text.partition("...")
    low, high = parse_le(low_text), parse_le(high_text)
    return (low, high) if mark and low is not None and high is not None and low < high else None


def sparse_shares(lows: Array, highs: Array, edges: Array) -> Array:
    """Share of each sparse bucket that falls into each band, log-uniform inside the bucket.

    Parameters
    ----------
    lows, highs : array (buckets,)
        Bounds, in any order. What is at or below 0 belongs to the lowest band; a bucket from 0 or below up to a value
        over 0, or from a value up to +Inf, is taken to be a factor of 2 wide.
    edges : array (bands + 1,)
        Of the bands, from 0, in the unit of the bounds.

    Returns
    -------
    array (buckets, bands)
        Every row sums to 1.
    """
    # logarithms need positive numbers that are finite; what lies beyond these is in the outermost bands anyway
    bottom, top = np.clip(lows, _LEAST, _MOST), np.clip(highs, _LEAST, _MOST)
    top = np.where(np.isfinite(highs), top, bottom * _OPEN_BUCKET_RATIO)
    bottom = np.where(lows > 0.0, bottom, top / _OPEN_BUCKET_RATIO)
    low, high = np.log(bottom)[:, None], np.log(top)[:, None]
    inner = np.log(edges[1:-1])[None, :]
    width = high - low
    below = np.where(width > 0.0, np.clip((inner - low) / np.where(width > 0.0, width, 1.0), 0.0, 1.0), inner >= low)
    ends = np.ones((len(lows), 1))
    return np.asarray(np.diff(np.hstack([0.0 * ends, below, ends]), axis=1))
