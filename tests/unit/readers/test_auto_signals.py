"""``--signals auto``: which preset is taken, what is said of it, and what where none fits."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from system_pages import SYSTEMS, Sample

from sonify.errors import ReaderError
from sonify.readers.auto_signals import RANKS, choose_signals
from sonify.readers.signals import PANEL_TABLES, list_signals, load_signals


def labels_of(samples: Iterable[Sample]) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = {}
    for sample in samples:
        labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def names_of(*systems: str) -> set[str]:
    return {sample.name for system in systems for sample in SYSTEMS[system].samples()}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("with_labels", [False, True])
def test_each_system_is_known_by_its_names(system: str, with_labels: bool) -> None:
    labels = labels_of(SYSTEMS[system].samples())
    choice = choose_signals(labels.keys(), labels if with_labels else None)
    assert choice.signals.name == system
    assert set(choice.found) == {key.split()[0] for key in SYSTEMS[system].expected}
    assert set(choice.found) | set(choice.missing) == set(PANEL_TABLES)


@pytest.mark.parametrize("system", sorted(SYSTEMS.keys() - {"prometheus-self", "node"}))
def test_what_runs_everywhere_loses_against_what_serves(system: str) -> None:
    choice = choose_signals(names_of(system, "prometheus-self", "node"))
    assert choice.signals.name == system
    assert choice.also[-2:] == ("prometheus-self", "node")
    assert choice.said.endswith("prometheus-self node")


def test_one_line_says_what_was_taken() -> None:
    names = names_of("envoy", "node") - {
        "envoy_cluster_upstream_rq_retry",
        "envoy_cluster_upstream_cx_connect_fail",
        "envoy_cluster_upstream_rq_rx_reset",
        "envoy_cluster_upstream_rq_timeout",
    }
    assert choose_signals(names).said == (
        "signals: envoy (requests errors latency queue active); no data for fallbacks glitches batch; also there: node"
    )
    assert choose_signals(names_of("code-live")).said == f"signals: code-live ({' '.join(PANEL_TABLES)})"


def test_presets_of_the_same_series_are_not_said_to_be_there_as_well() -> None:
    assert choose_signals(names_of("aspnet-core")).also == ()
    assert choose_signals(names_of("fastapi")).also == ()


def test_labels_tell_systems_apart_that_share_names() -> None:
    names = ["http_requests_total", "http_request_duration_seconds_bucket"]
    assert choose_signals(names).signals.name == "promhttp"
    for status, expected in (("status", "fastapi"), ("code", "promhttp")):
        labels = {names[0]: {"handler", status}, names[1]: {"handler", "le"}}
        assert choose_signals(names, labels).signals.name == expected
        assert choose_signals(names, labels.get).signals.name == expected
    neither = choose_signals(names, {names[0]: {"verb"}})
    assert neither.signals.name == "promhttp"
    assert neither.found == ("requests", "latency")


def test_labels_are_asked_for_only_where_they_matter() -> None:
    asked: list[str] = []
    choose_signals(names_of("envoy"), asked.append)
    assert asked == ["envoy_cluster_upstream_rq_xx"]


def test_native_histograms_and_summaries_are_latencies() -> None:
    native = choose_signals(["http_requests_total", "http_request_duration_seconds"])
    assert native.found == ("requests", "errors", "latency")
    summary = ["http_request_duration_seconds" + end for end in ("", "_sum", "_count")]
    assert choose_signals(summary).found == ("requests", "errors", "latency")
    assert "latency" not in choose_signals(["http_requests_total", "http_request_duration_seconds_sum"]).found


def test_where_nothing_fits_the_message_says_what_comes_near() -> None:
    names = ["grafana_http_request_duration_seconds_bucket", "shop_requests_total", "go_cgo_calls_total", "up"]
    with pytest.raises(ReaderError) as caught:
        choose_signals([*names, "hikaricp_connections_pending"])
    said = str(caught.value)
    assert "no preset fits the 5 metrics" in said
    assert "spring-boot has only queue" in said
    assert "shop_requests_total may be requests" in said
    assert "grafana_http_request_duration_seconds_bucket may be latency" in said
    assert "go_cgo" not in said
    assert "--signals NAME" in said
    assert "--signals mine.toml" in said
    with pytest.raises(ReaderError, match=r"no metrics yet.*--signals NAME"):
        choose_signals([])


def test_a_name_cannot_steer_the_terminal() -> None:
    with pytest.raises(ReaderError) as caught:
        choose_signals(["evil\x1b[2J_http_requests_total"])
    assert "\x1b" not in str(caught.value)


def test_ranks_hold_every_shipped_preset_once() -> None:
    ranked = [name for row in RANKS for name in row]
    assert sorted(ranked) == list_signals() == sorted(SYSTEMS)
    assert ranked[-2:] == ["prometheus-self", "node"]


@given(st.lists(st.sampled_from(sorted(SYSTEMS)), min_size=1, max_size=4, unique=True), st.randoms())
def test_the_choice_depends_on_the_set_of_names_only(systems: list[str], random: object) -> None:
    names = sorted(names_of(*systems))
    choice = choose_signals(names)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert choose_signals(names) == choice
    assert load_signals(choice.signals.name) == choice.signals


@given(st.lists(st.text(max_size=120), max_size=30))
def test_foreign_names_are_refused_in_one_line(names: list[str]) -> None:
    with pytest.raises(ReaderError) as caught:
        choose_signals(names)
    assert str(caught.value).isprintable()
