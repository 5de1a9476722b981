"""How long from an event to the frame that shows it, and how many StatsD packets a second get through.

Run with ``python -m bench.readers``. Everything is on loopback, in one process but for the senders. Prints figures and
judges nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import random
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from bench import harness
from sonify.readers.signals import load_signals
from sonify.readers.source import Source, open_source
from sonify.readers.statsd import StatsdSource

Send = Callable[[int], None]


class _Watch:
    """When each queue depth was first seen in a frame that a source handed over."""

    def __init__(self) -> None:
        self.seen_s: dict[float, float] = {}
        self.num_updates = 0
        self.stop = threading.Event()

    def run(self, source: Source) -> None:
        for update in source.follow(self.stop):
            self.num_updates += 1
            self.seen_s.setdefault(update.frame.queue_depth, time.perf_counter())


@contextmanager
def _watched(source: Source) -> Iterator[_Watch]:
    watch = _Watch()
    thread = threading.Thread(target=watch.run, args=(source,), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop.set()
        thread.join(5.0)


def _delays_ms(source: Source, send: Send, *, events: int, spacing_s: float) -> list[float]:
    """Set the queue depth to 1, 2, 3 … at odd moments, and see when each comes out as a frame."""
    dice = random.Random(1)
    sent_s: dict[float, float] = {}
    with _watched(source) as watch:
        give_up_s = time.monotonic() + 10.0
        while 0.0 not in watch.seen_s and time.monotonic() < give_up_s:
            send(0)
            time.sleep(0.05)
        for index in range(1, events + 1):
            time.sleep(spacing_s * (0.5 + dice.random()))
            sent_s[index] = time.perf_counter()
            send(index)
        time.sleep(2.0 * spacing_s + 0.2)
        seen_s = dict(watch.seen_s)
    return [1000.0 * (seen_s[index] - sent_s[index]) for index in sent_s if index in seen_s]


def _row(name: str, interval: str, delays_ms: list[float], bar_ms: float) -> tuple[str, ...]:
    if not delays_ms:
        return (name, interval, "0", "–", "–", "–", f"{bar_ms:g} ms")
    p95_ms = float(np.quantile(delays_ms, 0.95))
    return (
        name,
        interval,
        str(len(delays_ms)),
        f"{statistics.fmean(delays_ms):.2f} ms",
        f"{p95_ms:.2f} ms",
        f"{max(delays_ms):.2f} ms",
        f"{bar_ms:g} ms",
    )


# -- StatsD --------------------------------------------------------------------------------------------------------


def _statsd_source(interval_s: float) -> tuple[StatsdSource, int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return StatsdSource(("127.0.0.1", port), load_signals("code-live"), interval_s=interval_s), port


def statsd_delays(interval_s: float, events: int) -> list[float]:
    source, port = _statsd_source(interval_s)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return _delays_ms(
            source,
            lambda index: sock.sendto(b"code.live.queue.depth:%d|g" % index, ("127.0.0.1", port)) and None,
            events=events,
            spacing_s=0.02 + 3.0 * interval_s,
        )


def _send_packets(port: int, rate: float, length_s: float, total: multiprocessing.Queue[int]) -> None:
    """Send prepared packets: timers and counters of six backends, every value another one."""
    packets = []
    for index in range(5000):
        backend = ("rust", "ts", "go", "csharp", "sql", "julia")[index % 6]
        tags = f"#backend:{backend},status:{500 if index % 50 == 0 else 200},env:prod"
        if index % 2:
            packets.append(f"code.live.request.duration:{index * 0.137:.3f}|ms|{tags}".encode())
        else:
            packets.append(f"code.live.requests:1|c|{tags}".encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        begin_s = time.perf_counter()
        sent = 0
        while (now_s := time.perf_counter() - begin_s) < length_s:
            due = int(now_s * rate) - sent
            for index in range(sent, sent + min(due, 1000)):
                sock.send(packets[index % 5000])
            sent += min(due, 1000)
            time.sleep(0.0005)
    total.put(sent)


def _spin(ended: threading.Event) -> None:
    """Keep the interpreter busy, as another reader may."""
    while not ended.is_set():
        sum(range(1000))


def statsd_flood(rate: float, length_s: float, *, senders: int, busy: bool) -> tuple[str, ...]:
    """Send at a rate from other processes; compare what was sent, received, dropped and counted."""
    source, port = _statsd_source(0.05)
    context = multiprocessing.get_context("spawn")
    totals: multiprocessing.Queue[int] = context.Queue()
    ended = threading.Event()
    stop = threading.Event()

    def follow() -> None:
        for _ in source.follow(stop):
            pass

    threads = [threading.Thread(target=follow)] + [threading.Thread(target=_spin, args=(ended,))] * busy
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    processes = [
        context.Process(target=_send_packets, args=(port, rate / senders, length_s, totals)) for _ in range(senders)
    ]
    for process in processes:
        process.start()
    cpu_s = time.process_time()
    sent = sum(totals.get(timeout=60.0 + length_s) for _ in processes)
    time.sleep(0.5)
    cpu_ratio = (time.process_time() - cpu_s) / length_s
    received, dropped, _ = source.traffic
    stop.set()
    ended.set()
    for thread in threads:
        thread.join()
    for process in processes:
        process.join()
    return (
        f"{rate:,.0f}/s{' beside a busy thread' if busy else ''}",
        f"{sent / length_s:,.0f}/s",
        f"{received / length_s:,.0f}/s",
        "not known" if dropped is None else f"{dropped:,} ({100.0 * dropped / max(sent, 1):.2f} %)",
        f"{sent - received - (dropped or 0):,}",
        f"{100.0 * cpu_ratio:.0f} % of a core",
    )


# -- scrape --------------------------------------------------------------------------------------------------------


class _Page(BaseHTTPRequestHandler):
    depth = 0

    def do_GET(self) -> None:
        body = f"# TYPE code_live_queue_depth gauge\ncode_live_queue_depth {_Page.depth}\n"
        body += '# TYPE code_live_requests_total counter\ncode_live_requests_total{backend="go",status="200"} 1\n'
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def scrape_delays(events: int) -> list[float]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = open_source(
            f"scrape+http://127.0.0.1:{server.server_address[1]}/metrics", "code-live", ["interval=250ms"]
        )
        return _delays_ms(source, lambda index: setattr(_Page, "depth", index), events=events, spacing_s=0.6)
    finally:
        server.shutdown()
        server.server_close()


# -- OTLP ----------------------------------------------------------------------------------------------------------


def _otlp_body(depth: int) -> bytes:
    point = {"timeUnixNano": str(time.time_ns()), "asInt": str(depth), "attributes": []}
    metric = {"name": "code_live_queue_depth", "gauge": {"dataPoints": [point]}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()


def otlp_delays(events: int) -> list[float]:
    """Push once a second, as an exporter does, whatever the value is at that moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    depth = [0]
    ended = threading.Event()

    def export() -> None:
        request = {"Content-Type": "application/json"}
        while not ended.wait(1.0):
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
                connection.request("POST", "/v1/metrics", _otlp_body(depth[0]), request)
                connection.getresponse().read()
                connection.close()

    thread = threading.Thread(target=export, daemon=True)
    thread.start()
    try:
        source = open_source(f"otlp://127.0.0.1:{port}", "code-live")
        return _delays_ms(source, lambda index: depth.__setitem__(0, index), events=events, spacing_s=2.2)
    finally:
        ended.set()
        thread.join()


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300, help="events of each delay that is measured")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each flood")
    options = parser.parse_args()
    print(harness.machine())
    rows = []
    for interval_s in (0.004, 0.05):
        delays_ms = statsd_delays(interval_s, options.events)
        rows.append(_row("StatsD", f"{1000 * interval_s:g} ms", delays_ms, 5.0 if interval_s < 0.05 else 60.0))
    print("\nFrom an event to the frame that shows it\n")
    rows.append(_row("scrape", "250 ms", scrape_delays(options.events // 5), 260.0))
    rows.append(_row("OTLP", "pushed each 1 s", otlp_delays(options.events // 10), 1000.0))
    print(harness.table(("source", "interval", "events", "mean", "p95", "worst", "bar (p95)"), rows))
    floods = [
        statsd_flood(rate, options.seconds, senders=senders, busy=busy)
        for rate, senders, busy in ((20_000, 1, False), (100_000, 1, False), (150_000, 2, False), (50_000, 1, True))
    ]
    print(f"\nStatsD packets for {options.seconds:g} s, frames every 50 ms\n")
    header = ("asked for", "sent", "received", "dropped by the kernel", "lost otherwise", "cost")
    print(harness.table(header, floods))


if __name__ == "__main__":
    main()
