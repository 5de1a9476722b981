"""The engine's own health as a ``/metrics`` page for Prometheus.

Text format 0.0.4 of "Exposition formats" in the documentation of Prometheus. What is not measured has no line: a gauge
that is absent is known to be absent, a zero would be a lie.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import threading
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from platform import python_version
from types import TracebackType
from typing import NamedTuple, Protocol

from sonify import __version__
from sonify.errors import UsageError
from sonify.runner.snapshot import Snapshot

__all__ = ["CONTENT_TYPE", "HasSnapshot", "SelfMetrics", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_IDLE_S = 30.0  # a connection that says nothing does not hold its thread for ever


class HasSnapshot(Protocol):
    """What is observed."""

    def snapshot(self) -> Snapshot:
        """Picture of this moment."""
        ...


class _Sample(NamedTuple):
    labels: Mapping[str, str]
    value: float


class _Family(NamedTuple):
    name: str
    kind: str
    help: str
    samples: list[_Sample]


def _escaped(text: str) -> str:
    """Label value as the format wants it; lone surrogates cannot be sent."""
    sendable = text.encode("utf-8", "replace").decode()
    return sendable.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _one(name: str, kind: str, text: str, value: float) -> _Family:
    return _Family(f"sonify_{name}", kind, text, [_Sample({}, value)])


def _families(now: Snapshot) -> list[_Family]:
    """Everything that is shown, in the order of the page."""
    sources = _distinct_titles([source.title for source in now.sources])
    named = list(zip(sources, now.sources, strict=True))
    ages = [
        _Sample({"source": title, "panel": panel}, age_s)
        for title, s in named
        for panel, age_s in s.panel_age_s.items()
    ]
    build = {"version": __version__, "python": python_version()}
    return [
        _one("underruns_total", "counter", "Times the sound card found no audio ready.", now.underruns),
        _one("callback_age_seconds", "gauge", "Since the sound card last asked for audio.", now.callback_age_s),
        _one("render_load_ratio", "gauge", "Share of real time that rendering takes.", now.render_load_ratio),
        _one("ring_seconds", "gauge", "Audio that is ready ahead of the sound card.", now.ring_s),
        _Family(
            "sonify_source_lag_seconds",
            "gauge",
            "How far behind the clock a source's newest data are.",
            [_Sample({"source": title}, source.lag_s) for title, source in named],
        ),
        _Family(
            "sonify_source_stale",
            "gauge",
            "1 while a source delivers nothing.",
            [_Sample({"source": title}, float(source.is_stale)) for title, source in named],
        ),
        _Family("sonify_panel_age_seconds", "gauge", "Age of a panel's newest data.", ages),
        _one("true_peak_dbtp", "gauge", "Highest true peak since the start.", now.true_peak_dbtp),
        _one("frame_to_ear_seconds", "gauge", "From a frame's arrival to its sound.", now.frame_to_ear_s),
        _one("cpu_ratio", "gauge", "Share of one core that the process takes.", now.cpu_ratio),
        _Family("sonify_build_info", "gauge", "Which version runs; always 1.", [_Sample(build, 1.0)]),
    ]


def _distinct_titles(titles: Iterable[str]) -> list[str]:
    """Give a title that comes again a number: two series may not have the same labels."""
    found: list[str] = []
    for title in titles:
        numbered, number = title, 2
        while numbered in found:
            numbered, number = f"{title} #{number}", number + 1
        found.append(numbered)
    return found


def _value_text(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0.0 else "-Inf"
    return repr(float(value))


def exposition(snapshot: Snapshot) -> str:
    """Write the page; samples that are NaN are left out, and families without any."""
    lines = []
    for family in _families(snapshot):
        samples = [sample for sample in family.samples if not math.isnan(sample.value)]
        if samples:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for labels, value in samples:
            pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(
                f"{family.name}{{{pairs}}} {_value_text(value)}" if pairs else f"{family.name} {_value_text(value)}"
            )
    return "\n".join(lines) + "\n"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SelfMetrics:
    """Serves ``/metrics`` from its own thread until it is closed; a context manager.

    Parameters
    ----------
    address : (str, int)
        Where to listen; port 0 takes a free one.
    live : HasSnapshot
        The engine; asked once for each scrape.

    Attributes
    ----------
    url : str
        Where the page is.
    warning : str
        What a person must know of the address; empty on the loopback.

    Raises
    ------
    UsageError
        Nobody can listen there.
    """

    def __init__(self, address: tuple[str, int], live: HasSnapshot) -> None:
        try:
            self._server = _Server(address, live)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"--metrics {address[0]}:{address[1]}: cannot listen here: {reason}") from None
        host, port = str(self._server.server_address[0]), int(self._server.server_address[1])
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{port}/metrics"
        self.warning = ""
        if not _is_loopback(host):
            self.warning = (
                f"warning: {host} is not a loopback address: everyone who reaches this machine can read the page"
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="sonify-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving; a second call changes nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> SelfMetrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # an idle scraper does not hold up the end
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], live: HasSnapshot) -> None:
        self.live = live
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking the name up, which can take seconds where there is no name service."""
        socket_address = self.server_address
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(socket_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a scraper that went away is no news, and the terminal belongs to the view."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._send(HTTPStatus.NOT_FOUND, "nothing is here but /metrics\n", "text/plain; charset=utf-8")
            return
        try:
            page = exposition(self.server.live.snapshot())
        except Exception as error:
            text = f"no snapshot: {type(error).__name__}\n"
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, text, "text/plain; charset=utf-8")
            return
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
