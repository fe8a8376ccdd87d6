"""Reads the devices of a city: bins, trucks, access points and cameras, and how other makers' servers name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from broker.contract.topics import Kind
from city.fields import Fields, Problems, Table, keyed, read_csv, read_toml, to_number
from city.model import AccessPoint, Address, Bin, BinModel, Camera, Device, Kelurahan, Profile, Site, Truck, WasteKind
from city.places import LAT, LON
from city.polygons import Polygon
from city.secrets import SERVICE_USERS
from city.zones import ZONE_KINDS, Zone, faults_of

Color = Literal["yellow", "green", "grey"]

REACH: Final = ("adapter", "address", "profile")
"""How another maker's device is heard; they go together."""
_COMMON: Final = ("kelurahan", "site", "lat_deg", "lon_deg", "interval_s", *REACH)
_INTERVAL_S: Final = (1.0, 604_800.0)
_OLD_ZONE: Final = "zone"
"""The key of one watched polygon, before there were kinds of zones; its name as well."""
_MAX_KG: Final = 60_000.0


class Known(msgspec.Struct):
    """What devices refer to, and what may not be given twice: ids and addresses, each with where it was found."""

    kelurahan: Mapping[str, Kelurahan]
    sites: Mapping[str, Site]
    models: Mapping[str, BinModel]
    profiles: Mapping[str, Profile]
    ids: dict[str, str] = msgspec.field(
        default_factory=lambda: dict.fromkeys(SERVICE_USERS, "use as a service's user at the broker")
    )
    addresses: dict[tuple[str, str], str] = {}


def read_device(kind: Kind, table: Table, known: Known) -> Device:
    """One device of a kind, whose fields are those of a row of its file."""
    device: Device
    match kind:
        case "bin":
            device = _bin(table, known)
        case "truck":
            device = _truck(table, known)
        case "ap":
            device = _access_point(table, known)
        case "camera":
            table.identifier()
            return _camera(table.text("id"), table, known)
    table.close()
    return device


def read_bins(path: Path, known: Known, problems: Problems) -> dict[str, Bin]:
    """The rows of `bins.csv`."""
    rows = read_csv(path, ("id", "model", "waste_kind", "color"), _COMMON, problems)
    return keyed(((row, _bin(row, known)) for row in rows), known.ids)


def read_trucks(path: Path, known: Known, problems: Problems) -> dict[str, Truck]:
    """The rows of `trucks.csv`."""
    rows = read_csv(path, ("id", "plate", "depot", "capacity_kg"), _COMMON, problems)
    return keyed(((row, _truck(row, known)) for row in rows), known.ids)


def read_access_points(path: Path, known: Known, problems: Problems) -> dict[str, AccessPoint]:
    """The rows of `access_points.csv`; several SSIDs are separated by `;`."""
    rows = read_csv(path, ("id", "model", "ssids"), _COMMON, problems)
    return keyed(((row, _access_point(row, known)) for row in rows), known.ids)


def read_cameras(path: Path, known: Known, problems: Problems) -> dict[str, Camera]:
    """Every table of `cameras.toml`."""
    tables = read_toml(path, problems).tables()
    return keyed(((table, _camera(name, table, known)) for name, table in tables), known.ids)


def _bin(row: Fields, known: Known) -> Bin:
    wastes: tuple[WasteKind, ...] = get_args(WasteKind)
    colors: tuple[Color, ...] = get_args(Color)
    return Bin(
        id=row.identifier(),
        model=row.reference("model", known.models, "model"),
        waste_kind=row.choice("waste_kind", wastes),
        color=row.choice("color", colors),
        **_common(row, "bin", known),
    )


def _truck(row: Fields, known: Known) -> Truck:
    depot = row.reference("depot", known.sites, "site")
    if depot in known.sites and known.sites[depot].kind != "depot":
        row.note("depot", f"site {depot!r} is a {known.sites[depot].kind}, not a depot")
    return Truck(
        id=row.identifier(),
        plate=row.text("plate"),
        depot=depot,
        capacity_kg=row.number("capacity_kg", 1, _MAX_KG),
        **_common(row, "truck", known),
    )


def _access_point(row: Fields, known: Known) -> AccessPoint:
    return AccessPoint(
        id=row.identifier(),
        model=row.text("model"),
        ssids=tuple(ssid for part in row.text("ssids").split(";") if (ssid := part.strip())),
        **_common(row, "ap", known),
    )


def _camera(name: str, table: Table, known: Known) -> Camera:
    noted = len(table.problems.lines)
    camera = Camera(
        id=name,
        source=table.text("source", ""),
        zones=_zones(table),
        person_height=_points(table, "person_height"),
        **_common(table, "camera", known),
    )
    if len(table.problems.lines) == noted:
        for fault in faults_of(camera.plan):
            which = "person_height" if fault.zone is None else _OLD_ZONE if table.has(_OLD_ZONE) else "zones"
            name = f" {camera.zones[fault.zone].name!r}:" if which == "zones" and fault.zone is not None else ""
            table.note(which, f"{name} {fault.detail}".strip())
    table.close()
    return camera


def _common(fields: Fields, kind: Kind, known: Known) -> dict[str, Any]:
    site = fields.reference("site", known.sites, "site", "")
    place = known.sites.get(site)
    lat_deg, lon_deg = _position(fields, place)
    return {
        "site": site,
        "kelurahan": fields.reference("kelurahan", known.kelurahan, "kelurahan", place.kelurahan if place else ""),
        "lat_deg": lat_deg,
        "lon_deg": lon_deg,
        "interval_s": fields.number("interval_s", *_INTERVAL_S, 600.0),
        "reach": read_reach(fields, kind, known),
    }


def _position(fields: Fields, place: Site | None) -> tuple[float | None, float | None]:
    """A device's own position, else its site's."""
    lat_deg = fields.optional_number("lat_deg", *LAT)
    lon_deg = fields.optional_number("lon_deg", *LON)
    for field, other in (("lat_deg", "lon_deg"), ("lon_deg", "lat_deg")):
        if fields.has(other) and not fields.has(field):
            fields.note(field, f"is missing beside {other}")
    if lat_deg is None and lon_deg is None and place:
        return place.lat_deg, place.lon_deg
    return lat_deg, lon_deg


def read_reach(fields: Fields, kind: Kind, known: Known) -> Address | None:
    """How another maker's server names a device and how its messages are read; None when it speaks for itself."""
    given = [field for field in REACH if fields.has(field)]
    adapter, address = fields.text("adapter", ""), fields.text("address", "")
    profile = fields.reference("profile", known.profiles, "profile", "")
    if not given:
        return None
    for field in REACH:
        if field not in given:
            fields.note(field, f"is missing: {', '.join(REACH)} go together")
    if profile in known.profiles and known.profiles[profile].kind != kind:
        fields.note("profile", f"{profile!r} reads a {known.profiles[profile].kind}, not a {kind}")
    if len(given) == len(REACH):
        _claim(fields, (adapter, address.lower()), known)
    return Address(adapter, address, profile)


def _claim(fields: Fields, key: tuple[str, str], known: Known) -> None:
    """Adapters compare addresses without regard to case, so two that differ in case only are the same."""
    if key in known.addresses:
        fields.note("address", f"{key[1]!r} is already in {known.addresses[key]}")
    known.addresses.setdefault(key, fields.where)


def _zones(table: Table) -> tuple[Zone, ...]:
    """`[[camera.zones]]`, or the one watched polygon of the old key."""
    if table.has(_OLD_ZONE):
        if table.has("zones"):
            table.note("zones", f"stands beside {_OLD_ZONE!r}; write that one as a zone of kind watch")
        polygon = _points(table, _OLD_ZONE)
        return (Zone("watch", _OLD_ZONE, polygon),) if polygon else ()
    return tuple(_zone(each) for each in table.listed("zones"))


def _zone(table: Table) -> Zone:
    zone = Zone(table.choice("kind", ZONE_KINDS), table.text("name"), _points(table, "polygon"))
    table.close()
    return zone


def _points(table: Table, field: str) -> Polygon:
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
