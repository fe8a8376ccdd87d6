"""Device states as points of `device_state`: on a change, and at least every five minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from broker.contract.topics import Kind
from city.inventory.model import City, Truck
from city.inventory.provider import InventoryProvider
from ingest.store.influx.line_protocol import to_point
from ingest.store.records import EventRecord, Value
from ingest.store.tags import tags_of_device
from ingest.store.views.device_condition import ABSENT, FULL_PCT, label_of, name_of, number, position_of, urgency_of
from ingest.store.views.device_state import DeviceState

REPEAT_AFTER: Final = timedelta(minutes=5)
"""An unchanged state is repeated after this time, so that boards can tell it from missing data."""
EMPTIED_PCT: Final = 5.0
"""Fill of a container that has been emptied: some waste stays, and sensors scatter."""
GROWTH_MIN_PCT: Final = 10.0
ELAPSED_MIN: Final = timedelta(hours=1)
"""Less growth or time since a collection says nothing of how fast a container fills."""
_MEASURED: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "temperature_c", "battery_pct", "rssi_dbm"),
    "truck": ("speed_kmh", "heading_deg", "fuel_pct", "load_kg", "pto"),
    "ap": ("clients", "latency_ms", "loss_pct", "channel_busy_pct"),
    "camera": ("scene_ok", "fps"),
}
_MOMENTARY: Final = frozenset(
    {"speed_kmh", "heading_deg", "pto", "clients", "latency_ms", "loss_pct", "channel_busy_pct", "fps"}
)
"""Values that say nothing any more once a device is silent; a fill level or a battery holds."""
_FLAGS: Final[dict[Kind, tuple[str, str]]] = {
    "bin": ("fire", "fire"),
    "truck": ("broken", "broken"),
    "ap": ("down", "down"),
    "camera": ("blind", "blind"),
}
"""Kind to the flag that alerts use, and the state it stands for."""

Fields = dict[str, Value | None]


@dataclass
class TrackedState:
    """The state of a device that is kept between two evaluations."""

    state: str = ""
    since: datetime | None = None
    trip_since: datetime | None = None
    trip_start_km: float | None = None
    trip_before_km: float | None = None
    """Distance of the trip that an earlier process knew, until the odometer reports."""
    emptied_at: datetime | None = None
    written_at: datetime | None = None
    written: Fields = field(default_factory=dict)


class States:
    """Remembers the state of each device: since when it holds, and what was written."""

    def __init__(self, inventory: InventoryProvider) -> None:
        self._inventory = inventory
        self._tracked: dict[str, TrackedState] = {}

    def restore(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Restore from the last `device_state` rows that an earlier process wrote."""
        for row in rows:
            trip_since, trip_km = row.get("trip_since"), row.get("trip_km")
            self._tracked[row["device"]] = TrackedState(
                row["state"],
                _from_ms(row["since"]),
                _from_ms(trip_since) if trip_since else None,
                trip_before_km=trip_km,
                emptied_at=_from_ms(row["emptied_at"]) if row.get("emptied_at") else None,
            )

    def note_collections(self, events: Iterable[EventRecord]) -> None:
        """Take note of when containers were emptied, from events of type `collected`."""
        for event in events:
            tracked = self._tracked.setdefault(str(event.detail.get("bin", event.origin.device)), TrackedState())
            at = event.origin.measured_at
            tracked.emptied_at = at if tracked.emptied_at is None else max(at, tracked.emptied_at)

    def forget_written(self) -> None:
        """Write every state again next time: the last lines were not stored."""
        for tracked in self._tracked.values():
            tracked.written_at = None

    def points(self, device_states: Iterable[DeviceState], now: datetime) -> list[bytes]:
        """Lines that changed or are due."""
        lines = (self._point(device_state, now) for device_state in device_states)
        return [line for line in lines if line]

    def _point(self, device_state: DeviceState, now: datetime) -> bytes:
        device = device_state.device
        tracked = self._tracked.setdefault(device.id, TrackedState())
        _update_tracked(tracked, device_state, now)
        city = self._inventory.current()
        fields = _fields(city, device_state, tracked)
        is_due = tracked.written_at is None or now - tracked.written_at >= REPEAT_AFTER
        if fields == tracked.written and not is_due:
            return b""
        tracked.written, tracked.written_at = fields, now
        heard = device_state.latest.received_at if device_state.latest else None
        tags = {**tags_of_device(city, device.id), "kind": device.KIND, "label": label_of(city, device)}
        at_ns = to_ms(now) * 1_000_000
        return to_point("device_state", tags, {**fields, "heard_at": to_ms(heard) if heard else None}, at_ns)


def _update_tracked(tracked: TrackedState, device_state: DeviceState, now: datetime) -> None:
    latest, state = device_state.latest, device_state.condition.state
    if tracked.state != state:
        tracked.state = state
        if latest is None:
            tracked.since = now
        elif device_state.connectivity in ABSENT:
            tracked.since = latest.received_at
        else:
            tracked.since = latest.measured_at or latest.received_at
    if isinstance(device_state.device, Truck):
        _update_trip(tracked, device_state, now)


def _update_trip(tracked: TrackedState, device_state: DeviceState, now: datetime) -> None:
    """A trip lasts while the ignition is on; its start is the odometer at that time."""
    odometer = number(device_state.latest, "odometer_km")
    if device_state.connectivity in ABSENT or not number(device_state.latest, "ignition"):
        tracked.trip_since = tracked.trip_start_km = tracked.trip_before_km = None
        return
    tracked.trip_since = tracked.trip_since or now
    if tracked.trip_start_km is None and odometer is not None:
        tracked.trip_start_km = odometer - (tracked.trip_before_km or 0.0)


def _fields(city: City, device_state: DeviceState, tracked: TrackedState) -> Fields:
    device, latest, condition = device_state.device, device_state.latest, device_state.condition
    site = city.sites.get(device.site)
    position = position_of(device, latest)
    fields: Fields = {
        "state": condition.state,
        "severity": condition.severity,
        "urgency": urgency_of(condition),
        "reason": condition.reason,
        "detail": condition.detail,
        "since": to_ms(tracked.since) if tracked.since else None,
        "name": name_of(device),
        "site_name": site.name if site else "",
        "lat_deg": position[0] if position else None,
        "lon_deg": position[1] if position else None,
        "silent": device_state.connectivity in ABSENT,
    }
    is_absent = device_state.connectivity in ABSENT
    fields |= {
        name: None if is_absent and name in _MOMENTARY else number(latest, name) for name in _MEASURED[device.KIND]
    }
    flag, state = _FLAGS[device.KIND]
    fields[flag] = condition.state == state
    if device.KIND == "bin":
        fields |= _filling(device_state, tracked)
        fields["overflow"] = is_overflowing(device_state)
    if device.KIND == "truck":
        fields |= _trip(device_state, tracked)
    return fields


def is_overflowing(device_state: DeviceState) -> bool:
    """Whether a container is fuller than it may be; not known of one that is silent."""
    fill = number(device_state.latest, "fill_pct") if device_state.device.KIND == "bin" else None
    return fill is not None and fill > FULL_PCT and device_state.connectivity not in ABSENT


def _filling(device_state: DeviceState, tracked: TrackedState) -> Fields:
    """When a container was emptied, and when it is full if it goes on filling as it has since then."""
    emptied_at = tracked.emptied_at
    fill = device_state.latest.values.get("fill_pct") if device_state.latest else None
    full_at = None
    if emptied_at is not None and fill is not None:
        growth_pct = float(fill.value) - EMPTIED_PCT
        elapsed = fill.measured_at - emptied_at
        if growth_pct >= GROWTH_MIN_PCT and elapsed >= ELAPSED_MIN and growth_pct < FULL_PCT - EMPTIED_PCT:
            full_at = emptied_at + elapsed * ((FULL_PCT - EMPTIED_PCT) / growth_pct)
    return {
        "emptied_at": to_ms(emptied_at) if emptied_at else None,
        "full_at": to_ms(full_at) if full_at else None,
    }


def _trip(device_state: DeviceState, tracked: TrackedState) -> Fields:
    fix = device_state.latest.values.get("lat_deg") if device_state.latest else None
    odometer, start = number(device_state.latest, "odometer_km"), tracked.trip_start_km
    return {
        "fix_at": to_ms(fix.measured_at) if fix else None,
        "trip_since": to_ms(tracked.trip_since) if tracked.trip_since else None,
        "trip_km": odometer - start if odometer is not None and start is not None else None,
    }


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970, as boards show times."""
    return round(at.timestamp() * 1000)


def _from_ms(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
