import threading
import time

import numpy as np

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout, MetricFrame
from sonify.readers.source import Update
from sonify.runner import following
from sonify.runner.following import Following

LAYOUT = Layout(1.0, ("a",), LatencyBands().edges_s, np.empty(0))


class Scripted:
    """A source that does one thing after the other: hand over an update, or fail."""

    title = "scripted"

    def __init__(self, *script):
        self.warnings = []
        self._script = list(script)
        self.times_followed = 0

    def follow(self, stop):
        self.times_followed += 1
        while self._script:
            what = self._script.pop(0)
            if isinstance(what, Exception):
                raise what
            yield what
        stop.wait()


def update(**values):
    return Update(MetricFrame.unmeasured(LAYOUT, 0.0, fresh=True), 0.1, **values)


def until(condition):
    give_up_s = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


def followed(*sources):
    stop = threading.Event()
    made = Following(sources, stop)
    made.start()
    return made, stop


def test_updates_and_notices_arrive_in_order():
    made, stop = followed(Scripted(update(notices=("one",)), update(notices=("two",))))
    found = []
    until(lambda: found.extend(made.take()) or len(found) == 2)
    assert [arrival.source for arrival in found] == [0, 0]
    assert list(made.notices) == ["one", "two"]
    stop.set()
    made.join(5.0)
    assert made.has_ended


def test_what_cannot_be_followed_at_all_is_an_error():
    made, stop = followed(Scripted(ReaderError("cannot listen: address in use")))
    until(lambda: made.error is not None)
    assert "address in use" in str(made.error)
    stop.set()


def test_what_fails_later_is_said_and_tried_again(monkeypatch):
    monkeypatch.setattr(following, "_FIRST_PAUSE_S", 0.3)
    source = Scripted(update(), ValueError("bad\x1b[2Jbytes"), update())
    made, stop = followed(source)
    until(lambda: made.statuses(time.monotonic())[0].problem)
    made.take()
    status = made.statuses(time.monotonic())[0]
    assert status.is_stale
    assert "ValueError" in status.problem
    assert "\x1b" not in status.problem
    until(lambda: source.times_followed == 2 and len(made.take()) > 0)
    assert not made.statuses(time.monotonic())[0].problem
    assert made.error is None
    stop.set()


def test_lag_and_ages_grow_while_nothing_comes():
    made, stop = followed(Scripted(update(panel_age_s={"requests": 0.2})))
    until(lambda: made.take())
    now_s = time.monotonic()
    soon, later = made.statuses(now_s)[0], made.statuses(now_s + 5.0)[0]
    assert later.lag_s - soon.lag_s == 5.0
    assert later.panel_age_s["requests"] - soon.panel_age_s["requests"] == 5.0
    assert not soon.is_stale
    assert later.is_stale
    assert later.problem == "nothing comes"
    stop.set()
