"""The conductor: updates that arrive when they like become steps on the engine's grid of quanta.

It knows no clock and no thread: it is told which quantum is next, and decides whether a step begins with it. What it
hands out can be recorded, one frame a step, and laid out again by `sonify.mapping.timeline` into the very same steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.bars import bar_quanta, is_silent_between_steps
from sonify.mapping.preset import SoundPreset
from sonify.mapping.timeline import Step, merge_frames
from sonify.metrics.frame import Layout, MetricFrame

__all__ = ["Conductor", "Pace", "find_pace"]

_SHORTEST_INTERVALS = 0.8  # a frame that comes a little early does not wait
_LONGEST_INTERVALS = 1.5  # a recording takes what is longer for a gap
_STALE_INTERVALS = 2.0
_DIGITS = 9  # of a number in a recording


@dataclass(frozen=True, slots=True)
class Pace:
    """How long steps are, in quanta.

    Attributes
    ----------
    nominal : int
        The interval of what is played.
    least, after_held : int
        A step is over after this time where an update is waiting; after one that only held on, sooner.
    most : int
        A step is over after this time in any case.
    grid : int
        Steps begin at multiples of this.
    stale : int
        After this time without an update the source counts as lost.
    """

    nominal: int
    least: int
    after_held: int
    most: int
    grid: int
    stale: int


def find_pace(preset: SoundPreset, interval_s: float, num_voices: int) -> Pace:
    """Find the pace of a preset for a source with an interval.

    Where backends are silent between their steps of a bar whatever happens, every step lasts the same whole bars.
    """
    interval = max(interval_s * CONTROL_RATE_HZ, 1.0)
    stale = math.floor(_STALE_INTERVALS * interval)
    if is_silent_between_steps(preset.arrangement):
        bar = bar_quanta(preset.arrangement, num_voices)
        nominal = max(math.ceil(interval / bar - 1e-6), 1) * bar
        return Pace(nominal, nominal, nominal, nominal, bar, stale)
    shortest = max(round(preset.motion.step * CONTROL_RATE_HZ), 1)
    nominal = max(round(interval), shortest)
    most = max(math.floor(_LONGEST_INTERVALS * nominal) - 1, nominal)
    least = max(shortest, math.floor(_SHORTEST_INTERVALS * interval))
    return Pace(nominal, min(least, nominal), shortest, most, 1, max(stale, shortest))


class Conductor:
    """Decide when steps begin, and what they play.

    Parameters
    ----------
    pace : Pace
        How long they are.
    layout : Layout
        Of the frames that come.
    red_latency_s : float
        Bands slower than this keep their peak where frames share a step.
    now : int
        The next quantum, from which on it counts how long it has waited.
    speed : float
        Seconds of the frames' time in a second of sound; over 1 where a recording is played fast.

    Attributes
    ----------
    layout : Layout
        Of the frames that are played: the source's, with the nominal length of a step as its interval.
    """

    def __init__(self, pace: Pace, layout: Layout, red_latency_s: float, now: int, *, speed: float = 1.0) -> None:
        self.pace = pace
        self.layout = replace(
            layout,
            interval_s=pace.nominal / CONTROL_RATE_HZ * speed,
            latency_edges_s=_rounded(layout.latency_edges_s, else_=math.inf),
            batch_edges=_rounded(layout.batch_edges, else_=math.inf),
        )
        self._interval_s = layout.interval_s
        self._red_latency_s = red_latency_s
        self._waiting: list[MetricFrame] = []
        self._heard = now  # when the newest update came
        self._start = now
        self._frame: MetricFrame | None = None
        self._is_first = True
        self._is_held = False

    def take(self, frame: MetricFrame, now: int) -> None:
        """Take a frame that has arrived before the quantum `now`."""
        self._waiting.append(frame)
        self._heard = now

    def next_step(self, now: int) -> Step | None:
        """Step that begins with the quantum `now`, or None where what plays goes on. Ask for every quantum in turn."""
        is_lost = not self._waiting and now - self._heard >= self.pace.stale
        if self._frame is None:
            if self._waiting:
                return self._begin_waiting(now)
            return self._begin(MetricFrame.unmeasured(self.layout, math.nan), now) if is_lost else None
        if not self._may_end(now):
            return None
        elapsed = now - self._start
        if self._waiting and elapsed >= (self.pace.after_held if self._is_held else self.pace.least):
            return self._begin_waiting(now)
        if is_lost and (self._frame.fresh or elapsed >= self.pace.nominal):
            return self._begin(MetricFrame.unmeasured(self.layout, math.nan), now, is_held=True)
        if elapsed >= self.pace.most or self._is_first:
            silent = np.where(np.isnan(self._frame.glitch_rate), np.nan, 0.0)
            return self._begin(replace(self._frame, glitch_rate=silent), now, is_held=True)
        return None

    def _may_end(self, now: int) -> bool:
        """Whether a step may begin here at all; the first lasts its nominal time, for it sets the time of all."""
        return now % self.pace.grid == 0 and now - self._start >= (self.pace.nominal if self._is_first else 1)

    def _begin_waiting(self, now: int) -> Step:
        frames, self._waiting = self._waiting, []
        merged = merge_frames(frames, self._red_latency_s)
        counts = [np.nan_to_num(frame.glitch_rate) * self._interval_s for frame in frames]
        rate = np.where(np.isnan(merged.glitch_rate), np.nan, np.sum(counts, axis=0) / self.layout.interval_s)
        return self._begin(_as_recorded(replace(merged, layout=self.layout, glitch_rate=rate)), now)

    def _begin(self, frame: MetricFrame, now: int, *, is_held: bool = False) -> Step:
        self._is_first = self._frame is None
        self._frame, self._start, self._is_held = frame, now, is_held
        glitches = np.nan_to_num(frame.glitch_rate) * self.layout.interval_s
        return Step(frame, glitches, now, self.pace.nominal, self.pace.nominal)


def _as_recorded(frame: MetricFrame) -> MetricFrame:
    """Round all numbers as a recording does, so that what is played is what is recorded."""
    return replace(
        frame,
        request_rate=_rounded(frame.request_rate),
        error_ratio=_rounded(frame.error_ratio),
        fallback_ratio=_rounded(frame.fallback_ratio),
        glitch_rate=_rounded(frame.glitch_rate),
        latency_rate=_rounded(frame.latency_rate),
        batch_rate=_rounded(frame.batch_rate),
        queue_depth=float(_rounded(np.array([frame.queue_depth]))[0]),
        active_requests=float(_rounded(np.array([frame.active_requests]))[0]),
    )


def _rounded(values: NDArray[np.float64], *, else_: float = math.nan) -> NDArray[np.float64]:
    """Round to the digits of a recording; what is not finite becomes `else_`."""
    numbers: Sequence[float] = values.ravel().tolist()
    rounded = [float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else else_ for number in numbers]
    return np.array(rounded, dtype=np.float64).reshape(values.shape)
