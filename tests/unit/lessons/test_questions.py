"""Questions of the quiz: seeded, fair, and to be heard in their clips."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sonify.dsp.quantum import SAMPLE_RATE_HZ
from sonify.lessons.playing import play_scores
from sonify.lessons.questions import PANEL_WORDS, WHOLE_SERVICE, Question, make_quiz
from sonify.mapping.preset import SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.metrics.panels import Limits


class Ear:
    def __init__(self):
        self.parts = []

    def write(self, audio):
        self.parts.append(audio.copy())


def heard(quiz, question):
    """Sound of a clip, shape (frames, 2)."""
    ear = Ear()
    play_scores(quiz.mapper, quiz.clip(question), (ear,), seed=1)
    return np.concatenate(ear.parts).astype(float)


def halves(quiz, question):
    """Sound of the end of both halves of a clip, where the change is over, shape (frames, 2) each."""
    before, after = np.array_split(heard(quiz, question), 2)
    return before[len(before) // 3 :], after[len(after) // 3 :]


@pytest.mark.parametrize("name", list_sound_presets())
def test_same_seed_same_quiz(name):
    preset = load_sound_preset(name)
    one, same, other = (make_quiz(preset, seed=seed, num_clips=20) for seed in (5, 5, 6))
    assert one.questions == same.questions
    assert one.questions != other.questions
    for question in one.questions[:3]:
        for (first, _), (second, _) in zip(one.clip(question), same.clip(question), strict=True):
            assert np.array_equal(first.partial_gain, second.partial_gain)


def test_every_panel_comes_once_a_round_and_both_ways():
    questions = make_quiz(SoundPreset(), seed=3, num_clips=14).questions
    assert Counter(question.panel for question in questions[:7]) == dict.fromkeys(PANEL_WORDS, 1)
    assert Counter((question.panel, question.worse) for question in questions) == {
        (panel, worse): 1 for panel in PANEL_WORDS for worse in (False, True)
    }


def test_right_answers_are_among_the_choices():
    quiz = make_quiz(SoundPreset(), seed=1, num_clips=50)
    for question in quiz.questions:
        assert all(answer in quiz.choices[kind] for kind, answer in question.answers.items())


def test_what_cannot_be_heard_is_not_asked():
    preset = SoundPreset()
    limits = {**preset.limits, "error_ratio": Limits(2.0, 3.0)}  # no ratio reaches it
    quiet = replace(preset, limits=limits, gauges=replace(preset.gauges, pulse_level=-90.0, sub_level=-90.0))
    quiz = make_quiz(quiet, seed=0, num_clips=30)
    assert {question.panel for question in quiz.questions} == {
        "request_rate", "latency_p95", "fallback_ratio", "glitch_rate",
    }  # fmt: skip
    assert WHOLE_SERVICE not in quiz.choices["backend"]


@pytest.mark.parametrize("worse", [True, False])
@pytest.mark.parametrize("panel", PANEL_WORDS)
def test_one_thing_changes_halfway(panel, worse):
    quiz = make_quiz(SoundPreset(), seed=0, num_clips=1)
    whole = panel in ("queue_depth", "active_requests")
    (before, length), (after, same_length) = quiz.clip(Question(WHOLE_SERVICE if whole else "ts", panel, worse))
    assert length == same_length
    assert before.alarms == ()
    assert [(alarm.panel, alarm.worse) for alarm in after.alarms] == [(panel, worse)]
    rows = ("partial_gain", "overtone_gain", "roughness_depth", "glitch_count")
    others = [0, 2]
    for row in rows:
        assert np.array_equal(getattr(before, row)[others], getattr(after, row)[others])
    gauges = [(score.pulse_hz, score.sub_gain) for score in (before, after)]
    changed = [row for row in rows if not np.array_equal(getattr(before, row)[1], getattr(after, row)[1])]
    assert bool(changed) != whole
    assert (gauges[0] != gauges[1]) == whole


@pytest.mark.parametrize("name", ["code-live", "organ"])
@pytest.mark.parametrize("panel", PANEL_WORDS)
def test_the_change_is_heard_and_turns_round(name, panel):
    """The spectrum of the halves differs by 3 dB somewhere; getting better is getting worse the other way round."""
    quiz = make_quiz(load_sound_preset(name), seed=0, num_clips=1, earcons=False)
    backend = WHOLE_SERVICE if panel in ("queue_depth", "active_requests") else quiz.choices["backend"][0]

    def spectrum_db(sound):
        power = np.abs(np.fft.rfft(sound.sum(axis=1) * np.hanning(len(sound)))) ** 2
        bins = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
        edges = np.geomspace(40.0, 12000.0, 60)
        bands = [power[(bins >= low) & (bins < high)].mean() for low, high in pairwise(edges)]
        return 10.0 * np.log10(np.array(bands) / len(sound) + 1e-9)

    worse = [spectrum_db(half) for half in halves(quiz, Question(backend, panel, True))]
    better = [spectrum_db(half) for half in halves(quiz, Question(backend, panel, False))]
    change = worse[1] - worse[0]
    assert np.abs(change).max() > 3.0
    place = int(np.abs(change).argmax())
    assert np.sign(change[place]) == -np.sign((better[1] - better[0])[place])


def test_earcons_can_be_left_out():
    """They are where the change is, and all that is left out."""
    quizzes = [make_quiz(SoundPreset(), seed=0, num_clips=1, earcons=earcons) for earcons in (True, False)]
    loud, quiet = (heard(quiz, Question("ts", "error_ratio", True)) for quiz in quizzes)
    added = np.abs(loud - quiet).max(axis=1)
    assert added[: len(added) // 2].max() == 0.0
    assert added[len(added) // 2 :][: SAMPLE_RATE_HZ // 10].max() > 0.05
