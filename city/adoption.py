"""Devices that were taken in while the city runs: one file each beside the inventory, which stays the city's own.

console or `kota device adopt` -> `adopt` -> DATA/devices/DEVICE.json -> `AdoptedDevices` of every process that asks

A file either describes a device as the inventory's rows do, or gives one that the inventory has its address.
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

from broker.contract.errors import ConfigError, TopicError
from broker.contract.topics import Kind, require_id
from city.atomic_files import replace_file, require_version
from city.devices import REACH, Known, read_device, read_reach
from city.fields import Problems, Table
from city.model import City, Device

log = structlog.get_logger("city")

FOLDER: Final = "devices"
POLL_S: Final = 1.0
_HERE: Final = "the inventory"


class Adoption(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a device: `fields` as a row of its kind has them; `attach` to a device that is there already."""

    id: str
    kind: Kind
    fields: dict[str, Any]
    attach: bool = False


class AdoptedDevices:
    """Keeps a city's devices as the inventory and the folder of adopted ones say; asking costs a look at the folder.

    A file that cannot be read or that the inventory contradicts is left out, and the log says so once.

    Args:
        data: The data folder.
        city: As the inventory has it; changed in place.
    """

    def __init__(self, data: Path, city: City) -> None:
        self._folder = data / FOLDER
        self._city = city
        self._inventory: Mapping[str, Device] = dict(city.devices)
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> bool:
        """Take in what has changed; whether anything has."""
        with self._lock:
            seen = self._stamps()
            if seen == self._seen:
                return False
            self._seen = seen
            # Made beside the city, which has each of its devices at every moment.
            beside = msgspec.structs.replace(self._city)
            beside.hold(self._inventory)
            for name, *_ in seen:
                self._take_in(beside, self._folder / name)
            self._city.hold(beside.devices)
            return True

    def keep_fresh(self, stop: threading.Event) -> None:
        """Refresh again and again until `stop`."""
        while not stop.wait(POLL_S):
            self.refresh()

    def _stamps(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        with contextlib.suppress(OSError):
            for path in sorted(self._folder.glob("[!.]*.json")):
                stat = path.stat()
                found.append((path.name, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def _take_in(self, city: City, path: Path) -> None:
        try:
            adoption = read_adoption(path)
            device = checked(city, adoption)
        except ConfigError as exc:
            if str(exc) not in self._told:
                log.error("devices.adopted_unreadable", reason=str(exc))
            self._told.add(str(exc))
            return
        city.hold({**city.devices, device.id: device})


def adoption_path(data: Path, device: str) -> Path:
    """Where an adopted device is kept."""
    return data / FOLDER / f"{device}.json"


def read_adoption(path: Path) -> Adoption:
    """A device as it was adopted.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    try:
        raw = path.read_bytes()
        require_version(raw, path)
        return msgspec.json.decode(raw, type=Adoption)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path.name}: {exc}") from exc


def checked(city: City, adoption: Adoption) -> Device:
    """The device an adoption makes, read and checked as the inventory's rows are.

    Raises:
        ConfigError: Every mistake on a line of its own.
    """
    problems = Problems()
    table = Table(adoption.id, "", {**adoption.fields, "id": adoption.id}, problems, {})
    there = city.devices.get(adoption.id)
    known = _known(city, {} if adoption.attach else city.devices, besides=adoption.id if adoption.attach else "")
    if adoption.attach:
        if there is None or adoption.kind != there.KIND:
            raise ConfigError(f"{adoption.id}: id: there is no {adoption.kind} of that id to attach to")
        device = msgspec.structs.replace(there, reach=read_reach(table, adoption.kind, known))
        for name in adoption.fields.keys() - set(REACH):
            table.note(name, "is not a part of an address")
    else:
        device = read_device(adoption.kind, table, known)
        if adoption.id in known.ids:
            table.note("id", f"{adoption.id!r} is already in {known.ids[adoption.id]}")
        if device.reach is None:
            table.note("adapter", f"is missing: {', '.join(REACH)} say how it is heard")
    problems.raise_any()
    return device


def _known(city: City, devices: Mapping[str, Device], *, besides: str) -> Known:
    """What a device may refer to and may not repeat; `besides` is who may have the address already."""
    addresses = {
        (one.reach.adapter, one.reach.address.lower()): one.id
        for one in city.devices.values()
        if one.reach and one.id != besides
    }
    ids = Known(city.kelurahan, city.sites, city.models, city.profiles).ids | dict.fromkeys(devices, _HERE)
    return Known(city.kelurahan, city.sites, city.models, city.profiles, ids, addresses)


def adoption_of(city: City, device: str, heard: Mapping[str, str], given: Mapping[str, Any]) -> Adoption:
    """How a device is taken in: one that is there already gets its address, a new one what is given or follows from it.

    Args:
        city: The city.
        device: The id it gets, or has.
        heard: `adapter`, `address` and `profile`.
        given: Of a new device, as a row of its kind has them, as text or number; without a kelurahan it is in the
            nearest, without an interval it reports as its profile says. One that is there has all of it already.

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
    """Take a device in, durably; processes of the city have it within seconds.

    Raises:
        ConfigError: It is wrong (every mistake on a line), or the disk refuses; nothing has changed then.
    """
    try:
        require_id(adoption.id, "id")
    except TopicError as exc:
        raise ConfigError(str(exc)) from exc
    path = adoption_path(data, adoption.id)
    if path.exists():
        raise ConfigError(f"{adoption.id}: id: was adopted before; `kota device forget {adoption.id}` takes that back")
    device = checked(city, adoption)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{path.parent}: {exc.strerror or exc}") from exc
    replace_file(path, msgspec.json.format(msgspec.json.encode(adoption), indent=1))
    return device


def disown(data: Path, device: str) -> None:
    """Take an adoption back; what is stored of the device stays.

    Raises:
        ConfigError: It was not adopted.
    """
    try:
        adoption_path(data, device).unlink()
    except OSError as exc:
        raise ConfigError(f"{device!r} was not adopted, so it cannot be given up here: {exc.strerror or exc}") from exc


def nearest_kelurahan(city: City, lat_deg: float, lon_deg: float) -> str:
    """The kelurahan whose centre is nearest; empty for a city without any."""
    shrink = math.cos(math.radians(lat_deg))
    return min(
        city.kelurahan,
        key=lambda id_: math.hypot(
            city.kelurahan[id_].lat_deg - lat_deg, (city.kelurahan[id_].lon_deg - lon_deg) * shrink
        ),
        default="",
    )
