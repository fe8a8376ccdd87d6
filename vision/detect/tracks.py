"""Multi-object tracking: blobs matched from picture to picture, classified as people and vehicles by their size.

A person is higher than wide, and as high as people have been on the same ground; a vehicle is wider.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from vision.detect.picture import Mask
from vision.detect.regions import Box, boxes_of, gap_px, iou

Kind = Literal["person", "vehicle", "thing"]

CLOSE_PX: Final = 5
KEPT_S: Final = 30.0
"""How long a lost track is kept: an owner may linger before the object is judged."""
PATH_LENGTH: Final = 200
"""Number of boxes kept of a track, 40 s at five pictures a second."""
PRESENT_BOXES: Final = 3
PREDICTED_BOXES: Final = 2
FAST_COST: Final = 0.3
LOST_S: Final = 1.5
"""A track not seen for this long is lost; the next blob there is a new track."""


@dataclass(frozen=True)
class Gate:
    """How far the next box of a track may be, if it does not overlap the last.

    Attributes:
        near_heights: Maximum distance in heights.
        fast_heights_s: Distance in heights that each second adds.
        like: Minimum ratio of heights, smaller to larger.
    """

    near_heights: float
    fast_heights_s: float
    like: float


FIRST_HEIGHTS_S: Final = 6.0
"""Distance in heights that each second adds for a track of one box: a motorbike, whose speed is not known yet."""
PREDICTED_S: Final = 1.0
"""A track is expected where its last speed leads it for so long."""
BLOB_GATE: Final = Gate(0.6, 1.5, 0.4)
BODY_GATE: Final = Gate(0.3, 1.0, 0.6)
"""A recognised body keeps its size, and people walk at less than a height a second."""
VEHICLE_GATE: Final = Gate(0.5, FIRST_HEIGHTS_S, 0.5)
WALKED_WIDTHS: Final = 1.5
"""Distance in widths from which a blob walks: shadows and branches stay in their place."""
DRIVEN_WIDTHS: Final = 0.5
"""Distance in widths from which a vehicle has driven: a truck stops at the container after a short way."""
UPRIGHT: Final = (1.3, 5.0)
"""Minimum and maximum ratio of height to width of a person who stands or walks."""
VEHICLE_WIDER: Final = 1.1
VEHICLE_AREA: Final = 0.012
"""Minimum share of the picture that a vehicle fills while the height of people is unknown."""
_KINDS: Final[dict[str, Kind]] = {"person": "person", "vehicle": "vehicle"}
HEIGHTS_KEPT: Final = 120
HEIGHTS_NEEDED: Final = 12


@dataclass(eq=False)
class Track:
    """One blob or recognised body over time. `path` holds (seconds, box), newest last; a body has a kind."""

    id: int
    kind: str = ""
    path: deque[tuple[float, Box]] = field(default_factory=lambda: deque(maxlen=PATH_LENGTH))

    @property
    def box(self) -> Box:
        """Newest box."""
        return self.path[-1][1]

    @property
    def first_s(self) -> float:
        """Time of the oldest box kept."""
        return self.path[0][0]

    @property
    def last_s(self) -> float:
        """Time of the newest box."""
        return self.path[-1][0]

    @property
    def height_px(self) -> float:
        """Median height; arms and bags that join the blob for a moment do not count."""
        return float(np.median([box[3] for _, box in self.path]))

    @property
    def present_height_px(self) -> float:
        """Height now: who walks away from the camera shrinks."""
        return float(np.median([box[3] for _, box in list(self.path)[-PRESENT_BOXES:]]))

    @property
    def widths_travelled(self) -> float:
        """Extent of the path in multiples of the blob's width."""
        xs = [box[0] + box[2] / 2 for _, box in self.path]
        ys = [box[1] + box[3] for _, box in self.path]
        width = float(np.median([box[2] for _, box in self.path]))
        return max(max(xs) - min(xs), max(ys) - min(ys)) / max(1.0, width)

    def expected_box(self, at_s: float) -> Box:
        """Where the last two boxes lead it at `at_s` seconds; the newest box if that is too far ahead."""
        if len(self.path) < PREDICTED_BOXES or at_s - self.last_s > PREDICTED_S:
            return self.box
        (before_s, before), (last_s, last) = self.path[-2], self.path[-1]
        ratio = (at_s - last_s) / max(1e-3, last_s - before_s)
        across = last[0] + last[2] / 2 - before[0] - before[2] / 2
        down = last[1] + last[3] - before[1] - before[3]
        return round(last[0] + across * ratio), round(last[1] + down * ratio), last[2], last[3]

    @property
    def has_travelled(self) -> bool:
        """Whether it has travelled farther than it is wide."""
        return self.widths_travelled > WALKED_WIDTHS

    def box_at(self, at_s: float) -> Box:
        """The box kept that is nearest in time to `at_s`."""
        return min(self.path, key=lambda place: abs(place[0] - at_s))[1]


class Perspective:
    """Height of a person by row of the picture, learnt from people who walked there, or given."""

    def __init__(self, given: Sequence[tuple[float, float]] = ()) -> None:
        """Start with (row, height) pairs in pixels from an operator; without any, heights are learnt."""
        self._seen: deque[tuple[float, float]] = deque(given, maxlen=max(HEIGHTS_KEPT, len(given)))
        self._given = len(given) > 1
        self._line: tuple[float, float] | None = self._fit() if self._given else None

    def learn(self, track: Track, shape: tuple[int, ...]) -> None:
        """Take the newest box of a person who walks and is wholly inside the picture (height, width)."""
        left, top, width, height = track.box
        is_inside = left > 1 and top > 1 and left + width < shape[1] - 1 and top + height < shape[0] - 1
        upright = UPRIGHT[0] <= height / width <= UPRIGHT[1]
        if not self._given and is_inside and upright and track.has_travelled:
            self._seen.append((top + height, height))
            self._line = self._fit() if len(self._seen) >= HEIGHTS_NEEDED else None

    def height_at(self, row_px: float) -> float | None:
        """Height in pixels of a person whose feet are on a row; None while too few have walked there."""
        if self._line is None:
            return None
        slope, base = self._line
        return max(8.0, slope * row_px + base)

    def _fit(self) -> tuple[float, float]:
        """Fit a line (slope, base) to the heights: the median, and a slope if people stood on different rows."""
        rows, heights = (np.array(column) for column in zip(*self._seen, strict=True))
        middle_row, middle = float(np.median(rows)), float(np.median(heights))
        spread = rows - middle_row
        slope = float((spread * (heights - middle)).sum() / max(1.0, (spread**2).sum()))
        return (slope, middle - slope * middle_row) if slope > 0 else (0.0, middle)


class Tracker:
    """Tracks the blobs, or the recognised bodies, of one camera; one not seen for `lost_s` seconds is lost."""

    def __init__(self, lost_s: float = LOST_S, gate: Gate = BLOB_GATE) -> None:
        self._lost_s = lost_s
        self._gate = gate
        self._count = 0
        self.tracks: list[Track] = []

    def step(self, moving: Mask, at_s: float, min_area_px: int) -> list[Track]:
        """Match the blobs of a mask to the tracks; returns the tracks seen in it."""
        return self.follow(boxes_of(moving, close_px=CLOSE_PX, min_area_px=min_area_px), at_s)

    def follow(self, blobs: Sequence[Box], at_s: float, kind: str = "") -> list[Track]:
        """Match the boxes of a picture to the tracks of their kind; returns the tracks seen in it."""
        live = [track for track in self.tracks if track.kind == kind and at_s - track.last_s <= self._lost_s]
        seen = []
        for blob in blobs:
            match = min(live, key=lambda track: self._distance(track, blob, at_s), default=None)
            if match is None or self._distance(match, blob, at_s) >= 1.0:
                self._count += 1
                match = Track(self._count, kind)
                self.tracks.append(match)
            else:
                live.remove(match)
            match.path.append((at_s, blob))
            seen.append(match)
        self.tracks = [track for track in self.tracks if at_s - track.last_s <= KEPT_S]
        return seen

    def near(self, box: Box, from_s: float, to_s: float, reach_px: int) -> list[Track]:
        """Tracks within `reach_px` of a box between two times, the tallest first."""
        near = [
            track
            for track in self.tracks
            if any(from_s <= at_s <= to_s and gap_px(place, box) <= reach_px for at_s, place in track.path)
        ]
        return sorted(near, key=lambda track: track.height_px, reverse=True)

    def _distance(self, track: Track, blob: Box, at_s: float) -> float:
        """Cost of matching a blob to a track: 0 is the same or the expected place, 1 is out of reach."""
        gate = VEHICLE_GATE if track.kind == "vehicle" else self._gate
        costs = [_cost(place, blob, gate, at_s - track.last_s) for place in (track.box, track.expected_box(at_s))]
        if len(track.path) == 1 and not track.kind:
            fast = Gate(gate.near_heights, FIRST_HEIGHTS_S, gate.like)
            # Whoever may be near by the usual gate goes before a fast one.
            costs.append(min(1.0, FAST_COST + _cost(track.box, blob, fast, at_s - track.last_s)))
        return min(costs)


def _cost(last: Box, blob: Box, gate: Gate, gone_s: float) -> float:
    """Cost of matching a blob to the place of a track `gone_s` seconds ago."""
    shared = iou(last, blob)
    if shared > 0:
        return 0.5 * (1.0 - shared)
    if min(last[3], blob[3]) < gate.like * max(last[3], blob[3]):
        return 1.0
    reach = max(last[3], blob[3]) * (gate.near_heights + gate.fast_heights_s * gone_s)
    x, y = last[0] + last[2] / 2 - blob[0] - blob[2] / 2, last[1] + last[3] - blob[1] - blob[3]
    return 0.5 + float(np.hypot(x, y)) / max(1.0, reach) / 2


def kind_of(track: Track, shape: tuple[int, ...], person_px: float | None) -> Kind:
    """Kind of a track: as it was recognised, or by size, shape and distance travelled.

    Args:
        track: The track.
        shape: (height, width) of the picture.
        person_px: Height of a person on the same ground; None while unknown.
    """
    if track.kind:
        return _KINDS.get(track.kind, "thing")
    width, height = (float(np.median([box[i] for _, box in track.path])) for i in (2, 3))
    large = width * height > VEHICLE_AREA * shape[0] * shape[1]
    if person_px is not None:
        large = width > person_px and height > person_px / 2
    if width > VEHICLE_WIDER * height and large:
        return "vehicle" if track.widths_travelled > DRIVEN_WIDTHS else "thing"
    return "person" if height > width and track.has_travelled else "thing"
