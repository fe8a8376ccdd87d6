"""The state of a device follows from what still holds: each value and each condition has its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from city.inventory.loader import builtin_city, load_city
from ingest.store.port import FieldValue, Latest
from ingest.store.records import EventRecord, RecordOrigin
from ingest.store.views.device_state import DeviceState, evaluate

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CITY = load_city(builtin_city("kupang"))
BIN, TRUCK = CITY.devices["bin-0001"], CITY.devices["truck-01"]


def state_of(
    device: Any, ages: dict[str, tuple[Any, timedelta]], raised: dict[str, timedelta] | None = None, **known: Any
) -> DeviceState:
    """The state of a device that was heard just now, with values and raised events of some ages."""
    values = {name: FieldValue(value, NOW - age) for name, (value, age) in ages.items()}
    latest = Latest(device.KIND, device.id, values, NOW, NOW, **known)
    events = {
        type_: EventRecord(RecordOrigin(device.KIND, device.id, "e", 1, NOW - age, NOW - age), type_, "raised", {})
        for type_, age in (raised or {}).items()
    }
    (state,) = evaluate([device], {device.id: latest}, {device.id: events}, NOW, timedelta(0))
    return state


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (timedelta(seconds=BIN.interval_s * 3), "full"),
        (timedelta(hours=5), "full"),
        (timedelta(seconds=max(6 * BIN.interval_s, 21_600) + 1), "unmeasured"),
        (30 * DAY, "unmeasured"),
    ],
)
def test_a_sensor_that_sees_nothing_makes_its_container_unmeasured_although_its_board_talks(
    age: timedelta, state: str
) -> None:
    found = state_of(BIN, {"fill_pct": (96.0, age), "distance_mm": (100.0, age), "battery_pct": (80.0, timedelta(0))})
    assert found.condition.state == state
    assert found.latest is not None
    assert ("fill_pct" in found.latest.values) is (state == "full")


def test_heat_of_yesterday_is_no_fire_today() -> None:
    assert state_of(BIN, {"temperature_c": (88.0, DAY), "fill_pct": (10.0, timedelta(0))}).condition.state == "ok"


def test_a_device_that_sleeps_for_long_has_values_that_last_as_long() -> None:
    found = state_of(BIN, {"fill_pct": (40.0, 3 * DAY)}, state="sleeping", next_s=86_400.0)
    assert found.condition.state == "ok"


def test_places_counts_and_what_is_told_at_a_change_last_longer() -> None:
    found = state_of(
        TRUCK,
        {
            "lat_deg": (-10.1, 60 * DAY),
            "lon_deg": (123.6, 60 * DAY),
            "odometer_km": (5.0, 60 * DAY),
            "ignition": (True, 2 * DAY),
            "fault_codes": ('["P0217"]', 9 * DAY),
            "speed_kmh": (40.0, DAY),
        },
    )
    assert found.condition.state == "on_route"
    assert found.latest is not None
    assert set(found.latest.values) == {"lat_deg", "lon_deg", "odometer_km", "ignition"}


@pytest.mark.parametrize(
    ("age", "state", "reason"),
    [(6 * DAY, "tilted", "tilt"), (8 * DAY, "ok", "not_repeated")],
)
def test_a_condition_that_is_never_reported_again_ends_and_says_why(age: timedelta, state: str, reason: str) -> None:
    found = state_of(BIN, {"fill_pct": (10.0, timedelta(0))}, {"tilt": age})
    assert (found.condition.state, found.condition.severity, found.condition.reason) == (state, 1, reason)
    assert ("tilt" in found.raised) is (state == "tilted")
