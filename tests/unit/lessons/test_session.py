"""A quiz as a conversation in lines."""

import pytest

from sonify.lessons.questions import WHOLE_SERVICE, Question
from sonify.lessons.session import KINDS, Session, chosen

CHOICES = {
    "backend": ("rust", "ts", "TSX", WHOLE_SERVICE),
    "panel": ("traffic", "latency", "errors", "active requests"),
    "direction": ("better", "worse"),
}
QUESTIONS = (Question("ts", "error_ratio", True), Question("rust", "latency_p95", False))


def run(*lines, end=""):
    said, played = [], []
    given = iter([*(f"{line}\n" for line in lines), end])
    session = Session(QUESTIONS, CHOICES, say=said.append, read_line=lambda: next(given, ""), play=played.append)
    session.run()
    return session.tally, said, played


def test_right_by_number_or_name():
    tally, said, played = run("2", "errors", "2", "rust", "2", "better")
    assert tally.right == dict.fromkeys(KINDS, 2)
    assert tally.wrong == dict.fromkeys(KINDS, 0)
    assert played == [0, 1]
    assert said[-1] == "It was: rust, right; latency, right; better, right."


def test_wrong_is_counted_by_kind_and_told():
    tally, said, _ = run("rust", "errors", "better")
    assert tally.right == {"backend": 0, "panel": 1, "direction": 0}
    assert tally.wrong == {"backend": 1, "panel": 0, "direction": 1}
    assert "It was: ts, not rust; errors, right; worse, not better." in said


def test_r_plays_again_and_q_keeps_what_was_answered():
    tally, _, played = run("r", "R", "ts", "repeat", "q", "3")
    assert played == [0, 0, 0, 0]
    assert tally.right["backend"] == 1
    assert tally.answered == 1


@pytest.mark.parametrize("lines", [(), ("ts",), ("ts", "errors", "worse"), ("ts", "errors", "worse", "1")])
def test_the_end_of_the_input_ends_it(lines):
    tally, _, _ = run(*lines)
    assert tally.answered == len(lines)


def test_a_last_line_without_its_end_counts():
    assert run("ts", "errors", end="worse")[0].answered == 3


def test_what_is_no_answer_is_asked_again():
    tally, said, _ = run("", "9", "0", "x" * 500, "\x1b[2J", "-1", "ts")
    assert tally.answered == 1
    assert sum("is none of them" in line for line in said) == 6
    assert all(line.isprintable() and len(line) < 200 for line in said)


@pytest.mark.parametrize(
    ("text", "kind", "meant"),
    [
        ("1", "backend", "rust"),
        ("ru", "backend", "rust"),
        ("ts", "backend", "ts"),
        ("t", "backend", None),
        ("tsx", "backend", "TSX"),
        ("whole", "backend", WHOLE_SERVICE),
        ("Active", "panel", "active requests"),
        ("w", "direction", "worse"),
        ("³", "direction", None),
        ("9" * 400, "direction", None),
        ("", "direction", None),
    ],
)
def test_chosen(text, kind, meant):
    assert chosen(text, CHOICES[kind]) == meant
