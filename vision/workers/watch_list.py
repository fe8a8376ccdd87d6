"""The cameras that are watched, as the inventory has them now. Imports no OpenCV."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from city.errors import ConfigError
from city.inventory.model import Camera
from city.runtime.service import Runtime
from vision.capture.address import kind_of

log = structlog.get_logger("vision")


def watched_cameras(runtime: Runtime) -> list[Camera]:
    """The cameras that have a source; simulated ones in a demo only.

    Raises:
        ConfigError: A camera's source does not exist.
    """
    cameras = [camera for camera in runtime.city.cameras.values() if camera.source]
    for camera in cameras:
        kind_of(camera.source)
    return [camera for camera in cameras if runtime.settings.demo or camera.source != "demo"]


class WatchList:
    """The cameras to watch while the city runs. One whose source does not exist is left out and logged once.

    Args:
        runtime: Has the inventory.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._refused: set[tuple[str, str]] = set()

    def current(self) -> list[Camera]:
        """The cameras to watch now."""
        is_demo = self._runtime.settings.demo
        cameras = [camera for camera in self._runtime.city.cameras.values() if camera.source]
        return [camera for camera in cameras if (is_demo or camera.source != "demo") and self._has_source(camera)]

    def among(self, ids: Collection[str]) -> list[Camera]:
        """Those of some cameras that are to be watched now."""
        return [camera for camera in self.current() if camera.id in ids]

    def _has_source(self, camera: Camera) -> bool:
        try:
            kind_of(camera.source)
        except ConfigError as exc:
            if (camera.id, camera.source) not in self._refused:
                log.error("vision.source_refused", camera=camera.id, reason=str(exc))
                self._refused.add((camera.id, camera.source))
            return False
        return True
