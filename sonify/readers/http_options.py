"""How a server is asked over HTTP: credentials, certificates, tenant, patience; read from a source's options."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from sonify.errors import ReaderError
from sonify.readers.readable import readable

__all__ = ["Credentials", "HttpOptions", "HttpPlace", "parse_http_url"]

RETRIES = 2
_MAX_TOKEN_BYTES = 65_536
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


class HttpPlace(NamedTuple):
    """Where a server is.

    Attributes
    ----------
    url : str
        As it may be shown and is asked: without credentials and parameters.
    scheme, host : str
        ``http`` or ``https``; name or address.
    host_port : str
        For titles: ``127.0.0.1:9090``.
    parameters : tuple of (str, str)
        What stood after ``?``: it goes with every request and is never shown.
    login : (str, str) or None
        Name and password that stood before ``@``; never shown.
    """

    url: str
    scheme: str
    host: str
    host_port: str
    parameters: tuple[tuple[str, str], ...]
    login: tuple[str, str] | None

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's own loopback, which no proxy can reach."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __repr__(self) -> str:
        return f"HttpPlace({self.url!r})"


def parse_http_url(url: str, spelling: str) -> HttpPlace:
    """Take a URL apart.

    Parameters
    ----------
    url : str
        ``http(s)://[user:password@]host[:port][/path][?extra=parameter]``.
    spelling : str
        How such a source is written, for the message.

    Raises
    ------
    ReaderError
        It cannot be read as such; nothing of what may be secret is shown.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ReaderError(f"the URL of a source written {spelling} cannot be read: {readable(str(error))}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ReaderError(f"the URL cannot be used: it is written {spelling}")
    if not host.isprintable() or not parts.path.isprintable() or any(mark in host for mark in "\\ "):
        raise ReaderError(f"the URL holds characters that cannot stand there; it is written {spelling}")
    named = f"[{host}]" if ":" in host else host
    host_port = f"{named}:{port}" if port is not None else named
    login = None
    if parts.username is not None:
        login = (unquote(parts.username), unquote(parts.password or ""))
    return HttpPlace(
        url=f"{parts.scheme}://{host_port}{parts.path.rstrip('/')}",
        scheme=parts.scheme,
        host=host,
        host_port=host_port,
        parameters=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        login=login,
    )


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Options that every source over HTTP takes; the fields are the keywords of `sonify.readers.options`.

    Attributes
    ----------
    headers : tuple of (str, str)
        Sent with every request; the values are never shown.
    bearer : str
        A token for ``Authorization: Bearer``; never shown.
    bearer_file : Path or None
        A file that holds the token; read anew for every request, so that it may be rotated.
    bearer_env : str
        The environment variable that holds the token.
    tenant : str
        Sent as ``X-Scope-OrgID``.
    ca_file, cert_file, key_file : Path or None
        PEM files: authorities to trust instead of the system's; client certificate; its key.
    timeout_s : float or None
        Longest time for one answer; None is as the source thinks best.
    retries : int
        How often a request is tried again.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    bearer: str = field(default="", repr=False)
    bearer_file: Path | None = None
    bearer_env: str = ""
    tenant: str = field(default="", repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    timeout_s: float | None = None
    retries: int = RETRIES

    def ssl_context(self, place: HttpPlace) -> ssl.SSLContext | None:
        """Certificates to trust and to show; None where nothing is encrypted.

        Raises
        ------
        ReaderError
            A file is missing, is not PEM, or does not fit the others; or there is a certificate but no https.
        """
        if place.scheme != "https":
            named = next((key for key in ("ca", "cert", "key") if getattr(self, f"{key}_file")), None)
            if named:
                raise ReaderError(f"{place.url}: --option {named} is for https only; this is http")
            return None
        if self.key_file and not self.cert_file:
            raise ReaderError(f"{place.url}: --option key needs --option cert beside it")
        for key, path in (("ca", self.ca_file), ("cert", self.cert_file), ("key", self.key_file)):
            if path:
                _check_pem(place, key, path)
        return self._load(place)

    def _load(self, place: HttpPlace) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else httpx.create_ssl_context()
        except (ssl.SSLError, OSError, ValueError) as error:
            raise ReaderError(f"{place.url}: --option ca: {self.ca_file}: {_reason(error)}") from None
        if self.cert_file:
            try:
                # an encrypted key would otherwise be asked for on the terminal
                context.load_cert_chain(self.cert_file, self.key_file, password=_no_password)
            except (ssl.SSLError, OSError, ValueError) as error:
                files = f"cert {self.cert_file}" + (f", key {self.key_file}" if self.key_file else "")
                raise ReaderError(
                    f"{place.url}: --option {files}: no client certificate with its key, unencrypted, in PEM: "
                    f"{_reason(error)}"
                ) from None
        return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _check_pem(place: HttpPlace, key: str, path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(1 << 20)
    except OSError as error:
        raise ReaderError(f"{place.url}: --option {key}: {path} cannot be read: {error.strerror}") from None
    if b"-----BEGIN " not in head:
        raise ReaderError(f"{place.url}: --option {key}: {path} is not a PEM file")


class Credentials:
    """What goes into the headers of each request; checked when it is made.

    Parameters
    ----------
    place : HttpPlace
        Whose credentials these are: they are sent nowhere else.
    options : HttpOptions
        What was given.

    Raises
    ------
    ReaderError
        A header cannot be sent, a token is missing, or there is more than one kind of Authorization.
    """

    def __init__(self, place: HttpPlace, options: HttpOptions) -> None:
        self._where = place.url
        self._file = options.bearer_file
        self._headers: dict[str, str] = {}
        for name, value in options.headers:
            self._set(name, value, f"a header cannot be sent: {readable(name)}")
        given = {
            "user:password@": place.login is not None,
            "bearer": bool(options.bearer),
            "bearer-file": options.bearer_file is not None,
            "bearer-env": bool(options.bearer_env),
            "header Authorization": any(name.lower() == "authorization" for name in self._headers),
        }
        several = [name for name, is_given in given.items() if is_given]
        if len(several) > 1:
            raise ReaderError(f"{place.url}: only one of these may be given: {', '.join(several)}")
        if options.tenant:
            self._set("X-Scope-OrgID", options.tenant, "--option tenant: it cannot be sent in a header")
        if place.login is not None:
            request = httpx.Request("GET", "http://x")
            next(httpx.BasicAuth(*place.login).auth_flow(request))
            self._headers["Authorization"] = request.headers["Authorization"]
        if options.bearer:
            self._bear(options.bearer, "bearer")
        if options.bearer_env:
            token = os.environ.get(options.bearer_env, "")
            if not token.strip():
                raise ReaderError(f"{place.url}: --option bearer-env: {options.bearer_env} is not set")
            self._bear(token, f"bearer-env {options.bearer_env}")
        if self._file:
            try:
                self._bear(_read_token(self._file), f"bearer-file {self._file}")
            except OSError as error:
                raise ReaderError(
                    f"{place.url}: --option bearer-file: {self._file} cannot be read: {error.strerror}"
                ) from None

    def headers(self) -> dict[str, str]:
        """Headers of the next request. While a token's file is being replaced the last token is kept."""
        if self._file:
            with suppress(OSError, ReaderError):
                self._bear(_read_token(self._file), f"bearer-file {self._file}")
        return dict(self._headers)

    def _bear(self, token: str, option: str) -> None:
        token = token.strip()
        if not token:
            raise ReaderError(f"{self._where}: --option {option}: the token is empty")
        self._set("Authorization", f"Bearer {token}", f"--option {option}: the token cannot be sent in a header")

    def _set(self, name: str, value: str, problem: str) -> None:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ReaderError(f"{self._where}: {problem}")
        self._headers[name] = value


def _read_token(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_TOKEN_BYTES).decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    return readable(getattr(error, "strerror", None) or str(error)) or type(error).__name__
