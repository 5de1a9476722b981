"""How old the data of each panel are, where whole frames come and nothing else says."""

from __future__ import annotations

import math

import numpy as np

from sonify.metrics.frame import MetricFrame

__all__ = ["PanelAges"]

_COLUMNS = {
    "requests": "request_rate",
    "errors": "error_ratio",
    "fallbacks": "fallback_ratio",
    "glitches": "glitch_rate",
    "latency": "latency_rate",
    "batch": "batch_rate",
}
_GAUGES = {"queue": "queue_depth", "active": "active_requests"}


class PanelAges:
    """Remember when each panel was last measured."""

    def __init__(self) -> None:
        self._last_t: dict[str, float] = {}

    def of(self, frame: MetricFrame) -> dict[str, float]:
        """Take a frame into account; return ages at its time in s, by table, without panels that never came."""
        if frame.fresh:
            measured = [table for table, name in _COLUMNS.items() if not np.isnan(getattr(frame, name)).all()]
            measured += [table for table, name in _GAUGES.items() if not math.isnan(getattr(frame, name))]
            self._last_t |= dict.fromkeys(measured, frame.t)
        return {table: max(frame.t - last_t, 0.0) for table, last_t in self._last_t.items()}
