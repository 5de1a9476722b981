"""StatsD over a real socket: real clients, the truth of a simulated service, silence, floods, faults."""

from __future__ import annotations

import math
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from truth import assert_agrees

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.recording import Recording
from sonify.readers.signals import Signals, load_signals
from sonify.readers.source import Update, open_source
from sonify.readers.statsd import StatsdSource, open_statsd_source
from sonify.readers.statsd_socket import UdpListener
from sonify.simulation.service import Simulation, Snapshot
from sonify.simulation.state import STATUSES

GIVE_UP_S = 20.0


class Follower:
    """A source that is followed in a thread."""

    def __init__(self, source: StatsdSource, port: int) -> None:
        self.source = source
        self.port = port
        self.updates: list[Update] = []
        self._queue: queue.SimpleQueue[Update] = queue.SimpleQueue()

    def put(self, update: Update) -> None:
        self._queue.put(update)

    def until(self, condition: Callable[[Update], bool]) -> Update:
        """Wait for an update of a kind."""
        give_up_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_s:
            update = self._queue.get(timeout=GIVE_UP_S)
            self.updates.append(update)
            if condition(update):
                return update
        pytest.fail("no such update came")

    @property
    def notices(self) -> list[str]:
        return [notice for update in self.updates for notice in update.notices]


@contextmanager
def following(
    signals: Signals | None = None, *, host: str = "127.0.0.1", interval_s: float = 0.05, **options: float
) -> Iterator[Follower]:
    ports: queue.SimpleQueue[int] = queue.SimpleQueue()
    source = StatsdSource(
        (host, 0), signals, interval_s=interval_s, on_listening=lambda address: ports.put(address[1]), **options
    )
    stop, failures = threading.Event(), []

    def run() -> None:
        try:
            for update in source.follow(stop):
                follower.put(update)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        follower = Follower(source, ports.get(timeout=GIVE_UP_S))
        yield follower
    finally:
        stop.set()
        thread.join(GIVE_UP_S)
        assert not thread.is_alive()
        assert not failures


def sender(port: int, host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((host, port))
    return sock


def is_fresh(update: Update) -> bool:
    return update.frame.fresh


def test_the_statsd_client() -> None:
    statsd = pytest.importorskip("statsd")
    with following() as follower:
        client = statsd.StatsClient("127.0.0.1", follower.port, prefix="code.live")
        with client.pipeline() as pipeline:
            for _ in range(20):
                pipeline.incr("requests")
                pipeline.timing("request.duration", 120)
            pipeline.gauge("queue.depth", 7)
            pipeline.gauge("queue.depth", -2, delta=True)
        with client.timer("request.duration"):
            pass
        update = follower.until(lambda update: update.panel_age_s.keys() >= {"requests", "latency", "queue"})
        client.close()
    assert update.frame.queue_depth == 5.0
    assert float(update.frame.latency_quantile_s(0.5)[0]) == pytest.approx(0.12, rel=0.6)
    assert any(notice.startswith("signals: code-live (so far ") for notice in follower.notices)
    assert update.problem == ""


def test_the_datadog_client() -> None:
    datadog = pytest.importorskip("datadog.dogstatsd")
    with following() as follower:
        client = datadog.DogStatsd(host="127.0.0.1", port=follower.port, namespace="code.live", disable_telemetry=True)
        for index in range(20):
            tags = ["backend:rust", f"status:{500 if index < 5 else 200}"]
            client.increment("requests", tags=tags)
            client.distribution("request.duration", 0.12, tags=["backend:rust"])
            client.histogram("request.duration", 0.12, tags=["backend:go"])
        client.gauge("queue.depth", 4)
        client.event("Glitch", "xrun happened", alert_type="error", tags=["backend:rust"])
        client.service_check("up", client.OK)
        client.flush()
        update = follower.until(
            lambda update: update.panel_age_s.keys() >= {"requests", "latency", "queue", "glitches"}
        )
        client.close_socket()
    frame = update.frame
    assert frame.layout.backends == ("rust", "go")
    assert frame.error_ratio[0] == 0.25
    assert frame.glitch_rate[0] > 0.0
    assert frame.queue_depth == 4.0
    assert frame.latency_quantile_s(0.5).tolist() == pytest.approx([0.12, 0.12], rel=0.6)


def packets_between(before: Snapshot, after: Snapshot, backends: tuple[str, ...]) -> list[bytes]:
    """What a service would have sent for all that happened between two looks."""
    lines = []
    centres_ms = LatencyBands().centres_s * 1000.0
    for row, name in enumerate(backends):
        for status, count in zip(STATUSES, after.requests[row] - before.requests[row], strict=True):
            lines += [f"code.live.requests:1|c|#backend:{name},status:{status}"] * int(count)
        for centre_ms, count in zip(centres_ms, after.band_counts[row] - before.band_counts[row], strict=True):
            lines += [f"code.live.request.duration:{centre_ms:.4f}|ms|#backend:{name}"] * int(count)
        lines += [f"code.live.fallbacks:1|c|#backend:{name}"] * int(after.fallbacks[row] - before.fallbacks[row])
        glitches = int(after.glitches[row] - before.glitches[row])
        lines += [f"_e{{6,5}}:glitch|stall|t:warning|#backend:{name}"] * glitches
    return ["\n".join(lines[begin : begin + 8]).encode() for begin in range(0, len(lines), 8)]


def test_panels_agree_with_the_truth_of_a_simulated_service() -> None:
    simulation = Simulation("chaos", 3)
    first = before = simulation.snapshot()
    with following(load_signals("code-live"), window_s=1.0) as follower, sender(follower.port) as sock:
        for backend in simulation.backends:
            sock.send(f"code.live.requests:0|c|#backend:{backend},status:200".encode())
        begin = follower.until(is_fresh).frame.t + 1.2
        follower.until(lambda update: update.frame.t >= begin)  # now a window lies before what counts
        follower.updates.clear()
        for second in range(1, 181):
            simulation.advance(float(second))
            after = simulation.snapshot()
            for packet in packets_between(before, after, simulation.backends):
                sock.send(packet)
            before = after
            time.sleep(0.005)
        end = time.time() + 1.5
        follower.until(lambda update: update.frame.t >= end)
    frames = [update.frame for update in follower.updates]
    assert all(frame.fresh for frame in frames)
    recording = Recording.from_frames(frames[-1].layout, frames)
    assert_agrees(recording, first, before, simulation.backends)


def test_silence_is_zero_then_stale_and_recovers_by_itself() -> None:
    with following(stale_after_s=0.4) as follower, sender(follower.port) as sock:
        waiting = follower.until(lambda update: not update.frame.fresh)
        assert not waiting.frame.fresh
        assert waiting.problem.startswith("waiting for the first packet on statsd://127.0.0.1:")
        assert math.isnan(waiting.lag_s)
        for _ in range(2):
            sock.send(b"code.live.requests:1|c|#backend:go")
            assert np.nansum(follower.until(is_fresh).frame.request_rate) > 0.0
            lost = follower.until(lambda update: not update.frame.fresh)
            assert lost.problem.startswith("no packet on statsd://127.0.0.1:")
            assert np.isnan(lost.frame.request_rate).all()
            assert lost.lag_s > 0.4
    assert len(follower.notices) == len(set(follower.notices))


def test_garbage_is_said_once_and_harms_nothing() -> None:
    with following() as follower, sender(follower.port) as sock:
        for index in range(50):
            sock.send(bytes([index]) * 40 + b"\xff\x1b[2J")
        sock.send(b"")
        sock.send(b"x" * 60_000)
        sock.send(b"code.live.requests:1|c|#backend:go")
        follower.until(lambda update: "requests" in update.panel_age_s)
    said = [notice for notice in follower.notices if "not a line of StatsD" in notice]
    assert len(said) == 1
    assert said[0].isprintable()


def test_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with following(host="::1") as follower, sender(follower.port, "::1") as sock:
        sock.send(b"code.live.requests:1|c|#backend:go")
        assert follower.until(lambda update: "requests" in update.panel_age_s).frame.layout.backends == ("go",)


@pytest.mark.parametrize("batched", [False, True])
def test_every_packet_comes_through_whichever_way_the_socket_is_read(batched: bool) -> None:
    with UdpListener(("127.0.0.1", 0), batched=batched) as listener, sender(listener.address[1]) as sock:
        sent = [b"", b"a", b"x" * 65_507, *(b"%d" % index for index in range(700))]
        received: list[bytes] = []
        for packet in sent:
            sock.send(packet)
            if len(packet) > 1000 or packet.endswith(b"99"):
                received += listener.receive()
        while packets := listener.receive():
            received += packets
        assert received == sent
        assert listener.dropped() in (0, None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts drops")
def test_what_the_kernel_drops_is_counted_as_the_system_counts_it() -> None:
    with UdpListener(("127.0.0.1", 0)) as listener, sender(listener.address[1]) as sock:
        num_sent = 60_000
        for _ in range(num_sent):
            sock.send(b"x" * 1000)
        dropped = listener.dropped()
        with open("/proc/net/udp", encoding="ascii") as table:
            rows = [line.split() for line in table]
        port = f":{listener.address[1]:04X}"
        assert [int(row[-1]) for row in rows if row[1].endswith(port)] == [dropped]
        num_received = 0
        while packets := listener.receive():
            num_received += len(packets)
        assert dropped is not None
        assert dropped > 0
        assert num_received + dropped == num_sent


def test_an_address_in_use_is_refused_in_one_line() -> None:
    with UdpListener(("127.0.0.1", 0)) as listener:
        port = listener.address[1]
        source = open_source(f"statsd://127.0.0.1:{port}")
        with pytest.raises(ReaderError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            next(iter(source.follow(threading.Event())))


def test_there_is_no_past() -> None:
    with pytest.raises(ReaderError, match="sonify record"):
        open_source("statsd://127.0.0.1").read(None, None)


@pytest.mark.parametrize(
    "spec",
    [
        "statsd://",
        "statsd://:8125",
        "statsd://a:99999",
        "statsd://a:x",
        "statsd://a/b",
        "statsd://u:p@a",
        "statsd://[::1",
    ],
)
def test_what_is_no_address_is_refused(spec: str) -> None:
    with pytest.raises(ReaderError, match="write statsd://HOST:PORT"):
        open_statsd_source(spec, "auto")


def test_addresses_and_options() -> None:
    assert open_source("statsd://[::1]").title == "StatsD [::1]:8125"
    source = open_source("statsd://localhost:9125", "code-live", ["interval=4ms", "window=2s", "stale-after=1m"])
    assert source.title == "StatsD localhost:9125"
    with pytest.raises(ReaderError, match="speed: not an option"):
        open_source("statsd://localhost", options=["speed=2x"])
