"""A deck: one engine that plays one preset for one layout, with everything that decides what it plays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.engine import Engine
from sonify.mapping.alarms import LimitTracker
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import SoundPreset
from sonify.mapping.score import Score
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import Step
from sonify.mapping.voicing import choose_voices, fold_backends
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.recording import Recording
from sonify.runner.conductor import Conductor, find_pace
from sonify.runner.controls import Knobs

__all__ = ["Deck", "Played", "choose_kept"]

Float32 = NDArray[np.float32]

_FADE_QUANTA = 2  # a gain goes from 0 to 1 in 20 ms
_LARGEST_STEP = 1.0 / _FADE_QUANTA


class Played(NamedTuple):
    """A step that began: `frame` as the source's layout has it, `folded` as its voices do."""

    quantum: int
    frame: MetricFrame
    folded: MetricFrame


def choose_kept(preset: SoundPreset, samples: Sequence[MetricFrame]) -> list[int]:
    """Choose the backends that have a voice of their own, by frames of one layout."""
    recording = Recording.from_frames(samples[-1].layout, samples)
    return choose_voices(recording, preset.limits, preset.arrangement.voices)


class Deck:
    """Play frames of one layout with one preset.

    Making one takes some time and no notice of the world: it may be done in any thread. `begin` makes it ready.

    Parameters
    ----------
    preset : SoundPreset
        How it sounds.
    samples : sequence of MetricFrame
        At least one frame of the layout; where there are more backends than voices they decide which have their own.
    seed : int
        Of all randomness.
    speed : float
        Seconds of the frames' time in a second of sound.

    Attributes
    ----------
    layout : Layout
        Of the frames that come, as the source has it.
    backends : tuple of str
        Those that have a voice.
    kept : list of int
        Which of the layout's those are; where they are not all, the last voice is that of all the others.
    frame : MetricFrame
        What plays.
    """

    def __init__(self, preset: SoundPreset, samples: Sequence[MetricFrame], *, seed: int, speed: float = 1.0) -> None:
        self._speed = speed
        sample = samples[-1]
        self.preset = preset
        self.layout: Layout = sample.layout
        self.kept = choose_kept(preset, samples)
        voiced = self._voiced(sample)
        self.backends = voiced.layout.backends
        # no baseline but the preset's own: what is played live must be what a render of it plays
        self._mapper = Mapper(preset, self.backends, num_batch_bands=voiced.layout.num_batch_bands)
        self._engine = Engine(self._mapper, seed=seed)
        self._pace = find_pace(preset, sample.layout.interval_s / speed, len(self.backends))
        self._score: Score | None = None
        self._bus_gain = np.ones(len(self.backends) + 2, np.float32)
        self._at_rest_with: Knobs | None = None  # all gains are 1, and stay so
        self._amounts = (1.0, 1.0, 1.0, 0.0)
        self._levels = np.zeros(len(self.backends), np.float32)
        self.frame = MetricFrame.unmeasured(voiced.layout, 0.0)

    def begin(self, quantum: int, after: LimitTracker | None = None) -> None:
        """Get ready to play from a quantum on, in the place of another deck whose limits were `after`."""
        self._engine.begin_at(quantum)
        self._scorer = Scorer(self._mapper, after=after)
        red_latency_s = self.preset.limits["latency_p95"].red
        self.conductor = Conductor(self._pace, self.layout, red_latency_s, quantum, speed=self._speed)

    @property
    def mapper(self) -> Mapper:
        """How its frames sound."""
        return self._mapper

    @property
    def limits(self) -> LimitTracker:
        """Which panels are over a limit."""
        return self._scorer.limits

    @property
    def gain_reduction_db(self) -> float:
        """Of the compressor."""
        return self._engine.chain.gain_reduction_db

    def take_levels(self) -> Float32:
        """Highest peak of each backend's dry bus since the last call, linear, shape (backends,)."""
        levels, self._levels = self._levels, np.zeros_like(self._levels)
        return levels

    def _voiced(self, frame: MetricFrame) -> MetricFrame:
        """Move a frame onto the preset's bands, and the backends without a voice of their own into one."""
        recording = Recording.from_frames(frame.layout, [frame]).on_bands(self.preset.bands.latency_bands)
        return fold_backends(recording, self.kept).frame(0)

    def next_scores(
        self, quantum: int, num_quanta: int, *, goes_on: bool
    ) -> tuple[list[tuple[Score, int]], list[Played]]:
        """Say what is played in the next quanta, and which steps begin; a deck that does not go on holds its score."""
        scores: list[tuple[Score, int]] = []
        begun: list[Played] = []
        for now in range(quantum, quantum + num_quanta):
            step = self.conductor.next_step(now) if goes_on else None
            if step is not None:
                self._start(step)
                begun.append(Played(now, step.frame, self.frame))
                scores.append((self._score_now(), 1))
            elif scores:
                scores[-1] = (scores[-1][0], scores[-1][1] + 1)
            else:
                scores.append((self._score_now().continued(), 1))
        return scores, begun

    def _start(self, step: Step) -> None:
        voiced = self._voiced(step.frame)
        glitches = np.nan_to_num(voiced.glitch_rate) * voiced.layout.interval_s
        self.frame = voiced
        self._score = self._scorer.score(
            Step(voiced, glitches, step.start_quantum, step.num_quanta, step.spread_quanta)
        )

    def _score_now(self) -> Score:
        """Score of the step that plays; before there is any, silence without a tick or a motif."""
        if self._score is not None:
            return self._score
        backends = len(self.backends)
        partials = len(self._mapper.frequencies_hz)
        return Score(
            np.zeros((backends, partials)),
            overtone_gain=np.zeros(backends),
            roughness_depth=np.zeros(backends),
            emphasis_gain=np.ones(backends),
            hold_ratio=np.zeros(backends),
            glitch_count=np.zeros(backends),
            drum_gain=np.zeros(self._mapper.num_batch_bands),
        )

    def render(self, scores: list[tuple[Score, int]], knobs: Knobs) -> Float32:
        """Audio of scores, shape (frames, 2)."""
        self._turn(knobs)
        dry = self._engine.synthesize(self._engine.block(scores))
        if len(dry):
            peaks = np.abs(dry[:, :-2]).max(axis=(0, 2))
            self._levels = np.maximum(self._levels, peaks)
        for gains in self._gain_ramps(knobs, len(dry)):
            dry *= gains
        return self._engine.mix(dry)

    def _turn(self, knobs: Knobs) -> None:
        amounts = (knobs.eq, knobs.compressor, knobs.reverb, knobs.trim_db)
        if amounts != self._amounts:
            self._amounts = amounts
            self._engine.chain.set_amounts(
                eq=knobs.eq, compressor=knobs.compressor, reverb=knobs.reverb, trim_db=knobs.trim_db
            )

    def _gain_ramps(self, knobs: Knobs, num_quanta: int) -> Iterator[Float32]:
        """Gains of all buses, shape (quanta, buses, frames), where any is not 1; they move in straight lines."""
        if knobs is self._at_rest_with:
            return
        heard = [name not in knobs.muted and (not knobs.soloed or name in knobs.soloed) for name in self.backends]
        own = [10.0 ** (knobs.backend_trim_db.get(name, 0.0) / 20.0) for name in self.backends]
        trim = 10.0 ** (knobs.trim_db / 20.0)  # the voices are trimmed behind the compressor
        target = np.array([*np.multiply(heard, own), trim, trim], np.float32)
        if np.array_equal(self._bus_gain, target) and bool(np.all(target == 1.0)):
            self._at_rest_with = knobs
            return
        self._at_rest_with = None
        gains = np.empty((num_quanta, len(target), QUANTUM_FRAMES), np.float32)
        time = np.arange(1, QUANTUM_FRAMES + 1, dtype=np.float32) / QUANTUM_FRAMES
        for quantum in range(num_quanta):
            step = np.clip(target - self._bus_gain, -_LARGEST_STEP, _LARGEST_STEP)
            gains[quantum] = self._bus_gain[:, None] + step[:, None] * time
            self._bus_gain = np.where(np.abs(step) < _LARGEST_STEP, target, self._bus_gain + step)
        yield gains
