"""What StatsD packets count."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import MetricFrame
from sonify.readers import statsd_counts
from sonify.readers.panel_window import PanelWindow
from sonify.readers.signals import Signal, Signals, load_signals
from sonify.readers.statsd_counts import StatsdCounts


class Reader:
    """Counts over windows of one second."""

    def __init__(self, signals: Signals | None = None) -> None:
        self.window = PanelWindow(interval_s=1.0, window_s=1.0)
        self.counts = StatsdCounts(self.window, signals)
        self.t = 0.0

    def frame(self, *packets: bytes) -> MetricFrame:
        self.t += 1.0
        self.counts.feed(list(packets), self.t)
        self.counts.fold(self.t)
        return self.window.frame(self.t)


def by_name(frame: MetricFrame, column: str) -> dict[str, float]:
    return dict(zip(frame.layout.backends, getattr(frame, column).tolist(), strict=True))


@pytest.fixture
def reader() -> Reader:
    return Reader(load_signals("code-live"))


def test_counters_are_scaled_by_their_sample_rate(reader: Reader) -> None:
    frame = reader.frame(
        b"code.live.requests:3|c|#backend:rust,status:200\ncode.live.requests:1|c|@0.25|#backend:rust,status:500",
        b"code.live.requests:2|c|@0.5|#backend:go,status:200\n",
    )
    assert by_name(frame, "request_rate") == {"rust": 7.0, "go": 4.0}
    assert by_name(frame, "error_ratio") == {"rust": pytest.approx(4 / 7), "go": 0.0}


def test_timers_are_milliseconds_and_distributions_in_the_unit_of_the_preset(reader: Reader) -> None:
    frame = reader.frame(
        b"code.live.request.duration:120|ms|@0.5|#backend:a",
        b"code.live.request.duration:0.12|h|#backend:b\ncode.live.request.duration:0.12:0.12:0.12|d|#backend:c",
        b"code.live.request.duration:0.12,0.12|d|#backend:d",
    )
    band = int(np.searchsorted(LatencyBands().edges_s, 0.12)) - 1
    rows = dict(zip(frame.layout.backends, frame.latency_rate, strict=True))
    assert {name: row[band] for name, row in rows.items()} == {"a": 2.0, "b": 1.0, "c": 3.0, "d": 2.0}
    assert frame.latency_rate.sum() == 8.0
    assert by_name(frame, "request_rate") == {"a": 2.0, "b": 1.0, "c": 3.0, "d": 2.0}  # no other count is there


def test_gauges_are_absolute_or_signed_and_add_up_over_series(reader: Reader) -> None:
    assert reader.frame(b"code.live.queue.depth:7|g").queue_depth == 7.0
    assert reader.frame(b"code.live.queue.depth:-3|g\ncode.live.queue.depth:+1|g").queue_depth == 5.0
    assert reader.frame(b"code.live.queue.depth:2|g|#pod:a\ncode.live.queue.depth:4|g|#pod:b").queue_depth == 11.0
    assert (
        reader.frame(b"code.live.queue.depth:9|g\ncode.live.queue.depth:0|g\ncode.live.queue.depth:9|g").queue_depth
        == 15.0
    )
    assert reader.frame().queue_depth == 15.0  # it holds until it is set again
    assert math.isnan(reader.frame().active_requests)


def test_a_gauge_that_nobody_sends_any_more_is_not_measured(reader: Reader) -> None:
    reader.frame(b"code.live.queue.depth:7|g|#pod:a\ncode.live.queue.depth:1|g|#pod:b")
    reader.t += 200.0
    assert reader.frame(b"code.live.queue.depth:2|g|#pod:b").queue_depth == 9.0
    reader.t += 150.0
    assert reader.frame().queue_depth == 2.0
    reader.t += 200.0
    assert math.isnan(reader.frame().queue_depth)


def test_events_are_glitches_and_checks_and_sets_are_passed_over(reader: Reader) -> None:
    frame = reader.frame(
        b"_e{6,13}:Glitch|xrun happened|t:error|#backend:rust\ncode.live.glitches:2|c|#backend:go",
        b"_sc|redis|2|#backend:go\ncode.live.users:anna|s|#backend:go\n\n\r\n",
    )
    assert by_name(frame, "glitch_rate") == {"rust": 1.0, "go": 2.0}
    assert reader.counts.num_bad == 0
    assert reader.counts.notices == []


def test_batch_sizes(reader: Reader) -> None:
    frame = reader.frame(b"code.live.batch.size:1:2:3:4|h\ncode.live.batch.size:30|d|@0.5")
    assert frame.batch_rate.tolist() == [1, 1, 2, 0, 0, 2, 0, 0]


def test_garbage_is_counted_and_said_once(reader: Reader) -> None:
    frame = reader.frame(
        b"\x1b[31mjunk\ncode.live.requests:x|c|#backend:a\ncode.live.requests:nan|c|#backend:a",
        b"code.live.requests:-4|c|#backend:a\ncode.live.requests:inf|c\ncode.live.queue.depth:++1|g",
        b"code.live.requests:5|c|@9\ncode.live.requests:5|c|#backend:a",
    )
    assert by_name(frame, "request_rate")["a"] == 5.0
    assert reader.counts.num_bad == 7
    (notice,) = reader.counts.notices
    assert "\\x1b[31mjunk" in notice
    assert "\x1b" not in notice


def test_the_preset_is_chosen_by_the_names_and_nothing_is_lost_until_then() -> None:
    reader = Reader()
    frame = reader.frame(b"some.thing:1|c\ncode.live.requests:1|c|#backend:go,status:200")
    assert by_name(frame, "request_rate") == {"go": 1.0}
    (notice,) = reader.counts.notices
    assert notice.startswith("signals: code-live (so far ")
    assert "; nothing yet for " in notice
    assert not reader.counts.unknown_names
    frame = reader.frame(b"code.live.request.duration:5|ms|#backend:rust")
    assert frame.layout.backends == ("go", "rust")


def test_names_that_no_preset_knows_are_remembered() -> None:
    reader = Reader()
    assert not np.isfinite(reader.frame(b"my.own:1|c\nmy.latency:4|ms").request_rate).any()
    assert set(reader.counts.unknown_names) == {"my.own", "my.latency"}


def test_a_better_name_takes_over_and_keeps_what_was_counted() -> None:
    reader = Reader(Signals(name="x", requests=Signal(("best", "second"))))
    assert reader.frame(b"second:1|c", b"second:1|c").request_rate.tolist() == [2.0]
    assert reader.frame(b"second:1|c\nbest:5|c\nsecond:1|c").request_rate.tolist() == [6.0]
    assert reader.frame(b"second:1|c\nbest:5|c\nsecond:1|c").request_rate.tolist() == [5.0]


def test_timers_that_seem_to_be_in_seconds_are_pointed_out(reader: Reader) -> None:
    reader.frame(*[b"code.live.request.duration:0.02|ms"] * 99)
    assert reader.counts.notices == []
    reader.frame(b"code.live.request.duration:0.02|ms")
    assert "use_ms=True" in reader.counts.notices[0]


def test_memory_is_bounded_and_counting_goes_on(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statsd_counts, "MAX_SERIES", 50)
    monkeypatch.setattr(statsd_counts, "_MAX_BINS", 20)
    monkeypatch.setattr(statsd_counts, "_MAX_PENDING", 100)
    lines = [b"code.live.requests:1|c|@%f|#id:%d" % (1 / (1 + index % 40), index) for index in range(1000)]
    lines += [b"other.%d:1|c" % index for index in range(1000)]
    frame = reader.frame(*lines)
    assert frame.request_rate.sum() == pytest.approx(sum(1 + index % 40 for index in range(1000)), rel=1e-3)
    assert len(reader.counts._lists) <= 50
    assert len(reader.counts._ignored) <= 50
    assert len(reader.counts._bins) <= 20
    assert "more than 50 combinations" in reader.counts.notices[0]


def test_a_line_with_a_time_is_not_kept(reader: Reader) -> None:
    for t in range(100):
        reader.frame(b"code.live.requests:1|c|#backend:a|T%d" % t)
    assert len(reader.counts._lists) == 0
    assert by_name(reader.frame(b"code.live.requests:2|c|#backend:a|T1"), "request_rate") == {"a": 2.0}


def test_many_lines_in_any_order_count_the_same(reader: Reader) -> None:
    """Against plain counting, line by line."""
    dice = random.Random(1)
    truth: dict[str, float] = {}
    lines = []
    for _ in range(5000):
        backend, count, rate = dice.choice("abc"), dice.randrange(5), dice.choice([1.0, 0.5, 0.125])
        truth[backend] = truth.get(backend, 0.0) + count / rate
        lines.append(b"code.live.requests:%d|c|@%a|#backend:%s" % (count, rate, backend.encode()))
    frame = reader.frame(*[b"\n".join(lines[i : i + 7]) for i in range(0, len(lines), 7)])
    assert by_name(frame, "request_rate") == pytest.approx(truth)


PIECES = st.sampled_from(
    [
        b"code.live.requests",
        b"code.live.queue.depth",
        b"code.live.request.duration",
        b"_e{1,1}",
        b":",
        b"|",
        b"c",
        b"g",
        b"ms",
        b"d",
        b"@0.5",
        b"#backend:a",
        b"1",
        b"-1",
        b"+2",
        b"1e308",
        b"nan",
        b",",
        b"\n",
        b"T1",
        b"_sc|",
    ]
)


@given(st.lists(st.binary(max_size=40) | st.lists(PIECES, max_size=12).map(b"".join), max_size=8))
def test_foreign_packets_never_stop_the_reader(packets: list[bytes]) -> None:
    for signals in (load_signals("code-live"), None):
        reader = Reader(signals)
        frame = reader.frame(*packets)
        for column in ("request_rate", "glitch_rate", "latency_rate", "batch_rate"):
            values = getattr(frame, column)
            assert ((values >= 0.0) & (values < 1e25) | np.isnan(values)).all()
        assert not frame.queue_depth < 0.0
        assert all(notice.isprintable() for notice in reader.counts.notices)
