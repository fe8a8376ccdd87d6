"""What rejected cases say about a camera's picture: places where it was wrong again and again and never right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from city.polygons import Point, Polygon
from city.zones import Zone, is_watched
from ingest.store.cases import Case

REJECTS_MIN: Final = 3
LOOK_BACK: Final = timedelta(days=60)
SAME_PLACE: Final = 0.5
"""Of the smaller of two boxes: so much of it both have in common when they are of one place."""
MARGIN: Final = 0.01
"""Of the picture, around the boxes."""

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom, normalised."""


class Suggestion(msgspec.Struct, frozen=True):
    """A zone to be ignored, for somebody to accept or not; why the cases there were rejected, how often each."""

    polygon: Polygon
    reasons: dict[str, int]

    @property
    def rejects(self) -> int:
        """How many rejected cases speak for it."""
        return sum(self.reasons.values())


def suggest_ignores(cases: Iterable[Case], zones: Sequence[Zone]) -> list[Suggestion]:
    """Places with rejected cases lying over each other and none that was confirmed, most rejects first.

    Args:
        cases: One camera's, of the time that counts; those whose picture's size is unknown say nothing.
        zones: What is drawn already; a place that is not watched any more is not suggested again.
    """
    placed = [(case, edges) for case in cases if (edges := _edges(case))]
    confirmed = [edges for case, edges in placed if case.verdict == "confirmed"]
    left = [
        (case, edges)
        for case, edges in placed
        if case.verdict == "rejected" and is_watched(zones, ((edges[0] + edges[2]) / 2, edges[3]))
    ]
    found = []
    while left:
        groups = ([one for one in left if _share(seed, one[1]) >= SAME_PLACE] for _, seed in left)
        group = max(groups, key=len)
        if len(group) < REJECTS_MIN:
            break
        around = _around([edges for _, edges in group])
        if not any(_share(around, other) > 0 for other in confirmed):
            reasons = Counter(case.reason for case, _ in group)
            found.append(Suggestion(_corners(around), dict(reasons.most_common())))
        left = [one for one in left if one not in group]
    return found


def _edges(case: Case) -> Edges | None:
    if not case.box or not case.frame or min(case.frame) <= 0 or min(case.box[2:]) <= 0:
        return None
    left, top, width, height = case.box
    across, down = case.frame
    return left / across, top / down, (left + width) / across, min(1.0, (top + height) / down)


def _share(one: Edges, other: Edges) -> float:
    """What two boxes have in common, as a share of the smaller one."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))


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
