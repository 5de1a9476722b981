"""A render on its way to files: one pass, or two where its loudness has to be known before it is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.engine import Engine
from sonify.errors import RenderError
from sonify.mapping.mapper import Mapper
from sonify.outputs.about import About, Loudness
from sonify.outputs.audio_file import AudioFile
from sonify.outputs.loudness import FileMeter
from sonify.outputs.spool import Spool
from sonify.runner.finishing import Finish, frames_at
from sonify.runner.offline import ScoredSteps, Sink, render_offline
from sonify.runner.stem_files import StemFiles

__all__ = ["Delivered", "Delivery", "deliver"]

Float32 = NDArray[np.float32]

_NEAR_LU = 0.05
_MOST_PASSES = 4
_MOST_GAIN_DB = 40.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a render is written.

    Attributes
    ----------
    path : Path
        Of the mix.
    stem_paths : tuple of Path
        One a stem, or none.
    rate_hz : int
        Of all files.
    depth : str
        Of the mix: ``16``, ``24``, ``32f``.
    dither : bool
        Where it has 16 bits.
    target_lufs : float or None
        Loudness of the mix; None: as calibrated, and `gain_db` louder.
    gain_db : float
        Of the mix, where there is no target.
    tail_quanta : int
        Sound behind the end of the metrics.
    seed, threads : int
        As the engine and `render_offline` take them.
    about : About
        What the files say; its gain and loudness are filled in.
    """

    path: Path
    stem_paths: tuple[Path, ...] = ()
    rate_hz: int = SAMPLE_RATE_HZ
    depth: str = "16"
    dither: bool = True
    target_lufs: float | None = None
    gain_db: float = 0.0
    tail_quanta: int = 0
    seed: int = 0
    threads: int = 2
    about: About = field(default_factory=About)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of it: the mix's gain and loudness, and its length in frames of the files."""

    gain_db: float
    loudness: Loudness
    num_frames: int


def deliver(
    delivery: Delivery,
    mapper: Mapper,
    steps: ScoredSteps,
    num_quanta: int,
    progress: Callable[[int], None] = lambda _quanta: None,
) -> Delivered:
    """Render scored steps into all files of a delivery.

    Parameters
    ----------
    delivery : Delivery
        What is wanted.
    mapper : Mapper
        Whose scores they are.
    steps : iterator of (Score, int)
        Each with its length in quanta.
    num_quanta : int
        Their total length.
    progress : callable
        Told the number of quanta that are done.

    Raises
    ------
    RenderError
        A file cannot be written, or silence was to have a loudness.
    """
    num_frames = (num_quanta + delivery.tail_quanta) * QUANTUM_FRAMES

    def render(sink: Sink) -> None:
        with _stems(delivery, mapper, num_frames) as stems:
            render_offline(
                Engine(mapper, seed=delivery.seed),
                steps,
                num_quanta=num_quanta,
                sinks=(sink,),
                threads=delivery.threads,
                progress=progress,
                tail_quanta=delivery.tail_quanta,
                dry_sinks=() if stems is None else (stems,),
            )
            if stems is not None:
                stems.finish()

    ceiling_dbtp = mapper.preset.limiter.ceiling
    if delivery.target_lufs is None:
        return _write(delivery, round(delivery.gain_db, 2), num_frames, ceiling_dbtp, render)
    spool = Spool(delivery.path.with_name(f".{delivery.path.name}.spool"))
    try:
        render(spool)
        gain_db = _gain_db_for(delivery.target_lufs, spool, num_frames, ceiling_dbtp)

        def replay(sink: Sink) -> None:
            for block in spool.blocks():
                sink.write(block)

        return _write(delivery, gain_db, num_frames, ceiling_dbtp, replay)
    finally:
        spool.remove()


def _stems(delivery: Delivery, mapper: Mapper, num_frames: int) -> StemFiles | nullcontext[None]:
    if not delivery.stem_paths:
        return nullcontext()
    return StemFiles(mapper, delivery.stem_paths, num_frames=num_frames, rate_hz=delivery.rate_hz, about=delivery.about)


def _write(
    delivery: Delivery, gain_db: float, num_frames: int, ceiling_dbtp: float, play: Callable[[Sink], None]
) -> Delivered:
    """Write the mix; `play` gives it to a sink."""
    about = replace(delivery.about, gain_db=gain_db)
    frames = frames_at(num_frames, delivery.rate_hz)
    with ExitStack() as stack:
        file = stack.enter_context(
            AudioFile(
                delivery.path,
                sample_rate_hz=delivery.rate_hz,
                num_channels=2,
                depth=delivery.depth,
                num_frames=frames,
                dither=delivery.dither,
                about=about,
            )
        )
        meter = FileMeter(delivery.rate_hz)
        finish = Finish(
            (meter, file),
            num_frames=num_frames,
            rate_hz=delivery.rate_hz,
            gain_db=gain_db,
            ceiling_dbtp=ceiling_dbtp,
        )
        play(finish)
        finish.finish()
        loudness = meter.loudness()
        file.describe(about.measured(loudness))
    return Delivered(gain_db, loudness, frames)


def _gain_db_for(target_lufs: float, spool: Spool, num_frames: int, ceiling_dbtp: float) -> float:
    """Gain that brings a render to a loudness; where the limiter has to work, a few passes find it."""
    gain_db = 0.0
    for _ in range(_MOST_PASSES):
        found = _finished_lufs(spool.blocks(), num_frames, gain_db, ceiling_dbtp)
        if not math.isfinite(found):
            raise RenderError(
                "--loudness: the render is too short or too quiet to have a loudness; allowed: calibrated"
            )
        missing_lu = target_lufs - found
        if abs(missing_lu) < _NEAR_LU:
            break
        gain_db = min(gain_db + missing_lu, _MOST_GAIN_DB)
    return round(gain_db, 2)


def _finished_lufs(blocks: Iterable[Float32], num_frames: int, gain_db: float, ceiling_dbtp: float) -> float:
    meter = FileMeter(SAMPLE_RATE_HZ)
    finish = Finish((meter,), num_frames=num_frames, gain_db=gain_db, ceiling_dbtp=ceiling_dbtp)
    for block in blocks:
        finish.write(block)
    finish.finish()
    return meter.loudness().integrated_lufs
