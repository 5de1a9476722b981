"""Which panel a StatsD metric belongs to."""

from __future__ import annotations

import pytest

from sonify.readers.signals import Signal, Signals, load_signals, parse_matchers
from sonify.readers.statsd_names import StatsdNames, Target, spellings

CODE_LIVE = load_signals("code-live")


@pytest.mark.parametrize(
    ("name", "kind", "targets"),
    [
        ("code_live_requests_total", "c", {"requests"}),
        ("code.live.requests", "c", {"requests"}),
        ("code-live/requests", "c", {"requests"}),
        ("code.live.request.duration", "ms", {"latency"}),
        ("code_live_request_duration_seconds", "h", {"latency"}),
        ("code_live.request_duration_ms", "d", {"latency"}),
        ("code.live.batch.size", "h", {"batch"}),
        ("code.live.queue.depth", "g", {"queue"}),
        ("code.live.glitches", "c", {"glitches"}),
        ("code.live.queue.depth", "c", set()),
        ("code.live.requests", "g", set()),
        ("code.live.requests", "s", set()),
        ("code.live.request.duration", "c", set()),
        ("live.requests", "c", set()),
    ],
)
def test_names_match_as_statsd_writes_them(name: str, kind: str, targets: set[str]) -> None:
    found = StatsdNames(CODE_LIVE).targets(name, kind, {"backend": "rust"})
    assert {target.table for target in found} == targets
    assert {target.backend for target in found} <= {"rust"}


@pytest.mark.parametrize(
    ("name", "kind", "unit_s"),
    [
        ("code.live.request.duration", "ms", 1e-3),
        ("code.live.request.duration.seconds", "ms", 1e-3),
        ("code.live.request.duration", "h", 1.0),  # the preset's
        ("code.live.request.duration.ms", "h", 1e-3),
        ("code.live.request.duration_us", "d", 1e-6),
    ],
)
def test_the_unit_is_that_of_the_type_then_of_the_name_then_of_the_preset(name: str, kind: str, unit_s: float) -> None:
    assert StatsdNames(CODE_LIVE).targets(name, kind, {}) == (Target("latency", "all", 1, unit_s),)


def test_a_status_tells_errors_from_requests() -> None:
    names = StatsdNames(CODE_LIVE)

    def signs(tags: dict[str, str]) -> dict[str, int]:
        return {target.table: target.sign for target in names.targets("code.live.requests", "c", tags)}

    assert signs({"status": "503"}) == {"requests": 1, "errors": 1}
    assert signs({"status": "200"}) == {"requests": 1, "errors": 0}  # measured, and none
    assert signs({}) == {"requests": 1}  # nobody said


def test_fields_of_a_name_become_tags() -> None:
    signals = Signals(
        name="plain",
        backend_labels=("service",),
        requests=Signal(("app.{backend}.{status}.requests",)),
        errors=Signal(("app.{backend}.{status}.requests",), parse_matchers('status=~"5.."')),
        latency=Signal(("app_{backend}_latency", "x.{service}.latency"), unit_s=1e-3),
    )
    names = StatsdNames(signals)
    assert names.targets("app.rust.200.requests", "c", {}) == (
        Target("requests", "rust"), Target("errors", "rust", 0)
    )  # fmt: skip
    assert names.targets("app.go.500.requests", "c", {})[1] == Target("errors", "go", 1)
    assert names.targets("app.go.latency", "ms", {}) == (Target("latency", "go", 1, 1e-3),)
    assert names.targets("x.sql.latency", "d", {}) == ()  # goes after a name that is there
    assert names.targets("app.a.b.c.requests", "c", {}) == ()
    assert not names.wants("apps.rust.200.requests")


def test_the_first_name_of_the_preset_that_is_sent_counts() -> None:
    names = StatsdNames(Signals(name="x", requests=Signal(("a", "b"), plus=("c",))))
    assert names.targets("b", "c", {}) == (Target("requests", "all"),)
    assert names.num_better == 0
    assert names.targets("a", "c", {}) == (Target("requests", "all"),)
    assert names.num_better == 1
    assert names.targets("b", "c", {}) == ()
    assert names.targets("c", "c", {}) == (Target("requests", "all"),)


def test_a_timer_is_an_event_too() -> None:
    signals = Signals(
        name="caddy",
        requests=Signal(("http_request_duration_seconds_count",)),
        errors=Signal(("http_request_duration_seconds_count",), parse_matchers('code=~"5.."')),
        latency=Signal(("http_request_duration_seconds",)),
    )
    found = StatsdNames(signals).targets("http.request.duration", "ms", {"code": "502", "backend": "a"})
    assert {target.table: target.sign for target in found} == {"requests": 1, "errors": 1, "latency": 1}


def test_conditions_on_every_series_hold_for_events_too() -> None:
    signals = Signals(name="x", matchers=parse_matchers('env="prod"'), glitches=Signal(("g",)))
    names = StatsdNames(signals)
    assert names.event_target({"env": "prod", "backend": "go"}) == Target("glitches", "go")
    assert names.event_target({"env": "test"}) is None
    assert names.targets("g", "c", {"env": "test"}) == ()


def test_names_are_spelled_as_in_prometheus_for_choosing_a_preset() -> None:
    assert "code_live_requests_total" in spellings("code.live.requests", "c")
    assert "code_live_request_duration_seconds_bucket" in spellings("code.live.request.duration", "ms")
    assert "code_live_request_duration_seconds_bucket" in spellings("code.live.request.duration.ms", "d")
    assert spellings("code.live.queue.depth", "g") == {"code_live_queue_depth"}
