"""Bottom rows: what was said lately, the keys, and the help over everything."""

from __future__ import annotations

from sonify.metrics.panels import State
from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas

__all__ = ["draw_footer", "draw_help", "draw_notices"]

_KEYS = (
    ("q", "quit"),
    ("?", "help"),
    ("space", "mute"),
    ("↑↓", "trim"),
    ("←→", "backend"),
    ("s", "solo"),
    ("x", "off"),
    ("a", "ack"),
    ("n/p", "preset"),
    ("e/c/r +−", "amount"),
)
_SHORT_KEYS = (
    ("q", "quit"),
    ("?", "help"),
    ("m", "mute"),
    ("↑↓", "trim"),
    ("←→", "pick"),
    ("s", "solo"),
    ("x", "off"),
    ("a", "ack"),
    ("n/p", "preset"),
    ("e/c/r +−", "fx"),
)
_HELP = (
    ("space, m", "mute everything, or not"),
    ("↑ ↓", "trim: louder, quieter, by 1 dB"),
    ("← →", "select a backend"),
    ("s", "solo the selected backend"),
    ("x", "mute the selected backend"),
    ("a", "acknowledge the alarms that stand"),
    ("n, p", "next preset, the one before"),
    ("e, c, r", "choose EQ, compressor or reverb …"),
    ("+ −", "… and turn its amount by 0.1"),
    ("?", "show or hide this help"),
    ("q, Ctrl-C", "fade out and quit"),
    ("", ""),
    ("G Y R –", "green, yellow, red, not measured"),
    ("–", "not measured; it is never shown as 0"),
    ("╱╱╱", "stale: the source delivered nothing"),
    ("R!", "red, and nobody acknowledged it"),
)


def draw_notices(canvas: Canvas, board: Board) -> None:
    """Write what is wrong with card and preset, then the newest notices, newest last."""
    now = board.snapshot
    problems = [problem for problem in (now.device_problem, now.preset_problem) if problem]
    shown = [(problem, board.palette.states[State.RED]) for problem in problems[: canvas.height]]
    room = canvas.height - len(shown)
    recent = now.notices[-room:] if room else ()
    shown += [(notice, board.palette.text) for notice in recent]
    for y, (text, style) in enumerate(shown):
        canvas.write(1, y, f"! {text}" if y < len(problems) else f"· {text}", style, canvas.width - 2)


def draw_footer(canvas: Canvas, board: Board) -> None:
    """Write the keys, in short words where there is little room."""
    x, keys, gap = 1, _KEYS, 2
    if sum(len(key) + len(what) + 3 for key, what in _KEYS) > canvas.width:
        x, keys, gap = 0, _SHORT_KEYS, 1
    for key, what in keys:
        x = canvas.write(x, 0, key, board.palette.key)
        x = canvas.write(x + 1, 0, what, board.palette.dim) + gap


def draw_help(canvas: Canvas, board: Board) -> None:
    """Write all keys and signs."""
    canvas.write(0, 0, " KEYS AND SIGNS", board.palette.selected, canvas.width)
    for y, (key, what) in enumerate(_HELP, start=2):
        canvas.write(2, y, key, board.palette.key, 12)
        canvas.write(14, y, what, board.palette.text, canvas.width - 15)


HELP_SIZE = (56, len(_HELP) + 3)
