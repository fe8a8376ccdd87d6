"""Reads the devices of a city: bins, trucks, access points and cameras, and their bindings to third-party servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from broker.contract.topics import Kind
from city.inventory.addresses import address_fault, address_key, written_address
from city.inventory.field_types import Points, References, show
from city.inventory.model import AccessPoint, Bin, Binding, Camera, Device, Profile, Site, Truck
from city.inventory.tables import Problems, Table, TomlTable, columns_of, index_by_id, read_csv, read_toml
from city.inventory.zones import Zone, faults_of

D = TypeVar("D", bound=Device)
T = TypeVar("T")

SERVICE_USERS: Final = ("ingest", "simulator")
"""Accounts of services at the broker; no device may have such an id."""
BINDING_FIELDS: Final = ("adapter", "address", "profile")
"""Fields of a third-party device's binding; all or none are given."""
DEVICE_TYPES: Final[Mapping[Kind, type[Device]]] = {"bin": Bin, "truck": Truck, "ap": AccessPoint, "camera": Camera}
_OLD_ZONE: Final = "zone"
"""The key of one watched polygon, before there were kinds of zones; its name as well."""


@dataclass
class DeviceReferences:
    """Things that devices refer to, and ids and addresses in use, each with the place where it was found."""

    known: References
    sites: Mapping[str, Site | None]
    profiles: Mapping[str, Profile | None]
    ids: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(SERVICE_USERS, "use as a service's user at the broker")
    )
    addresses: dict[tuple[str, str], str] = field(default_factory=dict)


def read_devices(path: Path, type_: type[D], references: DeviceReferences, problems: Problems) -> dict[str, D | None]:
    """The rows of a file of devices of one kind; None for one with a problem."""
    required, optional = columns_of(type_, besides=("binding",))
    rows = read_csv(path, required, (*optional, *BINDING_FIELDS), problems)
    return index_by_id(((row, read_device(type_, row, references)) for row in rows), references.ids)


def read_cameras(path: Path, references: DeviceReferences, problems: Problems) -> dict[str, Camera | None]:
    """Every table of `cameras.toml`; None for one with a problem."""
    cameras = []
    for name, table in read_toml(path, problems).tables():
        if "id" in table.values:
            table.note("id", "is the name of the table, and no field of it")
        named = table.with_values({**table.values, "id": name})
        cameras.append((named, read_camera(named, references)))
    return index_by_id(cameras, references.ids)


def read_camera(table: TomlTable, references: DeviceReferences) -> Camera | None:
    """Read one camera with its zones; None if it has a problem."""
    before = len(table.problems)
    camera = read_device(Camera, table, references, also=("zones", _OLD_ZONE), zones=_zones(table))
    if camera is None or len(table.problems) > before:
        return None
    for fault in faults_of(camera.plan):
        which = "person_height" if fault.zone is None else _OLD_ZONE if _OLD_ZONE in table.values else "zones"
        name = f" {show(camera.zones[fault.zone].name)}:" if which == "zones" and fault.zone is not None else ""
        table.note(which, f"{name} {fault.detail}".strip())
    return camera


def read_device(
    type_: type[D], table: Table, references: DeviceReferences, *, also: tuple[str, ...] = (), **ready: object
) -> D | None:
    """Read one device from a table with the fields of an inventory row; None if it has a problem.

    Args:
        type_: Its kind.
        table: The row.
        references: What it may refer to.
        also: Further fields of the row, which the caller reads.
        ready: Fields that are not read from the row.
    """
    binding = read_binding(table, type_.KIND, references)
    site = _by_id(references.sites, table.values.get("site"))
    defaults = _check_position(table, site)
    if site:
        defaults["kelurahan"] = site.kelurahan
    depot = _by_id(references.sites, table.values.get("depot"))
    if type_ is Truck and depot and depot.kind != "depot":
        table.note("depot", f"site {depot.id!r} is a {depot.kind}, not a depot")
    names = (*BINDING_FIELDS, *also)
    return table.read(type_, references.known, also=names, defaults=defaults, binding=binding, **ready)


def _by_id(items: Mapping[str, T | None], id_: object) -> T | None:
    return items.get(id_) if isinstance(id_, str) else None


def _check_position(table: Table, site: Site | None) -> dict[str, object]:
    """The position of a device's site, if it has none of its own."""
    for name, other in (("lat_deg", "lon_deg"), ("lon_deg", "lat_deg")):
        if other in table.values and name not in table.values:
            table.note(name, f"is missing beside {other}")
    has_own = {"lat_deg", "lon_deg"} & table.values.keys()
    return {"lat_deg": site.lat_deg, "lon_deg": site.lon_deg} if site and not has_own else {}


def read_binding(table: Table, kind: Kind, references: DeviceReferences) -> Binding | None:
    """Read a device's binding to a third-party server; None for a device that publishes itself."""
    given = {name: table.values[name] for name in BINDING_FIELDS if name in table.values}
    if not given:
        return None
    missing = [name for name in BINDING_FIELDS if name not in given]
    for name in missing:
        table.note(name, f"is missing: {', '.join(BINDING_FIELDS)} go together")
    binding = Table(table.where, given, table.problems, missing).read(Binding, references.known)
    profile = _by_id(references.profiles, given.get("profile"))
    if profile and profile.kind != kind:
        table.note("profile", f"{profile.id!r} reads a {profile.kind}, not a {kind}")
    adapter, address = given.get("adapter"), given.get("address")
    if len(given) == len(BINDING_FIELDS) and isinstance(adapter, str) and isinstance(address, str):
        _claim(table, (adapter, address_key(adapter, address)), references)
        if fault := address_fault(adapter, address):
            table.note("address", fault)
    return replace(binding, address=written_address(binding.adapter, binding.address)) if binding else None


def _claim(table: Table, key: tuple[str, str], references: DeviceReferences) -> None:
    """Note an address that is in use. Its spelling does not matter."""
    if key in references.addresses:
        table.note("address", f"{show(key[1])} is already in {references.addresses[key]}")
    references.addresses.setdefault(key, table.where)


def _zones(table: TomlTable) -> tuple[Zone, ...]:
    """`[[camera.zones]]`, or the one watched polygon of the old key."""
    if _OLD_ZONE not in table.values:
        return tuple(zone for inner in table.array_of_tables("zones") if (zone := inner.read(Zone)))
    if "zones" in table.values:
        table.note("zones", f"stands beside {_OLD_ZONE!r}; write that one as a zone of kind watch")
    polygon = (table.with_values({_OLD_ZONE: table.values[_OLD_ZONE]}).read(dict[str, Points]) or {}).get(_OLD_ZONE)
    return (Zone("watch", _OLD_ZONE, polygon),) if polygon else ()
