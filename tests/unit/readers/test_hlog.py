"""HdrHistogram logs: read as the library that is the format's own reference in Python writes and reads them."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.readers.hlog import HlogFile
from sonify.readers.hlog_decode import MAX_COUNTS, decode_histogram
from sonify.readers.source import open_source

START_S = 1_767_600_000.0


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def _histogram(values: list[int], highest: int = 3_600_000_000_000, digits: int = 3, lowest: int = 1) -> object:
    hdrh = pytest.importorskip("hdrh.histogram", reason="hdrhistogram is not installed")
    histogram = hdrh.HdrHistogram(lowest, highest, digits)
    for value in values:
        histogram.record_value(value)
    return histogram


def _payload(values: list[int], **arguments: int) -> str:
    return str(_histogram(values, **arguments).encode().decode())  # type: ignore[attr-defined]


def _write(path: Path, *lines: str, header: str = "#[Histogram log format version 1.3]") -> Path:
    path.write_text("\n".join([header, '"StartTimestamp","Interval_Length","Interval_Max","Histogram"', *lines, ""]))
    return path


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 3_000_000_000_000), max_size=60),
    st.integers(1, 3),
    st.sampled_from([1, 100, 1000]),
)
def test_decoded_counts_are_those_of_the_reference(values: list[int], digits: int, lowest: int) -> None:
    values = [max(value, lowest) for value in values]
    histogram = _histogram(values, digits=digits, lowest=lowest)
    decoded = decode_histogram(histogram.encode().decode())  # type: ignore[attr-defined]
    expected = [
        (item.value_iterated_to, item.count_at_value_iterated_to)
        for item in histogram.get_recorded_iterator()  # type: ignore[attr-defined]
    ]
    assert decoded.counts.tolist() == [count for _, count in expected]
    for value, (highest, _) in zip(decoded.values, expected, strict=True):
        lowest_equivalent = histogram.get_lowest_equivalent_value(highest)  # type: ignore[attr-defined]
        assert lowest_equivalent <= value <= highest + 1


def test_a_log_becomes_a_recording_with_tags_as_backends(tmp_path: Path) -> None:
    fast, slow = [10_000_000] * 99 + [400_000_000], [2_000_000_000] * 10
    path = _write(
        tmp_path / "a.hlog",
        f"0.000,1.000,400.0,{_payload(fast)}",
        f"Tag=slow,0.000,1.000,2000.0,{_payload(slow)}",
        f"1.000,1.000,400.0,{_payload(fast)}",
        f"Tag=slow,1.000,1.000,2000.0,{_payload([])}",
        header=f"#[Histogram log format version 1.3]\n#[StartTime: {START_S} (seconds since epoch), some day]",
    )
    recording = open_source(str(path)).read(None, None)
    assert recording.layout.backends == ("all", "slow")
    assert recording.layout.interval_s == 1.0
    np.testing.assert_allclose(recording.t, [START_S + 1.0, START_S + 2.0])
    np.testing.assert_allclose(recording.request_rate, [[100.0, 10.0], [100.0, 0.0]])
    assert recording.latency_quantile_s(0.5)[0] == pytest.approx([0.010, 2.0], rel=0.3)  # a band is 58 % wide
    assert np.isnan(recording.error_ratio).all()
    assert np.isnan(recording.active_requests).all()


def test_base_time_is_added_and_absolute_times_are_kept(tmp_path: Path) -> None:
    payload = _payload([5_000_000])
    based = _write(
        tmp_path / "b.hlog", f"0.5,1.0,5,{payload}", header="#[BaseTime: 1000000000.0 (seconds since epoch)]"
    )
    absolute = _write(tmp_path / "c.hlog", f"{START_S},1.0,5,{payload}", header=f"#[StartTime: {START_S} (s)]")
    assert HlogFile(based).read(None, None).t.tolist() == [1_000_000_001.5]
    assert HlogFile(absolute).read(None, None).t.tolist() == [START_S + 1.0]


def test_intervals_that_are_not_round_keep_their_total_and_gaps_stay_gaps(tmp_path: Path) -> None:
    payload = _payload([1_000_000] * 50)
    starts = [index * 1.007 for index in range(60) if not 20 <= index < 40]
    path = _write(tmp_path / "d.hlog", *(f"{START_S + start:.3f},1.007,1,{payload}" for start in starts))
    recording = HlogFile(path).read(None, None)
    assert recording.request_rate.sum() == pytest.approx(50 * 40, rel=0.03)
    assert recording.gap_before.sum() == 1
    assert len(recording) < 45


@pytest.mark.parametrize(("unit", "scale"), [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)])
def test_the_unit_of_the_values_is_an_option(tmp_path: Path, unit: str, scale: float) -> None:
    value = round(0.2 / scale)
    path = _write(tmp_path / "e.hlog", f"{START_S},1.0,1,{_payload([value] * 10)}")
    recording = open_source(str(path), options=[f"unit={unit}"]).read(None, None)
    assert recording.latency_quantile_s(0.5)[0, 0] == pytest.approx(0.2, rel=0.3)


def test_a_wrong_unit_is_noticed(tmp_path: Path) -> None:
    source = HlogFile(_write(tmp_path / "f.hlog", f"{START_S},1.0,1,{_payload([200] * 10)}"))
    source.read(None, None)
    assert any("unit" in warning for warning in source.warnings)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1.0,1.0,1,!!!", "line 3.*base64"),
        ("1.0,1.0,1", "line 3.*start,length"),
        ("x,1.0,1,AAAA", "line 3, start.*'x'"),
        ("1.0,-1,1,AAAA", "line 3.*-1"),
        ("1.0,nan,1,AAAA", "line 3, length"),
        ("1.0,1.0,1,AAAAAAAAAAAAAAAA", "no histogram"),
        (f"1.0,1.0,1,{base64.b64encode(struct.pack('>ii', 0x1C849309, 0)).decode()}", "V0"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, line: str, expected: str) -> None:
    with pytest.raises(ReaderError, match=expected):
        HlogFile(_write(tmp_path / "g.hlog", line)).read(None, None)


def _compressed(payload: bytes) -> str:
    data = zlib.compress(payload, 9)
    return base64.b64encode(struct.pack(">ii", 0x1C849314, len(data)) + data).decode()


def _header(length: int, *, digits: int = 3, lowest: int = 1, highest: int = 1 << 40, ratio: float = 1.0) -> bytes:
    return struct.pack(">iiiiqqd", 0x1C849313, length, 0, digits, lowest, highest, ratio)


def test_a_zlib_bomb_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed when inflated"):
        decode_histogram(_compressed(bytes(60_000_000)))


def test_a_run_of_zeros_without_end_is_refused() -> None:
    run = bytes([0xFF] * 8 + [0x7F])
    with pytest.raises(ValueError, match=f"{MAX_COUNTS} counts"):
        decode_histogram(_compressed(_header(len(run)) + run))


@given(st.binary(max_size=80), st.integers(-2, 8), st.integers(-5, 2000), st.floats())
def test_any_payload_is_decoded_or_refused(body: bytes, digits: int, lowest: int, ratio: float) -> None:
    try:
        histogram = decode_histogram(_compressed(_header(len(body), digits=digits, lowest=lowest, ratio=ratio) + body))
    except ValueError:
        return
    assert np.isfinite(histogram.values).all()
    assert (histogram.values >= 0.0).all()
    assert (histogram.counts > 0).all()


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(shared_folder: Path, data: bytes) -> None:
    path = shared_folder / "x.hlog"
    path.write_bytes(data)
    with pytest.raises(ReaderError):
        HlogFile(path).read(None, None)


def test_it_cannot_be_followed(tmp_path: Path) -> None:
    from threading import Event

    with pytest.raises(ReaderError, match="not followed"):
        next(HlogFile(_write(tmp_path / "h.hlog")).follow(Event()))
