"""The surroundings shared by all simulated devices: city, seed, start of virtual time, places and hours."""

from __future__ import annotations

import math
import random
from datetime import datetime
from functools import cached_property
from random import Random
from typing import Final

from city.inventory.model import Bin, City, Device, SiteKind
from edge.simulator.habits import DumpingCurve
from edge.simulator.roads import GeoPoint

NIGHT_C: Final = 24.0
DAY_C: Final = 33.0
HOTTEST_HOUR: Final = 14.0
DISCIPLINE: Final = (0.76, 0.93)
"""Share of its waste that a kelurahan puts out within the hours."""


class Scene:
    """Read-only surroundings of the devices. Times are seconds since 1970 (`at_s`)."""

    def __init__(self, city: City, seed: int, start_s: float) -> None:
        self.city = city
        self.start_s = start_s
        self._seed = seed
        self._curves: dict[tuple[str, str], DumpingCurve] = {}

    def random_of(self, name: str) -> Random:
        """A random source for each name, the same for the same seed."""
        return random.Random(f"{self._seed}/{name}")  # noqa: S311 - draws a city, hides nothing

    def local(self, at_s: float) -> datetime:
        """The city's local time."""
        return datetime.fromtimestamp(at_s, self.city.time_zone)

    def hour(self, at_s: float) -> float:
        """The local hour of the day, 0 to 24."""
        local = self.local(at_s)
        return local.hour + local.minute / 60 + local.second / 3600

    def air_c(self, at_s: float) -> float:
        """Air temperature: coolest before dawn, hottest in the early afternoon."""
        swing = math.cos((self.hour(at_s) - HOTTEST_HOUR) / 24 * math.tau)
        return (DAY_C + NIGHT_C) / 2 + (DAY_C - NIGHT_C) / 2 * swing

    def place_of(self, device: Device) -> GeoPoint:
        """Position of a device: its own, else its site's, its kelurahan's or the city's."""
        if device.lat_deg is not None and device.lon_deg is not None:
            return GeoPoint(device.lat_deg, device.lon_deg)
        place = self.city.sites.get(device.site) or self.city.kelurahan.get(device.kelurahan) or self.city
        return GeoPoint(place.lat_deg, place.lon_deg)

    def site_kind(self, device: Device) -> SiteKind | None:
        """Kind of a device's site; None in the street."""
        site = self.city.sites.get(device.site)
        return site.kind if site else None

    def nearest_site(self, kind: SiteKind, near: GeoPoint) -> GeoPoint:
        """The closest site of a kind; `near` itself where the city has none."""
        places = [GeoPoint(site.lat_deg, site.lon_deg) for site in self.city.sites.values() if site.kind == kind]
        return min(
            places,
            key=lambda place: math.hypot(place.lat_deg - near.lat_deg, place.lon_deg - near.lon_deg),
            default=near,
        )

    @cached_property
    def inland(self) -> GeoPoint:
        """The centre of the kelurahan, which is on land."""
        places = [GeoPoint(area.lat_deg, area.lon_deg) for area in self.city.kelurahan.values()]
        places = places or [GeoPoint(self.city.lat_deg, self.city.lon_deg)]
        return GeoPoint(
            sum(place.lat_deg for place in places) / len(places),
            sum(place.lon_deg for place in places) / len(places),
        )

    def waste_pace(self, kelurahan: str) -> float:
        """Waste of a kelurahan relative to the average."""
        return self.random_of(f"pace/{kelurahan}").uniform(0.65, 1.4)

    def curve_of(self, bin_: Bin) -> DumpingCurve:
        """The daily curve of a bin's waste; one per hours and kelurahan."""
        site = self.city.sites.get(bin_.site)
        key = (site.hours if site else "default", bin_.kelurahan)
        if key not in self._curves:
            discipline = self.random_of(f"discipline/{bin_.kelurahan}").uniform(*DISCIPLINE)
            self._curves[key] = DumpingCurve(self.city.hours_at(bin_.site), self.city.time_zone, discipline)
        return self._curves[key]
