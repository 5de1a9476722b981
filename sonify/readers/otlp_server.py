"""A small HTTP server for pushes: a bounded number of threads, and nobody may hold one for long.

h11 reads the protocol (chunks, keep-alive, ``Expect``): it is in the house already, under httpx, and takes nothing on
trust. The server of the standard library reads no chunks, and bounds each wait on a socket, but not a whole request.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import h11

from sonify.errors import ReaderError
from sonify.readers.otlp_http import MAX_BODY_BYTES, Answer, Take, answer_of, refuse, refuse_head, too_large

__all__ = ["MAX_CONNECTIONS", "OtlpServer", "Patience"]

MAX_CONNECTIONS = 64
_HEAD_BYTES = 32 * 1024
_PIECE_BYTES = 256 * 1024
_LINGER_S = 0.5
_PROTOBUF = "application/x-protobuf"


class Patience:
    """How long a client is waited for, in s: for the whole of a request from its first byte, and between requests."""

    request_s = 30.0
    idle_s = 150.0


class OtlpServer:
    """Listens, and hands over each body that comes to ``/v1/metrics``.

    Parameters
    ----------
    host, port : str, int
        Where; port 0 takes a free one, see `port`.
    take : Take
        Gets what decodes a body, from the thread of its connection.
    patience : Patience
        Time-outs.

    Raises
    ------
    ReaderError
        The address cannot be bound.
    """

    def __init__(self, host: str, port: int, take: Take, patience: Patience | None = None) -> None:
        self._take = take
        self._patience = patience or Patience()
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._listener = socket.create_server((host, port), family=family, backlog=128)
        except (OSError, OverflowError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ReaderError(f"cannot listen on {host}:{port}: {reason.lower()}") from None
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._idle_since_s: dict[socket.socket, float] = {}  # of open connections; inf while a request is on its way
        self._threads: set[threading.Thread] = set()
        self._is_closed = False
        self._acceptor = threading.Thread(target=self._accept, name="otlp-accept", daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Stop listening, end all connections, and wait for their threads."""
        with self._lock:
            self._is_closed = True
            connections, threads = list(self._idle_since_s), list(self._threads)
        _shut(self._listener)
        self._listener.close()
        for connection in connections:
            _shut(connection)
        self._acceptor.join(1.0)
        for thread in threads:
            thread.join(1.0)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._is_closed:
                    return
                time.sleep(0.05)  # out of file descriptors: some may be closed soon
                continue
            self._start(connection)

    def _start(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._idle_since_s) >= MAX_CONNECTIONS:
                longest = min(self._idle_since_s, key=self._idle_since_s.__getitem__)
                if self._idle_since_s[longest] < float("inf"):
                    _shut(longest)  # whoever pushes next takes its place
                else:
                    _turn_away(connection)
                    return
            self._idle_since_s[connection] = float("inf")
            thread = threading.Thread(target=self._serve, args=(connection,), name="otlp-push", daemon=True)
            self._threads.add(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Connection(connection, self._take, self._patience, self._note_idle).run()
        except (OSError, h11.ProtocolError):
            pass  # the client is gone, or speaks no HTTP: it was told so if that was possible
        finally:
            _linger(connection)
            with self._lock:
                self._idle_since_s.pop(connection, None)
                self._threads.discard(threading.current_thread())
            connection.close()

    def _note_idle(self, connection: socket.socket, *, is_idle: bool) -> None:
        with self._lock:
            if connection in self._idle_since_s:
                self._idle_since_s[connection] = time.monotonic() if is_idle else float("inf")


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _linger(connection: socket.socket) -> None:
    """Let the client read the last answer: closing on bytes that were not read would take it away."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_LINGER_S)
        for _ in range(4):
            if not connection.recv(_PIECE_BYTES):
                return


def _turn_away(connection: socket.socket) -> None:
    body = b"too many connections\n"
    lines = ("HTTP/1.1 503 Service Unavailable", "Retry-After: 1", f"Content-Length: {len(body)}", "Connection: close")
    with connection, contextlib.suppress(OSError):
        connection.settimeout(0.0)  # there is room for so little
        connection.sendall("\r\n".join((*lines, "", "")).encode() + body)
        connection.shutdown(socket.SHUT_WR)


class _Connection:
    """One client, request after request."""

    def __init__(
        self, connection: socket.socket, take: Take, patience: Patience, note_idle: Callable[..., None]
    ) -> None:
        self._socket = connection
        self._take = take
        self._patience = patience
        self._note_idle = note_idle
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self._end_s = time.monotonic() + patience.request_s

    def run(self) -> None:
        """Serve until the client, or an error, ends it."""
        try:
            while self._serve_one():
                self._http.start_next_cycle()
                self._wait_for_next()
        except TimeoutError:
            self._say(HTTPStatus.REQUEST_TIMEOUT, "the request did not come whole in time")
        except h11.RemoteProtocolError as error:
            self._say(error.error_status_hint, str(error))

    def _say(self, status: int, message: str) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(refuse(status, message, "", ("Connection", "close")))

    def _wait_for_next(self) -> None:
        """Wait for the first byte of another request; raises ConnectionError where none comes."""
        if not self._http.trailing_data[0]:
            self._note_idle(self._socket, is_idle=True)
            self._socket.settimeout(self._patience.idle_s)
            try:
                piece = self._socket.recv(_PIECE_BYTES)
            except TimeoutError:
                raise ConnectionError("idle for too long") from None
            finally:
                self._note_idle(self._socket, is_idle=False)
            if not piece:
                raise ConnectionError("closed by the client")
            self._http.receive_data(piece)
        self._end_s = time.monotonic() + self._patience.request_s

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            left_s = self._end_s - time.monotonic()
            if left_s <= 0.0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            self._http.receive_data(self._socket.recv(_PIECE_BYTES))

    def _serve_one(self) -> bool:
        """Read a request and answer it; False where the connection is to end."""
        request = self._next_event()
        if not isinstance(request, h11.Request):
            return False
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        answer = refuse_head(request.method.decode(), request.target.decode("latin-1"), headers)
        body = b""
        if answer is None:
            read = self._read_body()
            if read is None:
                answer = too_large(headers)
            else:
                body = read
        if answer is None:
            answer = answer_of(headers, body, self._take)
        elif not self._drain(headers):
            answer = answer._replace(headers=(*answer.headers, ("Connection", "close")))
        self._send(answer)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _read_body(self) -> bytes | None:
        """Read a body; None where it is larger than allowed."""
        body = bytearray()
        while True:
            event = self._next_event()
            if isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    return None
            elif isinstance(event, h11.EndOfMessage):
                return bytes(body)
            else:
                raise ConnectionError("closed by the client")

    def _drain(self, headers: Mapping[str, str]) -> bool:
        """Read a body that is not wanted, so that the connection can go on; False where that takes too long."""
        length = headers.get("content-length", "0" if self._http.their_state is not h11.SEND_BODY else "")
        if self._http.they_are_waiting_for_100_continue or not length.isdecimal() or int(length[:20]) > _PIECE_BYTES:
            return False
        while True:
            event = self._next_event()
            if not isinstance(event, h11.Data):
                return isinstance(event, h11.EndOfMessage)

    def _send(self, answer: Answer) -> None:
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *dict(answer.headers).items(),
        ]
        self._write(
            h11.Response(status_code=answer.status, headers=headers, reason=HTTPStatus(answer.status).phrase.encode()),
            h11.Data(data=answer.body),
            h11.EndOfMessage(),
        )

    def _write(self, *events: h11.Event) -> None:
        self._socket.settimeout(5.0)
        self._socket.sendall(b"".join(self._http.send(event) or b"" for event in events))
