"""What stands around the values of StatsD lines."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.readers.statsd_lines import KINDS, MAX_TAGS, Head, parse_event_tags, parse_head


@pytest.mark.parametrize(
    ("name", "suffix", "head"),
    [
        (b"app.lat", b"ms", Head("app.lat", "ms", 1.0, {})),
        (b"app.s", b"c|@0.5", Head("app.s", "c", 2.0, {})),
        (b"app.lat", b"h|#backend:rust,env:prod", Head("app.lat", "h", 1.0, {"backend": "rust", "env": "prod"})),
        (
            b"a",
            b"c|@0.1|#http.status-code:200,solo\r",
            Head("a", "c", 10.0, {"http_status_code": "200", "solo": "true"}),
        ),
        (b"a", b"g|#k:v|c:83c0a99c0a54|T1656581400|e:it-false|card:low", Head("a", "g", 1.0, {"k": "v"})),
        (b"a", b"c|c:in-42|new:field", Head("a", "c", 1.0, {})),
        (b"a", b"c|#url:http://x:1/y,,k:1,k:2", Head("a", "c", 1.0, {"url": "http://x:1/y", "k": "1"})),
        (b"a,backend=go,zone=b", b"c", Head("a", "c", 1.0, {"backend": "go", "zone": "b"})),
        (b"a[backend=go,zone=b].x", b"c|#zone:c", Head("a.x", "c", 1.0, {"backend": "go", "zone": "b"})),
        ("größe".encode(), b"d", Head("größe", "d", 1.0, {})),
    ],
)
def test_heads_are_read(name: bytes, suffix: bytes, head: Head) -> None:
    assert parse_head(name, suffix) == head


@pytest.mark.parametrize(
    ("name", "suffix", "said"),
    [
        (b"a", b"", "one of c g ms h d s"),
        (b"a", b"q", "one of c g ms h d s"),
        (b"", b"c", "1 to 500 bytes"),
        (b"a" * 501, b"c", "1 to 500 bytes"),
        (b"a[k=v", b"c", "not closed"),
        (b"[k=v]", b"c", "no name"),
        (b",k=v", b"c", "no name"),
        (b"a", b"c|@0", "sample rate"),
        (b"a", b"c|@1.5", "sample rate"),
        (b"a", b"c|@nan", "sample rate"),
        (b"a", b"c|@x", "could not convert"),
        (b"a", b"c|#" + b",".join(b"k%d:v" % index for index in range(MAX_TAGS + 1)), "more than 64 tags"),
    ],
)
def test_what_is_no_head_is_refused(name: bytes, suffix: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_head(name, suffix)


def test_tags_are_cut_to_a_length() -> None:
    head = parse_head(b"a", b"c|#" + b"k" * 999 + b":" + b"v" * 999)
    assert head.tags == {"k" * 200: "v" * 200}


def test_the_lengths_of_an_event_decide_where_its_fields_begin() -> None:
    """The title and the text may hold bars and hashes."""
    assert parse_event_tags(b"_e{6,13}:Glitch|xrun happened|t:error|#backend:rust") == {"backend": "rust"}
    assert parse_event_tags(b"_e{5,6}:a|#b:|c|#d:e|#backend:go,env:x\r") == {"backend": "go", "env": "x"}
    assert parse_event_tags("_e{3,0}:ä!|".encode()) == {}


@pytest.mark.parametrize(
    "line", [b"_e", b"_e{1}:a|b", b"_e{9,9}:a|b", b"_e{1,1}:a|bc", b"_e{1,1}:ab|c", b"_e{x,1}:a|b", b"_e{1,1}a|b"]
)
def test_an_event_that_is_not_as_long_as_it_says_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="event"):
        parse_event_tags(line)


@given(
    st.binary(max_size=80),
    st.binary(max_size=200)
    | st.builds(
        lambda kind, fields: "|".join([kind, *fields]).encode(errors="replace"),
        st.sampled_from(KINDS),
        st.lists(
            st.sampled_from(["@", "#", "c:", "T", "x"]).flatmap(lambda m: st.text(max_size=12).map(lambda t: m + t)),
            max_size=4,
        ),
    ),
)
def test_foreign_bytes_are_read_or_refused(name: bytes, suffix: bytes) -> None:
    try:
        head = parse_head(name, suffix)
    except ValueError:
        return
    assert head.name
    assert head.kind in KINDS
    assert 1.0 <= head.weight <= 1.0000001e6
    assert len(head.tags) <= MAX_TAGS
    assert all(label.replace("_", "a").isalnum() and label.isascii() for label in head.tags)


@given(st.binary(max_size=60).map(lambda rest: b"_e{" + rest))
def test_foreign_events_are_read_or_refused(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(parse_event_tags(line)) <= MAX_TAGS
