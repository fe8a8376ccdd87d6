"""People marked by hand in frames of the clips beside the project: boxes on their bodies, no pictures.

A person has several boxes inside the body's outline, so that almost every pixel of them shows the person. Boxes are
left, top, width and height in the clip's own pixels. All people of a frame are marked whom the eye can make out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
Mask = NDArray[np.bool_]

MARKS: Final = Path(__file__).with_suffix(".json")


class MarkedFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The people of one frame; `at_s` is its time in the clip, up to a tenth of a second later than the frame."""

    clip: str
    at_s: float
    people: tuple[tuple[Box, ...], ...]


def read_marks() -> list[MarkedFrame]:
    """All marked frames."""
    return msgspec.json.decode(MARKS.read_bytes(), type=list[MarkedFrame])


def mask_of(person: tuple[Box, ...], size_px: tuple[int, int], kept_px: tuple[int, int]) -> Mask:
    """The pixels of a person, (height, width) bool.

    Args:
        person: The boxes on the person.
        size_px: Width and height of the clip.
        kept_px: Width and height of the mask: those of the picture that is kept.
    """
    mask = np.zeros(size_px[::-1], np.uint8)
    for left, top, width, height in person:
        mask[max(0, top) : top + height, max(0, left) : left + width] = 1
    return np.asarray(cv2.resize(mask, kept_px, interpolation=cv2.INTER_NEAREST), np.bool_)
