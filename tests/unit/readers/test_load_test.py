"""Results of load tests: rows as k6, JMeter and Locust write them, with a truth that is known."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from threading import Event
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_samples import START_S, Sent, requests

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.recording import Recording
from sonify.readers.source import open_source

K6_CSV_HEADER = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,"
    "service,status,subproto,tls_version,url,extra_tags,metadata"
)
JMETER_HEADER = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect"
)
LOCUST_HEADER = (
    '"Timestamp","User Count","Type","Name","Requests/s","Failures/s","50%","66%","75%","80%","90%","95%","98%","99%",'
    '"99.9%","99.99%","100%","Total Request Count","Total Failure Count","Total Median Response Time",'
    '"Total Average Response Time","Total Min Response Time","Total Max Response Time","Total Average Content Size"'
)


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return requests(2000, 120.0, seed=3)


def _k6_json(path: Path, sent: list[Sent]) -> Path:
    lines = [
        '{"type":"Metric","data":{"name":"http_req_duration","type":"trend","contains":"time","thresholds":[],'
        '"submetrics":null},"metric":"http_req_duration"}',
    ]
    for one in sent:
        time = np.datetime64(round(one.t * 1e6), "us")
        tags = {
            "expected_response": str(one.status < 400).lower(),
            "scenario": one.backend,
            "name": "http://a/",
            "status": str(one.status),
        }
        data = {"time": f"{time}+00:00", "value": one.latency_s * 1000.0, "tags": tags}
        lines.append(json.dumps({"type": "Point", "data": {**data, "value": 1}, "metric": "http_reqs"}))
        lines.append(json.dumps({"type": "Point", "data": data, "metric": "http_req_duration"}))
    lines.append('{"type":"Point","data":{"time":"2026-01-05T08:00:00Z","value":50,"tags":null},"metric":"vus"}')
    text = "\n".join(lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def _k6_csv(path: Path, sent: list[Sent]) -> Path:
    rows = [
        f"http_req_duration,{one.t * 1000:.0f},{one.latency_s * 1000:.6f},,,,{str(one.status < 400).lower()},,GET,"
        f"http://a/,HTTP/1.1,{one.backend},,{one.status},,,http://a/,,"
        for one in sent
    ]
    path.write_text("\n".join([K6_CSV_HEADER, "http_reqs,1767600000,1.0,,,,,,,,,,,,,,,,", *rows]))
    return path


def _jmeter_csv(path: Path, sent: list[Sent]) -> Path:
    rows = [
        f"{(one.t - one.latency_s) * 1000:.0f},{one.latency_s * 1000:.0f},{one.backend},{one.status},OK,"
        f"Thread Group 1-1,text,{str(one.status < 400).lower()},,12,34,1,1,http://a/,1,0,1"
        for one in sent
    ]
    total = (
        f'{START_S}000,90,whole,200,"Number of samples in transaction : 3, number of failing samples : 0",'
        "Thread Group 1-1,,true,,0,0,1,1,null,0,0,0"
    )
    path.write_text("\n".join([JMETER_HEADER, *rows, total]))
    return path


def _jmeter_xml(path: Path, sent: list[Sent]) -> Path:
    samples = [
        f'<httpSample t="{one.latency_s * 1000:.0f}" ts="{(one.t - one.latency_s) * 1000:.0f}" '
        f's="{str(one.status < 400).lower()}" lb={quoteattr(one.backend)} rc="{one.status}" rm="OK" tn="T 1-1">'
        f'<httpSample t="1" ts="{START_S}000" s="false" lb="part" rc="500" rm="x" tn="T 1-1"/>\n'
        "<java.net.URL>http://a/</java.net.URL></httpSample>"
        for one in sent
    ]
    text = "\n".join(samples)
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<testResults version="1.2">\n{text}\n</testResults>\n')
    return path


def _check(recording: Recording, sent: list[Sent]) -> None:
    interval_s = recording.layout.interval_s
    names = recording.layout.backends
    assert names == ("go", "rust", "ts")
    counted = (recording.request_rate * interval_s).sum(axis=0)
    failed = np.nansum(recording.error_ratio * recording.request_rate * interval_s, axis=0)
    edges_s = LatencyBands().edges_s
    for column, name in enumerate(names):
        of_name = [one for one in sent if one.backend == name]
        assert counted[column] == pytest.approx(len(of_name))
        assert failed[column] == pytest.approx(sum(one.status >= 400 for one in of_name))
        bands = np.histogram([one.latency_s for one in of_name], np.append(edges_s[:-1], 1e9))[0]
        np.testing.assert_allclose((recording.latency_rate[:, column] * interval_s).sum(axis=0), bands, atol=1e-6)
    busy_s = sum(one.latency_s for one in sent)
    assert recording.active_requests.sum() * interval_s == pytest.approx(busy_s, rel=0.02)  # some began before


@pytest.mark.parametrize("prefix", ["", "k6:"])
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.jsonl"])
def test_k6_json(tmp_path: Path, sent: list[Sent], name: str, prefix: str) -> None:
    source = open_source(f"{prefix}{_k6_json(tmp_path / name, sent)}")
    _check(source.read(None, None), sent)
    assert source.title == f"k6 {name}"
    assert any("not expected" in warning for warning in source.warnings)


def test_k6_csv_and_a_tag_as_backend(tmp_path: Path, sent: list[Sent]) -> None:
    path = _k6_csv(tmp_path / "a.csv", sent)
    _check(open_source(str(path)).read(None, None), sent)
    named = open_source(f"k6:{path}", options=["field=backend=name"]).read(None, None)
    assert named.layout.backends == ("http://a/",)


def test_jmeter_csv_leaves_out_the_sums_of_transactions(tmp_path: Path, sent: list[Sent]) -> None:
    _check(open_source(str(_jmeter_csv(tmp_path / "a.jtl", sent))).read(None, None), sent)
    _check(open_source(str(_jmeter_csv(tmp_path / "a.csv", sent))).read(None, None), sent)


def test_jmeter_xml_leaves_out_the_parts_of_samples(tmp_path: Path, sent: list[Sent]) -> None:
    _check(open_source(str(_jmeter_xml(tmp_path / "a.jtl", sent))).read(None, None), sent)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "bb">]>\n<testResults/>', "line 2.*document type"),
        ('<?xml version="1.0"?>\n<testResults><sample ts="x"/>', "XML"),
        ('<?xml version="1.0"?>\n<html/>', "testResults"),
        (f"{JMETER_HEADER}\nx,1,a,200,OK,t,,true,,1,1,1,1,u,1,0,1\n", "line 2"),
        ("what,is,this\n", "line 1: 'what,is,this'.*k6 JSON"),
        ("", "empty file"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "a.jtl"
    path.write_text(text)
    with pytest.raises(ReaderError, match=expected):
        open_source(str(path)).read(None, None)


def test_a_file_of_another_program_is_refused(tmp_path: Path, sent: list[Sent]) -> None:
    path = _jmeter_csv(tmp_path / "a.csv", sent[:3])
    with pytest.raises(ReaderError, match="must be Locust history"):
        open_source(f"locust:{path}")
    with pytest.raises(ReaderError, match="only the backend"):
        open_source(f"jmeter:{path}", options=["field=latency=Connect"])
    with pytest.raises(ReaderError, match="not followed"):
        next(open_source(str(path)).follow(Event()))


def _locust_row(second: int, name: str, total: int, failed: int, quantiles_ms: list[int] | None) -> str:
    method = "" if name == "Aggregated" else "GET"
    shown = ["N/A"] * 11 if quantiles_ms is None else [str(value) for value in quantiles_ms]
    columns = [START_S + second, 9, method, name, 10.0, 0.0, *shown, total, failed, 50, 60.0, 10, 900, 12.0]
    return ",".join(map(str, columns))


def test_locust_counts_what_the_totals_gain_and_spreads_latencies_between_percentiles(tmp_path: Path) -> None:
    quantiles_ms = [100, 120, 140, 150, 200, 250, 300, 400, 600, 800, 900]
    rows = []
    for second in range(1, 61):
        quantiles = quantiles_ms if second > 2 else [0] * 11 if second == 2 else None  # as Locust begins
        rows.append(_locust_row(second, "/a", 10 * second, second // 2, quantiles))
        rows.append(_locust_row(second, "Aggregated", 10 * second, second // 2, quantiles))
    path = tmp_path / "run_stats_history.csv"
    path.write_text("\n".join([LOCUST_HEADER, *rows]))
    source = open_source(str(path))
    recording = source.read(None, None)
    assert recording.layout.backends == ("/a",)
    np.testing.assert_allclose(recording.request_rate[:, 0], 10.0)
    np.testing.assert_allclose(recording.t, START_S + np.arange(1.0, 61.0))
    assert (recording.error_ratio[:, 0] * 10.0).sum() == pytest.approx(30.0)
    assert recording.latency_quantile_s(0.95)[30, 0] == pytest.approx(0.25, rel=0.4)
    assert recording.latency_quantile_s(0.5)[30, 0] == pytest.approx(0.1, rel=0.4)
    assert np.isnan(recording.latency_quantile_s(0.5)[:2, 0]).all()
    assert np.isnan(recording.active_requests).all()
    assert any("no histogram" in warning for warning in source.warnings)


def test_locust_totals_that_start_anew_never_count_below_zero(tmp_path: Path) -> None:
    path = tmp_path / "run_stats_history.csv"
    totals = [5, 10, 2, 4]
    rows = [_locust_row(second, "Aggregated", total, 0, None) for second, total in enumerate(totals, start=1)]
    path.write_text("\n".join([LOCUST_HEADER, *rows]))
    recording = open_source(f"locust:{path}").read(None, None)
    assert recording.request_rate[:, 0].tolist() == [5.0, 5.0, 2.0, 2.0]


HEADERS = (
    '{"type":"Point","data":{}}',
    K6_CSV_HEADER,
    JMETER_HEADER,
    LOCUST_HEADER,
    '<?xml version="1.0"?><testResults>',
)


@given(header=st.sampled_from(HEADERS), body=st.text(max_size=300))
def test_any_text_under_a_header_is_read_or_refused(folder: Path, header: str, body: str) -> None:
    path = folder / "a.jtl"
    path.write_text(f"{header}\n{body}", encoding="utf-8", errors="surrogatepass")
    with suppress(ReaderError):
        open_source(str(path)).read(None, None)


VALUES = ("", "-1", "nan", "1e999", "9" * 30, "1767600000", "true", "x")


@given(values=st.lists(st.sampled_from(VALUES), min_size=17, max_size=24), header=st.sampled_from(HEADERS[1:4]))
def test_any_row_is_read_or_left_out(folder: Path, values: list[str], header: str) -> None:
    path = folder / "b.jtl"
    width = header.count(",") + 1
    row = (values * 2)[:width]
    path.write_text(f"{header}\n{','.join(row)}\nhttp_req_duration,{','.join(row[1:])}\n")
    try:
        recording = open_source(str(path)).read(None, None)
    except ReaderError:
        return
    assert (recording.request_rate >= 0.0).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("load")
