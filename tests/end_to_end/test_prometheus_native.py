"""Native histograms on a real server, alone, beside classic ones, and both ways at once: every request counts once."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from servers import prometheus_server, wait_until

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands, quantile_s
from sonify.metrics.recording import Recording
from sonify.readers.prometheus import PrometheusSource, open_prometheus_source

SCHEMA = 3  # 8 buckets for each power of two
BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
LATENCIES_S = {
    "native": np.random.default_rng(1).lognormal(np.log(0.08), 0.4, 4000),
    "both": np.random.default_rng(2).lognormal(np.log(0.3), 0.3, 3000),
    "classic": np.random.default_rng(3).lognormal(np.log(0.7), 0.2, 2000),
}

# -- the protobuf exposition, as far as histograms need it -------------------------------------------------------------


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def integer(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def double(field: int, number: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", number)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def histogram(latencies_s: np.ndarray, *, is_native: bool, is_classic: bool) -> bytes:
    out = integer(1, len(latencies_s)) + double(2, float(latencies_s.sum()))
    if is_classic:
        for bound_s in BOUNDS_S:
            out += message(3, integer(1, int((latencies_s <= bound_s).sum())) + double(2, bound_s))
    if is_native:
        out += integer(5, zigzag(SCHEMA)) + double(6, 1e-9)
        places, counts = np.unique(np.ceil(np.log2(latencies_s) * 2**SCHEMA).astype(int), return_counts=True)
        last_place, last_count = None, 0
        spans, deltas = b"", b""
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            offset = place if last_place is None else place - last_place - 1
            spans += message(12, integer(1, zigzag(offset)) + integer(2, 1))
            deltas += integer(13, zigzag(count - last_count))
            last_place, last_count = place, count
        out += spans + deltas
    return out


def family(latencies_s: dict[str, np.ndarray], forms: dict[str, dict[str, bool]]) -> bytes:
    out = message(1, b"code_live_request_duration_seconds") + integer(3, 4)
    for backend, form in forms.items():
        label = message(1, b"backend") + message(2, backend.encode())
        out += message(4, message(1, label) + message(7, histogram(latencies_s[backend], **form)))
    return varint(len(out)) + out


class Target:
    """A target that shows as many requests once more when they have happened.

    Counters that come from 0 are another matter: Prometheus does not extrapolate their rate to before they began.
    """

    def __init__(self, forms: dict[str, dict[str, bool]]) -> None:
        self.happened = False
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                times = 2 if target.happened else 1
                body = family({name: np.tile(values, times) for name, values in LATENCIES_S.items()}, forms)
                self.send_response(200)
                kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


Recordings = dict[str, Recording]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    directory = tmp_path_factory.mktemp("native")
    new = Target({"native": {"is_native": True, "is_classic": False}, "both": {"is_native": True, "is_classic": True}})
    old = Target({"classic": {"is_native": False, "is_classic": True}})
    try:
        with prometheus_server(
            directory,
            {"new": [new.address], "old": [old.address]},
            scrape_interval="500ms",
            options=["--enable-feature=native-histograms"],
        ) as url:
            yield observe(f"prometheus+{url}", new, old)
    finally:
        new.stop()
        old.stop()


def observe(spec: str, new: Target, old: Target) -> Recordings:
    updates: list = []
    stop = threading.Event()
    source = open_prometheus_source(spec, "code-live", interval_s=0.5)

    def follow() -> None:
        updates.extend(source.follow(stop))

    wait_until(lambda: sees_all(open_prometheus_source(spec, "code-live", step_s=0.5)), "the first histograms")
    follower = threading.Thread(target=follow)
    follower.start()
    time.sleep(2.5)
    began_s = time.time()
    new.happened = old.happened = True
    time.sleep(4.0)
    stop.set()
    follower.join()
    frames = [update.frame for update in updates if update.frame.fresh]
    frames = [frame for frame in frames if frame.layout.same_as(frames[-1].layout)]
    ranged = open_prometheus_source(spec, "code-live", step_s=0.5)
    result = {
        "live": Recording.from_frames(frames[-1].layout, frames),
        "range": ranged.read(began_s - 1.0, time.time()),
    }
    assert ranged.warnings == []
    return result


def sees_all(source: PrometheusSource) -> bool:
    try:
        rates = source.read(None, None).latency_rate[-1]
    except ReaderError:
        return False
    return len(rates) == len(LATENCIES_S) and bool(np.isfinite(rates).all())


@pytest.mark.parametrize("way", ["live", "range"])
@pytest.mark.parametrize("backend", LATENCIES_S)
def test_every_request_counts_once(recordings: Recordings, way: str, backend: str) -> None:
    recording = recordings[way]
    row = recording.layout.backends.index(backend)
    length_s = np.diff(recording.t, prepend=recording.t[0] - 0.5)
    counts = np.nansum(recording.latency_rate[:, row] * length_s[:, None], axis=0)
    assert counts.sum() == pytest.approx(len(LATENCIES_S[backend]), rel=0.02)
    assert np.nansum(recording.request_rate[:, row] * length_s) == pytest.approx(counts.sum())

    position = LatencyBands().position
    p95_s = float(quantile_s(counts, recording.layout.latency_edges_s, 0.95))
    true_p95_s = float(np.quantile(LATENCIES_S[backend], 0.95))
    assert abs(float(position(p95_s) - position(true_p95_s))) <= (1.0 if backend == "classic" else 0.5)
