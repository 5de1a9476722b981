"""What stands before a server: passwords, tokens, tenants, certificates, redirects, and being asked to come back."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from servers import require_program

from sonify.errors import ReaderError
from sonify.readers.http_options import HttpOptions
from sonify.readers.prometheus import open_prometheus_source
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.source import open_source

Headers = dict[str, str]
Answer = tuple[int, Headers, Any]
SUCCESS: Answer = (200, {}, {"status": "success", "data": ["fine"]})
NAMES = "/api/v1/label/__name__/values"


class Door:
    """A server that answers as `answer` says, and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, Headers], Answer], context: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, Headers]] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                door.asked.append((self.path, headers))
                status, extra, body = answer(self.path, headers)
                content = json.dumps(body).encode()
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that does not trust the certificate is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{'https' if context else 'http'}://{self.address}"


@contextmanager
def door(answer: Callable[[str, Headers], Answer], context: ssl.SSLContext | None = None) -> Iterator[Door]:
    made = Door(answer, context)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def wants(header: str, value: str) -> Callable[[str, Headers], Answer]:
    def answer(_path: str, headers: Headers) -> Answer:
        return SUCCESS if headers.get(header) == value else (401, {}, "Unauthorized")

    return answer


def ask(url: str, **options: Any) -> Any:
    with PrometheusApi(url, HttpOptions(**options), sleep=lambda _: None) as api:
        return api.get(NAMES, [], what="names")


def refusal(url: str, **options: Any) -> str:
    with pytest.raises(ReaderError) as caught:
        ask(url, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert "secret" not in text
    return text


# -- who asks ----------------------------------------------------------------------------------------------------------


def test_a_name_and_a_password() -> None:
    with door(wants("authorization", "Basic YW5uOnMlY3JldA==")) as there:
        assert ask(f"http://ann:s%25cret@{there.address}") == ["fine"]
        assert "HTTP 401, credentials are needed" in refusal(f"http://ann:secret@{there.address}")


def test_a_token_as_a_value_from_the_environment_and_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONIFY_TEST_TOKEN", "secret-1\n")
    file = tmp_path / "token"
    file.write_text("secret-1\n")
    with door(wants("authorization", "Bearer secret-1")) as there:
        assert ask(there.url, bearer="secret-1") == ["fine"]
        assert ask(there.url, bearer_env="SONIFY_TEST_TOKEN") == ["fine"]
        assert ask(there.url, bearer_file=file) == ["fine"]
        assert "HTTP 401" in refusal(there.url, bearer="secret-2")


def test_a_token_that_is_replaced_while_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret-1")
    with (
        door(lambda _path, _headers: SUCCESS) as there,
        PrometheusApi(there.url, HttpOptions(bearer_file=file)) as api,
    ):
        for content in ("secret-1", "secret-2", "", None, "secret-3"):
            if content is None:
                file.unlink()
            else:
                file.write_text(content)
            api.get(NAMES, [], what="names")
        tokens = [headers["authorization"].removeprefix("Bearer secret-") for _, headers in there.asked]
    assert tokens == ["1", "2", "2", "2", "3"]


def test_a_tenant_a_header_a_prefix_and_a_parameter() -> None:
    with door(wants("x-scope-orgid", "team")) as there:
        assert ask(f"{there.url}/prometheus/?key=secret", tenant="team", headers=(("X-More", "1"),)) == ["fine"]
        path, headers = there.asked[0]
    assert path == f"/prometheus{NAMES}?key=secret"
    assert headers["x-more"] == "1"


def test_options_as_a_person_writes_them(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    with door(wants("authorization", "Bearer secret")) as there:
        source = open_source(
            f"prometheus+{there.url}",
            "code-live",
            [f"bearer-file={tmp_path / 'token'}", "tenant=team", "header=X-More: a=b", "timeout=5s", "retries=0"],
        )
        with pytest.raises(ReaderError, match=r"no data .*looked for"):
            source.read(None, None)
        headers = there.asked[-1][1]
    assert (headers["x-scope-orgid"], headers["x-more"]) == ("team", "a=b")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bearer": "a", "bearer_env": "B"}, "only one of these may be given: bearer, bearer-env"),
        ({"bearer": "secret\n\nx"}, "bearer: the token cannot be sent"),
        ({"bearer": " "}, "bearer: the token is empty"),
        ({"bearer_env": "SONIFY_NO_SUCH"}, "bearer-env: SONIFY_NO_SUCH is not set"),
        ({"bearer_file": Path("/no/such")}, "bearer-file: /no/such cannot be read: No such file"),
        ({"tenant": "secret\r\nX: y"}, "tenant: it cannot be sent"),
        ({"headers": (("a b", "secret"),)}, "a header cannot be sent: a b"),
        ({"ca_file": Path("/no/such")}, "--option ca is for https only"),
    ],
)
def test_what_cannot_be_used_is_said_when_it_is_opened(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ReaderError) as caught:
        open_prometheus_source("prometheus+http://127.0.0.1:9", "code-live", **options)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(HttpOptions(**options))


# -- redirects ---------------------------------------------------------------------------------------------------------


def test_a_redirect_on_the_same_server_is_followed_with_its_credentials() -> None:
    def answer(path: str, headers: Headers) -> Answer:
        if path.startswith("/old"):
            return 307, {"Location": path.replace("/old", "/new")}, ""
        return wants("authorization", "Bearer secret")(path, headers)

    with door(answer) as there:
        assert ask(f"{there.url}/old", bearer="secret") == ["fine"]


def test_a_redirect_elsewhere_is_refused_and_carries_nothing() -> None:
    with door(lambda _path, _headers: SUCCESS) as other:

        def answer(_path: str, _headers: Headers) -> Answer:
            return 302, {"Location": f"{other.url}/x?token=secret"}, ""

        with door(answer) as there:
            text = refusal(there.url, bearer="secret")
        assert f"redirects to another server, {other.url}, which is not followed" in text
        assert other.asked == []


def test_a_redirect_in_a_circle() -> None:
    with door(lambda path, _headers: (308, {"Location": path}, "")) as there:
        assert "redirects in a circle" in refusal(there.url)


# -- once more ---------------------------------------------------------------------------------------------------------


def test_a_busy_server_says_when_to_come_back() -> None:
    left = [(429, {"Retry-After": "3"}, "later"), (503, {"Retry-After": "86400"}, "later"), (503, {}, "later")]
    waits: list[float] = []
    with (
        door(lambda _path, _headers: left.pop(0) if left else SUCCESS) as there,
        PrometheusApi(there.url, HttpOptions(retries=5), sleep=waits.append) as api,
    ):
        assert api.get(NAMES, [], what="names") == ["fine"]
    assert waits[0] >= 1.5
    assert 5.0 <= waits[1] <= 10.0  # not for a day
    assert waits[2] <= 5.0
    with door(lambda _path, _headers: (429, {}, "slow down")) as there:
        assert "HTTP 429, the server is asked too often" in refusal(there.url, retries=1)
        assert len(there.asked) == 2


# -- certificates ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of a server and a client that it signed."""
    openssl = require_program("openssl")
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True, timeout=30)

    run("req", "-x509", *key, "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    for name, subject in (("server", "/CN=127.0.0.1"), ("client", "/CN=ann")):
        run(
            "req", "-x509", *key, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", subject,
            "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
    run("ec", "-in", "client.key", "-out", "locked.key", "-aes256", "-passout", "pass:secret")
    (folder / "no.pem").write_text("nothing")
    return folder


def test_a_certificate_on_both_sides(certificates: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with door(lambda _path, _headers: SUCCESS, context) as there:
        ours = {"cert_file": certificates / "client.pem", "key_file": certificates / "client.key"}
        assert ask(there.url, ca_file=certificates / "ca.pem", **ours) == ["fine"]
        assert "certificate verify failed" in refusal(there.url, **ours)
        assert refusal(there.url, ca_file=certificates / "ca.pem", retries=0)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"ca_file": "none.pem"}, "none.pem cannot be read: No such file"),
        ({"ca_file": "no.pem"}, "no.pem is not a PEM file"),
        ({"cert_file": "ca.pem"}, "no client certificate with its key, unencrypted, in PEM"),
        ({"cert_file": "client.pem", "key_file": "server.key"}, "no client certificate with its key"),
        ({"cert_file": "client.pem", "key_file": "locked.key"}, "the key is encrypted"),
        ({"key_file": "client.key"}, "--option key needs --option cert"),
    ],
)
def test_certificates_that_cannot_be_used(certificates: Path, files: dict[str, str], said: str) -> None:
    options = {key: certificates / name for key, name in files.items()}
    with pytest.raises(ReaderError) as caught:
        PrometheusApi("https://127.0.0.1:9", HttpOptions(**options))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
