"""`Canvas`: a rectangle of cells to write text on, safe for untrusted text, cut by the width of cells."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import cast

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style

from sonify.views.wording import clean

__all__ = ["Canvas", "cells", "fit"]

Row = tuple[Segment, ...]


@lru_cache(maxsize=2048)
def cells(text: str) -> tuple[str, ...]:
    """One string for each cell of `text`: a wide character is followed by an empty one, marks join what they mark."""
    found: list[str] = []
    for character in clean(text):
        width = get_character_cell_size(character)
        if width > 0:
            found.append(character)
            found.extend("" for _ in range(width - 1))
        elif found:
            found[-1 if found[-1] else -2] += character
    return tuple(found)


def fit(text: str, width: int) -> tuple[str, ...]:
    """Cells of `text`, exactly `width` of them: an ellipsis where it was cut, spaces where it is shorter."""
    found = cells(text)
    if len(found) <= width:
        return found + (" ",) * (width - len(found))
    return (*_whole(found, width - 1), "…") if width > 0 else ()


def _whole(found: tuple[str, ...], width: int) -> tuple[str, ...]:
    """First cells; half of a wide character does not stay."""
    kept = found[:width]
    return (*kept[:-1], " ") if kept and len(found) > width and found[width] == "" else kept


class Canvas:
    """Cells with a style each; what is written outside is cut off.

    Parameters
    ----------
    width, height : int
        In cells.
    style : Style
        Of empty cells.
    """

    def __init__(self, width: int, height: int, style: Style) -> None:
        self.width, self.height = width, height
        self._empty = style
        self._rows: list[Row | None] = [None] * height  # joined already, until something is written on one
        self._cells = [[" "] * width for _ in range(height)]
        self._styles = [[style] * width for _ in range(height)]

    def write(self, x: int, y: int, text: str, style: Style, width: int | None = None) -> int:
        """Write untrusted or trusted text, fitted to `width` where that is given; return where it ended."""
        found = cells(text) if width is None else fit(text, width)
        if 0 <= y < self.height and x < self.width:
            found = _whole(found, self.width - x)
            self._cells[y][x : x + len(found)] = found
            self._styles[y][x : x + len(found)] = [style] * len(found)
            self._rows[y] = None
        return x + len(found)

    def write_right(self, right: int, y: int, text: str, style: Style) -> int:
        """Write text that ends before the column `right`; return where it began."""
        begin = right - len(cells(text))
        self.write(max(begin, 0), y, text, style)
        return begin

    def draw(self, x: int, y: int, glyphs: str, style: Style) -> None:
        """Draw glyphs of one cell each, quickly: for what the view makes itself."""
        if 0 <= y < self.height:
            count = min(len(glyphs), self.width - x)
            self._cells[y][x : x + count] = glyphs[:count]
            self._styles[y][x : x + count] = [style] * count
            self._rows[y] = None

    def cell(self, x: int, y: int, glyph: str, style: Style) -> None:
        """Draw one glyph of one cell."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._cells[y][x] = glyph
            self._styles[y][x] = style
            self._rows[y] = None

    def copy(self) -> Canvas:
        """Return the same once more, to draw over."""
        other = Canvas(0, 0, self._empty)
        other.width, other.height = self.width, self.height
        other._cells = [row[:] for row in self._cells]
        other._styles = [row[:] for row in self._styles]
        other._rows = self._rows[:]
        return other

    def rows(self) -> list[Row]:
        """All rows as segments of one style each; each row is exactly `width` cells wide."""
        for y, row in enumerate(self._rows):
            if row is None:
                self._rows[y] = _joined(self._cells[y], self._styles[y])
        return cast("list[Row]", self._rows[:])


def _joined(row: list[str], styles: list[Style]) -> Row:
    segments = []
    start = 0
    for _, run in groupby(map(id, styles)):  # the same object: comparing styles takes ten times longer
        end = start + len(list(run))
        segments.append(Segment("".join(row[start:end]), styles[start]))
        start = end
    return tuple(segments)
