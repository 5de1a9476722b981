"""Recording a source that is followed: merging, files, and what happens when the source changes or is lost."""

from __future__ import annotations

import gzip
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.recording import Recording
from sonify.metrics.recording_format import load_recording
from sonify.readers.source import Update
from sonify.runner.recording import (
    FrameMerger,
    RecordingFiles,
    RecordingStatus,
    Rotation,
    merge_frames,
    onto_layout,
    record,
)

EDGES_S = np.asarray([0.0, 0.1, 1.0, np.inf])
T0 = 1795478400.0  # 2026-11-24T00:00:00Z


def layout(*backends: str, interval_s: float = 1.0) -> Layout:
    return Layout(interval_s, backends, EDGES_S, np.empty(0))


def frame(t: float, on: Layout, rate: float = 1.0, *, error: float = 0.0, queue: float = math.nan) -> MetricFrame:
    blank = MetricFrame.unmeasured(on, t, fresh=True)
    return replace(
        blank,
        request_rate=np.full(on.num_backends, rate),
        error_ratio=np.full(on.num_backends, error),
        glitch_rate=np.full(on.num_backends, rate / 10.0),
        latency_rate=np.full((on.num_backends, 3), rate / 3.0),
        queue_depth=queue,
    )


class Played:
    """A source that hands over what it was given."""

    def __init__(self, updates: Sequence[Update | MetricFrame]) -> None:
        self.title = "played"
        self.warnings: list[str] = []
        self._updates = [item if isinstance(item, Update) else Update(item, 0.0) for item in updates]

    def read(self, _since_s: float | None, _until_s: float | None) -> Recording:
        raise NotImplementedError

    def follow(self, _stop: threading.Event) -> Iterator[Update]:
        yield from self._updates


def run(
    path: Path, updates: Sequence[Update | MetricFrame], *, rotation: Rotation | None = None, interval_s: float = 1.0
) -> tuple[RecordingStatus, list[str]]:
    said: list[str] = []
    files = RecordingFiles(path, source="played", rotation=rotation, say=said.append)
    status = record(Played(updates), files, threading.Event(), interval_s=interval_s, say=said.append)
    return status, said


# -- merging -------------------------------------------------------------------------------------------------------


def test_rates_are_averaged_and_states_take_the_worst() -> None:
    on = layout("a", interval_s=0.25)
    frames = [frame(0.25, on, 4.0, error=0.1, queue=2.0), frame(0.5, on, 8.0, error=0.3, queue=1.0)]
    merged = merge_frames(frames, 1.0, 1.0)
    assert (merged.t, merged.layout.interval_s, merged.fresh) == (1.0, 1.0, True)
    assert merged.request_rate.tolist() == [6.0]
    assert merged.latency_rate.sum() == pytest.approx(6.0)
    assert merged.error_ratio.tolist() == [0.3]
    assert merged.queue_depth == 2.0
    assert math.isnan(merged.active_requests)
    assert np.isnan(merged.fallback_ratio).all()
    assert not merge_frames([*frames, MetricFrame.unmeasured(on, 0.75)], 1.0, 1.0).fresh


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=100), st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_merging_loses_no_event_and_time_rises(rates: list[float], interval_s: float) -> None:
    on, merger = layout("a", interval_s=interval_s), FrameMerger(1.0)
    frames = [frame(T0 + interval_s * (index + 1), on, rate) for index, rate in enumerate(rates)]
    merged = [out for item in frames for out in merger.add(item)] + merger.flush()
    assert (np.diff([item.t for item in merged]) > 0.0).all()
    whole = merged[:-1]  # the last interval may not be over
    num = round(len(whole) / interval_s)
    assert sum(item.request_rate[0] for item in whole) == pytest.approx(sum(rates[:num]) * interval_s, abs=1e-9)
    assert all(item.t % 1.0 == 0.0 for item in whole)


def test_a_source_that_is_slower_passes_as_it_is() -> None:
    on, merger = layout("a", interval_s=15.0), FrameMerger(1.0)
    item = frame(T0 + 7.3, on)
    assert merger.add(item) == [item]
    assert merger.flush() == []


def test_backends_go_to_their_places() -> None:
    placed = onto_layout(frame(1.0, layout("b", "gone"), 5.0), layout("a", "b", "c"))
    assert placed.request_rate.tolist() == pytest.approx([math.nan, 5.0, math.nan], nan_ok=True)
    assert placed.latency_rate.shape == (3, 3)
    assert placed.fresh


# -- files ---------------------------------------------------------------------------------------------------------


def test_what_comes_before_the_first_fresh_frame_is_left_out_and_after_it_stale_is_written(tmp_path: Path) -> None:
    on = layout("a")
    waiting = Update(MetricFrame.unmeasured(layout("all"), T0), math.nan, problem="waiting")
    lost = [Update(MetricFrame.unmeasured(on, T0 + t), 9.0, problem="no answer") for t in (3, 4)]
    status, said = run(
        tmp_path / "r.jsonl.gz", [waiting, frame(T0 + 1, on), frame(T0 + 2, on), *lost, frame(T0 + 5, on)]
    )
    recording = load_recording(tmp_path / "r.jsonl.gz")
    assert recording.fresh.tolist() == [True, True, False, False, True]
    assert recording.source == "played"
    assert (status.num_frames, status.num_stale) == (5, 2)
    assert said == ["waiting", "no answer", "the source is back"]


def test_a_second_run_continues_without_doubles(tmp_path: Path) -> None:
    path, on = tmp_path / "r.jsonl.gz", layout("a", "b")
    run(path, [frame(T0 + t, on) for t in range(5)])
    status, said = run(path, [frame(T0 + t, on) for t in range(4, 8)])
    assert load_recording(path).t.tolist() == [T0 + t for t in range(8)]
    assert status.num_dropped == 1
    assert said == [f"continuing {path} (5 frames)"]
    # a backend that was not seen yet keeps its place
    run(path, [frame(T0 + t, layout("b")) for t in range(8, 10)])
    recording = load_recording(path)
    assert recording.request_rate[-1].tolist() == pytest.approx([math.nan, 1.0], nan_ok=True)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_backend_that_appears_soon_joins_and_later_begins_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    updates = [frame(T0 + 1, layout("a")), frame(T0 + 2, layout("a", "b"))]
    updates += [frame(T0 + t, layout("a", "b")) for t in range(3, 100)]
    updates += [frame(T0 + t, layout("a", "b", "new")) for t in range(100, 103)]
    status, said = run(path, updates)
    first, second = load_recording(path), load_recording(tmp_path / "r-2.jsonl")
    assert first.t.tolist() == [T0 + t for t in range(1, 100)]
    assert first.layout.backends == ("a", "b")
    assert np.isnan(first.request_rate[0, 1])
    assert second.layout.backends == ("a", "b", "new")
    assert second.t.tolist() == [T0 + t for t in range(100, 103)]
    assert said == [f"{tmp_path / 'r-2.jsonl'}: begun: other backends, new"]
    assert status.files == (path, tmp_path / "r-2.jsonl")
    # whoever continues goes on with the newest
    _, said = run(path, [frame(T0 + 103, layout("a"))])
    assert said == [f"continuing {tmp_path / 'r-2.jsonl'} (3 frames)"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_recording_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    run(path, [frame(T0 + 1, layout("a"))])
    before = path.read_bytes()
    for other in (layout("x"), layout("a", interval_s=15.0)):
        with pytest.raises(ReaderError, match=r"r\.jsonl\.gz: holds a recording of something else .*--rotate"):
            run(path, [frame(T0 + 2, other)])
    assert path.read_bytes() == before


def test_a_clock_that_is_set_back_begins_a_file(tmp_path: Path) -> None:
    path, on = tmp_path / "r.jsonl.gz", layout("a")
    _, said = run(path, [frame(T0 + 100, on), frame(T0 + 100, on), frame(T0 + 99.5, on), frame(T0 + 50, on)])
    assert load_recording(path).t.tolist() == [T0 + 100]
    assert load_recording(tmp_path / "r-2.jsonl.gz").t.tolist() == [T0 + 50]
    assert said[-1].endswith("begun: the clock was set back")


def test_rotation_by_time_names_files_by_their_first_frame(tmp_path: Path) -> None:
    path, on = tmp_path / "r.jsonl.gz", layout("a")
    hour = Rotation(age_s=10.0)
    run(path, [frame(T0 + t, on) for t in range(1, 26)], rotation=hour)
    names = [f"r-20261124T0000{second:02}Z.jsonl.gz" for second in (1, 11, 21)]
    assert sorted(item.name for item in tmp_path.iterdir()) == names
    assert [len(load_recording(tmp_path / name)) for name in names] == [10, 10, 5]
    # the newest is continued, and another layout begins a file
    run(path, [frame(T0 + 26, on), frame(T0 + 27, layout("x"))], rotation=hour)
    assert len(load_recording(tmp_path / names[-1])) == 6
    assert load_recording(tmp_path / "r-20261124T000027Z.jsonl.gz").layout.backends == ("x",)


def test_rotation_by_size(tmp_path: Path) -> None:
    on = layout("a")
    run(tmp_path / "r.jsonl", [frame(T0 + t, on) for t in range(1, 400)], rotation=Rotation(size_bytes=10_000))
    files = sorted(tmp_path.iterdir())
    assert len(files) > 3
    assert all(10_000 <= item.stat().st_size < 11_000 for item in files[:-1])
    times = np.concatenate([load_recording(item).t for item in files])
    assert times.tolist() == [T0 + t for t in range(1, 400)]


def test_a_push_source_is_merged_to_seconds(tmp_path: Path) -> None:
    on = layout("a", interval_s=0.05)
    run(tmp_path / "r.jsonl.gz", [frame(T0 + 0.05 * (index + 1), on) for index in range(60)])
    recording = load_recording(tmp_path / "r.jsonl.gz")
    assert recording.t.tolist() == [T0 + 1, T0 + 2, T0 + 3]
    assert recording.layout.interval_s == 1.0
    assert recording.request_rate.tolist() == [[1.0]] * 3


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.touch()
    run(path, [frame(T0 + 1, layout("a"))])
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 2
