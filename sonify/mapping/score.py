"""`Score`: what every voice has to do, in the language of sound. All that audio and MIDI know of the metrics."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alarm", "Score"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A limit that was crossed: which panel, and whether it got worse or recovered."""

    panel: str
    worse: bool


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Targets of all voices for one step of time. Finite by construction: what was not measured is not played.

    Attributes
    ----------
    partial_gain : array (backends, partials)
        Linear gain of each partial: one a latency band, fast to slow, and last the one for traffic whose latency is
        not measured.
    overtone_gain : array (backends,)
        Gain of overtones 2–5, summed, against the fundamentals; 0 is none.
    roughness_depth : array (backends,)
        Depth of the amplitude modulation, 0–1.
    emphasis_gain : array (backends,)
        Linear gain of the whole voice: over 1 comes forward, under 1 steps back.
    hold_ratio : array (backends,)
        How far a voice keeps sounding between its steps of a bar: 0 as the bar has it, 1 without a pause.
    glitch_count : array (backends,)
        Glitches that begin to be due with this step; (0,) where it has begun before and is played further.
    pulse_hz, pulse_gain : float
        Tempo and level of the queue's pulse.
    sub_gain : float
        Level of the sub-bass, the active requests.
    drum_gain : array (batch_bands,)
        Level of each drum, small batches to large.
    alarms : tuple of Alarm
        Limits crossed as this step begins.
    fresh : bool
        False while the source is lost: the pilot stops and the stale motif plays.
    spread_quanta : int
        Time over which the bursts of its glitches are spread, from where it begins; 0: as long as it is played.
    """

    partial_gain: Array
    overtone_gain: Array
    roughness_depth: Array
    emphasis_gain: Array
    hold_ratio: Array
    glitch_count: Array
    pulse_hz: float = 0.0
    pulse_gain: float = 0.0
    sub_gain: float = 0.0
    drum_gain: Array = field(default_factory=lambda: np.zeros(0))
    alarms: tuple[Alarm, ...] = ()
    fresh: bool = True
    spread_quanta: int = 0

    def continued(self) -> Score:
        """Return what goes on where a step that has begun is played further: no new glitches, no new alarms."""
        return replace(self, glitch_count=np.zeros(0), alarms=())
