"""Recordings and simulations that are followed in real time."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonify.errors import ReaderError
from sonify.metrics.recording_format import load_recording, save_recording
from sonify.readers.recording_file import RecordingFile
from sonify.readers.simulation import open_simulation_source, simulate_recording
from sonify.readers.source import Source, Update, open_source

HEADER = {
    "format": "sonify-recording",
    "version": 1,
    "interval_s": 10.0,
    "backends": ["rust"],
    "latency_edges_s": [0.0, 0.1, None],
    "batch_edges": [],
}


class Clock:
    """Time that passes only where somebody waits: no test of pace needs a real second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.stopped = False
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)

    def is_set(self) -> bool:
        return self.stopped

    def wait(self, timeout_s: float) -> bool:
        if not self.stopped:
            self.now_s += timeout_s
        return self.stopped


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def played(
    source: Source, clock: Clock, until: Callable[[Update], bool] = lambda _update: False
) -> list[tuple[float, Update]]:
    """All updates, each with when it came."""
    came = []
    for update in source.follow(clock):  # type: ignore[arg-type]
        came.append((clock.now_s, update))
        clock.stopped = until(update)
    return came


def written(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in (HEADER, *rows)))
    return path


def row(t: float, **columns: object) -> dict[str, object]:
    return {"t": t, "request_rate": [1.0], **columns}


def test_frames_come_as_far_apart_as_they_were_recorded(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path / "r.jsonl", row(100.0), row(110.0), row(121.0))
    came = played(RecordingFile(path, speed=2.0), clock)
    assert [when_s for when_s, _ in came] == [0.0, 5.0, 10.5]
    assert [update.frame.t for _, update in came] == [100.0, 110.0, 121.0]
    assert clock.now_s == 15.5  # the last one lasts its interval
    assert all(update.frame.fresh and update.lag_s == 0.0 and not update.problem for _, update in came)


def test_gaps_and_stale_frames_are_a_lost_source(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path / "r.jsonl", row(100.0), row(141.0), {"t": 151.0, "fresh": False}, row(165.0))
    came = played(RecordingFile(path), clock)
    assert [(when_s, update.frame.t) for when_s, update in came] == [
        (t - 100.0, t) for t in (100.0, 110.0, 120.0, 130.0, 141.0, 151.0, 165.0)
    ]
    assert [update.frame.fresh for _, update in came] == [True, False, False, False, True, False, True]
    assert came[1][1].problem == "a gap in the recording"
    assert "when this was recorded" in came[5][1].problem
    assert np.isnan(came[1][1].frame.request_rate).all()
    assert [update.panel_age_s for _, update in came][3:5] == [{"requests": 30.0}, {"requests": 0.0}]


def test_playback_stops_at_once_and_a_bad_line_is_an_error_when_its_time_comes(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path / "r.jsonl", row(100.0), row(110.0), row(120.0, request_rate="x"))
    assert len(played(RecordingFile(path), clock, until=lambda _update: True)) == 1
    clock.stopped = False
    with pytest.raises(ReaderError, match="line 4, request_rate"):
        played(RecordingFile(path), clock)


def test_a_torn_end_is_a_warning(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path / "r.jsonl", row(100.0), row(110.0))
    path.write_bytes(path.read_bytes()[:-10])
    source = RecordingFile(path)
    assert len(played(source, clock)) == 1
    assert "cut off" in source.warnings[0]
    assert len(source.read(None, None)) == 1
    assert "cut off" in source.warnings[0]


def test_playing_a_whole_recording_gives_its_frames(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "r.jsonl.gz"
    save_recording(path, simulate_recording("source-lost"))
    recording = load_recording(path)
    frames = [update.frame for _, update in played(open_source(str(path), options=["speed=60x"]), clock)]
    assert [frame.t for frame in frames] == recording.t.tolist()
    assert [frame.fresh for frame in frames] == recording.fresh.tolist()
    np.testing.assert_array_equal([frame.latency_rate for frame in frames], recording.latency_rate)
    assert clock.now_s == pytest.approx(recording.duration_s / 60.0)


# -- simulations ---------------------------------------------------------------------------------------------------


def test_a_simulation_runs_in_the_time_of_the_clock_and_counts_everything(clock: Clock) -> None:
    source = open_simulation_source("sim:chaos?seed=3&duration=60s", "auto", interval_s=0.5, speed=4.0)
    came = played(source, clock)
    assert [when_s for when_s, _ in came] == pytest.approx([0.5 * (index + 1) for index in range(30)])
    frames = [update.frame for _, update in came]
    assert np.diff([frame.t for frame in frames]) == pytest.approx(2.0)
    assert frames[0].layout.interval_s == 2.0
    assert frames[0].layout.backends == ("rust", "ts", "go", "csharp", "sql", "julia")
    # after 60 simulated seconds the window (4 s of the clock, 16 simulated) holds what the simulation counted in it
    truth = simulate_recording("chaos", duration_s=60.0, interval_s=2.0, seed=3)
    last = slice(len(truth) - 8, None)
    np.testing.assert_allclose(frames[-1].request_rate, truth.request_rate[last].mean(axis=0))
    np.testing.assert_allclose(frames[-1].glitch_rate, truth.glitch_rate[last].mean(axis=0))
    np.testing.assert_allclose(frames[-1].latency_rate, truth.latency_rate[last].mean(axis=0))
    np.testing.assert_allclose(frames[-1].batch_rate, truth.batch_rate[last].mean(axis=0))
    assert frames[-1].queue_depth == truth.queue_depth[-1]
    assert came[-1][1].panel_age_s.keys() >= {"requests", "latency", "queue", "active", "batch"}


def test_a_simulation_that_loses_its_source_says_so_and_goes_on(clock: Clock) -> None:
    came = played(
        open_simulation_source("sim:source-lost", "auto", interval_s=1.0, speed=20.0),
        clock,
        until=lambda _update: clock.now_s >= 120.0,
    )
    lost = [not update.frame.fresh for _, update in came]
    assert 0 < sum(lost) < len(lost)
    for _, update in came:
        assert bool(update.problem) is not update.frame.fresh
        assert update.frame.fresh or np.isnan(update.frame.request_rate).all()
        assert math.isfinite(update.lag_s)
    assert len(came) >= 120  # longer than the scenario's own length


def test_titles_and_options() -> None:
    source = open_source("sim:quiet?interval=7s", options=["speed=10x"])
    assert source.title == "sim:quiet"
    assert (source.interval_s, source.speed) == (7.0, 10.0)  # type: ignore[attr-defined]
    with pytest.raises(ReaderError, match="interval"):
        open_source("sim:quiet", options=["interval=0s"])


def test_a_real_wait_ends_when_it_is_told_to(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", row(100.0), row(100_000.0))
    stop = threading.Event()
    thread = threading.Thread(target=lambda: list(RecordingFile(path).follow(stop)))
    thread.start()
    stop.set()
    thread.join(5.0)
    assert not thread.is_alive()
