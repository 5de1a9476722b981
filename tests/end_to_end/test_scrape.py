"""A direct scrape over real sockets: the simulated service, real exporters, and servers that misbehave."""

from __future__ import annotations

import gzip
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from servers import free_port, prometheus_server, require_program, running
from truth import SimulatedService, assert_agrees, simulated_service

from sonify.metrics.frame import MetricFrame
from sonify.metrics.recording import Recording
from sonify.readers import scrape_target
from sonify.readers.source import Source, Update, open_source

PATIENCE_S = 15.0


@contextmanager
def following(source: Source) -> Iterator[Iterator[Update]]:
    """Follow a source until the block ends; updates that never come fail the test."""
    stop = threading.Event()
    give_up = threading.Timer(PATIENCE_S, stop.set)
    give_up.start()
    updates = source.follow(stop)
    try:
        yield updates
    finally:
        stop.set()
        give_up.cancel()
        began_s = time.monotonic()
        for _ in updates:
            pass
        assert time.monotonic() - began_s < 2.0


def wait_for(updates: Iterator[Update], condition: Callable[[Update], bool], what: str) -> Update:
    for update in updates:
        if condition(update):
            return update
    pytest.fail(f"{what}: not within {PATIENCE_S:.0f} s")


class Page(http.server.ThreadingHTTPServer):
    """Serves what `answer` gives: status, headers, body."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer: Callable[[http.server.BaseHTTPRequestHandler], None], port: int = 0) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), Handler)
        self.port = int(self.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/metrics"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, *_: object) -> None:
        pass  # a reader that hangs up is no news

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def send(handler: http.server.BaseHTTPRequestHandler, body: bytes, **headers: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in {"Content_Type": "text/plain; version=0.0.4", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def counting(count: Callable[[], float], backend: str = "a") -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, f'code_live_requests_total{{backend="{backend}"}} {count()}\n'.encode())


def scrape(url: str, *options: str, signals: str = "code-live") -> Source:
    return open_source(f"scrape+{url}", signals, options)


# -- the truth ---------------------------------------------------------------------------------------------------------


def record(service: SimulatedService, source: Source, run_s: float) -> tuple[list[MetricFrame], Update]:
    """Frames of a burst of traffic between two stretches in which nothing happens."""
    frames: list[MetricFrame] = []
    with following(source) as updates:
        began_s = ended_s = None
        for update in updates:
            frames.append(update.frame)
            if began_s is None and len(frames) > 10:  # the window is full: rates are over all of it
                began_s = time.monotonic()
                service.clock.run()
            elif ended_s is None and began_s is not None and time.monotonic() - began_s > run_s:
                ended_s = time.monotonic()
                service.clock.hold()
            elif ended_s is not None and time.monotonic() - ended_s > 0.8:
                return frames, update
    pytest.fail("the updates ended")


@pytest.mark.parametrize("scenario", ["busy", "incident"])
def test_what_is_heard_is_what_the_service_counted(scenario: str) -> None:
    with simulated_service(scenario, speed=100.0) as service:
        before = service.snapshot()
        source = scrape(f"http://{service.address}/metrics", "window=500ms", "interval=100ms", signals="auto")
        frames, last = record(service, source, 2.0)
        after = service.snapshot()
    measured = [frame for frame in frames if frame.layout.same_as(frames[-1].layout)]
    recording = Recording.from_frames(frames[-1].layout, measured)
    assert_agrees(recording, before, after, service.backends)
    assert last.frame.fresh
    assert last.lag_s < 0.1


# -- real exporters ----------------------------------------------------------------------------------------------------


def test_the_official_client_in_both_formats_and_gzip() -> None:
    registry = CollectorRegistry()
    counted = Counter("http_requests", "Requests.", ["handler", "code"], registry=registry)
    took = Histogram("http_request_duration_seconds", "Latency.", ["handler"], registry=registry)
    counted.labels("/", "200").inc(1000)
    took.labels("/").observe(1.0)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        source = scrape(f"http://127.0.0.1:{server.server_port}/metrics", "interval=50ms", "window=10s", signals="auto")
        with following(source) as updates:
            wait_for(updates, lambda update: update.frame.layout.backends == ("/",), "the backend")
            for number in range(20):
                counted.labels("/", "500" if number < 5 else "200").inc()
                took.labels("/").observe(0.2)

            def told(update: Update) -> bool:
                return bool(update.frame.latency_rate[0].sum() > 0.0)

            update = wait_for(updates, told, "the requests")
        assert update.frame.latency_quantile_s(0.5)[0] == pytest.approx(0.2, rel=0.3)
        assert update.frame.error_ratio[0] == pytest.approx(0.25)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_node_exporter(tmp_path: Path) -> None:
    program = require_program("prometheus-node-exporter")
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--web.listen-address={address}"]
    url = f"http://{address}/metrics"
    with running(command, url, tmp_path / "node.log"), following(scrape(url, signals="auto")) as updates:
        first = wait_for(updates, lambda update: bool(update.notices), "the first page")
        assert any("signals" in notice for notice in first.notices)
        update = wait_for(updates, lambda update: bool(np.isfinite(update.frame.request_rate).any()), "its requests")
        assert update.problem == ""


def test_prometheus_itself(tmp_path: Path) -> None:
    with prometheus_server(tmp_path) as url, following(scrape(f"{url}/metrics", signals="prometheus-self")) as updates:
        # the scrapes themselves are requests that it serves
        update = wait_for(updates, lambda update: bool((update.frame.request_rate > 0.0).any()), "its requests")
        assert update.frame.fresh
        assert update.problem == ""


def test_caddy_in_openmetrics(tmp_path: Path) -> None:
    program = require_program("caddy")
    admin, site = (f"127.0.0.1:{free_port()}" for _ in range(2))
    route = {"handle": [{"handler": "static_response", "status_code": 503, "body": "no"}]}
    config = {
        "admin": {"listen": admin, "config": {"persist": False}},
        "apps": {"http": {"metrics": {}, "servers": {"shop": {"listen": [site], "routes": [route]}}}},
    }
    (tmp_path / "caddy.json").write_text(json.dumps(config))
    command = [program, "run", "--config", str(tmp_path / "caddy.json")]
    url = f"http://{admin}/metrics"
    with running(command, url, tmp_path / "caddy.log"), following(scrape(url, "window=10s", signals="auto")) as updates:
        # until the first request it has no metrics of requests
        first = wait_for(updates, lambda update: bool(update.problem), "the first page")
        assert "no preset fits" in first.problem
        assert httpx.get(f"http://{site}/", trust_env=False).status_code == 503
        chosen = wait_for(updates, lambda update: bool(update.notices), "its metrics")
        assert chosen.notices[0].startswith("signals: caddy")
        for _ in range(20):
            httpx.get(f"http://{site}/", trust_env=False)
        update = wait_for(updates, lambda update: bool(np.nansum(update.frame.latency_rate) > 0.0), "the requests")
    assert np.nanmax(update.frame.error_ratio) == 1.0
    assert update.problem == ""


# -- many, slow, lost --------------------------------------------------------------------------------------------------


def test_a_hundred_targets_of_which_one_is_slow() -> None:
    count = [0.0]
    release = threading.Event()

    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        release.wait(5.0)
        send(handler, b"a 1\n")

    with ExitStack() as stack:
        server = stack.enter_context(closing(Page(counting(lambda: count[0]))))
        urls = [f"{server.url}?n={number}" for number in range(99)]
        urls.append(stack.enter_context(closing(Page(slow))).url)
        stack.callback(release.set)
        source = scrape(urls[0], "interval=500ms", "window=500ms", *(f"target={url}" for url in urls[1:]))
        assert source.title == f"scrape 127.0.0.1:{server.port} and 99 more"
        updates = stack.enter_context(following(source))
        wait_for(updates, lambda update: bool(np.isfinite(update.frame.request_rate).any()), "the first rates")
        count[0] += 1.0
        total, came_t = 0.0, []
        for update in updates:
            came_t.append(update.frame.t)
            total += float(np.nansum(update.frame.request_rate)) * 0.5
            if total >= 98.5 or len(came_t) > 12:
                break
        assert total == pytest.approx(99.0)
        assert max(np.diff(came_t), default=0.5) <= 1.0  # the slow one holds nobody up
        update = wait_for(updates, lambda update: bool(update.problem), "the slow target")
        assert update.frame.fresh
        assert "1 of 100 targets lost; what is heard is of the others only: " in update.problem
        assert urls[-1] in update.problem


def test_a_target_that_is_killed_and_comes_back() -> None:
    count = [1000.0]
    server = Page(counting(lambda: count[0]))
    with following(scrape(server.url, "window=250ms")) as updates:
        wait_for(updates, lambda update: bool(np.isfinite(update.frame.request_rate).any()), "the first rates")
        port = server.port
        server.close()
        killed_t = time.time()
        lost = wait_for(updates, lambda update: not update.frame.fresh, "stale")
        assert lost.frame.t - killed_t < 1.0
        assert np.isnan(lost.frame.request_rate).all()
        assert f"http://127.0.0.1:{port}/metrics" in lost.problem
        count[0] += 1e6
        with closing(Page(counting(lambda: count[0]), port)):
            back = wait_for(updates, lambda update: update.frame.fresh, "fresh again")
            assert back.problem == ""
            rates = [next(updates).frame.request_rate[0] for _ in range(3)]
            assert np.nanmax(rates) == 0.0  # nobody knows when they happened


def test_a_server_that_drips_is_given_up() -> None:
    release = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not release.wait(0.05):
            handler.wfile.write(b"#")
            handler.wfile.flush()

    with closing(Page(drip)) as server, following(scrape(server.url, "timeout=300ms")) as updates:
        update = wait_for(updates, lambda update: "no answer in time" in update.problem, "given up")
        assert not update.frame.fresh
        release.set()


def test_a_page_that_is_too_large_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape_target, "MAX_PAGE_BYTES", 2**20)
    bomb = gzip.compress(b"#" * 2**24)
    with closing(Page(lambda handler: send(handler, bomb, Content_Encoding="gzip"))) as server:
        assert len(bomb) < 2**15
        with following(scrape(server.url)) as updates:
            update = wait_for(updates, lambda update: bool(update.problem), "refused")
    assert "the answer is larger than 1 MiB; ask the service for fewer series" in update.problem


def test_redirects_carry_nothing_to_another_host() -> None:
    asked: list[str] = []

    def other(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send(handler, b"a 1\n")

    with closing(Page(other)) as elsewhere:

        def redirect(handler: http.server.BaseHTTPRequestHandler) -> None:
            send_redirect(handler, elsewhere.url)

        with closing(Page(redirect)) as server, following(scrape(server.url, "bearer=secret")) as updates:
            update = wait_for(updates, lambda update: bool(update.problem), "refused")
    assert "redirects to another server" in update.problem
    assert "secret" not in update.problem
    assert not asked


def send_redirect(handler: http.server.BaseHTTPRequestHandler, location: str) -> None:
    handler.send_response(302)
    handler.send_header("Location", location)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    ("status", "body", "content_type", "said"),
    [
        (401, b"no", "text/plain", "HTTP 401, a name and password or a token is needed"),
        (404, b"no", "text/plain", "HTTP 404, there is no page at this path"),
        (500, b"out of\x1b[31m cheese\nmore", "text/plain", "HTTP 500, the server says: out of\\x1b[31m cheese"),
        (200, b"<html>", "text/html", "the answer is a web page, not metrics"),
        (200, b"{}", "application/json", "the answer is application/json, not metrics"),
        (200, b'a{b="c} 1\n', "text/plain", "/metrics, line 1: no label at character 3"),
        (200, b"a 1\n", "application/openmetrics-text; version=1.0.0", "must end with the line # EOF"),
    ],
)
def test_answers_that_are_no_metrics(status: int, body: bytes, content_type: str, said: str) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with closing(Page(answer)) as server, following(scrape(server.url)) as updates:
        update = wait_for(updates, lambda update: bool(update.problem), "a problem")
    assert said in update.problem
    assert server.url in update.problem
    assert update.problem.isprintable()
