import dataclasses

import numpy as np

from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout, MetricFrame
from sonify.runner.merge import Merger


def layout(*backends, interval_s=1.0, batch_edges=()):
    return Layout(interval_s, backends, LatencyBands().edges_s, np.array(batch_edges))


def frame(shape, rate, **values):
    blank = MetricFrame.unmeasured(shape, 0.0, fresh=True)
    return dataclasses.replace(blank, request_rate=np.full(shape.num_backends, rate), **values)


def test_one_source_is_passed_on_as_it_is():
    only = frame(layout("a"), 1.0)
    assert Merger(["one"]).add(0, only, 0.0) is only


def test_backends_stand_side_by_side_and_the_quickest_sets_the_pace():
    merger = Merger(["one", "two"])
    slow, quick = layout("a", "b", interval_s=5.0), layout("c")
    merger.add(0, frame(slow, 1.0, queue_depth=3.0), 0.0)
    first = merger.add(1, frame(quick, 2.0, queue_depth=4.0), 0.1)
    assert first.layout.backends == ("a", "b", "c")
    assert first.layout.interval_s == 1.0
    assert first.request_rate.tolist() == [1.0, 1.0, 2.0]
    assert first.queue_depth == 7.0
    assert np.isnan(first.active_requests)
    assert first.fresh
    second = merger.add(1, frame(quick, 3.0), 1.1)
    assert second.layout is first.layout
    assert second.request_rate.tolist() == [1.0, 1.0, 3.0]
    assert merger.add(0, frame(slow, 9.0), 1.5) is None


def test_names_that_both_have_are_told_apart():
    merger = Merger(["one", "two"])
    merger.add(0, frame(layout("api", "db"), 1.0), 0.0)
    merger.add(1, frame(layout("api"), 1.0), 0.0)
    merged = merger.add(0, frame(layout("api", "db"), 1.0), 1.0)
    assert merged.layout.backends == ("one api", "db", "two api")


def test_one_that_is_lost_is_heard_and_the_others_play_on():
    merger = Merger(["one", "two"])
    one, two = layout("a"), layout("b")
    merger.add(0, frame(one, 1.0), 0.0)
    merger.add(1, frame(two, 2.0), 0.0)
    assert merger.add(0, frame(one, 1.0), 1.0).fresh
    merger.add(1, MetricFrame.unmeasured(two, 1.0), 1.0)
    lost = merger.add(0, frame(one, 1.0), 2.0)
    assert not lost.fresh
    assert lost.request_rate[0] == 1.0
    assert np.isnan(lost.request_rate[1])


def test_one_that_says_nothing_any_more_is_lost_and_does_not_hold_the_pace():
    merger = Merger(["one", "two"])
    merger.add(0, frame(layout("a"), 1.0), 0.0)
    merger.add(1, frame(layout("b", interval_s=2.0), 2.0), 0.0)
    merged = merger.add(1, frame(layout("b", interval_s=2.0), 3.0), 4.0)
    assert merged.layout.interval_s == 2.0
    assert not merged.fresh
    assert np.isnan(merged.request_rate[0])
    assert merged.request_rate[1] == 3.0


def test_batches_of_both_add_up_on_the_first_ones_bands():
    merger = Merger(["one", "two"])
    wide, fine = layout("a", batch_edges=(1.0, 4.0, 16.0)), layout("b", batch_edges=(1.0, 2.0, 4.0, 8.0, 16.0))
    merger.add(0, frame(wide, 1.0, batch_rate=np.array([1.0, 2.0])), 0.0)
    merger.add(1, frame(fine, 1.0, batch_rate=np.array([1.0, 1.0, 1.0, 1.0])), 0.0)
    merged = merger.add(0, frame(wide, 1.0, batch_rate=np.array([1.0, 2.0])), 1.0)
    np.testing.assert_allclose(merged.batch_rate, [3.0, 4.0])
