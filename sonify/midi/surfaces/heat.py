"""The latency heatmap on a few pads: a column an interval, fast below and slow above."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import Limits, State

__all__ = ["Column", "HeatHistory", "shares", "zones"]

_MOST_COLUMNS = 16
_LEAST_SPAN_S = 1.0  # of a column: what scrolls faster cannot be read
_LOW_RATE, _HIGH_RATE = 0.01, 100.0  # 1/s: dark, and full brightness; fixed, so that today compares with yesterday


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Latencies of some time, all backends together; `band_rate` in 1/s, NaN not measured, None while stale."""

    t: float
    band_rate: NDArray[np.float64] | None
    edges_s: NDArray[np.float64]


class HeatHistory:
    """The newest columns, oldest first."""

    def __init__(self) -> None:
        self._columns: deque[Column] = deque(maxlen=_MOST_COLUMNS)
        self._frame: MetricFrame | None = None

    def update(self, frame: MetricFrame) -> None:
        """Take what plays now; the same frame again changes nothing."""
        if frame is self._frame:
            return
        before, self._frame = self._frame, frame
        if before is not None and before.t == frame.t and before.fresh == frame.fresh:
            return
        column = Column(frame.t, _totals(frame) if frame.fresh else None, frame.layout.latency_edges_s)
        last = self._columns[-1] if self._columns else None
        if last is not None and 0.0 <= frame.t - last.t < _LEAST_SPAN_S and _alike(last, column):
            assert last.band_rate is not None
            assert column.band_rate is not None
            self._columns[-1] = Column(last.t, np.fmax(last.band_rate, column.band_rate), last.edges_s)
        else:
            self._columns.append(column)

    @property
    def columns(self) -> tuple[Column, ...]:
        """All of them."""
        return tuple(self._columns)


def _alike(one: Column, other: Column) -> bool:
    return one.band_rate is not None and other.band_rate is not None and len(one.edges_s) == len(other.edges_s)


def _totals(frame: MetricFrame) -> NDArray[np.float64]:
    measured = np.isfinite(frame.latency_rate)
    total = np.where(measured, frame.latency_rate, 0.0).sum(axis=0)
    return np.where(measured.any(axis=0), total, np.nan)


def _first_bands(num_bands: int, num_rows: int) -> NDArray[np.intp]:
    """First band of each row; where there are fewer bands than rows, bands show on more than one row."""
    return np.minimum(np.arange(num_rows) * num_bands // num_rows, num_bands - 1).astype(np.intp)


@lru_cache(maxsize=256)
def shares(column: Column, num_rows: int) -> tuple[float, ...]:
    """Brightness of each row, fast to slow, 0–1 on a fixed logarithmic range of rates; NaN not measured, −1 stale."""
    if column.band_rate is None:
        return (-1.0,) * num_rows
    first = _first_bands(len(column.band_rate), num_rows)
    sums = np.add.reduceat(column.band_rate, first)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(np.maximum(sums, 0.0) / _LOW_RATE) / np.log(_HIGH_RATE / _LOW_RATE)
        # anything that happened shows
        share = np.where(sums > 0.0, np.clip(share, 0.05, 1.0), np.where(np.isnan(sums), np.nan, 0.0))
    return tuple(float(value) for value in share)


@lru_cache(maxsize=64)
def zones(column: Column, num_rows: int, limits: Limits) -> tuple[State, ...]:
    """State that the middle of each row's latencies would be in."""
    edges_s = column.edges_s
    first = [*_first_bands(len(edges_s) - 1, num_rows), len(edges_s) - 1]
    states = []
    for low, high in pairwise(first):
        low_s, high_s = float(edges_s[low]), float(edges_s[max(high, low + 1)])
        middle_s = low_s if np.isinf(high_s) else high_s / 2.0 if low_s <= 0.0 else float(np.sqrt(low_s * high_s))
        states.append(State(int(limits.states(middle_s))))
    return tuple(states)
