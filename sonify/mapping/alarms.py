"""Which limits are crossed, and when that is worth a sound: hysteresis, and repeats until acknowledged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np

from sonify.mapping.score import Alarm
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import Limits, State

__all__ = ["LimitTracker", "panel_values"]

_ROUNDING_S = 1e-6  # far less than a quantum: differences of times are not exact


def panel_values(frame: MetricFrame) -> dict[str, float]:
    """Worst value of each panel over all backends; NaN where it is not measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a panel that no backend measured has no worst value
        return {
            "request_rate": float(np.nanmax(frame.request_rate)),
            "error_ratio": float(np.nanmax(frame.error_ratio)),
            "latency_p95": float(np.nanmax(frame.latency_quantile_s(0.95))),
            "fallback_ratio": float(np.nanmax(frame.fallback_ratio)),
            "glitch_rate": float(np.nanmax(frame.glitch_rate)),
            "queue_depth": frame.queue_depth,
            "active_requests": frame.active_requests,
        }


class LimitTracker:
    """Follow the state of every panel and report what crossed a limit.

    Worse is reported at once. Recovered, and red that stands, are reported at most once in `repeat_s`, so that a panel
    that flutters around its limit does not chatter.

    Parameters
    ----------
    limits : mapping of str to Limits
        By panel.
    hysteresis_ratio : float
        A panel recovers only once it is this share under its limit.
    repeat_s : float
        Least time between reports of a panel that does not get worse.
    repeats : int
        How often red that stands is reported again; not at all once acknowledged.
    after : LimitTracker or None
        Whose states this one goes on with. Where the limits of a panel differ, the first value that comes decides its
        state, and nothing is reported: the world did not change, only the limit did.
    """

    def __init__(
        self,
        limits: Mapping[str, Limits],
        *,
        hysteresis_ratio: float = 0.1,
        repeat_s: float = 10.0,
        repeats: int = 2,
        after: LimitTracker | None = None,
    ) -> None:
        self._limits = dict(limits)
        self._hysteresis_ratio = hysteresis_ratio
        self._repeat_s = repeat_s
        self._repeats = repeats
        self._state = dict.fromkeys(limits, int(State.GREEN))
        self._reported = dict.fromkeys(limits, int(State.GREEN))
        self._reported_s = dict.fromkeys(limits, -math.inf)
        self._repeats_left = dict.fromkeys(limits, 0)
        self._measured: frozenset[str] = frozenset()
        self._acknowledged: set[str] = set()
        self._undecided: set[str] = set()
        if after is not None:
            self._go_on(after)

    def _go_on(self, after: LimitTracker) -> None:
        for panel, limits in self._limits.items():
            if after._limits.get(panel) != limits or panel in after._undecided:
                self._undecided.add(panel)
                continue
            self._state[panel], self._reported[panel] = after._state[panel], after._reported[panel]
            self._reported_s[panel] = after._reported_s[panel]
            self._repeats_left[panel] = min(after._repeats_left[panel], self._repeats)
        self._measured = after._measured
        self._acknowledged = set(after._acknowledged)

    @property
    def states(self) -> dict[str, State]:
        """State of each panel as it is heard; UNKNOWN where it was not measured lately."""
        return {
            panel: State(state) if panel in self._measured else State.UNKNOWN for panel, state in self._state.items()
        }

    @property
    def unacknowledged(self) -> tuple[str, ...]:
        """Panels in the red that nobody has acknowledged."""
        return tuple(
            panel for panel, state in self._state.items() if state == State.RED and panel not in self._acknowledged
        )

    def acknowledge(self) -> None:
        """Stop repeating the alarms that stand now."""
        self._repeats_left = dict.fromkeys(self._repeats_left, 0)
        self._acknowledged = {panel for panel, state in self._state.items() if state == State.RED}

    def update(self, frame: MetricFrame, now_s: float) -> tuple[Alarm, ...]:
        """Take the next step, which begins at `now_s` (any clock); report the alarms that begin with it, worst first.

        A panel that is not measured keeps its state: nobody knows that it recovered. In a frame that is not fresh, that
        is where one of several sources is lost, things may get worse but not better.
        """
        values = panel_values(frame)
        self._measured = frozenset(panel for panel in self._limits if not math.isnan(values[panel]))
        alarms = []
        for panel in self._limits:
            if panel in self._undecided:
                self._decide(panel, values[panel])
                continue
            state = self._next_state(panel, values[panel], self._state[panel])
            if not frame.fresh and state <= self._state[panel]:
                continue
            self._state[panel] = state
            if state != State.RED:
                self._acknowledged.discard(panel)
            alarm = self._report(panel, now_s)
            if alarm is not None:
                alarms.append(alarm)
        return tuple(sorted(alarms, key=lambda alarm: (not alarm.worse, -self._state[alarm.panel])))

    def _decide(self, panel: str, value: float) -> None:
        """Take the state of a panel whose limits are new as it is."""
        if not math.isnan(value):
            self._state[panel] = self._reported[panel] = int(self._limits[panel].states(value))
            self._undecided.discard(panel)

    def _report(self, panel: str, now_s: float) -> Alarm | None:
        state, reported = self._state[panel], self._reported[panel]
        rested = now_s - self._reported_s[panel] >= self._repeat_s - _ROUNDING_S
        if state > reported:
            self._repeats_left[panel] = self._repeats
        elif state == State.RED == reported and rested and self._repeats_left[panel]:
            self._repeats_left[panel] -= 1
        elif not (state < reported and rested):
            return None
        self._reported[panel] = state
        self._reported_s[panel] = now_s
        return Alarm(panel, worse=state >= reported)

    def _next_state(self, panel: str, value: float, before: int) -> int:
        limits = self._limits[panel]
        state = int(limits.states(value))
        if state == State.UNKNOWN:
            return before
        if state < before:
            relaxed = int(limits.states(value / (1.0 - self._hysteresis_ratio)))
            return max(state, min(relaxed, before))
        return state
