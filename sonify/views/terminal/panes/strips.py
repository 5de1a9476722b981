"""A channel strip for each backend, as on a mixing desk."""

from __future__ import annotations

import math

import numpy as np

from sonify.metrics.panels import State
from sonify.views.terminal.board import METER_FLOOR_DB, Board
from sonify.views.terminal.canvas import Canvas
from sonify.views.terminal.panes.bars import peak_glyph, upright_bar, upright_rows
from sonify.views.terminal.panes.heatmap import heat_scale, heat_share
from sonify.views.wording import MISSING, STATE_LETTERS, latency, level, percent, rate

__all__ = ["draw_meters", "draw_strips"]

_LEAST_WIDTH = 13
_MOST_TEXT_WIDTH = 24  # a figure stays near its label
_FIRST_TEXT = 3  # after the meter and a column for letters

Fact = tuple[str, str, State]


def draw_strips(canvas: Canvas, board: Board) -> None:
    """Draw as many strips as fit, the selected one among them, without their meters."""
    count = len(board.backends)
    if not count:
        canvas.write(1, 1, "no backend has been seen yet", board.palette.dim)
        return
    visible, width = _fitting(canvas, count)
    first = _first(board, visible)
    facts = _all_facts(board)
    canvas.write(0, 0, "", board.palette.title, canvas.width)
    for place in range(visible):
        _draw_strip(canvas, board, first + place, place * width, width, facts[first + place])
    for hidden, x, arrow in ((first, 0, "◂"), (count - visible - first, canvas.width - 1, "▸")):
        if hidden:
            canvas.write(x, 0, arrow, board.palette.selected)


def draw_meters(canvas: Canvas, board: Board) -> None:
    """Draw the meters of the strips over them."""
    count = len(board.backends)
    if not count:
        return
    visible, width = _fitting(canvas, count)
    first, now = _first(board, visible), board.snapshot
    for place in range(visible):
        name = board.backends[first + place]
        is_heard = not now.is_muted and name not in now.muted and (not now.soloed or name in now.soloed)
        _draw_meter(canvas, board, first + place, place * width, is_heard)


def _fitting(canvas: Canvas, count: int) -> tuple[int, int]:
    """How many strips fit, and how wide each is."""
    visible = min(count, max(canvas.width // _LEAST_WIDTH, 1))
    return visible, canvas.width // visible


def _first(board: Board, visible: int) -> int:
    return min(max(board.selected - visible + 1, 0), len(board.backends) - visible)


def _state(board: Board, panel: str, value: float) -> State:
    limits = board.limits(panel)
    return State.UNKNOWN if limits is None else State(int(limits.states(value)))


def _all_facts(board: Board) -> list[list[Fact]]:
    """List what stands in each strip, the important first."""
    frame = board.snapshot.frame
    p50_s, p95_s = frame.latency_quantile_s(0.5), frame.latency_quantile_s(0.95)
    found = []
    for index in range(len(board.backends)):
        error, fallback = float(frame.error_ratio[index]), float(frame.fallback_ratio[index])
        requests, glitches = float(frame.request_rate[index]), float(frame.glitch_rate[index])
        state = board.snapshot.backend_states[index] if index < len(board.snapshot.backend_states) else State.UNKNOWN
        peaks = board.meters.peak_db
        peak_db = float(peaks[index]) if index < len(peaks) else math.nan
        found.append(
            [
                ("p50", latency(float(p50_s[index])), State.UNKNOWN),
                ("p95", latency(float(p95_s[index])), state),
                ("err", percent(error), _state(board, "error_ratio", error)),
                ("fall", percent(fallback), _state(board, "fallback_ratio", fallback)),
                ("req", _per_second(requests), _state(board, "request_rate", requests)),
                ("glit", _per_second(glitches), _state(board, "glitch_rate", glitches)),
                ("peak", "−∞ dB" if peak_db <= METER_FLOOR_DB else level(peak_db), State.UNKNOWN),
            ]
        )
    return found


def _per_second(value: float) -> str:
    return MISSING if math.isnan(value) else f"{rate(value)}/s"


def _draw_strip(canvas: Canvas, board: Board, index: int, x: int, width: int, facts: list[Fact]) -> None:
    palette, snapshot = board.palette, board.snapshot
    name = board.backends[index]
    state = snapshot.backend_states[index] if index < len(snapshot.backend_states) else State.UNKNOWN
    is_selected = index == board.selected
    canvas.write(x, 0, f" {STATE_LETTERS[state]} ", palette.chips[state])
    canvas.write(
        x + 3, 0, f"{'▸' if is_selected else ' '}{name}", palette.selected if is_selected else palette.title, width - 4
    )
    height = canvas.height - 1
    right = x + min(width - 1, _MOST_TEXT_WIDTH)
    for row, (label, value, badness) in enumerate(facts[: height - 1]):
        y = 1 + row
        if badness > State.GREEN:
            canvas.write(x + _FIRST_TEXT - 1, y, STATE_LETTERS[badness], palette.states[badness])
        canvas.write(x + _FIRST_TEXT, y, label, palette.dim)
        style = palette.states[badness] if badness > State.GREEN else palette.text
        room = right - x - _FIRST_TEXT - len(label) - 1
        if len(value) > room:
            value = value.replace(" ", "")
        canvas.write_right(right, y, value, style)
    _draw_bands(canvas, board, index, x + _FIRST_TEXT, x + width - 1, len(facts) + 1)
    if name in snapshot.soloed:
        canvas.write(x + _FIRST_TEXT, height, "SOLO", palette.chips[State.YELLOW])
    if name in snapshot.muted:
        canvas.write(x + _FIRST_TEXT + 5, height, "MUTE", palette.chips[State.RED])
    elif snapshot.soloed and name not in snapshot.soloed:
        canvas.write(x + _FIRST_TEXT, height, "not solo", palette.dim)


def _draw_bands(canvas: Canvas, board: Board, index: int, left: int, right: int, first_row: int) -> None:
    """Draw the backend's own latencies, fast to slow, where rows are left."""
    frame, height = board.snapshot.frame, canvas.height - 1 - first_row
    shares = heat_share(frame.latency_rate[index], heat_scale(board))
    width = min(right - left, 2 * len(shares))
    if height < 1 or width < 4 or not np.isfinite(shares).any():
        return
    edges = np.arange(width) * len(shares) // width
    drawn = np.fmax.reduceat(shares, edges) if width < len(shares) else shares[edges]
    if height > 1:
        canvas.write(left, canvas.height - 1, "fast", board.palette.dim)
        canvas.write_right(left + width, canvas.height - 1, "slow", board.palette.dim)
    for row, glyphs in enumerate(upright_rows(np.nan_to_num(drawn), height)):
        canvas.draw(left, first_row + height - 1 - row, glyphs, board.palette.accent)


def _draw_meter(canvas: Canvas, board: Board, index: int, x: int, is_heard: bool) -> None:
    if index >= len(board.meters.level_db):
        return
    height, styles, palette = canvas.height - 1, board.palette.bars, board.palette
    share = 1.0 - float(board.meters.level_db[index]) / METER_FLOOR_DB
    peak = 1.0 - float(board.meters.peak_db[index]) / METER_FLOOR_DB
    for row, glyph in enumerate(upright_bar(share, height)):
        style = styles[min(row * len(styles) // height, len(styles) - 1)] if is_heard else palette.hatch
        canvas.draw(x, height - row, glyph * 2, style)
    if peak > 0.0:
        row, glyph = peak_glyph(peak, height)
        if round(share * height * 8) <= 8 * row:
            canvas.draw(x, height - row, glyph * 2, palette.peak if is_heard else palette.hatch)
