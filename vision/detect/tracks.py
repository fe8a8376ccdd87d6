"""Who moves through the picture: blobs followed from picture to picture, people and vehicles told apart by their size.

Classical: a person is higher than wide, and as high as people have been on the same ground; a vehicle is wider.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from vision.detect.picture import Mask
from vision.detect.regions import Box, boxes_of, gap_px, overlap

Kind = Literal["person", "vehicle", "thing"]

CLOSE_PX: Final = 5
KEPT_S: Final = 30.0
"""How long a track that has gone is remembered: an owner may linger before the thing he left is judged."""
PATH_LENGTH: Final = 200
"""Places of a track that are remembered, 40 s at five pictures a second."""
LOST_S: Final = 1.5
"""A track that was not seen for this long has gone; the next blob there is somebody else."""
NEAR_HEIGHTS: Final = 0.6
"""Of its height: as far as somebody gets from one picture to the next, and at most `FAST` more for each second."""
FAST_HEIGHTS_S: Final = 1.5
LIKE: Final = 0.4
"""Of the height: what is so much smaller or larger, and elsewhere, is not the same one."""
WALKED_WIDTHS: Final = 1.5
"""Of its width: a blob that has come this far walks, and is no shadow or branch that stays where it is."""
DRIVEN_WIDTHS: Final = 0.5
"""A truck that stops at the container has come no farther before the picture's eye."""
UPRIGHT: Final = (1.3, 5.0)
"""Height to width of somebody who stands or walks."""
VEHICLE_WIDER: Final = 1.1
VEHICLE_AREA: Final = 0.012
"""Of the picture: a car or a cart fills more, wherever people can be told from dots."""
HEIGHTS_KEPT: Final = 120
HEIGHTS_NEEDED: Final = 12


@dataclass
class Track:
    """One blob over time. `path` holds (second, box), newest last."""

    id: int
    path: deque[tuple[float, Box]] = field(default_factory=lambda: deque(maxlen=PATH_LENGTH))

    @property
    def box(self) -> Box:
        """Where it was last seen."""
        return self.path[-1][1]

    @property
    def first_s(self) -> float:
        """When the oldest remembered place was seen."""
        return self.path[0][0]

    @property
    def last_s(self) -> float:
        """When it was last seen."""
        return self.path[-1][0]

    @property
    def height_px(self) -> float:
        """Its usual height; arms and bags that join it for a moment do not count."""
        return float(np.median([box[3] for _, box in self.path]))

    @property
    def widths_travelled(self) -> float:
        """How many times its own width it has come."""
        xs = [box[0] + box[2] / 2 for _, box in self.path]
        ys = [box[1] + box[3] for _, box in self.path]
        width = float(np.median([box[2] for _, box in self.path]))
        return max(max(xs) - min(xs), max(ys) - min(ys)) / max(1.0, width)

    @property
    def travelled(self) -> bool:
        """Whether it has come farther than it is wide."""
        return self.widths_travelled > WALKED_WIDTHS

    def box_at(self, at_s: float) -> Box:
        """Where it was at a second, by the nearest place that is remembered."""
        return min(self.path, key=lambda place: abs(place[0] - at_s))[1]


class Perspective:
    """How high a person is on a row of the picture, learnt from people who walked there."""

    def __init__(self, given: Sequence[tuple[float, float]] = ()) -> None:
        """Know nothing yet, or take (row, height) pairs in pixels that somebody has drawn."""
        self._seen: deque[tuple[float, float]] = deque(given, maxlen=max(HEIGHTS_KEPT, len(given)))
        self._given = len(given) > 1
        self._line: tuple[float, float] | None = self._fit() if self._given else None

    def learn(self, track: Track, shape: tuple[int, ...]) -> None:
        """Take the newest place of somebody who walks and is whole inside the picture (height, width)."""
        left, top, width, height = track.box
        whole = left > 1 and top > 1 and left + width < shape[1] - 1 and top + height < shape[0] - 1
        upright = UPRIGHT[0] <= height / width <= UPRIGHT[1]
        if not self._given and whole and upright and track.travelled:
            self._seen.append((top + height, height))
            self._line = self._fit() if len(self._seen) >= HEIGHTS_NEEDED else None

    def height_at(self, row_px: float) -> float | None:
        """Height in pixels of a person whose feet are on a row; None while too few have walked there."""
        if self._line is None:
            return None
        slope, base = self._line
        return max(8.0, slope * row_px + base)

    def _fit(self) -> tuple[float, float]:
        """A line through the heights: the middle height, and the slope where people stood on different rows."""
        rows, heights = (np.array(column) for column in zip(*self._seen, strict=True))
        middle_row, middle = float(np.median(rows)), float(np.median(heights))
        spread = rows - middle_row
        slope = float((spread * (heights - middle)).sum() / max(1.0, (spread**2).sum()))
        return (slope, middle - slope * middle_row) if slope > 0 else (0.0, middle)


class Tracker:
    """Follows the blobs of one camera."""

    def __init__(self) -> None:
        """Follow nobody yet."""
        self._count = 0
        self.tracks: list[Track] = []

    def step(self, moving: Mask, at_s: float, min_area_px: int) -> list[Track]:
        """Carry the tracks on with the blobs of a picture; those that were seen in it."""
        blobs = boxes_of(moving, close_px=CLOSE_PX, min_area_px=min_area_px)
        live = [track for track in self.tracks if at_s - track.last_s <= LOST_S]
        seen = []
        for blob in blobs:
            known = min(live, key=lambda track: _distance(track, blob, at_s), default=None)
            if known is None or _distance(known, blob, at_s) >= 1.0:
                self._count += 1
                known = Track(self._count)
                self.tracks.append(known)
            else:
                live.remove(known)
            known.path.append((at_s, blob))
            seen.append(known)
        self.tracks = [track for track in self.tracks if at_s - track.last_s <= KEPT_S]
        return seen

    def near(self, box: Box, from_s: float, to_s: float, reach_px: int) -> list[Track]:
        """Tracks that came within reach of a place in a stretch of time, the tallest first."""
        found = [
            track
            for track in self.tracks
            if any(from_s <= at_s <= to_s and gap_px(place, box) <= reach_px for at_s, place in track.path)
        ]
        return sorted(found, key=lambda track: track.height_px, reverse=True)


def kind_of(track: Track, shape: tuple[int, ...], person_px: float | None) -> Kind:
    """Person, vehicle or thing, by size, shape and whether it went anywhere.

    Args:
        track: The blob.
        shape: (height, width) of the picture.
        person_px: Height of a person on its ground, None while unknown.
    """
    width, height = (float(np.median([box[i] for _, box in track.path])) for i in (2, 3))
    large = width * height > VEHICLE_AREA * shape[0] * shape[1]
    if person_px is not None:
        large = width > person_px and height > person_px / 2
    if width > VEHICLE_WIDER * height and large:
        return "vehicle" if track.widths_travelled > DRIVEN_WIDTHS else "thing"
    return "person" if height > width and track.travelled else "thing"


def _distance(track: Track, blob: Box, at_s: float) -> float:
    """How little a blob continues a track: 0 is the same place, 1 is out of reach."""
    last = track.box
    shared = overlap(last, blob)
    if shared > 0:
        return 0.5 * (1.0 - shared)
    if min(last[3], blob[3]) < LIKE * max(last[3], blob[3]):
        return 1.0
    reach = max(last[3], blob[3]) * (NEAR_HEIGHTS + FAST_HEIGHTS_S * (at_s - track.last_s))
    x, y = last[0] + last[2] / 2 - blob[0] - blob[2] / 2, last[1] + last[3] - blob[1] - blob[3]
    return 0.5 + float(np.hypot(x, y)) / max(1.0, reach) / 2
