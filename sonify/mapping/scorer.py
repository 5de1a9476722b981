"""`Scorer`: steps of metrics become scores, with what depends on the steps before: limits crossed, and habituation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.alarms import LimitTracker
from sonify.mapping.habituation import Habituation
from sonify.mapping.mapper import Mapper
from sonify.mapping.score import Score
from sonify.mapping.timeline import Step

__all__ = ["Scorer"]


class Scorer:
    """Score steps in the order of time.

    Parameters
    ----------
    mapper : Mapper
        How one frame sounds.
    after : LimitTracker or None
        That of a scorer whose place this one takes while everything plays on: what stands is not called again.

    Attributes
    ----------
    limits : LimitTracker
        Which panels are over a limit; its alarms may be acknowledged.
    """

    def __init__(self, mapper: Mapper, *, after: LimitTracker | None = None) -> None:
        self._mapper = mapper
        preset = mapper.preset
        self.limits = LimitTracker(
            preset.limits,
            hysteresis_ratio=preset.alarms.hysteresis,
            repeat_s=preset.alarms.repeat,
            repeats=preset.alarms.repeats,
            after=after,
        )
        self._habituation = Habituation(preset.arrangement.habituation, preset.arrangement.habituation_time)

    def score(self, step: Step) -> Score:
        """Score the next step. How long it will last need not be known: live, nobody knows."""
        now_s = step.start_quantum / CONTROL_RATE_HZ
        alarms = self.limits.update(step.frame, now_s)
        score = self._mapper.score(step.frame, step.glitch_count, alarms)
        return replace(
            score,
            emphasis_gain=score.emphasis_gain * self._habituation.gain(score, now_s),
            spread_quanta=step.spread_quanta,
        )

    def all(self, steps: Iterable[Step]) -> Iterator[tuple[Score, int]]:
        """Score all steps, each with its length in quanta."""
        return ((self.score(step), step.num_quanta) for step in steps)
