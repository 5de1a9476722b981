import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Event, Recording
from sonify.metrics.recording_format import RecordingReader, load_recording, save_recording

HEADER = {
    "format": "sonify-recording",
    "version": 1,
    "interval_s": 60.0,
    "backends": ["rust", "go"],
    "latency_edges_s": [0.0, 0.1, 1.0, None],
    "batch_edges": [1, 2, 4],
    "source": "test",
    "events": [{"t": 100.0, "end": 200.0, "kind": "fault", "text": "rust: cpu"}],
}
FRAME = {
    "t": 1661140279.0,
    "request_rate": [12.5, 3.0],
    "error_ratio": [0.01, None],
    "fallback_ratio": [0, 0],
    "glitch_rate": [0, 0],
    "latency_rate": [[1, 2, 3], None],
    "batch_rate": [1.5, None],
    "queue_depth": 3,
    "active_requests": None,
    "fresh": True,
}


def written(tmp_path, header=HEADER, *frames):
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [header, *frames]) + "\n")
    return path


def test_the_design_example_reads_as_meant(tmp_path):
    recording = load_recording(written(tmp_path, HEADER, FRAME))
    assert recording.layout.backends == ("rust", "go")
    assert np.isinf(recording.layout.latency_edges_s[-1])
    assert recording.request_rate.tolist() == [[12.5, 3.0]]
    assert recording.error_ratio[0, 0] == 0.01
    assert np.isnan(recording.error_ratio[0, 1])
    assert recording.latency_rate[0, 0].tolist() == [1, 2, 3]
    assert np.isnan(recording.latency_rate[0, 1]).all()
    assert recording.batch_rate[0, 0] == 1.5
    assert recording.queue_depth[0] == 3.0
    assert np.isnan(recording.active_requests[0])
    assert recording.events == (Event(100.0, 200.0, "fault", "rust: cpu"),)


def test_a_missing_row_is_not_measured(tmp_path):
    recording = load_recording(written(tmp_path, HEADER, {"t": 1.0}))
    for name in ("request_rate", "latency_rate", "batch_rate", "queue_depth"):
        assert np.isnan(getattr(recording, name)).all()
    assert recording.fresh.tolist() == [True]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_what_is_written_reads_back(tmp_path, suffix):
    recording = load_recording(written(tmp_path, HEADER, FRAME, {**FRAME, "t": 1661140339.0, "fresh": False}))
    path = tmp_path / f"copy{suffix}"
    save_recording(path, recording)
    again = load_recording(path)
    assert again.layout.same_as(recording.layout)
    assert again.events == recording.events
    for name in ("t", "request_rate", "error_ratio", "latency_rate", "batch_rate", "queue_depth", "fresh"):
        np.testing.assert_array_equal(getattr(again, name), getattr(recording, name))


def test_same_recording_same_bytes(tmp_path):
    recording = load_recording(written(tmp_path, HEADER, FRAME))
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        save_recording(tmp_path / name, recording)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_reading_streams(tmp_path):
    """A bad last line does not keep the frames before it from being read."""
    path = written(tmp_path, HEADER, FRAME)
    path.write_text(path.read_text() + "{broken\n")
    frames = iter(RecordingReader(path))
    assert next(frames).t == FRAME["t"]
    with pytest.raises(ReaderError, match="line 3"):
        next(frames)


BAD_FRAMES = [
    ({**FRAME, "t": "now"}, "t", "Unix seconds"),
    ({**FRAME, "request_rate": [1]}, "request_rate", "2 numbers"),
    ({**FRAME, "request_rate": [-1, 0]}, "request_rate", "from 0 up"),
    ({**FRAME, "request_rate": ["1", 0]}, "request_rate", "numbers"),
    ({**FRAME, "request_rate": [True, 0]}, "request_rate", "numbers"),
    ({**FRAME, "request_rate": [1e300, 0]}, "request_rate", "from 0 up"),
    ({**FRAME, "request_rate": [10**400, 0]}, "request_rate", "from 0 up"),
    ({**FRAME, "error_ratio": [1.5, 0]}, "error_ratio", "from 0 to 1"),
    ({**FRAME, "latency_rate": [[1, 2, 3]]}, "latency_rate", "2 rows"),
    ({**FRAME, "latency_rate": [[1, 2], None]}, "latency_rate", "3 numbers"),
    ({**FRAME, "latency_rate": [[1, 2, "x"], None]}, "latency_rate", "numbers"),
    ({**FRAME, "batch_rate": [1]}, "batch_rate", "2 numbers"),
    ({**FRAME, "queue_depth": -1}, "queue_depth", "from 0 up"),
    ({**FRAME, "fresh": 1}, "fresh", "true or false"),
    ({**FRAME, "latncy_rate": None}, "latncy_rate", "latency_rate"),
]


@pytest.mark.parametrize(("frame", "key", "allowed"), BAD_FRAMES)
def test_a_bad_frame_names_file_line_key_and_what_is_allowed(tmp_path, frame, key, allowed):
    path = written(tmp_path, HEADER, {**FRAME, "t": 1.0}, frame)
    with pytest.raises(ReaderError) as caught:
        load_recording(path)
    message = str(caught.value)
    assert str(path) in message
    assert "line 3" in message
    assert key in message
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"format": "x"}, "format"),
        ({"version": 2}, "version"),
        ({"interval_s": 0}, "interval_s"),
        ({"backends": []}, "backends"),
        ({"backends": ["a", "a"]}, "backends"),
        ({"backends": [1]}, "backends"),
        ({"latency_edges_s": [0, None]}, "latency_edges_s"),
        ({"latency_edges_s": [0, 2, 1]}, "latency_edges_s"),
        ({"latency_edges_s": [None, 1]}, "latency_edges_s"),
        ({"batch_edges": [2, 1]}, "batch_edges"),
        ({"events": [{"kind": "x"}]}, "events"),
        ({"source": 3}, "source"),
    ],
)
def test_a_bad_header_names_its_key(tmp_path, change, key):
    with pytest.raises(ReaderError, match=f"line 1, {key}"):
        load_recording(written(tmp_path, {**HEADER, **change}, FRAME))


@pytest.mark.parametrize("text", ["", "\n\n", "[]\n", "null\n", "{}\n", "{\n", "NaN\n", "\x00\n", "[" * 100_000])
def test_what_is_no_recording_is_refused(tmp_path, text):
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(ReaderError, match=r"x\.jsonl"):
        load_recording(path)


def test_time_must_rise(tmp_path):
    with pytest.raises(ReaderError, match="later than the frame before"):
        load_recording(written(tmp_path, HEADER, FRAME, FRAME))


def test_nan_in_the_file_is_refused(tmp_path):
    path = written(tmp_path, HEADER)
    path.write_text(path.read_text() + '{"t": 1, "queue_depth": NaN}\n')
    with pytest.raises(ReaderError, match=r"line 2.*null"):
        load_recording(path)


def test_damaged_gzip_is_named(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(HEADER).encode() * 50)[:-20])
    with pytest.raises(ReaderError, match=r"x\.jsonl\.gz"):
        load_recording(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ReaderError, match="No such file"):
        load_recording(tmp_path / "none.jsonl")


@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_a_reader_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.jsonl"
    path.write_bytes(data)
    with pytest.raises(ReaderError):
        load_recording(path)


def test_gaps_are_found_and_ranges_are_cut():
    layout = Layout(10.0, ("a",), np.array([0.0, 1.0, np.inf]), np.array([]))
    t = np.array([10.0, 20.0, 50.0, 60.0])
    blank = np.full((4, 1), np.nan)
    recording = Recording(
        layout, "", (), t, blank, blank, blank, blank, np.full((4, 1, 2), np.nan), np.full((4, 0), np.nan),
        np.full(4, np.nan), np.full(4, np.nan), np.ones(4, bool),
    )  # fmt: skip
    assert recording.gap_before.tolist() == [False, False, True, False]
    assert (recording.start_s, recording.end_s) == (0.0, 60.0)
    assert recording.between(20.0, 50.0).t.tolist() == [50.0]


def test_real_recordings_read(real_recordings):
    for path in sorted(real_recordings.glob("*.jsonl.gz")):
        recording = load_recording(path)
        assert len(recording) > 400
        assert np.isfinite(recording.request_rate).any()
