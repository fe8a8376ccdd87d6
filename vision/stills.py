"""What a camera sees when nobody is there, as a file for whoever draws its zones; and the masks of what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import structlog

from broker.contract.errors import ConfigError
from city.atomic_files import replace_file
from city.zones import Zone, ZonePlan
from vision.capture.port import Image
from vision.evidence.pictures import to_jpeg

log = structlog.get_logger("vision")

EVERY_S: Final = 60.0


class Stills:
    """Keeps one file fresh: once a minute, and at once when what is drawn has changed."""

    def __init__(self, path: Path) -> None:
        """Nothing is written yet."""
        self._path = path
        self._due_s = -1e9
        self._plan: ZonePlan | None = None
        self._refused = False

    def is_due(self, plan: ZonePlan, at_s: float) -> bool:
        """Whether `save` has something to do at a picture's time in seconds."""
        return at_s >= self._due_s or plan != self._plan

    def save(self, background: Image, plan: ZonePlan, at_s: float) -> None:
        """Save the scene without what passes; a disk that refuses is told once, and asked again when it is due.

        Args:
            background: (height, width, 3) uint8, BGR.
            plan: Whose masks hide what nobody may see.
            at_s: The picture's time in seconds.
        """
        self._due_s, self._plan = at_s + EVERY_S, plan
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, to_jpeg(burn_masks(background, plan.zones)))
        except (ConfigError, OSError) as exc:
            if not self._refused:
                log.error("vision.still_refused", reason=str(exc))
            self._refused = True
        else:
            self._refused = False


def burn_masks(image: Image, zones: Sequence[Zone]) -> Image:
    """The picture with privacy masks black; the very same one where there are none.

    Args:
        image: (height, width, 3) uint8, BGR; not changed.
        zones: Those of the camera.
    """
    masks = [zone.polygon for zone in zones if zone.kind == "mask"]
    if not masks:
        return image
    height, width = image.shape[:2]
    hidden = image.copy()
    for polygon in masks:
        corners = np.array([[round(x * width), round(y * height)] for x, y in polygon], np.int32)
        cv2.fillPoly(hidden, [corners], (0, 0, 0))
    return hidden
