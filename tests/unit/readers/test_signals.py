"""Signals presets: what is read, and what a person is told about a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonify.errors import PresetError
from sonify.paths import presets_dir
from sonify.readers.signals import LabelMatcher, Signal, load_signals, parse_matchers

MINIMAL = '[requests]\nmetric = "hits_total"\n'


def write(directory: Path, text: str) -> str:
    path = directory / "mine.toml"
    path.write_text(text)
    return str(path)


def message(directory: Path, text: str) -> str:
    with pytest.raises(PresetError) as caught:
        load_signals(write(directory, text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_reference_service_has_every_panel() -> None:
    signals = load_signals("code-live")
    assert len(dict(signals.panels())) == 8
    assert signals.backend_labels == ("backend", "target")
    assert signals.errors is not None
    assert signals.errors.matchers == (LabelMatcher("status", "=~", '"5..|server_error"'),)
    assert signals.latency is not None
    assert signals.latency.unit_s == 1.0


def test_every_shipped_preset_loads() -> None:
    names = [path.stem for path in (presets_dir() / "signals").glob("*.toml")]
    assert "code-live" in names
    for name in names:
        assert load_signals(name).name == name


def test_a_panel_that_is_left_out_is_not_measured(tmp_path: Path) -> None:
    signals = load_signals(write(tmp_path, MINIMAL))
    assert signals.name == "mine"
    assert dict(signals.panels()) == {"requests": Signal(("hits_total",))}


def test_names_matchers_units_and_durations(tmp_path: Path) -> None:
    signals = load_signals(
        write(
            tmp_path,
            """
            matchers = 'job="api", env!~"dev|test"'
            scrape_interval = "15s"
            [backend]
            labels = "service.name"
            order = []
            [latency]
            metric = ["http.server.duration", "http_server_duration_milliseconds"]
            unit = "ms"
            """,
        )
    )
    assert [str(matcher) for matcher in signals.matchers] == ['job="api"', 'env!~"dev|test"']
    assert signals.scrape_interval_s == 15.0
    assert signals.backend_labels == ("service.name",)
    assert signals.latency == Signal(("http.server.duration", "http_server_duration_milliseconds"), (), 1e-3)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            MINIMAL + 'metrics = "x"\n',
            ["mine.toml", "requests.metrics", "'x'", "did you mean requests.metric?", "allowed:"],
        ),
        ("[request]\n" + MINIMAL, ["mine.toml", "request =", "did you mean requests?", "[requests]"]),
        ('scrape_intervall = "1s"\n' + MINIMAL, ["did you mean scrape_interval?"]),
        ("zzz = 1\n" + MINIMAL, ["zzz = 1", "no such key", "matchers"]),
        ('[latency]\nmetric = "x"\nunit = "min"\n', ["latency.unit", "'min'", "s or ms or us"]),
        ('[queue]\nmetric = "x"\nunit = "s"\n', ["queue.unit", "allowed: queue.metric queue.matchers"]),
        ('scrape_interval = "0s"\n' + MINIMAL, ["scrape_interval", "'0s'", "such as 15s"]),
        ("matchers = 'job=api'\n" + MINIMAL, ["matchers", "job=api", "PromQL"]),
        ("[requests]\nmetric = []\n", ["requests.metric", "[]"]),
        ('[requests]\nmetric = "a\\nb"\n', ["requests.metric", "a\\nb"]),
        ("[requests]\nmatchers = ''\n", ["requests.metric", "missing"]),
        ("requests = 1\n", ["requests", "must be a table", "[requests]"]),
        ('title = "nothing"\n', ["no panel", "requests"]),
        ("[requests\n", ["not valid TOML", "line 1"]),
        ("backend.order = ['a', 'a']\n" + MINIMAL, ["backend.order", "differ"]),
    ],
)
def test_a_mistake_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, parts: list[str]) -> None:
    found = message(tmp_path, text)
    assert "mine.toml" in found
    for part in parts:
        assert part in found


def test_an_unknown_name_lists_the_presets() -> None:
    with pytest.raises(PresetError, match=r"code_live.*did you mean code-live\?.*\.toml"):
        load_signals("code_live")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"nowhere\.toml.*No such file"):
        load_signals(str(tmp_path / "nowhere.toml"))
    with pytest.raises(PresetError, match="null"):
        load_signals("a\0b.toml")
    (tmp_path / "bad.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(PresetError, match="not UTF-8"):
        load_signals(str(tmp_path / "bad.toml"))


@pytest.mark.parametrize("text", ["", 'a="b"', 'a="b",', 'a = "x, y=\\"z\\"" , b=~".*"'])
def test_matchers_come_back_as_they_were_written(text: str) -> None:
    assert parse_matchers(",".join(map(str, parse_matchers(text)))) == parse_matchers(text)


@pytest.mark.parametrize("text", ['a="b"} or vector(1) #', "a=b", 'a="b" c="d"', '"a"="b"', 'a=="b"', 'a="b', ",", 3])
def test_what_could_change_a_query_is_no_matcher(text: object) -> None:
    with pytest.raises(ValueError, match=r"no label matcher|not text"):
        parse_matchers(text)
