"""The inventory while the city runs: its files, and what was added to them in the data folder.

Added are codecs, profiles and adopted devices. `CityFollower` reads the files again, `InventoryAdditions` both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from city.errors import ConfigError
from city.inventory.adoption import FOLDER, check_adoption, read_adoption
from city.inventory.city_files import CityFiles, FileStamp, stamps
from city.inventory.codecs import codec_paths, read_saved_codec
from city.inventory.loader import load_city
from city.inventory.model import City, Codec, Device, Profile
from city.inventory.problems import InventoryError, InventoryProblem
from city.inventory.provider import LiveInventory
from city.inventory.saved_profiles import read_saved_profile, saved_paths
from city.inventory.tables import release_validators

log = structlog.get_logger("city")

POLL_S: Final = 1.0
LOGGED_MAX: Final = 5
"""Problems in a line of the log."""


class _FolderStamps(NamedTuple):
    """What the files of a data folder were at a refresh."""

    codecs: list[FileStamp]
    profiles: list[FileStamp]
    devices: list[FileStamp]


class CityFollower:
    """Reads the files of a city again when one of them has changed; while they are wrong, what was read last counts.

    Args:
        files: Where the files are.

    Raises:
        ConfigError: They are wrong.
    """

    def __init__(self, files: CityFiles) -> None:
        self._files = files
        self._seen = files.stamps()
        self.city = load_city(files.folder, files.data)
        """The files' content."""
        self.problems: tuple[InventoryProblem, ...] = ()
        """Why the files of now are not in force; empty if they are."""

    def refresh(self) -> bool:
        """Read the files if one has changed; returns whether there is another city."""
        seen = self._files.stamps()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            city = load_city(self._files.folder, self._files.data)
            _require_same(self.city, city)
        except ConfigError as exc:
            self.problems = problems_of(exc)
            first = "\n".join(map(str, self.problems[:LOGGED_MAX]))
            log.error("inventory.unreadable", reason=first, problems=len(self.problems))
            return False
        finally:
            release_validators()
        self.problems = ()
        self.city = city
        log.info("inventory.read_again", devices=len(city.devices), sites=len(city.sites))
        return True


def _require_same(before: City, after: City) -> None:
    """Require what every process has taken at its start, such as the names of topics.

    Raises:
        InventoryError: It is another one.
    """
    pairs = {"id": (before.id, after.id), "time_zone": (str(before.time_zone), str(after.time_zone))}
    other = [
        InventoryProblem("city.toml", field, f"{old!r} becomes {new!r}: that takes a restart")
        for field, (old, new) in pairs.items()
        if old != new
    ]
    if other:
        raise InventoryError(other)


class InventoryAdditions:
    """Keeps a live inventory equal to the inventory and a data folder's codecs, saved profiles and adopted devices.

    Each refresh reads what has changed. A file that cannot be read, or that contradicts the inventory, is skipped and
    logged once; it costs only itself, a codec the profiles that name it, and a profile the devices that use it.

    Args:
        data: The data folder.
        inventory: Has the snapshot of the inventory alone; gets a new one with each change.
        follower: Follows the inventory's own files; None leaves them as they were read.
        is_trial: Whether problems are only collected, and not logged.
    """

    def __init__(
        self, data: Path, inventory: LiveInventory, follower: CityFollower | None = None, *, is_trial: bool = False
    ) -> None:
        self._data = data
        self._inventory = inventory
        self._follower = follower
        self._own = inventory.current()
        self._codecs: Mapping[str, Codec] = self._own.codecs
        self._profiles: Mapping[str, Profile] = self._own.profiles
        self._seen: _FolderStamps | None = None
        self._is_trial = is_trial
        self._logged: set[str] = set()
        self._problems: dict[str, tuple[InventoryProblem, ...]] = {}
        self._lock = threading.Lock()
        self.adopted: frozenset[str] = frozenset()
        """Ids of the devices that were adopted."""
        self.refresh()

    @property
    def problems(self) -> tuple[InventoryProblem, ...]:
        """What is wrong with the files of now, and therefore not in force."""
        own = self._follower.problems if self._follower else ()
        return (*own, *(problem for problems in self._problems.values() for problem in problems))

    def refresh(self) -> bool:
        """Apply changes of the files; returns whether the inventory is another than before."""
        with self._lock:
            is_other = bool(self._follower and self._follower.refresh())
            seen = _FolderStamps(
                stamps(codec_paths(self._data)),
                stamps(saved_paths(self._data)),
                stamps(sorted((self._data / FOLDER).glob("[!.]*.json"))),
            )
            if seen == self._seen and not is_other:
                return False
            if self._follower and is_other:
                self._own = self._follower.city
            self._seen, self._problems = seen, {}
            self._codecs = self._read_codecs(path for path, *_ in seen.codecs)
            self._profiles = self._read_profiles(path for path, *_ in seen.profiles)
            devices = self._read_devices(path for path, *_ in seen.devices)
            if is_other:
                return self._inventory.publish_city(self._own.with_devices(devices, self._profiles, self._codecs))
            return self._inventory.publish(devices, self._profiles, self._codecs)

    def _read_devices(self, paths: Iterable[Path]) -> dict[str, Device]:
        """All devices, with those that were adopted."""
        city = self._own.with_devices(self._own.devices, self._profiles, self._codecs)
        devices = dict(self._own.devices)
        adopted = set()
        for path in paths:
            if device := self._read_device(path, city, devices):
                devices[device.id] = device
                adopted.add(device.id)
        self.adopted = frozenset(adopted)
        return devices

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
                self._note("codecs.unreadable", path, exc)
        return codecs

    def _read_profiles(self, paths: Iterable[Path]) -> dict[str, Profile]:
        profiles = dict(self._own.profiles)
        for path in paths:
            try:
                profiles[path.stem] = read_saved_profile(path, self._own.profiles, self._codecs)
            except ConfigError as exc:
                self._note("profiles.saved_unreadable", path, exc)
        return profiles

    def _read_device(self, path: Path, city: City, devices: Mapping[str, Device]) -> Device | None:
        try:
            return check_adoption(city, read_adoption(path), devices)
        except ConfigError as exc:
            self._note("devices.adopted_unreadable", path, exc)
            return None

    def _note(self, event: str, path: Path, exc: ConfigError) -> None:
        """Keep what is wrong with a file, and log it once."""
        self._problems[f"{path.parent.name}/{path.name}"] = problems_of(exc)
        if (reason := str(exc)) not in self._logged and not self._is_trial:
            log.error(event, reason=reason)
            self._logged.add(reason)


def problems_of(exc: ConfigError) -> tuple[InventoryProblem, ...]:
    """The problems of an error; one, without a place, if it lists none."""
    return exc.problems if isinstance(exc, InventoryError) else (InventoryProblem("", "", str(exc)),)
