"""A small city for ingest's tests, built in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from city.inventory.model import Bin, Binding, BinModel, City, FieldRule, Profile, Truck

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_city() -> City:
    """Two bins, one behind The Things Stack, and two trucks, one with OwnTracks."""
    binding = Binding("tts", "bins/em-1", "udl")
    devices = [
        Bin(id="bin-1", model="m", waste_kind="organic", color="yellow"),
        Bin(id="bin-2", model="m", waste_kind="organic", color="yellow", binding=binding),
        Bin(
            id="bin-3", model="m", waste_kind="organic", color="yellow", binding=Binding("tts", "bins/24E124AA", "udl")
        ),
        Truck(id="truck-1", plate="DH 1", depot="d", capacity_kg=5000),
        Truck(id="truck-2", plate="DH 2", depot="d", capacity_kg=5000, binding=Binding("owntracks", "dlhk/t2", "ot")),
    ]
    udl = {
        "distance_mm": FieldRule(("distance", "level.value"), invalid=(0, "No Sensor")),
        "battery_pct": FieldRule(("battery",)),
        "battery_v": FieldRule(("mv",), scale=0.001),
        "temperature_c": FieldRule(("probe",), absent=(0,)),
        "lid_open": FieldRule(("position",), choices={"normal": False, "tilt": True}),
    }
    truck = {
        "lat_deg": FieldRule(("lat",)),
        "lon_deg": FieldRule(("lon",)),
        "speed_kmh": FieldRule(("vel",), invalid=(-1,)),
        "heading_deg": FieldRule(("cog",)),
    }
    return City(
        id="kupang",
        name="Kupang",
        time_zone=ZoneInfo("Asia/Makassar"),
        lat_deg=-10.17,
        lon_deg=123.6,
        hours={},
        kelurahan={},
        sites={},
        models={"m": BinModel("m", "plastic", 240, 1000, offset_mm=50, dead_zone_mm=30, invalid_mm=(9999,))},
        profiles={"udl": Profile("udl", "bin", udl), "ot": Profile("ot", "truck", truck)},
        devices={d.id: d for d in devices},
        shapes=b"{}",
    )


@pytest.fixture
def city() -> City:
    return make_city()
