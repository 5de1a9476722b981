"""When bursts begin: one a glitch, each in its backend's own time, never closer than a least spacing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.noise import seed32
from sonify.mapping.bars import bar_quanta, slot_quanta
from sonify.mapping.preset import Arrangement

__all__ = ["BurstScheduler"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_ROUNDING = 1e-9  # ten times a tenth of a glitch is one


class BurstScheduler:
    """Decide when bursts begin.

    Glitches are counted exactly. A fraction sounds at once, and what it was short of a whole one is owed by those that
    follow: a glitch that a sliding window reports as four quarters is heard with the first. Those of a backend that has
    no time of its own in a step are carried on. Bursts of one backend keep a least spacing within a step; where there
    are more glitches than fit, each burst stands for several, and is louder by 10 dB per decade of their number.

    Parameters
    ----------
    arrangement : Arrangement
        In a sequence a backend's bursts fall into its own steps.
    num_backends : int
        Length of the counts.
    gain : float
        Linear level of a burst for one glitch.
    spacing_quanta : int
        Least time between bursts of one backend.
    seed : int
        Decides where in its share of the time a burst begins.
    """

    def __init__(
        self, arrangement: Arrangement, num_backends: int, *, gain: float, spacing_quanta: int, seed: int
    ) -> None:
        self._carried = np.zeros(num_backends)
        self._gain = gain
        self._spacing = spacing_quanta
        self._seed = seed
        self._slot = slot_quanta(arrangement)
        self._bar = bar_quanta(arrangement, num_backends) if arrangement.mode == "sequenced" else 0
        self._due: dict[tuple[int, int], float] = {}  # quantum and backend: power of the burst that begins there

    def place(self, glitch_count: Float64, start_quantum: int, num_quanta: int, spread_quanta: int = 0) -> Float32:
        """Level of the bursts that begin in each quantum, shape (num_quanta, backends); 0: none.

        The glitches are new at `start_quantum`, and are spread over `spread_quanta` from there (0: over `num_quanta`);
        what falls behind the end is due in the calls that follow. So a step may be played in any number of pieces, of
        which the first brings the glitches, and the others an empty count.
        """
        if len(glitch_count):
            self._carried += glitch_count
            for backend in np.flatnonzero(self._carried > _ROUNDING):
                self._spread(int(backend), start_quantum, spread_quanta or num_quanta)
        burst_gain = np.zeros((num_quanta, len(self._carried)), np.float32)
        for due in [due for due in self._due if due[0] < start_quantum + num_quanta]:
            quantum, row = due
            burst_gain[quantum - start_quantum, row] = self._gain * np.sqrt(self._due.pop(due))
        return burst_gain

    def _spread(self, backend: int, start_quantum: int, num_quanta: int) -> None:
        """Draw when the bursts of all glitches of a backend begin."""
        own, capacity = self._own_time(backend, start_quantum, num_quanta)
        if not len(own):
            return
        glitches = int(np.ceil(self._carried[backend] - _ROUNDING))
        self._carried[backend] -= glitches
        bursts = min(glitches, capacity)
        share = len(own) / bursts
        for index in range(bursts):
            free = max(share - self._spacing, 0.0)
            jitter = seed32(self._seed, backend, start_quantum, index) / 2**32 * free
            at = int(own[min(int(index * share + jitter), len(own) - 1)])
            key = start_quantum + at, backend
            self._due[key] = self._due.get(key, 0.0) + glitches / bursts

    def _own_time(self, backend: int, start_quantum: int, num_quanta: int) -> tuple[NDArray[np.int64], int]:
        """Quanta of the step in which a backend's bursts may begin, and how many of them fit there."""
        quanta = np.arange(num_quanta)
        if not self._bar:
            return quanta, max(num_quanta // self._spacing, 1)
        place = (start_quantum + quanta) % self._bar - (backend + 1) * self._slot
        room = max(self._slot - self._spacing, 1)  # the last one rings out before the next backend's step
        own = quanta[(place >= 0) & (place < room)]
        steps = -(-len(own) // room)
        return own, max(steps * max(room // self._spacing, 1), 1)
