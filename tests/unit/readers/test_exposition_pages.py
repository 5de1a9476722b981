"""Pages of one target, one after another: what is known by its bytes is what a whole parse would give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import ReaderError
from sonify.readers import exposition_pages
from sonify.readers.exposition import Sample, parse_exposition
from sonify.readers.exposition_pages import Page, PageReader

Key = tuple[str, frozenset[tuple[str, str]]]


def key_of(sample: Sample) -> Key:
    return sample.name, frozenset(sample.labels.items())


def whole(data: bytes, *, openmetrics: bool) -> dict[Key, tuple[str, str]]:
    """The last sample of each series: value and time."""
    families = parse_exposition(data, openmetrics=openmetrics)
    return {
        key_of(sample): (repr(sample.value), repr(math.nan if sample.timestamp_s is None else sample.timestamp_s))
        for family in families
        for sample in family.samples
    }


def found(reader: PageReader, page: Page) -> dict[Key, tuple[str, str]]:
    times_s = np.full(len(page.ids), np.nan) if page.times_s is None else page.times_s
    return {
        (reader.series[series_id].name, frozenset(reader.series[series_id].labels.items())): (repr(value), repr(time_s))
        for series_id, value, time_s in zip(page.ids.tolist(), page.values.tolist(), times_s.tolist(), strict=True)
    }


values = st.sampled_from(["0", "1", "12.5", "1e3", "+Inf", "NaN", "0.1"])
names = st.sampled_from(
    ["a", "b_total", 'c{x="1"}', 'c{x="2"}', 'c{x=" 3 # {} 4"}', 'd{y="\\"",z="}"}', '{"e.f",g="h"}']
)
lines = st.builds(
    lambda name, value, tail: f"{name} {value}{tail}", names, values, st.sampled_from(["", "", "", " 17"])
)
loose = st.one_of(
    lines,
    st.builds(lambda name, value: f" {name}  {value} ", names, values),
    st.sampled_from(["", "# remark", "# TYPE a gauge", "# TYPE a counter", 'c { x = "1" , } 5', 'c{x="1"}5']),
)


@given(pages=st.lists(st.lists(loose, max_size=12), min_size=1, max_size=6))
def test_one_page_after_another_is_read_as_each_alone(pages: list[list[str]]) -> None:
    reader = PageReader("host")
    for page in pages:
        data = "\n".join(page).encode() + b"\n"
        assert found(reader, reader.read(data, openmetrics=False)) == whole(data, openmetrics=False)


exemplar = st.sampled_from(["", "", ' # {id="x # y"} 0.5', " # {} 1 12"])


@given(
    pages=st.lists(
        st.lists(st.tuples(st.integers(0, 20), st.booleans(), exemplar), min_size=1, max_size=5), min_size=1, max_size=6
    ),
    rereads=st.booleans(),
)
def test_openmetrics_pages_are_read_as_each_alone(pages: list[list[tuple[int, bool, str]]], rereads: bool) -> None:
    reader = PageReader("host")
    for page in pages:
        body = [
            f'a_total{{n="{index}"}} {value}{" 5.25" if timed else ""}{tail}'
            for index, (value, timed, tail) in enumerate(page)
        ]
        data = "\n".join(["# TYPE a counter", *body, "# EOF\n"]).encode()
        for _ in range(1 + rereads):
            assert found(reader, reader.read(data, openmetrics=True)) == whole(data, openmetrics=True)


def test_the_same_series_keep_their_ids_and_new_ones_are_told() -> None:
    reader = PageReader("host")
    first = reader.read(b'a 1\nb{x="1",y="2"} 2\n', openmetrics=False)
    assert first.is_first
    second = reader.read(b'a 3\nb{x="1",y="2"} 4\n', openmetrics=False)
    assert not second.is_first
    assert second.ids is first.ids
    assert second.values.tolist() == [3, 4]
    assert not len(second.born)
    third = reader.read(b'b{y="2",x="1"} 5\nc 6\n', openmetrics=False)
    assert third.ids.tolist() == [1, 2]  # labels in another order are the same series
    assert third.born.tolist() == [2]


def test_only_what_is_wanted_is_kept_but_all_names_are_known() -> None:
    reader = PageReader("host", lambda name: name == "b")
    for value in (1, 2):
        page = reader.read(f'a{{x="1"}} 1\nb{{y="1"}} {value}\nc 3\n'.encode(), openmetrics=False)
        assert page.values.tolist() == [value]
    assert reader.names == {"a": {"x"}, "b": {"y"}, "c": set()}
    reader.want(lambda name: name == "c")
    again = reader.read(b'a{x="1"} 1\nb{y="1"} 2\nc 3\n', openmetrics=False)
    assert again.is_first
    assert again.values.tolist() == [3]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b"a 1\nb two\n", "line 2: value 'two' is no number"),
        (b"a 1\nb \n", "line 2: .*allowed: a value"),
        (b"a 1\nb\n", "line 2: .*allowed: a value"),
        (b"a 1\nb 1_0\n", "line 2: value '1_0' is no number"),
        (b"a 1\nb 1 z\n", "line 2: timestamp 'z'"),
        (b'a 1\nb{x="} 1\n', "line 2: no label"),
    ],
)
def test_a_page_that_went_wrong_is_refused_and_the_next_is_read(wrong: bytes, said: str) -> None:
    reader = PageReader("host")
    reader.read(b"a 1\nb 2\n", openmetrics=False)
    with pytest.raises(ReaderError, match=f"host, {said}"):
        reader.read(wrong, openmetrics=False)
    assert reader.read(b"a 3\nb 4\n", openmetrics=False).values.tolist() == [3, 4]


def test_an_openmetrics_page_that_is_cut_off_is_refused_even_where_its_lines_are_known() -> None:
    reader = PageReader("host")
    reader.read(b"a 1\nb 2\n# EOF\n", openmetrics=True)
    with pytest.raises(ReaderError, match="was it cut off"):
        reader.read(b"a 1\nb 2\n", openmetrics=True)


def test_families_are_checked_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition_pages, "CHECK_EVERY", 3)
    reader = PageReader("host")
    reader.read(b"a 1\nb 2\n# EOF\n", openmetrics=True)
    torn = [b"a 1 1\nb 2\na 2 2\n# EOF\n", b"a 1 2\nb 2\na 2 3\n# EOF\n", b"a 1 3\nb 2\na 2 4\n# EOF\n"]
    reader.read(torn[0], openmetrics=True)
    reader.read(torn[1], openmetrics=True)
    with pytest.raises(ReaderError, match=r"line 3: .*in one piece"):
        reader.read(torn[2], openmetrics=True)


def test_memory_is_bounded_where_series_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition_pages, "_FORGET_MARGIN", 50)
    reader = PageReader("host")
    firsts = 0
    for number in range(100):
        data = "".join(f'a{{pod="{number}-{index}"}} 1\n' for index in range(10)).encode()
        firsts += reader.read(data, openmetrics=False).is_first
        assert len(reader.series) <= 90
    assert 1 < firsts < 30


def test_too_many_samples_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition_pages, "MAX_SERIES", 3)
    with pytest.raises(ReaderError, match="4 samples are more than the 3 allowed"):
        PageReader("host").read(b"a 1\nb 1\nc 1\nd 1\n", openmetrics=False)


@given(pages=st.lists(st.binary(max_size=60), min_size=1, max_size=4), openmetrics=st.booleans())
def test_any_bytes_are_read_or_refused(pages: list[bytes], openmetrics: bool) -> None:
    reader = PageReader("host")
    reader.read(b"a 1\n# EOF\n", openmetrics=openmetrics)
    for page in pages:
        for data in (page, b"a 1\n" + page + b"\n# EOF\n"):
            try:
                reader.read(data, openmetrics=openmetrics)
            except ReaderError as error:
                assert str(error).startswith("host, line ")  # noqa: PT017  (it need not come)
