"""Suggested ignore zones: places in a camera's picture with repeated rejected cases and no confirmed one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from city.inventory.polygons import Point, Polygon
from city.inventory.zones import Zone, is_watched
from ingest.store.views.cases import Case

REJECTS_MIN: Final = 3
LOOK_BACK: Final = timedelta(days=60)
SAME_PLACE: Final = 0.5
"""Minimum overlap of two boxes of one place, as a share of the smaller box."""
MARGIN: Final = 0.01
"""Margin around the boxes, as a share of the picture."""

Edges = tuple[float, float, float, float]
"""(left, top, right, bottom), 0 to 1."""


class Suggestion(msgspec.Struct, frozen=True):
    """A suggested ignore zone. `reasons`: number of rejected cases by reason; `rejects`: of all of them."""

    polygon: Polygon
    reasons: dict[str, int]
    rejects: int


def suggest_ignores(cases: Iterable[Case], zones: Sequence[Zone]) -> list[Suggestion]:
    """Places with overlapping rejected cases and no confirmed case, most rejected cases first.

    Args:
        cases: Recent cases of one camera; those without a picture size are skipped.
        zones: The drawn zones; places that are not watched are not suggested.
    """
    placed = [(case, edges) for case in cases if (edges := _edges(case))]
    confirmed = [edges for case, edges in placed if case.verdict == "confirmed"]
    left = [
        (case, edges)
        for case, edges in placed
        if case.verdict == "rejected" and is_watched(zones, ((edges[0] + edges[2]) / 2, edges[3]))
    ]
    suggestions = []
    while left:
        groups = (
            [placed_case for placed_case in left if _share(seed, placed_case[1]) >= SAME_PLACE] for _, seed in left
        )
        group = max(groups, key=len)
        if len(group) < REJECTS_MIN:
            break
        around = _around([edges for _, edges in group])
        if not any(_share(around, other) > 0 for other in confirmed):
            reasons = Counter(case.reason for case, _ in group)
            suggestions.append(Suggestion(_corners(around), dict(reasons.most_common()), reasons.total()))
        left = [placed_case for placed_case in left if placed_case not in group]
    return suggestions


def _edges(case: Case) -> Edges | None:
    if not case.box or not case.frame or min(case.frame) <= 0 or min(case.box[2:]) <= 0:
        return None
    left, top, width, height = case.box
    across, down = case.frame
    return left / across, top / down, (left + width) / across, min(1.0, (top + height) / down)


def _share(box: Edges, other: Edges) -> float:
    """The overlap of two boxes, as a share of the smaller one."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((edges[2] - edges[0]) * (edges[3] - edges[1]) for edges in (box, other))


def _around(boxes: Sequence[Edges]) -> Edges:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return (
        max(0.0, min(lefts) - MARGIN),
        max(0.0, min(tops) - MARGIN),
        min(1.0, max(rights) + MARGIN),
        min(1.0, max(bottoms) + MARGIN),
    )


def _corners(edges: Edges) -> Polygon:
    left, top, right, bottom = (round(edge, 4) for edge in edges)
    corners: tuple[Point, ...] = ((left, top), (right, top), (right, bottom), (left, bottom))
    return corners
