"""What plays along with the sound: told every block of scores, and when it will be heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sonify.mapping.mapper import Mapper
from sonify.mapping.score import Score
from sonify.runner.controls import Knobs

__all__ = ["Block", "Companion"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some quanta of what is played.

    Attributes
    ----------
    mapper : Mapper
        Whose scores they are; another one where the preset or the backends have changed.
    quantum : int
        The first.
    scores : tuple of (Score, int)
        Each with its length in quanta; those that go on from the block before say so.
    sounds_at_s : float
        When the first quantum is heard, by the monotonic clock, as far as is known.
    knobs : Knobs
        Where the controls stand.
    """

    mapper: Mapper
    quantum: int
    scores: tuple[tuple[Score, int], ...]
    sounds_at_s: float
    knobs: Knobs


class Companion(Protocol):
    """Whoever plays along; `play` is called by the render thread, and must not wait for anything."""

    def play(self, block: Block) -> None:
        """Take the next block."""
