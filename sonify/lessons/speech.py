"""Speech by an installed engine: text in, sound out."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.errors import RenderError, UsageError

__all__ = ["ENGINES", "find_engine", "speak"]

Float32 = NDArray[np.float32]

ENGINES = ("espeak-ng", "espeak")  # they take the same options
_WORDS_PER_MINUTE = 165
_VOICE = "en"
_TIMEOUT_S = 30.0
_QUIET = 1e-3  # of the peak: what is fainter at either end is cut off


def find_engine() -> str:
    """Path of the first speech engine that is installed; raises UsageError where there is none."""
    for name in ENGINES:
        path = shutil.which(name)
        if path:
            return path
    raise UsageError(f"--speak needs a speech engine, and none is installed: install {' or '.join(ENGINES)}")


def speak(engine: str, texts: Sequence[str], sample_rate_hz: int) -> list[Float32]:
    """Say each text; mono sounds, shape (frames,) each, at the engine's own level.

    Raises
    ------
    RenderError
        The engine failed.
    """
    with tempfile.TemporaryDirectory(prefix="sonify-speech-") as folder:
        return [_say(engine, text, Path(folder) / f"{index}.wav", sample_rate_hz) for index, text in enumerate(texts)]


def _say(engine: str, text: str, path: Path, sample_rate_hz: int) -> Float32:
    # no shell, and nothing after -- is an option: names of backends come from a preset
    command = [engine, "-v", _VOICE, "-s", str(_WORDS_PER_MINUTE), "-w", str(path), "--", _speakable(text)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RenderError(f"{engine}: cannot speak: {error}") from None
    if done.returncode != 0 or not path.is_file():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RenderError(f"{engine}: cannot speak: {said[-1] if said else f'exit code {done.returncode}'}")
    return _read(engine, path, sample_rate_hz)


def _read(engine: str, path: Path, sample_rate_hz: int) -> Float32:
    import soundfile
    from scipy.signal import resample_poly

    try:
        audio, rate_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise RenderError(f"{engine}: what it spoke cannot be read: {error}") from None
    mono = audio.mean(axis=1)
    shared = gcd(int(rate_hz), sample_rate_hz)
    mono = resample_poly(mono, sample_rate_hz // shared, int(rate_hz) // shared)
    heard = np.flatnonzero(np.abs(mono) > _QUIET * np.abs(mono).max(initial=1e-9))
    if not len(heard):
        raise RenderError(f"{engine}: spoke nothing")
    return np.asarray(mono[heard[0] : heard[-1] + 1], dtype=np.float32)


def _speakable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
