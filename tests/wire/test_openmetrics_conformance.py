"""The OpenMetrics conformance set, and test pages of Prometheus and Telegraf, where they lie beside the checkout."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REAL_DATA
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sonify.errors import ReaderError
from sonify.readers.exposition import Family, parse_exposition
from sonify.readers.exposition_pages import PageReader

SETS = REAL_DATA / "openmetrics-tests"
CONFORMANCE = SETS / "openmetrics-conformance" / "tests" / "testdata" / "parsers"
FUZZ_SEEDS = SETS / "prometheus-common" / "expfmt" / "fuzz" / "corpus"

# What Prometheus scrapes all the same, though its stricter command line parser refuses it: no newline at the end, a
# backslash that escapes nothing, HELP or TYPE twice or late, bounds and quantiles that are no numbers.
LENIENT = {0, 1, 7, 12, 13, 14, 19}

Samples = list[tuple[str, dict[str, str], float, float | None]]


def cases() -> list[Path]:
    return sorted(CONFORMANCE.iterdir()) if CONFORMANCE.is_dir() else []


def need(folder: Path) -> None:
    if not folder.is_dir():
        pytest.skip(f"the conformance sets are not here: {folder}")


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def official(text: str) -> list[tuple[str, str, str, str, list[tuple[object, ...]]]]:
    return [
        (
            family.name,
            family.type,
            family.unit,
            family.documentation,
            [
                (
                    sample.name,
                    sample.labels,
                    repr(float(sample.value)),
                    None if sample.timestamp is None else float(sample.timestamp),
                    sample.exemplar and (sample.exemplar.labels, float(sample.exemplar.value)),
                )
                for sample in family.samples
            ],
        )
        for family in text_string_to_metric_families(text)
    ]


def ours(families: list[Family]) -> list[tuple[str, str, str, str, list[tuple[object, ...]]]]:
    rows = []
    for family in families:
        samples: dict[tuple[object, ...], tuple[object, ...]] = {}
        for sample in family.samples:
            exemplar = sample.exemplar and (sample.exemplar.labels, sample.exemplar.value)
            row = (sample.name, sample.labels, repr(sample.value), sample.timestamp_s, exemplar)
            # the official parser keeps times in whole nanoseconds, and drops what then seems to be there twice
            nanoseconds = None if sample.timestamp_s is None else int(sample.timestamp_s * 1e9)
            samples.setdefault((sample.name, frozenset(sample.labels.items()), nanoseconds), row)
        rounded = [(*row[:3], _nanoseconds(row[3]), row[4]) for row in samples.values()]
        rows.append((family.name, family.kind, family.unit, family.help, rounded))
    return rows


def _nanoseconds(time_s: object) -> object:
    return math.floor(time_s * 1e9) / 1e9 if isinstance(time_s, float) and time_s < 1e-6 else time_s


def test_the_whole_set_is_here() -> None:
    need(CONFORMANCE)
    assert len(cases()) == 211


@pytest.mark.parametrize("case", cases(), ids=lambda path: path.name)
def test_conformance(case: Path) -> None:
    data = (case / "metrics").read_bytes()
    if json.loads((case / "test.json").read_text())["shouldParse"]:
        assert ours(parse_exposition(data, openmetrics=True)) == official(data.decode())
    else:
        with pytest.raises(ReaderError, match=r"^page, line \d+: ") as caught:
            parse_exposition(data, openmetrics=True)
        assert re.search(r"allowed|must|may stand|in one piece|came before", str(caught.value))
    # the reader of pages that are scraped again and again gives the same verdict
    verdicts = {reads(lambda: parse_exposition(data, openmetrics=True)), reads(lambda: scraped(data))}
    assert len(verdicts) == 1


def scraped(data: bytes) -> None:
    PageReader("page").read(data, openmetrics=True)


def reads(read: Callable[[], object]) -> bool:
    try:
        read()
    except ReaderError:
        return False
    return True


@pytest.mark.parametrize(
    "seed", sorted(FUZZ_SEEDS.glob("from_test_parse_*")) if FUZZ_SEEDS.is_dir() else [], ids=lambda p: p.name
)
def test_seeds_of_the_older_format(seed: Path) -> None:
    number = int(seed.name.rpartition("_")[2])
    good = "error" not in seed.name or number in LENIENT
    assert reads(lambda: parse_exposition(seed.read_bytes(), openmetrics=False)) is good


@pytest.mark.parametrize("name", ["alltypes.237mfs.prom.txt", "alltypes.237mfs.nometa.prom.txt"])
def test_real_page_of_prometheus(name: str) -> None:
    need(SETS)
    data = (SETS / "prometheus" / "model" / "textparse" / "testdata" / name).read_bytes()
    families = parse_exposition(data, openmetrics=False)
    num_samples = sum(len(family.samples) for family in families)
    assert num_samples == sum(1 for line in data.splitlines() if line and not line.startswith(b"#")) > 1000
    kinds = {family.kind for family in families}
    assert kinds == ({"unknown"} if "nometa" in name else {"counter", "gauge", "histogram", "summary"})


@pytest.mark.parametrize("name", ["alltypes.5mfs.om.txt", "1histogram.om.txt"])
def test_openmetrics_pages_of_prometheus(name: str) -> None:
    need(SETS)
    data = (SETS / "prometheus" / "model" / "textparse" / "testdata" / name).read_bytes()
    if not data.rstrip().endswith(b"# EOF"):
        data = data.rstrip() + b"\n# EOF\n"
    assert_as_official(data)


def assert_as_official(data: bytes) -> bool:
    """Same verdict as the official parser, and the same families where it is good."""
    try:
        expected = official(data.decode())
    except ValueError:
        with pytest.raises(ReaderError):
            parse_exposition(data, openmetrics=True)
        return False
    assert ours(parse_exposition(data, openmetrics=True)) == expected
    return True


def telegraf(kind: str) -> list[Path]:
    folder = SETS / "telegraf" / "plugins" / "parsers" / kind / "testcases"
    need(folder)
    return sorted(folder.glob("*/input.txt"))


def test_pages_of_telegraf() -> None:
    pages = telegraf("prometheus")
    assert len(pages) >= 5
    for page in pages:
        families = parse_exposition(page.read_bytes(), openmetrics=False, where=page.parent.name)
        assert sum(len(family.samples) for family in families) > 0


def test_openmetrics_pages_of_telegraf() -> None:
    verdicts = [assert_as_official(page.read_bytes()) for page in telegraf("openmetrics")]
    assert verdicts.count(True) >= 5
