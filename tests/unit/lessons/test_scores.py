"""The score file: appended to, never spoilt."""

import threading

import pytest

from sonify.errors import RenderError
from sonify.lessons.scores import QuizScore, append_score, load_scores, score_table, scores_path
from sonify.lessons.session import KINDS, Tally


def score(seed=0, right=3):
    tally = Tally()
    for kind in KINDS:
        for turn in range(5):
            tally.count(kind, right=turn < right)
    return QuizScore.of(tally, date="2024-05-06T07:08:09+00:00", preset="code-live", seed=seed)


def test_what_is_appended_is_read(tmp_path):
    path = tmp_path / "new" / "sonify" / "quiz.jsonl"
    assert load_scores(path) == ([], 0)
    append_score(path, score(1))
    append_score(path, score(2))
    assert load_scores(path) == ([score(1), score(2)], 0)


def test_a_line_that_was_cut_off_spoils_nothing(tmp_path):
    path = tmp_path / "quiz.jsonl"
    append_score(path, score(1))
    with path.open("ab") as file:
        file.write(b'{"date": "2024')
    append_score(path, score(2))
    assert load_scores(path) == ([score(1), score(2)], 1)


@pytest.mark.parametrize("line", ["[]", "{}", "1e999", '{"date": 1}', "\x00", "[" * 100_000])
def test_what_is_no_score_is_left_out(tmp_path, line):
    path = tmp_path / "quiz.jsonl"
    path.write_text(line + "\n")
    append_score(path, score())
    assert load_scores(path) == ([score()], 1)


def test_many_at_once_all_keep_theirs(tmp_path):
    path = tmp_path / "quiz.jsonl"
    append_score(path, score(0))
    threads = [threading.Thread(target=append_score, args=(path, score(seed))) for seed in range(1, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept, spoilt = load_scores(path)
    assert sorted(one.seed for one in kept) == list(range(20))
    assert spoilt == 0


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "sonify").write_text("a file")
    with pytest.raises(RenderError, match=r"quiz\.jsonl: the score cannot be kept"):
        append_score(tmp_path / "sonify" / "quiz.jsonl", score())


def test_the_table_sums_up():
    lines = score_table([score(right=3), score(right=5)]).splitlines()
    assert lines[0].split() == ["date", "preset", "backend", "panel", "direction", "all"]
    assert lines[1].split()[2:] == ["3/5", "3/5", "3/5", "9/15"]
    assert lines[-1].split() == ["all", "8/10", "8/10", "8/10", "24/30"]


def test_it_lies_in_the_users_data_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert scores_path() == tmp_path / "sonify" / "quiz.jsonl"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert scores_path() == tmp_path / ".local" / "share" / "sonify" / "quiz.jsonl"
