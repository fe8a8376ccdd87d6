"""Additions to the inventory while the city runs: codecs, profiles and adopted devices, files in the data folder."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from city.errors import ConfigError
from city.inventory.adoption import FOLDER, check_adoption, read_adoption
from city.inventory.codecs import codec_paths, read_saved_codec
from city.inventory.model import City, Codec, Device, Profile
from city.inventory.provider import LiveInventory
from city.inventory.saved_profiles import read_saved_profile, saved_paths

log = structlog.get_logger("city")

POLL_S: Final = 1.0
_Stamp = tuple[Path, int, int, int]


class _FolderStamps(NamedTuple):
    """What the files of a data folder were at a refresh."""

    codecs: list[_Stamp]
    profiles: list[_Stamp]
    devices: list[_Stamp]


class InventoryAdditions:
    """Keeps a live inventory equal to the inventory and a data folder's codecs, saved profiles and adopted devices.

    Each refresh reads what has changed. A file that cannot be read, or that contradicts the inventory, is skipped and
    logged once; it costs only itself, a codec the profiles that name it, and a profile the devices that use it.

    Args:
        data: The data folder.
        inventory: Has the snapshot of the inventory alone; gets a new one with each change of the folder.
    """

    def __init__(self, data: Path, inventory: LiveInventory) -> None:
        self._data = data
        self._inventory = inventory
        self._own = inventory.current()
        self._codecs: Mapping[str, Codec] = self._own.codecs
        self._profiles: Mapping[str, Profile] = self._own.profiles
        self._seen = _FolderStamps([], [], [])
        self._logged: set[str] = set()
        self._lock = threading.Lock()
        self.adopted: frozenset[str] = frozenset()
        """Ids of the devices that were adopted."""
        self.refresh()

    def refresh(self) -> bool:
        """Apply changes of the folder; returns whether profiles or devices are others than before."""
        with self._lock:
            seen = _FolderStamps(
                _stamps(codec_paths(self._data)),
                _stamps(saved_paths(self._data)),
                _stamps(sorted((self._data / FOLDER).glob("[!.]*.json"))),
            )
            before, self._seen = self._seen, seen
            if seen == before:
                return False
            if seen.codecs != before.codecs:
                self._codecs = self._read_codecs(path for path, *_ in seen.codecs)
            if (seen.codecs, seen.profiles) != (before.codecs, before.profiles):
                self._profiles = self._read_profiles(path for path, *_ in seen.profiles)
            city = self._own.with_devices(self._own.devices, self._profiles, self._codecs)
            devices = dict(self._own.devices)
            adopted = set()
            for path, *_ in seen.devices:
                if device := self._read_device(path, city, devices):
                    devices[device.id] = device
                    adopted.add(device.id)
            self.adopted = frozenset(adopted)
            return self._inventory.publish(devices, self._profiles, self._codecs)

    def keep_fresh(self, stop: threading.Event) -> None:
        """Refresh every second until `stop`."""
        while not stop.wait(POLL_S):
            self.refresh()

    def _read_codecs(self, paths: Iterable[Path]) -> dict[str, Codec]:
        codecs = dict(self._own.codecs)
        for path in paths:
            try:
                codecs[path.stem] = read_saved_codec(path, self._own.codecs)
            except ConfigError as exc:
                self._log_once("codecs.unreadable", str(exc))
        return codecs

    def _read_profiles(self, paths: Iterable[Path]) -> dict[str, Profile]:
        profiles = dict(self._own.profiles)
        for path in paths:
            try:
                profiles[path.stem] = read_saved_profile(path, self._own.profiles, self._codecs)
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
