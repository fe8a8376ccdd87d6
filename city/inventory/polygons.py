"""Polygons in normalised picture coordinates (0..1 from the top left): area, containment, self-intersection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Annotated

from msgspec import Meta

Point = Annotated[tuple[float, float], Meta(description="x and y, 0 to 1 from the top left.")]
Polygon = tuple[Point, ...]


def area(polygon: Sequence[Point]) -> float:
    """Area as a share of the picture; undefined for a polygon that crosses itself."""
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in _edges(polygon))) / 2


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """Whether a point lies in a polygon or on its outline; so the picture's edge belongs to it."""
    x, y = point
    inside = False
    for a, b in _edges(polygon):
        if _turn(a, b, point) == 0 and _within(a, b, point):
            return True
        if (a[1] > y) != (b[1] > y) and x < a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]):
            inside = not inside
    return inside


def crosses_itself(polygon: Sequence[Point]) -> bool:
    """Whether two of its lines meet elsewhere than in a corner they share, or fold back on each other."""
    edges = list(_edges(polygon))
    last = len(edges) - 1
    for (i, edge), (j, other) in combinations(enumerate(edges), 2):
        if j == i + 1 or (i == 0 and j == last):
            shared = edge[1] if j == i + 1 else edge[0]
            if _folds_back(edge, other, shared):
                return True
        elif _meet(edge, other):
            return True
    return False


def _edges(polygon: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    return zip(polygon, [*polygon[1:], *polygon[:1]], strict=True)


def _turn(a: Point, b: Point, c: Point) -> float:
    """Orientation of a, b, c: above 0 for a turn to one side, below 0 to the other, 0 for a straight line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _within(a: Point, b: Point, point: Point) -> bool:
    """Whether a point of the line through a and b lies between them."""
    return min(a[0], b[0]) <= point[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= point[1] <= max(a[1], b[1])


def _meet(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = first, second
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if (turns[0] > 0) != (turns[1] > 0) and (turns[2] > 0) != (turns[3] > 0) and 0 not in turns:
        return True
    ends = zip(turns, (c, d, a, b), ((a, b), (a, b), (c, d), (c, d)), strict=True)
    return any(turn == 0 and _within(*edge, point) for turn, point, edge in ends)


def _folds_back(first: tuple[Point, Point], second: tuple[Point, Point], shared: Point) -> bool:
    """Whether two lines from one corner lie on each other; a line without length does."""
    far = [next((end for end in edge if end != shared), shared) for edge in (first, second)]
    if shared in far:
        return True
    ahead = sum((far[0][i] - shared[i]) * (far[1][i] - shared[i]) for i in (0, 1))
    return _turn(far[0], shared, far[1]) == 0 and ahead > 0
