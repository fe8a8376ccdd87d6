"""How each device stands, as points of `device_state`: when it changes, and at least every five minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from broker.contract.topics import Kind
from city.model import City, Truck
from ingest.store.condition import (
    ABSENT,
    FULL_PCT,
    name_of,
    number,
    position_of,
)
from ingest.store.line_protocol import to_point
from ingest.store.records import Value
from ingest.store.standing import Standing
from ingest.store.tags import tags_of_device

REPEAT_AFTER: Final = timedelta(minutes=5)
"""A state is written again after so long, so that boards can tell "still so" from "nobody says"."""
_MEASURED: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "temperature_c", "battery_pct"),
    "truck": ("speed_kmh", "heading_deg", "fuel_pct", "load_kg", "pto"),
    "ap": ("clients", "latency_ms", "loss_pct", "channel_busy_pct"),
    "camera": ("scene_ok", "fps"),
}
_FLAGS: Final[dict[Kind, tuple[str, str]]] = {
    "bin": ("fire", "fire"),
    "truck": ("broken", "broken"),
    "ap": ("down", "down"),
    "camera": ("blind", "blind"),
}
"""Kind to the flag that alerts watch, and the state it stands for."""

Fields = dict[str, Value | None]


@dataclass
class Memory:
    """What is remembered of a device between two looks."""

    state: str = ""
    since: datetime | None = None
    trip_since: datetime | None = None
    trip_start_km: float | None = None
    trip_before_km: float | None = None
    """What an earlier process knew of the trip, until the odometer says itself."""
    written_at: datetime | None = None
    written: Fields = field(default_factory=dict)


class States:
    """Remembers how each device stood, to say since when, and to write only what is news."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._memory: dict[str, Memory] = {}

    def restore(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Remember what an earlier process wrote last, rows of `device_state` with their device."""
        for row in rows:
            trip_since, trip_km = row.get("trip_since"), row.get("trip_km")
            self._memory[row["device"]] = Memory(
                row["state"],
                _from_ms(row["since"]),
                _from_ms(trip_since) if trip_since else None,
                trip_before_km=trip_km,
            )

    def points(self, standings: Iterable[Standing], now: datetime) -> list[bytes]:
        """Lines of what is news."""
        lines = (self._point(standing, now) for standing in standings)
        return [line for line in lines if line]

    def _point(self, standing: Standing, now: datetime) -> bytes:
        device = standing.device
        memory = self._memory.setdefault(device.id, Memory())
        _remember(memory, standing, now)
        fields = _fields(self._city, standing, memory)
        is_due = memory.written_at is None or now - memory.written_at >= REPEAT_AFTER
        if fields == memory.written and not is_due:
            return b""
        memory.written, memory.written_at = fields, now
        heard = standing.latest.received_at if standing.latest else None
        tags = {**tags_of_device(self._city, device.id), "kind": device.KIND}
        at_ns = to_ms(now) * 1_000_000
        return to_point("device_state", tags, {**fields, "heard_at": to_ms(heard) if heard else None}, at_ns)


def _remember(memory: Memory, standing: Standing, now: datetime) -> None:
    latest, state = standing.latest, standing.condition.state
    if memory.state != state:
        memory.state = state
        if latest is None:
            memory.since = now
        elif standing.connected in ABSENT:
            memory.since = latest.received_at
        else:
            memory.since = latest.measured_at or latest.received_at
    if isinstance(standing.device, Truck):
        _remember_trip(memory, standing, now)


def _remember_trip(memory: Memory, standing: Standing, now: datetime) -> None:
    """A trip lasts while the ignition is on; it began where the odometer stood then."""
    odometer = number(standing.latest, "odometer_km")
    if standing.connected in ABSENT or not number(standing.latest, "ignition"):
        memory.trip_since = memory.trip_start_km = memory.trip_before_km = None
        return
    memory.trip_since = memory.trip_since or now
    if memory.trip_start_km is None and odometer is not None:
        memory.trip_start_km = odometer - (memory.trip_before_km or 0.0)


def _fields(city: City, standing: Standing, memory: Memory) -> Fields:
    device, latest, condition = standing.device, standing.latest, standing.condition
    site = city.sites.get(device.site)
    position = position_of(device, latest)
    fields: Fields = {
        "state": condition.state,
        "severity": condition.severity,
        "reason": condition.reason,
        "detail": condition.detail,
        "since": to_ms(memory.since) if memory.since else None,
        "name": name_of(device),
        "site_name": site.name if site else "",
        "lat_deg": position[0] if position else None,
        "lon_deg": position[1] if position else None,
        "silent": standing.connected in ABSENT,
    }
    fields |= {name: number(latest, name) for name in _MEASURED[device.KIND]}
    flag, state = _FLAGS[device.KIND]
    fields[flag] = condition.state == state
    if device.KIND == "bin":
        fill = number(latest, "fill_pct")
        fields["overflow"] = fill is not None and fill > FULL_PCT and standing.connected not in ABSENT
    if device.KIND == "truck":
        fields |= _trip(standing, memory)
    return fields


def _trip(standing: Standing, memory: Memory) -> Fields:
    fix = standing.latest.values.get("lat_deg") if standing.latest else None
    odometer, start = number(standing.latest, "odometer_km"), memory.trip_start_km
    return {
        "fix_at": to_ms(fix.measured_at) if fix else None,
        "trip_since": to_ms(memory.trip_since) if memory.trip_since else None,
        "trip_km": odometer - start if odometer is not None and start is not None else None,
    }


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970, as boards show times."""
    return round(at.timestamp() * 1000)


def _from_ms(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
