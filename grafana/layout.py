"""Placement of panels: rows of cells of stacked panels, which fill a dashboard's 24 columns without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

COLUMNS: Final = 24

Stacked = tuple[int, dashboard.Panel]
"""Height in Grafana's units of 38 pixels, and the panel."""

Cell = tuple[int, Sequence[Stacked]]
"""Width in columns, and the panels stacked in the cell."""

Row = Sequence[Cell]


def place(rows: Sequence[Row]) -> list[dashboard.Panel]:
    """Set the positions and ids of panels; returns them in reading order.

    Raises:
        ValueError: A row is not 24 columns wide, or its cells differ in height.
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
    """A row of panels of equal size."""
    return [(COLUMNS // len(panels), [(height, panel)]) for panel in panels]
