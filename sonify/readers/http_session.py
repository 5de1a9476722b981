"""Requests to one server: time-outs, retries, bounded answers, no redirect elsewhere; every failure is one line."""

from __future__ import annotations

import random
import ssl
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from sonify.errors import ReaderError
from sonify.readers.http_options import Credentials, HttpOptions, HttpPlace
from sonify.readers.readable import readable

__all__ = ["HttpAnswer", "HttpSession", "Patience"]

CONNECT_TIMEOUT_S = 5.0
MAX_REDIRECTS = 5
RETRY_AFTER_MOST_S = 10.0
_RETRY_WAIT_S = 0.4  # before the first retry, doubled for the next
_RETRY_WAIT_MOST_S = 5.0
_RETRY_STATUS = frozenset({429, 502, 503, 504})

Parameters = Sequence[tuple[str, str]]


class Patience(NamedTuple):
    """How long is waited for an answer, and how large it may grow.

    Attributes
    ----------
    pause_s : float
        Longest pause between two pieces of an answer.
    answer_s : float
        Longest time for a whole answer.
    max_bytes : int
        Largest answer, decompressed.
    """

    pause_s: float = 60.0
    answer_s: float = 180.0
    max_bytes: int = 256 * 2**20


class HttpAnswer(NamedTuple):
    """What a server said, whatever its status; `sent_s` is when it was asked, on `time.monotonic`."""

    status: int
    headers: httpx.Headers
    body: bytes
    sent_s: float


class _TooLargeError(Exception):
    pass


class _Unpacker:
    """Unpacks the pieces of an answer, never to more than is asked for: packed twice, 2 kB may become 1 GB."""

    def __init__(self, encoding: str) -> None:
        self._inflater = None
        name = encoding.strip().lower()
        if name in ("gzip", "x-gzip", "deflate"):
            self._inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, as its head says
        elif name not in ("", "identity"):
            raise httpx.DecodingError(f"Content-Encoding {name!r} is not allowed; it must be gzip, deflate or none")

    def __call__(self, piece: bytes, most: int) -> bytes:
        if self._inflater is None:
            return piece
        unpacked = b""
        try:
            while piece and len(unpacked) < most:
                unpacked += self._inflater.decompress(piece, most - len(unpacked))
                piece = self._inflater.unused_data or self._inflater.unconsumed_tail
                if self._inflater.eof and piece:  # gzip data may be in several parts
                    self._inflater = zlib.decompressobj(wbits=47)
        except zlib.error as error:
            raise httpx.DecodingError(f"damaged {error}") from None
        return unpacked


class HttpSession:
    """One server, used as a context manager, or opened and closed; `send` may be called from several threads at once.

    Parameters
    ----------
    place : HttpPlace
        Where it is.
    options : HttpOptions
        See there; its time-out wins over the patience.
    patience : Patience
        See there.
    too_large : str
        What a person can do about an answer that is too large, for the message.
    transport : httpx.BaseTransport, optional
        Instead of the network, for tests.
    sleep : callable
        How to wait before a retry.

    Raises
    ------
    ReaderError
        Credentials or certificates cannot be used.
    """

    def __init__(
        self,
        place: HttpPlace,
        options: HttpOptions,
        *,
        patience: Patience = Patience(),  # noqa: B008  (immutable)
        too_large: str = "",
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.place = place
        self._options = options
        self._credentials = Credentials(place, options)
        self._context = options.ssl_context(place)
        self._too_large = too_large
        self._transport = transport
        self._sleep = sleep
        self.patience = patience
        if options.timeout_s is not None:
            self.patience = patience._replace(pause_s=options.timeout_s, answer_s=options.timeout_s)
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        """Open a client; connections are kept until the block ends."""
        self._client = httpx.Client(
            timeout=httpx.Timeout(self.patience.pause_s, connect=min(CONNECT_TIMEOUT_S, self.patience.answer_s)),
            transport=self._transport,
            follow_redirects=False,
            trust_env=not self.place.is_loopback,  # a proxy cannot reach this machine's own loopback
            verify=self._verify(),
        )
        return self

    def _verify(self) -> ssl.SSLContext | bool:
        if self._context is not None:
            return self._context
        # loading the authorities takes 20 ms that plain http to this machine has no use for
        return not self.place.is_loopback

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a request that is under way in another thread breaks off."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def send(
        self,
        method: str,
        path: str = "",
        *,
        what: str,
        parameters: Parameters = (),
        form: Parameters | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int | None = None,
    ) -> HttpAnswer:
        """Ask, and ask again where that may help.

        Parameters
        ----------
        method : str
            ``GET`` or ``POST``.
        path : str
            Put after the place's own path.
        what : str
            What is asked for, in words, for messages.
        parameters, form : sequence of (str, str)
            Of the URL, beside the place's own; of the body.
        headers : mapping, optional
            Beside those of the options.
        retries : int, optional
            Instead of those of the options.

        Raises
        ------
        ReaderError
            No connection, time-out, an answer that is too large, a redirect to another server. An error status is an
            answer, and raises nothing.
        """
        where = f"{self.place.url}{path}" + (f" ({what})" if what else "")
        num_retries = self._options.retries if retries is None else retries
        for attempt in range(num_retries + 1):
            last = attempt == num_retries
            wait_s = min(_RETRY_WAIT_S * 2**attempt, _RETRY_WAIT_MOST_S)
            try:
                answer = self._send(where, method, self.place.url + path, parameters, form, headers)
            except httpx.TimeoutException as error:
                if last or not isinstance(error, httpx.ConnectTimeout):  # a slow answer is not asked for twice
                    raise ReaderError(f"{where}: no answer in time ({_reason(error)})") from None
            except _TooLargeError:
                limit = f"{self.patience.max_bytes / 2**20:.3g} MiB"
                advice = f"; {self._too_large}" if self._too_large else ""
                raise ReaderError(f"{where}: the answer is larger than {limit}{advice}") from None
            except httpx.TransportError as error:
                if last or _is_certificate(error):
                    failed = "cannot be reached" if isinstance(error, httpx.ConnectError) else "the connection broke"
                    raise ReaderError(f"{where}: {failed}: {_reason(error)}") from None
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, RuntimeError) as error:
                raise ReaderError(f"{where}: cannot be read: {_reason(error)}") from None
            else:
                if answer.status not in _RETRY_STATUS or last:
                    return answer
                wait_s = max(wait_s, _retry_after_s(answer.headers))
            # jitter, so that several readers do not come back all at once
            self._sleep(wait_s * random.uniform(0.5, 1.5) if wait_s <= _RETRY_WAIT_MOST_S else wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self,
        where: str,
        method: str,
        url: str,
        parameters: Parameters,
        form: Parameters | None,
        headers: Mapping[str, str] | None,
    ) -> HttpAnswer:
        give_up_s = time.monotonic() + self.patience.answer_s
        target = httpx.URL(url)
        query = (*self.place.parameters, *parameters)
        if query:
            target = target.copy_with(params=httpx.QueryParams(query))
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._once(method, target, form, headers, give_up_s)
            location = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            target = self._redirected(where, target, answer.status, location)
            if answer.status == 303:
                method, form = "GET", None
        raise ReaderError(f"{where}: it redirects in a circle")

    def _once(
        self,
        method: str,
        url: httpx.URL,
        form: Parameters | None,
        headers: Mapping[str, str] | None,
        give_up_s: float,
    ) -> HttpAnswer:
        client = self._client
        if client is None:
            raise RuntimeError("the session is closed")
        body = bytearray()
        data = None if form is None else _grouped(form)
        sent_s = time.monotonic()
        both = {**self._credentials.headers(), **(headers or {})}
        both.setdefault("Accept-Encoding", "gzip, deflate")
        with client.stream(method, url, data=data, headers=both) as response:
            # an answer that a test made is whole already, and not packed
            is_whole = response.is_stream_consumed
            unpack = _Unpacker("" if is_whole else response.headers.get("content-encoding", ""))
            for piece in response.iter_bytes() if is_whole else response.iter_raw():
                body += unpack(piece, self.patience.max_bytes + 1 - len(body))  # a small answer may grow
                if len(body) > self.patience.max_bytes:
                    raise _TooLargeError
                if time.monotonic() > give_up_s:
                    raise httpx.ReadTimeout(f"still sending after {self.patience.answer_s:.3g} s")
        return HttpAnswer(response.status_code, response.headers, bytes(body), sent_s)

    @staticmethod
    def _redirected(where: str, url: httpx.URL, status: int, location: str) -> httpx.URL:
        """Where a redirect leads, if it is the same server: credentials are for no other."""
        try:
            target = url.join(location)
        except (httpx.InvalidURL, ValueError):
            raise ReaderError(f"{where}: HTTP {status}, redirects to what is no URL") from None
        if (target.scheme, target.host, _port(target)) != (url.scheme, url.host, _port(url)):
            place = f"{target.scheme}://{target.netloc.rpartition(b'@')[2].decode('ascii', 'replace')}"
            raise ReaderError(
                f"{where}: HTTP {status}, redirects to another server, {readable(place)}, which is not followed; "
                "name that one if it is meant"
            )
        return target


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _grouped(form: Parameters) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in form:
        grouped.setdefault(name, []).append(value)
    return grouped


def _retry_after_s(headers: httpx.Headers) -> float:
    """How long the server asks to be left alone, in s, within bounds; 0 where it does not say."""
    text = headers.get("retry-after", "").strip()
    try:
        asked_s = float(text) if text[:1].isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(asked_s, 0.0), RETRY_AFTER_MOST_S)


def _is_certificate(error: Exception) -> bool:
    return "CERTIFICATE" in str(error).upper()


def _reason(error: Exception) -> str:
    return readable(str(error)) or type(error).__name__
