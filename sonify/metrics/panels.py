"""The panels that have limits, their units, and the state that a value puts them in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PANELS", "Limits", "Panel", "State"]


class State(IntEnum):
    """State of a panel, in order of badness; UNKNOWN is *not measured*."""

    UNKNOWN = -1
    GREEN = 0
    YELLOW = 1
    RED = 2


@dataclass(frozen=True, slots=True)
class Panel:
    """A row of the table of panels.

    Attributes
    ----------
    name : str
        As in presets and messages.
    unit : str
        Unit of its value.
    yellow, red : float
        Default limits, in that unit: yellow from `yellow` up, red over `red`.
    """

    name: str
    unit: str
    yellow: float
    red: float


PANELS: tuple[Panel, ...] = (
    Panel("request_rate", "1/s", 10.0, 20.0),
    Panel("error_ratio", "ratio", 0.01, 0.05),
    Panel("latency_p95", "s", 0.5, 1.0),
    Panel("fallback_ratio", "ratio", 0.05, 0.10),
    Panel("glitch_rate", "1/s", 0.1, 1.0),
    Panel("queue_depth", "", 50.0, 100.0),
    Panel("active_requests", "", 10.0, 20.0),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Yellow and red limit of one panel."""

    yellow: float
    red: float

    def states(self, values: ArrayLike) -> NDArray[np.int8]:
        """State of each value, as `State` numbers; NaN is UNKNOWN."""
        array = np.asarray(values, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            state = (array >= self.yellow).astype(np.int8) + (array > self.red).astype(np.int8)
        return np.where(np.isnan(array), np.int8(State.UNKNOWN), state)
