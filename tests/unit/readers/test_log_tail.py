"""The end of a log that is written to: appended, half-written, rotated, cut off, gone."""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_samples import combined_line, json_line, requests, write_csv

from sonify.errors import ReaderError
from sonify.readers.log_tail import LogTail
from sonify.readers.log_text import MAX_LINE_BYTES, LineSplitter
from sonify.readers.source import Update, open_source

SENT = requests(200, 10.0)
LINES = [combined_line(one) for one in SENT]


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_blocks_of_any_size_give_the_same_lines(blocks: list[bytes]) -> None:
    splitter, whole = LineSplitter(), LineSplitter()
    parts = [line for block in blocks for line in splitter.split(block)] + splitter.finish()
    assert parts == whole.split(b"".join(blocks)) + whole.finish()


def test_an_endless_line_takes_no_memory_and_is_one_line() -> None:
    splitter = LineSplitter()
    for _ in range(40):
        assert splitter.split(bytes(MAX_LINE_BYTES // 8)) == []
    lines = splitter.split(b"\nnext\n")
    assert len(lines) == 2
    assert len(lines[0]) == 1
    assert lines[1] == "next"


def test_only_what_is_appended_comes_and_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\nhalf")
    tail = LogTail(path)
    assert tail.recent == ["old"]
    assert tail.new_lines() == []
    _append(path, " done\nnew")
    assert tail.new_lines() == ["half done"]
    _append(path, "er\r\n\n")
    assert tail.new_lines() == ["newer", ""]
    tail.close()


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("")
    now_s = [0.0]
    tail = LogTail(path, clock=lambda: now_s[0])
    _append(path, "1\n")
    path.rename(tmp_path / "a.log.1")
    _append(tmp_path / "a.log.1", "2\n")
    assert tail.new_lines() == ["1", "2"]
    assert tail.gone_since_s == 0.0
    now_s[0] = 5.0
    _append(tmp_path / "a.log.1", "3\n")
    path.write_text("4\n")
    assert tail.new_lines() == ["3", "4"]
    assert tail.gone_since_s is None
    _append(tmp_path / "a.log.1", "5\n")  # a worker that has not noticed yet
    assert tail.new_lines() == ["5"]
    now_s[0] = 60.0
    tail.new_lines()
    _append(tmp_path / "a.log.1", "6\n")
    _append(path, "7\n")
    assert tail.new_lines() == ["7"]
    tail.close()


def test_a_file_that_is_cut_off_is_read_from_its_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("a long old line\n")
    tail = LogTail(path)
    os.truncate(path, 0)
    _append(path, "1\n")
    assert tail.new_lines() == ["1"]
    tail.close()


class _Followed:
    """A source that is followed in a thread, as the runner does."""

    def __init__(self, path: Path, *options: str) -> None:
        self.updates: list[Update] = []
        self.error: Exception | None = None
        self._stop = Event()
        self._source = open_source(str(path), options=options)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            for update in self._source.follow(self._stop):
                self.updates.append(update)
        except ReaderError as error:
            self.error = error

    def wait_for_count(self, count: float) -> None:
        self.wait_for(lambda _: self.counted() > count - 0.5)

    def wait_for(self, condition: Callable[[list[Update]], bool]) -> None:
        give_up_s = time.monotonic() + 10.0
        while not condition(self.updates):
            assert time.monotonic() < give_up_s, "it never came"
            time.sleep(0.01)

    def counted(self) -> float:
        return float(
            sum(np.nansum(update.frame.request_rate) * update.frame.layout.interval_s for update in list(self.updates))
        )

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def follow() -> Iterator[Callable[..., _Followed]]:
    started: list[_Followed] = []

    def start(path: Path, *options: str) -> _Followed:
        followed = _Followed(path, "interval=50ms", *options)
        started.append(followed)
        return followed

    yield start
    for followed in started:
        followed.stop()


def test_appended_lines_become_frames_and_silence_is_true_zero(
    tmp_path: Path, follow: Callable[..., _Followed]
) -> None:
    path = tmp_path / "a.log"
    path.write_text("\n".join(LINES[:50]) + "\n")
    followed = follow(path)
    followed.wait_for(lambda updates: len(updates) >= 3)
    assert followed.counted() == 0.0  # what was there before is over
    assert all((update.frame.request_rate == 0.0).all() and update.frame.fresh for update in followed.updates)
    _append(path, "\n".join(LINES[50:150]) + "\n" + LINES[150][:20])
    followed.wait_for_count(100)
    _append(path, LINES[150][20:] + "\n")
    followed.wait_for_count(101)
    count = len(followed.updates)
    followed.wait_for(lambda updates: len(updates) >= count + 4)
    assert followed.counted() == pytest.approx(101.0)
    last = followed.updates[-1]
    assert last.frame.fresh
    assert not last.problem
    assert (last.frame.request_rate == 0.0).all()
    errors = sum(np.nansum(u.frame.error_ratio * u.frame.request_rate) * 0.05 for u in followed.updates)
    assert errors == pytest.approx(sum(one.status >= 500 for one in SENT[50:151]))
    assert np.isnan(last.frame.active_requests)


def test_a_log_that_is_empty_at_first_tells_its_format_when_lines_come(
    tmp_path: Path, follow: Callable[..., _Followed]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("")
    followed = follow(path)
    followed.wait_for(lambda updates: len(updates) >= 2)
    _append(path, "".join(f"{json_line(one)}\n" for one in SENT[:20]))
    followed.wait_for_count(20)
    assert followed.updates[-1].frame.layout.backends == ("go", "rust", "ts")
    assert any("latency from 'duration_ms'" in notice for update in followed.updates for notice in update.notices)


def test_the_header_of_a_new_table_is_no_row(tmp_path: Path, follow: Callable[..., _Followed]) -> None:
    path = write_csv(tmp_path / "a.csv", SENT[:5])
    followed = follow(path)
    followed.wait_for(lambda updates: len(updates) >= 1)
    path.rename(tmp_path / "a.csv.1")
    write_csv(path, SENT[5:30])
    followed.wait_for_count(25)
    assert not any(update.problem for update in followed.updates)
    assert not any("cannot be read" in notice for update in followed.updates for notice in update.notices)


def test_a_file_that_is_gone_is_stale_within_two_intervals_and_recovers(
    tmp_path: Path, follow: Callable[..., _Followed]
) -> None:
    path = tmp_path / "a.log"
    path.write_text(LINES[0] + "\n")
    followed = follow(path)
    followed.wait_for(lambda updates: len(updates) >= 2)
    path.unlink()
    count = len(followed.updates)
    followed.wait_for(lambda updates: bool(updates[-1].problem))
    assert len(followed.updates) <= count + 3
    lost = followed.updates[-1]
    assert "gone" in lost.problem
    assert not lost.frame.fresh
    assert np.isnan(lost.frame.request_rate).all()
    path.write_text("\n".join(LINES[:10]) + "\n")
    followed.wait_for(lambda updates: not updates[-1].problem)
    followed.wait_for_count(10)


def test_lines_that_cannot_be_read_are_a_problem_and_not_repeated_as_notices(
    tmp_path: Path, follow: Callable[..., _Followed]
) -> None:
    path = tmp_path / "a.log"
    path.write_text(LINES[0] + "\n")
    followed = follow(path)
    followed.wait_for(lambda updates: len(updates) >= 1)
    _append(path, "garbage \x1b[31m\n" * 10)
    followed.wait_for(lambda updates: any(update.problem for update in updates))
    problem = next(update.problem for update in followed.updates if update.problem)
    assert "garbage" in problem
    assert problem.isprintable()
    followed.wait_for(lambda updates: not updates[-1].problem)
    for _ in range(3):
        _append(path, "\n".join([*LINES[:5], "one bad line", ""]))
        count = len(followed.updates)
        followed.wait_for(lambda updates, count=count: len(updates) > count + 1)  # type: ignore[misc]
    notices = [notice for update in followed.updates for notice in update.notices if "one bad line" in notice]
    assert len(notices) == 1


def test_what_has_no_live_side_says_so(tmp_path: Path) -> None:
    compressed = tmp_path / "a.log.gz"
    compressed.write_bytes(gzip.compress(b"x\n"))
    for path in (compressed, tmp_path / "a.parquet"):
        with pytest.raises(ReaderError, match="not followed"):
            next(open_source(str(path)).follow(Event()))
    unknown = tmp_path / "a.log"
    unknown.write_text("what is this\n")
    with pytest.raises(ReaderError, match="-O format"):
        next(iter(open_source(str(unknown)).follow(Event())))
    with pytest.raises(ReaderError, match=r"none\.log"):
        open_source(str(tmp_path / "none.log"))
