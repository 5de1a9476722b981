"""The plain view: lines that read aloud well, and JSON that says the same."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from fake_live import PRESET, FakeLive, healthy, incident, no_device, stale

from sonify.metrics.panels import State
from sonify.runner.snapshot import SourceStatus
from sonify.views.plain import Changes, json_line, plain_line, run_plain
from sonify.views.summary import condition, summarise
from sonify.views.wording import clock

HOSTILE = "[red]\x1b[2J\n\u202ex"


def line_of(snapshot):
    summary = summarise(snapshot.frame)
    return plain_line(snapshot, summary, condition(snapshot, summary))


def changes_of(*snapshots):
    changes = Changes()
    return [changes.lines(snapshot, condition(snapshot, summarise(snapshot.frame))) for snapshot in snapshots]


def lines_of(live, **options):
    """All lines, with a clock that only moves when somebody sleeps."""
    now, lines = [0.0], []

    def sleep(duration_s):
        now[0] += duration_s

    run_plain(live, lines.append, clock_s=lambda: now[0], sleep=sleep, **options)
    return lines, now[0]


def test_a_line_says_everything_in_words():
    line = re.sub(" +", " ", line_of(incident()))
    assert line.startswith(f"{clock(incident().time_s)} red 26.8 req/s p95 36.9 s errors 7.5 % fallbacks 21 %")
    assert "queue 107 active 31 | julia red p95 51.1 s | prometheus 127.0.0.1:9090 1.1 s behind" in line


def test_columns_stand_still():
    places = [
        [line.index(word) for word in ("req/s", "p95", "errors", "fallbacks", "queue", "active", "|")]
        for line in map(line_of, (healthy(), incident(), no_device(), stale()))
    ]
    assert places.count(places[0]) == len(places)


def test_what_is_not_known_is_no_zero_and_stale_is_said():
    line = line_of(stale())
    figures = line[9 : line.index("|")]
    assert "stale" in figures
    assert "0" not in figures.replace("p95", "")
    assert figures.count("–") == 6
    assert "prometheus 127.0.0.1:9090 stale, 17.0 s behind" in line


def test_no_traffic_is_neither_green_nor_stale():
    frame = healthy().frame
    silent = replace(frame, request_rate=np.zeros(6), latency_rate=np.zeros_like(frame.latency_rate))
    line = line_of(healthy(frame=silent))
    assert "no traffic" in line
    assert "0 req/s p95       –" in line


def test_a_healthy_start_needs_no_words_but_its_notices():
    assert changes_of(healthy(notices=())) == [[]]


def test_changes_are_said_once_in_words():
    calm, bad, lost = (make(notices=()) for make in (healthy, incident, stale))
    first, worse, same, gone, back = changes_of(calm, bad, bad, lost, calm)
    said = [line[9:] for line in worse]
    assert {"it is red now", "latency: red", "errors: red", "queue: red", "julia latency: red"} <= set(said)
    assert [first, same] == [[], []]
    assert [line[9:] for line in gone] == [
        "it is stale now",
        "prometheus 127.0.0.1:9090 is stale: connection refused",
    ]
    assert "it is green now" in [line[9:] for line in back]
    assert "prometheus 127.0.0.1:9090 is back" in [line[9:] for line in back]


def test_problems_of_card_and_preset_are_said_and_their_end_too():
    lost, back = changes_of(no_device(notices=()), healthy(notices=()))
    assert lost[0].endswith("sound card: no sound card: install libportaudio2, or listen with --record or --midi")
    assert [line[9:] for line in back] == ["sound card: well again"]


def test_untrusted_text_stays_on_its_line():
    layout = replace(healthy().frame.layout, backends=(HOSTILE,) * 6)
    hostile = incident(
        frame=replace(incident().frame, layout=layout),
        backend_states=(State.RED,) * 6,
        sources=(SourceStatus(HOSTILE * 50, HOSTILE, 1.0, {}, True),),
        notices=(HOSTILE,),
        preset_problem=HOSTILE,
    )
    for line in [line_of(hostile), *changes_of(hostile)[0]]:
        assert line.isprintable()


def test_one_line_a_second_until_the_engine_ends():
    lines, now_s = lines_of(FakeLive(lambda _: healthy(notices=()), most=5))
    assert len(lines) == 5
    assert now_s == pytest.approx(4.0, abs=0.2)


def test_the_end_is_noticed_within_a_tenth_of_a_second():
    live = FakeLive(lambda _: healthy())
    now, lines = [0.0], []

    def sleep(duration_s):
        now[0] += duration_s
        if now[0] > 2.35:
            live.stop()

    run_plain(live, lines.append, clock_s=lambda: now[0], sleep=sleep)
    assert now[0] < 2.6


def test_json_lines_are_json_and_hold_null_for_what_is_not_known():
    lines, _ = lines_of(FakeLive(lambda index: (healthy, stale, no_device)[index](), most=3), as_json=True)
    good, lost, mute = (json.loads(line) for line in lines)
    assert (good["state"], lost["state"]) == ("green", "stale")
    assert good["request_rate"] > 0.0
    assert lost["request_rate"] is lost["p95_s"] is lost["backends"][0]["p95_s"] is None
    assert lost["sources"][0]["is_stale"] is True
    assert mute["callback_age_s"] is mute["true_peak_dbtp"] is None
    assert set(good["panels"]) == set(PRESET.limits)
    assert good.keys() == lost.keys()


def test_json_survives_any_name():
    layout = replace(healthy().frame.layout, backends=("\ud800", HOSTILE, "a", "b", "c", "d"))
    snapshot = healthy(frame=replace(healthy().frame, layout=layout))
    summary = summarise(snapshot.frame)
    line = json_line(snapshot, summary, condition(snapshot, summary))
    line.encode()
    assert "\n" not in line
    assert json.loads(line)["backends"][1]["name"] == HOSTILE


def test_totals_weigh_ratios_by_requests_and_skip_what_is_not_known():
    frame = replace(
        healthy().frame,
        request_rate=np.array([9.0, 1.0, np.nan, 0.0, 0.0, 0.0]),
        error_ratio=np.array([0.0, 1.0, 1.0, np.nan, np.nan, np.nan]),
    )
    assert summarise(frame).error_ratio == pytest.approx(0.1)
    assert summarise(frame).request_rate == 10.0
