"""All voices together: a block of score becomes dry buses, in one compiled call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.kernel import entry
from sonify.mapping.preset import SoundPreset
from sonify.mapping.score import Score
from sonify.synth.band_bank import BandBank, band_bank_quantum, make_band_bank
from sonify.synth.bursts import Bursts, BurstScheduler, bursts_quantum, make_bursts
from sonify.synth.freshness import Freshness, freshness_quantum, make_freshness
from sonify.units import gain_from_db

__all__ = ["ScoreBlock", "Voices"]

Float32 = NDArray[np.float32]

_OFF_DB = -90.0  # the lowest level that a preset may name means: off


class ScoreBlock(NamedTuple):
    """Scores of some steps, and which of them sounds in each quantum; S steps, Q quanta, B backends, P partials.

    `partial_gain` (S, B, P), `overtone_gain` (S, B), `roughness_depth` (S, B), `fresh` (S,), `step` (Q,) index into
    these, `burst_gain` (Q, B) level of bursts that begin with a quantum.
    """

    partial_gain: Float32
    overtone_gain: Float32
    roughness_depth: Float32
    fresh: NDArray[np.bool_]
    step: NDArray[np.int64]
    burst_gain: Float32

    @property
    def num_quanta(self) -> int:
        """Length in quanta."""
        return len(self.step)

    def split(self, num_quanta: int) -> Iterator[ScoreBlock]:
        """Pieces of at most `num_quanta`, in order; they sound the same as the whole."""
        for begin in range(0, self.num_quanta, num_quanta):
            piece = slice(begin, begin + num_quanta)
            yield self._replace(step=self.step[piece], burst_gain=self.burst_gain[piece])


@entry(nogil=True)
def _voices_process(
    bank: BandBank, bursts: Bursts, freshness: Freshness, block: ScoreBlock, first_sample: np.int64, dry: Float32
) -> None:
    num_quanta, num_buses, frames = dry.shape
    for q in range(num_quanta):
        step = block.step[q]
        now = first_sample + q * frames
        band_bank_quantum(
            bank, now, block.partial_gain[step], block.overtone_gain[step], block.roughness_depth[step], dry[q]
        )
        bursts_quantum(bursts, now, block.burst_gain[q], dry[q])
        freshness_quantum(freshness, now, block.fresh[step], dry[q, num_buses - 1])


class Voices:
    """Every voice of one preset, for a fixed number of backends.

    Parameters
    ----------
    preset : SoundPreset
        How they sound.
    frequencies_hz : array (partials,)
        Pitches of the band bank.
    num_backends : int
        Buses; one more is added for freshness.
    seed : int
        Decides start phases, noise and when in a step its bursts begin.
    """

    def __init__(
        self,
        preset: SoundPreset,
        frequencies_hz: NDArray[np.float64],
        num_backends: int,
        *,
        seed: int,
    ) -> None:
        self._num_backends = num_backends
        self._quantum = 0  # synthesized so far
        self._arranged = 0  # arranged so far: may be ahead
        self._bank = make_band_bank(
            frequencies_hz,
            num_backends,
            rolloff_db=preset.overtones.rolloff,
            roughness_hz=preset.roughness.rate,
            glide_s=preset.motion.glide,
            quantum_frames=QUANTUM_FRAMES,
            sample_rate_hz=SAMPLE_RATE_HZ,
            seed=seed,
        )
        glitches = preset.glitches
        self._bursts = make_bursts(
            num_backends,
            centre_hz=glitches.centre,
            q=glitches.q,
            decay_s=glitches.decay,
            sample_rate_hz=SAMPLE_RATE_HZ,
            seed=seed,
        )
        self._scheduler = BurstScheduler(
            num_backends,
            gain=gain_from_db(glitches.level),
            spacing_quanta=max(round(glitches.spacing * CONTROL_RATE_HZ), 1),
            seed=seed,
        )
        freshness = preset.freshness
        self._freshness = make_freshness(
            tick_gain=gain_from_db(freshness.pilot_level) if freshness.pilot_level > _OFF_DB else 0.0,
            tick_period_s=freshness.pilot_period,
            motif_gain=gain_from_db(freshness.stale_level),
            motif_period_s=freshness.stale_period,
            sample_rate_hz=SAMPLE_RATE_HZ,
        )

    def block(self, scores: list[tuple[Score, int]]) -> ScoreBlock:
        """Arrange scores, each with its length in quanta, one after the other."""
        bursts = []
        for score, num_quanta in scores:
            bursts.append(self._scheduler.place(score.glitch_count, self._arranged, num_quanta))
            self._arranged += num_quanta
        return ScoreBlock(
            partial_gain=np.stack([score.partial_gain for score, _ in scores]).astype(np.float32),
            overtone_gain=np.stack([score.overtone_gain for score, _ in scores]).astype(np.float32),
            roughness_depth=np.stack([score.roughness_depth for score, _ in scores]).astype(np.float32),
            fresh=np.array([score.fresh for score, _ in scores], np.bool_),
            step=np.repeat(np.arange(len(scores)), [num_quanta for _, num_quanta in scores]),
            burst_gain=np.concatenate(bursts),
        )

    def synthesize(self, block: ScoreBlock) -> Float32:
        """Render the dry buses of a block, shape (quanta, backends + 1, quantum frames); the last bus is freshness.

        One quantum lies together, so that it stays in the processor's cache from voice to limiter.
        """
        dry = np.empty((block.num_quanta, self._num_backends + 1, QUANTUM_FRAMES), np.float32)
        first_sample = np.int64(self._quantum * QUANTUM_FRAMES)
        _voices_process(self._bank, self._bursts, self._freshness, block, first_sample, dry)
        self._quantum += block.num_quanta
        return dry

    @property
    def num_buses(self) -> int:
        """Buses that `synthesize` fills."""
        return self._num_backends + 1
