"""Which limits are crossed, and when that is worth a sound: hysteresis, and repeats until acknowledged."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from sonify.mapping.score import Alarm
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import Limits, State

__all__ = ["LimitTracker", "panel_values"]


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
    """

    def __init__(
        self, limits: Mapping[str, Limits], *, hysteresis_ratio: float = 0.1, repeat_s: float = 10.0, repeats: int = 2
    ) -> None:
        self._limits = dict(limits)
        self._hysteresis_ratio = hysteresis_ratio
        self._repeat_s = repeat_s
        self._repeats = repeats
        self._state = dict.fromkeys(limits, int(State.GREEN))
        self._reported = dict.fromkeys(limits, int(State.GREEN))
        self._since_report_s = dict.fromkeys(limits, repeat_s)
        self._repeats_left = dict.fromkeys(limits, 0)

    def acknowledge(self) -> None:
        """Stop repeating the alarms that stand now."""
        self._repeats_left = dict.fromkeys(self._repeats_left, 0)

    def update(self, frame: MetricFrame, duration_s: float) -> tuple[Alarm, ...]:
        """Take the next step, which will sound for `duration_s`; report the alarms that begin with it, worst first.

        A panel that is not measured keeps its state: nobody knows that it recovered.
        """
        if not frame.fresh:
            return ()
        values = panel_values(frame)
        alarms = []
        for panel in self._limits:
            self._state[panel] = self._next_state(panel, values[panel], self._state[panel])
            alarm = self._report(panel)
            if alarm is not None:
                alarms.append(alarm)
            self._since_report_s[panel] += duration_s
        return tuple(sorted(alarms, key=lambda alarm: (not alarm.worse, -self._state[alarm.panel])))

    def _report(self, panel: str) -> Alarm | None:
        state, reported = self._state[panel], self._reported[panel]
        rested = self._since_report_s[panel] >= self._repeat_s
        if state > reported:
            self._repeats_left[panel] = self._repeats
        elif state == State.RED == reported and rested and self._repeats_left[panel]:
            self._repeats_left[panel] -= 1
        elif not (state < reported and rested):
            return None
        self._reported[panel] = state
        self._since_report_s[panel] = 0.0
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
