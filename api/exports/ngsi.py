"""Mapping of device states to entities of the Smart Data Models WasteContainer, Vehicle and Device. Pure functions.

Names, units and vocabularies are those of the published schemas. What a schema does not define is left out; what is
unknown is absent. `docs/exports.md` has the table.

Source: smart-data-models/dataModel.WasteManagement 0.3.0, dataModel.Transportation 0.2.4, dataModel.Device 0.0.9.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from api.exports.entity import Attribute, Entity, drop_none, fact, relationship, urn
from api.queries.geojson import rounded_point
from api.schemas import service_status_of
from broker.contract.topics import Kind
from city.inventory.model import AccessPoint, Bin, City, Truck
from ingest.store.port import Latest
from ingest.store.views.device_condition import ABSENT, FULL_PCT, TILTED_DEG, name_of, number, position_of
from ingest.store.views.device_state import DeviceState

ONE, PERCENT, KILOGRAM, LITRE, CELSIUS = "C62", "P1", "KGM", "LTR", "CEL"
KM, KMH, DEGREE, DBM = "KMT", "KMH", "DD", "DBM"
"""UN/CEFACT Recommendation 20; shares of 0 to 1 have the unit C62 (one)."""

_STORED: Final = {"organic": "organic", "non_organic": "inorganic"}
_CATEGORY: Final[dict[Kind, list[str]]] = {
    "bin": ["sensor"],
    "truck": ["sensor"],
    "ap": ["network"],
    "camera": ["multimedia"],
}
_CONTROLLED: Final[dict[Kind, dict[str, str]]] = {
    "bin": {"fillingLevel": "", "temperature": "temperature_c", "weight": "weight_kg"},
    "truck": {"location": "", "speed": "speed_kmh", "heading": "heading_deg", "weight": "load_kg"},
    "ap": {"occupancy": ""},
    "camera": {"motion": ""},
}
"""Per kind: controlled property of the model to the field whose presence proves it; empty: always."""


class MappingContext(msgspec.Struct, frozen=True):
    """Input of the mapping besides device states. `emptied_at`: last collection by container id."""

    city: City
    simulated: bool
    emptied_at: dict[str, datetime]


def to_container(mapping: MappingContext, state: DeviceState) -> Entity | None:
    """A WasteContainer; None for other devices, and without the location, which the model requires."""
    device, latest = state.device, state.latest
    place = _location(state)
    if not isinstance(device, Bin) or place is None:
        return None
    city, model = mapping.city.id, mapping.city.models.get(device.model)
    emptied = mapping.emptied_at.get(device.id)
    fill = _property_of(latest, "fill_pct", ONE, 0.01)
    attributes = drop_none(
        **_common(mapping, state),
        location=place,
        status=_status(state),
        fillingLevel=fill,
        binLoggedTime=fact(fill.observed_at) if fill else None,
        cargoWeight=_property_of(latest, "weight_kg", KILOGRAM),
        temperature=_property_of(latest, "temperature_c", CELSIUS),
        dateLastEmptying=fact(emptied) if emptied else None,
        storedWasteKind=fact(_STORED[device.waste_kind]),
        binColor=fact(device.color),
        binCapacity=fact(model.capacity_l, unit=LITRE) if model else None,
        binFullnessThreshold=fact(FULL_PCT, unit=PERCENT),
        binId=fact(device.id),
        wardId=fact(device.kelurahan) if device.kelurahan else None,
        isleId=fact(device.site) if device.site else None,
        refWasteContainerModel=relationship(urn("WasteContainerModel", city, device.model)),
        refDevice=relationship([urn("Device", city, device.id)]),
    )
    return Entity(urn("WasteContainer", city, device.id), "WasteContainer", attributes)


def to_vehicle(mapping: MappingContext, state: DeviceState) -> Entity | None:
    """A Vehicle; None for other devices, and without the location, which the model requires."""
    device, latest = state.device, state.latest
    place = _location(state)
    if not isinstance(device, Truck) or place is None:
        return None
    load = _property_of(latest, "load_kg", KILOGRAM)
    attributes = drop_none(
        **_common(mapping, state),
        location=place,
        vehicleType=fact("lorry"),
        category=fact(["municipalServices", "tracked"]),
        vehicleSpecialUsage=fact("trashManagement"),
        serviceProvided=fact(["garbageCollection"]),
        serviceStatus=fact(service_status_of(state.condition)),
        fleetVehicleId=fact(device.id),
        vehiclePlateIdentifier=fact(device.plate),
        speed=_property_of(latest, "speed_kmh", KMH),
        heading=_heading(latest),
        bearing=_property_of(latest, "heading_deg", DEGREE),
        mileageFromOdometer=_property_of(latest, "odometer_km", KM),
        # The model has no word for an empty truck: above zero, or nothing.
        cargoWeight=load if load and load.value > 0 else None,
        battery=_property_of(latest, "battery_pct", ONE, 0.01),
        ignitionStatus=_flag(latest, "ignition"),
        observationDateTime=_newest(latest),
    )
    return Entity(urn("Vehicle", mapping.city.id, device.id), "Vehicle", attributes)


def to_device(mapping: MappingContext, state: DeviceState) -> Entity:
    """A Device: the sensor of a container, the tracker of a truck, an access point, or a camera."""
    device, latest = state.device, state.latest
    city, asset = mapping.city.id, _ASSETS.get(device.KIND)
    senses = [
        name for name, field in _CONTROLLED[device.KIND].items() if not field or number(latest, field) is not None
    ]
    model = device.binding.profile if device.binding else device.model if isinstance(device, AccessPoint) else ""
    attributes = drop_none(
        **_common(mapping, state),
        location=_location(state),
        deviceCategory=fact(_CATEGORY[device.KIND]),
        controlledProperty=fact(senses),
        controlledAsset=fact([urn(asset, city, device.id)]) if asset else None,
        deviceState=fact(state.connectivity),
        batteryLevel=_property_of(latest, "battery_pct", ONE, 0.01),
        rssi=_property_of(latest, "rssi_dbm", DBM),
        dateLastValueReported=_newest(latest),
        refDeviceModel=relationship(urn("DeviceModel", city, model)) if model else None,
    )
    return Entity(urn("Device", city, device.id), "Device", attributes)


_ASSETS: Final[dict[Kind, str]] = {"bin": "WasteContainer", "truck": "Vehicle"}


class EntityType(msgspec.Struct, frozen=True):
    """A served entity type: its IRI, the JSON-LD context of its names, its device kinds, and its mapping function."""

    iri: str
    context: str
    kinds: tuple[Kind, ...]
    make: Callable[[MappingContext, DeviceState], Entity | None]


def _type(
    name: str, subject: str, kinds: tuple[Kind, ...], make: Callable[[MappingContext, DeviceState], Any]
) -> EntityType:
    context = f"https://raw.githubusercontent.com/smart-data-models/dataModel.{subject}/master/context.jsonld"
    return EntityType(f"https://smartdatamodels.org/dataModel.{subject}/{name}", context, kinds, make)


ENTITY_TYPES: Final = {
    "Device": _type("Device", "Device", ("ap", "bin", "camera", "truck"), to_device),
    "Vehicle": _type("Vehicle", "Transportation", ("truck",), to_vehicle),
    "WasteContainer": _type("WasteContainer", "WasteManagement", ("bin",), to_container),
}


def _common(mapping: MappingContext, state: DeviceState) -> dict[str, Attribute]:
    """Attributes common to all models: name, area, data provider, and the address of stationary devices."""
    device, city = state.device, mapping.city
    provider = f"Jaga Kota, {city.name}" + (" (simulated)" if mapping.simulated else "")
    kelurahan = None if isinstance(device, Truck) else city.kelurahan.get(device.kelurahan)
    address = {"addressLocality": kelurahan.name, "district": kelurahan.kecamatan} if kelurahan else None
    return drop_none(
        name=fact(name_of(device)),
        areaServed=fact(city.name),
        dataProvider=fact(provider),
        address=fact(address) if address else None,
    )


def _location(state: DeviceState) -> Attribute | None:
    position = position_of(state.device, state.latest)
    if position is None:
        return None
    field = state.latest.values.get("lat_deg") if state.latest else None
    return Attribute("GeoProperty", _point(*position), field.measured_at if field else None)


def _point(lat_deg: float, lon_deg: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": list(rounded_point(lat_deg, lon_deg).coordinates)}


def _status(state: DeviceState) -> Attribute:
    """The container's `status`: the most severe that applies. Events apply until they are cleared."""
    tilt = number(state.latest, "tilt_deg")
    if state.condition.state == "fire":
        return fact("burning")
    if "tilt" in state.raised or (tilt is not None and tilt > TILTED_DEG):
        return fact("dropped")
    if "moved" in state.raised:
        return fact("moved")
    if state.connectivity in ABSENT:
        return fact("unknown")
    return fact("lidOpen" if "lid_open" in state.raised or number(state.latest, "lid_open") else "ok")


def _heading(latest: Latest | None) -> Attribute | None:
    """The `heading`: degrees below 360, or -1 while the truck stands."""
    speed, heading = _property_of(latest, "speed_kmh", KMH), _property_of(latest, "heading_deg", DEGREE)
    if speed and speed.value == 0:
        return fact(-1, speed.observed_at, DEGREE)
    return heading and fact(heading.value % 360, heading.observed_at, DEGREE)


def _property_of(latest: Latest | None, field: str, unit: str, factor: float = 1.0) -> Attribute | None:
    value = number(latest, field)
    if latest is None or value is None:
        return None
    return fact(round(value * factor, 6), latest.values[field].measured_at, unit)


def _flag(latest: Latest | None, field: str) -> Attribute | None:
    value = number(latest, field)
    return fact(bool(value), latest.values[field].measured_at) if latest and value is not None else None


def _newest(latest: Latest | None) -> Attribute | None:
    return fact(latest.measured_at) if latest and latest.measured_at else None
