"""`Score`: what every voice has to do, in the language of sound. All that audio and MIDI know of the metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Score"]

Array = NDArray[np.float64]


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
    glitch_count : array (backends,)
        Glitches that fall into this step; a fraction is carried on to the next.
    fresh : bool
        False while the source is lost: the pilot stops and the stale motif plays.
    """

    partial_gain: Array
    overtone_gain: Array
    roughness_depth: Array
    glitch_count: Array
    fresh: bool
