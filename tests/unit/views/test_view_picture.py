"""Whole pictures at three sizes, in every state and colour mode: read as text, without an app."""

from dataclasses import replace

import numpy as np
import pytest
from fake_live import INCIDENT, healthy, incident, no_device, snapshot_of, stale
from rich.cells import cell_len

from sonify.metrics.panels import State
from sonify.runner.snapshot import SourceStatus
from sonify.views.terminal.board import Board
from sonify.views.terminal.layout import arrange
from sonify.views.terminal.palette import ColourMode, palette
from sonify.views.terminal.panes.health import source_text
from sonify.views.terminal.picture import Picture

SIZES = [(80, 24), (120, 40), (200, 60)]
STATES = {"healthy": healthy, "incident": incident, "stale": stale, "no device": no_device}
HOSTILE = "[red]\x1b[2J\u202e日本語サービス" + "e\u0301\u0301\u0301\u0301" * 9


def picture_of(snapshot, size=(120, 40), mode=ColourMode.TRUE, **settings):
    board = Board(palette(mode), snapshot)
    for name, value in settings.items():
        setattr(board, name, value)
    picture = Picture(board)
    for index in range(3):
        board.update(replace(snapshot, time_s=snapshot.time_s + 0.1 * index), 0.1 * index)
        picture.draw(*size)
    return picture


def lines_of(snapshot, size=(120, 40), mode=ColourMode.TRUE, **settings):
    picture = picture_of(snapshot, size, mode, **settings)
    return ["".join(segment.text for segment in picture.row(y)) for y in range(size[1])]


@pytest.mark.parametrize("mode", ColourMode)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("size", SIZES)
def test_every_row_is_exactly_as_wide_as_the_terminal(size, state, mode):
    for line in lines_of(STATES[state](), size, mode):
        assert cell_len(line) == size[0]


@pytest.mark.parametrize("size", SIZES)
def test_all_that_was_asked_for_is_there_at_every_size(size):
    text = "\n".join(lines_of(incident(), size))
    for word in ("SPECTRUM", "LATENCY", "Hz", "lat", "glitch", "now", "queue", "active", "batch", "comp"):
        assert word in text
    for word in ("underruns 0", "ring", "ear", "CPU", "dBTP", "1.1 s behind", "p50", "p95", "err", "fall", "±1.0"):
        assert word in text
    for name in INCIDENT.layout.backends:
        assert name in text
    for key in ("quit", "help", "mute", "trim", "solo", "off", "ack", "preset", "e/c/r"):
        assert key in lines_of(incident(), size)[-1]


@pytest.mark.parametrize("size", SIZES)
def test_states_are_letters_and_words_too(size):
    assert " G GREEN " in lines_of(healthy(), size)[0]
    assert " R RED " in lines_of(incident(), size)[0]
    names = next(line for line in lines_of(incident(), size) if "julia" in line and "rust" in line)
    assert names.count(" G ") == 5
    assert " R  julia" in names
    assert "R!" in lines_of(incident(), size)[1]


def test_the_four_states_look_different_without_any_colour():
    silent_frame = replace(healthy().frame, request_rate=np.zeros(6), latency_rate=np.zeros((6, 24)))
    heads = [
        lines_of(snapshot, mode=ColourMode.NONE)[0]
        for snapshot in (healthy(), healthy(frame=silent_frame), stale(), no_device())
    ]
    for head, sign in zip(heads, ("G GREEN", "0/s NO TRAFFIC", "╱╱ STALE ╱╱", "NO DEVICE"), strict=True):
        assert [sign in other for other in heads].count(True) >= 1
        assert sign in head


@pytest.mark.parametrize("size", SIZES)
def test_nothing_that_is_not_known_is_shown_as_zero(size):
    lines = lines_of(stale(), size)
    strips = next(line for line in lines if line.count("p95") == 6)
    assert strips.count("–") == 6
    assert "0" not in lines[1]
    assert lines[1].count("–") == 14  # seven values, seven states
    assert "connection refused" in "\n".join(lines)


def test_no_device_says_why_and_shows_no_age_of_its_callback():
    text = "\n".join(lines_of(no_device(), (80, 24)))
    assert "install libportaudio2" in text
    assert "cb –" in text
    assert "−∞" in text


def test_the_axis_reads_in_hz_and_in_latency_low_is_fast():
    lines = lines_of(healthy(), (200, 60))
    hz = next(line for line in lines if line.startswith(" Hz"))
    latencies = next(line for line in lines if line.startswith("lat"))
    assert hz.index("100") < hz.index("1k") < hz.index("10k")
    assert latencies.index("10ms") < latencies.index("100ms") < latencies.index("1s") < latencies.index("10s")
    assert abs(hz.index("1k") - latencies.index("300ms")) < 8  # C6 is 1047 Hz


@pytest.mark.parametrize("size", SIZES)
def test_untrusted_names_steer_nothing_and_move_nothing(size):
    layout = replace(INCIDENT.layout, backends=(HOSTILE, *INCIDENT.layout.backends[1:]))
    source = SourceStatus(HOSTILE, HOSTILE, 1.0, {HOSTILE: 1e6, "queue_depth": 1.0}, True)
    snapshot = incident(
        frame=replace(incident().frame, layout=layout),
        preset=HOSTILE,
        device=HOSTILE,
        device_problem=HOSTILE,
        notices=(HOSTILE,),
        sources=(source,) * 3,
    )
    for line in lines_of(snapshot, size):
        assert line.isprintable()
        assert cell_len(line) == size[0]
    assert "[red]" in "\n".join(lines_of(snapshot, size))


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (10, 3), (1, 1)])
def test_a_terminal_that_is_too_small_gets_one_clear_line(size):
    lines = [line for line in lines_of(incident(), size) if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("RED"[: size[0] - 1])


@pytest.mark.parametrize("width", range(80, 220, 7))
@pytest.mark.parametrize("height", range(24, 70, 5))
def test_panes_fill_every_size_and_never_overlap(width, height):
    for sources in (0, 1, 9):
        taken = np.zeros((height, width), dtype=int)
        for place in arrange(width, height, sources).values():
            assert place.height >= 1
            taken[place.y : place.y + place.height, place.x : place.x + place.width] += 1
        assert (taken == 1).all()


def test_many_backends_scroll_with_the_selection():
    names = tuple(f"b{index}" for index in range(20))
    frame = incident().frame
    index = np.arange(20) % 6
    many = replace(
        frame,
        layout=replace(frame.layout, backends=names),
        **{
            name: getattr(frame, name)[index]
            for name in ("request_rate", "error_ratio", "fallback_ratio", "glitch_rate")
        },
        latency_rate=frame.latency_rate[index],
    )
    snapshot = incident(frame=many, backend_states=(State.GREEN,) * 20, backend_level_db=np.full(20, -20.0))
    assert any("▸b0 " in line for line in lines_of(snapshot, (80, 24)))
    last = lines_of(snapshot, (80, 24), selected=19)
    assert any("▸b19" in line for line in last)
    assert any(line.startswith("◂G ") for line in last)


def test_no_backend_yet_is_said():
    layout = replace(INCIDENT.layout, backends=())
    frame = type(incident().frame).unmeasured(layout, 0.0)
    snapshot = stale(frame=frame, backend_states=(), backend_level_db=np.zeros(0))
    assert "no backend has been seen yet" in "\n".join(lines_of(snapshot))


def test_solo_and_mute_are_words():
    text = "\n".join(lines_of(healthy(soloed=frozenset({"go"}), muted=frozenset({"sql"}), is_muted=True)))
    assert text.count("SOLO") == 1
    assert text.count("MUTE ") >= 1
    assert " MUTED " in text
    assert text.count("not solo") == 4


def test_a_source_says_which_panels_are_old():
    ages = {"request_rate": 1.0, "queue_depth": 60.0}
    assert source_text(SourceStatus("x", "", 1.1, ages, False), 5.0) == "1.1 s behind; queue 60.0 s old"
    assert source_text(SourceStatus("x", "gone", np.nan, {}, True), 5.0) == "no data yet; gone"
    lost = SourceStatus("x", "gone", 30.0, dict.fromkeys(ages, 30.0), True)
    assert source_text(lost, 5.0) == "30.0 s behind; gone; all panels 30.0 s old"


def test_only_what_changed_is_drawn_again():
    board = Board(palette(ColourMode.TRUE), healthy())
    picture = Picture(board)
    board.update(healthy(), 0.0)
    assert [(rect.width, rect.height) for rect in picture.draw(120, 40)] == [(120, 40)]
    board.update(healthy(), 0.0)  # now with as many columns of the spectrum as there are cells
    picture.draw(120, 40)
    assert picture.draw(120, 40) == []
    board.update(healthy(underruns=1), 0.0)
    assert sum(rect.height for rect in picture.draw(120, 40)) == 1
    assert picture.draw(120, 40, everything=False) == []


def test_a_preset_that_is_not_known_shows_no_limits_rather_than_wrong_ones():
    lines = lines_of(snapshot_of(88, preset="my own"))
    assert not any(line.startswith("lat") for line in lines)
    queue = next(line for line in lines if line.startswith(" queue"))
    assert "─" not in queue


def test_the_help_names_every_key():
    text = "\n".join(lines_of(healthy(), (80, 24), shows_help=True))
    for key in ("space, m", "↑ ↓", "← →", "n, p", "e, c, r", "+ −", "q, Ctrl-C", "╱╱╱"):
        assert key in text
