"""The city of `kota bench dispatch`: Kupang's full inventory, and how its containers fill, hour by hour.

The reference inventory has 528 of the city's 1,368 containers. The others, plastic ones in pairs, are drawn around
those of each kelurahan. Growth is drawn once and is the same for every way to collect it.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Final

import msgspec
import numpy as np

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Bin, City, Device
from dispatch.forecast.distribution import Floats
from tests.support.filling import HOUR

CONTAINERS: Final = 1_368
SCATTER_DEG: Final = 0.003
FIRST_DAY: Final = date(2026, 9, 7)
"""A Monday."""
MEAN_PCT_PER_DAY: Final = 12.6
"""Mean growth of a container; the mean over the containers of the set `wyndham`."""
STREAM_FACTORS: Final = {"organic": 1.22, "non_organic": 0.78}
STEEL_FACTOR: Final = 0.82
"""Ratios of streams and materials; those of `edge.simulator.bins`."""
SPREADS: Final = {"kelurahan": 0.25, "place": 0.20, "container": 0.30}
"""Standard deviations of the logarithm of rates; together a coefficient of variation of 0.45. `wyndham` has 0.44."""
WEEK_SPREAD: Final = 0.15
WEEKEND: Final = (0.9, 0.9, 0.95, 1.0, 1.05, 1.15, 1.05)
MARKET_DAYS: Final = (2, 5)
MARKET_FACTOR: Final = 1.6
AREA_DAY_SPREAD: Final = 0.15
DAY_SPREAD: Final = 0.25
"""Standard deviations of the logarithm of what a day brings: in a whole kelurahan, such as by rain or a feast, and in
one container."""
DEPOSIT_L: Final = 5.0
DEPOSIT_VARIATION: Final = 0.7
"""Litres of what somebody throws in at once, and their coefficient of variation: small containers fill less evenly."""


class CityFilling(msgspec.Struct, frozen=True):
    """How containers fill.

    `ids`: containers in the order of the rows. `grown`: (containers, hours + 1) points since the first local midnight.
    """

    ids: tuple[str, ...]
    grown: Floats


def full_city(count: int = CONTAINERS) -> City:
    """The reference city with as many containers."""
    city, chance = load_city(builtin_city("kupang")), random.Random(7)
    plastic = [bin_ for bin_ in city.bins.values() if city.models[bin_.model].material == "plastic"]
    devices: dict[str, Device] = dict(city.devices)
    number = 0
    while len(city.bins) + number + 1 < count:
        pattern = plastic[(number // 2 * 37) % len(plastic)]
        lat_deg, lon_deg = (value or 0.0 for value in (pattern.lat_deg, pattern.lon_deg))
        lat_deg, lon_deg = lat_deg + chance.gauss(0, SCATTER_DEG), lon_deg + chance.gauss(0, SCATTER_DEG)
        for waste_kind, color in (("organic", "yellow"), ("non_organic", "green")):
            number += 1
            id_ = f"bin-x{number:04}"
            devices[id_] = replace(
                pattern, id=id_, waste_kind=waste_kind, color=color, lat_deg=lat_deg, lon_deg=lon_deg, binding=None
            )
    return city.with_devices(devices)


def fill_city(city: City, days: int, seed: int, *, pace: float = 1.0, noise: float = 1.0) -> CityFilling:
    """Growth of all containers over days. `pace` multiplies all rates, `noise` the litres thrown in at once."""
    chance = np.random.default_rng(seed)
    bins = list(city.bins.values())
    rates = pace * MEAN_PCT_PER_DAY * _rate_factors(city, bins, chance)
    kelurahan = sorted(city.kelurahan)
    index = np.array([kelurahan.index(bin_.kelurahan) for bin_ in bins])
    week = np.array(WEEKEND) * np.exp(chance.normal(0, WEEK_SPREAD, (len(bins), 7)))
    markets = {site.kelurahan for site in city.sites.values() if "pasar" in site.id}
    near_market = np.array([bin_.kelurahan in markets for bin_ in bins])
    weekday = np.array([(FIRST_DAY + timedelta(days=day)).weekday() for day in range(days)])
    daily = (week / week.mean(axis=1, keepdims=True))[:, weekday]
    daily *= np.where(near_market[:, None] & np.isin(weekday, MARKET_DAYS), MARKET_FACTOR, 1.0)
    daily *= np.exp(chance.normal(0, AREA_DAY_SPREAD, (len(kelurahan), days)))[index]
    daily *= np.exp(chance.normal(0, DAY_SPREAD, (len(bins), days)))
    hourly = (rates[:, None] * daily)[:, :, None] * (HOUR / HOUR.sum())
    litres = np.array([city.models[bin_.model].capacity_l for bin_ in bins])
    scatter_pct = (noise * DEPOSIT_L * (1 + DEPOSIT_VARIATION**2) / litres * 100)[:, None]
    growth = chance.gamma(hourly.reshape(len(bins), -1) / scatter_pct, scatter_pct)
    grown = np.concatenate((np.zeros((len(bins), 1)), np.cumsum(growth, axis=1)), axis=1)
    return CityFilling(tuple(city.bins), grown)


def at_hour(city: City, hour: float) -> datetime:
    """The moment so many hours after the first local midnight."""
    return datetime.combine(FIRST_DAY, time(), city.time_zone) + timedelta(hours=hour)


def _rate_factors(city: City, bins: list[Bin], chance: np.random.Generator) -> Floats:
    """Factors of rates around 1, (containers,)."""
    kelurahan = {id_: chance.normal(0, SPREADS["kelurahan"]) for id_ in sorted(city.kelurahan)}
    places = {_place(bin_): chance.normal(0, SPREADS["place"]) for bin_ in bins}
    factors = []
    for bin_ in bins:
        logarithm = kelurahan[bin_.kelurahan] + places[_place(bin_)] + chance.normal(0, SPREADS["container"])
        steel = STEEL_FACTOR if city.models[bin_.model].material == "steel" else 1.0
        factors.append(STREAM_FACTORS[bin_.waste_kind] * steel * np.exp(logarithm))
    spread = sum(value**2 for value in SPREADS.values())
    return np.array(factors) * np.exp(-spread / 2)


def _place(bin_: Bin) -> tuple[float, float]:
    """Containers about ten metres apart have one place."""
    return round(bin_.lat_deg or 0.0, 4), round(bin_.lon_deg or 0.0, 4)
