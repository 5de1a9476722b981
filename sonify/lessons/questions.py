"""Questions of the quiz: one backend changes in one panel, for better or worse; the listener says which and what."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.lessons.example import GAUGES, PANEL_WORDS, Example, make_example, state_of, value_in
from sonify.mapping.bars import bar_quanta
from sonify.mapping.mapper import OFF_DB, Mapper
from sonify.mapping.preset import SoundPreset
from sonify.mapping.score import Score
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import Step
from sonify.metrics.panels import PANELS, State

__all__ = ["DIRECTIONS", "WHOLE_SERVICE", "Question", "Quiz", "make_quiz"]

WHOLE_SERVICE = "the whole service"
DIRECTIONS = ("better", "worse")

_NUM_BACKENDS = 3
_HALF_S = 3.0  # before the change, and after it
_LEAST_BARS = 2
_LEAST_GLITCHES = 3.0


@dataclass(frozen=True, slots=True)
class Question:
    """What changes in a clip.

    Attributes
    ----------
    backend : str
        A name, or `WHOLE_SERVICE` for the panels that no backend has to itself.
    panel : str
        A key of `PANEL_WORDS`.
    worse : bool
        From normal to red; else from red to normal.
    """

    backend: str
    panel: str
    worse: bool

    @property
    def answers(self) -> dict[str, str]:
        """What is right, by kind of question."""
        return {"backend": self.backend, "panel": PANEL_WORDS[self.panel], "direction": DIRECTIONS[self.worse]}


@dataclass(frozen=True, slots=True, eq=False)
class Quiz:
    """All questions on a preset.

    Attributes
    ----------
    mapper : Mapper
        For the engine.
    questions : tuple of Question
        In order.
    choices : dict of str to tuple of str
        What may be answered, by kind of question.
    """

    mapper: Mapper
    questions: tuple[Question, ...]
    choices: dict[str, tuple[str, ...]]
    _example: Example

    def clip(self, question: Question) -> list[tuple[Score, int]]:
        """Score the clip of a question: before and after, as long as each other."""
        example, preset = self._example, self.mapper.preset
        backend = None if question.backend == WHOLE_SERVICE else example.backends.index(question.backend)
        fault = example.with_panel(question.panel, value_in(preset.limits[question.panel], State.RED), backend)
        quanta = _half_quanta(preset, len(example.backends))
        steps: list[Step] = []
        for frame in (example.healthy, fault) if question.worse else (fault, example.healthy):
            expected = frame.glitch_rate * quanta / CONTROL_RATE_HZ
            glitches = np.where(frame.glitch_rate > 0.0, np.maximum(np.rint(expected), _LEAST_GLITCHES), 0.0)
            steps.append(Step(frame, glitches, len(steps) * quanta, quanta))
        (before, length), after = Scorer(self.mapper).all(steps)
        return [(replace(before, alarms=()), length), after]  # what was so before the clip was called before the clip


def make_quiz(preset: SoundPreset, *, seed: int, num_clips: int, earcons: bool = True) -> Quiz:
    """Draw questions: every panel that the preset lets be heard comes once before any comes again.

    Parameters
    ----------
    preset : SoundPreset
        How it sounds.
    seed : int
        Same seed, same questions.
    num_clips : int
        How many.
    earcons : bool
        Whether crossing a limit calls, as the preset has it; without, only the voices tell.
    """
    if not earcons:
        preset = replace(preset, alarms=replace(preset.alarms, level=OFF_DB))
    example = make_example(preset, _NUM_BACKENDS)
    panels = [panel.name for panel in PANELS if _can_be_told(example, panel.name)]
    mapper = Mapper(
        example.played,
        example.backends,
        example.healthy.latency_rate,
        num_batch_bands=example.healthy.layout.num_batch_bands,
    )
    chance = random.Random(seed)
    drawn = _draw(panels, chance)
    questions = []
    for _ in range(num_clips):
        panel, worse = next(drawn)
        backend = WHOLE_SERVICE if panel in GAUGES else chance.choice(example.backends)
        questions.append(Question(backend, panel, worse))
    whole = (WHOLE_SERVICE,) if any(panel in GAUGES for panel in panels) else ()
    choices = {
        "backend": (*example.backends, *whole),
        "panel": tuple(PANEL_WORDS[panel] for panel in PANEL_WORDS if panel in panels),
        "direction": DIRECTIONS,
    }
    return Quiz(mapper, tuple(questions), choices, example)


def _draw(panels: list[str], chance: random.Random) -> Iterator[tuple[str, bool]]:
    """Draw panels, each in turn getting worse and better, in a new order every round."""
    worse = {panel: chance.random() < 0.5 for panel in panels}
    while True:
        for panel in chance.sample(panels, len(panels)):
            yield panel, worse[panel]
            worse[panel] = not worse[panel]


def _can_be_told(example: Example, panel: str) -> bool:
    """Whether a panel is heard at all in a preset, and its limits leave it room to get worse; glitches always can."""
    preset = example.preset
    heard = {
        "fallback_ratio": preset.overtones.amount[-1][1] > 0.0,
        "error_ratio": preset.roughness.depth[-1][1] > 0.0,
        "queue_depth": preset.gauges.pulse_level > OFF_DB,
        "active_requests": preset.gauges.sub_level > OFF_DB,
    }
    red = example.with_panel(panel, value_in(preset.limits[panel], State.RED))
    return heard.get(panel, True) and state_of(preset, panel, red) > state_of(preset, panel, example.healthy)


def _half_quanta(preset: SoundPreset, num_backends: int) -> int:
    wanted = round(_HALF_S * CONTROL_RATE_HZ)
    if preset.arrangement.mode != "sequenced":
        return wanted
    bar = bar_quanta(preset.arrangement, num_backends)
    return bar * max(round(wanted / bar), _LEAST_BARS)
