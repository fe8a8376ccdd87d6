"""Models of devices and events. Fields have the names of the FIWARE Smart Data Models where these define one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.context import ApiContext
from api.queries.geojson import PointGeometry
from broker.contract.topics import Kind
from broker.contract.units import unit_of
from city.inventory.model import AccessPoint, Bin, Device, Site, Truck
from ingest.store.latest import connectivity_of
from ingest.store.port import Aggregate, Latest
from ingest.store.records import Connectivity, EventRecord, Value
from ingest.store.views.device_condition import DeviceCondition, condition_of, number, position_of
from ingest.store.views.device_state import without_expired

FIWARE_TYPES: Final[dict[Kind, str]] = {"bin": "WasteContainer", "truck": "Vehicle", "ap": "Device", "camera": "Device"}

Share = Annotated[float, Meta(description="Share, 0 to 1.")]
EventDetail = Annotated[
    dict[str, Any],
    Meta(description="What the event says besides, by its type.", extra_json_schema={"additionalProperties": True}),
]


class ValueResponse(msgspec.Struct, frozen=True):
    """The latest value of a field."""

    value: Annotated[Value, Meta(description="In the unit of `unit`.")]
    unit: Annotated[str, Meta(description="Symbol; empty without a unit.", examples=["%"])]
    measured_at: datetime


class FactsResponse(msgspec.Struct, frozen=True):
    """Facts of the inventory; those that a kind does not have are absent."""

    interval_s: Annotated[float, Meta(description="Reporting interval.")]
    site_name: str | UnsetType = UNSET
    adapter: Annotated[str, Meta(description="Third-party format.")] | UnsetType = UNSET
    address: Annotated[str, Meta(description="Address in that format.")] | UnsetType = UNSET
    model: str | UnsetType = UNSET
    waste_kind: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    plate: str | UnsetType = UNSET
    depot: Annotated[str, Meta(description="Id of a site.")] | UnsetType = UNSET
    capacity_kg: float | UnsetType = UNSET
    ssids: tuple[str, ...] | UnsetType = UNSET


class DeviceResponse(msgspec.Struct, frozen=True):
    """A device with its latest values and its connectivity."""

    SCHEMA_EXTRA: ClassVar[dict[str, Any]] = {
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

    id: str
    type: Annotated[str, Meta(description="Type of the Smart Data Models.")]
    kind: Kind
    kelurahan: Annotated[str, Meta(description="Id of the kelurahan; empty for trucks.")]
    site: Annotated[str, Meta(description="Id of the site; empty without one.")]
    location: PointGeometry | None
    connectivity: Connectivity
    measured_at: datetime | None
    received_at: datetime | None
    quality: Annotated[list[str], Meta(description="Quality flags of the newest reading.")]
    outbox_waiting: Annotated[int, Meta(description="Readings in the device's outbox when it connected last.")] | None
    outbox_dropped: Annotated[int, Meta(description="Readings that the device dropped from a full outbox.")] | None
    values: Annotated[dict[str, ValueResponse], Meta(description="By field of the contract.")]
    simulated: bool
    facts: FactsResponse
    fillingLevel: Share | None = None  # noqa: N815 - FIWARE
    storedWasteKind: list[str] | None = None  # noqa: N815 - FIWARE
    binColor: str | None = None  # noqa: N815 - FIWARE
    batteryLevel: Share | None = None  # noqa: N815 - FIWARE
    serviceStatus: str | None = None  # noqa: N815 - FIWARE
    mileageFromOdometer: Annotated[float, Meta(description="Odometer. Unit: km.")] | None = None  # noqa: N815 - FIWARE


class DevicesResponse(msgspec.Struct, frozen=True):
    """A page of devices; `total` counts all that match the filter."""

    total: int
    devices: list[DeviceResponse]


class PointResponse(msgspec.Struct, frozen=True):
    """A value at the time of a reading or at the start of a bucket."""

    at: datetime
    value: Annotated[Value, Meta(description="In the unit of the series.")]


class SeriesResponse(msgspec.Struct, frozen=True):
    """Points of one field, oldest first."""

    device: str
    field: str
    unit: Annotated[str, Meta(description="Symbol; empty without a unit.", examples=["%"])]
    every_s: Annotated[float, Meta(description="Bucket length.")] | None
    agg: Aggregate
    points: list[PointResponse]


class EventResponse(msgspec.Struct, frozen=True):
    """An event."""

    device: str
    kind: Kind
    type: Annotated[str, Meta(examples=["collected"])]
    state: Literal["raised", "cleared", "noted"]
    measured_at: datetime
    received_at: datetime
    quality: list[str]
    detail: EventDetail


class EventsResponse(msgspec.Struct, frozen=True):
    """Events, newest first."""

    events: list[EventResponse]


def device_connectivity(context: ApiContext, device: Device, latest: Latest | None, now: datetime) -> Connectivity:
    """The connectivity of a device. The store's lag does not count as silence of the device."""
    return connectivity_of(latest, interval_s=device.interval_s, now=now - live_lag(context))


def current_values(context: ApiContext, device: Device, latest: Latest | None, now: datetime) -> Latest | None:
    """The last values without those that are too old to say how the device is."""
    return without_expired(device, latest, now - live_lag(context))


def live_lag(context: ApiContext) -> timedelta:
    """Lag of live data in the store."""
    health = context.health.read()
    return timedelta(seconds=health.live_lag_s) if health else timedelta(0)


def device_response(context: ApiContext, device: Device, latest: Latest | None, now: datetime) -> DeviceResponse:
    """A device as a response model."""
    position = position_of(device, latest)
    connectivity = device_connectivity(context, device, latest, now)
    values = latest.values if latest else {}
    return DeviceResponse(
        id=device.id,
        type=FIWARE_TYPES[device.KIND],
        kind=device.KIND,
        kelurahan=device.kelurahan,
        site=device.site,
        location=PointGeometry((position[1], position[0])) if position else None,
        connectivity=connectivity,
        measured_at=latest.measured_at if latest else None,
        received_at=latest.received_at if latest else None,
        quality=list(latest.quality) if latest else [],
        outbox_waiting=latest.outbox_waiting if latest else None,
        outbox_dropped=latest.outbox_dropped if latest else None,
        values={name: ValueResponse(field.value, unit_of(name), field.measured_at) for name, field in values.items()},
        simulated=context.is_simulated(device.id),
        facts=_facts(device, context.city.sites.get(device.site)),
        **_fiware(device, current_values(context, device, latest, now), connectivity),
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


def _facts(device: Device, site: Site | None) -> FactsResponse:
    facts: dict[str, Any] = {}
    if site:
        facts["site_name"] = site.name
    if device.binding:
        facts |= {"adapter": device.binding.adapter, "address": device.binding.address}
    if isinstance(device, Bin):
        facts |= {"model": device.model, "waste_kind": device.waste_kind, "color": device.color}
    elif isinstance(device, Truck):
        facts |= {"plate": device.plate, "depot": device.depot, "capacity_kg": device.capacity_kg}
    elif isinstance(device, AccessPoint):
        facts |= {"model": device.model, "ssids": device.ssids}
    return FactsResponse(device.interval_s, **facts)


def _fiware(device: Device, latest: Latest | None, connectivity: Connectivity) -> dict[str, Any]:
    battery = number(latest, "battery_pct")
    attributes: dict[str, Any] = {"batteryLevel": None if battery is None else battery / 100}
    if isinstance(device, Bin):
        fill = number(latest, "fill_pct")
        attributes["fillingLevel"] = None if fill is None else round(fill / 100, 4)
        attributes["storedWasteKind"] = ["organic" if device.waste_kind == "organic" else "inorganic"]
        attributes["binColor"] = device.color
    elif isinstance(device, Truck):
        attributes["mileageFromOdometer"] = number(latest, "odometer_km")
        attributes["serviceStatus"] = service_status(device, latest, connectivity)
    return attributes


_SERVICE_STATUS: Final = {"broken": "broken", "on_route": "onRoute", "working": "onRoute", "parked": "parked"}


def service_status(truck: Truck, latest: Latest | None, connectivity: Connectivity) -> str:
    """A truck's `serviceStatus` in the data model."""
    return service_status_of(condition_of(truck, latest, connectivity, {}))


def service_status_of(condition: DeviceCondition) -> str:
    """The `serviceStatus` of a truck's condition in the data model."""
    return _SERVICE_STATUS.get(condition.state, "outOfService")
