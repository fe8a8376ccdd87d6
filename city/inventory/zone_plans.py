"""Zone plans drawn in the console: one file a camera, which replaces the inventory's zones while it exists.

console -> `save_plan` -> DATA/zones/CAMERA.json -> `ZonePlanFile` of every reader
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Final

import msgspec
import structlog

from city.errors import ConfigError, StorageError
from city.inventory.zones import ZonePlan, faults_of
from city.storage.atomic_files import replace_file, require_version

log = structlog.get_logger("city")

FOLDER: Final = "zones"
STILLS: Final = "stills"
_PREVIOUS: Final = ".previous.json"
_NEW: Final = ""
"""Version of a plan that does not exist yet."""


class ZonePlanFile:
    """The zone plan of one camera, read again if its file has changed; each call costs a `stat`.

    A file that cannot be read changes nothing: the last valid plan stays in force, and the error is logged once.

    Args:
        data: The data folder.
        camera: Id of the camera.
        inventory: Plan in force while there is no file.
    """

    def __init__(self, data: Path, camera: str, inventory: ZonePlan) -> None:
        self._path = plan_path(data, camera)
        self._inventory = inventory
        self._seen: tuple[int, int, int] | None = None
        self._plan = inventory

    def current(self) -> ZonePlan:
        """The plan in force."""
        seen = _stamp(self._path)
        if seen != self._seen:
            self._seen = seen
            self._plan = self._read() if seen else self._inventory
        return self._plan

    def _read(self) -> ZonePlan:
        try:
            return read_plan(self._path)
        except ConfigError as exc:
            log.error("zones.unreadable", reason=str(exc))
            return self._plan


def plan_path(data: Path, camera: str) -> Path:
    """Path of a camera's drawn plan."""
    return data / FOLDER / f"{camera}.json"


def still_path(data: Path, camera: str) -> Path:
    """Path of a camera's still, on which plans are drawn: the background without people, masked."""
    return data / STILLS / f"{camera}.jpg"


def read_plan(path: Path) -> ZonePlan:
    """Read a saved plan.

    Raises:
        ConfigError: It cannot be read, is no plan, or has faults.
    """
    try:
        raw = path.read_bytes()
        require_version(raw, path)
        plan = msgspec.json.decode(raw, type=ZonePlan)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    if faults := faults_of(plan):
        raise ConfigError(f"{path}: {faults[0].detail}")
    return plan


def save_plan(data: Path, camera: str, plan: ZonePlan) -> None:
    """Put a plan in force, durably; the previous one stays beside it as `CAMERA.previous.json`.

    Args:
        data: The data folder.
        camera: Id of the camera.
        plan: A plan without faults.

    Raises:
        StorageError: The disk refuses; the plan in force is unchanged.
    """
    path = plan_path(data, camera)
    content = msgspec.json.format(msgspec.json.encode(plan), indent=1)
    try:
        with contextlib.suppress(FileNotFoundError):
            if (before := path.read_bytes()) == content:
                return
            replace_file(path.with_name(camera + _PREVIOUS), before)
    except OSError as exc:
        raise StorageError(f"{path}: {exc.strerror or exc}") from exc
    replace_file(path, content, parents=True)


def plan_version(data: Path, camera: str) -> str:
    """Version of the drawn plan, so that concurrent edits are detected; empty if there is none."""
    try:
        return hashlib.sha256(plan_path(data, camera).read_bytes()).hexdigest()[:16]
    except OSError:
        return _NEW


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
