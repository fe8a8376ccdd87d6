"""Where panels stand: rows of cells of stacked panels, that fill the 24 columns of a board without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

COLUMNS: Final = 24

Stacked = tuple[int, dashboard.Panel]
"""Height in Grafana's units of 38 pixels, and the panel."""

Cell = tuple[int, Sequence[Stacked]]
"""Width in columns, and what stands below each other."""

Row = Sequence[Cell]


def place(rows: Sequence[Row]) -> list[dashboard.Panel]:
    """Panels with their places and ids, in reading order.

    Raises:
        ValueError: A row is not filled, or its cells are of different heights.
    """
    placed: list[dashboard.Panel] = []
    top = 0
    for number, row in enumerate(rows, 1):
        heights = {sum(height for height, _ in stack) for _, stack in row}
        if sum(width for width, _ in row) != COLUMNS or len(heights) != 1:
            raise ValueError(f"row {number} leaves a gap: widths {[w for w, _ in row]}, heights {sorted(heights)}")
        left = 0
        for width, stack in row:
            below = top
            for height, panel in stack:
                panel.id_val = len(placed) + 1
                panel.grid_pos = dashboard.GridPos(h=height, w=width, x=left, y=below)
                placed.append(panel)
                below += height
            left += width
        top += heights.pop()
    return placed


def equal(height: int, *panels: dashboard.Panel) -> Row:
    """A row of panels of one height and width."""
    return [(COLUMNS // len(panels), [(height, panel)]) for panel in panels]
