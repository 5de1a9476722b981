"""The latency heatmap: time × band, newest at the right, on a scale that the preset fixes and nothing moves."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.style import Style

from sonify.mapping.preset import NOTE_NAMES
from sonify.mapping.scales import note_of_frequency_hz
from sonify.metrics.panels import State
from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas
from sonify.views.terminal.history import Column
from sonify.views.terminal.palette import SHADES, ColourMode, Palette, palette
from sonify.views.wording import STATE_LETTERS, age, latency, rate

__all__ = ["STALE_GLYPH", "UNMEASURED_GLYPH", "draw_heatmap", "heat_scale", "heat_share"]

Array = NDArray[np.float64]

STALE_GLYPH = "╱"
UNMEASURED_GLYPH = "·"
_AXIS_WIDTH = 7
_NOTES_WIDTH = 4
_NOTES_FROM_WIDTH = 56
_DECADES_DOWN, _DECADES_UP = 1.5, 2.0  # of the preset's reference rate, the ends of the scale
_GLITCHES = " ▂▃▄▅▆▇█"


def heat_scale(board: Board) -> tuple[float, float]:
    """Rates in 1/s of one band where the colours begin and end. They follow from the preset alone."""
    reference = 1.0 if board.preset is None else board.preset.level.reference_rate
    return reference * 10.0**-_DECADES_DOWN, reference * 10.0**_DECADES_UP


def heat_share(band_rate: Array, scale: tuple[float, float]) -> Array:
    """Place of rates on the scale, 0–1 by decades; nothing is 0, NaN stays NaN."""
    low, high = scale
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log10(band_rate / low) / math.log10(high / low)
    return np.asarray(np.where(band_rate > 0.0, np.clip(share, 0.02, 1.0), np.where(np.isnan(band_rate), np.nan, 0.0)))


def draw_heatmap(canvas: Canvas, board: Board) -> None:
    """Draw the title with its scale, the map, the glitches and the time."""
    colours = board.palette
    has_notes = canvas.width >= _NOTES_FROM_WIDTH and board.mapper is not None
    width = canvas.width - _AXIS_WIDTH - (_NOTES_WIDTH if has_notes else 0)
    height = canvas.height - 3
    _draw_title(canvas, board)
    if height < 1 or width < 4:
        return
    columns = list(board.history.columns)[-width:]
    first = _AXIS_WIDTH + width - len(columns)
    for index, column in enumerate(columns):
        for row, (glyph, style) in enumerate(_column_cells(column, height, heat_scale(board), colours.mode)):
            canvas.cell(first + index, 1 + row, glyph, style)
    _draw_latency_axis(canvas, board, height, has_notes)
    canvas.write(0, height + 1, "glitch", colours.dim)
    for index, column in enumerate(columns):
        glyph, style = _glitch_glyph(column, colours)
        canvas.cell(first + index, height + 1, glyph, style)
    _draw_time_axis(canvas, board, columns, first, height + 2, width)


def _draw_title(canvas: Canvas, board: Board) -> None:
    colours = board.palette
    low, high = heat_scale(board)
    canvas.write(0, 0, "", colours.title, canvas.width)
    x = canvas.write(0, 0, f" LATENCY  {rate(low)} ", colours.title)
    if colours.ramp:
        steps = 12
        for step in range(steps):
            colour = colours.ramp[round((step + 1) / steps * (len(colours.ramp) - 1))]
            canvas.cell(x + step, 0, "█", Style(color=colour, bgcolor=colours.title.bgcolor))
        x += steps
    else:
        x = canvas.write(x, 0, SHADES[1:], colours.title)
    canvas.write(x, 0, f" {rate(high)} req/s", colours.title)


@lru_cache(maxsize=1024)
def _column_cells(column: Column, height: int, scale: tuple[float, float], mode: ColourMode) -> list[tuple[str, Style]]:
    """Cells of one column, top to bottom. A column never changes: it is drawn once, and then moves to the left."""
    colours = palette(mode)
    if column.band_rate is None:
        return [(STALE_GLYPH, colours.hatch)] * height
    shares = heat_share(column.band_rate, scale)
    if mode is ColourMode.NONE:
        return [_shade(share, colours) for share in _by_rows(shares, height)]
    halves = _by_rows(shares, 2 * height)
    return [_half_blocks(*pair, colours) for pair in zip(halves[::2], halves[1::2], strict=True)]


def _by_rows(shares: Array, num_rows: int) -> list[float]:
    """Strongest of the bands that each row shows, slowest band first."""
    count = len(shares)
    found = []
    for row in range(num_rows):
        low = (num_rows - 1 - row) * count // num_rows
        high = max(-(-(num_rows - row) * count // num_rows), low + 1)
        found.append(float(np.fmax.reduce(shares[low:high])))
    return found


def _shade(share: float, colours: Palette) -> tuple[str, Style]:
    return (UNMEASURED_GLYPH if math.isnan(share) else SHADES[colours.heat(share)]), colours.text


def _half_blocks(upper: float, lower: float, colours: Palette) -> tuple[str, Style]:
    if math.isnan(upper) and math.isnan(lower):
        return UNMEASURED_GLYPH, colours.dim
    return _two_colours(colours.heat(upper), colours.heat(lower), colours.mode)


@lru_cache(maxsize=4096)
def _two_colours(upper: int, lower: int, mode: ColourMode) -> tuple[str, Style]:
    """Nothing is the ground itself, which a terminal may not have as a colour to write with."""
    ramp = palette(mode).ramp
    if upper == lower == 0:
        return " ", Style(bgcolor=ramp[0])
    if upper == 0:
        return "▄", Style(color=ramp[lower], bgcolor=ramp[0])
    return "▀", Style(color=ramp[upper], bgcolor=ramp[lower])


def _row_of_latency(board: Board, latency_s: float, height: int) -> int:
    edges_s = board.snapshot.frame.layout.latency_edges_s
    inner = np.log(edges_s[1:-1])  # the outermost bands are open
    place = np.interp(math.log(latency_s), inner, np.arange(1, len(inner) + 1)) / (len(inner) + 1)
    return min(int((1.0 - float(place)) * height), height - 1)


def _draw_latency_axis(canvas: Canvas, board: Board, height: int, has_notes: bool) -> None:
    colours, mapper = board.palette, board.mapper
    edges_s = board.snapshot.frame.layout.latency_edges_s
    if len(edges_s) < 4:
        return
    taken: set[int] = set()
    for value_s in (0.001, 0.01, 0.1, 1.0, 10.0, 0.003, 0.03, 0.3, 3.0, 30.0):
        row = _row_of_latency(board, value_s, height)
        if (
            edges_s[1] * 0.5 <= value_s <= edges_s[-2]
            and row not in taken
            and (height > 10 or value_s not in (0.003, 0.03, 0.3, 3.0, 30.0))
        ):
            taken |= {row - 1, row, row + 1} if height > 14 else {row}
            canvas.write_right(_AXIS_WIDTH - 1, 1 + row, latency(value_s).replace(".0 ", " "), colours.dim)
            if has_notes and mapper is not None:
                note = round(float(note_of_frequency_hz(mapper.frequency_hz_of_latency(value_s))))
                name = f"{NOTE_NAMES[note % 12]}{note // 12 - 1}"
                canvas.write_right(canvas.width, 1 + row, name, colours.dim)
    limits = board.limits("latency_p95")
    if limits is not None:
        for limit_s, state in ((limits.yellow, State.YELLOW), (limits.red, State.RED)):
            if limit_s > 0.0:
                row = _row_of_latency(board, limit_s, height)
                canvas.cell(_AXIS_WIDTH - 1, 1 + row, STATE_LETTERS[state], colours.states[state])


def _glitch_glyph(column: Column, colours: Palette) -> tuple[str, Style]:
    if column.band_rate is None:
        return STALE_GLYPH, colours.hatch
    if math.isnan(column.glitches):
        return UNMEASURED_GLYPH, colours.dim
    return _GLITCHES[min(math.ceil(column.glitches), len(_GLITCHES) - 1)], colours.peak


def _draw_time_axis(canvas: Canvas, board: Board, columns: list[Column], first: int, y: int, width: int) -> None:
    right = _AXIS_WIDTH + width
    end = canvas.write_right(right, y, "now", board.palette.dim)
    for place in (_AXIS_WIDTH, _AXIS_WIDTH + width // 2):
        index = place - first
        if 0 <= index < len(columns) and place + 8 < end:
            canvas.write(place, y, f"−{age(columns[-1].t - columns[index].t)}".replace(".0 ", " "), board.palette.dim)
