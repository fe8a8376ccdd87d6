"""Thresholds of the detector, one set for all cameras, each with its meaning on the street."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DetectorConfig:
    """Thresholds for all cameras; lengths are shares of the picture or of a person, so they hold at any resolution."""

    pixels: int = 120_000
    """Size in pixels to which pictures are scaled, 400 x 300 or another shape of that area."""
    every_s: float = 0.19
    """Minimum interval between two pictures that are processed: at most five a second."""
    warm_up_s: float = 1.6
    moved_s: float = 3.0
    """Learning time after the camera was moved: somebody may still be turning it."""
    confirmed_s: float = 0.7
    """Minimum time for which a region was seen empty: a person who stood there during learning leaves a ghost."""
    hold_s: float = 5.0
    """Minimum time an object must be still if no single carrier was seen: longer than a pause in walking."""
    alone_s: float = 2.5
    """Minimum time without anybody near: an owner who turns round is back within this."""
    unknown_hold_s: float = 12.0
    """`hold_s` if nobody was seen to leave the object: tracks of people who pass each other are swapped."""
    person_hold_s: float = 20.0
    """`hold_s` of a region as high as a person: it may be a person who waits."""
    quick_hold_s: float = 2.2
    """`hold_s` if the carrier was seen to go on without the object."""
    hold_pictures: int = 4
    """Minimum `quick_hold_s` in pictures: of one a second, two tell nothing."""
    quick_alone_s: float = 1.2
    min_area: float = 0.0007
    max_area: float = 0.05
    """Minimum and maximum share of the picture: a small bag far away, a large one close by; a car is larger."""
    min_side_px: float = 5.0
    """Minimum shorter side in pixels of the source: in fewer nothing can be told from noise."""
    unloaded_area: float = 0.25
    """`max_area` of what a vehicle or several carryings brought: a load that was tipped."""
    near: float = 1.2
    """Reach of a person beside the object, as a multiple of the object's longer side."""
    rigid: float = 0.90
    """Minimum correlation of a region with its newest appearance: the clothes of a standing person move by more."""
    patience_s: float = 5.0
    """A truck that fills the view leaves within this time; after it the background is learnt anew."""
    light_share: float = 0.45
    """Share of pixels that change at once: no person or truck changes so many, a lamp or the infrared filter does."""
    person_height: float = 0.75
    """Share of a person's height on the same ground above which a region may be a person."""
    min_fill: float = 0.4
    """Minimum share of its box that a region fills: a bag is compact, arcs and touching pieces are not."""
    min_solid: float = 0.7
    """Minimum solidity: share of foreground pixels before morphological closing."""
    max_aspect: float = 4.0
    """Maximum ratio of longer to shorter side: a bag is no pole; slivers are edges of people cut by the picture."""
    max_side: float = 0.4
    """Maximum side as a share of the picture's longer side: what a person carries is smaller than a person close by."""
    carried_height: float = 0.6
    """Maximum height as a share of the carrier's: an object set down in passing reaches no higher than a hip."""
    min_of_person: float = 0.1
    """Minimum longer side as a share of a person's height there: smaller is litter that no truck is sent for."""
    give_up_s: float = 60.0
    """A static region without a known carrier is absorbed into the background after this."""
    parked_s: float = 120.0
    """A region too large to be carried (a parked car, a person on a bench) is absorbed after this."""
