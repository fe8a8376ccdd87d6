"""Devices as entities of the FIWARE Smart Data Models: `WasteContainer`, `Vehicle` and `Device`, pure.

What is not known is absent. Units and words are those of the published schemas; where ours differ they are converted.
Source: smart-data-models, dataModel.WasteManagement, dataModel.Transportation and dataModel.Device.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from broker.contract.topics import Kind
from city.model import AccessPoint, Bin, Camera, City, Device, Truck
from ingest.store.condition import FULL_PCT, Condition, number, position_of
from ingest.store.latest import Connectivity
from ingest.store.port import Latest
from ingest.store.records import EventRecord

EntityType = Literal["WasteContainer", "Vehicle", "Device"]
Sort = Literal["Property", "GeoProperty", "Relationship"]

TYPES: Final[tuple[EntityType, ...]] = ("WasteContainer", "Vehicle", "Device")
CONTEXTS: Final[dict[EntityType, str]] = {
    "WasteContainer": "https://smart-data-models.github.io/dataModel.WasteManagement/context.jsonld",
    "Vehicle": "https://smart-data-models.github.io/dataModel.Transportation/context.jsonld",
    "Device": "https://smart-data-models.github.io/dataModel.Device/context.jsonld",
}
CORE_CONTEXT: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
_KIND_TYPES: Final[dict[Kind, EntityType]] = {"bin": "WasteContainer", "truck": "Vehicle"}
_WASTE: Final = {"organic": "organic", "non_organic": "inorganic"}
_STATUS: Final = {"fire": "burning", "tilted": "dropped", "silent": "unknown", "unknown": "unknown"}
_SERVICE: Final = {"broken": "broken", "on_route": "onRoute", "working": "onRoute", "parked": "parked"}
_CONTROLLED: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fillingLevel", "temperature"),
    "truck": ("location", "speed", "heading"),
    "ap": ("occupancy",),
    "camera": ("image", "motion"),
}
_VALUES: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "temperature_c"),
    "truck": ("speed_kmh",),
    "ap": ("clients", "latency_ms", "loss_pct"),
    "camera": ("fps", "scene_ok"),
}


class Attribute(msgspec.Struct, frozen=True):
    """One attribute: a value, when it was observed, and the UN/CEFACT code of its unit."""

    value: Any
    observed_at: datetime | None = None
    unit_code: str = ""
    sort: Sort = "Property"


class Seen(msgspec.Struct, frozen=True):
    """One device with all that is known of it; `events` are the newest of each type that is shown."""

    device: Device
    latest: Latest | None
    connected: Connectivity
    condition: Condition
    events: Mapping[str, EventRecord]


class Entity(msgspec.Struct, frozen=True):
    """An entity; `attributes` in the order they are shown."""

    id: str
    type: EntityType
    attributes: dict[str, Attribute]


def types_of(device: Device) -> tuple[EntityType, ...]:
    """As which entities a device is shown: what is watched, and what watches it."""
    thing = _KIND_TYPES.get(device.KIND)
    return (thing, "Device") if thing else ("Device",)


def urn(type_: EntityType, city: str, device: str) -> str:
    """The id of an entity."""
    return f"urn:ngsi-ld:{type_}:{city}:{device}"


def parse_urn(text: str, city: str) -> tuple[EntityType, str] | None:
    """Type and device of an id of ours; None for any other."""
    parts = text.split(":")
    if len(parts) != 5 or parts[:2] != ["urn", "ngsi-ld"] or parts[3] != city or parts[2] not in TYPES:  # noqa: PLR2004
        return None
    return TYPES[TYPES.index(parts[2])], parts[4]


def entity_of(type_: EntityType, city: City, seen: Seen) -> Entity | None:
    """A device as one of its entities; None while a schema asks for a position and there is none."""
    makers = {"WasteContainer": _waste_container, "Vehicle": _vehicle, "Device": _device}
    attributes = makers[type_](city, seen)
    if type_ != "Device" and "location" not in attributes:
        return None
    return Entity(urn(type_, city.id, seen.device.id), type_, attributes)


def _waste_container(city: City, seen: Seen) -> dict[str, Attribute]:
    device = seen.device
    if not isinstance(device, Bin):
        return {}
    model = city.models[device.model]
    emptied = seen.events.get("collected")
    return _present(
        name=_plain(device.id),
        location=_location(device, None),
        address=_address(city, device),
        binColor=_plain(device.color),
        storedWasteKind=_plain(_WASTE[device.waste_kind]),
        storedWasteOrigin=_plain("municipal"),
        category=_plain(["ground"]),
        binCapacity=_plain(model.capacity_l, unit_code="LTR"),
        binFullnessThreshold=_plain(FULL_PCT, unit_code="P1"),
        fillingLevel=_measured(seen, "fill_pct", 0.01, "C62"),
        temperature=_measured(seen, "temperature_c", 1.0, "CEL"),
        cargoWeight=_measured(seen, "weight_kg", 1.0, "KGM"),
        status=_plain(_status(seen)),
        dateLastEmptying=_plain(_time(emptied.origin.measured_at)) if emptied else None,
        refWasteContainerModel=_related(f"urn:ngsi-ld:WasteContainerModel:{city.id}:{device.model}"),
        refDevice=_related([urn("Device", city.id, device.id)]),
    )


def _status(seen: Seen) -> str:
    """The container's, from the point of view of safety; how full it is says nothing of it."""
    found = _STATUS.get(seen.condition.state)
    if found:
        return found
    return "lidOpen" if number(seen.latest, "lid_open") else "ok"


def _vehicle(_city: City, seen: Seen) -> dict[str, Attribute]:
    device = seen.device
    if not isinstance(device, Truck):
        return {}
    heading = _measured(seen, "heading_deg", 1.0, "DD")
    load = _measured(seen, "load_kg", 1.0, "KGM")
    return _present(
        name=_plain(device.plate),
        vehicleType=_plain("lorry"),
        category=_plain(["municipalServices"]),
        serviceProvided=_plain(["garbageCollection"]),
        fleetVehicleId=_plain(device.id),
        vehiclePlateIdentifier=_plain(device.plate),
        location=_location(device, seen.latest),
        speed=_measured(seen, "speed_kmh", 1.0, "KMH"),
        heading=msgspec.structs.replace(heading, value=heading.value % 360) if heading else None,
        bearing=msgspec.structs.replace(heading, value=heading.value % 360) if heading else None,
        cargoWeight=load if load and load.value > 0 else None,
        mileageFromOdometer=_measured(seen, "odometer_km", 1.0, "KMT"),
        battery=_measured(seen, "battery_pct", 0.01, "C62"),
        ignitionStatus=_flag(seen, "ignition"),
        vehicleRunningStatus=_running(seen),
        serviceStatus=_plain(_SERVICE.get(seen.condition.state, "outOfService")),
        observationDateTime=_plain(_time(seen.latest.measured_at)) if seen.latest and seen.latest.measured_at else None,
    )


def _running(seen: Seen) -> Attribute | None:
    ignition, speed = number(seen.latest, "ignition"), number(seen.latest, "speed_kmh")
    if ignition is None:
        return None
    if not ignition:
        return _plain("stopped")
    return _plain("running" if speed else "waiting")


def _device(city: City, seen: Seen) -> dict[str, Attribute]:
    device = seen.device
    battery = _measured(seen, "battery_pct", 0.01, "C62")
    thing = _KIND_TYPES.get(device.KIND)
    heard = seen.latest.received_at if seen.latest else None
    return _present(
        name=_plain(device.id),
        deviceCategory=_plain(["sensor"]),
        controlledProperty=_plain(list(_CONTROLLED[device.KIND])),
        controlledAsset=_related([urn(thing, city.id, device.id)]) if thing else None,
        location=_location(device, seen.latest),
        address=_address(city, device),
        batteryLevel=battery,
        rssi=_measured(seen, "rssi_dbm", 1.0, "DBM"),
        deviceState=_plain(seen.connected),
        dateLastValueReported=_plain(_time(heard)) if heard else None,
        value=_value(seen),
        provider=_plain(device.reach.adapter) if device.reach else None,
        serialNumber=_plain(device.reach.address) if device.reach else None,
        refDeviceModel=_model(city, device),
    )


def _model(city: City, device: Device) -> Attribute | None:
    if isinstance(device, AccessPoint) and device.model:
        return _related(f"urn:ngsi-ld:DeviceModel:{city.id}:{quote(device.model, safe='')}")
    if device.reach and not isinstance(device, Camera):
        return _related(f"urn:ngsi-ld:DeviceModel:{city.id}:{device.reach.profile}")
    return None


def _value(seen: Seen) -> Attribute | None:
    """All that it measures in one text, percent-encoded as the model asks for."""
    found = [(name, number(seen.latest, name)) for name in _VALUES[seen.device.KIND]]
    told = ";".join(f"{name}={value:g}" for name, value in found if value is not None)
    return _plain(quote(told, safe="")) if told else None


def _measured(seen: Seen, field: str, factor: float, unit_code: str) -> Attribute | None:
    value = number(seen.latest, field)
    if value is None or seen.latest is None:
        return None
    return Attribute(float(f"{value * factor:.10g}"), seen.latest.values[field].measured_at, unit_code)


def _flag(seen: Seen, field: str) -> Attribute | None:
    value = number(seen.latest, field)
    if value is None or seen.latest is None:
        return None
    return Attribute(bool(value), seen.latest.values[field].measured_at)


def _location(device: Device, latest: Latest | None) -> Attribute | None:
    found = position_of(device, latest)
    if found is None:
        return None
    measured = latest.values.get("lat_deg") if latest else None
    point = {"type": "Point", "coordinates": [found[1], found[0]]}
    return Attribute(point, measured.measured_at if measured else None, sort="GeoProperty")


def _address(city: City, device: Device) -> Attribute | None:
    kelurahan = city.kelurahan.get(device.kelurahan)
    if kelurahan is None:
        return None
    return _plain({"addressLocality": city.name, "district": kelurahan.kecamatan, "addressRegion": kelurahan.name})


def _plain(value: object, *, unit_code: str = "") -> Attribute:
    return Attribute(value, None, unit_code)


def _related(value: object) -> Attribute:
    return Attribute(value, sort="Relationship")


def _present(**attributes: Attribute | None) -> dict[str, Attribute]:
    return {name: one for name, one in attributes.items() if one is not None}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key_values(entity: Entity) -> dict[str, Any]:
    """An entity with bare values."""
    return {
        "id": entity.id,
        "type": entity.type,
        **{name: one.value for name, one in entity.attributes.items()},
    }


def normalized(entity: Entity) -> dict[str, Any]:
    """An entity whose attributes say what they are, when they were observed and in which unit."""
    return {
        "id": entity.id,
        "type": entity.type,
        **{name: _normalized(one) for name, one in entity.attributes.items()},
    }


def _normalized(one: Attribute) -> dict[str, Any]:
    found: dict[str, Any] = {"type": one.sort, ("object" if one.sort == "Relationship" else "value"): one.value}
    if one.observed_at:
        found["observedAt"] = _time(one.observed_at)
    if one.unit_code:
        found["unitCode"] = one.unit_code
    return found
