"""Metrics pages: the grammar of both formats, the official parser as the oracle, and what nobody should send."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from conftest import REAL_DATA
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from sonify.errors import ReaderError
from sonify.readers import exposition
from sonify.readers.exposition import Exemplar, Family, Sample, is_openmetrics, parse_exposition

PAGES = REAL_DATA / "metrics-pages"

Row = tuple[str, str, dict[str, str], str, float | None]


def samples_of(data: bytes, *, openmetrics: bool = False) -> list[Sample]:
    return [sample for family in parse_exposition(data, openmetrics=openmetrics) for sample in family.samples]


def one(line: str, *, openmetrics: bool = False) -> Sample:
    data = f"{line}\n# EOF\n" if openmetrics else f"{line}\n"
    (sample,) = samples_of(data.encode(), openmetrics=openmetrics)
    return sample


def by_series(rows: list[Row]) -> dict[tuple[str, frozenset[tuple[str, str]]], Row]:
    return {(row[1], frozenset(row[2].items())): row for row in rows}


def official(text: str) -> list[Row]:
    """Samples as the official parser reads them, with the kind of their family."""
    return [
        (family.type, sample.name, sample.labels, repr(float(sample.value)), sample.timestamp)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def ours(families: list[Family]) -> list[Row]:
    rows: list[Row] = []
    for family in families:
        for sample in family.samples:
            # the official parser gives counters their new names
            old = family.kind == "counter" and not family.name.endswith("_total") and sample.name == family.name
            name = f"{sample.name}_total" if old else sample.name
            rows.append((family.kind, name, sample.labels, repr(sample.value), sample.timestamp_s))
    return rows


# -- the official parser as the oracle ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.prom")) or [PAGES / "absent"], ids=lambda path: path.stem)
def test_real_pages_are_read_as_by_the_official_parser(page: Path) -> None:
    if not page.is_file():
        pytest.skip(f"real pages are not here: {PAGES}")
    text = page.read_text(encoding="utf-8")
    found, expected = ours(parse_exposition(text.encode(), openmetrics=False)), official(text)
    assert len(found) == len(expected) > 10
    assert by_series(found) == by_series(expected)


def test_all_real_pages_are_there() -> None:
    if not PAGES.is_dir():
        pytest.skip(f"real pages are not here: {PAGES}")
    assert len(list(PAGES.glob("*.prom"))) == 14


label_text = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.floats(min_value=0.0, allow_nan=False)


@given(
    label=label_text,
    help_text=label_text,
    count=numbers,
    level=st.floats(),
    seen=st.lists(st.floats(0, 1e6), max_size=5),
)
def test_what_the_official_client_writes_is_read_back(
    label: str, help_text: str, count: float, level: float, seen: list[float]
) -> None:
    registry = CollectorRegistry()
    Counter("requests", help_text, ["backend"], registry=registry).labels(label).inc(count)
    Gauge("level", help_text, ["a", "b"], registry=registry).labels(label, "x").set(level)
    histogram = Histogram("latency_seconds", help_text, ["backend"], registry=registry).labels(label)
    summary = Summary("size", help_text, registry=registry)
    for value in seen:
        histogram.observe(value)
        summary.observe(value)
    text = generate_latest(registry).decode()
    expected = {
        (sample.name, frozenset(sample.labels.items())): repr(sample.value)
        for family in registry.collect()
        for sample in family.samples
    }
    for data, strict in ((text, False), (generate_openmetrics(registry).decode(), True)):
        found = samples_of(data.encode(), openmetrics=strict)
        assert {(s.name, frozenset(s.labels.items())): repr(s.value) for s in found} == expected


# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize(
    ("line", "name", "labels"),
    [
        ("a:b_c1 1", "a:b_c1", {}),
        ('a{b="c"} 1', "a", {"b": "c"}),
        (r'a{b="\\ \" \n \t",c=""} 1', "a", {"b": '\\ " \n \\t', "c": ""}),
        ('a{b="} 2 # {c"} 1', "a", {"b": "} 2 # {c"}),
        ('a{b="é☃"} 1', "a", {"b": "é☃"}),
        ('{"http.requests"} 1', "http.requests", {}),
        ('{"http.requests","my label"="x",c="d"} 1', "http.requests", {"my label": "x", "c": "d"}),
        (r'{"a \"b\""} 1', 'a "b"', {}),
    ],
)
def test_names_and_labels(line: str, name: str, labels: dict[str, str], openmetrics: bool) -> None:
    sample = one(line, openmetrics=openmetrics)
    assert (sample.name, sample.labels, sample.value) == (name, labels, 1.0)


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("5.", 5),
        ("+Inf", math.inf),
        ("-inf", -math.inf),
        ("1e400", math.inf),
    ],
)
def test_values(text: str, value: float, openmetrics: bool) -> None:
    assert one(f"a {text}", openmetrics=openmetrics).value == value


def test_nan_is_nan() -> None:
    assert math.isnan(one("a NaN").value)
    assert math.isnan(one("a nan", openmetrics=True).value)


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("text", ["0x1p-3", "1_000", "١", "one", "--1", "1e", "0b1", "+NaNx", "∞"])
def test_what_is_no_number(text: str, openmetrics: bool) -> None:
    with pytest.raises(ReaderError, match=r"page, line 1: .*is no number; allowed: decimal digits"):
        one(f"a {text}", openmetrics=openmetrics)


def test_times_are_milliseconds_or_seconds() -> None:
    assert one("a 1 1700000000123").timestamp_s == 1700000000.123
    assert one("a 1 -5").timestamp_s == -0.005
    assert one("a 1 1700000000.123", openmetrics=True).timestamp_s == 1700000000.123
    with pytest.raises(ReaderError, match="Unix milliseconds"):
        one("a 1 17.5")


def test_exemplars() -> None:
    page = b'# TYPE a counter\na_total{b="c"} 5 12.5 # {trace="x # y"} 0.25 11\n# EOF\n'
    (sample,) = samples_of(page, openmetrics=True)
    assert sample == Sample("a_total", {"b": "c"}, 5.0, 12.5, Exemplar({"trace": "x # y"}, 0.25, 11.0))


def test_the_older_format_is_read_leniently() -> None:
    page = (
        b"\n \t\r\n# a remark\n#\n# HELP\n  #  TYPE   b   counter \n"
        b'b { c = "d" , } \t 5\t1000 \r\n  b{c="e"}7\n# UNIT b is a remark here\nb 1'
    )
    (family,) = parse_exposition(page, openmetrics=False)
    assert (family.name, family.kind) == ("b", "counter")
    assert [(s.labels, s.value, s.timestamp_s) for s in family.samples] == [
        ({"c": "d"}, 5.0, 1.0),
        ({"c": "e"}, 7.0, None),
        ({}, 1.0, None),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0a 1", "allowed: letters, digits"),
        ("a", "allowed: a value"),
        ("a 1 2 3", "allowed: a value"),
        ('a{b="c" 1', 'no label at character 3, .*allowed: NAME="value"'),
        ("a{b} 1", "has no value"),
        ('a{"b"} 1', "two names"),
        ('a{b="1",b="2"} 1', "is there twice"),
        ('a{__name__="b"} 1', "is there twice"),
        ("{} 1", "no name of a metric"),
        ("# TYPE a sausage", "it must be one of: counter gauge"),
        ("# TYPE a-b gauge", "no name of a metric"),
        ('a{b="c"} 1 # {d="e"} 1', "allowed: a value"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: str, said: str) -> None:
    with pytest.raises(ReaderError, match=f"host/metrics, line 2: .*{said}"):
        parse_exposition(f"good 1\n{line}\ngood 2\n".encode(), openmetrics=False, where="host/metrics")


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(ReaderError, match="page, line 2: not UTF-8 text at byte 4"):
        parse_exposition(b'a 1\na{b\xff="c"} 1\n', openmetrics=False)


def test_messages_are_one_printable_line() -> None:
    with pytest.raises(ReaderError) as caught:
        parse_exposition(b"a\x1b[31m\x07" + b"x" * 10_000 + b" 1\n", openmetrics=False)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


# -- families of OpenMetrics -------------------------------------------------------------------------------------------


def test_families_of_openmetrics() -> None:
    page = b"# HELP a_seconds time\\n\\\\ spent\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
    page += b"a_seconds_total 1\nb 2\n# EOF"
    first, second = parse_exposition(page, openmetrics=True)
    assert (first.name, first.kind, first.unit, first.help) == ("a_seconds", "counter", "seconds", "time\n\\ spent")
    assert (second.name, second.kind, second.samples[0].value) == ("b", "unknown", 2.0)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("a 1\n", "line 1: the page must end with the line # EOF"),
        ("a 1\n# EOF\nb 1\n# EOF\n", "line 2: # EOF must be the last line"),
        ("a 1\n\n# EOF\n", "line 2: "),
        ("# TYPE a counter\na_total -1\n# EOF\n", "line 2: .* from 0 up"),
        ("a 1\nb 1\na 2\n# EOF\n", "line 3: .*in one piece"),
        ("a 1\na 1\n# EOF\n", "line 2: .*second time"),
        ("# TYPE a gauge\n# TYPE a gauge\n# EOF\n", "line 2: .*second time"),
        ('# TYPE a histogram\na_bucket{le="1"} 1\n# EOF\n', "line 2: .*last bucket"),
        ('# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\n# EOF\n', "line 3: .*cumulative"),
        ('a 1 # {b="c"} 1\n# EOF\n', "line 1: .*exemplar is not allowed here"),
    ],
)
def test_rules_of_openmetrics(page: str, said: str) -> None:
    with pytest.raises(ReaderError, match=said):
        parse_exposition(page.encode(), openmetrics=True)


# -- which format, and limits ------------------------------------------------------------------------------------------


def test_content_types() -> None:
    assert is_openmetrics("application/openmetrics-text; version=1.0.0; charset=utf-8", "x")
    for text in ("text/plain; version=0.0.4", "text/plain", "", "TEXT/Plain;charset=utf-8"):
        assert not is_openmetrics(text, "x")
    for wrong in ("text/html", "application/json", "application/vnd.google.protobuf; encoding=delimited"):
        with pytest.raises(ReaderError, match=r"host: the answer is .*allowed: text/plain"):
            is_openmetrics(wrong, "host")


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ",".join(f'l{index}="v"' for index in range(65))
    for page, said in (
        (f"a{{{labels}}} 1\n", "more than 64 labels"),
        (f'a{{b="{"x" * 20_000}"}} 1\n', "longer than the 16384 characters"),
        (f"a 1 {' ' * 2**20}\n", "longer than the 1 MiB allowed for a line"),
    ):
        with pytest.raises(ReaderError, match=f"line 1: .*{said}"):
            parse_exposition(page.encode(), openmetrics=False)
    monkeypatch.setattr(exposition, "MAX_SERIES", 3)
    with pytest.raises(ReaderError, match="line 4: more than the 3 samples"):
        parse_exposition(b"a 1\n" * 4, openmetrics=False)
    monkeypatch.setattr(exposition, "MAX_PAGE_BYTES", 2**20)
    with pytest.raises(ReaderError, match="larger than the 1 MiB"):
        parse_exposition(b"#" * (2**20 + 1), openmetrics=False)


# -- foreign bytes -----------------------------------------------------------------------------------------------------

WORDS = 'a|_total|_bucket|{|}|"|=|,| |\t|\n|\\|# TYPE a |# HELP a |counter|histogram|{le="1"} |{le="+Inf"} '
pieces = st.sampled_from([*WORDS.encode().split(b"|"), b"1", b"NaN", b" # {", b"# EOF\n", b"\r\n", b"\x00", b"\xff"])


@given(data=st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=30).map(b"".join)), openmetrics=st.booleans())
def test_any_bytes_are_read_or_refused_with_their_place(data: bytes, openmetrics: bool) -> None:
    try:
        families = parse_exposition(data, openmetrics=openmetrics)
    except ReaderError as error:
        message = str(error)
        assert message.startswith("page, line ") and message.isprintable()  # noqa: PT018  (it need not come)
    else:
        assert all(isinstance(sample.value, float) for family in families for sample in family.samples)
