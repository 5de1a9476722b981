"""Logs and tables become recordings: against requests whose truth is known, with both engines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_samples import (
    BACKENDS,
    START_S,
    Sent,
    combined_line,
    json_line,
    requests,
    write_combined,
    write_csv,
    write_json,
)

from sonify.errors import PresetError, ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.recording import Recording
from sonify.readers.source import open_source

SPAN_S = 600.0
COLUMNS = ("t", "request_rate", "error_ratio", "fallback_ratio", "glitch_rate", "latency_rate", "batch_rate")
duckdb = pytest.importorskip("duckdb", reason="duckdb (the extra 'bulk') is not installed")


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return requests(3000, SPAN_S)


def _read(path: Path, *options: str, signals: str = "auto") -> Recording:
    return open_source(str(path), signals, options).read(None, None)


def _check(recording: Recording, sent: Sequence[Sent], backends: Sequence[str]) -> None:
    """Compare with the truth, request by request."""
    interval_s = recording.layout.interval_s
    names = recording.layout.backends
    assert set(names) == set(backends)
    edges_s = LatencyBands().edges_s
    start_s = recording.start_s
    requests_, errors = np.zeros((len(recording), len(names))), np.zeros((len(recording), len(names)))
    bands = np.zeros((len(recording), len(names), len(edges_s) - 1))
    for one in sent:
        row = int((one.t - start_s) // interval_s)
        column = names.index(one.backend if len(names) > 1 else names[0])
        requests_[row, column] += 1
        errors[row, column] += one.status >= 500
        bands[row, column, np.searchsorted(edges_s[1:-1], one.latency_s, side="right")] += 1
    np.testing.assert_allclose(recording.request_rate * interval_s, requests_, atol=1e-6)
    np.testing.assert_allclose(recording.latency_rate * interval_s, bands, atol=1e-6)
    asked = requests_ > 0
    np.testing.assert_allclose(recording.error_ratio[asked], errors[asked] / requests_[asked])
    assert np.isnan(recording.error_ratio[~asked]).all()  # of nothing there is no share
    assert recording.fresh.all()
    assert np.isnan(recording.queue_depth).all()


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_an_nginx_log_is_counted_exactly(tmp_path: Path, sent: list[Sent], engine: str) -> None:
    for name in ("a.log", "a.log.gz"):
        recording = _read(write_combined(tmp_path / name, sent), f"engine={engine}", "interval=5s")
        _check(recording, [one._replace(t=int(one.t)) for one in sent], ["all"])


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_json_and_csv_are_counted_exactly(tmp_path: Path, sent: list[Sent], engine: str) -> None:
    for path in (
        write_json(tmp_path / "a.jsonl", sent),
        write_csv(tmp_path / "a.csv", sent),
        write_csv(tmp_path / "b.csv", sent, ";"),
    ):
        recording = _read(path, f"engine={engine}", "interval=5s", "field=fallback=fallback")
        _check(recording, sent, BACKENDS)
        fallbacks = np.nansum(recording.fallback_ratio * recording.request_rate) * recording.layout.interval_s
        assert fallbacks == pytest.approx(sum(one.is_fallback for one in sent))


@pytest.mark.parametrize("time_type", ["TIMESTAMP", "TIMESTAMPTZ", "DOUBLE", "VARCHAR", "BIGINT"])
def test_parquet_is_counted_exactly(tmp_path: Path, sent: list[Sent], time_type: str) -> None:
    source = write_csv(tmp_path / "a.csv", sent)
    time = {
        "TIMESTAMP": "make_timestamp((timestamp * 1e6)::BIGINT)",
        "TIMESTAMPTZ": "to_timestamp(timestamp)",
        "DOUBLE": "timestamp",
        "VARCHAR": "strftime(make_timestamp((timestamp * 1e6)::BIGINT), '%Y-%m-%dT%H:%M:%S.%f')",
        "BIGINT": "(timestamp * 1000)::BIGINT",
    }[time_type]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT {time} AS time, service, status, latency_s FROM read_csv('{source}')) "
            f"TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)"
        )
    _check(_read(tmp_path / "a.parquet", "interval=5s"), sent, BACKENDS)


def test_both_engines_give_the_same_recording_whatever_the_lines(tmp_path: Path) -> None:
    sent = requests(2000, 40_000.0, seed=4)  # long enough that intervals are put together
    lines = [json_line(one) for one in sent]
    lines[5:5] = ["", "{", "[1]", "null", '{"@timestamp": "nonsense"}', '{"@timestamp": 12}', "x" * 2000]
    lines[9:9] = [
        json.dumps({"@timestamp": "2026-01-05T08:00:01Z", "service": {"name": name}, "duration_ms": took, "batch": n})
        for name, took, n in (
            ("-", "0.1, 0.3 : -", 3),
            ("c", "0.1, -4, inf, x", 0),
            ("", -1, 0),
            (None, "nan", "x"),
            ("a\"b';--", 1e30, 64),
            ("é" * 300, None, 65),
        )
    ]  # fmt: skip
    path = tmp_path / "it's [a] *log?.jsonl"
    path.write_text("\r\n".join(lines))
    options = ("field=batch=batch", "field=fallback=fallback", "field=glitch=status")
    plain, fast = (open_source(str(path), options=[*options, f"engine={engine}"]) for engine in ("plain", "duckdb"))
    one, two = plain.read(None, None), fast.read(None, None)
    assert one.layout.same_as(two.layout)
    assert one.layout.interval_s == 30.0
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    np.testing.assert_allclose(one.active_requests, two.active_requests, rtol=1e-12)
    assert plain.warnings == fast.warnings
    assert any("6 of" in warning and "line 7" in warning for warning in plain.warnings)
    assert one.batch_rate.sum() * 30.0 == pytest.approx(5)


def test_both_engines_leave_out_the_same_rows_of_a_table(tmp_path: Path) -> None:
    rows = [f"{START_S + index},{200 + index % 2 * 300},0.{index % 10},{index % 3}" for index in range(60)]
    rows[3] += ",more"
    rows[7:9] = ["1767600000", ""]
    rows[20] = f'{START_S + 20},200,"0.1","x ""y"" , z"'
    rows[30] = "soon,200,0.1,a"
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["time,status,latency,backend", *rows]))
    plain, fast = (open_source(str(path), options=[f"engine={engine}"]) for engine in ("plain", "duckdb"))
    one, two = plain.read(None, None), fast.read(None, None)
    assert one.layout.same_as(two.layout)
    assert 'x "y" , z' in one.layout.backends
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert plain.warnings == fast.warnings
    assert any("3 of 59 lines" in warning and "line 5" in warning for warning in plain.warnings)


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_a_range_of_time_keeps_what_ended_in_it(tmp_path: Path, sent: list[Sent], engine: str) -> None:
    path = write_csv(tmp_path / "a.csv", sent)
    since_s, until_s = START_S + 100.0, START_S + 200.0
    source = open_source(str(path), options=[f"engine={engine}"])
    recording = source.read(since_s, until_s)
    inside = [one for one in sent if since_s < one.t <= until_s]
    _check(recording, inside, BACKENDS)
    with pytest.raises(ReaderError, match=f"it covers {START_S}"):
        source.read(START_S + 1e6, None)


def test_the_mean_number_in_flight_is_exact(tmp_path: Path, sent: list[Sent]) -> None:
    recording = _read(write_csv(tmp_path / "a.csv", sent), "interval=10s")
    for row, end_s in enumerate(recording.t):
        begin_s = end_s - 10.0
        inside_s = sum(max(min(one.t, end_s) - max(one.t - one.latency_s, begin_s), 0.0) for one in sent)
        assert recording.active_requests[row] == pytest.approx(inside_s / 10.0, abs=1e-3)


def test_an_interval_without_a_line_is_true_zero(tmp_path: Path, sent: list[Sent]) -> None:
    calm = [one for one in sent if not 200.0 <= one.t - START_S < 300.0]
    recording = _read(write_csv(tmp_path / "a.csv", calm), "interval=10s")
    silent = (recording.t > START_S + 200.0) & (recording.t <= START_S + 300.0)
    assert silent.sum() == 10
    assert (recording.request_rate[silent] == 0.0).all()
    assert (recording.latency_rate[silent] == 0.0).all()
    assert recording.fresh.all()


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=30))
def test_no_log_makes_too_many_frames_and_none_is_lost(folder: Path, offsets: list[int]) -> None:
    path = folder / "a.csv"
    path.write_text("time,status\n" + "".join(f"{START_S + offset},200\n" for offset in offsets))
    recording = _read(path)
    assert len(recording) <= 1440
    assert recording.request_rate.sum() * recording.layout.interval_s == pytest.approx(len(offsets))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_a_log_that_is_mostly_something_else_is_refused(tmp_path: Path, sent: list[Sent], engine: str) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{combined_line(one)}\nerror: \x1b[31mred\n\n" for one in sent[:50]) + "more\n")
    with pytest.raises(ReaderError, match=r"a\.log, line 2: 'error: .*not of the format combined") as raised:
        _read(path, f"engine={engine}")
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_lines_that_cannot_be_read_are_counted(tmp_path: Path, sent: list[Sent], engine: str) -> None:
    path = tmp_path / "a.log"
    path.write_text("\n".join([*map(combined_line, sent[:50]), "garbage", *map(combined_line, sent[50:90])]))
    source = open_source(str(path), options=[f"engine={engine}"])
    assert source.read(None, None).request_rate.size
    assert any("1 of 91 lines" in warning and "line 51: 'garbage'" in warning for warning in source.warnings)


@pytest.mark.parametrize(
    ("name", "text", "options", "expected"),
    [
        ("a.log", "", (), "empty file"),
        ("a.log", "what is this\n", (), "line 1: 'what is this'.*-O format"),
        ("a.log", "x\n", ("format=combined",), "line 1: 'x'.*combined"),
        ("a.log", "x\n", ("format=nothing",), "nginx log_format"),
        ("a.csv", "time,status\n", (), "no row"),
        ("a.csv", "a,b\n1,2\n", (), "no field holds a time.*a b"),
        ("a.csv", ",b\n1767600000,2\n", (), "no field holds a time"),
        ("a.csv", "time,b\n1\r7,2\n", (), "no row"),
        ("a.csv", "time,b\nsoon,2\n", ("field=time=time",), "'soon' in field 'time' is not a time"),
        ("a.csv", "time,b\n1767600000,2\n", ("field=latency=took",), "no field 'took' for the latency; .* time b"),
        ("a.csv", "time,b\n1767600000,2\n", ("field=color=b",), "time latency status"),
        ("a.csv", "time\n1767600000\n1867600000\n", ("interval=1ms",), "intervals of 0.001 s"),
        ("a.parquet", "PAR1", (), "duckdb"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, name: str, text: str, options: Sequence[str], expected: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ReaderError, match=expected):
        _read(path, *options)


def test_what_is_missing_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[Sent]) -> None:
    with pytest.raises(ReaderError, match=r"none\.log: cannot be read"):
        _read(tmp_path / "none.log")
    with pytest.raises(PresetError, match="no such signals preset"):
        _read(write_combined(tmp_path / "a.log", sent[:3]), signals="no-such")
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(ReaderError, match=r"pip install 'sonify\[bulk\]'"):
        _read(tmp_path / "a.log", "engine=duckdb")


def test_units_by_name_by_option_and_by_apache(tmp_path: Path, sent: list[Sent]) -> None:
    rows = "".join(f"{START_S + index},250\n" for index in range(20))
    for header, options, expected_s in (
        ("time,duration_ms", (), 0.25),
        ("time,elapsedMillis", (), 0.25),
        ("time,Response Time (ms)", (), 0.25),
        ("time,event.duration", (), 2.5e-7),
        ("time,weight", (), None),
        ("time,latency", ("unit=us",), 0.00025),
        ("time,Latency(ms)", ("field=latency=Latency(ms)",), 0.25),
        ("time,took", (), 250.0),
    ):
        path = tmp_path / "a.csv"
        path.write_text(f"{header}\n{rows}")
        source = open_source(str(path), options=options)
        recording = source.read(None, None)
        if expected_s is None:
            assert np.isnan(recording.latency_rate).all()
            assert any("no latency" in warning for warning in source.warnings)
        elif expected_s > 60.0:
            assert any("-O unit" in warning for warning in source.warnings)
        else:
            band = int(np.searchsorted(LatencyBands().edges_s[1:-1], expected_s, side="right"))
            assert recording.latency_rate.sum(axis=(0, 1)).argmax() == band
    apache = tmp_path / "apache.log"
    apache.write_text("".join(f"{combined_line(one, latency=str(round(one.latency_s * 1e6)))}\n" for one in sent))
    source = open_source(str(apache))
    np.testing.assert_array_equal(
        source.read(None, None).latency_rate, _read(write_combined(tmp_path / "n.log", sent)).latency_rate
    )
    assert any("microseconds" in warning for warning in source.warnings)


def test_too_many_backends_are_folded_into_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,service\n" + "".join(f"{START_S},s{index % 700}\n" for index in range(1400)))
    for engine in ("plain", "duckdb"):
        source = open_source(str(path), options=[f"engine={engine}"])
        recording = source.read(None, None)
        assert recording.layout.num_backends <= 200
        assert "(other)" in recording.layout.backends
        assert recording.request_rate.sum() == pytest.approx(1400.0)
        assert any("too many backends" in warning for warning in source.warnings)


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_columns_of_any_name_and_twice(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'time,Time,it\'s "a" ;--,status,status\n{START_S},x,0.25,500,200\n{START_S},y,0.5,200,500\n')
    options = [f"engine={engine}", 'field=latency=it\'s "a" ;--', "field=backend=Time"]
    recording = open_source(str(path), options=options).read(None, None)
    assert recording.layout.backends == ("x", "y")
    assert recording.error_ratio.tolist() == [[1.0, 0.0]]
    assert recording.latency_rate.sum() == pytest.approx(2.0)


def test_a_status_pattern_and_fields_come_from_the_signals_preset(tmp_path: Path, sent: list[Sent]) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(
        '[log]\nformat = "$time_iso8601 $node $code $ms"\nbackend = "node"\nstatus = "code"\nlatency = "ms"\n'
        'unit = "ms"\nerror = "[45].."\n[backend]\norder = ["ts"]\n'
    )
    path = tmp_path / "a.log"
    path.write_text(
        "".join(
            f"{json.loads(json_line(s))['@timestamp']} {s.backend} {s.status} {s.latency_s * 1e3:.0f}\n" for s in sent
        )
    )
    recording = _read(path, signals=str(preset))
    assert recording.layout.backends == ("ts", "go", "rust")
    errors = np.nansum(recording.error_ratio * recording.request_rate) * recording.layout.interval_s
    assert errors == pytest.approx(sum(one.status >= 400 for one in sent))


@given(data=st.binary(max_size=400), suffix=st.sampled_from([".log", ".csv", ".jsonl", ".json", ".jtl"]))
def test_any_bytes_are_read_or_refused(folder: Path, data: bytes, suffix: str) -> None:
    path = folder / f"any{suffix}"
    path.write_bytes(data)
    with suppress(ReaderError):
        open_source(str(path)).read(None, None)
