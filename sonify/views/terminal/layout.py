"""Where each pane stands, from 80×24 cells up."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LEAST_HEIGHT", "LEAST_WIDTH", "Rect", "arrange"]

LEAST_WIDTH, LEAST_HEIGHT = 80, 24


@dataclass(frozen=True, slots=True)
class Rect:
    """Cells of a pane."""

    x: int
    y: int
    width: int
    height: int


def arrange(width: int, height: int, num_sources: int) -> dict[str, Rect]:
    """Give each pane its place; together they fill the terminal.

    Top to bottom: header and panels, spectrum beside heatmap, strips, gauges beside health (sources and the engine),
    notices, footer. On few rows the gauges and the health stand in single rows.
    """
    strips = 7 + min(max(height - 26, 0) // 4, 8)
    if width >= 110 and height >= 32:
        lower = min(max(5 + min(num_sources, 6), 7), 11)
        notices = 1 + min((height - 24) // 8, 5)
        left = width // 2
        lower_panes = {"gauges": (0, left, lower), "health": (left, width - left, lower)}
    else:
        gauges, health = 2, 2 + min(max(num_sources - 1, 0), max(height - 26, 0), 4)
        notices = 1 + min(max(height - 28, 0) // 4, 3)
        lower = gauges + health
        lower_panes = {}
    top = height - 2 - strips - lower - notices - 1
    left = width // 2
    y = 2 + top
    panes = {
        "header": Rect(0, 0, width, 2),
        "spectrum": Rect(0, 2, left, top),
        "heatmap": Rect(left, 2, width - left, top),
        "strips": Rect(0, y, width, strips),
    }
    y += strips
    if lower_panes:
        panes |= {name: Rect(x, y, wide, high) for name, (x, wide, high) in lower_panes.items()}
    else:
        panes |= {"gauges": Rect(0, y, width, gauges), "health": Rect(0, y + gauges, width, health)}
    y += lower
    return panes | {"notices": Rect(0, y, width, notices), "footer": Rect(0, height - 1, width, 1)}
