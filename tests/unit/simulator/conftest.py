"""Cities to simulate: the one that comes with the project, and a made-up one small enough to run for days."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import AccessPoint, Bin, BinModel, Camera, City, Device, Kelurahan, Site, Truck
from city.inventory.windows import DumpingHours, Window
from edge.simulator.emission import Emission
from edge.simulator.world import World

PLASTIC = BinModel("plastic-240", "plastic", 240.0, 1_000.0, offset_mm=20.0, dead_zone_mm=150.0, invalid_mm=(0.0,))
STEEL = BinModel("steel-6000", "steel", 6_000.0, 1_800.0, dead_zone_mm=250.0)
NIGHTLY = DumpingHours("default", "Night", ((Window(time(17), time(5)),),) * 7)


def made_up_city(villages: int, bins: int, trucks: int, access_points: int, cameras: int) -> City:
    """A city on a grid of villages 1.5 km apart, three to a kecamatan, with everything spread evenly over it."""
    kelurahan = [
        Kelurahan(f"village-{n}", f"V{n}", f"district-{n // 3}", -10.15 - 0.014 * (n // 6), 123.58 + 0.014 * (n % 6))
        for n in range(villages)
    ]
    sites = _sites(kelurahan)
    devices: list[Device] = [
        *(_bin(n, kelurahan[n % villages]) for n in range(bins)),
        *(Truck(id=f"truck-{n:02}", plate="", depot="depot", capacity_kg=4e3, interval_s=10.0) for n in range(trucks)),
        *(_access_point(n, kelurahan[n % villages].id) for n in range(access_points)),
        *(Camera(id=f"cam-{n:02}", site=f"park-{kelurahan[n].id}", interval_s=60.0) for n in range(cameras)),
    ]
    return City(
        id="made-up",
        name="Made up",
        time_zone=ZoneInfo("Asia/Makassar"),
        lat_deg=-10.17,
        lon_deg=123.6,
        hours={"default": NIGHTLY},
        kelurahan={village.id: village for village in kelurahan},
        sites={site.id: site for site in sites},
        models={PLASTIC.id: PLASTIC, STEEL.id: STEEL},
        profiles={},
        devices={device.id: device for device in devices},
        shapes=b"{}",
    )


def _sites(kelurahan: list[Kelurahan]) -> list[Site]:
    return [
        Site("depot", "Depot", "depot", "village-0", -10.16, 123.60),
        Site("landfill", "Landfill", "landfill", "village-0", -10.20, 123.53),
        *(Site(f"office-{v.id}", v.name, "office", v.id, v.lat_deg, v.lon_deg) for v in kelurahan),
        *(Site(f"park-{v.id}", v.name, "park", v.id, v.lat_deg + 0.002, v.lon_deg) for v in kelurahan),
    ]


def _bin(n: int, village: Kelurahan) -> Bin:
    organic = n % 2 == 0
    return Bin(
        id=f"bin-{n:04}",
        lat_deg=village.lat_deg + 0.0007 * (n // 2 % 11 - 5),
        lon_deg=village.lon_deg + 0.0007 * (n // 2 % 7 - 3),
        kelurahan=village.id,
        model=STEEL.id if n % 15 == 0 else PLASTIC.id,
        waste_kind="organic" if organic else "non_organic",
        color="yellow" if organic else "green",
        interval_s=600.0,
    )


def _access_point(n: int, village: str) -> AccessPoint:
    place = "park" if n % 3 == 0 else "office"
    return AccessPoint(id=f"ap-{n:02}", site=f"{place}-{village}", model="ap", ssids=("free", "staff"), interval_s=60.0)


@pytest.fixture(scope="session")
def small_city() -> City:
    """Enough of everything to see it at work."""
    return made_up_city(villages=6, bins=60, trucks=5, access_points=20, cameras=3)


@pytest.fixture(scope="session")
def kupang() -> City:
    """The reference city."""
    return load_city(builtin_city("kupang"))


@pytest.fixture(scope="session")
def two_days(small_city: City) -> list[Emission]:
    """All that the small city says in 48 hours from a Monday's noon on."""
    start = datetime(2026, 3, 2, 12, tzinfo=small_city.time_zone)
    world = World(small_city, 11, start)
    return [emission for hours in range(49) for emission in world.advance(start + timedelta(hours=hours))]
