"""The engine: scores in, audio out; one pure step at a time, the same for live and offline.

The same scores give bit-identical audio however they are split into calls, whatever thread runs them and whatever the
clock does. The two halves keep their own state, so that one thread may synthesize ahead while another mixes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.mapping.mapper import Mapper
from sonify.mapping.score import Score
from sonify.mix.chain import LATENCY_FRAMES, Chain
from sonify.synth.voices import ScoreBlock, Voices

__all__ = ["LATENCY_FRAMES", "Engine"]

Float32 = NDArray[np.float32]


class Engine:
    """Voices and mix of one preset for a fixed list of backends.

    Parameters
    ----------
    mapper : Mapper
        Whose scores will come; it knows the preset, the backends and the pitches.
    seed : int
        Decides all that is random: noise, and when in a step bursts begin.

    Attributes
    ----------
    chain : Chain
        The mix, whose tuning filters may be moved while it plays.
    """

    def __init__(self, mapper: Mapper, *, seed: int = 0) -> None:
        self._voices = Voices(mapper, seed=seed)
        self.chain = Chain(mapper)

    def begin_at(self, quantum: int) -> None:
        """Set where in time the first block lies: a new engine goes on with the bars of the one before."""
        self._voices.begin_at(quantum)

    def block(self, scores: list[tuple[Score, int]]) -> ScoreBlock:
        """Arrange scores, each with its length in quanta; call it in the order of time."""
        return self._voices.block(scores)

    def synthesize(self, block: ScoreBlock) -> Float32:
        """Voices only: dry buses, shape (quanta, buses, quantum frames)."""
        return self._voices.synthesize(block)

    def mix(self, dry: Float32) -> Float32:
        """Mix of dry buses: audio, shape (frames, 2), later than the voices by `LATENCY_FRAMES`."""
        return self.chain.process(dry)

    def render(self, scores: list[tuple[Score, int]]) -> Float32:
        """Both halves: audio, shape (frames, 2)."""
        return self.mix(self.synthesize(self.block(scores)))

    def flush(self) -> Float32:
        """Render the last `LATENCY_FRAMES` frames, shape (`LATENCY_FRAMES`, 2); nothing can follow."""
        num_quanta = -(-LATENCY_FRAMES // QUANTUM_FRAMES)
        return self.mix(np.zeros((num_quanta, self._voices.num_buses, QUANTUM_FRAMES), np.float32))[:LATENCY_FRAMES]
