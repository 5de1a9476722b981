"""Compressed copies of audio for the page, by the encoders that libsndfile brings: Vorbis in Ogg.

Measured on such sound (60 s, stereo, one thread): Vorbis 82 kbit/s at 99× real time and 28 dB under the sound, Opus
98 kbit/s at 33×, MP3 112 kbit/s at 29×. Browsers that play Opus in Ogg play Vorbis (Chrome, Firefox, Edge, Safari from
18.4), and they seek in it to the sample; in an MP3 of variable bitrate they seek by a table of a hundred places.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from sonify.errors import RenderError
from sonify.report.audio_reading import blocks_at

__all__ = ["MEDIA_TYPE", "MIX_RATE_HZ", "SMALL_RATE_HZ", "Compressed", "compress", "density"]

Float32 = NDArray[np.float32]

MEDIA_TYPE = "audio/ogg; codecs=vorbis"
MIX_RATE_HZ = 48_000
SMALL_RATE_HZ = 24_000  # of stems and examples, in mono
_WRITE_FRAMES = 65_536  # the library keeps a whole write on its stack
_PROBE_LEVEL, _PROBE_KBPS = 0.5, 125.0
_PROBES, _PROBE_S = 4, 3


@dataclass(frozen=True, slots=True)
class Compressed:
    """A compressed copy: its bytes, and how long it is."""

    data: bytes
    length_s: float


def compress(blocks: Iterable[Float32], rate_hz: int, num_channels: int, level: float) -> Compressed:
    """Compress blocks of shape (frames, channels); `level` from 0 (best) to 1 (smallest)."""
    memory = io.BytesIO()
    frames = 0
    try:
        with soundfile.SoundFile(
            memory, "w", rate_hz, num_channels, format="OGG", subtype="VORBIS", compression_level=level
        ) as file:
            for block in blocks:
                for begin in range(0, len(block), _WRITE_FRAMES):
                    file.write(block[begin : begin + _WRITE_FRAMES])
                frames += len(block)
    except (OSError, soundfile.LibsndfileError) as error:
        raise RenderError(f"the report's copy of the audio cannot be made: {error}") from None
    return Compressed(memory.getvalue(), frames / rate_hz)


def density(path: Path) -> float:
    """How many bits a sound needs, against dense music: about 0.2–1.2; from a few short stretches of it."""
    blocks = list(blocks_at(path, MIX_RATE_HZ, mono=False, block_s=_PROBE_S, most_blocks=_PROBES))
    some = compress(blocks, MIX_RATE_HZ, blocks[0].shape[1] if blocks else 2, _PROBE_LEVEL)
    if not some.length_s:
        return 1.0
    return max(len(some.data) * 8e-3 / some.length_s / _PROBE_KBPS, 0.1)
