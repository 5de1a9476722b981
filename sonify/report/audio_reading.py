"""Rendered files read block by block, at the rate and with the channels that something else needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from sonify.errors import RenderError

__all__ = ["blocks_at", "length_s", "num_channels"]

Float32 = NDArray[np.float32]

_BLOCK_S = 4
_CONTEXT_S = 0.02  # on both sides of a block: longer than the resampling filter


def length_s(path: Path) -> float:
    """Length of an audio file in s; raises RenderError."""
    return float(_info(path).duration)


def num_channels(path: Path) -> int:
    """Channels of an audio file; raises RenderError."""
    return int(_info(path).channels)


def _info(path: Path) -> Any:
    try:
        return soundfile.info(str(path))
    except (OSError, soundfile.LibsndfileError) as error:
        raise RenderError(f"{path}: cannot be read for the report: {error}") from None


def blocks_at(
    path: Path, rate_hz: int, *, mono: bool, block_s: int = _BLOCK_S, most_blocks: int | None = None
) -> Iterator[Float32]:
    """Read a file in blocks, resampled.

    Parameters
    ----------
    path : Path
        WAV or FLAC.
    rate_hz : int
        Of the blocks.
    mono : bool
        Whether channels are averaged into one.
    block_s : int
        Length of a block.
    most_blocks : int or None
        So many blocks, spread over the file; None: all of it.

    Yields
    ------
    float32 array (frames, channels)

    Raises
    ------
    RenderError
        The file cannot be read.
    """
    try:
        with soundfile.SoundFile(path) as file:
            common = math.gcd(file.samplerate, rate_hz)
            up, down = rate_hz // common, file.samplerate // common
            size = file.samplerate * block_s  # a multiple of `down`
            context = down * math.ceil(_CONTEXT_S * file.samplerate / down) if up != down else 0
            begins = range(0, file.frames, size)
            if most_blocks is not None:
                begins = begins[:: max(len(begins) // most_blocks, 1)]
            for begin in begins:
                before = min(begin, context)
                file.seek(begin - before)
                heard = file.read(before + size + context, dtype="float32", always_2d=True)
                block = _resampled(heard, before, min(size, file.frames - begin), up, down)
                yield block.mean(axis=1, keepdims=True) if mono else block
    except (OSError, soundfile.LibsndfileError) as error:
        raise RenderError(f"{path}: cannot be read for the report: {error}") from None


def _resampled(heard: Float32, before: int, size: int, up: int, down: int) -> Float32:
    """Resample `size` frames after the first `before`, which are a multiple of `down` like all of the context."""
    if up == down:
        return heard[before : before + size]
    from scipy.signal import resample_poly

    with_context = resample_poly(heard, up, down, axis=0)
    begin = before * up // down
    return np.asarray(with_context[begin : begin + -(-size * up // down)], dtype=np.float32)
