"""``otlp://HOST:4318`` and ``otlp+grpc://HOST:4317``: OpenTelemetry metrics that services push."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Event
from typing import NoReturn
from urllib.parse import urlsplit

from sonify.errors import ReaderError
from sonify.readers.otlp_grpc import OtlpGrpcServer
from sonify.readers.otlp_model import Metric
from sonify.readers.otlp_panels import OtlpPanels, Receipt
from sonify.readers.otlp_protobuf import require_protobuf
from sonify.readers.otlp_routes import OtlpRouter
from sonify.readers.otlp_server import OtlpServer
from sonify.readers.readable import readable
from sonify.readers.signals import load_signals
from sonify.readers.source import Update
from sonify.readers.ticks import ticks

__all__ = ["OtlpSource", "open_otlp_source"]

INTERVAL_S = 0.05
WINDOW_S = 4.0
_PORTS = {"otlp": 4318, "otlp+grpc": 4317}


class OtlpSource:
    """Receives pushes while it is followed; it has no past.

    Parameters
    ----------
    spec : str
        ``otlp://HOST[:PORT]`` (HTTP, port 4318) or ``otlp+grpc://HOST[:PORT]`` (gRPC, port 4317).
    signals : str
        Name or file of the signals preset; ``auto`` chooses by the metrics that come.
    interval_s : float
        Time between frames.
    window_s : float
        Shortest time that rates are taken over; longer where pushes come seldom.
    stale_after_s : float, optional
        Silence that means that the source is lost; by default two periods of its pushes.

    Attributes
    ----------
    warnings : list of str
        Always empty: nothing is read but live.
    port : int
        Where it listens; what the spec says until it does.

    Raises
    ------
    ReaderError
        The spec cannot be read.
    """

    def __init__(
        self,
        spec: str,
        signals: str = "auto",
        *,
        interval_s: float = INTERVAL_S,
        window_s: float = WINDOW_S,
        stale_after_s: float | None = None,
    ) -> None:
        self._scheme, self._host, self.port = _parse(spec)
        self._signals = signals
        self._interval_s = interval_s
        self._window_s = window_s
        self._stale_after_s = stale_after_s
        self._silent_since_s = math.nan
        self._silence = ""
        self.warnings: list[str] = []

    @property
    def place(self) -> str:
        """Where it listens."""
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    @property
    def title(self) -> str:
        """What it is called where a person watches."""
        return f"OTLP{' gRPC' if self._scheme == 'otlp+grpc' else ''} {self.place}"

    def read(self, since_s: float | None, until_s: float | None) -> NoReturn:  # noqa: ARG002
        """Raise ReaderError: what is pushed is not kept by anybody."""
        raise ReaderError(
            f"{self._scheme}://{self.place}: a receiver has no past; follow it with listen, or write it down with "
            "record and read that"
        )

    def follow(self, stop: Event) -> Iterator[Update]:
        """Listen, and hand over the panels; see `Source`."""
        require_protobuf()
        router = OtlpRouter(None if self._signals == "auto" else load_signals(self._signals))
        panels = OtlpPanels(
            router,
            interval_s=self._interval_s,
            window_s=self._window_s,
            stale_after_s=self._stale_after_s,
            began_s=time.monotonic(),
        )
        lock, decoding = threading.Lock(), threading.Lock()

        def take(decode: Callable[[], list[Metric]]) -> Receipt:
            with decoding:  # one at a time: large ones together would take much memory and be no faster
                metrics = decode()
                with lock:
                    return panels.receive(metrics, time.monotonic())

        server: OtlpServer | OtlpGrpcServer
        if self._scheme == "otlp+grpc":
            server = OtlpGrpcServer(self._host, self.port, take)
        else:
            server = OtlpServer(self._host, self.port, take)
        self.port = server.port
        exposed = () if _is_loopback(self._host) else (self._exposed(),)
        try:
            for t in ticks(self._interval_s, stop):
                with lock:
                    update = self._update(panels, t, exposed)
                exposed = ()
                yield update
        finally:
            server.close()

    def _exposed(self) -> str:
        return f"{self.place} is open to the network: whoever reaches it can push; 127.0.0.1 keeps it to this machine"

    def _update(self, panels: OtlpPanels, t: float, notices: tuple[str, ...]) -> Update:
        now_s = time.monotonic()
        problem = ""
        if panels.drop_lost(now_s):
            frame = panels.frame(t, now_s)
        else:
            frame = panels.skip(t)
            problem = self._problem(panels, now_s)
        return Update(
            frame=frame,
            lag_s=max(time.time() - panels.newest_s, 0.0),  # NaN stays NaN
            panel_age_s=panels.ages_s(t),
            problem=problem,
            notices=(*notices, *panels.notices()),
        )

    def _problem(self, panels: OtlpPanels, now_s: float) -> str:
        if not math.isnan(panels.last_s):
            if self._silent_since_s != panels.last_s:  # said once: a text that counts the seconds floods logs
                self._silent_since_s = panels.last_s
                since = datetime.fromtimestamp(time.time() - (now_s - panels.last_s), UTC)
                self._silence = f"nothing has arrived on {self.place} since {since:%H:%M:%S} UTC"
            return self._silence
        return panels.router.problem or f"waiting for the first push on {self.place}"


def _parse(spec: str) -> tuple[str, str, int]:
    """Scheme, host and port of a spec."""
    scheme, _, rest = spec.partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or scheme not in _PORTS or parts.path not in ("", "/") or parts.query or parts.username is not None:
        raise ReaderError(f"{readable(spec, 100)!r}: a receiver is written otlp://HOST:4318 or otlp+grpc://HOST:4317")
    return scheme, host, _PORTS[scheme] if port is None else port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_otlp_source(
    spec: str,
    signals: str,
    *,
    interval_s: float = INTERVAL_S,
    window_s: float = WINDOW_S,
    stale_after_s: float | None = None,
) -> OtlpSource:
    """Open a spec for the registry of sources; see `OtlpSource`."""
    return OtlpSource(spec, signals, interval_s=interval_s, window_s=window_s, stale_after_s=stale_after_s)
