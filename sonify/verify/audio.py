"""Read a sound file whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from sonify.errors import UsageError

__all__ = ["read_audio"]


def read_audio(path: Path) -> tuple[NDArray[np.float32], int]:
    """Read audio (channels, frames) and its sample rate in Hz; raises UsageError."""
    try:
        audio, sample_rate_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        reason = "there is no such file" if not path.exists() else str(error).partition(": ")[2] or str(error)
        raise UsageError(f"{path}: cannot be read as sound: {reason}") from None
    if not len(audio):
        raise UsageError(f"{path}: holds no sound")
    return np.ascontiguousarray(audio.T), int(sample_rate_hz)
