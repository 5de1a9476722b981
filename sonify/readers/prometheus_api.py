"""The Prometheus HTTP API: requests with time-outs, retries and a bounded answer; every failure is one clear line."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from sonify.errors import ReaderError

__all__ = ["PrometheusApi", "readable"]

MAX_ANSWER_BYTES = 256 * 1024 * 1024
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0  # between two pieces of an answer
ANSWER_TIMEOUT_S = 180.0  # for a whole answer
RETRIES = 2
_RETRY_WAIT_S = 0.4  # before the first retry, doubled for the next
_RETRY_STATUS = frozenset({429, 502, 503, 504})
_SHOWN_CHARACTERS = 200
_MEANINGS = {
    400: "the request is malformed",
    401: "name and password are needed: write them as prometheus+http://user:password@host",
    403: "access is refused",
    404: "no Prometheus API at this path",
    422: "the query cannot be executed",
    503: "the server is unavailable or the query took too long",
}

Parameters = Sequence[tuple[str, str]]


def readable(text: str) -> str:
    """Make untrusted text fit one line of a message: control characters escaped, at most 200 characters."""
    cut = text[:_SHOWN_CHARACTERS]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in cut)
    return shown + ("…" if len(text) > _SHOWN_CHARACTERS else "")


class _TooLargeError(Exception):
    pass


class PrometheusApi:
    """One server's API, used as a context manager.

    Parameters
    ----------
    url : str
        ``http(s)://[user:password@]host[:port][/prefix][?extra=parameter]``. What stands before ``@`` becomes basic
        authentication, what stands after ``?`` goes with every request; neither is ever shown.
    headers : mapping, optional
        Sent with every request (a bearer token, ``X-Scope-OrgID``); the values are never shown.
    transport : httpx.BaseTransport, optional
        Instead of the network, for tests.
    sleep : callable
        How to wait before a retry.

    Attributes
    ----------
    url : str
        As it may be shown: without credentials and parameters.
    warnings : dict of str to None
        What the server warned of, each once, in order.

    Raises
    ------
    ReaderError
        The URL or a header cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.warnings: dict[str, None] = {}
        self._sleep = sleep
        self._method = "POST"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ReaderError(f"the URL of the Prometheus server cannot be read: {readable(str(error))}") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ReaderError("the URL of a Prometheus server is written prometheus+http(s)://HOST:PORT[/PREFIX]")
        place = f"[{host}]" if ":" in host else host
        self.url = f"{parts.scheme}://{place}{f':{port}' if port is not None else ''}{parts.path.rstrip('/')}"
        self._extra = parse_qsl(parts.query, keep_blank_values=True)
        has_login = parts.username is not None
        self._auth = (
            httpx.BasicAuth(unquote(parts.username or ""), unquote(parts.password or "")) if has_login else None
        )
        self._is_loopback = _is_loopback(host)
        self._transport = transport
        try:
            self._headers = httpx.Headers(dict(headers or {}))
        except (UnicodeError, ValueError, TypeError):
            raise ReaderError(f"{self.url}: a header cannot be sent: {', '.join(headers or {})}") from None
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        """Open a client; connections are kept until the block ends."""
        self._client = httpx.Client(
            auth=self._auth,
            headers=self._headers,
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            transport=self._transport,
            trust_env=not self._is_loopback,  # a proxy cannot reach this machine's own loopback
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def get(self, path: str, parameters: Parameters, *, what: str) -> Any:
        """Ask with GET; see `ask`."""
        return self._answer("GET", path, parameters, what)

    def ask(self, path: str, parameters: Parameters, *, what: str) -> Any:
        """Ask with a POST form (long queries do not fit a URL), or GET where the server takes no POST.

        Parameters
        ----------
        path : str
            Such as ``/api/v1/query_range``.
        parameters : sequence of (str, str)
            Form fields.
        what : str
            What is asked for, in words, for messages.

        Returns
        -------
        object
            The ``data`` of the answer.

        Raises
        ------
        ReaderError
            No connection, time-out, an error status, an answer that is too large or not the API's JSON.
        """
        return self._answer(self._method, path, parameters, what)

    def _answer(self, method: str, path: str, parameters: Parameters, what: str) -> Any:
        where = f"{self.url}{path} ({what})"
        for attempt in range(RETRIES + 1):
            last = attempt == RETRIES
            try:
                status, body = self._send(method, path, parameters)
            except httpx.TimeoutException as error:
                if last or not isinstance(error, httpx.ConnectTimeout):
                    raise ReaderError(f"{where}: no answer in time ({_reason(error)})") from None
            except _TooLargeError:
                raise ReaderError(
                    f"{where}: the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB; read a shorter range, "
                    "or narrow `matchers` in the signals preset"
                ) from None
            except httpx.TransportError as error:
                if last:
                    what_failed = (
                        "cannot be reached" if isinstance(error, httpx.ConnectError) else "the connection broke"
                    )
                    raise ReaderError(f"{where}: {what_failed}: {_reason(error)}") from None
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                raise ReaderError(f"{where}: cannot be read: {_reason(error)}") from None
            else:
                if status == 405 and method == "POST":
                    self._method = "GET"
                    return self._answer("GET", path, parameters, what)
                if status not in _RETRY_STATUS or last:
                    return self._data(where, status, body)
            # jitter, so that several readers do not come back all at once
            self._sleep(_RETRY_WAIT_S * 2**attempt * random.uniform(0.5, 1.5))
        raise AssertionError("the last attempt returns or raises")

    def _send(self, method: str, path: str, parameters: Parameters) -> tuple[int, bytes]:
        if self._client is None:
            raise RuntimeError("PrometheusApi is used as a context manager")
        form = None if method == "GET" else _form(parameters)
        query: list[tuple[str, str | int | float | bool | None]] = [*self._extra]
        if method == "GET":
            query += parameters
        give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
        body = bytearray()
        with self._client.stream(method, self.url + path, params=query or None, data=form) as response:
            for piece in response.iter_bytes():  # decompressed: a small answer may grow
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise _TooLargeError
                if time.monotonic() > give_up_s:
                    raise httpx.ReadTimeout(f"still sending after {ANSWER_TIMEOUT_S:.0f} s")
        return response.status_code, bytes(body)

    def _data(self, where: str, status: int, body: bytes) -> Any:
        text = body[: 8 * _SHOWN_CHARACTERS].decode("utf-8", "replace")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict) and answer.get("status") == "error":
            kind, message = answer.get("errorType"), answer.get("error")
            raise ReaderError(f"{where}: HTTP {status}, {readable(f'{kind}: {message}')}")
        if not 200 <= status < 300:
            meaning = _MEANINGS.get(status, "not an answer of the Prometheus API")
            raise ReaderError(f"{where}: HTTP {status}, {meaning}; the server says: {readable(text.strip())}")
        if not isinstance(answer, dict) or answer.get("status") != "success" or "data" not in answer:
            is_page = text.lstrip()[:1] == "<"
            found = "a web page, not the Prometheus API" if is_page else "not the whole JSON of the Prometheus API"
            raise ReaderError(f"{where}: the answer is {found}: {readable(text.strip())}")
        for key in ("warnings", "infos"):
            notes = answer.get(key)
            for note in notes if isinstance(notes, list) else []:
                self.warnings[readable(str(note))] = None
        return answer["data"]


def _form(parameters: Parameters) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in parameters:
        form.setdefault(name, []).append(value)
    return form


def _reason(error: Exception) -> str:
    return readable(str(error)) or type(error).__name__


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
