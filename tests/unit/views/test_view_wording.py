"""How values and untrusted names are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sonify.views.terminal.canvas import Canvas, cells, fit
from sonify.views.terminal.palette import ColourMode, palette
from sonify.views.wording import MISSING, age, clean, count, latency, level, percent, rate

STYLE = palette(ColourMode.NONE).text
HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\nb\r\tc",
    "\u202egnp.exe",
    "e" + "\u0301" * 40,
    "\ud800",
    "[red]x[/]",
    "👩‍👩‍👧 ❤️",
    "日本語サービス",
]


@pytest.mark.parametrize("write", [rate, count, latency, percent, level, age])
def test_what_was_not_measured_is_a_dash_and_never_a_zero(write):
    assert write(math.nan) == MISSING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (latency(0.24), "240 ms"),
        (latency(1.4), "1.4 s"),
        (latency(0.0008), "800 µs"),
        (latency(0.9999), "1.0 s"),
        (latency(120.0), "120 s"),
        (percent(0.004), "0.4 %"),
        (percent(0.0), "0 %"),
        (percent(0.00001), "<0.1 %"),
        (percent(1.0), "100 %"),
        (rate(182.3), "182"),
        (rate(7.64), "7.6"),
        (rate(0.0), "0"),
        (rate(12345.0), "12.3k"),
        (rate(3.2e6), "3.2M"),
        (count(3.0), "3"),
        (count(2.5), "2.5"),
        (age(1.13), "1.1 s"),
        (age(600.0), "10 min"),
        (level(-3.24), "−3.2 dB"),
        (level(-0.01), "0.0 dB"),
        (level(-math.inf, "dBTP"), "−∞ dBTP"),
    ],
)
def test_values_read_as_people_write_them(text, expected):
    assert text == expected


@given(st.floats(1e-6, 1e5), st.floats(1e-6, 1e5))
def test_a_larger_latency_never_reads_as_a_smaller_one(one, other):
    def read_s(text: str) -> float:
        number, unit = text.split()
        return float(number) * {"µs": 1e-6, "ms": 1e-3, "s": 1.0}[unit]

    low, high = sorted((one, other))
    assert read_s(latency(low)) <= read_s(latency(high)) * 1.0000001


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_printable_line(text):
    cleaned = clean(text)
    assert cleaned.isprintable()
    cleaned.encode()


@given(st.text())
def test_cleaning_never_leaves_what_steers_a_terminal(text):
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


def test_marks_do_not_pile_up_and_markup_is_only_text():
    assert len(clean("x" + "\u0301" * 40)) <= 3
    assert clean("[bold]x[/bold]") == "[bold]x[/bold]"


@given(st.text(), st.integers(1, 30))
def test_text_is_cut_by_cells_not_characters(text, width):
    fitted = fit(text, width)
    assert len(fitted) == width
    assert cell_len("".join(fitted)) == width


def test_a_wide_character_is_never_halved():
    assert "".join(fit("日本語", 4)) == "日 …"
    assert "".join(fit("日本語", 5)) == "日本…"
    assert cells("日a") == ("日", "", "a")


@given(st.text(max_size=40), st.integers(0, 25))
def test_every_row_of_a_canvas_is_as_wide_as_the_canvas(text, x):
    canvas = Canvas(20, 2, STYLE)
    canvas.write(x, 1, text, STYLE)
    canvas.write(0, 0, text, STYLE, 7)
    for row in canvas.rows():
        assert cell_len("".join(segment.text for segment in row)) == 20


def test_drawing_over_a_copy_leaves_the_original():
    canvas = Canvas(5, 1, STYLE)
    canvas.write(0, 0, "still", STYLE)
    before = canvas.rows()
    over = canvas.copy()
    over.draw(1, 0, "██", STYLE)
    assert canvas.rows() == before
    assert "".join(segment.text for segment in over.rows()[0]) == "s██ll"
