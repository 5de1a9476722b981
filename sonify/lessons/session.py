"""A quiz in plain lines: questions out, answers in; for a keyboard, a screen reader or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sonify.lessons.questions import Question

__all__ = ["KINDS", "Session", "Tally", "chosen"]

KINDS = {"backend": "Which backend?", "panel": "Which panel?", "direction": "Better or worse?"}

_REPEAT, _QUIT = ("r", "repeat"), ("q", "quit")


@dataclass
class Tally:
    """Right and wrong answers by kind of question."""

    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    @property
    def answered(self) -> int:
        """How many answers were given."""
        return sum(self.right.values()) + sum(self.wrong.values())

    def count(self, kind: str, *, right: bool) -> None:
        """Count an answer."""
        (self.right if right else self.wrong)[kind] += 1

    def line(self) -> str:
        """Sum up, for a person."""
        kinds = (f"{kind} {self.right[kind]} of {self.right[kind] + self.wrong[kind]}" for kind in KINDS)
        return ", ".join(kinds)


class _EndError(Exception):
    """Nobody answers any more."""


class Session:
    """Ask about clips, one after the other.

    Parameters
    ----------
    questions : sequence of Question
        One a clip.
    choices : dict of str to sequence of str
        What may be answered, by kind.
    say : callable
        Takes a line to show.
    read_line : callable
        Gives a line with its end; an empty one at the end of the input.
    play : callable
        Takes the index of a clip.

    Attributes
    ----------
    tally : Tally
        Answers so far; it holds whatever happens.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        choices: dict[str, tuple[str, ...]],
        *,
        say: Callable[[str], None],
        read_line: Callable[[], str],
        play: Callable[[int], None],
    ) -> None:
        self._questions = questions
        self._choices = choices
        self._say = say
        self._read_line = read_line
        self._play = play
        self.tally = Tally()

    def run(self) -> None:
        """Ask until all is answered, or the listener quits, or the input ends."""
        try:
            for index, question in enumerate(self._questions):
                self._say(f"Clip {index + 1} of {len(self._questions)}.")
                self._play(index)
                self._ask(index, question)
        except _EndError:
            pass

    def _ask(self, index: int, question: Question) -> None:
        verdicts = []
        for kind, right in question.answers.items():
            given = self._answer(index, kind)
            self.tally.count(kind, right=given == right)
            verdicts.append(f"{right}, right" if given == right else f"{right}, not {given}")
        self._say(f"It was: {'; '.join(verdicts)}.")

    def _answer(self, index: int, kind: str) -> str:
        choices = self._choices[kind]
        self._say(f"{KINDS[kind]} {', '.join(f'{number} {name}' for number, name in enumerate(choices, 1))}")
        while True:
            line = self._read_line()
            text = line.strip()
            if not line or text.lower() in _QUIT:
                raise _EndError
            if text.lower() in _REPEAT:
                self._play(index)
                continue
            answer = chosen(text, choices)
            if answer is not None:
                return answer
            self._say(
                f"{_shown(text)} is none of them: a number from 1 to {len(choices)}, a name, r to repeat, q to quit"
            )


def chosen(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a number, a name or the begin of just one name means; None: no such choice."""
    wanted = text.strip().casefold()
    if wanted.isascii() and wanted.isdigit():
        number = int(wanted[:9])
        return choices[number - 1] if 1 <= number <= len(choices) else None
    same = [choice for choice in choices if choice.casefold() == wanted]
    begun = [choice for choice in choices if wanted and choice.casefold().removeprefix("the ").startswith(wanted)]
    found = same or begun
    return found[0] if len(found) == 1 else None


def _shown(text: str) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in text[:40])
    return f'"{clean}"'
