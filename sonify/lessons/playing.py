"""Lessons become sound: scores through the engine into sinks; a sound card may be one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.engine import Engine
from sonify.kernel import kernels_are_compiled, mark_kernels_compiled
from sonify.lessons.narration import NarratedEngine
from sonify.lessons.tour import Tour
from sonify.mapping.mapper import Mapper
from sonify.mapping.score import Score
from sonify.runner.offline import Sink, render_offline

__all__ = ["play_scores", "play_tour"]

Float32 = NDArray[np.float32]

_KERNELS = "engine"
_COMPILING = "compiling the sound kernels (first run only, about half a minute) …"


def play_tour(
    tour: Tour,
    sinks: tuple[Sink, ...],
    sounds: Sequence[Float32] = (),
    *,
    seed: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Play a tour into sinks: `tour.num_quanta` × `QUANTUM_FRAMES` frames.

    Parameters
    ----------
    tour : Tour
        What to play.
    sinks : tuple of Sink
        Each gets all audio in order.
    sounds : sequence of array (frames,)
        What is spoken at the begin of each scene; empty: nothing.
    seed : int
        Of all randomness.
    say : callable
        Told where it takes longer.
    """
    if sounds:
        utterances = list(zip(tour.spoken_at_quantum, sounds, strict=True))
        engine: Engine = NarratedEngine(tour.mapper, utterances, num_quanta=tour.played_quanta, seed=seed)
    else:
        engine = Engine(tour.mapper, seed=seed)
    _play(engine, tour.scores, sinks, say)
    silence = np.zeros((tour.stopped_quanta * QUANTUM_FRAMES, 2), np.float32)
    for sink in sinks:
        sink.write(silence)


def play_scores(
    mapper: Mapper,
    scores: Sequence[tuple[Score, int]],
    sinks: tuple[Sink, ...],
    *,
    seed: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Play scores, each with its length in quanta, into sinks."""
    _play(Engine(mapper, seed=seed), scores, sinks, say)


def _play(
    engine: Engine, scores: Sequence[tuple[Score, int]], sinks: tuple[Sink, ...], say: Callable[[str], None]
) -> None:
    compiled = kernels_are_compiled(_KERNELS)
    if not compiled:
        say(_COMPILING)
    render_offline(engine, iter(scores), num_quanta=sum(length for _, length in scores), sinks=sinks)
    if not compiled:
        mark_kernels_compiled(_KERNELS)
