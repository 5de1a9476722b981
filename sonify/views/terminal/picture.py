"""`Picture`: panes drawn from a board and put together, and which cells changed since."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment

from sonify.views.terminal.board import Board
from sonify.views.terminal.canvas import Canvas
from sonify.views.terminal.layout import LEAST_HEIGHT, LEAST_WIDTH, Rect, arrange
from sonify.views.terminal.panes.footer import HELP_SIZE, draw_footer, draw_help, draw_notices
from sonify.views.terminal.panes.gauges import draw_gauges
from sonify.views.terminal.panes.header import draw_header
from sonify.views.terminal.panes.health import draw_health
from sonify.views.terminal.panes.heatmap import draw_heatmap
from sonify.views.terminal.panes.spectrum import AXIS_WIDTH, draw_axes, draw_bars
from sonify.views.terminal.panes.strips import draw_meters, draw_strips

__all__ = ["Picture"]

Row = tuple[Segment, ...]

_PANES: dict[str, Callable[[Canvas, Board], None]] = {
    "header": draw_header,
    "spectrum": draw_axes,
    "heatmap": draw_heatmap,
    "strips": draw_strips,
    "gauges": draw_gauges,
    "health": draw_health,
    "notices": draw_notices,
    "footer": draw_footer,
    "help": draw_help,
    "small": lambda canvas, board: _draw_too_small(canvas, board),
}
# what follows the sound, over the rest of its pane; figures would flicker, and are drawn less often
_MOVING: dict[str, Callable[[Canvas, Board], None]] = {"spectrum": draw_bars, "strips": draw_meters}
# panes that only change with these; the rest is drawn anew whenever figures are
_DEPENDS_ON: dict[str, Callable[[Board], tuple[int, ...]]] = {
    "spectrum": lambda board: (id(board.preset),),
    "heatmap": lambda board: (board.history.version, id(board.preset)),
    "footer": lambda _: (),
}


class Picture:
    """Rows of a whole terminal.

    Parameters
    ----------
    board : Board
        What is shown.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._size = (0, 0)
        self._places: dict[str, Rect] = {}
        self._rows: dict[str, list[Row]] = {}
        self._still: dict[str, Canvas] = {}
        self._drawn_from: dict[str, tuple[int, ...]] = {}

    def draw(self, width: int, height: int, *, everything: bool = True) -> list[Rect]:
        """Draw what moves, or everything; return the cells that differ from the picture before."""
        places = self._arrange(width, height)
        is_new = (width, height) != self._size or places != self._places
        if is_new:
            self._size, self._places, self._rows = (width, height), places, {}
        changed = []
        for name, place in places.items():
            anew = is_new or (everything and self._is_stale(name))
            if not anew and name not in _MOVING:
                continue
            rows = self._draw_pane(name, place, anew=anew)
            before = self._rows.get(name)
            self._rows[name] = rows
            changed += _differences(place, rows, before)
        return [Rect(0, 0, width, height)] if is_new else changed

    def _arrange(self, width: int, height: int) -> dict[str, Rect]:
        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return {"small": Rect(0, 0, width, height)}
        if self._board.shows_help:
            wide, high = min(HELP_SIZE[0], width), min(HELP_SIZE[1], height)
            return {"help": Rect((width - wide) // 2, (height - high) // 2, wide, high)}
        places = arrange(width, height, len(self._board.snapshot.sources))
        self._board.num_columns = places["spectrum"].width - AXIS_WIDTH - 1
        return places

    def _is_stale(self, name: str) -> bool:
        """Whether what stands still in a pane may have to be drawn anew."""
        if name not in _DEPENDS_ON:
            return True
        now = _DEPENDS_ON[name](self._board)
        is_stale = self._drawn_from.get(name) != now
        self._drawn_from[name] = now
        return is_stale

    def _draw_pane(self, name: str, place: Rect, *, anew: bool) -> list[Row]:
        if anew:
            canvas = Canvas(place.width, place.height, self._board.palette.text)
            _PANES[name](canvas, self._board)
            self._still[name] = canvas
            if name in _MOVING:
                canvas.rows()  # joined once for all pictures that are drawn over it
        if name in _MOVING:
            canvas = self._still[name].copy()
            _MOVING[name](canvas, self._board)
        return canvas.rows()

    def row(self, y: int) -> list[Segment]:
        """One row of the terminal, of exactly its width."""
        segments: list[Segment] = []
        x = 0
        for name, place in self._places.items():
            if place.y <= y < place.y + place.height and name in self._rows:
                if place.x > x:
                    segments.append(Segment(" " * (place.x - x), self._board.palette.text))
                segments += self._rows[name][y - place.y]
                x = place.x + place.width
        if x < self._size[0]:
            segments.append(Segment(" " * (self._size[0] - x), self._board.palette.text))
        return segments


def _differences(place: Rect, rows: list[Row], before: list[Row] | None) -> list[Rect]:
    """Rows that differ, neighbours joined."""
    found: list[Rect] = []
    for index, row in enumerate(rows):
        if before is not None and (row is before[index] or row == before[index]):
            continue
        y = place.y + index
        if found and found[-1].y + found[-1].height == y:
            found[-1] = Rect(place.x, found[-1].y, place.width, found[-1].height + 1)
        else:
            found.append(Rect(place.x, y, place.width, 1))
    return found


def _draw_too_small(canvas: Canvas, board: Board) -> None:
    """Say it in one line that says the most important even so."""
    size = f"needs {LEAST_WIDTH}×{LEAST_HEIGHT} cells, here are {canvas.width}×{canvas.height}"
    text = f"{board.condition.word.upper()} · {size} · q quits"
    canvas.write(0, canvas.height // 2, text, board.palette.states[board.condition.state], canvas.width)
