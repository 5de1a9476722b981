"""Threads, queues and clocks: here and nowhere else. Offline: voices in one thread, mix and output in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.engine import LATENCY_FRAMES, Engine
from sonify.mapping.score import Score
from sonify.synth.voices import ScoreBlock

__all__ = ["ScoredSteps", "Sink", "render_offline"]

Float32 = NDArray[np.float32]
ScoredSteps = Iterator[tuple[Score, int]]

_BLOCK_QUANTA = 50  # half a second a block: small enough for the cache, large enough to make calls cheap
_FADE_FRAMES = 1440  # 30 ms: a render that is cut off at its length must not end in a click


class Sink(Protocol):
    """Where audio goes."""

    def write(self, audio: Float32) -> None:
        """Take audio, shape (frames, 2)."""
        ...


@dataclass
class _Trim:
    """Pass on `frames` frames after the first `skip`, the end of them faded out."""

    sinks: tuple[Sink, ...]
    skip: int
    frames: int
    passed: int = 0

    def write(self, audio: Float32) -> None:
        dropped = min(self.skip, len(audio))
        self.skip -= dropped
        kept = audio[dropped : dropped + self.frames - self.passed]
        if not len(kept):
            return
        fade_begin = self.frames - _FADE_FRAMES
        if self.passed + len(kept) > fade_begin:
            left = self.frames - (self.passed + np.arange(len(kept)))
            kept = kept * np.minimum(left / min(_FADE_FRAMES, self.frames), 1.0).astype(np.float32)[:, None]
        self.passed += len(kept)
        for sink in self.sinks:
            sink.write(kept)


def _blocks(engine: Engine, steps: ScoredSteps) -> Iterator[ScoreBlock]:
    """Gather short steps and split long ones; a step's bursts are placed before it is split."""
    gathered: list[tuple[Score, int]] = []
    num_quanta = 0
    for step in steps:
        gathered.append(step)
        num_quanta += step[1]
        if num_quanta >= _BLOCK_QUANTA:
            yield from engine.block(gathered).split(_BLOCK_QUANTA)
            gathered, num_quanta = [], 0
    if gathered:
        yield from engine.block(gathered).split(_BLOCK_QUANTA)


def render_offline(
    engine: Engine,
    steps: ScoredSteps,
    *,
    num_quanta: int,
    sinks: tuple[Sink, ...],
    threads: int = 2,
    progress: Callable[[int], None] = lambda _quanta: None,
) -> None:
    """Render scored steps as fast as the machine goes, with flat memory.

    Parameters
    ----------
    engine : Engine
        Fresh; the result is the same for any number of threads.
    steps : iterator of (Score, int)
        Scores, each with its length in quanta.
    num_quanta : int
        Their total length.
    sinks : tuple of Sink
        Each gets all audio in order: `num_quanta` × `QUANTUM_FRAMES` frames.
    threads : int
        1, or 2 to synthesize ahead while the block before is mixed and written.
    progress : callable
        Told the number of quanta after each block.
    """
    out = _Trim(sinks, skip=LATENCY_FRAMES, frames=num_quanta * QUANTUM_FRAMES)
    blocks = _blocks(engine, steps)
    for dry in _synthesized_ahead(engine, blocks) if threads > 1 else map(engine.synthesize, blocks):
        out.write(engine.mix(dry))
        progress(len(dry))
    out.write(engine.flush())


def _synthesized_ahead(engine: Engine, blocks: Iterator[ScoreBlock]) -> Iterator[Float32]:
    with ThreadPoolExecutor(1, thread_name_prefix="voices") as worker:
        pending = None
        for block in blocks:
            ahead = worker.submit(engine.synthesize, block)
            if pending is not None:
                yield pending.result()
            pending = ahead
        if pending is not None:
            yield pending.result()
