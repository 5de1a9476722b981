"""The player: what was received becomes audio, block by block, across changes of preset and layout.

No threads and no clock in here either: whoever calls it decides when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.mapping.score import Score
from sonify.metrics.frame import MetricFrame
from sonify.runner.controls import Knobs
from sonify.runner.deck import Deck, Played

__all__ = ["FADE_QUANTA", "Player"]

Float32 = NDArray[np.float32]

FADE_QUANTA = 50  # from one deck to the next
_MUTE_QUANTA = 2
_END_QUANTA = 20  # the last fade


class _Fade(NamedTuple):
    """A deck that goes, and since when."""

    deck: Deck
    begin: int


class Player:
    """Play through decks.

    Parameters
    ----------
    on_step : callable
        Told each step that begins.
    on_block : callable
        Told what every block plays before it is made: the deck, its first quantum, and scores with their lengths.

    Attributes
    ----------
    quantum : int
        The next one; it counts from the first deck on.
    deck : Deck or None
        The one that plays, or comes in.
    """

    def __init__(
        self,
        on_step: Callable[[Played], None] = lambda _played: None,
        on_block: Callable[[Deck, int, list[tuple[Score, int]]], None] = lambda _deck, _quantum, _scores: None,
    ) -> None:
        self.quantum = 0
        self.deck: Deck | None = None
        self._going: _Fade | None = None
        self._on_step = on_step
        self._on_block = on_block
        self._gain = 1.0
        self._acknowledged = 0
        self._is_ending = False

    def adopt(self, deck: Deck) -> None:
        """Cross-fade to another deck, which goes on with the bars and the limits of the one that plays."""
        before = self.deck
        deck.begin(self.quantum, before.limits if before is not None else None)
        if before is not None:
            self._going = _Fade(before, self.quantum)
        self.deck = deck

    def end(self) -> None:
        """Fade out from now on."""
        self._is_ending = True

    @property
    def has_ended(self) -> bool:
        """Whether the last fade is over."""
        return self._is_ending and self._gain == 0.0

    def take(self, frame: MetricFrame) -> bool:
        """Take a frame; False where its layout is not the deck's."""
        if self.deck is None or not self.deck.layout.same_as(frame.layout):
            return False
        self.deck.conductor.take(frame, self.quantum)
        return True

    def render(self, num_quanta: int, knobs: Knobs) -> Float32:
        """Render the next quanta: audio, shape (frames, 2)."""
        deck = self.deck
        if deck is None:
            self._faded(np.zeros((num_quanta * QUANTUM_FRAMES, 2), np.float32), knobs)
            return np.zeros((num_quanta * QUANTUM_FRAMES, 2), np.float32)
        if knobs.acknowledged != self._acknowledged:
            self._acknowledged = knobs.acknowledged
            deck.limits.acknowledge()
        scores, begun = deck.next_scores(self.quantum, num_quanta, goes_on=True)
        for played in begun:
            self._on_step(played)
        self._on_block(deck, self.quantum, scores)
        audio = deck.render(scores, knobs)
        if self._going is not None:
            audio = self._crossed(audio, self._going, num_quanta, knobs)
        self.quantum += num_quanta
        return self._faded(audio, knobs)

    def _crossed(self, audio: Float32, going: _Fade, num_quanta: int, knobs: Knobs) -> Float32:
        """Mix with the deck that goes. The gains add up to 1, so that two ceilings that hold make a sum that does."""
        scores, _ = going.deck.next_scores(self.quantum, num_quanta, goes_on=False)
        gone = going.deck.render(scores, knobs)
        done = self.quantum - going.begin
        place = done + np.arange(len(audio), dtype=np.float32) / QUANTUM_FRAMES
        share = np.clip(place / FADE_QUANTA, 0.0, 1.0)[:, None]
        if done + num_quanta >= FADE_QUANTA:
            self._going = None
        return np.asarray(audio * share + gone * (1.0 - share), dtype=np.float32)

    def _faded(self, audio: Float32, knobs: Knobs) -> Float32:
        """Mute, or not any more, in a straight line."""
        target = 0.0 if knobs.is_muted or self._is_ending else 1.0
        if self._gain == target:
            return audio if target else np.zeros_like(audio)
        per_frame = 1.0 / (QUANTUM_FRAMES * (_END_QUANTA if self._is_ending else _MUTE_QUANTA))
        ramp = per_frame * np.arange(1, len(audio) + 1)
        gain = np.minimum(self._gain + ramp, target) if target > self._gain else np.maximum(self._gain - ramp, target)
        self._gain = float(gain[-1])
        return np.asarray(audio * gain[:, None], dtype=np.float32)
