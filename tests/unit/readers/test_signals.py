"""Signals presets: what is read, and what a person is told about a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from system_pages import SYSTEMS

from sonify.errors import PresetError
from sonify.readers.log_fields import LogFields
from sonify.readers.routes import Router
from sonify.readers.signals import VERIFIED, LabelMatcher, Signal, list_signals, load_signals, parse_matchers

MINIMAL = '[requests]\nmetric = "hits_total"\n'


def write(directory: Path, text: str) -> str:
    path = directory / "mine.toml"
    path.write_text(text)
    return str(path)


def message(directory: Path, text: str) -> str:
    with pytest.raises(PresetError) as caught:
        load_signals(write(directory, text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_reference_service_has_every_panel() -> None:
    signals = load_signals("code-live")
    assert len(dict(signals.panels())) == 8
    assert signals.backend_labels == ("backend", "target")
    assert signals.errors is not None
    assert signals.errors.matchers == (LabelMatcher("status", "=~", '"5..|server_error"'),)
    assert signals.latency is not None
    assert signals.latency.unit_s == 1.0


@pytest.mark.parametrize("name", list_signals())
def test_every_shipped_preset_says_what_it_is_and_how_it_was_verified(name: str) -> None:
    signals = load_signals(name)
    assert signals.name == name
    assert signals.title
    assert 10 <= len(signals.description) <= 90
    assert signals.state in VERIFIED
    assert len(signals.verified) > len(signals.state) + 4
    assert name in SYSTEMS


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_page_of_the_system_goes_to_the_right_panels_and_backends(name: str) -> None:
    signals, page = load_signals(name), SYSTEMS[name]
    samples = page.samples()
    router = Router(signals, {sample.name for sample in samples})
    assert router.missing == (), "every table of the preset finds its metric"
    sums: dict[str, float] = {}
    for sample in samples:
        for table, part, backend, sign in router.of(sample.name, sample.labels):
            if sample.labels.get("le", "+Inf") == "+Inf":
                key = f"{table} {part} {backend}"
                sums[key] = sums.get(key, 0.0) + sign * sample.value
    assert sums == pytest.approx(page.expected)
    assert signals.latency is None or signals.latency.unit_s == page.unit_s


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("envoy", "envoy_cluster_upstream_rq_completed", "envoy_cluster_upstream_rq_completed_total"),
        ("vllm", "vllm:", "ray_vllm_"),
        ("traefik", "traefik_service_request", "traefik_backend_request"),
        ("kube-apiserver", "apiserver_current_inflight_requests", "apiserver_flowcontrol_current_executing_requests"),
        ("grpc", "grpc_server_handling_seconds", "grpc_server_call_duration_seconds"),
        ("otel-genai", "gen_ai_client_operation", "gen_ai_client_operation"),
    ],
)
def test_names_of_other_versions_are_tried(name: str, old: str, new: str) -> None:
    names = {sample.name.replace(old, new) for sample in SYSTEMS[name].samples()}
    assert Router(load_signals(name), names).missing == ()


def test_errors_of_grpc_by_each_library() -> None:
    signals = load_signals("grpc")
    for counter, label, codes in (
        ("grpc_server_handled_total", "grpc_code", ("Internal", "UNAVAILABLE", "OK", "Canceled")),
        ("grpc_server_call_duration_seconds_count", "grpc_status", ("INTERNAL", "UNAVAILABLE", "OK", "CANCELLED")),
        (
            "rpc_server_call_duration_seconds_count",
            "rpc_response_status_code",
            ("DATA_LOSS", "UNKNOWN", "OK", "ABORTED"),
        ),
    ):
        router = Router(signals, {counter})
        tables = [{route.table for route in router.of(counter, {label: code})} for code in codes]
        assert tables == [{"requests", "errors"}, {"requests", "errors"}, {"requests"}, {"requests"}]


def test_a_latency_without_buckets_is_an_average() -> None:
    signals = load_signals("spring-boot")
    router = Router(signals, {"http_server_requests_seconds_count", "http_server_requests_seconds_sum"})
    parts = {route.part for end in ("sum", "count") for route in router.of(f"http_server_requests_seconds_{end}", {})}
    assert parts == {"sum", "number", "count"}
    assert "latency" not in Router(signals, {"http_server_requests_seconds_sum"}).chosen
    both = {"http_server_requests_seconds" + end for end in ("_bucket", "_sum", "_count")}
    assert Router(signals, both).of("http_server_requests_seconds_sum", {}) == ()


def test_a_panel_that_is_left_out_is_not_measured(tmp_path: Path) -> None:
    signals = load_signals(write(tmp_path, MINIMAL))
    assert signals.name == "mine"
    assert dict(signals.panels()) == {"requests": Signal(("hits_total",))}


def test_names_matchers_units_and_durations(tmp_path: Path) -> None:
    signals = load_signals(
        write(
            tmp_path,
            """
            matchers = 'job="api", env!~"dev|test"'
            scrape_interval = "15s"
            [backend]
            labels = "service.name"
            order = []
            [latency]
            metric = ["http.server.duration", "http_server_duration_milliseconds"]
            unit = "ms"
            """,
        )
    )
    assert [str(matcher) for matcher in signals.matchers] == ['job="api"', 'env!~"dev|test"']
    assert signals.scrape_interval_s == 15.0
    assert signals.backend_labels == ("service.name",)
    assert signals.latency == Signal(("http.server.duration", "http_server_duration_milliseconds"), (), 1e-3)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            MINIMAL + 'metrics = "x"\n',
            ["mine.toml", "requests.metrics", "'x'", "did you mean requests.metric?", "allowed:"],
        ),
        ("[request]\n" + MINIMAL, ["mine.toml", "request =", "did you mean requests?", "[requests]"]),
        ('scrape_intervall = "1s"\n' + MINIMAL, ["did you mean scrape_interval?"]),
        ("zzz = 1\n" + MINIMAL, ["zzz = 1", "no such key", "matchers"]),
        ('[latency]\nmetric = "x"\nunit = "min"\n', ["latency.unit", "'min'", "s or ms or us"]),
        ('[queue]\nmetric = "x"\nunit = "s"\n', ["queue.unit", "allowed: queue.metric queue.matchers"]),
        ('scrape_interval = "0s"\n' + MINIMAL, ["scrape_interval", "'0s'", "such as 15s"]),
        ("matchers = 'job=api'\n" + MINIMAL, ["matchers", "job=api", "PromQL"]),
        ("[requests]\nmetric = []\n", ["requests.metric", "[]"]),
        ('[requests]\nmetric = "a\\nb"\n', ["requests.metric", "a\\nb"]),
        ("[requests]\nmatchers = ''\n", ["requests.metric", "missing"]),
        ("requests = 1\n", ["requests", "must be a table", "[requests]"]),
        ('title = "nothing"\n', ["no panel", "requests"]),
        ('verified = "yes"\n' + MINIMAL, ["verified", "'yes'", "live, page, source, docs"]),
        ('[latency]\nmetric = "x"\nmode = "mean"\n', ["latency.mode", "'mean'", "histogram or average or gauge"]),
        ('[latency]\nmode = "average"\nsum = "x"\n', ["latency.metric", "missing"]),
        ('[requests]\nmetric = "x"\nminus = "y"\n', ["requests.minus", "allowed: requests.metric"]),
        ('[log]\nerror = "("\n', ["log.error", "regular expression"]),
        ("[requests\n", ["not valid TOML", "line 1"]),
        ("backend.order = ['a', 'a']\n" + MINIMAL, ["backend.order", "differ"]),
    ],
)
def test_a_mistake_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, parts: list[str]) -> None:
    found = message(tmp_path, text)
    assert "mine.toml" in found
    for part in parts:
        assert part in found


def test_averages_sums_logs_and_marks(tmp_path: Path) -> None:
    signals = load_signals(
        write(
            tmp_path,
            """
            verified = "docs: the manual, page 3"
            marks = ["disk_*"]
            [requests]
            metric = "reads_total"
            plus = "writes_total"
            [latency]
            mode = "average"
            sum = ["busy_seconds_total"]
            count = "reads_total"
            unit = "ns"
            [active]
            metric = "started_total"
            minus = ["done_total"]
            [log]
            format = "json"
            latency = "took"
            unit = "ms"
            error = "ERR"
            """,
        )
    )
    assert signals.state == "docs"
    assert signals.marks == ("disk_*",)
    assert signals.requests == Signal(("reads_total",), plus=("writes_total",))
    expected = Signal((), unit_s=1e-9, mode="average", sum=("busy_seconds_total",), count=("reads_total",))
    assert signals.latency == expected
    assert signals.active == Signal(("started_total",), minus=("done_total",))
    assert signals.log == LogFields(format="json", latency="took", unit_s=1e-3, error="ERR")


def test_a_log_alone_is_a_preset(tmp_path: Path) -> None:
    signals = load_signals(write(tmp_path, "[log]\nformat = 'combined'\n"))
    assert list(signals.panels()) == []
    assert signals.log == LogFields(format="combined")
    assert signals.state == ""


def test_an_unknown_name_lists_the_presets() -> None:
    with pytest.raises(PresetError, match=r"code_live.*did you mean code-live\?.*\.toml"):
        load_signals("code_live")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"nowhere\.toml.*No such file"):
        load_signals(str(tmp_path / "nowhere.toml"))
    with pytest.raises(PresetError, match="null"):
        load_signals("a\0b.toml")
    (tmp_path / "bad.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(PresetError, match="not UTF-8"):
        load_signals(str(tmp_path / "bad.toml"))


@pytest.mark.parametrize("text", ["", 'a="b"', 'a="b",', 'a = "x, y=\\"z\\"" , b=~".*"'])
def test_matchers_come_back_as_they_were_written(text: str) -> None:
    assert parse_matchers(",".join(map(str, parse_matchers(text)))) == parse_matchers(text)


@pytest.mark.parametrize("text", ['a="b"} or vector(1) #', "a=b", 'a="b" c="d"', '"a"="b"', 'a=="b"', 'a="b', ",", 3])
def test_what_could_change_a_query_is_no_matcher(text: object) -> None:
    with pytest.raises(ValueError, match=r"no label matcher|not text"):
        parse_matchers(text)
