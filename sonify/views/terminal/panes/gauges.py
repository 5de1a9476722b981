"""Queue, active requests, batch sizes, and what the compressor takes away."""

from __future__ import annotations

import math

import numpy as np

from sonify.metrics.panels import State
from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas
from sonify.views.terminal.panes.bars import UPRIGHT, limit_gauge, lying_bar, upright_rows
from sonify.views.wording import MISSING, STATE_LETTERS, count, level

__all__ = ["batch_shares", "draw_gauges"]

_MOST_REDUCTION_DB = 24.0
_BATCH_LOW, _BATCH_HIGH = 0.01, 100.0  # 1/s, the ends of a fixed scale
_COMPACT_HEIGHT = 4


def draw_gauges(canvas: Canvas, board: Board) -> None:
    """Draw rows of gauges; on few rows they stand side by side."""
    if canvas.height < _COMPACT_HEIGHT:
        half = canvas.width // 2
        _draw_limited(canvas, board, "queue", "queue_depth", 1, 0, half - 2)
        _draw_limited(canvas, board, "active", "active_requests", half + 1, 0, canvas.width - half - 2)
        x = _draw_batches_in_a_row(canvas, board, 1, 1)
        x = _draw_reduction(canvas, board, max(x + 2, 30), 1, 22)
        _draw_amounts(canvas, board, x + 2, 1)
        return
    width = canvas.width - 2
    canvas.write(0, 0, " GAUGES", board.palette.title, canvas.width - 1)
    _draw_limited(canvas, board, "queue", "queue_depth", 1, 1, width)
    _draw_limited(canvas, board, "active", "active_requests", 1, 2, width)
    _draw_reduction(canvas, board, 1, 3, 30)
    _draw_amounts(canvas, board, 34, 3)
    _draw_batches(canvas, board, 1, 4, canvas.height - 4)


def _draw_limited(canvas: Canvas, board: Board, label: str, panel: str, x: int, y: int, width: int) -> None:
    value = float(getattr(board.snapshot.frame, panel))
    limits = board.limits(panel)
    state = State.UNKNOWN if limits is None else State(int(limits.states(value)))
    canvas.write(x, y, label, board.palette.dim)
    canvas.write_right(x + 12, y, count(value), board.palette.text)
    canvas.write(x + 13, y, STATE_LETTERS[state], board.palette.states[state])
    limit_gauge(canvas, x + 15, y, width - 15, value, limits, board.palette)


def _draw_reduction(canvas: Canvas, board: Board, x: int, y: int, width: int) -> int:
    reduction_db = board.snapshot.gain_reduction_db
    x_end = x + width
    x = canvas.write(x, y, "comp ", board.palette.dim)
    x = canvas.write(x, y, level(-reduction_db if reduction_db else 0.0).rjust(8) + " ", board.palette.text)
    canvas.draw(x, y, "─" * (x_end - x), board.palette.hatch)
    if not math.isnan(reduction_db):
        lying_bar(canvas, x, y, x_end - x, reduction_db / _MOST_REDUCTION_DB, board.palette.accent)
    return x_end


def _draw_amounts(canvas: Canvas, board: Board, x: int, y: int) -> None:
    snapshot = board.snapshot
    amounts = (
        ("eq", snapshot.eq_amount),
        ("compressor", snapshot.compressor_amount),
        ("reverb", snapshot.reverb_amount),
    )
    short = canvas.width - x < 42
    for stage, amount in amounts:
        is_chosen = stage == board.amount
        label = {"eq": "eq", "compressor": "cmp", "reverb": "rev"}[stage] if short else stage
        x = canvas.write(x, y, label, board.palette.key if is_chosen else board.palette.dim)
        value = MISSING if math.isnan(amount) else f"{amount:.1f}"
        x = canvas.write(x, y, f"{'±' if is_chosen else ' '}{value}", board.palette.text) + (1 if short else 2)


def batch_shares(batch_rate: np.ndarray) -> np.ndarray:
    """Heights 0–1 of batch bars on their fixed scale of decades; NaN stays NaN, a little is never nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log10(batch_rate / _BATCH_LOW) / math.log10(_BATCH_HIGH / _BATCH_LOW)
    return np.where(batch_rate > 0.0, np.clip(share, 0.05, 1.0), np.where(np.isnan(batch_rate), np.nan, 0.0))


def _sizes(board: Board) -> list[str]:
    edges = board.snapshot.frame.layout.batch_edges[:-1]
    return [f"{int(edge)}" if edge < 1000 else f"{int(edge // 1000)}k" for edge in edges]


def _draw_batches_in_a_row(canvas: Canvas, board: Board, x: int, y: int) -> int:
    x = canvas.write(x, y, "batch ", board.palette.dim)
    shares = batch_shares(board.snapshot.frame.batch_rate)
    if not len(shares):
        return canvas.write(x, y, MISSING, board.palette.text)
    for size, share in zip(_sizes(board)[:6], shares, strict=False):
        x = canvas.write(x, y, size, board.palette.dim)
        x = (
            canvas.write(
                x, y, MISSING if math.isnan(share) else str(UPRIGHT[math.ceil(share * 8)]), board.palette.accent
            )
            + 1
        )
    return x


def _draw_batches(canvas: Canvas, board: Board, x: int, y: int, height: int) -> None:
    shares = batch_shares(board.snapshot.frame.batch_rate)
    canvas.write(x, y, "batch", board.palette.dim)
    if height < 2:
        _draw_batches_in_a_row(canvas, board, x, y)
        return
    if not len(shares):
        canvas.write(x + 7, y, f"{MISSING} not measured", board.palette.dim)
        return
    bar = 4
    rows = upright_rows(np.nan_to_num(shares), height - 1)
    for index, (size, share) in enumerate(zip(_sizes(board), shares, strict=True)):
        left = x + 7 + index * (bar + 1)
        canvas.write(left, y + height - 1, size.center(bar), board.palette.dim)
        if math.isnan(share):
            canvas.write(left, y + height - 2, MISSING.center(bar), board.palette.dim)
            continue
        for row, glyphs in enumerate(rows):
            canvas.draw(left, y + height - 2 - row, glyphs[index] * bar, board.palette.accent)
