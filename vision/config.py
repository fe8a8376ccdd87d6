"""The detector's one setting for all cameras, each threshold with what it means in the street."""

from __future__ import annotations

from dataclasses import dataclass

from vision.regions import Region


@dataclass(frozen=True)
class DetectorConfig:
    """One setting for all cameras; lengths are shares of the picture, so that they hold at any resolution."""

    pixels: int = 120_000
    """Size pictures are looked at, 400 x 300 or as much in another shape."""
    every_s: float = 0.19
    """At most five pictures a second are looked at."""
    warm_up_s: float = 1.6
    hold_s: float = 5.0
    """How long a thing must lie still: longer than a pause in walking."""
    alone_s: float = 2.5
    """How long nobody may have been near: an owner who turns round is back within this."""
    min_area: float = 0.0007
    max_area: float = 0.05
    """Of the picture: a small bag far away, a large one close by; a car is larger."""
    near: float = 1.2
    """Of the object's longer side: within reach of a person standing beside it."""
    rigid: float = 0.90
    light_share: float = 0.45
    """Of all pixels at once: no person or truck changes as much, a lamp or the infrared filter does."""
    max_aspect: float = 4.0
    """Longer side to shorter: a bag or a sack is no pole, and slivers are edges of people cut by the picture."""
    max_side: float = 0.4
    """Of the picture's longer side: what a person carries is smaller than a person close by."""
    give_up_s: float = 60.0
    """A static place that nobody is known to have brought becomes background after this."""

    def may_be_waste(self, region: Region) -> bool:
        """Whether a place has the size and shape of something a person carries."""
        shorter, longer = sorted(region.box[2:])
        small = region.area_px <= self.max_area * region.mask.size and longer <= self.max_side * max(region.mask.shape)
        return small and longer <= self.max_aspect * shorter
