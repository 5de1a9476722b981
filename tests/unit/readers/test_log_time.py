"""Times of logs: each spelling gives the same microsecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.readers.log_time import CLF, EPOCH, ISO, MAX_TIME_US, has_zone, time_kind, time_parser

NOON_US = 1_767_614_400_000_000  # 2026-01-05T12:00:00Z


@pytest.mark.parametrize(
    ("text", "kind", "expected_us"),
    [
        ("05/Jan/2026:12:00:00 +0000", CLF, NOON_US),
        ("05/Jan/2026:04:30:00 -0730", CLF, NOON_US),
        ("2026-01-05T12:00:00Z", ISO, NOON_US),
        ("2026-01-05 12:00:00", ISO, NOON_US),
        ("2026-01-05 12:00:00.250 UTC", ISO, NOON_US + 250_000),
        ("2026-01-05T14:00:00.1234567+02:00", ISO, NOON_US + 123_456),
        ("2026-01-05T14:00:00,5+0200", ISO, NOON_US + 500_000),
        ("2026-01-05T12:00", ISO, NOON_US),
        ("1767614400", EPOCH, NOON_US),
        ("1767614400.125", EPOCH, NOON_US + 125_000),
        ("1767614400125", EPOCH, NOON_US + 125_000),
        ("1767614400125000", EPOCH, NOON_US + 125_000),
        ("1767614400125000000", EPOCH, NOON_US + 125_000),
    ],
)
def test_spellings(text: str, kind: str, expected_us: int) -> None:
    assert time_kind(text) == kind
    assert time_parser(kind)(text) == expected_us


@pytest.mark.parametrize(
    "text",
    ["", "-", "noon", "0", "-5", "nan", "inf", "1e300", "31/Feb/2026:12:00:00 +0000", "05/Foo/2026:12:00:00 +0000",
     "2026-13-05T12:00:00", "2022-08-22 03:51:19.978797393 +0000 UTC m=+0.484751374", "05/Jan/2026:12:00:00 +9999"],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    assert time_kind(text) == ""


@given(st.text("0123456789/-:.,TZ +JanUTCe", max_size=35))
def test_any_text_is_a_time_in_range_or_none(text: str) -> None:
    kind = time_kind(text)
    if kind:
        time_us = time_parser(kind)(text)
        assert time_us is not None
        assert 0 < time_us < MAX_TIME_US


def test_zones() -> None:
    assert has_zone("2026-01-05T12:00:00Z")
    assert has_zone("05/Jan/2026:12:00:00 +0000")
    assert has_zone("1767614400")
    assert not has_zone("2026-01-05T12:00:00.123")
