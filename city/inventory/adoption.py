"""Adopted devices: devices added while the city runs, one file each, beside the inventory, which stays the city's own.

console or `kota device adopt` -> `adopt` -> DATA/devices/DEVICE.json -> `AdoptedDevices` of every process

A file either describes a whole device, with the fields of an inventory row, or binds an address to an inventory device.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from broker.contract.topics import Kind, require_id
from city.errors import ConfigError, TopicError
from city.inventory.devices import BINDING_FIELDS, DeviceReferences, read_binding, read_device
from city.inventory.fields import Problems, TomlTable
from city.inventory.model import City, Device
from city.storage.atomic_files import replace_file, require_version

log = structlog.get_logger("city")

FOLDER: Final = "devices"
POLL_S: Final = 1.0
_HERE: Final = "the inventory"


class Adoption(msgspec.Struct, frozen=True, omit_defaults=True):
    """The file of an adopted device. `fields` are those of an inventory row; `attach` binds an existing device."""

    id: str
    kind: Kind
    fields: dict[str, Any]
    attach: bool = False


class AdoptedDevices:
    """Keeps a city's devices equal to the inventory and the folder of adoptions. Each refresh reads the folder.

    A file that cannot be read, or that contradicts the inventory, is skipped and logged once.

    Args:
        data: The data folder.
        city: The city of the inventory; changed in place.
    """

    def __init__(self, data: Path, city: City) -> None:
        self._folder = data / FOLDER
        self._city = city
        self._inventory: Mapping[str, Device] = dict(city.devices)
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._logged: set[str] = set()
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> bool:
        """Apply changes of the folder; returns whether anything has changed."""
        with self._lock:
            seen = self._stamps()
            if seen == self._seen:
                return False
            self._seen = seen
            # Made beside the city, which has each of its devices at every moment.
            beside = msgspec.structs.replace(self._city)
            beside.replace_devices(self._inventory)
            for name, *_ in seen:
                self._apply(beside, self._folder / name)
            self._city.replace_devices(beside.devices)
            return True

    def keep_fresh(self, stop: threading.Event) -> None:
        """Refresh every second until `stop`."""
        while not stop.wait(POLL_S):
            self.refresh()

    def _stamps(self) -> tuple[tuple[str, int, int], ...]:
        stamps = []
        with contextlib.suppress(OSError):
            for path in sorted(self._folder.glob("[!.]*.json")):
                stat = path.stat()
                stamps.append((path.name, stat.st_mtime_ns, stat.st_size))
        return tuple(stamps)

    def _apply(self, city: City, path: Path) -> None:
        try:
            adoption = read_adoption(path)
            device = check_adoption(city, adoption)
        except ConfigError as exc:
            if str(exc) not in self._logged:
                log.error("devices.adopted_unreadable", reason=str(exc))
            self._logged.add(str(exc))
            return
        city.replace_devices({**city.devices, device.id: device})


def adoption_path(data: Path, device: str) -> Path:
    """Path of an adopted device's file."""
    return data / FOLDER / f"{device}.json"


def read_adoption(path: Path) -> Adoption:
    """Read the file of an adopted device.

    Raises:
        ConfigError: It cannot be read, or is no adoption.
    """
    try:
        raw = path.read_bytes()
        require_version(raw, path)
        return msgspec.json.decode(raw, type=Adoption)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path.name}: {exc}") from exc


def check_adoption(city: City, adoption: Adoption) -> Device:
    """Make the device of an adoption, with the checks of inventory rows.

    Raises:
        ConfigError: One mistake per line.
    """
    problems = Problems()
    table = TomlTable(adoption.id, "", {**adoption.fields, "id": adoption.id}, problems, {})
    existing = city.devices.get(adoption.id)
    references = _references(
        city, {} if adoption.attach else city.devices, besides=adoption.id if adoption.attach else ""
    )
    if adoption.attach:
        if existing is None or adoption.kind != existing.KIND:
            raise ConfigError(f"{adoption.id}: id: there is no {adoption.kind} of that id to attach to")
        device = msgspec.structs.replace(existing, binding=read_binding(table, adoption.kind, references))
        for name in adoption.fields.keys() - set(BINDING_FIELDS):
            table.note(name, "is not a part of an address")
    else:
        device = read_device(adoption.kind, table, references)
        if adoption.id in references.ids:
            table.note("id", f"{adoption.id!r} is already in {references.ids[adoption.id]}")
        if device.binding is None:
            table.note("adapter", f"is missing: {', '.join(BINDING_FIELDS)} say how it is heard")
    problems.raise_any()
    return device


def _references(city: City, devices: Mapping[str, Device], *, besides: str) -> DeviceReferences:
    """The inventory as references, without the address of device `besides`, which may be given again."""
    addresses = {
        (device.binding.adapter, device.binding.address.lower()): device.id
        for device in city.devices.values()
        if device.binding and device.id != besides
    }
    ids = DeviceReferences(city.kelurahan, city.sites, city.models, city.profiles).ids | dict.fromkeys(devices, _HERE)
    return DeviceReferences(city.kelurahan, city.sites, city.models, city.profiles, ids, addresses)


def adoption_of(city: City, device: str, heard: Mapping[str, str], given: Mapping[str, Any]) -> Adoption:
    """Make the adoption of a device: an existing one gets its address, a new one its given and derived fields.

    Args:
        city: The city.
        device: Id of the device.
        heard: `adapter`, `address` and `profile`.
        given: Fields of a new device, as in an inventory row, as text or number. Without a kelurahan it gets the
            nearest one, without an interval that of its profile. An existing device has all of them.

    Raises:
        ConfigError: There is no such profile.
    """
    profile = city.profiles.get(heard["profile"])
    if profile is None:
        raise ConfigError(f"{device}: profile: there is no profile {heard['profile']!r}")
    if device in city.devices:
        return Adoption(device, profile.kind, {**given, **heard}, attach=True)
    fields = dict(given)
    with contextlib.suppress(KeyError, ValueError):  # without a position, or with one that is refused later
        nearest = nearest_kelurahan(city, float(fields["lat_deg"]), float(fields["lon_deg"]))
        fields.setdefault("kelurahan", nearest)
    if profile.interval_s is not None:
        fields.setdefault("interval_s", profile.interval_s)
    return Adoption(device, profile.kind, {**fields, **heard})


def adopt(data: Path, city: City, adoption: Adoption) -> Device:
    """Write an adoption durably; every process of the city has the device within seconds.

    Raises:
        ConfigError: It is wrong (one mistake a line), or the disk refuses; nothing has changed then.
    """
    try:
        require_id(adoption.id, "id")
    except TopicError as exc:
        raise ConfigError(str(exc)) from exc
    path = adoption_path(data, adoption.id)
    if path.exists():
        raise ConfigError(f"{adoption.id}: id: was adopted before; `kota device forget {adoption.id}` takes that back")
    device = check_adoption(city, adoption)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{path.parent}: {exc.strerror or exc}") from exc
    replace_file(path, msgspec.json.format(msgspec.json.encode(adoption), indent=1))
    return device


def unadopt(data: Path, device: str) -> None:
    """Delete an adoption; the stored data of the device stays.

    Raises:
        ConfigError: The device was not adopted.
    """
    try:
        adoption_path(data, device).unlink()
    except OSError as exc:
        raise ConfigError(f"{device!r} was not adopted, so it cannot be given up here: {exc.strerror or exc}") from exc


def nearest_kelurahan(city: City, lat_deg: float, lon_deg: float) -> str:
    """The kelurahan with the nearest centre; empty if the city has none."""
    shrink = math.cos(math.radians(lat_deg))
    return min(
        city.kelurahan,
        key=lambda id_: math.hypot(
            city.kelurahan[id_].lat_deg - lat_deg, (city.kelurahan[id_].lon_deg - lon_deg) * shrink
        ),
        default="",
    )
