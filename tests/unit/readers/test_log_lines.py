"""Lines of text logs: the combined format as sites extend it, and nginx log_format strings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.readers.log_fields import LogFields
from sonify.readers.log_lines import COMBINED, compile_log_format
from sonify.readers.log_plan import plan_lines
from sonify.readers.log_rows import line_parser
from sonify.readers.log_values import Request, is_true, parse_amount

TIME = "05/Jan/2026:08:00:00 +0000"
HEAD = f'10.0.0.1 - bob [{TIME}] "GET / HTTP/1.1" 503 17 "-" "curl/8"'


def _fields(line: str) -> dict[str, str | None]:
    match = re.fullmatch(COMBINED.pattern, line)
    assert match is not None
    return dict(zip(COMBINED.names, match.groups(), strict=True))


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("", None),
        (" 0.123", "0.123"),
        (" 0.123 0.100", "0.123"),
        (' "0.123"', "0.123"),
        (" rt=0.123 uct=0.001", "0.123"),
        (' rt="0.123"', "0.123"),
        (' "-" 0.123 -', "0.123"),
        (' "10.0.0.1" 0.123', "0.123"),
        (' "10.0.0.1, 10.0.0.2"', None),
        (" 123456", "123456"),
        (" -", None),
    ],
)
def test_the_request_time_is_found_behind_the_agent(tail: str, expected: str | None) -> None:
    assert _fields(HEAD + tail)["request_time"] == expected


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (HEAD, "503"),
        (f'::1 - - [{TIME}] "GET / HTTP/1.1" 200 -', "200"),
        (f'www.example.org:443 10.0.0.1 - - [{TIME}] "GET / HTTP/1.1" 200 5 "-" "x"', "200"),
        (f'10.0.0.1 - a b [{TIME}] "" 400 0 "-" "-" 0.000', "400"),
        (f'10.0.0.1 - - [{TIME}] "GET /\\x22 HTTP/1.1" 200 5 "http://a/?\\"b" "c \\" d" 0.1', "200"),
    ],
)
def test_combined_lines_as_servers_write_them(line: str, status: str) -> None:
    fields = _fields(line)
    assert fields["status"] == status
    assert fields["time_local"] == TIME


def test_a_virtual_host_before_the_line_is_the_backend() -> None:
    line = f'shop.example:443 10.0.0.1 - - [{TIME}] "GET / HTTP/1.1" 200 5 "-" "x" 0.25'
    request = line_parser(plan_lines("a.log", [line], LogFields()))(line)
    assert request is not None
    assert request.backend == "shop.example:443"


def test_an_nginx_format_reads_what_nginx_writes() -> None:
    text = (
        '$remote_addr [$time_iso8601] $host$request_uri "$request" ${status} $upstream_response_time '
        '"$http_user_agent" ($request_time)'
    )
    line = (
        '10.0.0.1 [2026-01-05T08:00:00+01:00] a.org/x/y?z=1 "GET /x/y?z=1 HTTP/2.0" 502 0.010, 0.020 : 0.300 '
        '"Moz (x) \\x22" (0.345)'
    )
    plan = plan_lines("a.log", [line], LogFields(format=text))
    request = line_parser(plan)(line)
    assert request is not None
    assert request[:6] == (1_767_596_400_000_000, 0.345, "a.org", True, False, False)
    by_upstream = plan_lines("a.log", [line], LogFields(format=text, latency="$upstream_response_time"))
    request = line_parser(by_upstream)(line)
    assert request is not None
    assert request.latency_s == pytest.approx(0.33)  # three servers were tried, one after another


@pytest.mark.parametrize("text", ["", "no variable", "$a $a", "$" + "a" * 5000])
def test_formats_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ReaderError, match="log format"):
        compile_log_format(text)


@given(st.text(max_size=200))
def test_any_format_compiles_or_is_refused(text: str) -> None:
    try:
        pattern, names = compile_log_format(text)
    except ReaderError:
        return
    assert re.compile(pattern).groups == len(names)


@given(st.text(max_size=300))
def test_any_line_is_read_or_left_out(line: str) -> None:
    parse = line_parser(plan_lines("a.log", [HEAD + " 0.1"], LogFields()))
    assert parse(line) is None or isinstance(parse(line), Request)


@given(st.text("0123456789.,:- en", max_size=30))
def test_an_amount_is_never_negative_nor_endless(text: str) -> None:
    amount = parse_amount(text)
    assert not amount < 0.0
    assert amount != float("inf")


def test_a_line_made_to_be_slow_is_not() -> None:
    # of each, a pattern that tries all ways would need longer than anyone waits
    parse = line_parser(plan_lines("a.log", [HEAD + " 0.1"], LogFields()))
    assert parse(HEAD + ' "a" ' * 20_000 + "\x00") is not None
    assert parse('10.0.0.1 - - [x] "' + "\\" * 50_000) is None
    assert parse("a" * 100_000 + ":1 " * 20_000) is None
    adjacent = compile_log_format("$scheme://$host$request_uri $status")
    assert re.fullmatch(adjacent.pattern, "http://" + "a" * 50_000) is None


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("true", True), ("0", False), ("-", False), ("No", False)])
def test_yes_and_no(text: str, expected: bool) -> None:
    assert is_true(text) is expected
