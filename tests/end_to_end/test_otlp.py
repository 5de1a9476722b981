"""OTLP through real exporters and real sockets: the OpenTelemetry SDK, and the truth of a simulated service."""

from __future__ import annotations

import json
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from truth import assert_agrees

from sonify.errors import ReaderError
from sonify.metrics.recording import Recording
from sonify.readers.otlp import OtlpSource
from sonify.readers.source import Update, open_source
from sonify.simulation.service import Simulation, Snapshot
from sonify.simulation.state import LE_EDGES_S, STATUSES

service_pb2 = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
api = pytest.importorskip("opentelemetry.metrics")
sdk = pytest.importorskip("opentelemetry.sdk.metrics")
export = pytest.importorskip("opentelemetry.sdk.metrics.export")
views = pytest.importorskip("opentelemetry.sdk.metrics.view")
json_format = pytest.importorskip("google.protobuf.json_format")

GIVE_UP_S = 15.0


class Follower:
    """A source that is followed in a thread."""

    def __init__(self, source: OtlpSource) -> None:
        self.source = source
        self.updates: list[Update] = []
        self._queue: queue.SimpleQueue[Update] = queue.SimpleQueue()

    def run(self, stop: threading.Event) -> None:
        for update in self.source.follow(stop):
            self._queue.put(update)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.source.port}"

    def until(self, condition: Callable[[Update], bool]) -> Update:
        """Wait for an update of a kind."""
        give_up_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_s:
            update = self._queue.get(timeout=GIVE_UP_S)
            self.updates.append(update)
            if condition(update):
                return update
        pytest.fail(f"no such update came; the last was {self.updates[-1]}")

    @property
    def notices(self) -> list[str]:
        return [notice for update in self.updates for notice in update.notices]


@contextmanager
def following(scheme: str = "otlp", signals: str = "code-live", **options: float) -> Iterator[Follower]:
    follower = Follower(OtlpSource(f"{scheme}://127.0.0.1:0", signals, **options))
    stop = threading.Event()
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    try:
        follower.until(lambda _: True)
        yield follower
    finally:
        stop.set()
        thread.join(GIVE_UP_S)
        assert not thread.is_alive()


def exporter(kind: str, address: str, **options: Any) -> Any:
    """A real exporter of the SDK."""
    if kind == "grpc":
        module = pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc.metric_exporter")
        return module.OTLPMetricExporter(endpoint=f"http://{address}", insecure=True, **options)
    module = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    if kind == "gzip":
        compression = pytest.importorskip("opentelemetry.exporter.otlp.proto.http").Compression
        options["compression"] = compression.Gzip
    return module.OTLPMetricExporter(endpoint=f"http://{address}/v1/metrics", **options)


@contextmanager
def instrumented(made: Any, *, view: list[Any] | None = None, period_s: float = 0.2) -> Iterator[Any]:
    """A meter whose provider pushes every `period_s`."""
    resources = pytest.importorskip("opentelemetry.sdk.resources")
    reader = export.PeriodicExportingMetricReader(made, export_interval_millis=1000 * period_s)
    resource = resources.Resource({"service.name": "shop", "service.instance.id": "1"})
    provider = sdk.MeterProvider([reader], resource=resource, views=view or [])
    try:
        yield provider.get_meter("test")
    finally:
        provider.shutdown()


DELTA = {
    sdk.Counter: export.AggregationTemporality.DELTA,
    sdk.Histogram: export.AggregationTemporality.DELTA,
}
BOUNDS = [0.01, 0.05, 0.09, 0.11, 0.5, 1.0]


@pytest.mark.parametrize(
    ("kind", "temporality", "is_exponential"),
    [("http", None, False), ("gzip", DELTA, True), ("grpc", None, True), ("grpc", DELTA, False)],
)
def test_the_sdk(kind: str, temporality: dict[Any, Any] | None, is_exponential: bool) -> None:
    view = (
        [views.View(instrument_name="*duration", aggregation=views.ExponentialBucketHistogramAggregation())]
        if is_exponential
        else []
    )
    options: dict[str, Any] = {} if temporality is None else {"preferred_temporality": temporality}
    with (
        following("otlp+grpc" if kind == "grpc" else "otlp", window_s=60.0) as follower,
        instrumented(exporter(kind, follower.address, **options), view=view) as meter,
    ):
        requests = meter.create_counter("code_live.requests", unit="{request}")
        latency = meter.create_histogram(
            "code_live.request.duration", unit="s", explicit_bucket_boundaries_advisory=BOUNDS
        )
        depth = meter.create_up_down_counter("code_live.queue_depth")
        meter.create_observable_gauge("code_live.active_requests", [lambda _: [api.Observation(3)]])
        depth.add(7)
        for index in range(60):
            requests.add(1, {"backend": "rust", "status": "500" if index % 4 == 0 else "200"})
            latency.record(0.1, {"backend": "rust"})
            depth.add(1 if index % 2 else -1)
            time.sleep(0.005)

        def is_whole(update: Update) -> bool:
            frame = update.frame
            return bool(frame.queue_depth == 7.0 and frame.error_ratio[0] == 0.25)

        update = follower.until(is_whole)
    frame = update.frame
    assert frame.layout.backends == ("rust",)
    assert frame.active_requests == 3.0
    assert float(frame.latency_quantile_s(0.5)[0]) == pytest.approx(0.1, rel=0.25)
    assert frame.latency_rate.sum() == pytest.approx(frame.request_rate.sum(), rel=1e-6)
    assert 0.0 <= update.lag_s < 1.0
    assert not [notice for notice in follower.notices if "made for ms" in notice]


def test_the_sdk_without_bounds_is_told_what_to_do_and_gives_averages() -> None:
    with (
        following(signals="auto") as follower,
        instrumented(exporter("http", follower.address)) as meter,
    ):
        latency = meter.create_histogram("http.server.request.duration", unit="s")
        for _ in range(100):
            latency.record(0.03, {"http.route": "/", "http.response.status_code": 200})
        update = follower.until(lambda update: bool(update.frame.latency_rate.sum() > 0.0))
    assert float(update.frame.latency_quantile_s(0.95)[0]) == pytest.approx(0.03, rel=0.5)
    assert len([notice for notice in follower.notices if "made for ms" in notice]) == 1
    assert any("otel-http" in notice for notice in follower.notices)


def test_silence_is_said_and_mended() -> None:
    with following() as follower:
        first = follower.until(lambda _: True)
        assert first.problem == f"waiting for the first push on {follower.address}"
        assert not first.frame.fresh
        for _ in range(2):
            with instrumented(exporter("http", follower.address), period_s=0.1) as meter:
                requests = meter.create_counter("code_live.requests")
                requests.add(1)
                follower.until(lambda update: update.frame.fresh)
                for _ in range(5):
                    requests.add(1)
                    time.sleep(0.1)
                update = follower.until(lambda update: bool(update.frame.request_rate.sum() > 0.0))
                assert update.problem == ""
            lost = follower.until(lambda update: not update.frame.fresh)
            assert re.fullmatch(rf"nothing has arrived on {follower.address} since \d\d:\d\d:\d\d UTC", lost.problem)
            assert follower.until(lambda _: True).problem == lost.problem
            assert np.isnan(lost.frame.request_rate).all()
    assert len(follower.notices) == len(set(follower.notices))


def test_json_in_chunks_and_garbage_beside_it() -> None:
    def document(value: int) -> bytes:
        point = {"timeUnixNano": str(time.time_ns()), "startTimeUnixNano": 1, "asInt": value}
        metric = {"name": "code_live.requests", "sum": {"aggregationTemporality": 2, "isMonotonic": True}}
        metric["sum"] |= {"dataPoints": [point]}  # type: ignore[operator]
        return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()

    def pieces(body: bytes) -> Iterator[bytes]:
        yield body[:20]
        yield body[20:]

    with following() as follower, httpx.Client(trust_env=False) as client:
        url = f"http://{follower.address}/v1/metrics"
        for value in range(0, 50, 10):
            answer = client.post(url, content=pieces(document(value)), headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()) == (200, {})
            bad = client.post(url, content=b"{}}", headers={"Content-Type": "application/json"})
            assert bad.status_code == 400
            time.sleep(0.1)
        update = follower.until(lambda update: bool(update.frame.request_rate.sum() > 0.0))
        assert update.frame.request_rate.sum() == pytest.approx(100.0, rel=0.5)
        assert client.post(url.replace("metrics", "traces"), content=b"").status_code == 404


# -- truth -------------------------------------------------------------------------------------------------------------


def pushed(now: Snapshot, backends: tuple[str, ...], start_ns: int) -> Any:
    """All counters of a simulated service, as an exporter writes them."""
    times = {"startTimeUnixNano": start_ns, "timeUnixNano": time.time_ns()}

    def point(value: int, **labels: str) -> dict[str, Any]:
        attributes = [{"key": key, "value": {"stringValue": text}} for key, text in labels.items()]
        return {**times, "attributes": attributes, "asInt": int(value)}

    def total(name: str, points: list[dict[str, Any]]) -> dict[str, Any]:
        return {"name": name, "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": points}}

    requests = [
        point(count, backend=backend, status=status)
        for row, backend in enumerate(backends)
        for status, count in zip(STATUSES, now.requests[row], strict=True)
    ]
    latencies = [
        {
            **point(0, backend=backend),
            "count": int(now.le_counts[row].sum()),
            "sum": float(now.latency_sum_s[row]),
            "bucketCounts": now.le_counts[row].tolist(),
            "explicitBounds": LE_EDGES_S,
        }
        for row, backend in enumerate(backends)
    ]
    for latency in latencies:
        del latency["asInt"]
    metrics = [
        total("code_live.requests", requests),
        total("code_live.fallbacks", [point(n, backend=b) for n, b in zip(now.fallbacks, backends, strict=True)]),
        total("code_live.glitches", [point(n, backend=b) for n, b in zip(now.glitches, backends, strict=True)]),
        {
            "name": "code_live.request.duration",
            "unit": "s",
            "histogram": {"aggregationTemporality": 2, "dataPoints": latencies},
        },
    ]
    return json_format.ParseDict(
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}, service_pb2.ExportMetricsServiceRequest()
    )


def test_panels_agree_with_the_truth_of_a_simulated_service() -> None:
    simulation, start_ns = Simulation("chaos", 3), time.time_ns() - 10**12
    first = simulation.snapshot()
    with following(window_s=4.0, stale_after_s=5.0) as follower, httpx.Client(trust_env=False) as client:
        url = f"http://{follower.address}/v1/metrics"
        due_s = time.monotonic()
        for index in range(118):  # a window in which nothing happens, what counts, and a window after it
            if 43 <= index < 73:
                simulation.advance(6.0 * (index - 42))
            body = pushed(simulation.snapshot(), simulation.backends, start_ns).SerializeToString()
            answer = client.post(url, content=body, headers={"Content-Type": "application/x-protobuf"})
            assert answer.status_code == 200
            due_s += 0.1
            time.sleep(max(due_s - time.monotonic(), 0.0))
        end_s = time.time()
        follower.until(lambda update: update.frame.t >= end_s)
    frames = [update.frame for update in follower.updates if update.frame.layout.backends == simulation.backends]
    recording = Recording.from_frames(frames[-1].layout, frames)
    assert_agrees(recording, first, simulation.snapshot(), simulation.backends)


# -- what no waiting can mend ------------------------------------------------------------------------------------------


def test_an_address_that_is_taken_and_a_past_that_is_not_there() -> None:
    with following() as follower:
        taken = open_source(f"otlp://{follower.address}", "code-live")
        assert taken.title == f"OTLP {follower.address}"
        with pytest.raises(ReaderError, match=f"cannot listen on {follower.address}: address already in use"):
            next(taken.follow(threading.Event()))
        with pytest.raises(ReaderError, match="a receiver has no past"):
            taken.read(None, None)


def test_grpc_refuses_garbage_and_a_taken_address() -> None:
    grpc = pytest.importorskip("grpc")
    with following("otlp+grpc") as follower:
        with pytest.raises(ReaderError, match="cannot listen on"):
            next(OtlpSource(f"otlp+grpc://{follower.address}").follow(threading.Event()))
        with grpc.insecure_channel(follower.address) as channel:
            call = channel.unary_unary("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
            assert call(b"") == b""
            with pytest.raises(grpc.RpcError) as error:
                call(b"\x0a\x7f", timeout=5.0)
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "at byte 0" in error.value.details()


@pytest.mark.parametrize("module", ["grpc", "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2"])
def test_what_is_not_installed_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = "otlp-grpc" if module == "grpc" else "otlp"
    with pytest.raises(ReaderError, match=rf"pip install 'sonify\[{extra}\]'"):
        next(OtlpSource("otlp+grpc://127.0.0.1:0").follow(threading.Event()))


@pytest.mark.parametrize(
    "spec",
    ["otlp://", "otlp://:4318", "otlp://a:b", "otlp://a:99999", "otlp://a/v1/metrics", "otlp://u:p@a", "otlp://a?b"],
)
def test_specs_that_are_none(spec: str) -> None:
    with pytest.raises(ReaderError, match="a receiver is written otlp://HOST:4318"):
        open_source(spec)


def test_ports_by_default_and_an_open_door_is_told() -> None:
    assert OtlpSource("otlp://localhost").place == "localhost:4318"
    assert OtlpSource("otlp+grpc://[::1]/").place == "[::1]:4317"
    stop = threading.Event()
    updates = OtlpSource("otlp://0.0.0.0:0").follow(stop)
    assert "is open to the network" in next(updates).notices[0]
    stop.set()
    assert list(updates) == []
