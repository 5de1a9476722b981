"""Columns of the page: what was not measured is never zero, and a short fault is never averaged away."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_content import PRESET, make_recording, with_fault

from sonify.mapping.timeline import lay_out_for
from sonify.report.columns import LOWEST_RATE, RATE_DECADES, UNMEASURED, pack_columns, rate_codes, sound_time_s


class Arrays:
    """Keeps what is packed."""

    def __init__(self):
        self.found = {}

    def add(self, name, array):
        self.found[name] = array


def columns_of(recording, length_s=3.0):
    arrays = Arrays()
    timeline = lay_out_for(PRESET, recording, recording.duration_s / length_s)
    count = pack_columns(arrays, "", timeline, recording, PRESET)
    assert all(len(column) in (count, count + 1) for column in arrays.found.values())
    return arrays.found


@given(st.floats(LOWEST_RATE, LOWEST_RATE * 10.0**RATE_DECADES))
def test_a_rate_survives_its_byte_within_five_percent(rate):
    code = int(rate_codes(np.array(rate)))
    assert 1 <= code <= 254
    assert LOWEST_RATE * 10.0 ** ((code - 1) / 253 * RATE_DECADES) == pytest.approx(rate, rel=0.05)


@given(st.floats(0.0, 1e9), st.floats(0.0, 1e9))
def test_more_is_never_less(one, other):
    low, high = rate_codes(np.array(sorted((one, other))))
    assert low <= high


def test_none_is_zero_and_unmeasured_is_neither():
    assert rate_codes(np.array([0.0, np.nan, 1e-30, np.inf])).tolist() == [0, UNMEASURED, 1, 254]


def test_a_fault_of_one_frame_in_a_day_is_there():
    recording = make_recording(86_400, ("rust",), 1.0)
    errors = recording.error_ratio.copy()
    errors[43_210] = 0.7
    found = columns_of(replace(recording, error_ratio=errors), 60.0)
    assert len(found["error_ratio"]) <= 1200
    assert found["error_ratio"].max() == pytest.approx(0.7)
    where = int(found["error_ratio"].argmax())
    assert found["start"][where] / 100 <= 43_210 / 86_400 * 60.0 <= found["start"][where + 1] / 100


def test_what_was_not_measured_stays_so():
    recording = make_recording()
    unmeasured = replace(recording, queue_depth=np.full(len(recording), np.nan))
    unmeasured.latency_rate[:, 1] = np.nan
    found = columns_of(unmeasured)
    assert np.isnan(found["queue_depth"]).all()
    assert np.isnan(found["p95"][:, 1]).all()
    assert (found["latency"][:, 1] == UNMEASURED).all()
    assert np.isfinite(found["p95"][:, 0]).all()


def test_a_lost_source_has_no_values():
    recording = make_recording()
    recording.fresh[20:30] = False
    gone = replace(recording, t=np.where(np.arange(60) >= 45, recording.t + 50.0, recording.t))
    found = columns_of(gone)
    stale = found["fresh"] == 0
    length = np.diff(found["start"])
    assert length[stale].sum() / length.sum() == pytest.approx(100 / 350, abs=0.02)  # 50 s not fresh, a gap of 50 s
    for name in ("request_rate", "error_ratio", "queue_depth", "batch_rate", "p50", "p95", "glitch_rate"):
        assert np.isnan(found[name][stale]).all()
        assert np.isfinite(found[name][~stale]).all()
    assert (found["latency"][stale] == UNMEASURED).all()


def test_many_backends_take_fewer_columns():
    few = columns_of(make_recording(2000, ("a", "b")), 60.0)
    many = columns_of(make_recording(2000, tuple(map(str, range(60)))), 60.0)
    assert len(many["latency"]) < len(few["latency"])
    assert many["latency"].size <= 650_000


def test_metric_time_becomes_sound_time_inside_the_sound():
    recording = with_fault(make_recording())
    timeline = lay_out_for(PRESET, recording, recording.duration_s / 3.0)
    assert sound_time_s(recording.start_s, recording, timeline) == 0.0
    assert sound_time_s((recording.start_s + recording.end_s) / 2, recording, timeline) == pytest.approx(1.5)
    assert sound_time_s(recording.end_s + 1e9, recording, timeline) == 3.0
    assert sound_time_s(float("nan"), recording, timeline) == 0.0
    assert sound_time_s(float("-inf"), recording, timeline) == 0.0
