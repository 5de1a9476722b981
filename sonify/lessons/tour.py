"""The legend as a tour of about a minute: scenes laid out over time and scored as any metrics are, captions in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.lessons.captions import Caption
from sonify.lessons.example import PANEL_WORDS, Example, make_example
from sonify.lessons.scenes import Scene, Stage, scenes_of
from sonify.mapping.bars import bar_quanta
from sonify.mapping.mapper import OFF_DB, Mapper
from sonify.mapping.preset import SoundPreset
from sonify.mapping.score import Alarm, Score
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import Step

__all__ = ["Tour", "make_tour"]

_WANTED_S = 63.0
_GRID_QUANTA = 10  # where nothing is sequenced, stages begin at tenths of a second
_FORMS = ((3, False), (2, False), (4, False), (3, True), (2, True))  # how many backends, how brief; the best first
_SCALES = tuple(np.arange(0.6, 1.6, 0.02))  # how far all lengths may be stretched
_NEAR_ENOUGH_S = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Tour:
    """What to play, and what to say of it.

    Attributes
    ----------
    mapper : Mapper
        For the engine.
    scores : tuple of (Score, int)
        Each with its length in quanta.
    captions : tuple of Caption
        In order.
    stopped_quanta : int
        Silence after the last score: the engine is stopped.
    spoken_at_quantum : tuple of int
        Where each scene begins, and with it what is spoken of it.
    """

    mapper: Mapper
    scores: tuple[tuple[Score, int], ...]
    captions: tuple[Caption, ...]
    stopped_quanta: int
    spoken_at_quantum: tuple[int, ...]

    @property
    def played_quanta(self) -> int:
        """Length of what the engine plays."""
        return sum(length for _, length in self.scores)

    @property
    def num_quanta(self) -> int:
        """Whole length, with the silence at the end."""
        return self.played_quanta + self.stopped_quanta


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A stage, and when it is; the first of a scene may be a lead-in, in which the scene's text is spoken."""

    scene: Scene
    stage: Stage
    begin: int
    end: int


def make_tour(preset: SoundPreset, speak: Callable[[Sequence[str]], Sequence[float]] | None = None) -> Tour:
    """Lay out the legend of a preset.

    Parameters
    ----------
    preset : SoundPreset
        All values come from it.
    speak : callable or None
        Takes the text of each scene, gives how long it takes to say it in s; each scene then waits for its text.
    """
    example, scenes, scale = _fit(preset)
    spoken_s = speak([scene.text for scene in scenes]) if speak else None
    placed = _place(example, scenes, scale, spoken_s)
    played = [part for part in placed if part.stage.frame is not None]
    mapper = Mapper(
        example.played,
        example.backends,
        example.healthy.latency_rate,
        num_batch_bands=example.healthy.layout.num_batch_bands,
    )
    scores = tuple(Scorer(mapper).all([_step(part, example) for part in played]))
    return Tour(
        mapper=mapper,
        scores=scores,
        captions=_captions(placed, scores, calls=preset.alarms.level > OFF_DB),
        stopped_quanta=placed[-1].end - played[-1].end,
        spoken_at_quantum=tuple(
            part.begin for i, part in enumerate(placed) if i == 0 or placed[i - 1].scene is not part.scene
        ),
    )


def _fit(preset: SoundPreset) -> tuple[Example, tuple[Scene, ...], float]:
    """Choose the form, and how far lengths are stretched, so that it all takes about a minute."""
    found: list[tuple[float, Example, tuple[Scene, ...], float]] = []
    for count, brief in _FORMS if preset.arrangement.mode == "sequenced" else _FORMS[:1]:
        example = make_example(preset, count)
        scenes = scenes_of(example, brief=brief)
        lengths_s = [_place(example, scenes, scale, None)[-1].end / CONTROL_RATE_HZ for scale in _SCALES]
        best = int(np.argmin(np.abs(np.array(lengths_s) - _WANTED_S)))
        found.append((abs(lengths_s[best] - _WANTED_S), example, scenes, _SCALES[best]))
        if found[-1][0] <= _NEAR_ENOUGH_S:
            break
    return min(found, key=lambda candidate: candidate[0])[1:]


def _place(example: Example, scenes: Sequence[Scene], scale: float, spoken_s: Sequence[float] | None) -> list[_Placed]:
    """Place all stages; a stage that needs whole bars makes the one before it wait for the bar."""
    arrangement = example.played.arrangement
    bar = bar_quanta(arrangement, len(example.backends))
    usual_grid = bar if arrangement.mode == "sequenced" else _GRID_QUANTA
    placed: list[_Placed] = []
    now = 0
    for index, scene in enumerate(scenes):
        grid = bar if scene.by_bars else usual_grid
        if now % grid:
            wait = grid - now % grid
            last = placed[-1]
            placed[-1] = _Placed(last.scene, last.stage, last.begin, last.end + wait)
            now += wait
        if spoken_s is not None:
            lead_in = Stage("", example.healthy, 0.0, spoken_s[index])
            length = _up_to_grid(spoken_s[index], grid)
            placed.append(_Placed(scene, lead_in, now, now + length))
            now += length
        for stage in scene.stages:
            wanted = round(scale * stage.length_s * CONTROL_RATE_HZ / grid) * grid
            length = max(wanted, _up_to_grid(stage.least_s, grid), grid)
            placed.append(_Placed(scene, stage, now, now + length))
            now += length
    return placed


def _up_to_grid(length_s: float, grid: int) -> int:
    return -(-round(length_s * CONTROL_RATE_HZ) // grid) * grid


def _step(part: _Placed, example: Example) -> Step:
    count = np.array(part.stage.glitch_count) if part.stage.glitch_count else np.zeros(len(example.backends))
    assert part.stage.frame is not None
    return Step(part.stage.frame, count, part.begin, part.end - part.begin)


def _captions(placed: Sequence[_Placed], scores: Sequence[tuple[Score, int]], *, calls: bool) -> tuple[Caption, ...]:
    alarms: list[tuple[Alarm, ...]] = [score.alarms if calls else () for score, _ in scores]
    alarms += [()] * (len(placed) - len(alarms))
    return tuple(
        Caption(
            begin_s=part.begin / CONTROL_RATE_HZ,
            end_s=part.end / CONTROL_RATE_HZ,
            scene=part.scene.name,
            text=part.scene.text,
            detail=part.stage.text,
            earcons=tuple(f"{PANEL_WORDS[alarm.panel]}, {'rising' if alarm.worse else 'falling'}" for alarm in begun),
        )
        for part, begun in zip(placed, alarms, strict=True)
    )
