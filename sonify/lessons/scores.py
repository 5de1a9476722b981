"""The score file of the quiz: JSON Lines, one quiz a line, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sonify.errors import ReaderError, RenderError
from sonify.lessons.session import KINDS, Tally

__all__ = ["QuizScore", "append_score", "load_scores", "score_table", "scores_path"]


@dataclass(frozen=True, slots=True)
class QuizScore:
    """One quiz.

    Attributes
    ----------
    date : str
        ISO 8601, UTC.
    preset : str
        Name of the sound preset.
    seed : int
        Of the questions.
    right, wrong : dict of str to int
        Answers by kind of question.
    """

    date: str
    preset: str
    seed: int
    right: dict[str, int]
    wrong: dict[str, int]

    @classmethod
    def of(cls, tally: Tally, *, date: str, preset: str, seed: int) -> QuizScore:
        """Make the score of a tally."""
        return cls(date, preset, seed, dict(tally.right), dict(tally.wrong))


def scores_path() -> Path:
    """Path of the score file, in the user's data directory (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_DATA_HOME", "")
    folder = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "share"
    return folder / "sonify" / "quiz.jsonl"


def append_score(path: Path, score: QuizScore) -> None:
    """Append a line in one write, so that quizzes that end at the same time both keep theirs; raises RenderError.

    A line that was cut off, as by a full disk, is ended first and spoils nothing.
    """
    line = json.dumps(asdict(score), ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                line = line if file.read(1) == b"\n" else "\n" + line
            data = line.encode()
            if file.write(data) != len(data):
                raise OSError(f"only a part of {len(data)} bytes was written")
            os.fsync(file.fileno())
    except OSError as error:
        raise RenderError(f"{path}: the score cannot be kept: {error.strerror or error}") from None


def load_scores(path: Path) -> tuple[list[QuizScore], int]:
    """Read all scores, oldest first, and count the lines that are none; no file is no scores. Raises ReaderError."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise ReaderError(f"{path}: cannot be read: {error.strerror or error}") from None
    scores = [_parse(line) for line in lines if line.strip()]
    good = [score for score in scores if score is not None]
    return good, len(scores) - len(good)


def _parse(line: str) -> QuizScore | None:
    try:
        row: Any = json.loads(line)
        right, wrong = ({kind: int(row[side][kind]) for kind in KINDS} for side in ("right", "wrong"))
        return QuizScore(str(row["date"]), str(row["preset"]), int(row["seed"]), right, wrong)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None


def score_table(scores: Sequence[QuizScore]) -> str:
    """Lay scores out as a table, with the sum of all in the last line."""
    rows = [("date", "preset", *KINDS, "all")]
    rows += [(_clean(score.date), _clean(score.preset), *_cells([score])) for score in scores]
    rows.append(("all", "", *_cells(scores)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(scores: Sequence[QuizScore]) -> list[str]:
    right = [sum(score.right[kind] for score in scores) for kind in KINDS]
    wrong = [sum(score.wrong[kind] for score in scores) for kind in KINDS]
    pairs = [*zip(right, wrong, strict=True), (sum(right), sum(wrong))]
    return [f"{good}/{good + bad}" for good, bad in pairs]


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:32])
