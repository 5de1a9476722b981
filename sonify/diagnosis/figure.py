"""A figure that was measured of a system: its value, range and method, or why there is not enough data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figure", "latency_text", "median_range", "unknown"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a filter.

    Attributes
    ----------
    filter, name : str
        ``compressor``, ``reverb`` or ``eq``, and which figure of it.
    backend : str
        Whose; empty where the service is meant. Untrusted text.
    value, low, high : float
        In `unit`, and the range that it may lie in; NaN where there is not enough data.
    unit : str
        ``1/s``, ``s``, or empty.
    method, sentence : str
        How it was measured, and what it says; where there is not enough data, why.
    """

    filter: str
    name: str
    backend: str
    value: float
    low: float
    high: float
    unit: str
    method: str
    sentence: str

    @property
    def is_known(self) -> bool:
        """Whether there was enough data."""
        return math.isfinite(self.value)


def unknown(filter_: str, name: str, backend: str, why: str) -> Figure:
    """Make a figure for which there is not enough data, and say why."""
    return Figure(filter_, name, backend, math.nan, math.nan, math.nan, "", "", f"not enough data: {why}")


def median_range(values: Float64) -> tuple[float, float, float]:
    """Median, and the range it lies in with 95 % (from the quartiles: ± 1.57 interquartile ranges over √n)."""
    median = float(np.median(values))
    low, high = np.quantile(values, [0.25, 0.75])
    half = 1.57 * float(high - low) / math.sqrt(len(values))
    return median, max(median - half, 0.0), median + half


def latency_text(value_s: float) -> str:
    """Write a latency in ms or s with three digits."""
    return f"{value_s * 1000.0:.3g} ms" if value_s < 0.9995 else f"{value_s:.3g} s"
