"""Captions as text, subtitles and JSON, and in step with the sound."""

import json
import re

import numpy as np
import pytest

from sonify.lessons.captions import FORMATS, Caption, CaptionPrinter, clock

CAPTIONS = (
    Caption(0.0, 3.25, "healthy", "Healthy"),
    Caption(3.25, 61.5, "errors", "Errors are roughness", "3 %: yellow", ("errors, rising",)),
    Caption(61.5, 62.0, "errors", "Errors are roughness", "normal again: green", ("errors, falling",)),
)


@pytest.mark.parametrize(
    ("time_s", "text", "srt"),
    [
        (0.0, "0:00.0", "00:00:00,000"),
        (7.56, "0:07.5", "00:00:07,560"),
        (59.9999, "0:59.9", "00:01:00,000"),
        (3725.0, "62:05.0", "01:02:05,000"),
    ],
)
def test_clock(time_s, text, srt):
    assert clock(time_s) == text
    assert clock(time_s, ",") == srt


def test_text_tells_a_scene_once():
    text = FORMATS["text"](CAPTIONS)
    assert text.count("Errors are roughness") == 1
    assert "0:03.2    3 %: yellow; earcon: errors, rising" in text


def test_subtitles_are_numbered_blocks_that_do_not_overlap():
    blocks = FORMATS["srt"](CAPTIONS).strip().split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == ["1", "2", "3"]
    times = [re.fullmatch(r"(\S{12}) --> (\S{12})", block.split("\n")[1]).groups() for block in blocks]
    assert [end for _, end in times[:-1]] == [begin for begin, _ in times[1:]]


def test_json_has_all_of_it():
    rows = json.loads(FORMATS["json"](CAPTIONS))
    assert [row["begin_s"] for row in rows] == [0.0, 3.25, 61.5]
    assert rows[1]["earcons"] == ["errors, rising"]


def test_each_line_is_said_as_its_sound_begins():
    said = []
    now = [0]
    printer = CaptionPrinter(CAPTIONS, lambda line: said.append((now[0], line)), 100)
    for begin in range(0, 6200, 25):
        now[0] = begin
        printer.write(np.zeros((25, 2), np.float32))
    assert [at for at, _ in said] == [0, 325, 325, 6150]
