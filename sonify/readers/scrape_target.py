"""One target of a scrape: a thread of its own fetches its page, so that a slow one delays no other."""

from __future__ import annotations

import math
import time
from threading import Condition, Event, Thread
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.readers.exposition import ACCEPT, ACCEPT_TEXT, MAX_PAGE_BYTES, is_openmetrics
from sonify.readers.http_options import HttpOptions, parse_http_url
from sonify.readers.http_session import HttpSession, Patience
from sonify.readers.readable import readable

__all__ = ["FetchedPage", "ScrapeTarget"]

_OVERDUE_S = 0.5  # past the time-out, when something drips in that no time-out of a single piece ends
_MEANINGS = {
    401: "a name and password or a token is needed: --option bearer-file=FILE, or user:password@ before the host",
    403: "access is refused",
    404: "there is no page at this path; most services have theirs at /metrics",
    406: "the server has no text format",
}
_SPELLING = "scrape+http(s)://HOST:PORT/metrics"


class FetchedPage(NamedTuple):
    """A page, or why there is none.

    Attributes
    ----------
    body : bytes
        Decompressed.
    openmetrics : bool
        Which format.
    sent_s : float
        When it was asked for, on `time.monotonic`.
    took_s : float
        Until it was there.
    problem : str
        One line; empty where all went well.
    """

    body: bytes
    openmetrics: bool
    sent_s: float
    took_s: float
    problem: str = ""


class ScrapeTarget:
    """Fetches one page at a time when asked to.

    Parameters
    ----------
    url : str
        ``http(s)://…``, with credentials and parameters if need be.
    options : HttpOptions
        See there.
    timeout_s : float
        Longest time for a page, where the options say nothing.
    changed : Condition
        Notified when a fetch has ended; shared by all targets.

    Attributes
    ----------
    url : str
        As it may be shown.
    host_port : str
        For titles.
    timeout_s : float
        Longest time for a page.
    """

    def __init__(self, url: str, options: HttpOptions, *, timeout_s: float, changed: Condition) -> None:
        place = parse_http_url(url, _SPELLING)
        self.url, self.host_port = place.url, place.host_port
        patience = Patience(pause_s=timeout_s, answer_s=timeout_s, max_bytes=MAX_PAGE_BYTES)
        advice = "ask the service for fewer series"
        self._session = HttpSession(place, options, patience=patience, too_large=advice)
        self.timeout_s = self._session.patience.answer_s
        self._changed = changed
        self._accept = ACCEPT
        self._is_open = False
        self._wake = Event()  # its own: a hundred threads that wake each other cost more than they fetch
        self._asked = False
        self._stopped = False
        self._started_s = math.inf
        self._fetched: FetchedPage | None = None
        self._thread: Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a page is being fetched."""
        return self._asked

    def start(self) -> None:
        """Ask for the page, unless that is under way already; what takes far too long is broken off."""
        with self._changed:
            if not self._asked:
                self._asked, self._started_s = True, time.monotonic()
                self._wake.set()
            elif time.monotonic() - self._started_s > self.timeout_s + _OVERDUE_S:
                self._session.close()
                self._is_open = False
        if self._thread is None:
            self._thread = Thread(target=self._run, name=f"scrape {self.host_port}", daemon=True)
            self._thread.start()

    def take(self) -> FetchedPage | None:
        """Take the newest page that was fetched since the last call."""
        with self._changed:
            fetched, self._fetched = self._fetched, None
        return fetched

    def prefer_text(self) -> bool:
        """Ask for the older format from now on; False where that was done already."""
        changed, self._accept = self._accept == ACCEPT, ACCEPT_TEXT
        return changed

    def stop(self) -> None:
        """End the thread; what is being fetched is broken off."""
        self._stopped = True
        self._wake.set()
        self._session.close()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread a while, but not for a server that says nothing."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopped:
                break
            fetched = self._fetch()
            with self._changed:
                self._fetched, self._asked = fetched, False
                self._changed.notify_all()
        self._session.close()

    def _fetch(self) -> FetchedPage:
        sent_s = time.monotonic()

        def ended(body: bytes = b"", openmetrics: bool = False, problem: str = "") -> FetchedPage:
            return FetchedPage(body, openmetrics, sent_s, time.monotonic() - sent_s, problem)

        try:
            if not self._is_open:
                self._is_open = True
                self._session.__enter__()
            answer = self._session.send(
                "GET", what="", headers={"Accept": self._accept, "Accept-Encoding": "gzip"}, retries=0
            )
            if answer.status != 200:
                meaning = _MEANINGS.get(answer.status, f"the server says: {_first_line(answer.body)}")
                return ended(problem=f"{self.url}: HTTP {answer.status}, {meaning}")
            return ended(answer.body, is_openmetrics(answer.headers.get("content-type", ""), self.url))
        except ReaderError as error:
            return ended(problem=str(error))
        except Exception as error:  # a connection that is closed while it is waited for fails in many ways
            return ended(problem=f"{self.url}: the connection broke: {readable(str(error)) or type(error).__name__}")


def _first_line(body: bytes) -> str:
    text = body[:1000].decode("utf-8", "replace").strip()
    return readable(text.partition("\n")[0]) if text and text[:1] != "<" else "nothing more"
