"""An engine that is spoken over: the sound steps back, and speech joins the signals, before the limiter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.meter import LoudnessMeter
from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.engine import Engine
from sonify.mapping.mapper import Mapper
from sonify.synth.voices import ScoreBlock
from sonify.units import gain_from_db

__all__ = ["NarratedEngine"]

Float32 = NDArray[np.float32]

SPEECH_LUFS = -20.0  # 10 dB over the bed that a preset aims at, as alarms are
DUCK_DB = 12.0
_DOWN_S, _UP_S = 0.1, 0.3


class NarratedEngine(Engine):
    """Play scores as any engine does, with a spoken track over them.

    Parameters
    ----------
    mapper, seed
        As for `Engine`.
    utterances : sequence of (int, array (frames,))
        Quantum where each begins, and its sound at `SAMPLE_RATE_HZ`.
    num_quanta : int
        Length of the track.
    """

    def __init__(
        self, mapper: Mapper, utterances: Sequence[tuple[int, Float32]], *, num_quanta: int, seed: int = 0
    ) -> None:
        super().__init__(mapper, seed=seed)
        frames = num_quanta * QUANTUM_FRAMES
        self._quantum_now = 0
        self._track = np.zeros(frames, np.float32)
        corners, gains = [0.0], [1.0]
        level = _gain_to_level([sound for _, sound in utterances])
        for quantum, sound in utterances:
            begin = quantum * QUANTUM_FRAMES
            kept = sound[: max(frames - begin, 0)]
            self._track[begin : begin + len(kept)] += level * kept
            end = begin + len(kept)
            corners += [begin, begin + _DOWN_S * SAMPLE_RATE_HZ, end, end + _UP_S * SAMPLE_RATE_HZ]
            gains += [1.0, gain_from_db(-DUCK_DB), gain_from_db(-DUCK_DB), 1.0]
        self._duck = np.interp(np.arange(frames), corners, gains).astype(np.float32)

    def synthesize(self, block: ScoreBlock) -> Float32:
        """Render the dry buses of a block, ducked, and the speech on the bus of the signals."""
        dry = super().synthesize(block)
        piece = slice(self._quantum_now * QUANTUM_FRAMES, (self._quantum_now + len(dry)) * QUANTUM_FRAMES)
        self._quantum_now += len(dry)
        dry *= self._duck[piece].reshape(len(dry), 1, QUANTUM_FRAMES)
        dry[:, -1] += self._track[piece].reshape(len(dry), QUANTUM_FRAMES)
        return dry


def _gain_to_level(sounds: Sequence[Float32]) -> np.float32:
    """Linear gain that brings all of what is spoken to its loudness, on both channels."""
    meter = LoudnessMeter(SAMPLE_RATE_HZ, 2)
    for sound in sounds:
        meter.process(np.stack([sound, sound]))
    loudness = meter.integrated_lufs()
    return np.float32(gain_from_db(SPEECH_LUFS - loudness) if np.isfinite(loudness) else 1.0)
