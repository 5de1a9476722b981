"""Classic histograms: cumulative ``le`` buckets over time become rates per band."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import rebucket

__all__ = ["bands_from_le", "edges_from_le", "outermost_share", "parse_le"]

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
