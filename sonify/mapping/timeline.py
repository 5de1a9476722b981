"""Compressed time: which metric frame sounds when, and what many frames that share one step amount to.

Rates are averaged and states take the worst: ratios, gauges and every latency band over the red limit keep their peak,
as a spectrum analyzer's peak detector does, so that a one-minute outage in a day played in a minute is still heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.bars import bar_quanta, is_silent_between_steps
from sonify.mapping.preset import SoundPreset
from sonify.metrics.frame import MetricFrame
from sonify.metrics.recording import Recording

__all__ = ["Step", "Timeline", "lay_out", "lay_out_for", "merge_frames"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One stretch of sound, and the metrics that it plays.

    Attributes
    ----------
    frame : MetricFrame
        Perhaps many frames in one; unmeasured and not fresh in a gap.
    glitch_count : array (backends,)
        Glitches in all of them.
    start_quantum, num_quanta : int
        When and how long, in quanta of the engine.
    spread_quanta : int
        Time over which its glitches are spread, whenever the next step begins; 0: its own length.
    """

    frame: MetricFrame
    glitch_count: Array
    start_quantum: int
    num_quanta: int
    spread_quanta: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The steps of a whole recording.

    Attributes
    ----------
    recording : Recording
        One frame a step that has one.
    glitch_count : array (frames, backends)
        Glitches of each.
    starts : int array (steps + 1,)
        Quantum where each step begins; last, where the sound ends.
    rows : int array (steps,)
        Frame of each step; −1 in a gap.
    speed : float
        Metric seconds a second of sound.
    spread_quanta : int
        Time over which the glitches of a step are spread; 0: its own length.
    """

    recording: Recording
    glitch_count: Array
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    speed: float
    spread_quanta: int = 0

    @property
    def num_quanta(self) -> int:
        """Length of the sound in quanta."""
        return int(self.starts[-1])

    def steps(self) -> Iterator[Step]:
        """All steps in order."""
        layout = self.recording.layout
        silent = np.zeros(layout.num_backends)
        for index, row in enumerate(self.rows):
            start, end = int(self.starts[index]), int(self.starts[index + 1])
            if row < 0:
                t = self.recording.start_s + end * self.speed / CONTROL_RATE_HZ
                yield Step(MetricFrame.unmeasured(layout, t), silent, start, end - start)
            else:
                frame, glitches = self.recording.frame(row), self.glitch_count[row]
                yield Step(frame, glitches, start, end - start, self.spread_quanta)


def lay_out(
    recording: Recording, *, speed: float, shortest_step_s: float, red_latency_s: float, on_grid: bool = False
) -> Timeline:
    """Lay a recording out over time.

    Parameters
    ----------
    recording : Recording
        At least one frame.
    speed : float
        Metric seconds a second of sound.
    shortest_step_s : float
        No step is shorter than this; frames that would be share one.
    red_latency_s : float
        Bands slower than this keep their peak instead of their average.
    on_grid : bool
        Whether steps may only begin at multiples of `shortest_step_s`, as bars do.
    """
    frame_s = recording.layout.interval_s / speed
    if round(frame_s * CONTROL_RATE_HZ) >= round(shortest_step_s * CONTROL_RATE_HZ):
        return _one_step_a_frame(recording, speed, round(shortest_step_s * CONTROL_RATE_HZ) if on_grid else 1)
    return _frames_share_steps(recording, speed, shortest_step_s, red_latency_s)


def lay_out_for(preset: SoundPreset, recording: Recording, speed: float) -> Timeline:
    """Lay a recording out as a preset's arrangement needs it.

    Where backends are silent between their steps of a bar whatever happens, nothing that is shorter than a bar could be
    heard of them: there every step lasts for whole bars.
    """
    by_bars = is_silent_between_steps(preset.arrangement)
    bar_s = bar_quanta(preset.arrangement, recording.layout.num_backends) / CONTROL_RATE_HZ
    return lay_out(
        recording,
        speed=speed,
        shortest_step_s=bar_s if by_bars else preset.motion.step,
        red_latency_s=preset.limits["latency_p95"].red,
        on_grid=by_bars,
    )


def _quantum(recording: Recording, t: Array, speed: float) -> NDArray[np.int64]:
    return np.asarray(np.rint((t - recording.start_s) / speed * CONTROL_RATE_HZ), dtype=np.int64)


def _one_step_a_frame(recording: Recording, speed: float, grid_quanta: int) -> Timeline:
    ends = _quantum(recording, recording.t, speed)
    begins = _quantum(recording, recording.t - recording.layout.interval_s, speed)
    total = int(ends[-1])
    ends, begins = ((quanta + grid_quanta // 2) // grid_quanta * grid_quanta for quanta in (ends, begins))
    starts, rows = [0], []
    for row, gap in enumerate(recording.gap_before):
        if gap:
            rows.append(-1)
            starts.append(int(begins[row]))
        rows.append(row)
        starts.append(int(ends[row]))
    starts[-1] = max(total, starts[-2] + 1)
    glitches = np.nan_to_num(recording.glitch_rate) * recording.layout.interval_s
    # frames that come a little early or late each have an interval's time for their glitches; a bar is never left
    spread = max(round(recording.layout.interval_s / speed * CONTROL_RATE_HZ), 1) if grid_quanta == 1 else 0
    return Timeline(recording, glitches, np.asarray(starts), np.asarray(rows), speed, spread)


def _frames_share_steps(recording: Recording, speed: float, shortest_step_s: float, red_latency_s: float) -> Timeline:
    step_quanta = round(shortest_step_s * CONTROL_RATE_HZ)
    total = max(int(_quantum(recording, recording.t[-1:], speed)[0]), 1)
    num_steps = max(total // step_quanta, 1)
    starts = np.append(np.arange(num_steps) * step_quanta, total)
    middles = _quantum(recording, recording.t - recording.layout.interval_s / 2, speed)
    step_of_frame = np.minimum(middles // step_quanta, num_steps - 1)
    first = np.flatnonzero(np.diff(step_of_frame, prepend=-1))
    condensed, glitches = _condense(recording, first, red_latency_s)
    rows = np.full(num_steps, -1)
    rows[step_of_frame[first]] = np.arange(len(first))
    return Timeline(condensed, glitches, starts, rows, speed)


def merge_frames(frames: Sequence[MetricFrame], red_latency_s: float) -> MetricFrame:
    """Merge frames of one layout that follow each other, as those that share a step; it has the last one's time."""
    if len(frames) == 1:
        return frames[0]
    layout = frames[0].layout
    recording = Recording.from_frames(layout, frames)
    in_a_row = replace(recording, t=layout.interval_s * np.arange(1.0, len(frames) + 1.0))
    merged, _ = _condense(in_a_row, np.zeros(1, np.int64), red_latency_s)
    return replace(merged.frame(0), t=frames[-1].t)


def _condense(recording: Recording, first: NDArray[np.int64], red_latency_s: float) -> tuple[Recording, Array]:
    """Merge runs of frames that begin at the indices `first`; also count the glitches of each run."""
    fresh = recording.fresh & ~recording.gap_before
    last = np.append(first[1:], len(recording)) - 1

    def worst(column: Array) -> Array:
        merged: Array = np.fmax.reduceat(column, first, axis=0)
        return merged

    def mean(column: Array) -> Array:
        measured = np.add.reduceat(~np.isnan(column), first, axis=0, dtype=np.int64)
        total = np.add.reduceat(np.nan_to_num(column), first, axis=0)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(measured > 0, total / measured, np.nan))

    edges_s = recording.layout.latency_edges_s
    over_red = edges_s[:-1] >= red_latency_s
    latency_rate = np.where(over_red, worst(recording.latency_rate), mean(recording.latency_rate))
    merged: dict[str, Callable[[Array], Array]] = {
        "request_rate": mean,
        "error_ratio": worst,
        "fallback_ratio": worst,
        "glitch_rate": mean,
        "batch_rate": mean,
        "queue_depth": worst,
        "active_requests": worst,
    }
    columns: dict[str, Any] = {name: merge(getattr(recording, name)) for name, merge in merged.items()}
    condensed = replace(
        recording,
        t=recording.t[last],
        latency_rate=latency_rate,
        fresh=np.logical_and.reduceat(fresh, first),
        **columns,
    )
    glitches = np.add.reduceat(np.nan_to_num(recording.glitch_rate), first, axis=0) * recording.layout.interval_s
    return condensed, glitches
