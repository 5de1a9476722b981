"""Is it all true? What is stale, how far behind each source is, and how the engine itself is."""

from __future__ import annotations

import math

from sonify.metrics.panels import State
from sonify.runner.snapshot import SourceStatus
from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas, cells
from sonify.views.wording import MISSING, PANEL_WORDS, age, clean, latency, level, percent

__all__ = ["draw_health", "source_text"]

_OLD_INTERVALS = 3.0  # a panel that is older than so many intervals is said to be
_LATE_CALLBACK_S = 0.25  # a card that asks for nothing for so long has stopped
_TALL = 5
_SHORT = {"callback": "cb", "to ear": "ear", "render": "load"}


def draw_health(canvas: Canvas, board: Board) -> None:
    """Draw the sources, then the engine."""
    y = 0
    engine_rows = 1
    if canvas.height >= _TALL:
        canvas.write(0, 0, " SOURCES AND ENGINE", board.palette.title, canvas.width)
        y, engine_rows = 1, 2
    sources = board.snapshot.sources
    room = canvas.height - y - engine_rows
    if not sources:
        canvas.write(1, y, "no source", board.palette.dim)
    worst_first = sorted(sources, key=lambda source: not source.is_stale)
    shown = worst_first if len(sources) <= room else worst_first[: max(room - 1, 1)]
    spare = room - len(shown)
    for source in shown:
        more = len(sources) - 1 if room == 1 else 0
        is_long = _draw_source(canvas, board, source, y, more, may_wrap=spare > 0)
        spare -= is_long
        y += 1 + is_long
    if len(shown) < len(sources) and room > 1:
        canvas.write(1, y, f"and {len(sources) - len(shown)} more", board.palette.dim)
    _draw_engine(canvas, board, canvas.height - engine_rows, engine_rows)


def source_text(source: SourceStatus, interval_s: float) -> str:
    """Say what follows a source's name: how far behind, which panels are old, what is wrong. Untrusted."""
    parts = [f"{age(source.lag_s)} behind" if math.isfinite(source.lag_s) else "no data yet"]
    old = [
        f"{PANEL_WORDS.get(panel, clean(panel))} {age(age_s)} old"
        for panel, age_s in source.panel_age_s.items()
        if age_s > _OLD_INTERVALS * interval_s
    ]
    if source.problem:
        parts.append(clean(source.problem))
    if len(old) > 1 and len(old) == len(source.panel_age_s):
        parts.append(f"all panels {age(min(source.panel_age_s.values()))} old")
    elif old:
        parts.append(", ".join(old))
    return "; ".join(parts)


def _draw_source(canvas: Canvas, board: Board, source: SourceStatus, y: int, more: int, *, may_wrap: bool) -> bool:
    """Draw one source, and say whether it took a second row."""
    palette = board.palette
    x = 1
    if source.is_stale:
        x = canvas.write(x, y, " STALE ", palette.stale) + 1
    else:
        x = canvas.write(x, y, "live", palette.states[State.GREEN]) + 1
    tail = f"  +{more} more" if more else ""
    text = source_text(source, board.snapshot.frame.layout.interval_s)
    room = canvas.width - x - len(tail)
    title_width, text_width = len(cells(source.title)), len(cells(text))
    if may_wrap and title_width + text_width + 1 > room:
        canvas.write(x, y, source.title, palette.strong, min(title_width, room))
        canvas.write(3, y + 1, text, palette.text, min(canvas.width - 3, text_width))
        return True
    title_width = min(title_width, max(room - text_width - 1, room // 3))
    x = canvas.write(x, y, source.title, palette.strong, title_width) + 1
    canvas.write(x, y, text, palette.text, min(canvas.width - x - len(tail), text_width))
    if tail:
        canvas.write_right(canvas.width, y, tail, palette.dim)
    return False


def _draw_engine(canvas: Canvas, board: Board, y: int, rows: int) -> None:
    palette, now = board.palette, board.snapshot
    is_late = now.callback_age_s > _LATE_CALLBACK_S
    facts = [
        ("underruns", str(now.underruns), now.underruns > 0),
        ("callback", latency(now.callback_age_s), is_late),
        ("ring", latency(now.ring_s), bool(now.device) and now.ring_s <= 0.0),
        ("to ear", latency(now.frame_to_ear_s), False),
        ("render", percent(now.render_load_ratio), now.render_load_ratio > 0.7),
        ("CPU", percent(now.cpu_ratio), False),
        ("peak", MISSING if math.isnan(now.true_peak_dbtp) else level(now.true_peak_dbtp, "dBTP"), False),
    ]
    needed = sum(len(label) + len(value) + 3 for label, value, _ in facts)
    squeeze = rows == 1 and needed > canvas.width
    x, per_row = 1, len(facts) if rows == 1 or needed <= canvas.width else 4
    for index, (label, value, is_bad) in enumerate(facts):
        if index == per_row:
            x, y = 1, y + 1
        x = canvas.write(x, y, f"{_SHORT.get(label, label) if squeeze else label} ", palette.dim)
        shown = value.replace(" ", "") if squeeze else value
        style = palette.chips[State.RED] if is_bad else palette.text
        x = canvas.write(x, y, f"{shown}!" if is_bad else shown, style) + (1 if squeeze else 2)
