"""``python -m bench.exposition``: how fast metrics pages are read, and what a direct scrape costs.

Prints medians and ratios beside the official Python parser, the share of a core that scraping takes, and the time from
an event in a service to the frame that tells of it. It judges nothing.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import random
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import harness
from sonify.readers.exposition import parse_exposition
from sonify.readers.exposition_pages import PageReader
from sonify.readers.scrape import open_scrape_source

NUM_SAMPLES = 11_000
NUM_PAGES = 8  # of the same series with other values
WANTED = 0.1  # share of the series that panels want, of the largest services
_LE = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")


def page(num_samples: int, number: int) -> bytes:
    """A page of a Go service: a tenth of it is requests and latencies by backend, the rest is of no panel."""
    source = random.Random(number)
    lines: list[str] = []

    def metric(name: str, kind: str) -> None:
        lines.extend((f"# HELP {name} What {name} is.", f"# TYPE {name} {kind}"))

    metric("http_requests_total", "counter")
    num_wanted = round(num_samples * WANTED)
    num_routes = max(num_wanted // (len(_LE) + 6), 1)
    for route in range(num_routes):
        labels = f'service="svc-{route % 8}",route="/api/v1/route/{route}",method="GET"'
        lines += [
            f'http_requests_total{{{labels},code="{code}"}} {1000 * number + source.randrange(1000)}'
            for code in ("200", "404", "500", "503")
        ]
    metric("http_request_duration_seconds", "histogram")
    for route in range(num_routes):
        labels = f'service="svc-{route % 8}",route="/api/v1/route/{route}",method="GET"'
        count = 4000 * number
        for le in _LE:
            count += source.randrange(100)
            lines.append(f'http_request_duration_seconds_bucket{{{labels},le="{le}"}} {count}')
        lines.append(f"http_request_duration_seconds_sum{{{labels}}} {count * 0.0123:.6f}")
        lines.append(f"http_request_duration_seconds_count{{{labels}}} {count}")
    left = num_samples - num_routes * (len(_LE) + 6)
    for index in range(left):
        if index % 50 == 0:
            metric(f"other_metric_{index // 50}", "gauge")
        labels = f'instance="10.0.{index % 7}.{index % 50}:9090",zone="eu-west-{index % 3}",device="sd{index % 26}"'
        lines.append(f"other_metric_{index // 50}{{{labels}}} {source.random() * 1e6:.3f}")
    return ("\n".join(lines) + "\n").encode()


def _without_gauge_exemplars(data: bytes) -> bytes:
    """Leave exemplars to counters and buckets: OpenMetrics allows no others."""
    return b"\n".join(
        line if b"_bucket{" in line or line.startswith(b"http_requests_total{") else line.partition(b" # {")[0]
        for line in data.split(b"\n")
    )


def _median_s(work: Callable[[int], object], runs: int) -> float:
    took_s = []
    for run in range(runs):
        start_s = time.perf_counter()
        work(run)
        took_s.append(time.perf_counter() - start_s)
    return statistics.median(took_s)


def parsers(runs: int, num_samples: int = NUM_SAMPLES) -> None:
    """A page through every way there is to read it."""
    from prometheus_client.parser import text_string_to_metric_families

    pages = [page(num_samples, number) for number in range(NUM_PAGES)]
    texts = [data.decode() for data in pages]

    def wants(name: str) -> bool:
        return name.startswith("http_request")

    def changed(tail: bytes, every: int) -> list[bytes]:
        """Pages with a timestamp or an exemplar on some of their lines, another on each page."""
        made = []
        for number, data in enumerate(pages):
            lines = data.splitlines()
            at = [index for index, line in enumerate(lines) if not line.startswith(b"#")][::every]
            for index in at:
                lines[index] += tail % (b"%d" % (1_700_000_000_000 + number))
            made.append(b"\n".join(lines) + b"\n")
        return made

    timed, exemplary = changed(b" %s", 1), [data + b"# EOF\n" for data in changed(b' # {trace_id="%s"} 0.25', 10)]
    exemplary = [data.replace(b"http_requests_total counter", b"http_requests counter") for data in exemplary]
    exemplary = [data.replace(b"HELP http_requests_total", b"HELP http_requests") for data in exemplary]
    exemplary = [_without_gauge_exemplars(data) for data in exemplary]
    every, some, with_times, with_exemplars = (PageReader("page", what) for what in (bool, wants, wants, wants))
    for reader, data in ((every, pages[0]), (some, pages[0]), (with_times, timed[0])):
        reader.read(data, openmetrics=False)
    with_exemplars.read(exemplary[0], openmetrics=True)
    ways: dict[str, Callable[[int], object]] = {
        "prometheus_client.parser": lambda run: list(text_string_to_metric_families(texts[run % NUM_PAGES])),
        "whole parse": lambda run: parse_exposition(pages[run % NUM_PAGES], openmetrics=False),
        "first scrape, every series": lambda run: PageReader("page").read(pages[run % NUM_PAGES], openmetrics=False),
        "first scrape, a tenth wanted": lambda run: PageReader("page", wants).read(
            pages[run % NUM_PAGES], openmetrics=False
        ),
        "repeated scrape, every series": lambda run: every.read(pages[(run + 1) % NUM_PAGES], openmetrics=False),
        "repeated scrape, a tenth wanted": lambda run: some.read(pages[(run + 1) % NUM_PAGES], openmetrics=False),
        "repeated, a timestamp on every line": lambda run: with_times.read(
            timed[(run + 1) % NUM_PAGES], openmetrics=False
        ),
        "repeated, OpenMetrics with exemplars": lambda run: with_exemplars.read(
            exemplary[(run + 1) % NUM_PAGES], openmetrics=True
        ),
    }
    official_s, rows = 0.0, []
    for name, work in ways.items():
        took_s = _median_s(work, runs if "repeated" not in name else 5 * runs)
        official_s = official_s or took_s
        rows.append([name, f"{took_s * 1e3:.2f} ms", f"{official_s / took_s:.1f}×"])
    print(f"\nA page of {num_samples} samples, {len(pages[0]) / 1e6:.2f} MB\n")
    print(harness.table(("way", "median", "faster than the official parser"), rows))


# -- a service in a process of its own ---------------------------------------------------------------------------------


def _serve(listener: socket.socket, pages: list[bytes], stop: ProcessEvent) -> None:
    """Answer every request on every connection with the next page, compressed beforehand; as cheap as can be."""
    answers = []
    for data in pages:
        body = gzip.compress(data, 1)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n"
        answers.append(f"{head}Content-Encoding: gzip\r\n\r\n".encode() + body)

    def answer(connection: socket.socket) -> None:
        count = 0
        with connection:
            while connection.recv(65536):
                connection.sendall(answers[count % len(answers)])
                count += 1

    listener.settimeout(0.1)
    while not stop.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        connection.settimeout(None)
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


@contextmanager
def serving(pages: list[bytes]) -> Iterator[str]:
    """Serve pages from another process; give the ``host:port``."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        process = context.Process(target=_serve, args=(listener, pages, stop), daemon=True)
        process.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            process.join(2.0)
            process.terminate()


class Cost(NamedTuple):
    """Share of one core, 0–1, frames that came, and how many of these were fresh."""

    core_ratio: float
    frames: int
    fresh: int


def scrape_cost(num_samples: int, num_targets: int, interval_s: float, duration_s: float) -> Cost:
    """Follow targets for a while: fetch, gunzip, parse, route, and frames; measured after the first two seconds."""
    with serving([page(num_samples, number) for number in range(NUM_PAGES)]) as address:
        urls = [f"http://{address}/metrics?n={number}" for number in range(num_targets)]
        source = open_scrape_source(f"scrape+{urls[0]}", "promhttp", targets=urls[1:], interval_s=interval_s)
        stop, start_s, frames, fresh = threading.Event(), time.monotonic(), 0, 0
        begin_s, cpu_s = start_s, time.process_time()
        for update in source.follow(stop):
            now_s = time.monotonic()
            if not frames and now_s - start_s < 2.0:
                begin_s, cpu_s = now_s, time.process_time()
                continue
            frames += 1
            fresh += update.frame.fresh
            if now_s - begin_s > duration_s:
                stop.set()
        return Cost((time.process_time() - cpu_s) / (time.monotonic() - begin_s), frames, fresh)


def costs(duration_s: float) -> None:
    """What scraping takes of one core."""
    rows = []
    for num_samples, num_targets, interval_s in (
        (10_000, 1, 1.0),
        (10_000, 1, 0.25),
        (1_000, 10, 1.0),
        (100, 100, 1.0),
        (100, 100, 0.25),
    ):
        cost = scrape_cost(num_samples, num_targets, interval_s, duration_s)
        what = f"{num_targets} × {num_samples} series every {interval_s:g} s"
        rows.append([what, f"{100.0 * cost.core_ratio:.1f} %", f"{cost.fresh} of {cost.frames}"])
    print("\nFetch, gunzip, parse, route, frame\n")
    print(harness.table(("targets", "of one core", "fresh frames"), rows))


# -- from an event to its frame ----------------------------------------------------------------------------------------


class Delay(NamedTuple):
    """From an event to the frame that tells of it, in s."""

    mean_s: float
    p50_s: float
    p95_s: float
    most_s: float
    events: int


class _Counting:
    """A service that counts events at random times, and remembers when."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.times_s: list[float] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.stop = threading.Event()
        for target in (self._serve, self._count):
            threading.Thread(target=target, daemon=True).start()

    def _count(self) -> None:
        source = random.Random(1)
        while not self.stop.wait(source.uniform(0.02, 0.08)):
            with self.lock:
                self.times_s.append(time.monotonic())

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            while connection.recv(65536):
                with self.lock:
                    body = f'http_requests_total{{service="a",code="200"}} {len(self.times_s)}\n'.encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)


def measure_scrape(interval_s: float = 0.25, duration_s: float = 15.0) -> Delay:
    """Time from an event in a service on loopback to the frame that counts it."""
    service, stop, delays_s = _Counting(), threading.Event(), list[float]()
    source = open_scrape_source(
        f"scrape+http://{service.address}/metrics", "promhttp", interval_s=interval_s, window_s=interval_s
    )
    start_s, told = time.monotonic(), -1
    before = 0.0
    for update in source.follow(stop):
        now_s = time.monotonic()
        rate = float(update.frame.request_rate[0])
        if told < 0:
            with service.lock:
                before = update.frame.t
                told = len(service.times_s)  # those counted at the first page; none comes within the few ms since
            continue
        counted = round(rate * (update.frame.t - before)) if np.isfinite(rate) else 0
        before = update.frame.t
        delays_s += [now_s - event_s for event_s in service.times_s[told : told + counted]]
        told += counted
        if now_s - start_s > duration_s:
            stop.set()
    service.stop.set()
    service.listener.close()
    p50_s, p95_s = np.quantile(delays_s, [0.5, 0.95])
    return Delay(statistics.fmean(delays_s), float(p50_s), float(p95_s), max(delays_s), len(delays_s))


def delays(duration_s: float) -> None:
    """From an event to its frame."""
    rows = []
    for interval_s in (0.25, 1.0):
        delay = measure_scrape(interval_s, duration_s)
        figures = [f"{value * 1e3:.0f} ms" for value in (delay.mean_s, delay.p50_s, delay.p95_s, delay.most_s)]
        rows.append([f"scrape every {interval_s:g} s", *figures, str(delay.events)])
    print("\nFrom an event in the service to the frame that counts it, on loopback\n")
    print(harness.table(("source", "mean", "p50", "p95", "most", "events"), rows))


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="runs of each parser")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds for each measurement of a live scrape")
    parser.add_argument("--page", type=Path, help="measure the parsers on this page as well")
    options = parser.parse_args()
    print(harness.machine())
    parsers(options.runs)
    costs(options.duration)
    delays(options.duration)


if __name__ == "__main__":
    main()
