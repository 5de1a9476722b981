"""A small web server that shows the simulated service as ``/metrics``, in the wall clock's time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sonify.simulation.exposition import CONTENT_TYPE, exposition
from sonify.simulation.service import Simulation

__all__ = ["LiveSimulation", "MetricsServer"]


class LiveSimulation:
    """A simulation that keeps up with a clock.

    Parameters
    ----------
    simulation : Simulation
        Starts now.
    speed : float
        Simulated s for each s of the clock.
    clock : callable
        Seconds, never falling.
    """

    def __init__(
        self, simulation: Simulation, *, speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._simulation = simulation
        self._speed = speed
        self._clock = clock
        self._start_s = clock()
        self._lock = threading.Lock()

    def page(self) -> str | None:
        """Simulate up to now, and write the page; None while the source is lost."""
        with self._lock:
            self._simulation.advance((self._clock() - self._start_s) * self._speed)
            if self._simulation.source_is_lost():
                return None
            snapshot = self._simulation.snapshot()
        return exposition(snapshot, self._simulation.backends)


class MetricsServer(ThreadingHTTPServer):
    """Serves ``/metrics`` and nothing else.

    Parameters
    ----------
    address : (str, int)
        Where to listen; port 0 takes a free one, see ``server_address``.
    live : LiveSimulation
        What is shown.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], live: LiveSimulation) -> None:
        self.live = live
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30.0  # an idle connection does not hold its thread for ever
    server: MetricsServer

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._send(HTTPStatus.NOT_FOUND, "nothing is here but /metrics\n", "text/plain; charset=utf-8")
            return
        page = self.server.live.page()
        if page is None:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "the source is lost\n", "text/plain; charset=utf-8")
        else:
            self._send(HTTPStatus.OK, page, CONTENT_TYPE)

    def _send(self, status: HTTPStatus, text: str, content_type: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: a scrape is no news."""
