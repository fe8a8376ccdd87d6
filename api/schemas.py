"""Response models of the API. Fields have the names of the FIWARE Smart Data Models where these define one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.context import ApiContext
from broker.contract.topics import Kind
from broker.contract.units import unit_of
from city.inventory.model import Bin, Device, Site, Truck
from ingest.store.latest import connectivity
from ingest.store.port import Latest
from ingest.store.records import Connectivity, EventRecord
from ingest.store.views.device_condition import DeviceCondition, condition_of, number, position_of

FIWARE_TYPES: Final[dict[Kind, str]] = {"bin": "WasteContainer", "truck": "Vehicle", "ap": "Device", "camera": "Device"}


class ValueResponse(BaseModel):
    """The latest value of a field."""

    value: float | int | bool | str
    unit: str = Field(examples=["%"])
    measured_at: datetime


class DeviceResponse(BaseModel):
    """A device with its latest values and its connectivity."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "bin-0451",
                    "type": "WasteContainer",
                    "kind": "bin",
                    "kelurahan": "tuak-daun-merah",
                    "connectivity": "online",
                    "fillingLevel": 0.41,
                    "storedWasteKind": ["organic"],
                    "binColor": "yellow",
                    "values": {"fill_pct": {"value": 41.0, "unit": "%", "measured_at": "2026-03-01T08:15:30Z"}},
                }
            ]
        }
    )

    id: str
    type: str
    kind: Kind
    kelurahan: str
    site: str
    location: dict[str, Any] | None = Field(description="GeoJSON point, longitude first")
    connectivity: Connectivity
    measured_at: datetime | None
    received_at: datetime | None
    quality: list[str]
    outbox_waiting: int | None = Field(description="Readings in the device's outbox when it connected last.")
    outbox_dropped: int | None = Field(description="Readings that the device dropped from a full outbox.")
    values: dict[str, ValueResponse]
    simulated: bool
    facts: dict[str, Any] = Field(description="Facts of the inventory")
    fillingLevel: float | None = None  # noqa: N815 - FIWARE
    storedWasteKind: list[str] | None = None  # noqa: N815 - FIWARE
    binColor: str | None = None  # noqa: N815 - FIWARE
    batteryLevel: float | None = None  # noqa: N815 - FIWARE
    serviceStatus: str | None = None  # noqa: N815 - FIWARE
    mileageFromOdometer: float | None = None  # noqa: N815 - FIWARE


class DevicesResponse(BaseModel):
    """A page of devices; `total` counts all that match the filter."""

    total: int
    devices: list[DeviceResponse]


class PointResponse(BaseModel):
    """A value at the time of a reading or at the start of a bucket."""

    at: datetime
    value: float | int | bool | str


class SeriesResponse(BaseModel):
    """Points of one field, oldest first."""

    device: str
    field: str
    unit: str
    every_s: float | None
    agg: Literal["mean", "min", "max", "last", "sum", "count"]
    points: list[PointResponse]


class EventResponse(BaseModel):
    """An event."""

    device: str
    kind: Kind
    type: str = Field(examples=["collected"])
    state: Literal["raised", "cleared", "noted"]
    measured_at: datetime
    received_at: datetime
    quality: list[str]
    detail: dict[str, Any]


class EventsResponse(BaseModel):
    """Events, newest first."""

    events: list[EventResponse]


def device_connectivity(context: ApiContext, device: Device, latest: Latest | None, now: datetime) -> Connectivity:
    """The connectivity of a device. The store's lag does not count as silence of the device."""
    return connectivity(latest, interval_s=device.interval_s, now=now - live_lag(context))


def live_lag(context: ApiContext) -> timedelta:
    """Lag of live data in the store."""
    health = context.health.read()
    return timedelta(seconds=health.live_lag_s) if health else timedelta(0)


def device_response(context: ApiContext, device: Device, latest: Latest | None, now: datetime) -> DeviceResponse:
    """A device as a response model."""
    position = position_of(device, latest)
    connected = device_connectivity(context, device, latest, now)
    values = latest.values if latest else {}
    return DeviceResponse(
        id=device.id,
        type=FIWARE_TYPES[device.KIND],
        kind=device.KIND,
        kelurahan=device.kelurahan,
        site=device.site,
        location={"type": "Point", "coordinates": [position[1], position[0]]} if position else None,
        connectivity=connected,
        measured_at=latest.measured_at if latest else None,
        received_at=latest.received_at if latest else None,
        quality=list(latest.quality) if latest else [],
        outbox_waiting=latest.outbox_waiting if latest else None,
        outbox_dropped=latest.outbox_dropped if latest else None,
        values={
            name: ValueResponse(value=field.value, unit=unit_of(name), measured_at=field.measured_at)
            for name, field in values.items()
        },
        simulated=context.demo,
        facts=_facts(device, context.city.sites.get(device.site)),
        **_fiware(device, latest, connected),
    )


def event_response(event: EventRecord) -> EventResponse:
    """An event as a response model."""
    return EventResponse(
        device=event.origin.device,
        kind=event.origin.kind,
        type=event.type,
        state=event.state,
        measured_at=event.origin.measured_at,
        received_at=event.origin.received_at,
        quality=list(event.origin.quality),
        detail=event.detail,
    )


def _facts(device: Device, site: Site | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"interval_s": device.interval_s}
    if site:
        facts["site_name"] = site.name
    if device.binding:
        facts["adapter"] = device.binding.adapter
        facts["address"] = device.binding.address
    for name in ("model", "waste_kind", "color", "plate", "depot", "capacity_kg", "ssids"):
        if hasattr(device, name):
            facts[name] = getattr(device, name)
    return facts


def _fiware(device: Device, latest: Latest | None, connected: Connectivity) -> dict[str, Any]:
    battery = number(latest, "battery_pct")
    found: dict[str, Any] = {"batteryLevel": None if battery is None else battery / 100}
    if isinstance(device, Bin):
        fill = number(latest, "fill_pct")
        found["fillingLevel"] = None if fill is None else round(fill / 100, 4)
        found["storedWasteKind"] = ["organic" if device.waste_kind == "organic" else "inorganic"]
        found["binColor"] = device.color
    elif isinstance(device, Truck):
        found["mileageFromOdometer"] = number(latest, "odometer_km")
        found["serviceStatus"] = service_status(device, latest, connected)
    return found


_SERVICE_STATUS: Final = {"broken": "broken", "on_route": "onRoute", "working": "onRoute", "parked": "parked"}


def service_status(truck: Truck, latest: Latest | None, connected: Connectivity) -> str:
    """A truck's `serviceStatus` in the data model."""
    return service_status_of(condition_of(truck, latest, connected, {}))


def service_status_of(condition: DeviceCondition) -> str:
    """The `serviceStatus` of a truck's condition in the data model."""
    return _SERVICE_STATUS.get(condition.state, "outOfService")
