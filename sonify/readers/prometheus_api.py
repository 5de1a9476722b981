"""The Prometheus HTTP API: what is asked, and the data of the answer; every failure is one clear line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from sonify.errors import ReaderError
from sonify.readers.http_options import HttpOptions, parse_http_url
from sonify.readers.http_session import HttpAnswer, HttpSession, Parameters, Patience
from sonify.readers.readable import readable

__all__ = ["SPELLING", "PrometheusApi", "readable"]

SPELLING = "prometheus+http(s)://[USER:PASSWORD@]HOST:PORT[/PREFIX]"
CLOCK_SLACK_S = 1.5  # a header Date has whole seconds
_MEANINGS = {
    400: "the request is malformed",
    401: "credentials are needed: user:password@ in the URL, or --option bearer, bearer-file, bearer-env or header",
    403: "access is refused",
    404: "no Prometheus API at this path",
    422: "the query cannot be executed",
    429: "the server is asked too often",
    503: "the server is unavailable or the query took too long",
}


class PrometheusApi:
    """One server's API, used as a context manager; it may be asked from one thread at a time.

    Parameters
    ----------
    url : str
        ``http(s)://[user:password@]host[:port][/prefix][?extra=parameter]``. What stands before ``@`` becomes basic
        authentication, what stands after ``?`` goes with every request; neither is ever shown.
    options : HttpOptions
        Credentials, certificates, time-out and retries.
    patience : Patience
        How long is waited for an answer, and how large it may be.
    transport : httpx.BaseTransport, optional
        Instead of the network, for tests.
    sleep : callable
        How to wait before a retry.

    Attributes
    ----------
    url, host_port : str
        As they may be shown: without credentials and parameters.
    warnings : dict of str to None
        What the server warned of, each once, in order.
    is_victoria : bool
        Whether it is VictoriaMetrics; known after `recognise`.

    Raises
    ------
    ReaderError
        The URL or an option cannot be used.
    """

    def __init__(
        self,
        url: str,
        options: HttpOptions | None = None,
        *,
        patience: Patience = Patience(),  # noqa: B008  (immutable)
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        place = parse_http_url(url, SPELLING)
        self.url, self.host_port = place.url, place.host_port
        self.warnings: dict[str, None] = {}
        self.is_victoria = False
        self._behind_s = 0.0  # this machine's clock, behind the server's
        self._method = "POST"
        self._session = HttpSession(
            place,
            options or HttpOptions(),
            patience=patience,
            too_large="read a shorter range, or narrow `matchers` in the signals preset",
            transport=transport,
            sleep=sleep,
        )

    def __enter__(self) -> Self:
        """Open a client; connections are kept until the block ends."""
        self._session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; what another thread is asking breaks off."""
        self._session.close()

    def get(self, path: str, parameters: Parameters, *, what: str, retries: int | None = None) -> Any:
        """Ask with GET; see `ask`."""
        return self._data(path, self._send("GET", path, parameters, what, retries), what)

    def ask(self, path: str, parameters: Parameters, *, what: str, retries: int | None = None) -> Any:
        """Ask with a POST form (long queries do not fit a URL), or GET where the server takes no POST.

        Parameters
        ----------
        path : str
            Such as ``/api/v1/query_range``.
        parameters : sequence of (str, str)
            Form fields.
        what : str
            What is asked for, in words, for messages.
        retries : int, optional
            Instead of those of the options.

        Returns
        -------
        object
            The ``data`` of the answer.

        Raises
        ------
        ReaderError
            No connection, time-out, an error status, an answer that is too large or not the API's JSON.
        """
        return self._data(path, self._send(self._method, path, parameters, what, retries), what)

    def instant(self, query: str, *, what: str, retries: int | None = None) -> tuple[Any, float]:
        """Ask for the newest values there are; the second result is when that was, on `time.monotonic`.

        The server's own clock says what is newest, so that it does not matter whether this machine's is right.
        VictoriaMetrics would then take the last whole second, and hide the last 30 s besides: it gets the time, and
        what turns the hiding off in all versions.
        """
        fields = [("query", query)]
        if self.is_victoria:
            now_s = time.time() + self._behind_s
            fields += [("time", f"{now_s:.3f}"), ("nocache", "1"), ("latency_offset", "1ms")]
        path = "/api/v1/query"
        answer = self._send(self._method, path, fields, what, retries)
        return self._data(path, answer, what), answer.sent_s

    def recognise(self, *, retries: int | None = None) -> None:
        """Find out whether it is VictoriaMetrics, and how its clock stands.

        Raises
        ------
        ReaderError
            The server cannot be reached.
        """
        answer = self._session.send("GET", "/api/v1/status/buildinfo", what="kind of server", retries=retries)
        try:
            data = json.loads(answer.body)["data"]
            bare = isinstance(data, dict) and not {"goVersion", "revision"} & set(data)
        except (ValueError, KeyError, TypeError, RecursionError):
            bare = False
        self.is_victoria = "x-server-hostname" in answer.headers or (answer.status == 200 and bare)
        try:
            server_s = parsedate_to_datetime(answer.headers["date"]).timestamp() + 0.5
        except (KeyError, ValueError, TypeError):
            return
        behind_s = server_s - time.time()
        self._behind_s = behind_s if abs(behind_s) > CLOCK_SLACK_S else 0.0
        if self.is_victoria and self._behind_s:
            self.warnings[f"the server's clock and this machine's differ by {abs(behind_s):.0f} s"] = None

    def _send(self, method: str, path: str, parameters: Parameters, what: str, retries: int | None) -> HttpAnswer:
        if method == "POST":
            answer = self._session.send("POST", path, what=what, form=parameters, retries=retries)
            if answer.status != 405:
                return answer
            self._method = "GET"
        return self._session.send("GET", path, what=what, parameters=parameters, retries=retries)

    def _data(self, path: str, http: HttpAnswer, what: str) -> Any:
        where, status = f"{self.url}{path} ({what})", http.status
        text = http.body[:2000].decode("utf-8", "replace")
        try:
            answer = json.loads(http.body)
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
