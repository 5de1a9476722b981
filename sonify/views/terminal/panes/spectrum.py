"""The spectrum analyzer: the sound that went out, over an axis that reads in Hz and in latency."""

from __future__ import annotations

import numpy as np
from rich.style import Style

from sonify.metrics.panels import State
from sonify.views.terminal.analyzer import FLOOR_DB, TOP_DB, column_of_frequency
from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas
from sonify.views.terminal.panes.bars import peak_glyph, upright_rows
from sonify.views.wording import STATE_LETTERS, latency

__all__ = ["AXIS_WIDTH", "draw_axes", "draw_bars"]

AXIS_WIDTH = 4
_HZ_LABELS = ((100, "100"), (1000, "1k"), (10000, "10k"), (300, "300"), (3000, "3k"), (50, "50"), (500, "500"))
_LATENCY_LABELS_S = (0.1, 1.0, 0.01, 10.0, 0.002, 0.03, 0.3, 3.0, 60.0)
_EVERY_DB = 20


def draw_bars(canvas: Canvas, board: Board) -> None:
    """Draw bars and held peaks over the axes."""
    width, height = canvas.width - AXIS_WIDTH - 1, canvas.height - 3
    levels, peaks = board.spectrum.level_db, board.spectrum.peak_db
    if height >= 1 and len(levels) == width:
        range_db = TOP_DB - FLOOR_DB
        _draw_bars(canvas, board, (levels - FLOOR_DB) / range_db, (peaks - FLOOR_DB) / range_db)


def draw_axes(canvas: Canvas, board: Board) -> None:
    """Draw the title and all axes."""
    palette = board.palette
    width, height = canvas.width - AXIS_WIDTH - 1, canvas.height - 3
    canvas.write(0, 0, " SPECTRUM  dBFS of the output", palette.title, canvas.width - 1)
    if height < 1 or width < 8:
        return
    _draw_level_axis(canvas, board, height)
    _draw_limits(canvas, board, width, height)
    _draw_labels(canvas, height + 1, width, "Hz", [(hz, text) for hz, text in _HZ_LABELS], board)
    mapper = board.mapper
    if mapper is not None:
        bands = mapper.preset.bands
        labels = [
            (mapper.frequency_hz_of_latency(value_s), latency(value_s).replace(".0 ", " ").replace(" ", ""))
            for value_s in _LATENCY_LABELS_S
            if bands.low <= value_s <= bands.high
        ]
        _draw_labels(canvas, height + 2, width, "lat", labels, board)


def _draw_bars(canvas: Canvas, board: Board, shares: np.ndarray, peaks: np.ndarray) -> None:
    height, styles = canvas.height - 3, board.palette.bars
    for row, glyphs in enumerate(upright_rows(shares, height)):
        style = styles[min(row * len(styles) // height, len(styles) - 1)]
        _draw_where_filled(canvas, AXIS_WIDTH, height - row, glyphs, style)
    for column, (share, peak) in enumerate(zip(shares.tolist(), peaks.tolist(), strict=True)):
        if peak > 0.004:
            row, glyph = peak_glyph(peak, height)
            if round(share * height * 8) <= 8 * row:
                canvas.cell(AXIS_WIDTH + column, height - row, glyph, board.palette.peak)


def _draw_where_filled(canvas: Canvas, x: int, y: int, glyphs: str, style: Style) -> None:
    """Draw runs of glyphs that are not empty, so that what stands behind them stays."""
    start = 0
    for run in glyphs.split(" "):
        if run:
            canvas.draw(x + start, y, run, style)
        start += len(run) + 1


def _draw_level_axis(canvas: Canvas, board: Board, height: int) -> None:
    every = _EVERY_DB if height >= 6 else 2 * _EVERY_DB
    for level_db in range(int(FLOOR_DB) + every, int(TOP_DB) + 1, every):
        row = round((TOP_DB - level_db) / (TOP_DB - FLOOR_DB) * height)
        canvas.write(0, 1 + min(row, height - 1), f"{level_db:>3}".replace("-", "−"), board.palette.dim)


def _draw_limits(canvas: Canvas, board: Board, width: int, height: int) -> None:
    """Mark the notes of the latency limits: what sounds beyond them is yellow, or red."""
    limits = board.limits("latency_p95")
    if limits is None or board.mapper is None:
        return
    for limit_s, state in ((limits.yellow, State.YELLOW), (limits.red, State.RED)):
        column = column_of_frequency(board.mapper.frequency_hz_of_latency(limit_s), width)
        if 0 <= column < width:
            for row in range(1, height + 1):
                canvas.cell(AXIS_WIDTH + column, row, "┊", board.palette.states[state])
            canvas.cell(AXIS_WIDTH + column, 1, STATE_LETTERS[state], board.palette.states[state])


def _draw_labels(canvas: Canvas, y: int, width: int, unit: str, labels: list[tuple[float, str]], board: Board) -> None:
    """Write labels centred under their frequencies, the important ones first, and none over another."""
    canvas.write(0, y, f"{unit:>3}", board.palette.dim)
    taken = np.zeros(width + 2, dtype=np.bool_)
    for frequency_hz, text in labels:
        begin = column_of_frequency(frequency_hz, width) - (len(text) - 1) // 2
        if begin >= 0 and begin + len(text) <= width and not taken[max(begin - 1, 0) : begin + len(text) + 1].any():
            canvas.write(AXIS_WIDTH + begin, y, text, board.palette.text)
            taken[begin : begin + len(text)] = True
