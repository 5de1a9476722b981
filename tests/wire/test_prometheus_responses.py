"""The Prometheus HTTP API, byte for byte: what servers and what stands before them really send."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from sonify.errors import ReaderError
from sonify.readers.http_session import Patience
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.readable import readable

PATIENCE = Patience()
FIELDS = [("query", "up"), ("start", "0.000"), ("end", "1.000"), ("step", "1.000")]


def reply(status: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def ok(body: str) -> bytes:
    return reply("200 OK", body.encode(), "Content-Type: application/json")


class ScriptedServer:
    """Answers each connection with the next of some byte strings, the last one for ever; keeps the requests."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = answers
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(5.0)
                self.requests.append(self._receive(connection))
                answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
                if answer is None:  # never answers
                    self._stop.wait(5.0)
                else:
                    connection.sendall(answer)

    @staticmethod
    def _receive(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def scripted() -> Iterator[type[ScriptedServer]]:
    started: list[ScriptedServer] = []

    class Started(ScriptedServer):
        def __init__(self, *answers: bytes | None) -> None:
            super().__init__(*answers)
            started.append(self)

    yield Started
    for server in started:
        server.stop()


def ask(url: str, patience: Patience = PATIENCE) -> tuple[object, list[str], list[float]]:
    """Data, warnings, and how long was waited before each retry."""
    waits: list[float] = []
    with PrometheusApi(url, patience=patience, sleep=waits.append) as api:
        data = api.ask("/api/v1/query_range", FIELDS, what="rate of requests")
    return data, list(api.warnings), waits


def failure(url: str, patience: Patience = PATIENCE) -> str:
    with pytest.raises(ReaderError) as caught:
        ask(url, patience)
    text = str(caught.value)
    assert text.isprintable()
    assert "/api/v1/query_range (rate of requests)" in text
    return text


MATRIX = (
    '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"backend":"rust"},"values":'
    '[[1700000000,"NaN"],[1700000060.5,"+Inf"],[1700000120,"12.5"]]}]}}'
)


def test_a_query_is_a_form_and_the_answer_comes_back(scripted: type[ScriptedServer]) -> None:
    server = scripted(ok(MATRIX))
    data, warnings, _ = ask(server.url + "/prefix")
    assert isinstance(data, dict)
    assert data["result"][0]["values"][1] == [1700000060.5, "+Inf"]
    assert warnings == []
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /prefix/api/v1/query_range HTTP/1.1\r\n")
    assert b"application/x-www-form-urlencoded" in head
    assert parse_qs(body.decode()) == {"query": ["up"], "start": ["0.000"], "end": ["1.000"], "step": ["1.000"]}


def test_a_server_without_post_is_asked_with_get(scripted: type[ScriptedServer]) -> None:
    server = scripted(reply("405 Method Not Allowed", b"Method Not Allowed\n"), ok(MATRIX))
    with PrometheusApi(server.url) as api:
        for _ in range(2):
            api.ask("/api/v1/query_range", FIELDS, what="rates")
    assert [request.split(b" ", 1)[0] for request in server.requests] == [b"POST", b"GET", b"GET"]
    assert server.requests[1].split(b" ")[1] == b"/api/v1/query_range?query=up&start=0.000&end=1.000&step=1.000"


def test_warnings_and_infos_ride_along(scripted: type[ScriptedServer]) -> None:
    answer = (
        '{"status":"success","data":[],"infos":["PromQL info: metric might not be a counter: \\"x\\" (1:6)"],'
        '"warnings":["remote read:\\n\\u001b[31mlost"]}'
    )
    _, warnings, _ = ask(scripted(ok(answer)).url)
    assert warnings == ["remote read:\\n\\x1b[31mlost", 'PromQL info: metric might not be a counter: "x" (1:6)']


def test_a_compressed_answer(scripted: type[ScriptedServer]) -> None:
    data, _, _ = ask(scripted(reply("200 OK", gzip.compress(MATRIX.encode()), "Content-Encoding: gzip")).url)
    assert isinstance(data, dict)


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (
            reply("400 Bad Request", b'{"status":"error","errorType":"bad_data","error":"exceeded 11,000 points"}'),
            ["HTTP 400", "bad_data: exceeded 11,000 points"],
        ),
        (reply("401 Unauthorized", b"Unauthorized\n"), ["HTTP 401", "user:password@", "says: Unauthorized"]),
        (reply("403 Forbidden", b"no org id\n"), ["HTTP 403", "refused", "no org id"]),
        (reply("404 Not Found", b"404 page not found\n"), ["HTTP 404", "no Prometheus API at this path"]),
        (
            reply("422 Unprocessable Entity", b'{"status":"error","errorType":"execution","error":"too many samples"}'),
            ["HTTP 422", "execution: too many samples"],
        ),
        (
            reply("302 Found", b"", "Location: http://sign-in/x?token=secret"),
            ["HTTP 302", "redirects to another server, http://sign-in, which is not followed"],
        ),
        (reply("200 OK", b"<!doctype html>\n<title>Sign in</title>"), ["web page", "\\n<title>Sign in"]),
        (ok(MATRIX[:-20]), ["not the whole JSON", '{"status":"success"']),
        (ok("[" * 100_000), ["not the whole JSON", "[[["]),
        (ok('{"status":"success"}'), ["not the whole JSON"]),
        (ok("[]"), ["not the whole JSON"]),
        (
            reply("500 Internal Server Error", b"\x1b[2J\x00\xff" + b"x" * 999),
            ["HTTP 500", "\\x1b[2J\\x00\ufffdx", "xxx…"],
        ),
    ],
)  # fmt: skip
def test_every_failure_is_one_line(scripted: type[ScriptedServer], answer: bytes, parts: list[str]) -> None:
    server = scripted(answer)
    text = failure(server.url)
    assert text.startswith(server.url)
    assert len(text) < 500
    for part in parts:
        assert part in text
    assert len(server.requests) == 1  # none of these gets better by asking again


def test_a_busy_server_is_asked_again(scripted: type[ScriptedServer]) -> None:
    busy = reply("503 Service Unavailable", b'{"status":"error","errorType":"timeout","error":"query timed out"}')
    data, _, waits = ask(scripted(busy, b"", ok(MATRIX)).url)
    assert isinstance(data, dict)
    assert 0.0 < waits[0] < waits[1] * 3
    server = scripted(busy)
    assert "HTTP 503, timeout: query timed out" in failure(server.url)
    assert len(server.requests) == 3


def test_an_answer_that_breaks_off(scripted: type[ScriptedServer]) -> None:
    server = scripted(ok(MATRIX)[:-30])
    assert "the connection broke" in failure(server.url)
    assert len(server.requests) == 3


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        text = failure(f"http://ann:secret@127.0.0.1:{unused.getsockname()[1]}")
    assert "refused" in text
    assert "secret" not in text


def test_a_wrong_host() -> None:
    assert "cannot be reached" in failure("http://no-such-host.invalid:9090")


def test_a_server_that_never_answers(scripted: type[ScriptedServer]) -> None:
    server = scripted(None)
    assert "no answer in time" in failure(server.url, Patience(pause_s=0.1))
    assert len(server.requests) == 1  # a slow query is not asked for twice


def test_a_server_that_drips(scripted: type[ScriptedServer]) -> None:
    assert "no answer in time (still sending" in failure(scripted(ok(MATRIX)).url, Patience(answer_s=1e-6))


def test_an_answer_that_grows_too_large(scripted: type[ScriptedServer]) -> None:
    bomb = gzip.compress(b" " * 2**22)
    assert len(bomb) < 2**14
    server = scripted(reply("200 OK", bomb, "Content-Encoding: gzip"))
    assert "larger than 1 MiB" in failure(server.url, Patience(max_bytes=2**20))


def test_an_answer_packed_twice_is_refused_before_it_is_unpacked(scripted: type[ScriptedServer]) -> None:
    bomb = gzip.compress(gzip.compress(b" " * 2**26))
    assert len(bomb) < 2**12
    server = scripted(reply("200 OK", bomb, "Content-Encoding: gzip, gzip"))
    assert "'gzip, gzip' is not allowed; it must be gzip, deflate or none" in failure(server.url)


def test_another_protocol(scripted: type[ScriptedServer]) -> None:
    assert "the connection broke" in failure(scripted(b"220 mail.example ESMTP\r\n").url)


def test_text_of_a_message_is_cut_and_escaped() -> None:
    assert readable("a\tb\u202e\ud800") == "a\\tb\\u202e\\ud800"
    assert readable("x" * 201) == "x" * 200 + "…"
