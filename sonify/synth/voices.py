"""All voices together: a block of score becomes dry buses, in one compiled call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.kernel import entry
from sonify.mapping.bars import envelopes
from sonify.mapping.mapper import Mapper
from sonify.mapping.scales import frequency_hz_of_note
from sonify.mapping.score import Score
from sonify.synth.arranger import Arranger
from sonify.synth.band_bank import BandBank, band_bank_quantum, make_band_bank
from sonify.synth.burst_scheduler import BurstScheduler
from sonify.synth.bursts import Bursts, bursts_quantum, make_bursts
from sonify.synth.clips import ClipPlayer, clips_quantum
from sonify.synth.gauges import Gauges, gauges_quantum, make_gauges
from sonify.units import gain_from_db

__all__ = ["ScoreBlock", "Voices"]

Float32 = NDArray[np.float32]


class ScoreBlock(NamedTuple):
    """Scores of some steps, and which of them sounds in each quantum.

    With S steps, Q quanta, B backends, P partials and C clips: `partial_gain` (S, B, P), `overtone_gain`,
    `roughness_depth`, `emphasis_gain` and `hold_ratio` (S, B), `gauges` (S, 3) pulse tempo in Hz, pulse gain, sub-bass
    gain, `step` (Q,) index into these, `burst_gain` (Q, B) and `clip_gain` (Q, C) levels of what begins with a quantum.
    """

    partial_gain: Float32
    overtone_gain: Float32
    roughness_depth: Float32
    emphasis_gain: Float32
    hold_ratio: Float32
    gauges: Float32
    step: NDArray[np.int64]
    burst_gain: Float32
    clip_gain: Float32

    @property
    def num_quanta(self) -> int:
        """Length in quanta."""
        return len(self.step)

    def split(self, num_quanta: int) -> Iterator[ScoreBlock]:
        """Pieces of at most `num_quanta`, in order; they sound the same as the whole."""
        for begin in range(0, self.num_quanta, num_quanta):
            piece = slice(begin, begin + num_quanta)
            yield self._replace(
                step=self.step[piece], burst_gain=self.burst_gain[piece], clip_gain=self.clip_gain[piece]
            )


@entry(nogil=True)
def _voices_process(
    bank: BandBank,
    bursts: Bursts,
    gauges: Gauges,
    clips: ClipPlayer,
    block: ScoreBlock,
    first_quantum: np.int64,
    dry: Float32,
) -> None:
    num_quanta, num_buses, frames = dry.shape
    bar = bank.envelope.shape[0] - 1
    for q in range(num_quanta):
        step = block.step[q]
        now = (first_quantum + q) * frames
        band_bank_quantum(
            bank,
            now,
            (first_quantum + q) % bar,
            block.partial_gain[step],
            block.overtone_gain[step],
            block.roughness_depth[step],
            block.emphasis_gain[step],
            block.hold_ratio[step],
            dry[q],
        )
        bursts_quantum(bursts, now, block.burst_gain[q], dry[q])
        shared = dry[q, num_buses - 2 :]
        shared[:] = np.float32(0.0)
        tempo, pulse_gain, sub_gain = block.gauges[step]
        gauges_quantum(gauges, now, tempo / SAMPLE_RATE_HZ, pulse_gain, sub_gain, shared[0])
        clips_quantum(clips, block.clip_gain[q], shared)


class Voices:
    """Every voice of one preset, for a fixed number of backends.

    Parameters
    ----------
    mapper : Mapper
        Whose scores will come: it knows the preset, the pitches, and how many backends and batch bands there are.
    seed : int
        Decides noise, and when in a step its bursts begin.

    Attributes
    ----------
    num_buses : int
        Buses that `synthesize` fills: one a backend, one for gauges, one for signals.
    """

    def __init__(self, mapper: Mapper, *, seed: int) -> None:
        preset = mapper.preset
        num_backends = len(mapper.backends)
        self.num_buses = num_backends + 2
        self._quantum = 0  # the next to be synthesized
        self._arranged = 0  # the next to be arranged: may be ahead
        self._bank = make_band_bank(
            mapper.frequencies_hz,
            envelopes(preset.arrangement, num_backends),
            rolloff_db=preset.overtones.rolloff,
            roughness_hz=preset.roughness.rate,
            glide_s=preset.motion.glide,
            quantum_frames=QUANTUM_FRAMES,
            sample_rate_hz=SAMPLE_RATE_HZ,
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
            preset.arrangement,
            num_backends,
            gain=gain_from_db(glitches.level),
            spacing_quanta=max(round(glitches.spacing * CONTROL_RATE_HZ), 1),
            seed=seed,
        )
        self._gauges = make_gauges(
            pulse_hz=float(frequency_hz_of_note(preset.gauges.pulse_note)),
            sub_hz=float(frequency_hz_of_note(preset.gauges.sub_note)),
            glide_s=preset.motion.glide,
            quantum_frames=QUANTUM_FRAMES,
            sample_rate_hz=SAMPLE_RATE_HZ,
        )
        self._arranger = Arranger(preset, num_backends, mapper.num_batch_bands)

    def begin_at(self, quantum: int) -> None:
        """Set where in time the first block lies, so that bars and ticks go on where other voices leave off."""
        self._quantum = self._arranged = quantum

    def block(self, scores: list[tuple[Score, int]]) -> ScoreBlock:
        """Arrange scores, each with its length in quanta, one after the other."""
        bursts, clips = [], []
        for score, num_quanta in scores:
            bursts.append(self._scheduler.place(score.glitch_count, self._arranged, num_quanta, score.spread_quanta))
            clips.append(self._arranger.place(score, self._arranged, num_quanta))
            self._arranged += num_quanta
        return ScoreBlock(
            partial_gain=_stacked([score.partial_gain for score, _ in scores]),
            overtone_gain=_stacked([score.overtone_gain for score, _ in scores]),
            roughness_depth=_stacked([score.roughness_depth for score, _ in scores]),
            emphasis_gain=_stacked([score.emphasis_gain for score, _ in scores]),
            hold_ratio=_stacked([score.hold_ratio for score, _ in scores]),
            gauges=_stacked([np.array([score.pulse_hz, score.pulse_gain, score.sub_gain]) for score, _ in scores]),
            step=np.repeat(np.arange(len(scores)), [num_quanta for _, num_quanta in scores]),
            burst_gain=np.concatenate(bursts),
            clip_gain=np.concatenate(clips),
        )

    def synthesize(self, block: ScoreBlock) -> Float32:
        """Render the dry buses of a block, shape (quanta, buses, quantum frames).

        One quantum lies together, so that it stays in the processor's cache from voice to limiter.
        """
        dry = np.empty((block.num_quanta, self.num_buses, QUANTUM_FRAMES), np.float32)
        first_quantum = np.int64(self._quantum)
        _voices_process(self._bank, self._bursts, self._gauges, self._arranger.player, block, first_quantum, dry)
        self._quantum += block.num_quanta
        return dry


def _stacked(rows: list[NDArray[np.float64]]) -> Float32:
    return np.array(rows, dtype=np.float32)  # a third of the time of np.stack, and live this is done often
