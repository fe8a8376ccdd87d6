"""Additions to the inventory while the city runs: saved profiles and adopted devices, files in the data folder."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from city.errors import ConfigError
from city.inventory.adoption import FOLDER, check_adoption, read_adoption
from city.inventory.model import City, Device, Profile
from city.inventory.provider import LiveInventory
from city.inventory.saved_profiles import read_saved_profile, saved_paths

log = structlog.get_logger("city")

POLL_S: Final = 1.0
_Stamp = tuple[Path, int, int, int]


class InventoryAdditions:
    """Keeps a live inventory equal to the inventory, the saved profiles and the adopted devices of a data folder.

    Each refresh reads what has changed. A file that cannot be read, or that contradicts the inventory, is skipped and
    logged once; it costs only itself, and a profile the devices that use it.

    Args:
        data: The data folder.
        inventory: Has the snapshot of the inventory alone; gets a new one with each change of the folder.
    """

    def __init__(self, data: Path, inventory: LiveInventory) -> None:
        self._data = data
        self._inventory = inventory
        self._own = inventory.current()
        self._profiles: Mapping[str, Profile] = self._own.profiles
        self._seen: tuple[list[_Stamp], list[_Stamp]] = ([], [])
        self._logged: set[str] = set()
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> bool:
        """Apply changes of the folder; returns whether profiles or devices are others than before."""
        with self._lock:
            seen = (_stamps(saved_paths(self._data)), _stamps(sorted((self._data / FOLDER).glob("[!.]*.json"))))
            if seen == self._seen:
                return False
            if seen[0] != self._seen[0]:
                self._profiles = self._read_profiles(path for path, *_ in seen[0])
            self._seen = seen
            city = self._own.with_devices(self._own.devices, self._profiles)
            devices = dict(self._own.devices)
            for path, *_ in seen[1]:
                if device := self._read_device(path, city, devices):
                    devices[device.id] = device
            return self._inventory.publish(devices, self._profiles)

    def keep_fresh(self, stop: threading.Event) -> None:
        """Refresh every second until `stop`."""
        while not stop.wait(POLL_S):
            self.refresh()

    def _read_profiles(self, paths: Iterable[Path]) -> dict[str, Profile]:
        profiles = dict(self._own.profiles)
        for path in paths:
            try:
                profiles[path.stem] = read_saved_profile(path, self._own.profiles)
            except ConfigError as exc:
                self._log_once("profiles.saved_unreadable", str(exc))
        return profiles

    def _read_device(self, path: Path, city: City, devices: Mapping[str, Device]) -> Device | None:
        try:
            return check_adoption(city, read_adoption(path), devices)
        except ConfigError as exc:
            self._log_once("devices.adopted_unreadable", str(exc))
            return None

    def _log_once(self, event: str, reason: str) -> None:
        if reason not in self._logged:
            log.error(event, reason=reason)
        self._logged.add(reason)


def _stamps(paths: Iterable[Path]) -> list[_Stamp]:
    stamps = []
    for path in paths:
        with contextlib.suppress(OSError):  # deleted meanwhile, or a link to nowhere: the others count
            stat = path.stat()
            stamps.append((path, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return stamps
