"""`Voice`: one thing that a listener should be able to hear, as lint sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Voice"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """One thing that a listener should be able to hear.

    Attributes
    ----------
    kind : str
        ``backend``, ``overtones``, ``roughness``, ``glitches``, ``pulse``, ``sub``, ``drum``, ``tick``, ``earcon`` or
        ``motif``.
    owner : str
        Backend, panel or number of the drum; empty where there is one of the kind.
    frequency_hz : array (components,)
    power : array (components, 2)
        Mean square at the left and right ear while it sounds; of what is shorter than the ear's 200 ms, over those.
    slot_power : array (slots,)
        Power gain in each step of the bar (head first); one where nothing is sequenced.
    hides : bool
        Whether it lasts long enough to hide others.
    depth : float
        Of roughness: the depth of the modulation of `power`.
    """

    kind: str
    owner: str
    frequency_hz: Array
    power: Array
    slot_power: Array
    hides: bool = False
    depth: float = 0.0

    @property
    def name(self) -> str:
        """What a person calls it."""
        if self.kind == "backend":
            return self.owner
        if self.kind in ("overtones", "roughness", "glitches"):
            return f"{self.kind} of {self.owner}"
        return f"{self.kind} {self.owner}".strip()
