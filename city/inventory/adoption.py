"""Adopted devices: devices added while the city runs, one file each, beside the inventory, which stays the city's own.

console or `kota device adopt` -> `adopt` -> DATA/devices/DEVICE.json -> `InventoryAdditions` of every process

A file either describes a whole device, with the fields of an inventory row, or binds an address to an inventory device.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.topics import Kind
from city.errors import ConfigError, StorageError
from city.inventory.addresses import address_key
from city.inventory.devices import (
    BINDING_FIELDS,
    DEVICE_TYPES,
    DeviceReferences,
    read_binding,
    read_camera,
    read_device,
)
from city.inventory.field_types import Text, check_id
from city.inventory.model import City, Device
from city.inventory.problems import InventoryError, InventoryProblem
from city.inventory.tables import Problems, Table, TomlTable
from city.storage.atomic_files import replace_file, require_version

FOLDER: Final = "devices"
_HERE: Final = "the inventory"


@dataclass(frozen=True)
class Adoption:
    """The file of an adopted device. `fields` are those of an inventory row; `attach` binds an existing device."""

    id: Text
    kind: Kind
    fields: dict[str, Any]
    attach: bool = False


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
        content = msgspec.json.decode(raw)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ConfigError(f"{path.name}: {exc}") from exc
    problems: Problems = []
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name}: is not an object of JSON")
    adoption = Table(path.name, content, problems).read(Adoption, also=("version",))
    if problems or adoption is None:
        raise InventoryError(problems)
    return adoption


def check_adoption(city: City, adoption: Adoption, devices: Mapping[str, Device] | None = None) -> Device:
    """Make the device of an adoption, with the checks of inventory rows.

    Args:
        city: The city.
        adoption: The adoption.
        devices: The devices that it must agree with; those of the city by default.

    Raises:
        InventoryError: It has problems.
    """
    devices = city.devices if devices is None else devices
    problems: Problems = []
    table = TomlTable(adoption.id, "", {**adoption.fields, "id": adoption.id}, problems, {})
    if adoption.attach:
        device = _attach(table, adoption, devices.get(adoption.id), _references(city, devices, without=adoption.id))
    else:
        device = _read_new(table, adoption.kind, _references(city, devices))
    if problems or device is None:
        raise InventoryError(problems)
    return device


def _attach(table: Table, adoption: Adoption, existing: Device | None, references: DeviceReferences) -> Device | None:
    if existing is None or adoption.kind != existing.KIND:
        table.note("id", f"there is no {adoption.kind} of that id to attach to")
        return None
    for name in adoption.fields.keys() - set(BINDING_FIELDS):
        table.note(name, "is not a part of an address")
    return replace(existing, binding=read_binding(table, adoption.kind, references))


def _read_new(table: TomlTable, kind: Kind, references: DeviceReferences) -> Device | None:
    if (id_ := str(table.values["id"])) in references.ids:
        table.note("id", f"{id_!r} is already in {references.ids[id_]}")
    if not set(BINDING_FIELDS) & table.values.keys():
        table.note("adapter", f"is missing: {', '.join(BINDING_FIELDS)} say how it is heard")
    return read_camera(table, references) if kind == "camera" else read_device(DEVICE_TYPES[kind], table, references)


def _references(city: City, devices: Mapping[str, Device], *, without: str = "") -> DeviceReferences:
    """The inventory as references, without the address of device `without`, which may be given again."""
    known = {"kelurahan": city.kelurahan, "site": city.sites, "model": city.models, "profile": city.profiles}
    references = DeviceReferences(known, city.sites, city.profiles)
    references.ids |= dict.fromkeys(devices, _HERE)
    for device in devices.values():
        if device.binding and device.id != without:
            adapter, address = device.binding.adapter, device.binding.address
            references.addresses[adapter, address_key(adapter, address)] = device.id
    return references


def adoption_of(city: City, device: str, heard: Mapping[str, str], given: Mapping[str, Any]) -> Adoption:
    """Make the adoption of a device: an existing one gets its address, a new one its given and derived fields.

    Args:
        city: The city.
        device: Id of the device.
        heard: `adapter`, `address` and `profile`.
        given: Fields of a new device, as in an inventory row, as text or number. Without a kelurahan it gets the
            nearest one, without an interval that of its profile. An existing device has all of them.

    Raises:
        InventoryError: There is no such profile.
    """
    profile = city.profiles.get(heard["profile"])
    if profile is None:
        message = f"there is no profile {heard['profile']!r}"
        raise InventoryError([InventoryProblem(device, "profile", message)])
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
        InventoryError: It has problems; nothing has changed.
        StorageError: The disk refuses; nothing has changed.
    """
    try:
        path = adoption_path(data, check_id(adoption.id))
    except ValueError as exc:
        raise InventoryError([InventoryProblem(adoption.id, "id", str(exc))]) from exc
    if path.exists():
        message = f"was adopted before; `kota device forget {adoption.id}` takes that back"
        raise InventoryError([InventoryProblem(adoption.id, "id", message)])
    device = check_adoption(city, adoption)
    replace_file(path, msgspec.json.format(msgspec.json.encode(adoption), indent=1), parents=True)
    return device


def unadopt(data: Path, device: str) -> None:
    """Delete an adoption; the stored data of the device stays.

    Raises:
        ConfigError: The device was not adopted.
        StorageError: The disk refuses; nothing has changed.
    """
    try:
        adoption_path(data, device).unlink()
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ConfigError(f"{device!r} was not adopted, so it cannot be given up here: {exc.strerror}") from exc
    except OSError as exc:
        raise StorageError(f"{device!r} cannot be given up: {exc.strerror or exc}") from exc


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
