"""`Recording`: metric frames as columns over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import LatencyBands, quantile_s, rebucket
from sonify.metrics.frame import Array, Layout, MetricFrame

__all__ = ["GAP_INTERVALS", "Event", "Recording"]

GAP_INTERVALS = 1.5  # a jump in time of more than this many intervals is a gap: stale in between


@dataclass(frozen=True, slots=True)
class Event:
    """Something that someone noted: a fault, a deploy. `end` is None for a moment; times in Unix s."""

    t: float
    end: float | None
    kind: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The columns of many frames. NaN means *not measured*.

    Attributes
    ----------
    layout : Layout
        What the axes mean.
    source : str
        Where it comes from. Untrusted text.
    events : tuple of Event
        In order of time.
    t : array (frames,)
        Ends of the intervals, Unix s, rising.
    request_rate, error_ratio, fallback_ratio, glitch_rate : array (frames, backends)
        1/s, 0–1, 0–1, 1/s.
    latency_rate : array (frames, backends, latency_bands)
        Non-cumulative, 1/s.
    batch_rate : array (frames, batch_bands)
        Non-cumulative, 1/s.
    queue_depth, active_requests : array (frames,)
        Counts.
    fresh : bool array (frames,)
        False where the source delivered nothing.
    """

    layout: Layout
    source: str
    events: tuple[Event, ...]
    t: Array
    request_rate: Array
    error_ratio: Array
    fallback_ratio: Array
    glitch_rate: Array
    latency_rate: Array
    batch_rate: Array
    queue_depth: Array
    active_requests: Array
    fresh: NDArray[np.bool_]

    @classmethod
    def from_frames(
        cls, layout: Layout, frames: Iterable[MetricFrame], *, source: str = "", events: Iterable[Event] = ()
    ) -> Recording:
        """Stack frames that share `layout`."""
        rows = list(frames)

        def column(name: str, *shape: int) -> Array:
            values = [getattr(frame, name) for frame in rows]
            return np.asarray(values, dtype=np.float64).reshape(len(rows), *shape)

        backends, bands = layout.num_backends, layout.num_latency_bands
        return cls(
            layout=layout,
            source=source,
            events=tuple(sorted(events, key=lambda event: event.t)),
            t=column("t"),
            request_rate=column("request_rate", backends),
            error_ratio=column("error_ratio", backends),
            fallback_ratio=column("fallback_ratio", backends),
            glitch_rate=column("glitch_rate", backends),
            latency_rate=column("latency_rate", backends, bands),
            batch_rate=column("batch_rate", layout.num_batch_bands),
            queue_depth=column("queue_depth"),
            active_requests=column("active_requests"),
            fresh=np.asarray([frame.fresh for frame in rows], dtype=np.bool_),
        )

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.t)

    @property
    def start_s(self) -> float:
        """Where the first interval begins, Unix s."""
        return float(self.t[0]) - self.layout.interval_s if len(self) else 0.0

    @property
    def end_s(self) -> float:
        """Where the last interval ends, Unix s."""
        return float(self.t[-1]) if len(self) else 0.0

    @property
    def duration_s(self) -> float:
        """From the first interval's begin to the last one's end, in s."""
        return self.end_s - self.start_s

    @property
    def gap_before(self) -> NDArray[np.bool_]:
        """Whether a gap lies before each frame, shape (frames,)."""
        jump_s = np.diff(self.t, prepend=self.start_s)
        return np.asarray(jump_s > GAP_INTERVALS * self.layout.interval_s)

    def frame(self, index: int) -> MetricFrame:
        """Return one frame; its arrays are views."""
        return MetricFrame(
            layout=self.layout,
            t=float(self.t[index]),
            request_rate=self.request_rate[index],
            error_ratio=self.error_ratio[index],
            fallback_ratio=self.fallback_ratio[index],
            glitch_rate=self.glitch_rate[index],
            latency_rate=self.latency_rate[index],
            batch_rate=self.batch_rate[index],
            queue_depth=float(self.queue_depth[index]),
            active_requests=float(self.active_requests[index]),
            fresh=bool(self.fresh[index]),
        )

    def frames(self) -> Iterator[MetricFrame]:
        """All frames in order of time."""
        return (self.frame(index) for index in range(len(self)))

    def between(self, since_s: float | None, until_s: float | None) -> Recording:
        """Keep the frames whose interval ends after `since_s` and no later than `until_s` (Unix s, None: open)."""
        kept = np.ones(len(self), dtype=np.bool_)
        if since_s is not None:
            kept &= self.t > since_s
        if until_s is not None:
            kept &= self.t <= until_s
        columns = {field.name: getattr(self, field.name)[kept] for field in fields(self)[3:]}
        return replace(self, **columns)

    def on_bands(self, bands: LatencyBands) -> Recording:
        """Re-bucket the latencies onto the engine's bands."""
        edges_s = bands.edges_s
        return replace(
            self,
            layout=replace(self.layout, latency_edges_s=edges_s),
            latency_rate=rebucket(self.latency_rate, self.layout.latency_edges_s, edges_s),
        )

    def latency_quantile_s(self, q: float) -> Array:
        """Quantile of the latency in s, shape (frames, backends), from the bands; NaN where there is none."""
        return quantile_s(self.latency_rate, self.layout.latency_edges_s, q)
