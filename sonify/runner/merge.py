"""Several sources become one stream of frames: their backends stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import rebucket
from sonify.metrics.frame import Layout, MetricFrame

__all__ = ["Merger"]

Array = NDArray[np.float64]

_OVERDUE_INTERVALS = 2.0


class Merger:
    """Merge the frames of sources.

    The source whose frames come most often sets the pace: with each of its frames goes the newest of all the others. A
    frame is fresh where all sources are, so that the loss of any is heard; those that are well play on.

    Parameters
    ----------
    titles : sequence of str
        Of the sources; backends that two of them have are prefixed by it.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = list(titles)
        self._newest: list[MetricFrame | None] = [None] * len(titles)
        self._at_s = [0.0] * len(titles)
        self._layout: Layout | None = None
        self._layouts: list[Layout | None] = []

    def add(self, index: int, frame: MetricFrame, now_s: float) -> MetricFrame | None:
        """Take a frame of a source; return one of all, where it is time for that. `now_s` is any steady clock."""
        if len(self._titles) == 1:
            return frame
        self._newest[index], self._at_s[index] = frame, now_s
        return self._merged(now_s) if index == self._leader(now_s) else None

    def _is_overdue(self, index: int, now_s: float) -> bool:
        frame = self._newest[index]
        return frame is None or now_s - self._at_s[index] > _OVERDUE_INTERVALS * frame.layout.interval_s

    def _leader(self, now_s: float) -> int:
        """Return the source with the shortest interval among those that still come; the first of equals."""
        intervals = [
            (frame.layout.interval_s, index)
            for index, frame in enumerate(self._newest)
            if frame is not None and not self._is_overdue(index, now_s)
        ]
        return min(intervals)[1]

    def _merged(self, now_s: float) -> MetricFrame:
        known = [(index, frame) for index, frame in enumerate(self._newest) if frame is not None]
        frames = []
        for index, frame in known:
            lost = self._is_overdue(index, now_s)
            frames.append(MetricFrame.unmeasured(frame.layout, frame.t) if lost else frame)
        layout = self._layout_of([index for index, _ in known], frames, now_s)
        return MetricFrame(
            layout=layout,
            t=max(frame.t for frame in frames),
            request_rate=np.concatenate([frame.request_rate for frame in frames]),
            error_ratio=np.concatenate([frame.error_ratio for frame in frames]),
            fallback_ratio=np.concatenate([frame.fallback_ratio for frame in frames]),
            glitch_rate=np.concatenate([frame.glitch_rate for frame in frames]),
            latency_rate=np.concatenate(
                [rebucket(f.latency_rate, f.layout.latency_edges_s, layout.latency_edges_s) for f in frames]
            ),
            batch_rate=_total_batches(frames, layout),
            queue_depth=_total([frame.queue_depth for frame in frames]),
            active_requests=_total([frame.active_requests for frame in frames]),
            fresh=len(known) == len(self._titles) and all(frame.fresh for frame in frames),
        )

    def _layout_of(self, indices: list[int], frames: list[MetricFrame], now_s: float) -> Layout:
        """Layout of all; the same object as long as nothing changes."""
        leader = self._newest[self._leader(now_s)]
        interval_s = leader.layout.interval_s if leader is not None else frames[0].layout.interval_s
        layouts: list[Layout | None] = [frame.layout for frame in frames]
        same = len(layouts) == len(self._layouts) and all(a is b for a, b in zip(layouts, self._layouts, strict=True))
        if self._layout is None or not same or self._layout.interval_s != interval_s:
            names = [name for frame in frames for name in frame.layout.backends]
            backends = [
                f"{self._titles[index]} {name}" if names.count(name) > 1 else name
                for index, frame in zip(indices, frames, strict=True)
                for name in frame.layout.backends
            ]
            batches = [frame.layout.batch_edges for frame in frames if frame.layout.num_batch_bands]
            self._layouts = layouts
            self._layout = replace(
                frames[0].layout,
                interval_s=interval_s,
                backends=tuple(backends),
                batch_edges=batches[0] if batches else np.empty(0),
            )
        return self._layout


def _total(values: list[float]) -> float:
    measured = [value for value in values if not np.isnan(value)]
    return float(np.sum(measured)) if measured else float("nan")


def _total_batches(frames: list[MetricFrame], layout: Layout) -> Array:
    parts = [
        rebucket(frame.batch_rate, frame.layout.batch_edges, layout.batch_edges)
        for frame in frames
        if frame.layout.num_batch_bands
    ]
    if not parts:
        return np.full(layout.num_batch_bands, np.nan)
    measured = ~np.isnan(parts).all(axis=0)
    return np.asarray(np.where(measured, np.nansum(parts, axis=0), np.nan))
