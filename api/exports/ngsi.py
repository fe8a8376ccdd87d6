"""Devices as entities of the Smart Data Models, pure: from how a device stands to WasteContainer, Vehicle and Device.

Names, units and vocabularies are the published schemas'; what these have no place for is left out, what is not known
is absent. `docs/exports.md` has the table.

Source: smart-data-models/dataModel.WasteManagement 0.3.0, dataModel.Transportation 0.2.4, dataModel.Device 0.0.9.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from api.exports.entity import Attribute, Entity, fact, known, relationship, urn
from api.geojson import point
from api.shapes import status_word
from broker.contract.topics import Kind
from city.model import AccessPoint, Bin, City, Truck
from ingest.store.device_condition import ABSENT, FULL_PCT, TILTED_DEG, name_of, number, position_of
from ingest.store.device_state import DeviceState
from ingest.store.port import Latest

ONE, PERCENT, KILOGRAM, LITRE, CELSIUS = "C62", "P1", "KGM", "LTR", "CEL"
KM, KMH, DEGREE, DBM = "KMT", "KMH", "DD", "DBM"
"""UN/CEFACT Recommendation 20; a share of 0 to 1 counts ones."""

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
"""What a device of a kind senses in the model's words, and the field that shows that it does; empty: always."""


class Source(msgspec.Struct, frozen=True):
    """What the mapping draws on beside the device itself; `emptied_at` is by container."""

    city: City
    simulated: bool
    emptied_at: dict[str, datetime]


def to_container(source: Source, standing: DeviceState) -> Entity | None:
    """A container; None for other devices, and without a place, which the model demands."""
    device, latest = standing.device, standing.latest
    place = _location(standing)
    if not isinstance(device, Bin) or place is None:
        return None
    city, model = source.city.id, source.city.models.get(device.model)
    emptied = source.emptied_at.get(device.id)
    fill = _measured(latest, "fill_pct", ONE, 0.01)
    attributes = known(
        **_common(source, standing),
        location=place,
        status=_status(standing),
        fillingLevel=fill,
        binLoggedTime=fact(fill.observed_at) if fill else None,
        cargoWeight=_measured(latest, "weight_kg", KILOGRAM),
        temperature=_measured(latest, "temperature_c", CELSIUS),
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


def to_vehicle(source: Source, standing: DeviceState) -> Entity | None:
    """A truck; None for other devices, and until it has said where it is, which the model demands."""
    device, latest = standing.device, standing.latest
    place = _location(standing)
    if not isinstance(device, Truck) or place is None:
        return None
    load = _measured(latest, "load_kg", KILOGRAM)
    attributes = known(
        **_common(source, standing),
        location=place,
        vehicleType=fact("lorry"),
        category=fact(["municipalServices", "tracked"]),
        vehicleSpecialUsage=fact("trashManagement"),
        serviceProvided=fact(["garbageCollection"]),
        serviceStatus=fact(status_word(standing.condition)),
        fleetVehicleId=fact(device.id),
        vehiclePlateIdentifier=fact(device.plate),
        speed=_measured(latest, "speed_kmh", KMH),
        heading=_heading(latest),
        bearing=_measured(latest, "heading_deg", DEGREE),
        mileageFromOdometer=_measured(latest, "odometer_km", KM),
        # The model has no word for an empty truck: above zero, or nothing.
        cargoWeight=load if load and load.value > 0 else None,
        battery=_measured(latest, "battery_pct", ONE, 0.01),
        ignitionStatus=_flag(latest, "ignition"),
        observationDateTime=_newest(latest),
    )
    return Entity(urn("Vehicle", source.city.id, device.id), "Vehicle", attributes)


def to_device(source: Source, standing: DeviceState) -> Entity:
    """The apparatus itself: the sensor in a container, the tracker in a truck, an access point, a camera."""
    device, latest = standing.device, standing.latest
    city, asset = source.city.id, _ASSETS.get(device.KIND)
    senses = [
        name for name, field in _CONTROLLED[device.KIND].items() if not field or number(latest, field) is not None
    ]
    model = device.reach.profile if device.reach else device.model if isinstance(device, AccessPoint) else ""
    attributes = known(
        **_common(source, standing),
        location=_location(standing),
        deviceCategory=fact(_CATEGORY[device.KIND]),
        controlledProperty=fact(senses),
        controlledAsset=fact([urn(asset, city, device.id)]) if asset else None,
        deviceState=fact(standing.connected),
        batteryLevel=_measured(latest, "battery_pct", ONE, 0.01),
        rssi=_measured(latest, "rssi_dbm", DBM),
        dateLastValueReported=_newest(latest),
        refDeviceModel=relationship(urn("DeviceModel", city, model)) if model else None,
    )
    return Entity(urn("Device", city, device.id), "Device", attributes)


_ASSETS: Final[dict[Kind, str]] = {"bin": "WasteContainer", "truck": "Vehicle"}


class EntityType(msgspec.Struct, frozen=True):
    """A type that is served: its IRI, the context its names come from, the kinds it is made of, and how."""

    iri: str
    context: str
    kinds: tuple[Kind, ...]
    make: Callable[[Source, DeviceState], Entity | None]


def _type(name: str, subject: str, kinds: tuple[Kind, ...], make: Callable[[Source, DeviceState], Any]) -> EntityType:
    context = f"https://raw.githubusercontent.com/smart-data-models/dataModel.{subject}/master/context.jsonld"
    return EntityType(f"https://smartdatamodels.org/dataModel.{subject}/{name}", context, kinds, make)


ENTITY_TYPES: Final = {
    "Device": _type("Device", "Device", ("ap", "bin", "camera", "truck"), to_device),
    "Vehicle": _type("Vehicle", "Transportation", ("truck",), to_vehicle),
    "WasteContainer": _type("WasteContainer", "WasteManagement", ("bin",), to_container),
}


def _common(source: Source, standing: DeviceState) -> dict[str, Attribute]:
    """What every model has: a name, where it serves, whose word this is, and an address where it stands still."""
    device, city = standing.device, source.city
    provider = f"Jaga Kota, {city.name}" + (" (simulated)" if source.simulated else "")
    kelurahan = None if isinstance(device, Truck) else city.kelurahan.get(device.kelurahan)
    address = {"addressLocality": kelurahan.name, "district": kelurahan.kecamatan} if kelurahan else None
    return known(
        name=fact(name_of(device)),
        areaServed=fact(city.name),
        dataProvider=fact(provider),
        address=fact(address) if address else None,
    )


def _location(standing: DeviceState) -> Attribute | None:
    position = position_of(standing.device, standing.latest)
    if position is None:
        return None
    said = standing.latest.values.get("lat_deg") if standing.latest else None
    return Attribute("GeoProperty", point(*position), said.measured_at if said else None)


def _status(standing: DeviceState) -> Attribute:
    """The worst that is so, in the model's words; its events last until they are cleared."""
    tilt = number(standing.latest, "tilt_deg")
    if standing.condition.state == "fire":
        return fact("burning")
    if "tilt" in standing.raised or (tilt is not None and tilt > TILTED_DEG):
        return fact("dropped")
    if "moved" in standing.raised:
        return fact("moved")
    if standing.connected in ABSENT:
        return fact("unknown")
    return fact("lidOpen" if "lid_open" in standing.raised or number(standing.latest, "lid_open") else "ok")


def _heading(latest: Latest | None) -> Attribute | None:
    """Degrees below 360, and -1 while the truck stands, as the model wants it."""
    speed, heading = _measured(latest, "speed_kmh", KMH), _measured(latest, "heading_deg", DEGREE)
    if speed and speed.value == 0:
        return fact(-1, speed.observed_at, DEGREE)
    return heading and fact(heading.value % 360, heading.observed_at, DEGREE)


def _measured(latest: Latest | None, field: str, unit: str, factor: float = 1.0) -> Attribute | None:
    value = number(latest, field)
    if latest is None or value is None:
        return None
    return fact(round(value * factor, 6), latest.values[field].measured_at, unit)


def _flag(latest: Latest | None, field: str) -> Attribute | None:
    value = number(latest, field)
    return fact(bool(value), latest.values[field].measured_at) if latest and value is not None else None


def _newest(latest: Latest | None) -> Attribute | None:
    return fact(latest.measured_at) if latest and latest.measured_at else None
