"""The range reader against real servers: one that scrapes a known service, one with three days of history."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.parser import text_string_to_metric_families
from servers import free_port, import_openmetrics, prometheus_server, wait_until

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands, quantile_s
from sonify.metrics.recording import Recording
from sonify.readers.prometheus import PrometheusSource, open_prometheus
from sonify.readers.signals import Signals, load_signals, parse_matchers
from sonify.simulation.server import LiveSimulation, MetricsServer
from sonify.simulation.service import Simulation

Counters = dict[tuple[str, tuple[tuple[str, str], ...]], float]

RATE = {"rust": 40.0, "go": 12.0}
LATENCY_S = {"rust": 0.02, "go": 0.4}
ERROR_SHARE = {"rust": 0.0, "go": 0.25}
QUEUE_DEPTH, ACTIVE_REQUESTS = 7.0, 3.0
RUN_S = 12.0


class Service:
    """Counts as a service of these rates would, and serves what it counted under the Code Live names."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.requests = Counter("code_live_requests", "Requests", ["backend", "status"], registry=registry)
        self.latency = Histogram("code_live_request_duration_seconds", "Latency", ["backend"], registry=registry)
        # it never happens: declared, but without a series
        Counter("code_live_fallbacks", "Fallbacks", ["backend"], registry=registry)
        Gauge("code_live_queue_depth", "Queue", registry=registry).set(QUEUE_DEPTH)
        Gauge("code_live_active_requests", "Active", registry=registry).set(ACTIVE_REQUESTS)
        batch = Histogram("code_live_batch_size", "Batch", buckets=[1, 2, 4, 8], registry=registry)
        for backend in RATE:
            for status in ("200", "500") if ERROR_SHARE[backend] else ("200",):
                self.requests.labels(backend, status)
        self.counted: list[tuple[float, dict[str, float]]] = []
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._count, args=(batch,))
        self.port = free_port()
        self._server, self._server_thread = start_http_server(self.port, "127.0.0.1", registry=registry)
        self._worker.start()

    def _count(self, batch: Histogram) -> None:
        generator = np.random.default_rng(1)
        began_s = time.monotonic()
        done = dict.fromkeys(RATE, 0)
        while not self._stop.wait(0.02):
            for backend, rate in RATE.items():
                due = int((time.monotonic() - began_s) * rate) - done[backend]
                for _ in range(due):
                    failed = generator.random() < ERROR_SHARE[backend]
                    self.requests.labels(backend, "500" if failed else "200").inc()
                    self.latency.labels(backend).observe(LATENCY_S[backend] * generator.lognormal(0.0, 0.3))
                    batch.observe(3)
                done[backend] += due
            self.counted.append((time.time(), {backend: float(count) for backend, count in done.items()}))

    def count_at(self, t: float, backend: str) -> float:
        times = [moment for moment, _ in self.counted]
        return float(np.interp(t, times, [counts[backend] for _, counts in self.counted]))

    def stop(self) -> None:
        self._stop.set()
        self._worker.join()
        self._server.shutdown()
        self._server.server_close()
        self._server_thread.join()


@contextmanager
def simulated_service(scenario: str, speed: float) -> Iterator[LiveSimulation]:
    live = LiveSimulation(Simulation(scenario), speed=speed)
    server = MetricsServer(("127.0.0.1", 0), live)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    live.port = server.server_address[1]  # type: ignore[attr-defined]
    try:
        yield live
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def counters(live: LiveSimulation) -> tuple[float, Counters]:
    page = live.page()
    assert page is not None
    return time.time(), {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@dataclass
class Read:
    service: Service
    recording: Recording
    after_loss: Recording
    simulated: Recording
    simulated_counters: list[tuple[float, Counters]]


def of_job(job: str) -> Signals:
    return replace(load_signals("code-live"), matchers=parse_matchers(f'job="{job}"'))


def has_data(source: PrometheusSource) -> bool:
    try:
        return bool(np.isfinite(source.read(None, None).request_rate[-1]).any())
    except ReaderError:
        return False


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    directory = tmp_path_factory.mktemp("prometheus")
    service = Service()
    try:
        with simulated_service("busy", speed=10.0) as live:
            ports = {"code live": service.port, "simulated": live.port, "nobody": 1}  # type: ignore[attr-defined]
            jobs = {job: [f"127.0.0.1:{port}"] for job, port in ports.items()}
            with prometheus_server(directory, jobs, scrape_interval="500ms") as url:
                yield observe(url, service, live)
    finally:
        service.stop()


def observe(url: str, service: Service, live: LiveSimulation) -> Read:
    source = open_prometheus(f"prometheus+{url}", of_job("code live"), step_s=1.0)
    simulated = open_prometheus(f"prometheus+{url}", of_job("simulated"), step_s=1.0)
    wait_until(lambda: has_data(source) and has_data(simulated), "the first rates")
    counted = [counters(live)]
    time.sleep(RUN_S)
    counted.append(counters(live))
    end_s = time.time()
    recording = source.read(end_s - RUN_S, end_s)
    assert source.warnings == []
    of_simulated = simulated.read(end_s - RUN_S, end_s)
    service.stop()
    wait_until(lambda: not source.read(None, None).fresh[-1], "the lost service shows as stale", 15.0)
    return Read(service, recording, source.read(end_s - 3.0, None), of_simulated, counted)


def settled(recording: Recording) -> np.ndarray:
    """Frames whose rate window lies within the run."""
    rows = np.flatnonzero(recording.fresh)[4:]
    assert len(rows) >= 5
    return rows


@pytest.mark.parametrize("backend", RATE)
def test_rates_are_what_the_service_counted(read: Read, backend: str) -> None:
    recording, rows = read.recording, settled(read.recording)
    index = recording.layout.backends.index(backend)
    t, window_s = recording.t[rows], 2.0
    counted = read.service.count_at(t[-1], backend) - read.service.count_at(t[0] - window_s, backend)
    expected = counted / (t[-1] - t[0] + window_s)
    assert np.mean(recording.request_rate[rows, index]) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("backend", RATE)
def test_latency_is_within_one_band(read: Read, backend: str) -> None:
    recording = read.recording
    index = recording.layout.backends.index(backend)
    pooled = recording.latency_rate[settled(recording), index].mean(axis=0)
    measured_s = quantile_s(pooled, recording.layout.latency_edges_s, 0.95)
    expected_s = LATENCY_S[backend] * np.exp(0.3 * 1.645)
    position = LatencyBands().position
    assert abs(position(measured_s) - position(expected_s)) <= 1.0
    assert recording.latency_rate[settled(recording), index].sum() == pytest.approx(
        recording.request_rate[settled(recording), index].sum(), rel=0.1
    )


def test_errors_are_a_share_of_the_requests(read: Read) -> None:
    rows = settled(read.recording)
    mean = dict(zip(read.recording.layout.backends, read.recording.error_ratio[rows].mean(axis=0), strict=True))
    assert mean["rust"] == 0.0
    assert mean["go"] == pytest.approx(ERROR_SHARE["go"], abs=0.12)


def test_what_never_happened_is_zero_and_what_is_not_counted_is_unmeasured(read: Read) -> None:
    rows = settled(read.recording)
    assert (read.recording.fallback_ratio[rows] == 0.0).all()
    assert np.isnan(read.recording.glitch_rate).all()


def test_gauges_and_batches(read: Read) -> None:
    recording, rows = read.recording, settled(read.recording)
    assert (recording.queue_depth[rows] == QUEUE_DEPTH).all()
    assert (recording.active_requests[rows] == ACTIVE_REQUESTS).all()
    assert recording.layout.batch_edges.tolist() == [0, 1, 2, 4, 8, np.inf]
    assert (recording.batch_rate[rows, 2] > 0.0).all()
    assert recording.batch_rate[rows, 2].sum() == pytest.approx(recording.batch_rate[rows].sum())


def test_a_lost_service_is_stale_and_never_zero(read: Read) -> None:
    assert read.recording.fresh.any()
    lost = ~read.after_loss.fresh
    assert lost[-1]
    for column in (read.after_loss.request_rate, read.after_loss.latency_rate, read.after_loss.queue_depth):
        assert np.isnan(column[lost]).all()


def test_the_simulated_service_is_read_as_it_counted(read: Read) -> None:
    recording, rows = read.simulated, settled(read.simulated)
    (begin_s, before), (end_s, after) = read.simulated_counters
    assert recording.layout.backends == ("rust", "ts", "go", "csharp", "sql", "julia")
    for index, backend in enumerate(recording.layout.backends):
        label = ("backend", backend)
        grown = {key: value - before[key] for key, value in after.items() if label in key[1]}
        requests = sum(value for (name, _), value in grown.items() if name == "code_live_requests_total")
        rate = recording.request_rate[rows, index].mean()
        assert rate == pytest.approx(requests / (end_s - begin_s), rel=0.15, abs=3.0)

        buckets = sorted(
            (float(dict(labels)["le"]), value) for (name, labels), value in grown.items() if name.endswith("_bucket")
        )
        bounds_s, counts = (np.array(column) for column in zip(*buckets, strict=True))
        found = int(np.searchsorted(counts, 0.95 * counts[-1]))  # the bucket that holds the 95th of 100
        pooled = recording.latency_rate[rows, index].mean(axis=0)
        p95_s = float(quantile_s(pooled, recording.layout.latency_edges_s, 0.95))
        position = LatencyBands().position
        assert position(bounds_s[max(found - 1, 0)]) - 1.0 <= position(p95_s) <= position(bounds_s[found]) + 1.0

        per_bucket = np.diff(counts, prepend=0.0).sum()
        assert pooled.sum() == pytest.approx(per_bucket / (end_s - begin_s), rel=0.15, abs=3.0)
    assert np.isfinite(recording.queue_depth[rows]).all()
    assert np.isfinite(recording.glitch_rate[rows]).all()
    assert np.nansum(recording.batch_rate[rows]) > 0.0


# -- three days of history ---------------------------------------------------------------------------------------------

HISTORY_START_S, HISTORY_STEP_S, HISTORY_POINTS = 1_767_225_600, 15, 3 * 86400 // 15
UPPER_BOUNDS = {"rust": ("0.1", "1.0", "+Inf"), "go": ("0.25", "1.0", "2.5", "+Inf")}


def history_rate(backend: str, t: int) -> int:
    """Requests in a second at that time: another number every hour."""
    return 2 + ((t - HISTORY_START_S) // 3600 * (3 if backend == "rust" else 5)) % 11


def write_history(path: Path) -> None:
    times = [HISTORY_START_S + HISTORY_STEP_S * index for index in range(HISTORY_POINTS)]
    counts = dict.fromkeys(UPPER_BOUNDS, 0)
    samples: dict[str, list[str]] = {"requests": [], "latency": []}
    for t in times:
        for backend, bounds in UPPER_BOUNDS.items():
            counts[backend] += HISTORY_STEP_S * history_rate(backend, t - 1)
            samples["requests"].append(
                f'code_live_requests_total{{target="{backend}",status="200"}} {counts[backend]} {t}\n'
            )
            for bound in bounds:  # all requests take up to the second bound
                value = 0 if bound == bounds[0] else counts[backend]
                name = "code_live_request_duration_seconds_bucket"
                samples["latency"].append(f'{name}{{target="{backend}",le="{bound}"}} {value} {t}\n')
    with path.open("w") as file:
        file.write("# TYPE code_live_requests counter\n")
        file.writelines(samples["requests"])
        file.write("# TYPE code_live_request_duration_seconds histogram\n")
        file.writelines(samples["latency"])
        file.write("# EOF\n")


@pytest.fixture(scope="module")
def history_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("history")
    write_history(directory / "history.txt")
    import_openmetrics(directory, directory / "history.txt")
    with prometheus_server(directory) as url:
        yield url


def read_history(url: str, since_s: float, until_s: float, step_s: float | None = None) -> Recording:
    signals = replace(load_signals("code-live"), scrape_interval_s=float(HISTORY_STEP_S))
    return open_prometheus(f"prometheus+{url}", signals, step_s=step_s).read(since_s, until_s)


END_S = HISTORY_START_S + HISTORY_STEP_S * (HISTORY_POINTS - 1)


def test_three_days_at_15_s_are_joined_without_lost_or_doubled_points(history_url: str) -> None:
    recording = read_history(history_url, HISTORY_START_S, END_S, step_s=15.0)
    assert len(recording) == HISTORY_POINTS - 1 > 11_000
    assert (np.diff(recording.t) == 15.0).all()
    assert recording.fresh[1:].all()
    for index, backend in enumerate(recording.layout.backends):
        inside_hour = (recording.t - HISTORY_START_S) % 3600 > 75  # all of the window in one hour
        expected = [history_rate(backend, int(t) - 1) for t in recording.t[inside_hour]]
        np.testing.assert_allclose(recording.request_rate[inside_hour, index], expected, rtol=1e-6)
        np.testing.assert_allclose(recording.latency_rate[inside_hour, index].sum(axis=1), expected, rtol=1e-6)


def test_a_part_of_the_range_gives_the_same_frames(history_url: str) -> None:
    whole = read_history(history_url, HISTORY_START_S, END_S, step_s=15.0)
    boundary_s = whole.t[11_000]
    part = read_history(history_url, boundary_s - 600.0, boundary_s + 600.0, step_s=15.0)
    same = whole.between(boundary_s - 600.0, boundary_s + 600.0)
    np.testing.assert_array_equal(part.t, same.t)
    np.testing.assert_array_equal(part.request_rate, same.request_rate)
    np.testing.assert_array_equal(part.latency_rate, same.latency_rate)


def test_a_day_is_read_in_frames_of_a_minute(history_url: str) -> None:
    recording = read_history(history_url, HISTORY_START_S + 86400, HISTORY_START_S + 2 * 86400)
    assert recording.layout.interval_s == 60.0
    assert len(recording) == 1440
    assert recording.layout.backends == ("rust", "go")  # the order of the preset


def test_layouts_that_differ_between_backends_meet_on_one(history_url: str) -> None:
    recording = read_history(history_url, END_S - 3600, END_S)
    lowest_s, highest_s = {"rust": 0.1, "go": 0.25}, 1.0
    edges_s = recording.layout.latency_edges_s
    for index, backend in enumerate(recording.layout.backends):
        heard = recording.latency_rate[-1, index] > 0.0
        assert edges_s[1:][heard].min() > lowest_s[backend]
        assert edges_s[:-1][heard].max() < highest_s


def test_a_range_without_data_says_what_was_looked_for(history_url: str) -> None:
    with pytest.raises(ReaderError, match=r"looked for code_live_requests_total .*--signals \(now code-live\)"):
        read_history(history_url, HISTORY_START_S - 7200.0, HISTORY_START_S - 3600.0)


def test_errors_of_the_server_are_one_line(history_url: str) -> None:
    host = history_url.removeprefix("http://")
    source = open_prometheus(f"prometheus+http://ann:secret@{host}/wrong", load_signals("code-live"))
    with pytest.raises(ReaderError, match="HTTP 404") as caught:
        source.read(None, None)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
