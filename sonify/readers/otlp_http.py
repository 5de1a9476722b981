"""OTLP over HTTP: what a request is answered, apart from any socket."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from sonify.errors import ReaderError
from sonify.readers.otlp_json import decode_json
from sonify.readers.otlp_model import Metric, TooMuchError
from sonify.readers.otlp_panels import Receipt
from sonify.readers.otlp_protobuf import decode_protobuf, encode_partial_success, encode_status
from sonify.readers.readable import readable

__all__ = ["MAX_BODY_BYTES", "METRICS_PATH", "Answer", "Take", "answer_of", "refuse", "refuse_head", "too_large"]

MAX_BODY_BYTES = 16 * 2**20  # compressed and not; hostile bytes take 32 times as much memory when they are decoded
METRICS_PATH = "/v1/metrics"
_OTHER_PATHS = ("/v1/traces", "/v1/logs", "/v1development/profiles")
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_INVALID, _EXHAUSTED, _UNIMPLEMENTED, _UNAVAILABLE = 3, 8, 12, 14  # google.rpc.Code
_CODES = {404: _UNIMPLEMENTED, 405: _UNIMPLEMENTED, 413: _EXHAUSTED, 415: _UNIMPLEMENTED, 503: _UNAVAILABLE}

Take: TypeAlias = Callable[[Callable[[], list[Metric]]], Receipt]


class Answer(NamedTuple):
    """Status, type of the content, content, and further headers."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse(status: int, message: str, content_type: str, *headers: tuple[str, str]) -> Answer:
    """Say no with a ``google.rpc.Status`` in the encoding that was asked in."""
    code = _CODES.get(status, _INVALID)
    if content_type == PROTOBUF:
        return Answer(status, PROTOBUF, encode_status(code, message), headers)
    return Answer(status, JSON, json.dumps({"code": code, "message": message}).encode(), headers)


def refuse_head(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
    """Say no to what can be seen before the body comes; None where all is well.

    Parameters
    ----------
    method, path : str
        Of the request line.
    headers : mapping
        By name in lower case.
    """
    content_type = _content_type(headers)
    path = path.partition("?")[0]
    if path in _OTHER_PATHS:
        return refuse(404, f"sonify hears metrics only: send them to {METRICS_PATH}, nothing to {path}", content_type)
    if path != METRICS_PATH:
        return refuse(404, f"nothing is here but {METRICS_PATH}", content_type)
    if method != "POST":
        return refuse(405, f"{METRICS_PATH} takes POST only", content_type, ("Allow", "POST"))
    if content_type not in (PROTOBUF, JSON):
        shown = readable(content_type, 60)
        return refuse(415, f"the content type is {shown!r}; allowed are {PROTOBUF} and {JSON}", content_type)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity", ""):
        shown = readable(encoding, 60)
        message = f"the content encoding is {shown!r}; allowed are gzip and identity"
        return refuse(415, message, content_type, ("Accept-Encoding", "gzip"))
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > MAX_BODY_BYTES:
        return too_large(headers)
    return None


def too_large(headers: Mapping[str, str]) -> Answer:
    """Say that a body is too large, to a request with these headers."""
    message = f"the body is larger than {MAX_BODY_BYTES // 2**20} MiB: export in smaller batches"
    return refuse(413, message, _content_type(headers), ("Connection", "close"))


def answer_of(headers: Mapping[str, str], body: bytes, take: Take) -> Answer:
    """Take in the body of a request whose head is well.

    Parameters
    ----------
    headers : mapping
        By name in lower case.
    body : bytes
        As sent, at most `MAX_BODY_BYTES`.
    take : callable
        Gets what decodes the body.
    """
    content_type = _content_type(headers)
    if headers.get("content-encoding", "").strip().lower() == "gzip":
        try:
            body = _gunzip(body)
        except zlib.error as error:
            return refuse(400, f"the body is not gzip: {readable(str(error), 80)}", content_type)
        if len(body) > MAX_BODY_BYTES:
            return too_large(headers)
    decode = decode_protobuf if content_type == PROTOBUF else decode_json
    try:
        receipt = take(lambda: decode(body))
    except TooMuchError as error:
        return refuse(413, str(error), content_type)
    except ReaderError as error:
        return refuse(400, str(error), content_type)
    if content_type == PROTOBUF:
        return Answer(200, PROTOBUF, encode_partial_success(*receipt))
    if not receipt.rejected:
        return Answer(200, JSON, b"{}")
    partial = {"rejectedDataPoints": str(receipt.rejected), "errorMessage": receipt.message}
    return Answer(200, JSON, json.dumps({"partialSuccess": partial}).encode())


def _gunzip(body: bytes) -> bytes:
    """Decompress, up to one byte more than is allowed; zlib.error where it is not whole."""
    plain = bytearray()
    while body:
        member = zlib.decompressobj(wbits=31)
        plain += member.decompress(body, MAX_BODY_BYTES + 1 - len(plain))
        if len(plain) > MAX_BODY_BYTES:
            break
        if not member.eof:
            raise zlib.error("it ends too early")
        body = member.unused_data
    return bytes(plain)
