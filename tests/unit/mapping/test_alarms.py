import dataclasses

import numpy as np
import pytest

from sonify.mapping.alarms import LimitTracker
from sonify.mapping.habituation import Habituation
from sonify.mapping.score import Alarm, Score
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.panels import Limits, State

LAYOUT = Layout(1.0, ("a", "b"), LatencyBands().edges_s, np.array([]))
LIMITS = {"queue_depth": Limits(50.0, 100.0), "error_ratio": Limits(0.01, 0.05)}


def frame(queue=float("nan"), errors=(float("nan"),) * 2, fresh=True):
    blank = MetricFrame.unmeasured(LAYOUT, 0.0, fresh=fresh)
    return dataclasses.replace(blank, queue_depth=queue, error_ratio=np.array(errors))


def heard(values, *, step_s=1.0, **options):
    """Alarms of the queue's panel at each step: + worse, − recovered, . none."""
    tracker = LimitTracker(LIMITS, **options)
    signs = {(): "."}
    for worse, sign in ((True, "+"), (False, "-")):
        signs[(Alarm("queue_depth", worse),)] = sign
    return "".join(signs[tracker.update(frame(queue=value), step_s * i)] for i, value in enumerate(values))


def test_every_limit_crossed_upwards_is_called_at_once():
    assert heard([0, 60, 120]) == ".++"


def test_recovery_is_called_with_hysteresis():
    assert heard([60, 48, 46, 44, 44], repeat_s=1.0) == "+..-."


def test_a_panel_that_flutters_does_not_chatter():
    called = heard([60, 40] * 20, repeat_s=10.0)
    assert called.count("+") + called.count("-") <= 9


def test_red_is_repeated_until_the_budget_is_spent():
    assert heard([120] * 40, repeat_s=10.0, repeats=2) == "+.........+.........+..................."


def test_an_acknowledged_alarm_is_not_repeated_but_a_new_one_is_called():
    tracker = LimitTracker(LIMITS, repeat_s=5.0, repeats=5)
    assert tracker.update(frame(queue=120), 1.0)
    assert tracker.unacknowledged == ("queue_depth",)
    tracker.acknowledge()
    assert tracker.unacknowledged == ()
    assert not any(tracker.update(frame(queue=120), 2.0 + i) for i in range(30))
    assert tracker.update(frame(queue=120, errors=(0.0, 0.5)), 40.0) == (Alarm("error_ratio", worse=True),)
    assert tracker.unacknowledged == ("error_ratio",)


def test_what_was_acknowledged_and_comes_again_is_not_acknowledged():
    tracker = LimitTracker(LIMITS)
    tracker.update(frame(queue=120), 0.0)
    tracker.acknowledge()
    tracker.update(frame(queue=1), 20.0)
    tracker.update(frame(queue=120), 40.0)
    assert tracker.unacknowledged == ("queue_depth",)


def test_the_worst_comes_first():
    tracker = LimitTracker(LIMITS)
    alarms = tracker.update(frame(queue=60, errors=(0.5, 0.0)), 0.0)
    assert [alarm.panel for alarm in alarms] == ["error_ratio", "queue_depth"]


def test_what_is_not_measured_or_stale_neither_alarms_nor_recovers():
    tracker = LimitTracker(LIMITS, repeat_s=1.0, repeats=0)
    assert tracker.update(frame(queue=120), 0.0)
    assert tracker.states["queue_depth"] == State.RED
    assert tracker.update(frame(), 5.0) == ()
    assert tracker.states["queue_depth"] == State.UNKNOWN
    assert tracker.update(frame(queue=0, fresh=False), 10.0) == ()
    assert tracker.update(frame(queue=0), 15.0) == (Alarm("queue_depth", worse=False),)
    assert tracker.update(frame(queue=120, fresh=False), 16.0) == (Alarm("queue_depth", worse=True),)


def test_one_that_takes_over_does_not_call_again_what_stands():
    before = LimitTracker(LIMITS, repeat_s=10.0, repeats=2)
    before.update(frame(queue=120, errors=(0.5, 0.0)), 0.0)
    after = LimitTracker({**LIMITS, "error_ratio": Limits(0.001, 0.002)}, repeat_s=10.0, repeats=2, after=before)
    assert after.unacknowledged == ("queue_depth",)
    assert after.update(frame(queue=120, errors=(0.5, 0.0)), 5.0) == ()
    assert after.states == {"queue_depth": State.RED, "error_ratio": State.RED}
    assert after.update(frame(queue=120, errors=(0.5, 0.0)), 10.0) == (Alarm("queue_depth", worse=True),)


# -- habituation ---------------------------------------------------------------------------------------------------


def score(gain):
    return Score(np.full((1, 25), gain), *np.zeros((5, 1)))


def test_what_does_not_change_fades_and_a_change_brings_it_back():
    bed = Habituation(6.0, 600.0)
    gains = [bed.gain(score(0.01), 60.0 * i) for i in range(16)]
    assert gains[0] == 1.0
    assert 20 * np.log10(gains[5]) == pytest.approx(-3.0)
    assert 20 * np.log10(gains[-1]) == pytest.approx(-6.0)
    assert bed.gain(score(0.011), 960.0) == gains[-1]  # 0.8 dB is no change
    assert bed.gain(score(0.02), 1020.0) == 1.0


def test_slow_drift_counts_against_what_was_last_heard_as_new():
    bed = Habituation(6.0, 600.0)
    gains = [bed.gain(score(0.01 * 1.1**i), 60.0 * i) for i in range(10)]
    assert max(gains[1:]) == 1.0


def test_no_depth_no_fading():
    bed = Habituation(0.0, 600.0)
    assert [bed.gain(score(0.01), 3600.0 * i) for i in range(3)] == [1.0, 1.0, 1.0]
