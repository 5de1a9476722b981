"""A file for each stem, written while the mix is rendered."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import SAMPLE_RATE_HZ
from sonify.mapping.mapper import Mapper
from sonify.mix.stems import BUS_STEMS, StemChain
from sonify.outputs.about import About
from sonify.outputs.audio_file import AudioFile
from sonify.runner.finishing import Finish, frames_at
from sonify.runner.offline import Trim

__all__ = ["StemFiles", "stem_file_names"]

_LONGEST_NAME = 60
_MOST_PENDING = 4  # blocks: the disk may pause for a moment
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")  # names of backends are untrusted: no path, no option, no surprise


def stem_file_names(backends: Sequence[str]) -> dict[str, str]:
    """Name of the file of each stem by the stem's name, in order; a number in front makes each its own."""
    names: dict[str, str] = {}
    for index, stem in enumerate([*backends, *BUS_STEMS]):
        label = stem if stem not in names else f"{stem} ({index + 1})"
        names[label] = f"{index + 1:02d}-{_NOT_IN_NAMES.sub('_', stem)[:_LONGEST_NAME].strip('.') or '_'}.wav"
    return names


class StemFiles:
    """Split dry buses into stems and write each as a WAV of 32-bit floats; use it as a context manager.

    Together they are what stands in front of the limiter, before loudness is set: no file has a gain of its own, and
    all begin and end together.

    Parameters
    ----------
    mapper : Mapper
        As for the engine.
    paths : sequence of Path
        One a stem, in the order of `stem_file_names`.
    num_frames : int
        Length at the engine's rate, tail included.
    rate_hz : int
        Of the files.
    about : About
        What is said in each of them.
    """

    def __init__(
        self,
        mapper: Mapper,
        paths: Sequence[Path],
        *,
        num_frames: int,
        rate_hz: int = SAMPLE_RATE_HZ,
        about: About | None = None,
    ) -> None:
        self._chain = StemChain(mapper)
        self._files = [
            AudioFile(
                path,
                sample_rate_hz=rate_hz,
                num_channels=2,
                depth="32f",
                num_frames=frames_at(num_frames, rate_hz),
                about=about,
            )
            for path in paths
        ]
        self._finishes = [Finish((file,), num_frames=num_frames, rate_hz=rate_hz) for file in self._files]
        self._trims = [Trim((finish,), skip=0, frames=num_frames) for finish in self._finishes]
        self._stack = ExitStack()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="stems")
        self._pending: deque[Future[None]] = deque()

    def write_dry(self, dry: NDArray[np.float32]) -> None:
        """Take buses, shape (quanta, buses, quantum frames), which are used up; a thread works on them."""
        self._pending.append(self._worker.submit(self._write, dry))
        if len(self._pending) > _MOST_PENDING:
            self._pending.popleft().result()

    def _write(self, dry: NDArray[np.float32]) -> None:
        for trim, stem in zip(self._trims, self._chain.split(dry), strict=True):
            trim.write(stem)

    def finish(self) -> None:
        """Write what is still inside."""
        while self._pending:
            self._pending.popleft().result()
        for finish in self._finishes:
            finish.finish()

    def __enter__(self) -> Self:
        for file in self._files:
            self._stack.enter_context(file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(cancel_futures=True)
        self._stack.__exit__(kind, error, trace)
