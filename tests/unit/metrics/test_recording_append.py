"""Recordings that grow, and survive whatever ends their writer."""

from __future__ import annotations

import functools
import gzip
import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.errors import ReaderError, RenderError
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.recording import Recording
from sonify.metrics.recording_append import MEMBER_FRAMES, RecordingAppender
from sonify.metrics.recording_format import RecordingReader, load_recording, save_recording

LAYOUT = Layout(1.0, ("rust", "gö"), np.asarray([0.0, 0.1, np.inf]), np.empty(0))
ENDINGS = pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])


def frame(t: float) -> MetricFrame:
    return MetricFrame(
        layout=LAYOUT,
        t=t,
        request_rate=np.asarray([t, 2.0]),
        error_ratio=np.asarray([0.5, np.nan]),
        fallback_ratio=np.zeros(2),
        glitch_rate=np.zeros(2),
        latency_rate=np.asarray([[t, 1.0], [np.nan, np.nan]]),
        batch_rate=np.empty(0),
        queue_depth=3.0,
        active_requests=np.nan,
        fresh=True,
    )


def write(path: Path, begin: int, end: int) -> None:
    opened = RecordingAppender.resume(path) if path.exists() else RecordingAppender.create(path, LAYOUT, source="test")
    with opened as file:
        for t in range(begin, end):
            file.write(frame(float(t)))


def times(path: Path) -> list[float]:
    return load_recording(path).t.tolist()


@ENDINGS
def test_a_frame_can_be_read_as_soon_as_it_is_written(tmp_path: Path, name: str) -> None:
    with RecordingAppender.create(tmp_path / name, LAYOUT) as file:
        for t in range(1, 150):
            file.write(frame(float(t)))
            if t % 10 == 0:
                assert times(tmp_path / name) == list(range(1, t + 1))


@ENDINGS
def test_a_recording_is_continued(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, 1, 100)
    write(path, 100, 170)
    warnings: list[str] = []
    recording = load_recording(path, warnings)
    assert recording.t.tolist() == list(range(1, 170))
    assert recording.request_rate[:, 0].tolist() == list(range(1, 170))
    assert recording.layout.backends == ("rust", "gö")
    assert recording.source == "test"
    assert warnings == []
    with RecordingAppender.resume(path) as file:
        assert (file.first_t, file.last_t, file.num_frames) == (1.0, 169.0, 169)


def test_a_file_of_the_other_writer_is_continued_and_any_gzip_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    save_recording(path, Recording.from_frames(LAYOUT, [frame(1.0), frame(2.0)]))
    write(path, 3, 70)
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert len(lines) == 70
    assert times(path) == list(range(1, 70))


@functools.cache
def grown(name: str) -> tuple[bytes, list[int]]:
    """Bytes of a file, and how long it was after each line."""
    with tempfile.TemporaryDirectory() as folder:
        path, sizes = Path(folder) / name, []
        with RecordingAppender.create(path, LAYOUT) as file:
            sizes.append(file.num_bytes)
            for t in range(1, MEMBER_FRAMES + 6):
                file.write(frame(float(t)))
                sizes.append(file.num_bytes)
        return path.read_bytes(), sizes


@ENDINGS
@settings(max_examples=60)
@given(st.data())
def test_wherever_the_file_is_cut_all_whole_lines_are_read_and_it_is_continued(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = folder / name
    whole, sizes = grown(name)
    cut = data.draw(
        st.integers(sizes[0], len(whole)) | st.sampled_from([size + d for size in sizes for d in (0, 1, 2)])
    )
    path.write_bytes(whole[:cut])
    num_whole = sum(size <= cut for size in sizes) - 1
    reader = RecordingReader(path)
    found = [read.t for read in reader]
    # the last bytes of a line may say nothing that was not said before
    assert found in (list(range(1, num_whole + 1)), list(range(1, num_whole + 2)))
    assert len(reader.warnings) <= 1
    write(path, len(found) + 1, 80)
    warnings: list[str] = []
    assert load_recording(path, warnings).t.tolist() == list(range(1, 80))
    assert warnings == []
    assert [left.name for left in folder.iterdir()] == [name]


def test_a_torn_file_says_so(tmp_path: Path) -> None:
    for name in ("r.jsonl", "r.jsonl.gz"):
        path = tmp_path / name
        write(path, 1, 10)
        path.write_bytes(path.read_bytes()[:-3] if name.endswith(".gz") else path.read_bytes()[:-40])
        warnings: list[str] = []
        load_recording(path, warnings)
        assert len(warnings) == 1
        assert name in warnings[0]
        assert "cut off" in warnings[0]


def test_a_lone_first_byte_of_a_member_is_a_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    write(path, 1, 10)
    path.write_bytes(path.read_bytes() + b"\x1f")
    warnings: list[str] = []
    assert load_recording(path, warnings).t.tolist() == list(range(1, 10))
    assert len(warnings) == 1
    write(path, 10, 12)
    assert times(path) == list(range(1, 12))


def test_damage_before_the_end_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    write(path, 1, 300)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ReaderError, match="damaged gzip data"):
        load_recording(path)
    with pytest.raises(ReaderError, match=r"r\.jsonl\.gz"):
        RecordingAppender.resume(path)
    assert path.read_bytes() == bytes(data)

    text = tmp_path / "r.jsonl"
    write(text, 1, 5)
    lines = text.read_text().splitlines()
    text.write_text("\n".join([*lines[:2], lines[2][:20], *lines[3:]]) + "\n")
    with pytest.raises(ReaderError, match="line 3: not JSON"):
        load_recording(text)


def test_a_line_that_is_whole_but_has_no_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write(path, 1, 4)
    path.write_bytes(path.read_bytes()[:-1])
    write(path, 4, 6)
    assert times(path) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("content", [b"", b"x\n", b'{"format":"other"}\n', b"\x1f\x8b\x08"])
def test_what_is_no_recording_is_not_continued(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with pytest.raises(ReaderError, match=r"r\.jsonl"):
        RecordingAppender.resume(path)
    assert path.read_bytes() == content


def test_two_writers_do_not_share_a_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    path = tmp_path / "r.jsonl.gz"
    said = "another process is recording into this file"
    with RecordingAppender.create(path, LAYOUT), pytest.raises(RenderError, match=said):
        RecordingAppender.resume(path)


def test_members_end_and_cost_little(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    write(path, 1, 4 * MEMBER_FRAMES)
    lines = gzip.decompress(path.read_bytes())
    assert [json.loads(line).get("t") for line in lines.splitlines()][1:] == list(range(1, 4 * MEMBER_FRAMES))
    assert path.stat().st_size < 3 * len(zlib.compress(lines))
    assert path.read_bytes().count(b"\x1f\x8b\x08\x00") == 4
