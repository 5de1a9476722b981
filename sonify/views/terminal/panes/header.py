"""Top rows: how it is in a word, what plays on which card, and the state of every panel."""

from __future__ import annotations

from rich.style import Style

from sonify.metrics.panels import State
from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas, cells
from sonify.views.wording import MISSING, PANEL_WORDS, STATE_LETTERS, clock, count, latency, level, percent, rate

__all__ = ["draw_header"]

_LEAST_DEVICE_WIDTH = 12
_SHORT_WORDS = {
    "request_rate": "req",
    "error_ratio": "err",
    "latency_p95": "p95",
    "fallback_ratio": "fb",
    "glitch_rate": "glit",
    "queue_depth": "que",
    "active_requests": "act",
}


def draw_header(canvas: Canvas, board: Board) -> None:
    """Draw both rows."""
    palette, snapshot = board.palette, board.snapshot
    canvas.write(0, 0, "", palette.title, canvas.width)
    right = canvas.write_right(canvas.width - 1, 0, clock(snapshot.time_s), palette.title)
    x = canvas.write(1, 0, "sonify", palette.title)
    x = canvas.write(x + 1, 0, snapshot.preset, palette.title, min(len(cells(snapshot.preset)), canvas.width // 6))
    x = canvas.write(x + 2, 0, *_condition_chip(board))
    if snapshot.is_muted:
        x = canvas.write(x + 1, 0, " MUTED ", palette.chips[State.YELLOW])
    trim = f"trim {'+' if snapshot.trim_db > 0 else ''}{level(snapshot.trim_db)}"
    x = canvas.write(x + 2, 0, trim, palette.title)
    if not snapshot.device and not snapshot.device_problem:
        canvas.write_right(right - 1, 0, "no sound card", palette.title)  # nobody wants one
    elif snapshot.device_problem:
        canvas.write_right(right - 1, 0, " NO DEVICE ", palette.chips[State.RED])
    elif right - x > _LEAST_DEVICE_WIDTH:
        width = min(len(cells(snapshot.device)), right - x - 4)
        canvas.write(right - 2 - width, 0, snapshot.device, palette.title, width)
    _draw_panels(canvas, board)


def _condition_chip(board: Board) -> tuple[str, Style]:
    """Label of how it is; stale and no traffic have colours and signs that no state has."""
    word, state = board.condition.word.upper(), board.condition.state
    if board.condition.word == "stale":
        return f" ╱╱ {word} ╱╱ ", board.palette.stale
    if board.condition.word == "no traffic":
        return f" 0/s {word} ", board.palette.idle
    return f" {STATE_LETTERS[state]} {word} ", board.palette.chips[state]


def _draw_panels(canvas: Canvas, board: Board) -> None:
    facts = board.summary
    values = {
        "request_rate": f"{rate(facts.request_rate)}/s" if facts.request_rate == facts.request_rate else MISSING,
        "error_ratio": percent(facts.error_ratio),
        "latency_p95": latency(facts.p95_s),
        "fallback_ratio": percent(facts.fallback_ratio),
        "glitch_rate": f"{rate(facts.glitch_rate)}/s" if facts.glitch_rate == facts.glitch_rate else MISSING,
        "queue_depth": count(facts.queue_depth),
        "active_requests": count(facts.active_requests),
    }
    words, tight = PANEL_WORDS, " "
    if _width(words, values) + len(values) > canvas.width:
        words = _SHORT_WORDS
        values = {panel: value.replace(" ", "") for panel, value in values.items()}
        tight = " " if _width(words, values) + len(values) <= canvas.width else ""
    x = 1 if words is PANEL_WORDS else 0
    for panel, value in values.items():
        state = State(board.snapshot.panel_states.get(panel, State.UNKNOWN))
        x = canvas.write(x, 1, f"{words[panel]} ", board.palette.dim)
        x = canvas.write(x, 1, f"{value}{tight}", board.palette.text)
        alarm = "!" if panel in board.snapshot.unacknowledged else tight
        style = board.palette.states[state] if state <= State.GREEN else board.palette.chips[state]
        x = canvas.write(x, 1, STATE_LETTERS[state] + alarm, style) + 1


def _width(words: dict[str, str], values: dict[str, str]) -> int:
    return sum(len(words[panel]) + len(value) + 4 for panel, value in values.items())
