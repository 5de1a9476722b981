"""How sure a rate or a share is over its limit: few requests prove little, however large their share looks.

Counts are tested in windows of 1, 2, 4 … frames that end with each frame, against a binomial (shares) or a Poisson law
(rates) whose mean lies at the limit. Traffic comes in bursts, so that counts spread wider than those laws say; they are
divided by their own dispersion first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammainc, gammaincc

__all__ = ["SURE", "Evidence", "dispersion", "rate_evidence", "share_evidence"]

Float64 = NDArray[np.float64]

SURE = 1e-6  # chance of a false finding in one window: a day of frames of ten backends makes a million windows
_WINDOWS = (1, 2, 4, 8, 16)
_MAD_TO_SIGMA = 1.4826


class Evidence(NamedTuple):
    """Outcome of a test for each frame.

    Attributes
    ----------
    chance : array (frames,)
        Smallest chance, over all windows that end here, of what was counted if the limit were only just kept; 1 where
        nothing was measured.
    frames : int array (frames,)
        Length of that window.
    """

    chance: Float64
    frames: NDArray[np.int64]

    @property
    def is_over(self) -> NDArray[np.bool_]:
        """Whether it is sure that the limit is passed, shape (frames,)."""
        return self.chance < SURE


def dispersion(counts: Float64) -> float:
    """Ratio of a count's variance to that of a Poisson law with its mean, from its calm majority; at least 1.

    It is estimated from the differences of neighbours, so that slow changes of the load do not count as spread.
    """
    known = counts[np.isfinite(counts)]
    mean = float(np.median(known)) if len(known) else 0.0
    if len(known) < 8 or mean < 1.0:
        return 1.0
    steps = np.diff(known) / np.sqrt(2.0)
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(steps - np.median(steps))))
    return max(sigma**2 / mean, 1.0)


def _window_sums(values: Float64, length: int) -> Float64:
    """Sum of the last `length` values; NaN counts as nothing."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
    start = np.maximum(np.arange(len(values)) + 1 - length, 0)
    return np.asarray(total[1:] - total[start])


def _best(chances: list[Float64], measured: NDArray[np.bool_]) -> Evidence:
    table = np.where(measured, np.stack(chances), 1.0)
    choice = np.argmin(table, axis=0)
    return Evidence(table[choice, np.arange(table.shape[1])], np.asarray(_WINDOWS)[choice])


def share_evidence(events: Float64, of: Float64, limit: float, *, spread: float = 1.0) -> Evidence:
    """Test whether `events` are more than the share `limit` of `of`; counts a frame, shape (frames,)."""
    chances = []
    for length in _WINDOWS:
        k = np.floor(_window_sums(events, length) / spread + 1e-9)
        n = np.maximum(np.round(_window_sums(of, length) / spread), k)
        # chance of k or more out of n: the binomial tail as an incomplete beta function
        chances.append(np.where(k > 0.0, betainc(np.maximum(k, 1.0), n - k + 1.0, limit), 1.0))
    return _best(chances, np.isfinite(events) & np.isfinite(of))


def rate_evidence(counts: Float64, mean: Float64 | float, *, spread: float = 1.0, below: bool = False) -> Evidence:
    """Test whether counts a frame are over (or below) a mean a frame; shape (frames,)."""
    means = np.broadcast_to(np.asarray(mean, dtype=np.float64), counts.shape)
    chances = []
    for length in _WINDOWS:
        k, mu = _window_sums(counts, length) / spread, _window_sums(means, length) / spread
        if below:
            chances.append(np.asarray(gammaincc(np.ceil(k - 1e-9) + 1.0, mu)))  # so few or fewer
        else:
            whole = np.floor(k + 1e-9)
            chances.append(np.where(whole > 0.0, gammainc(np.maximum(whole, 1.0), mu), 1.0))
    return _best(chances, np.isfinite(counts))
