"""Parameters that glide: a one-pole at control rate, drawn as straight lines between quanta.

The target may jump; the value follows it with a time constant of `GLIDE_S`, one step per quantum, and stages
interpolate linearly across the samples in between. A value that is close enough arrives, so that a stage can tell
rest from motion.
"""

from __future__ import annotations

import math

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.kernel import kernel

__all__ = ["GLIDE_COEFFICIENT", "GLIDE_S", "glide"]

GLIDE_S = 0.03  # 95 % of the way in 90 ms: no click, and still felt as immediate
GLIDE_COEFFICIENT = 1.0 - math.exp(-1.0 / (CONTROL_RATE_HZ * GLIDE_S))


@kernel
def glide(value: float, target: float, tolerance: float) -> float:
    """Return where a parameter is one quantum later; exactly `target` once within `tolerance` of it.

    A target that is not a number leaves the parameter where it is.
    """
    distance = target - value
    if math.isnan(distance):
        return value
    if abs(distance) <= tolerance:
        return target
    return value + distance * GLIDE_COEFFICIENT
