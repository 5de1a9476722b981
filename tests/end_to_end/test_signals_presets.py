"""Signals presets against the real programs: their own pages, scraped, and through a real Prometheus."""

from __future__ import annotations

import http.client
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import missing_tool
from servers import free_port, require_program, running, wait_until

from sonify.metrics.frame import MetricFrame
from sonify.readers.signals import load_signals
from sonify.readers.source import Update, open_source

SHARE_OF_ERRORS = 1 / 3


class _Origin(BaseHTTPRequestHandler):
    """What the proxies stand before: /bad is answered with 503."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Stay silent where a proxy that is stopped leaves its connections."""


@contextmanager
def origin() -> Iterator[int]:
    with _Server(("127.0.0.1", 0), _Origin) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def traffic(port: int, paths: tuple[str, ...] = ("/ok", "/fine", "/bad")) -> Iterator[None]:
    """Ask for these paths in turn, some tens of times a second, once before the block and then until it ends."""
    stop = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
        for path in paths:
            connection.request("GET", path)
            connection.getresponse().read()
        connection.close()

    def ask_on() -> None:
        while not stop.wait(0.01):
            ask()

    ask()
    thread = threading.Thread(target=ask_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def follow_until(
    spec: str, done: Callable[[MetricFrame], object], signals: str = "auto"
) -> tuple[MetricFrame, list[str]]:
    """Follow a source until a frame is as wanted; that frame, and all that was said."""
    stop = threading.Event()
    notices: list[str] = []
    updates: list[Update] = []
    for update in open_source(spec, signals, ["interval=250ms"]).follow(stop):
        notices += update.notices
        updates.append(update)
        if (not update.problem and done(update.frame)) or len(updates) > 60:
            break
    stop.set()
    assert done(updates[-1].frame), (notices, [update.problem for update in updates][-1], updates[-1].frame)
    return updates[-1].frame, notices


def python_program(name: str) -> str:
    """Path of a program that a Python package brings."""
    beside = Path(sys.executable).parent / name
    path = str(beside) if beside.exists() else shutil.which(name)
    if path is None:
        missing_tool(name)
    return str(path)


@contextmanager
def haproxy(directory: Path, origin_port: int) -> Iterator[tuple[int, str]]:
    port, admin = free_port(), free_port()
    (directory / "haproxy.cfg").write_text(
        f"""
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend web
  bind 127.0.0.1:{port}
  default_backend shop
backend shop
  server one 127.0.0.1:{origin_port}
frontend prometheus
  bind 127.0.0.1:{admin}
  http-request use-service prometheus-exporter if {{ path /metrics }}
"""
    )
    command = [require_program("haproxy"), "-db", "-f", str(directory / "haproxy.cfg")]
    page = f"127.0.0.1:{admin}/metrics"
    with running(command, f"http://{page}", directory / "haproxy.log"):
        yield port, page


@contextmanager
def caddy(directory: Path, origin_port: int) -> Iterator[tuple[int, str]]:
    port, admin = free_port(), free_port()
    (directory / "Caddyfile").write_text(
        f"""
{{
    admin 127.0.0.1:{admin}
    auto_https off
    persist_config off
    storage file_system {directory}
    metrics
}}
http://127.0.0.1:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{origin_port}
}}
"""
    )
    command = [python_program("caddy"), "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")]
    page = f"127.0.0.1:{admin}/metrics"
    with running(command, f"http://{page}", directory / "caddy.log"):
        yield port, page


@contextmanager
def envoy(directory: Path, origin_port: int) -> Iterator[tuple[int, str]]:
    port, admin = free_port(), free_port()
    types = "type.googleapis.com/envoy.extensions.filters"
    (directory / "envoy.yaml").write_text(
        f"""
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
stats_flush_interval: 0.1s
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {types}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config: {{virtual_hosts: [{{name: all, domains: ["*"], routes: [
            {{match: {{prefix: /dead}}, route: {{cluster: dead}}}},
            {{match: {{prefix: /}}, route: {{cluster: shop}}}}]}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": {types}.http.router.v3.Router}}
  clusters:
  - name: shop
    load_assignment: {{cluster_name: shop, endpoints: [{{lb_endpoints: [
      {{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {origin_port}}}}}}}}}]}}]}}
  - name: dead
    load_assignment: {{cluster_name: dead, endpoints: [{{lb_endpoints: [
      {{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}}}}}]}}]}}
"""
    )
    command = [
        python_program("envoy"),
        "-c",
        str(directory / "envoy.yaml"),
        "--concurrency",
        "1",
        "--base-id",
        str(port),
    ]
    page = f"127.0.0.1:{admin}/stats/prometheus"
    with running(command, f"http://{page}", directory / "envoy.log"):
        yield port, page


def by_backend(frame: MetricFrame) -> Mapping[str, int]:
    return {name: index for index, name in enumerate(frame.layout.backends)}


def is_busy(frame: MetricFrame, backend: str) -> bool:
    """Whether this backend's requests, errors and latencies have come."""
    index = by_backend(frame).get(backend)
    if index is None or not frame.request_rate[index] > 5.0:
        return False
    return bool(frame.error_ratio[index] > 0.0 and frame.latency_rate[index].sum() > 5.0)


PROXIES = {"haproxy": (haproxy, "shop"), "caddy": (caddy, "srv0"), "envoy": (envoy, "shop")}


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_is_known_by_its_page_and_its_panels_are_right(name: str, tmp_path: Path) -> None:
    start, backend = PROXIES[name]
    with origin() as origin_port, start(tmp_path, origin_port) as (port, page), traffic(port):
        frame, notices = follow_until(f"scrape+http://{page}", lambda frame: is_busy(frame, backend))
    assert any(f"signals: {name} (requests errors" in notice for notice in notices), notices
    index = by_backend(frame)[backend]
    assert frame.error_ratio[index] == pytest.approx(SHARE_OF_ERRORS, abs=0.1)
    latencies = frame.latency_rate[index]
    assert latencies.sum() == pytest.approx(frame.request_rate[index], rel=0.5)
    fast = latencies[frame.layout.latency_edges_s[1:] <= 1.0]
    assert fast.sum() > 0.5 * latencies.sum(), "answers of a loopback server take milliseconds, not seconds"
    assert frame.active_requests >= 0.0


def test_envoys_cluster_that_is_down_has_errors(tmp_path: Path) -> None:
    with origin() as origin_port, envoy(tmp_path, origin_port) as (port, page), traffic(port, ("/dead",)):
        frame, _ = follow_until(f"scrape+http://{page}", lambda frame: np.nansum(frame.request_rate) > 5.0, "envoy")
    index = by_backend(frame)["dead"]
    assert frame.error_ratio[index] == pytest.approx(1.0)
    assert frame.glitch_rate[index] > 0.0


def test_a_machine_is_heard_by_its_disks(tmp_path: Path) -> None:
    program, address = require_program("prometheus-node-exporter"), f"127.0.0.1:{free_port()}"
    command = [program, f"--web.listen-address={address}"]
    with running(command, f"http://{address}/metrics", tmp_path / "node.log"):
        frame, notices = follow_until(f"scrape+http://{address}/metrics", lambda frame: frame.active_requests >= 1.0)
    assert any("signals: node (requests" in notice for notice in notices), notices
    assert not any(name.startswith(("loop", "dm-", "ram")) for name in frame.layout.backends)
    assert frame.queue_depth >= 0.0


@contextmanager
def prometheus(directory: Path, page: str) -> Iterator[str]:
    """Run a Prometheus that scrapes a page, and itself."""
    address = f"127.0.0.1:{free_port()}"
    target, _, path = page.partition("/")
    config = directory / "prometheus.yml"
    config.write_text(
        f"""
global: {{scrape_interval: 1s}}
scrape_configs:
- {{job_name: proxy, metrics_path: /{path}, static_configs: [{{targets: ["{target}"]}}]}}
- {{job_name: prometheus, static_configs: [{{targets: ["{address}"]}}]}}
"""
    )
    command = [require_program("prometheus"), f"--config.file={config}", f"--web.listen-address={address}"]
    command.append(f"--storage.tsdb.path={directory / 'data'}")
    with running(command, f"http://{address}/-/ready", directory / "prometheus.log"):
        yield address


def test_prometheus_hears_itself_and_what_else_it_scrapes(tmp_path: Path) -> None:
    with (
        origin() as origin_port,
        haproxy(tmp_path, origin_port) as (port, page),
        traffic(port),
        prometheus(tmp_path, page) as address,
    ):
        spec = f"prometheus+http://{address}"
        frame, notices = follow_until(spec, lambda frame: is_busy(frame, "shop"), "haproxy")
        assert frame.error_ratio[by_backend(frame)["shop"]] == pytest.approx(SHARE_OF_ERRORS, abs=0.1)

        frame, notices = follow_until(spec, lambda frame: is_busy(frame, "shop"))
        said = next(notice for notice in notices if notice.startswith("signals: "))
        assert said.startswith("signals: haproxy (requests errors")
        assert said.endswith("also there: prometheus-self")

        frame, _ = follow_until(spec, lambda frame: np.nansum(frame.latency_rate) > 0.0, "prometheus-self")
        assert {"/metrics", "/api/v1/query"} <= set(frame.layout.backends)


def test_nginx_writes_the_log_that_the_preset_describes(tmp_path: Path) -> None:
    log_format = load_signals("nginx-log").log
    assert log_format is not None
    port = free_port()
    folders = " ".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    with origin() as origin_port:
        (tmp_path / "nginx.conf").write_text(
            f"""
daemon off;
pid {tmp_path}/nginx.pid;
error_log {tmp_path}/error.log;
events {{}}
http {{
    {folders}
    log_format timed '{log_format.format}';
    access_log {tmp_path}/timed.log timed;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{origin_port}; }}
    }}
}}
"""
        )
        command = [require_program("nginx"), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
        with running(command, f"http://127.0.0.1:{port}/ok", tmp_path / "nginx.out"), traffic(port):
            wait_until(lambda: len((tmp_path / "timed.log").read_bytes().splitlines()) > 60, "60 lines in the log")
    recording = open_source(str(tmp_path / "timed.log"), "nginx-log", ["interval=60s"]).read(None, None)
    lines = (tmp_path / "timed.log").read_text().splitlines()
    assert recording.layout.backends == (f"127.0.0.1:{origin_port}",)
    assert np.nansum(recording.request_rate) * 60.0 == pytest.approx(len(lines))
    errors = np.nansum(recording.request_rate * np.nan_to_num(recording.error_ratio)) * 60.0
    assert errors == pytest.approx(sum(" 503 " in line for line in lines))
    assert np.nansum(recording.latency_rate) * 60.0 == pytest.approx(len(lines))
