"""OTLP over HTTP, byte for byte: what exporters send, what hostile clients send, and what each is answered."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import pytest

from sonify.errors import ReaderError
from sonify.readers import otlp_http, otlp_server
from sonify.readers.otlp_model import Metric, Number
from sonify.readers.otlp_panels import Receipt
from sonify.readers.otlp_server import OtlpServer, Patience

pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")

# resource {service.name: x}; metric "a", unit "1", cumulative monotonic sum, one point of 7 at 2 ns since 1 ns
PROTOBUF = bytes.fromhex(
    "0a44"  # resource_metrics
    "0a150a130a0c736572766963652e6e616d6512030a0178"  # resource.attributes: service.name = x
    "122b"  # scope_metrics
    "1229"  # metrics
    "0a0161" "1a0131"  # name, unit
    "3a21"  # sum
    "0a1b" "110100000000000000" "190200000000000000" "310700000000000000"  # data_points
    "1002" "1801"  # cumulative, monotonic
)  # fmt: skip
JSON = (
    b'{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}}]},'
    b'"scopeMetrics":[{"metrics":[{"name":"a","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,'
    b'"dataPoints":[{"startTimeUnixNano":"1","timeUnixNano":"2","asInt":"7"}]}}]}]}]}'
)


class Heard:
    """A server, and what it took in."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.points: list[float] = []
        self.receipt = Receipt()
        self.server = OtlpServer("127.0.0.1", 0, self._take, patience)

    def _take(self, decode: Callable[[], list[Metric]]) -> Receipt:
        for metric in decode():
            self.points += (point.value for point in metric.points() if isinstance(point, Number))
        return self.receipt

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.server.port))
        connection.settimeout(5.0)
        return connection

    def say(self, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send some bytes, and read one answer."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return answer(connection)


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer, and nothing of the next."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            raise ConnectionError(f"closed after {head!r}")
        head += piece
    first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
    body = b""
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(int(headers["content-length"]) - len(body))
    return int(first.split()[1]), headers, body


def post(body: bytes, *headers: str, content_type: str = "application/json", path: str = "/v1/metrics") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost:4318", f"Content-Type: {content_type}", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@pytest.fixture
def heard() -> Iterator[Heard]:
    started = Heard()
    yield started
    started.server.close()


def test_protobuf(heard: Heard) -> None:
    status, headers, body = heard.say(post(PROTOBUF, content_type="application/x-protobuf"))
    assert (status, headers["content-type"], body) == (200, "application/x-protobuf", b"")
    assert heard.points == [7.0]


def test_json_with_a_charset(heard: Heard) -> None:
    status, headers, body = heard.say(post(JSON, content_type="Application/JSON; charset=utf-8"))
    assert (status, headers["content-type"], json.loads(body)) == (200, "application/json", {})
    assert heard.points == [7.0]


def test_gzip_in_one_member_and_in_two(heard: Heard) -> None:
    for body in (gzip.compress(JSON), gzip.compress(JSON[:100]) + gzip.compress(JSON[100:])):
        assert heard.say(post(body, "Content-Encoding: gzip"))[0] == 200
    assert heard.points == [7.0, 7.0]


def test_chunks_as_node_sends_them(heard: Heard) -> None:
    head = (
        b"POST /v1/metrics HTTP/1.1\r\nHost: localhost:4318\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
    )
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (JSON[:7], JSON[7:90], JSON[90:])]
    assert heard.say(head, *chunks, b"0\r\n\r\n")[0] == 200
    assert heard.points == [7.0]


def test_a_connection_is_kept(heard: Heard) -> None:
    with heard.connect() as connection:
        for _ in range(3):
            connection.sendall(post(JSON))
            assert answer(connection)[0] == 200
        connection.sendall(post(JSON) + post(JSON))  # both at once
        assert answer(connection)[0] == 200
        assert answer(connection)[0] == 200
    assert len(heard.points) == 5


def test_expect_continue(heard: Heard) -> None:
    with heard.connect() as connection:
        connection.sendall(
            post(b"", "Expect: 100-continue").replace(b"Content-Length: 0", b"Content-Length: %d" % len(JSON))
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(JSON)
        assert answer(connection)[0] == 200
    assert heard.points == [7.0]


def test_http_1_0(heard: Heard) -> None:
    status, headers, _ = heard.say(post(JSON).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (status, headers["connection"]) == (200, "close")


def test_what_was_left_out_is_told(heard: Heard) -> None:
    heard.receipt = Receipt(15, "too many")
    _, _, body = heard.say(post(JSON))
    assert json.loads(body) == {"partialSuccess": {"rejectedDataPoints": "15", "errorMessage": "too many"}}
    _, _, body = heard.say(post(PROTOBUF, content_type="application/x-protobuf"))
    assert body == bytes.fromhex("0a0c080f1208") + b"too many"


def test_garbage_gets_a_status_in_the_encoding_that_was_sent(heard: Heard) -> None:
    status, headers, body = heard.say(post(b'{"resourceMetrics": 5}'))
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(body) == {"code": 3, "message": "resourceMetrics: 5 is not allowed; it must be a list"}
    status, headers, body = heard.say(post(b"\x0a\xff\xff", content_type="application/x-protobuf"))
    assert (status, headers["content-type"], body[:3]) == (400, "application/x-protobuf", b"\x08\x03\x12")
    assert heard.points == []


@pytest.mark.parametrize(
    ("request_bytes", "status", "text"),
    [
        (post(JSON, path="/v1/traces"), 404, "metrics only"),
        (post(JSON, path="/v1/logs"), 404, "metrics only"),
        (post(JSON, path="/metrics"), 404, "nothing is here but /v1/metrics"),
        (b"GET /v1/metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405, "POST only"),
        (b"OPTIONS /v1/metrics HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\n\r\n", 405, "POST only"),
        (post(JSON, content_type="text/plain"), 415, "'text/plain'"),
        (post(JSON, "Content-Encoding: zstd"), 415, "'zstd'"),
        (post(b"", "Content-Encoding: gzip").replace(b"Length: 0", b"Length: 99999999999"), 413, "16 MiB"),
        (post(JSON, "Content-Encoding: gzip"), 400, "not gzip"),
        (post(gzip.compress(JSON)[:-9], "Content-Encoding: gzip"), 400, "ends too early"),
        (b"nonsense\r\n\r\n", 400, "illegal"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, ""),  # TLS
        (b"POST /v1/metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000, 431, ""),
    ],
)
def test_refusals(heard: Heard, request_bytes: bytes, status: int, text: str) -> None:
    found, _, body = heard.say(request_bytes)
    assert found == status
    assert text in json.loads(body)["message"]
    assert heard.points == []


def test_a_refused_connection_goes_on_where_it_can(heard: Heard) -> None:
    with heard.connect() as connection:
        connection.sendall(post(JSON, path="/v1/traces"))
        assert answer(connection)[0] == 404
        connection.sendall(post(JSON))
        assert answer(connection)[0] == 200


def test_bodies_that_grow_are_stopped(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_http, "MAX_BODY_BYTES", 1000)
    monkeypatch.setattr(otlp_server, "MAX_BODY_BYTES", 1000)
    bomb = zlib.compressobj(9, wbits=31)
    body = bomb.compress(b" " * 100_000) + bomb.flush()
    assert len(body) < 1000
    assert heard.say(post(body, "Content-Encoding: gzip"))[0] == 413
    head = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    status, headers, _ = heard.say(head, b"400\r\n" + b" " * 0x400 + b"\r\n")
    assert (status, headers["connection"]) == (413, "close")


class Impatient(Patience):
    request_s = 0.3
    idle_s = 0.3


def test_a_slow_client_is_told_and_cut_off() -> None:
    heard = Heard(Impatient())
    try:
        with heard.connect() as connection:
            begin_s = time.monotonic()
            for byte in post(JSON):  # a byte now and then keeps no thread for ever
                with contextlib.suppress(OSError):
                    connection.sendall(bytes([byte]))
                if time.monotonic() - begin_s > 0.35:
                    break
                time.sleep(0.02)
            assert answer(connection)[0] == 408
        with heard.connect() as idle:
            idle.sendall(post(JSON))
            assert answer(idle)[0] == 200
            assert idle.recv(1) == b""
    finally:
        heard.server.close()


def test_connections_are_bounded_and_idle_ones_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_server, "MAX_CONNECTIONS", 3)
    heard = Heard()
    try:
        with contextlib.ExitStack() as stack:
            idle = stack.enter_context(heard.connect())
            idle.sendall(post(JSON))
            assert answer(idle)[0] == 200
            busy = [stack.enter_context(heard.connect()) for _ in range(2)]
            for connection in busy:
                connection.sendall(b"POST ")
            time.sleep(0.1)
            assert heard.say(post(JSON))[0] == 200
            assert idle.recv(1) == b""
            time.sleep(0.2)  # until its place is free
            third = stack.enter_context(heard.connect())
            third.sendall(b"POST ")
            time.sleep(0.1)
            status, headers, _ = answer(stack.enter_context(heard.connect()))
            assert (status, headers["retry-after"]) == (503, "1")
    finally:
        heard.server.close()


def test_closing_ends_threads_and_frees_the_port() -> None:
    before = threading.active_count()
    heard = Heard()
    with heard.connect() as connection, heard.connect() as waiting:
        connection.sendall(post(JSON))
        assert answer(connection)[0] == 200
        waiting.sendall(b"POST /v1/")
        begin_s = time.monotonic()
        heard.server.close()
        assert time.monotonic() - begin_s < 2.0
    assert threading.active_count() == before
    again = OtlpServer("127.0.0.1", heard.server.port, lambda _: Receipt())
    again.close()


def test_an_address_that_is_taken_is_said(heard: Heard) -> None:
    with pytest.raises(ReaderError, match=f"cannot listen on 127.0.0.1:{heard.server.port}: address already in use"):
        OtlpServer("127.0.0.1", heard.server.port, lambda _: Receipt())
