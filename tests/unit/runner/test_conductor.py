import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.mapping.preset import Arrangement, Motion, SoundPreset
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout, MetricFrame
from sonify.runner.conductor import Conductor, find_pace

LAYOUT = Layout(1.0, ("a", "b"), LatencyBands().edges_s, np.empty(0))
PRESET = SoundPreset()
STUDIO = dataclasses.replace(PRESET, arrangement=Arrangement(mode="sequenced", step=0.3, bed=-60.0, hold=0.0))


def frame(rate=1.0, glitch_rate=(0.0, 0.0), layout=LAYOUT):
    blank = MetricFrame.unmeasured(layout, 0.0, fresh=True)
    return dataclasses.replace(blank, request_rate=np.full(2, rate), glitch_rate=np.array(glitch_rate))


def steps(arrivals, num_quanta, preset=PRESET, layout=LAYOUT):
    """Steps that begin, where frames arrive before some quanta, each (quantum, frame)."""
    conductor = Conductor(find_pace(preset, layout.interval_s, 2), layout, 1.0, 0)
    begun, waiting = [], list(arrivals)
    for now in range(num_quanta):
        while waiting and waiting[0][0] <= now:
            conductor.take(waiting.pop(0)[1], now)
        step = conductor.next_step(now)
        if step is not None:
            begun.append(step)
    return begun


def starts(begun):
    return [step.start_quantum for step in begun]


def test_the_first_step_begins_with_the_first_frame_and_lasts_its_interval():
    assert starts(steps([(7, frame()), (60, frame())], 150)) == [7, 107]


def test_a_step_begins_with_the_quantum_after_its_frame_came():
    assert starts(steps([(0, frame()), (100, frame()), (191, frame()), (307, frame())], 320)) == [0, 100, 191, 307]


def test_a_frame_that_comes_far_too_early_waits():
    assert starts(steps([(0, frame()), (100, frame()), (150, frame())], 190)) == [0, 100, 180]


def test_frames_that_share_a_step_keep_the_worst_state_and_all_glitches():
    late = [(0, frame()), (120, frame(2.0, (1.0, 0.0))), (121, frame(4.0, (2.0, np.nan)))]
    first, held, both = steps(late, 150)
    assert starts([first, held, both]) == [0, 100, 130]
    assert held.frame.request_rate[0] == first.frame.request_rate[0]
    assert not held.glitch_count.any()
    assert both.frame.request_rate[0] == 3.0
    assert both.glitch_count[0] == 3.0
    assert both.glitch_count[1] == 0.0


@pytest.mark.parametrize("interval_s", [0.25, 1.0, 15.0])
def test_a_source_that_falls_silent_is_stale_within_two_intervals(interval_s):
    layout = dataclasses.replace(LAYOUT, interval_s=interval_s)
    quanta = round(100 * interval_s)
    begun = steps([(0, frame(layout=layout)), (quanta, frame(layout=layout))], 6 * quanta, layout=layout)
    stale = [step for step in begun if not step.frame.fresh]
    assert stale[0].start_quantum <= max(3 * quanta, quanta + 30)
    assert all(np.isnan(step.frame.request_rate).all() for step in stale)
    assert not [step for step in begun if step.frame.fresh and step.start_quantum > stale[0].start_quantum]


def test_without_any_frame_it_is_stale_too():
    assert [step.frame.fresh for step in steps([], 250)] == [False]


def test_a_frame_after_a_loss_need_not_wait():
    begun = steps([(0, frame()), (250, frame())], 300)
    assert begun[-1].frame.fresh
    assert begun[-1].start_quantum == 250


def test_where_bars_are_silent_between_steps_every_step_is_the_same_whole_bars():
    arrivals = [(101 * i, frame()) for i in range(12)]
    begun = steps(arrivals, 1000, preset=STUDIO)
    assert set(np.diff(starts(begun))) == {180}  # two bars of 0.9 s hold an interval of 1 s


@given(st.lists(st.integers(1, 260), max_size=12), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([0.05, 0.3, 1.0]))
def test_no_step_is_a_gap_and_no_glitch_is_lost(gaps, interval_s, shortest_s):
    layout = dataclasses.replace(LAYOUT, interval_s=interval_s)
    preset = dataclasses.replace(PRESET, motion=Motion(step=shortest_s))
    at = np.concatenate([[0], np.cumsum(gaps)]).astype(int)
    arrivals = [(int(quantum), frame(glitch_rate=(0.7, 1.3), layout=layout)) for quantum in at]
    begun = steps(arrivals, int(at[-1]) + 400, preset=preset, layout=layout)
    nominal = find_pace(preset, interval_s, 2).nominal
    lengths = np.diff(starts(begun))
    assert (lengths <= 1.5 * nominal).all()
    assert lengths[0] == nominal
    counted = np.sum([step.glitch_count for step in begun], axis=0)
    assert counted == pytest.approx(len(arrivals) * interval_s * np.array([0.7, 1.3]), rel=1e-6)


def test_numbers_are_played_as_a_recording_holds_them():
    step = steps([(0, frame(1.0 / 3.0))], 1)[0]
    assert step.frame.request_rate[0] == 0.333333333
