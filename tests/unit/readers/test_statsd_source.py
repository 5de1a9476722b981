"""Frames of StatsD over time, without a socket and without waiting."""

from __future__ import annotations

import math
import random
from threading import Lock

import numpy as np
import pytest

from sonify.readers.panel_window import PanelWindow
from sonify.readers.signals import load_signals
from sonify.readers.source import Update
from sonify.readers.statsd import StatsdSource, _Frames
from sonify.readers.statsd_counts import StatsdCounts


class Received:
    """What a receiver tells of the packets that came."""

    def __init__(self, window: PanelWindow) -> None:
        self.counts = StatsdCounts(window, load_signals("code-live"))
        self.lock = Lock()
        self.newest_s = math.nan
        self.num_packets = 0
        self.problem = ""
        self.drops: int | None = 0

    def feed(self, now_s: float, *packets: bytes) -> None:
        self.counts.feed(list(packets), now_s)
        self.newest_s = now_s
        self.num_packets += len(packets)

    def dropped(self) -> int | None:
        return self.drops


class Followed:
    def __init__(self, *, interval_s: float, window_s: float, host: str = "127.0.0.1") -> None:
        source = StatsdSource((host, 8125), None, interval_s=interval_s, window_s=window_s, stale_after_s=2.0)
        self.window = PanelWindow(interval_s=interval_s, window_s=window_s)
        self.received = Received(self.window)
        self.frames = _Frames(source, self.received, self.window)  # type: ignore[arg-type]

    def at(self, t: float) -> Update:
        return self.frames.update(t, t)


def test_rates_over_time_add_up_to_what_was_counted_whatever_the_interval() -> None:
    dice = random.Random(3)
    for interval_s, window_s in ((0.002, 0.4), (0.004, 4.0), (0.05, 4.0), (0.5, 0.1)):
        followed = Followed(interval_s=interval_s, window_s=window_s)
        followed.received.feed(1000.0, b"code.live.requests:0|c")
        lull_s, length_s = max(window_s, interval_s) + 1.0, 2.0
        total, seen, step, t = 0, 0.0, 0, 1000.0
        while t < 1000.0 + 2.0 * lull_s + length_s:
            step += 1 if dice.random() < 0.9 else dice.randrange(1, 4)  # now and then a tick is late
            begin, t = t, 1000.0 + step * interval_s
            if lull_s < t - 1000.0 < lull_s + length_s:
                count = dice.randrange(100)
                total += count
                followed.received.feed(t, b"code.live.requests:%d|c" % count)
            followed.received.newest_s = t
            seen += float(followed.at(t).frame.request_rate[0]) * (t - begin)
        assert seen == pytest.approx(total, rel=0.01)
        assert len(followed.window._past) < 90  # a window is a sum of few


def test_a_lost_source_is_said_in_the_same_words_and_nothing_of_before_is_kept() -> None:
    followed = Followed(interval_s=0.05, window_s=4.0)
    assert followed.at(1000.0).problem == "waiting for the first packet on statsd://127.0.0.1:8125"
    followed.received.feed(1000.0, b"code.live.requests:8|c\ncode.live.queue.depth:3|g")
    update = followed.at(1000.05)
    assert update.lag_s == pytest.approx(0.05)
    assert (update.frame.fresh, update.problem, update.frame.queue_depth) == (True, "", 3.0)
    quiet = followed.at(1001.9)
    assert quiet.frame.fresh  # no traffic is not yet a lost source
    problems = {followed.at(1002.0 + 0.05 * index).problem for index in range(2, 50)}
    assert problems == {"no packet on statsd://127.0.0.1:8125 for over 2 s"}
    assert not followed.at(1010.0).frame.fresh
    followed.received.feed(1010.01, b"code.live.requests:1|c")
    update = followed.at(1010.05)
    assert update.frame.fresh
    assert update.frame.request_rate.tolist() == [pytest.approx(1.0 / 0.05)]
    assert np.isnan(update.frame.queue_depth)


def test_drops_of_the_kernel_are_told_at_most_every_ten_seconds() -> None:
    followed = Followed(interval_s=0.05, window_s=4.0)
    told = []
    for second in range(35):
        followed.received.feed(1000.0 + second, b"code.live.requests:1|c")
        followed.received.drops = 10 * second
        told += [(second, notice) for notice in followed.at(1000.0 + second).notices if "dropped" in notice]
    assert [second for second, _ in told] == [1, 11, 21, 31]
    assert "dropped 110 packets so far, beside 12 received" in told[1][1]


def test_what_is_not_known_and_who_may_send_is_said_once() -> None:
    followed = Followed(interval_s=0.05, window_s=4.0, host="0.0.0.0")
    notices = followed.at(1000.0).notices
    assert "everyone who reaches this machine can send metrics" in notices[0]
    assert followed.at(1000.05).notices == ()
    assert Followed(interval_s=0.05, window_s=4.0, host="::1").at(1000.0).notices == ()
    unknown = Followed(interval_s=0.05, window_s=4.0)
    unknown.received.drops = None
    unknown.frames = _Frames(unknown.frames._source, unknown.received, unknown.window)  # type: ignore[arg-type]
    assert unknown.at(1000.0).notices == ("how many packets the system drops is not known here",)
