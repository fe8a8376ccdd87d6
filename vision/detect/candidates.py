"""Static places followed from picture to picture, and the verdict on each: is it a thing, and was it left.

Pure but for the candidates' own notes: everything that is known of a picture comes as a `View`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from vision.detect.checks import ADDED, TAKEN, has_own_structure, is_same_but_for_light, rigidity, standing_out
from vision.detect.dual_background import Layers
from vision.detect.frame_context import Candidate, View
from vision.detect.ownership import (
    is_alone,
    is_body,
    is_cut,
    may_be_person,
    note_carrier,
    owner_has_left,
    was_carried,
    was_left_behind,
)
from vision.detect.picture import gray_of, share_of
from vision.detect.regions import Box, Region, cut, overlap, shared_px, split_by_age, split_by_light

Verdict = Literal["wait", "background", "deposit"]

SAME_PLACE: Final = 0.6
"""Overlap of two boxes from which a static place is the same one, its shape nearly unchanged."""
CHANGED_PLACE: Final = 0.3
"""Of the smaller box: a bag that topples over lies partly where it stood."""
ALIKE: Final = 2.0
"""Times as large, or as small, as what is still the same object in another pose."""
GRACE_S: Final = 8.0
"""What topples or is shifted is static again after this long at the most."""
CALM_SHARE: Final = 0.8


def follow(known: Sequence[Candidate], regions: Sequence[Region], view: View) -> list[Candidate]:
    """The candidates carried on to the static places of a picture; those without one are kept for `GRACE_S`."""
    found = [_carried_on(known, part, view) for region in regions for part in _apart(region, view)]
    boxes = [candidate.region.box for candidate in found]
    lost = [old for old in known if view.at_s - old.seen_s <= GRACE_S and not any(_related(old, box) for box in boxes)]
    return found + lost


def _apart(region: Region, view: View) -> list[Region]:
    """A place that is no thing as a whole in its parts: a bag, and the ghost of who stood beside it."""
    if _stands(region, view) or is_body(region, view.at_s - view.layers.shown_s(region), view):
        return [region]
    layers, parts = view.layers, []
    for part in split_by_age(region, view.layers.settled_at, view.min_area_px):
        if _stands(part, view):
            parts.append(part)
        else:
            now, before = gray_of(layers.settled), gray_of(layers.background)
            parts += split_by_light(part, now, before, view.min_area_px)
    return parts


def _stands(region: Region, view: View) -> bool:
    return _may_be_waste(region, view) and _is_thing(region, view)


def _carried_on(known: Sequence[Candidate], region: Region, view: View) -> Candidate:
    for old in known:
        if overlap(old.region.box, region.box) > SAME_PLACE:
            return replace(old, region=region, seen_s=view.at_s)
    since_s = view.at_s - view.layers.shown_s(region)
    fresh = Candidate(region, view.at_s, since_s, view.at_s)
    for old in known:
        if old.brought and _related(old, region.box):
            like = 1 / ALIKE <= old.region.area_px / region.area_px <= ALIKE
            return replace(fresh, brought=True, carrier=old.carrier, since_s=old.since_s if like else since_s)
    return fresh


def _related(old: Candidate, box: Box) -> bool:
    smaller = min(old.region.box[2] * old.region.box[3], box[2] * box[3])
    return shared_px(old.region.box, box) > CHANGED_PLACE * smaller


def settled_s(region: Region, layers: Layers) -> float:
    """For how long half of a place has been showing the same."""
    return float(np.median(cut(layers.settled_s, region.box)[region.shape != 0]))


def judge(candidate: Candidate, view: View) -> Verdict:
    """Whether a static place is left waste, should become background, or must be watched longer."""
    config, region = view.config, candidate.region
    if candidate.seen_s < view.at_s:
        return "wait"
    if is_body(region, candidate.since_s, view) and view.at_s - candidate.first_s < config.parked_s:
        return "wait"
    what = _what(region, view)
    if what == "nothing":
        return _refuse(candidate, view)
    candidate.refused_s = None
    if what == "unclear" or not _may_be_waste(region, view):
        return "background" if view.at_s - candidate.first_s > config.parked_s else "wait"
    note_carrier(candidate, view)
    if not candidate.brought:
        return "background" if view.at_s - candidate.first_s > config.give_up_s else "wait"
    return "deposit" if _is_left(candidate, view) else "wait"


def _refuse(candidate: Candidate, view: View) -> Verdict:
    if candidate.refused_s is None:
        candidate.refused_s = view.at_s
    long_enough = view.at_s - candidate.refused_s >= view.config.alone_s
    long_enough = long_enough and settled_s(candidate.region, view.layers) >= view.config.hold_s
    return "background" if long_enough and _is_calm(candidate.region, view) else "wait"


def _may_be_waste(region: Region, view: View) -> bool:
    """Whether a place has the size and shape of something that people carry."""
    config, (shorter, longer) = view.config, sorted(region.box[2:])
    height_px, width_px = view.shape
    if region.area_px > config.max_area * height_px * width_px or longer > config.max_side * max(height_px, width_px):
        return False
    person_px = view.perspective.height_at(region.box[1] + region.box[3])
    if person_px is not None and longer < config.min_of_person * person_px:
        return False
    compact = region.area_px >= config.min_fill * shorter * longer
    return compact and longer <= config.max_aspect * shorter


def _is_thing(region: Region, view: View) -> bool:
    return _what(region, view) == "thing"


def _what(region: Region, view: View) -> Literal["thing", "nothing", "unclear"]:
    """Whether something was added, or it is only the ghost of what went away, light or shadow."""
    now, before = view.layers.settled, view.layers.background
    inside = region.shape != 0
    if np.median(cut(view.layers.confirmed_s, region.box)[inside]) < view.config.confirmed_s:
        return "nothing"
    if share_of(cut(view.layers.static(0.0), region.box)[inside]) < view.config.min_solid:
        return "nothing"
    threshold = int(np.median(cut(view.layers.threshold, region.box)))
    lit = is_same_but_for_light(now, before, region, threshold) or not has_own_structure(now, before, region.box)
    stands_out = standing_out(now, before, region)
    if lit or stands_out < TAKEN:
        return "nothing"
    return "thing" if stands_out > ADDED else "unclear"


def _is_left(candidate: Candidate, view: View) -> bool:
    """Whether it has lain still and alone for long enough."""
    config, region = view.config, candidate.region
    if not owner_has_left(candidate, view):
        return False
    hold_s, alone_s = config.hold_s, config.alone_s
    carried = was_carried(candidate, view)
    if is_cut(region.box, view) and not carried:
        return False
    if carried:
        hold_s, alone_s = config.quick_hold_s, config.quick_alone_s
    elif may_be_person(candidate, view):
        hold_s = config.person_hold_s
    elif not was_left_behind(candidate, view):
        hold_s = config.unknown_hold_s
    if settled_s(region, view.layers) < hold_s or not is_alone(region, alone_s, view):
        return False
    patches = [cut(moment.gray, region.box) for moment in view.memory.since(view.at_s - hold_s)]
    return rigidity(patches) >= config.rigid if patches else False


def _is_calm(region: Region, view: View) -> bool:
    """Whether the place itself shows now what it has settled on."""
    now = cut(view.layers.settles, region.box)[region.shape != 0]
    return float((now != 0).mean()) > CALM_SHARE
