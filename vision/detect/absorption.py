"""Regions that were absorbed into the background, and what lay there before: nothing is absorbed for good at once.

A person who stands still beside waste, or a ghost beside it, may be absorbed together with the waste. When a part of
such a region looks again as it did before, the rest of it was something else: the background from before is restored,
and what still differs from it is judged anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.dual_background import DualBackground
from vision.detect.frame_context import Candidate
from vision.detect.picture import Picture, difference
from vision.detect.regions import cut

KEPT_S: Final = 600.0
AGAIN_SHARE: Final = 0.1
"""Share of a region that looks as before from which it is taken apart."""
RESTORES_MAX: Final = 3
"""A place that changes to and fro (a door, a shadow) stays absorbed after so many times."""


@dataclass(eq=False)
class _Absorbed:
    """A region that was absorbed; `before` and `confirmed_s` are those inside its box."""

    candidate: Candidate
    before: Picture
    confirmed_s: NDArray[np.float32]
    at_s: float


class AbsorbedRegions:
    """The absorbed regions of one view, the oldest first."""

    def __init__(self) -> None:
        self._regions: list[_Absorbed] = []

    def absorb(self, candidate: Candidate, backgrounds: DualBackground, at_s: float) -> None:
        """Absorb a candidate's region into the background."""
        box = candidate.region.box
        if candidate.restores < RESTORES_MAX:
            before, confirmed_s = cut(backgrounds.background, box).copy(), cut(backgrounds.confirmed_s, box).copy()
            self._regions.append(_Absorbed(candidate, before, confirmed_s, at_s))
        backgrounds.absorb(candidate.region)

    def restore(self, backgrounds: DualBackground, at_s: float) -> Iterator[Candidate]:
        """Restore the background of the regions of which a part looks as before; yields their candidates."""
        self._regions = [absorbed for absorbed in self._regions if at_s - absorbed.at_s < KEPT_S]
        for absorbed in [absorbed for absorbed in self._regions if _is_as_before(absorbed, backgrounds)]:
            self._regions.remove(absorbed)
            backgrounds.restore(absorbed.candidate.region, absorbed.before, absorbed.confirmed_s)
            absorbed.candidate.restores += 1
            yield absorbed.candidate


def _is_as_before(absorbed: _Absorbed, backgrounds: DualBackground) -> bool:
    """Whether a part of the region shows what was there before, and no longer what was absorbed."""
    box, inside = absorbed.candidate.region.box, absorbed.candidate.region.shape
    now, threshold = cut(backgrounds.short_term, box), cut(backgrounds.threshold, box)
    as_before = cv2.compare(difference(now, absorbed.before), threshold, cv2.CMP_LE)
    changed = cv2.compare(difference(now, cut(backgrounds.background, box)), threshold, cv2.CMP_GT)
    again = cv2.bitwise_and(cv2.bitwise_and(as_before, changed), inside)
    return cv2.countNonZero(again) > AGAIN_SHARE * cv2.countNonZero(inside)
