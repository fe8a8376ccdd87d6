"""Reads the devices of a city: bins, trucks, access points and cameras, and their bindings to third-party servers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from broker.contract.topics import Kind
from city.inventory.fields import FieldReader, Problems, TomlTable, index_by_id, read_csv, read_toml, to_number
from city.inventory.model import (
    AccessPoint,
    Bin,
    Binding,
    BinModel,
    Camera,
    Device,
    Kelurahan,
    Profile,
    Site,
    Truck,
    WasteKind,
)
from city.inventory.places import LAT, LON
from city.inventory.polygons import Polygon
from city.inventory.zones import ZONE_KINDS, Zone, faults_of

Color = Literal["yellow", "green", "grey"]

SERVICE_USERS: Final = ("ingest", "simulator")
"""Accounts of services at the broker; no device may have such an id."""
BINDING_FIELDS: Final = ("adapter", "address", "profile")
"""Fields of a third-party device's binding; all or none are given."""
_COMMON: Final = ("kelurahan", "site", "lat_deg", "lon_deg", "interval_s", *BINDING_FIELDS)
_INTERVAL_S: Final = (1.0, 604_800.0)
_OLD_ZONE: Final = "zone"
"""The key of one watched polygon, before there were kinds of zones; its name as well."""
_MAX_KG: Final = 60_000.0


class DeviceReferences(msgspec.Struct):
    """Things that devices refer to, and ids and addresses in use, each with the place where it was found."""

    kelurahan: Mapping[str, Kelurahan]
    sites: Mapping[str, Site]
    models: Mapping[str, BinModel]
    profiles: Mapping[str, Profile]
    ids: dict[str, str] = msgspec.field(
        default_factory=lambda: dict.fromkeys(SERVICE_USERS, "use as a service's user at the broker")
    )
    addresses: dict[tuple[str, str], str] = {}


def read_device(kind: Kind, table: TomlTable, references: DeviceReferences) -> Device:
    """Read one device of a kind from a table with the fields of an inventory row."""
    device: Device
    match kind:
        case "bin":
            device = _bin(table, references)
        case "truck":
            device = _truck(table, references)
        case "ap":
            device = _access_point(table, references)
        case "camera":
            table.identifier()
            return _camera(table.text("id"), table, references)
    table.close()
    return device


def read_bins(path: Path, references: DeviceReferences, problems: Problems) -> dict[str, Bin]:
    """The rows of `bins.csv`."""
    rows = read_csv(path, ("id", "model", "waste_kind", "color"), _COMMON, problems)
    return index_by_id(((row, _bin(row, references)) for row in rows), references.ids)


def read_trucks(path: Path, references: DeviceReferences, problems: Problems) -> dict[str, Truck]:
    """The rows of `trucks.csv`."""
    rows = read_csv(path, ("id", "plate", "depot", "capacity_kg"), _COMMON, problems)
    return index_by_id(((row, _truck(row, references)) for row in rows), references.ids)


def read_access_points(path: Path, references: DeviceReferences, problems: Problems) -> dict[str, AccessPoint]:
    """The rows of `access_points.csv`; several SSIDs are separated by `;`."""
    rows = read_csv(path, ("id", "model", "ssids"), _COMMON, problems)
    return index_by_id(((row, _access_point(row, references)) for row in rows), references.ids)


def read_cameras(path: Path, references: DeviceReferences, problems: Problems) -> dict[str, Camera]:
    """Every table of `cameras.toml`."""
    tables = read_toml(path, problems).tables()
    return index_by_id(((table, _camera(name, table, references)) for name, table in tables), references.ids)


def _bin(row: FieldReader, references: DeviceReferences) -> Bin:
    wastes: tuple[WasteKind, ...] = get_args(WasteKind)
    colors: tuple[Color, ...] = get_args(Color)
    return Bin(
        id=row.identifier(),
        model=row.reference("model", references.models, "model"),
        waste_kind=row.choice("waste_kind", wastes),
        color=row.choice("color", colors),
        **_common(row, "bin", references),
    )


def _truck(row: FieldReader, references: DeviceReferences) -> Truck:
    depot = row.reference("depot", references.sites, "site")
    if depot in references.sites and references.sites[depot].kind != "depot":
        row.note("depot", f"site {depot!r} is a {references.sites[depot].kind}, not a depot")
    return Truck(
        id=row.identifier(),
        plate=row.text("plate"),
        depot=depot,
        capacity_kg=row.number("capacity_kg", 1, _MAX_KG),
        **_common(row, "truck", references),
    )


def _access_point(row: FieldReader, references: DeviceReferences) -> AccessPoint:
    return AccessPoint(
        id=row.identifier(),
        model=row.text("model"),
        ssids=tuple(ssid for part in row.text("ssids").split(";") if (ssid := part.strip())),
        **_common(row, "ap", references),
    )


def _camera(name: str, table: TomlTable, references: DeviceReferences) -> Camera:
    noted = len(table.problems.lines)
    camera = Camera(
        id=name,
        source=table.text("source", ""),
        zones=_zones(table),
        person_height=_points(table, "person_height"),
        **_common(table, "camera", references),
    )
    if len(table.problems.lines) == noted:
        for fault in faults_of(camera.plan):
            which = "person_height" if fault.zone is None else _OLD_ZONE if table.has(_OLD_ZONE) else "zones"
            name = f" {camera.zones[fault.zone].name!r}:" if which == "zones" and fault.zone is not None else ""
            table.note(which, f"{name} {fault.detail}".strip())
    table.close()
    return camera


def _common(fields: FieldReader, kind: Kind, references: DeviceReferences) -> dict[str, Any]:
    site = fields.reference("site", references.sites, "site", "")
    place = references.sites.get(site)
    lat_deg, lon_deg = _position(fields, place)
    return {
        "site": site,
        "kelurahan": fields.reference("kelurahan", references.kelurahan, "kelurahan", place.kelurahan if place else ""),
        "lat_deg": lat_deg,
        "lon_deg": lon_deg,
        "interval_s": fields.number("interval_s", *_INTERVAL_S, 600.0),
        "binding": read_binding(fields, kind, references),
    }


def _position(fields: FieldReader, place: Site | None) -> tuple[float | None, float | None]:
    """A device's own position, else its site's."""
    lat_deg = fields.optional_number("lat_deg", *LAT)
    lon_deg = fields.optional_number("lon_deg", *LON)
    for field, other in (("lat_deg", "lon_deg"), ("lon_deg", "lat_deg")):
        if fields.has(other) and not fields.has(field):
            fields.note(field, f"is missing beside {other}")
    if lat_deg is None and lon_deg is None and place:
        return place.lat_deg, place.lon_deg
    return lat_deg, lon_deg


def read_binding(fields: FieldReader, kind: Kind, references: DeviceReferences) -> Binding | None:
    """Read a device's binding to a third-party server; None for a device that publishes itself."""
    given = [field for field in BINDING_FIELDS if fields.has(field)]
    adapter, address = fields.text("adapter", ""), fields.text("address", "")
    profile = fields.reference("profile", references.profiles, "profile", "")
    if not given:
        return None
    for field in BINDING_FIELDS:
        if field not in given:
            fields.note(field, f"is missing: {', '.join(BINDING_FIELDS)} go together")
    if profile in references.profiles and references.profiles[profile].kind != kind:
        fields.note("profile", f"{profile!r} reads a {references.profiles[profile].kind}, not a {kind}")
    if len(given) == len(BINDING_FIELDS):
        _claim(fields, (adapter, address.lower()), references)
    return Binding(adapter, address, profile)


def _claim(fields: FieldReader, key: tuple[str, str], references: DeviceReferences) -> None:
    """Note an address that is in use. Adapters compare addresses without regard to case."""
    if key in references.addresses:
        fields.note("address", f"{key[1]!r} is already in {references.addresses[key]}")
    references.addresses.setdefault(key, fields.where)


def _zones(table: TomlTable) -> tuple[Zone, ...]:
    """`[[camera.zones]]`, or the one watched polygon of the old key."""
    if table.has(_OLD_ZONE):
        if table.has("zones"):
            table.note("zones", f"stands beside {_OLD_ZONE!r}; write that one as a zone of kind watch")
        polygon = _points(table, _OLD_ZONE)
        return (Zone("watch", _OLD_ZONE, polygon),) if polygon else ()
    return tuple(_zone(zone) for zone in table.array_of_tables("zones"))


def _zone(table: TomlTable) -> Zone:
    zone = Zone(table.choice("kind", ZONE_KINDS), table.text("name"), _points(table, "polygon"))
    table.close()
    return zone


def _points(table: TomlTable, field: str) -> Polygon:
    """Pairs of numbers in 0..1, none where the field is absent."""
    value = table.raw(field, [])
    corners = [_corner(point) for point in value] if isinstance(value, list) else [None]
    if None in corners:
        table.note(field, "is not a list of points [x, y] with x and y in 0..1")
    return tuple(corner for corner in corners if corner)


def _corner(point: object) -> tuple[float, float] | None:
    match point:
        case [x, y]:
            across, down = to_number(x), to_number(y)
            if across is not None and down is not None and 0 <= across <= 1 and 0 <= down <= 1:
                return across, down
    return None
