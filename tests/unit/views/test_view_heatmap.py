"""The heatmap: fixed scale, colours that differ in grey too, stale and unmeasured never like zero."""

from dataclasses import replace

import numpy as np
import pytest
from fake_live import HEALTHY_ROW, INCIDENT, healthy, snapshot_of, stale
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorType

from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import State
from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas
from sonify.views.terminal.history import History
from sonify.views.terminal.palette import SHADES, ColourMode, palette
from sonify.views.terminal.panes.heatmap import STALE_GLYPH, UNMEASURED_GLYPH, draw_heatmap, heat_scale, heat_share

TRUE = palette(ColourMode.TRUE)
SIZE = (60, 17)


def board_of(snapshots, mode=ColourMode.TRUE):
    board = Board(palette(mode), snapshots[0])
    for index, snapshot in enumerate(snapshots):
        board.update(snapshot, 5.0 * index)
    return board


def drawn(board):
    canvas = Canvas(*SIZE, board.palette.text)
    draw_heatmap(canvas, board)
    return canvas.rows()


def cells_of(row):
    return [(character, segment.style) for segment in row for character in segment.text]


def luminance(colour):
    channels = np.array(colour.get_truecolor()) / 255.0
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_ramp_gains_luminance_with_every_step():
    steps = np.diff([luminance(colour) for colour in TRUE.ramp])
    assert (steps > 0.0).all()


def test_the_states_differ_by_luminance_and_not_by_hue_alone():
    levels = [luminance(TRUE.states[state].color) for state in (State.GREEN, State.YELLOW, State.RED)]
    assert min(abs(a - b) / max(a, b) for a, b in ((levels[0], levels[1]), (levels[1], levels[2]))) > 0.3
    ground = luminance(TRUE.text.bgcolor)
    assert all((max(level, ground) + 0.05) / (min(level, ground) + 0.05) > 4.5 for level in levels)  # WCAG AA


def test_sixteen_colours_are_sixteen_and_none_is_none():
    def styles(colours):
        return [getattr(colours, name) for name in ("text", "dim", "title", "accent", "peak", "stale", "idle")] + [
            *colours.states.values(),
            *colours.chips.values(),
            *colours.bars,
        ]

    used = [colour for style in styles(palette(ColourMode.SIXTEEN)) for colour in (style.color, style.bgcolor)]
    used += palette(ColourMode.SIXTEEN).ramp
    assert {colour.type for colour in used if colour} <= {ColorType.STANDARD, ColorType.DEFAULT}
    assert not any(style.color or style.bgcolor for style in styles(palette(ColourMode.NONE)))


@given(st.lists(st.floats(0.0, 1e6), min_size=2, max_size=20))
def test_more_requests_are_never_darker(rates):
    shares = heat_share(np.sort(rates), (0.03, 100.0))
    for colours in (TRUE, palette(ColourMode.SIXTEEN), palette(ColourMode.NONE)):
        places = [colours.heat(float(share)) for share in shares]
        assert places == sorted(places)


@pytest.mark.parametrize("mode", ColourMode)
def test_a_little_is_never_shown_as_nothing(mode):
    assert palette(mode).heat(float(heat_share(np.array([1e-9]), (0.03, 100.0))[0])) > 0
    assert palette(mode).heat(0.0) == 0


def test_an_old_column_keeps_its_colours_whatever_comes_after():
    """Nothing scales itself: a thousandfold more traffic leaves what was drawn before as it was."""
    calm = [snapshot_of(row) for row in range(20, 30)]
    frame = INCIDENT.frame(30)
    storm = replace(calm[-1], frame=replace(frame, latency_rate=frame.latency_rate * 1000.0))
    before, after = drawn(board_of(calm)), drawn(board_of([*calm, storm]))
    for row in range(1, SIZE[1] - 3):
        assert cells_of(before[row])[-14:-4] == cells_of(after[row])[-15:-5]


def test_the_scale_follows_from_the_preset_and_is_written_in_the_title():
    board = board_of([healthy()])
    assert heat_scale(board) == pytest.approx((10.0**-1.5, 100.0))
    assert "100 req/s" in "".join(segment.text for segment in drawn(board)[0])


@pytest.mark.parametrize("mode", ColourMode)
def test_stale_columns_are_hatched_from_top_to_bottom(mode):
    board = board_of([healthy(), stale()], mode)
    newest = SIZE[0] - 5
    assert all(cells_of(row)[newest][0] == STALE_GLYPH for row in drawn(board)[1:-2])
    assert all(cells_of(row)[newest - 1][0] != STALE_GLYPH for row in drawn(board)[1:-2])


def test_what_was_not_measured_does_not_look_like_no_traffic():
    unknown = MetricFrame.unmeasured(INCIDENT.layout, INCIDENT.t[HEALTHY_ROW] + 5.0, fresh=True)
    silent = replace(unknown, t=unknown.t + 5.0, latency_rate=np.zeros_like(unknown.latency_rate))
    board = board_of([healthy(), healthy(frame=unknown), healthy(frame=silent)])
    middle = drawn(board)[6]
    assert [cells_of(middle)[SIZE[0] - 6][0], cells_of(middle)[SIZE[0] - 5][0]] == [UNMEASURED_GLYPH, " "]


def test_without_colours_shades_tell_the_rates():
    rows = drawn(board_of([healthy()] * 3, ColourMode.NONE))
    seen = {cells_of(row)[SIZE[0] - 5][0] for row in rows[1:-2]}
    assert seen <= set(SHADES)
    assert len(seen) > 2


def test_a_gap_between_frames_is_hatched_as_long_as_it_was():
    history = History()
    history.update(INCIDENT.frame(10), 0.0)
    history.update(INCIDENT.frame(14), 1.0)
    assert [column.band_rate is None for column in history.columns] == [False, True, True, True, False]


def test_what_was_before_the_first_data_is_no_gap():
    history = History()
    history.update(MetricFrame.unmeasured(INCIDENT.layout, 0.0), 0.0)
    history.update(INCIDENT.frame(10), 1.0)
    assert [column.band_rate is None for column in history.columns] == [True, False]


def test_the_picture_moves_on_when_no_frame_comes_at_all():
    history = History()
    frame = INCIDENT.frame(10)
    for now_s in range(31):
        history.update(frame, float(now_s))
    assert [column.band_rate is None for column in history.columns] == [False, True, True, True, True]


def test_a_frame_is_one_column_however_often_it_is_shown():
    history = History()
    for now_s in (0.0, 0.1, 0.2):
        history.update(INCIDENT.frame(10), now_s)
    assert len(history.columns) == 1


def test_a_clock_that_jumped_ahead_does_not_fill_the_map_with_a_day():
    history = History()
    history.update(INCIDENT.frame(10), 0.0)
    history.update(replace(INCIDENT.frame(11), t=INCIDENT.t[11] + 1e9), 1.0)
    assert len(history.columns) < 80
