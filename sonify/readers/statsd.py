"""``statsd://``: a receiver of StatsD and DogStatsD packets over UDP."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock
from typing import NamedTuple
from urllib.parse import urlsplit

from sonify.errors import ReaderError
from sonify.metrics.frame import MetricFrame
from sonify.metrics.recording import Recording
from sonify.readers.panel_window import PanelWindow
from sonify.readers.signals import Signals, load_signals
from sonify.readers.source import Update
from sonify.readers.statsd_counts import StatsdCounts
from sonify.readers.statsd_socket import UdpListener, shown_address
from sonify.readers.ticks import ticks

__all__ = ["StatsdSource", "Traffic", "open_statsd_source"]

DEFAULT_PORT = 8125
_DROP_NOTICE_S = 10.0
_MOST_PARTS = 64  # of a window
_REST_S = 0.0005  # after packets that came in a row: the next batch is larger, and costs less a packet


class Traffic(NamedTuple):
    """What came in: packets, packets that the kernel dropped (None: it does not say), lines that could not be read."""

    num_received: int
    num_dropped: int | None
    num_bad: int


class StatsdSource:
    """Listen for packets, and hand over frames of what they count.

    Parameters
    ----------
    address : (str, int)
        Host and port; port 0 takes a free one.
    signals : Signals or None
        The preset; None chooses one by the names that come.
    interval_s : float
        Time between frames.
    window_s : float
        What rates are taken over.
    stale_after_s : float
        Silence that means the source is lost.
    on_listening : callable
        Told the address once the socket is there; for tests.
    """

    def __init__(
        self,
        address: tuple[str, int],
        signals: Signals | None,
        *,
        interval_s: float = 0.05,
        window_s: float = 4.0,
        stale_after_s: float = 10.0,
        on_listening: Callable[[tuple[str, int]], None] = lambda _address: None,
    ) -> None:
        self._address = address
        self._signals = signals
        self._interval_s = interval_s
        self._window_s = window_s
        self._stale_after_s = max(stale_after_s, interval_s)
        self._on_listening = on_listening
        self.title = f"StatsD {shown_address(address)}"
        self.warnings: list[str] = []
        self.traffic = Traffic(0, None, 0)  # up to the newest frame

    def read(self, _since_s: float | None, _until_s: float | None) -> Recording:
        """Raise ReaderError: packets that were sent are gone."""
        raise ReaderError(
            f"statsd://{shown_address(self._address)}: StatsD has no past; "
            "record it with `sonify record`, and read the recording"
        )

    def follow(self, stop: Event) -> Iterator[Update]:
        """Hand over a frame every interval; see `Source`."""
        with UdpListener(self._address) as listener:
            self._on_listening(listener.address)
            window = PanelWindow(
                interval_s=self._interval_s,
                window_s=self._window_s,
                order=lambda names: counts.order_backends(names),
            )
            counts = StatsdCounts(window, self._signals)
            receiver = _Receiver(listener, counts)
            frames = _Frames(self, receiver, window)
            with receiver.running():
                for t in ticks(self._interval_s, stop):
                    update = frames.update(t, time.time())
                    self.traffic = Traffic(receiver.num_packets, receiver.dropped(), counts.num_bad)
                    yield update

    @property
    def interval_s(self) -> float:
        """Time between frames, in s."""
        return self._interval_s

    @property
    def window_s(self) -> float:
        """What rates are taken over, in s."""
        return self._window_s

    @property
    def stale_after_s(self) -> float:
        """Silence that means the source is lost, in s."""
        return self._stale_after_s

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self._address


class _Receiver:
    """A thread that empties the socket."""

    def __init__(self, listener: UdpListener, counts: StatsdCounts) -> None:
        self._listener = listener
        self.counts = counts
        self.lock = Lock()
        self.newest_s = math.nan
        self.num_packets = 0
        self.problem = ""
        self._ended = Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Receive until the block ends."""
        thread = threading.Thread(target=self._run, name="statsd", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                packets = self._listener.receive()
            except OSError as error:
                self.problem = f"cannot receive: {error.strerror or error}"
                self._ended.wait(1.0)
                continue
            if packets:
                with self.lock:
                    self.newest_s = time.time()
                    self.num_packets += len(packets)
                    self.problem = ""
                    self.counts.feed(packets, self.newest_s)
            if len(packets) > 1:
                time.sleep(_REST_S)

    def dropped(self) -> int | None:
        """Count what the kernel dropped; None where it does not say."""
        return self._listener.dropped()


class _Frames:
    """What is handed over each interval."""

    def __init__(self, source: StatsdSource, receiver: _Receiver, window: PanelWindow) -> None:
        self._source = source
        self._receiver = receiver
        self._window = window
        self._previous_t = math.nan
        self._joined_s = math.inf
        self._notices = _first_notices(source.address, receiver.dropped())
        self._dropped = 0
        self._drops_said_s = -math.inf
        self._has_said_unknown = False

    def update(self, t: float, now_s: float) -> Update:
        """Make the frame that ends at `t`."""
        receiver = self._receiver
        with receiver.lock:
            lag_s = max(now_s - receiver.newest_s, 0.0)
            problem = self._problem(lag_s)
            receiver.counts.fold(now_s)
            if problem:
                frame, self._joined_s = self._window.skip(t), math.inf
            else:
                frame = self._frame(t)
            notices = [*self._notices, *receiver.counts.notices]
            receiver.counts.notices.clear()
            unknown = list(receiver.counts.unknown_names)[:3] if not self._has_said_unknown else []
        self._notices = []
        self._previous_t = t
        if unknown:
            self._has_said_unknown = True
            notices.append(
                f"no signals preset knows these names yet, such as {' '.join(unknown)}: "
                "choose or write one with --signals NAME|FILE"
            )
        notices += self._drop_notice(now_s)
        return Update(frame, lag_s, self._window.ages_s(now_s), problem, tuple(notices))

    def _frame(self, t: float) -> MetricFrame:
        """End an interval. Very short ones are joined, so that the window is a sum of few."""
        duration_s = self._duration_s(t)
        is_joined = self._joined_s + duration_s <= self._source.window_s / _MOST_PARTS
        self._joined_s = duration_s + (self._joined_s if is_joined else 0.0)
        return self._window.frame(t, duration_s=duration_s, joined=is_joined)

    def _duration_s(self, t: float) -> float:
        """Time since the frame before: some intervals, where the machine was busy or slept."""
        interval_s = self._source.interval_s
        since_s = t - self._previous_t
        return max(round(since_s / interval_s), 1) * interval_s if since_s > 0.0 else interval_s

    def _problem(self, lag_s: float) -> str:
        where = f"statsd://{shown_address(self._source.address)}"
        if self._receiver.problem:
            return f"{where}: {self._receiver.problem}"
        if math.isnan(lag_s):
            return f"waiting for the first packet on {where}"
        if lag_s > self._source.stale_after_s:
            return f"no packet on {where} for over {self._source.stale_after_s:g} s"
        return ""

    def _drop_notice(self, now_s: float) -> list[str]:
        if now_s - self._drops_said_s < _DROP_NOTICE_S:
            return []
        dropped = self._receiver.dropped()
        if dropped is None or dropped == self._dropped:
            return []
        self._drops_said_s = now_s
        self._dropped = dropped
        return [
            f"the kernel dropped {dropped} packets so far, beside {self._receiver.num_packets} received "
            "(sysctl net.core.rmem_max sets the largest buffer)"
        ]


def _first_notices(address: tuple[str, int], dropped: int | None) -> list[str]:
    notices = []
    if not _is_loopback(address[0]):
        notices.append(f"{address[0]} is not a loopback address: everyone who reaches this machine can send metrics")
    if dropped is None:
        notices.append("how many packets the system drops is not known here")
    return notices


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def open_statsd_source(
    spec: str, signals: str, *, interval_s: float = 0.05, window_s: float = 4.0, stale_after_s: float = 10.0
) -> StatsdSource:
    """Open ``statsd://127.0.0.1:8125`` or ``statsd://[::1]:8125`` for the registry of sources.

    Raises
    ------
    ReaderError
        Not an address; PresetError where the preset is not there.
    """
    return StatsdSource(
        _parse_address(spec),
        None if signals == "auto" else load_signals(signals),
        interval_s=interval_s,
        window_s=window_s,
        stale_after_s=stale_after_s,
    )


def _parse_address(spec: str) -> tuple[str, int]:
    allowed = f"write statsd://HOST:PORT, such as statsd://127.0.0.1:{DEFAULT_PORT} or statsd://[::1]:{DEFAULT_PORT}"
    try:
        parts = urlsplit(spec)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ReaderError(f"{spec!r} is not an address; {allowed}") from None
    if not host or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ReaderError(f"{spec!r} is not an address; {allowed}")
    return host, DEFAULT_PORT if port is None else port
