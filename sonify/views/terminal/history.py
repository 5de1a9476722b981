"""What came in lately, a column a frame: the heatmap's and the glitches' past."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.frame import MetricFrame
from sonify.metrics.recording import GAP_INTERVALS
from sonify.views.summary import band_totals

__all__ = ["Column", "History"]

Array = NDArray[np.float64]

_MOST_COLUMNS = 512  # wider than any terminal
_MOST_MISSING = 64  # columns that one gap may take
_LATE_INTERVALS = 2.0  # without a frame for this long the picture moves on by itself, hatched


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One interval. `band_rate` (latency_bands,) over all backends in 1/s, NaN not measured; None when it was stale."""

    t: float
    band_rate: Array | None
    glitches: float


class History:
    """Columns, oldest first.

    Attributes
    ----------
    version : int
        Rises with every column.
    """

    def __init__(self) -> None:
        self.columns: deque[Column] = deque(maxlen=_MOST_COLUMNS)
        self.version = 0
        self._frame: MetricFrame | None = None
        self._has_data = False  # what was before the first data is no gap in them
        self._moved_s = 0.0

    def update(self, frame: MetricFrame, now_s: float) -> None:
        """Take what is playing now; `now_s` is any clock that only rises."""
        interval_s = max(frame.layout.interval_s, 0.1)
        if frame is not self._frame:
            before, self._frame = self._frame, frame
            if before is not None and before.t == frame.t and before.fresh == frame.fresh:
                return
            if before is not None and self._has_data and frame.t > before.t and frame.fresh:
                self._mark_gap(before.t, frame.t, interval_s)
            self._moved_s = now_s
            self._has_data = self._has_data or frame.fresh
            self._append(_column(frame))
        elif now_s - self._moved_s > _LATE_INTERVALS * interval_s and self.columns:
            self._moved_s += interval_s
            self._append(Column(self.columns[-1].t + interval_s, None, np.nan))

    def _mark_gap(self, from_s: float, to_s: float, interval_s: float) -> None:
        last_s = max(from_s, self.columns[-1].t) if self.columns else from_s
        if to_s - last_s > GAP_INTERVALS * interval_s:
            missing = min(round((to_s - last_s) / interval_s) - 1, _MOST_MISSING)
            for index in range(missing, 0, -1):
                self._append(Column(to_s - index * interval_s, None, np.nan))

    def _append(self, column: Column) -> None:
        self.columns.append(column)
        self.version += 1


def _column(frame: MetricFrame) -> Column:
    if not frame.fresh:
        return Column(frame.t, None, np.nan)
    glitch_rate = frame.glitch_rate[np.isfinite(frame.glitch_rate)]
    glitches = float(glitch_rate.sum()) * frame.layout.interval_s if len(glitch_rate) else np.nan
    return Column(frame.t, band_totals(frame), glitches)
