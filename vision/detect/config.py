"""The detector's one setting for all cameras, each threshold with what it means in the street."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DetectorConfig:
    """One setting for all cameras; lengths are shares of the picture or of a person, so they hold at any resolution."""

    pixels: int = 120_000
    """Size pictures are looked at, 400 x 300 or as much in another shape."""
    every_s: float = 0.19
    """At most five pictures a second are looked at."""
    warm_up_s: float = 1.6
    moved_s: float = 3.0
    """After the camera was moved somebody may still be turning it."""
    confirmed_s: float = 0.7
    """For how long a place must have been seen empty: who stood there while it was learnt leaves a ghost."""
    hold_s: float = 5.0
    """How long a thing must lie still when nobody was seen to bring it on his own: longer than a pause in walking."""
    alone_s: float = 2.5
    """How long nobody may have been near: an owner who turns round is back within this."""
    unknown_hold_s: float = 12.0
    """The same for what nobody was seen to leave behind: the tracks of people who pass each other are mistaken."""
    person_hold_s: float = 20.0
    """The same for what is as high as a person: it may be one who waits."""
    quick_hold_s: float = 2.2
    """How long it must lie still when its carrier was seen to go on without it."""
    quick_alone_s: float = 1.2
    min_area: float = 0.0007
    max_area: float = 0.05
    """Of the picture: a small bag far away, a large one close by; a car is larger."""
    near: float = 1.2
    """Of the object's longer side: within reach of a person standing beside it."""
    rigid: float = 0.90
    """Correlation of a place with its own newest look: cloth on a person who stands moves by more than this allows."""
    patience_s: float = 5.0
    """A truck that fills the view has gone again within this; after it the view is taken as it is."""
    light_share: float = 0.45
    """Of all pixels at once: no person or truck changes as much, a lamp or the infrared filter does."""
    person_height: float = 0.75
    """Of a person's height on the same ground: what is higher may be one."""
    min_fill: float = 0.4
    """Of its box: a bag is compact, arcs and pieces that only touch are not."""
    min_solid: float = 0.7
    """Of its place, seen to differ before gaps are closed: a bag covers it, light through a fence does not."""
    max_aspect: float = 4.0
    """Longer side to shorter: a bag or a sack is no pole, and slivers are edges of people cut by the picture."""
    max_side: float = 0.4
    """Of the picture's longer side: what a person carries is smaller than a person close by."""
    carried_height: float = 0.6
    """Of its carrier's height: what is set down in passing reaches no higher than a hip."""
    min_of_person: float = 0.1
    """Of a person's height on the same ground: smaller than a hand's breadth is litter that no truck is sent for."""
    give_up_s: float = 60.0
    """A static place that nobody is known to have brought becomes background after this."""
    parked_s: float = 120.0
    """So does what is too large to be carried, a parked car or somebody on a bench."""
