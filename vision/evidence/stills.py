"""The still of a camera: its background as a JPEG file, on which zones are drawn; and privacy masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import structlog

from city.errors import StorageError
from city.inventory.zones import Zone, ZonePlan
from city.storage.atomic_files import replace_file
from vision.capture.port import Image
from vision.evidence.pictures import to_jpeg

log = structlog.get_logger("vision")

EVERY_S: Final = 60.0


class StillWriter:
    """Writes the still of one camera once a minute, and at once when its zone plan has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due_s = -1e9
        self._plan: ZonePlan | None = None
        self._refused = False

    def is_due(self, plan: ZonePlan, at_s: float) -> bool:
        """Whether the still is due at a picture's time `at_s` in seconds."""
        return at_s >= self._due_s or plan != self._plan

    def save(self, background: Image, plan: ZonePlan, at_s: float) -> None:
        """Save the background. A refusal of the disk is logged once; the next due time tries again.

        Args:
            background: (height, width, 3) uint8, BGR.
            plan: Zone plan whose privacy masks are applied.
            at_s: The picture's time in seconds.
        """
        self._due_s, self._plan = at_s + EVERY_S, plan
        try:
            replace_file(self._path, to_jpeg(burn_masks(background, plan.zones)), parents=True)
        except StorageError as exc:
            if not self._refused:
                log.error("vision.still_refused", reason=str(exc))
            self._refused = True
        else:
            self._refused = False


def burn_masks(image: Image, zones: Sequence[Zone]) -> Image:
    """The picture with its privacy masks black; the same array if the camera has none.

    Args:
        image: (height, width, 3) uint8, BGR; not changed.
        zones: Zones of the camera.
    """
    masks = [zone.polygon for zone in zones if zone.kind == "mask"]
    if not masks:
        return image
    height, width = image.shape[:2]
    masked = image.copy()
    for polygon in masks:
        corners = np.array([[round(x * width), round(y * height)] for x, y in polygon], np.int32)
        cv2.fillPoly(masked, [corners], (0, 0, 0))
    return masked
