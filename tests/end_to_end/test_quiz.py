"""``sonify quiz`` as a person, a screen reader or a pipe runs it."""

import json
import os
import signal
import subprocess
import sys

import pytest
import soundfile

from sonify.lessons.questions import make_quiz
from sonify.mapping.preset_file import load_sound_preset


def quiz(tmp_path, *arguments, answers="", **environment):
    asked = [sys.executable, "-m", "sonify", "quiz", *map(str, arguments)]
    ours = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "TMPDIR": str(tmp_path), **environment}
    return subprocess.run(asked, input=answers, capture_output=True, text=True, check=False, env=ours)


def kept(tmp_path):
    file = tmp_path / "data" / "sonify" / "quiz.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def right_answers(seed, clips, preset="code-live"):
    questions = make_quiz(load_sound_preset(preset), seed=seed, num_clips=clips).questions
    return [answer for question in questions for answer in question.answers.values()]


def test_ten_clips_answered_from_a_pipe(tmp_path):
    answers = "\n".join(right_answers(4, 10))
    done = quiz(tmp_path, "--seed", 4, "--no-play", "-o", tmp_path / "clips", answers=answers)
    assert done.returncode == 0, done.stderr
    assert "Score: backend 10 of 10, panel 10 of 10, direction 10 of 10." in done.stdout
    (row,) = kept(tmp_path)
    assert (row["preset"], row["seed"]) == ("code-live", 4)
    assert row["right"] == {"backend": 10, "panel": 10, "direction": 10}
    clips = sorted((tmp_path / "clips").iterdir())
    assert len(clips) == 10
    assert all(4.0 < soundfile.info(clip).duration < 10.0 for clip in clips)
    assert all(str(clip) in done.stdout for clip in clips)
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_same_seed_same_clips(tmp_path):
    for folder in ("one", "two"):
        quiz(tmp_path, "--seed", 9, "--clips", 3, "--no-play", "-o", tmp_path / folder, "--sound", "organ")
    for clip in (tmp_path / "one").iterdir():
        assert clip.read_bytes() == (tmp_path / "two" / clip.name).read_bytes()


@pytest.mark.parametrize("ending", ["", "q\n"])
def test_the_end_of_the_input_keeps_the_score(tmp_path, ending):
    first = right_answers(4, 1)[0]
    done = quiz(tmp_path, "--seed", 4, "--clips", 2, "--no-play", answers=f"r\n{first}\n{ending}")
    assert done.returncode == 0
    (row,) = kept(tmp_path)
    assert row["right"] == {"backend": 1, "panel": 0, "direction": 0}
    assert sum(row["wrong"].values()) == 0


def test_nothing_answered_nothing_kept(tmp_path):
    done = quiz(tmp_path, "--clips", 1, "--no-play")
    assert done.returncode == 0
    assert "no score" in done.stdout
    assert kept(tmp_path) == []


def test_no_player_says_so_and_goes_on(tmp_path):
    done = quiz(tmp_path, "--clips", 1, answers="1\n1\n1\n", PATH=str(tmp_path))
    assert done.returncode == 0
    assert "play the clips yourself" in done.stdout
    assert len(kept(tmp_path)) == 1


def test_scores_are_shown_as_a_table(tmp_path):
    assert "No scores yet" in quiz(tmp_path, "--scores").stdout
    for seed in (1, 2):
        quiz(tmp_path, "--seed", seed, "--clips", 1, "--no-play", answers="\n".join(right_answers(seed, 1)))
    lines = quiz(tmp_path, "--scores").stdout.splitlines()
    assert len(lines) == 4
    assert lines[-1].split() == ["all", "2/2", "2/2", "2/2", "6/6"]


def test_bytes_that_are_no_text_are_a_wrong_answer(tmp_path):
    asked = [sys.executable, "-m", "sonify", "quiz", "--clips", "1", "--no-play"]
    ours = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(asked, input=b"\xff\xfe\n\x00\n1\n", capture_output=True, check=False, env=ours)
    assert done.returncode == 0
    assert done.stdout.count(b"is none of them") == 2


def test_ctrl_c_keeps_the_score(tmp_path):
    asked = [sys.executable, "-m", "sonify", "quiz", "--seed", "4", "--clips", "1", "--no-play"]
    ours = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ours
    ) as process:
        process.stdin.write("1\n")
        process.stdin.flush()
        while "Which panel" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Score:" in out
    assert error.strip() == "sonify: interrupted"
    assert len(kept(tmp_path)) == 1
