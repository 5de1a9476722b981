"""``sonify quiz``: short clips, and what changes in them? Trains the ear, and keeps the score."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sonify.errors import RenderError

if TYPE_CHECKING:
    from sonify.lessons.questions import Quiz
    from sonify.lessons.session import Session, Tally

__all__ = ["quiz"]

_PLAYER_SLACK_S = 10.0  # for a player to start and to end

_EPILOG = """\b
Examples:
  sonify quiz
  sonify quiz --sound mine.toml --clips 5 --no-earcons
  sonify quiz --seed 7 -o clips --no-play
  sonify quiz --scores
"""


@click.command(epilog=_EPILOG)
@click.option("--sound", default="code-live", show_default=True, help="Sound preset: a name, or a .toml file.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), help="Same seed, same questions; drawn and shown by default."
)
@click.option("--clips", default=10, show_default=True, type=click.IntRange(1, 99), help="How many clips.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the clips, made where it is missing; a temporary one by default.",
)
@click.option("--no-play", is_flag=True, help="Only write the clips; you play them.")
@click.option("--no-earcons", is_flag=True, help="Harder: crossing a limit does not call; only the voices tell.")
@click.option("--scores", is_flag=True, help="Show the scores so far, and ask nothing.")
def quiz(
    sound: str, seed: int | None, clips: int, output: Path | None, no_play: bool, no_earcons: bool, scores: bool
) -> None:
    """Train your ear on short clips: say which backend changes, in which panel, for better or worse.

    Each clip is steady for a few seconds, then one thing changes. Answer each question with a number or a name, or its
    first letters; r plays the clip again, q quits and keeps the score. Clips are played through the first of paplay,
    pw-play, aplay, play, ffplay and afplay that is installed and works.
    """
    if scores:
        _show_scores()
        return
    from sonify.lessons.questions import make_quiz
    from sonify.mapping.preset_file import load_sound_preset

    preset = load_sound_preset(sound)
    if seed is None:
        import random

        seed = random.SystemRandom().randrange(10_000)
    made = make_quiz(preset, seed=seed, num_clips=clips, earcons=not no_earcons)
    folder = _folder(output)
    paths = _write(made, folder, seed)
    click.echo(f"Quiz on {preset.name}, seed {seed}: {clips} clips in {folder}")
    click.echo("Answer with a number or a name. r plays the clip again, q quits and keeps the score.")
    session = _session(made, paths, play=not no_play)
    try:
        session.run()
    finally:  # also when it is interrupted
        _keep(session.tally, preset.name, seed)


def _folder(output: Path | None) -> Path:
    try:
        if output is None:
            return Path(tempfile.mkdtemp(prefix="sonify-quiz-"))
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RenderError(f"{output or 'a temporary folder'}: cannot be made: {error.strerror or error}") from None
    return output


def _write(quiz: Quiz, folder: Path, seed: int) -> list[Path]:
    """Render all clips; their names give nothing away."""
    from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
    from sonify.lessons.playing import play_scores
    from sonify.outputs.audio_file import AudioFile

    paths = []
    for index, question in enumerate(quiz.questions):
        path = folder / f"clip-{index + 1:02}.wav"
        scores = quiz.clip(question)
        num_frames = sum(length for _, length in scores) * QUANTUM_FRAMES
        with AudioFile(path, sample_rate_hz=SAMPLE_RATE_HZ, num_channels=2, depth="16", num_frames=num_frames) as file:
            play_scores(quiz.mapper, scores, (file,), seed=seed + index, say=lambda line: click.echo(line, err=True))
        paths.append(path)
    return paths


def _session(quiz: Quiz, paths: list[Path], *, play: bool) -> Session:
    from sonify.dsp.quantum import CONTROL_RATE_HZ
    from sonify.lessons.player import Player
    from sonify.lessons.session import Session

    player = Player(click.echo) if play else None

    def play_clip(index: int) -> None:
        sys.stdout.flush()
        length_s = sum(length for _, length in quiz.clip(quiz.questions[index])) / CONTROL_RATE_HZ
        if player is None or not player.play(paths[index], length_s + _PLAYER_SLACK_S):
            click.echo(f"The clip is {paths[index]}")

    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # whatever is piped in is at worst a wrong answer
    return Session(quiz.questions, quiz.choices, say=click.echo, read_line=lambda: sys.stdin.readline(), play=play_clip)


def _keep(tally: Tally, preset: str, seed: int) -> None:
    from sonify.lessons.scores import QuizScore, append_score, scores_path

    if not tally.answered:
        click.echo("Nothing was answered, so there is no score.")
        return
    click.echo(f"Score: {tally.line()}.")
    date = datetime.now(UTC).isoformat(timespec="seconds")
    append_score(scores_path(), QuizScore.of(tally, date=date, preset=preset, seed=seed))
    click.echo(f"Kept in {scores_path()}")


def _show_scores() -> None:
    from sonify.lessons.scores import load_scores, score_table, scores_path

    path = scores_path()
    scores, unreadable = load_scores(path)
    if unreadable:
        click.echo(f"{path}: {unreadable} lines are not scores, and are left out", err=True)
    click.echo(score_table(scores) if scores else f"No scores yet: {path}")
