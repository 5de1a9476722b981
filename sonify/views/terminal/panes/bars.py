"""Bars of eighths of a cell, upright and lying."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from rich.style import Style

from sonify.metrics.panels import Limits, State
from sonify.views.terminal.canvas import Canvas
from sonify.views.terminal.palette import Palette
from sonify.views.wording import STATE_LETTERS

__all__ = ["UPRIGHT", "limit_gauge", "lying_bar", "peak_glyph", "upright_bar", "upright_rows"]

_UPRIGHT = " ▁▂▃▄▅▆▇█"
UPRIGHT = np.array(list(_UPRIGHT))
_LYING = " ▏▎▍▌▋▊▉█"
_OVER_RED = 1.5  # a gauge ends at this many times its red limit


def upright_rows(shares: ArrayLike, height: int) -> list[str]:
    """Rows of glyphs, bottom first, of bars that fill shares 0–1 of `height` cells."""
    eighths = np.rint(np.clip(np.asarray(shares, dtype=np.float64), 0.0, 1.0) * height * 8).astype(np.int64)
    inside = np.clip(eighths - 8 * np.arange(height)[:, None], 0, 8)
    return [str(row) for row in UPRIGHT[inside].view(f"<U{len(eighths)}")[:, 0]]


def upright_bar(share: float, height: int) -> list[str]:
    """Glyphs of one bar, bottom first; quicker than `upright_rows`."""
    eighths = round(min(max(share, 0.0), 1.0) * height * 8)
    return [_UPRIGHT[min(max(eighths - 8 * row, 0), 8)] for row in range(height)]


def peak_glyph(share: float, height: int) -> tuple[int, str]:
    """Row from the bottom, and the line nearest to a share 0–1 of `height` cells."""
    eighths = min(max(share, 0.0), 1.0) * height * 8
    row = min(int(eighths // 8), height - 1)
    inside = eighths - 8 * row
    return row, "▁" if inside < 3 else "─" if inside < 6 else "▔"


def lying_bar(canvas: Canvas, x: int, y: int, width: int, share: float, style: Style) -> None:
    """Draw a bar from the left; beyond its end an arrow."""
    if width <= 0 or not share > 0.0:
        return
    eighths = max(round(min(share, 1.0) * width * 8), 1)
    full, rest = divmod(eighths, 8)
    canvas.draw(x, y, "█" * full + (_LYING[rest] if rest else ""), style)
    if share > 1.0:
        canvas.cell(x + width - 1, y, "▶", style)


def limit_gauge(
    canvas: Canvas, x: int, y: int, width: int, value: float, limits: Limits | None, palette: Palette
) -> None:
    """Draw a value on a fixed scale that ends a half over its red limit, with both limits marked."""
    if limits is None or not limits.red > 0.0 or width < 4:
        return
    scale = _OVER_RED * limits.red
    canvas.draw(x, y, "─" * width, palette.hatch)
    if np.isnan(value):
        return
    state = State(int(limits.states(value)))
    lying_bar(canvas, x, y, width, value / scale, palette.states[state])
    for limit, mark in ((limits.yellow, State.YELLOW), (limits.red, State.RED)):
        column = x + min(int(limit / scale * width), width - 1)
        if value < limit:
            canvas.cell(column, y, STATE_LETTERS[mark], palette.states[mark])
