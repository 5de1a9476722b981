"""Rendering offline: voices in one thread, mix and output in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.engine import LATENCY_FRAMES, Engine
from sonify.mapping.score import Score
from sonify.synth.voices import ScoreBlock

__all__ = ["DrySink", "ScoredSteps", "Sink", "Trim", "render_offline"]

Float32 = NDArray[np.float32]
ScoredSteps = Iterator[tuple[Score, int]]

_BLOCK_QUANTA = 50  # half a second a block: small enough for the cache, large enough to make calls cheap
_FADE_QUANTA = 3  # 30 ms: a render that is cut off at its length must not end in a click
_FADE_FRAMES = _FADE_QUANTA * QUANTUM_FRAMES


class Sink(Protocol):
    """Where audio goes."""

    def write(self, audio: Float32) -> None:
        """Take audio, shape (frames, 2)."""
        ...


class DrySink(Protocol):
    """Where dry buses go beside the mix."""

    def write_dry(self, dry: Float32) -> None:
        """Take buses, shape (quanta, buses, quantum frames), which may be used up."""
        ...


@dataclass
class Trim:
    """Pass on `frames` frames after the first `skip`, the end of them faded out."""

    sinks: tuple[Sink, ...]
    skip: int
    frames: int
    passed: int = 0

    def write(self, audio: Float32) -> None:
        """Take audio, shape (frames, 2)."""
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
    tail_quanta: int = 0,
    dry_sinks: tuple[DrySink, ...] = (),
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
        Each gets all audio in order: `num_quanta` + `tail_quanta` times `QUANTUM_FRAMES` frames.
    threads : int
        1, or 2 to synthesize ahead while the block before is mixed and written.
    progress : callable
        Told the number of quanta after each block.
    tail_quanta : int
        How long the mix goes on behind the steps, for what the reverb still holds.
    dry_sinks : tuple of DrySink
        Each gets a copy of all dry buses in order.
    """
    out = Trim(sinks, skip=LATENCY_FRAMES, frames=(num_quanta + tail_quanta) * QUANTUM_FRAMES)
    blocks = _blocks(engine, steps)
    buses = _synthesized_ahead(engine, blocks) if threads > 1 else map(engine.synthesize, blocks)
    for dry in _with_tail(buses, num_quanta, tail_quanta) if tail_quanta else buses:
        for sink in dry_sinks:
            sink.write_dry(dry.copy())
        out.write(engine.mix(dry))
        progress(len(dry))
    out.write(engine.flush())


def _with_tail(buses: Iterable[Float32], num_quanta: int, tail_quanta: int) -> Iterator[Float32]:
    """Fade the voices out at their end, and follow them with silence."""
    passed, num_buses = 0, 0
    for dry in buses:
        left = num_quanta * QUANTUM_FRAMES - (passed * QUANTUM_FRAMES + np.arange(len(dry) * QUANTUM_FRAMES))
        if left[-1] < _FADE_FRAMES:
            fade = np.clip(left / _FADE_FRAMES, 0.0, 1.0).astype(np.float32)
            dry *= fade.reshape(len(dry), 1, QUANTUM_FRAMES)
        passed += len(dry)
        num_buses = dry.shape[1]
        yield dry
    for begin in range(0, tail_quanta, _BLOCK_QUANTA):
        yield np.zeros((min(_BLOCK_QUANTA, tail_quanta - begin), num_buses, QUANTUM_FRAMES), np.float32)


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
