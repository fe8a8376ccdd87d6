"""What single devices of the simulated city do: bins fill by night, access points fail and come back."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from city.inventory.model import Bin, City
from edge.simulator.emission import Emission, EventEmission, StatusEmission, TelemetryEmission
from edge.simulator.world import World

NOISE_SHARE = 0.02


def test_bins_fill_mostly_within_the_dumping_hours(small_city: City, two_days: list[Emission]) -> None:
    """Over two days more than 70 % of the growth falls between 17:00 and 05:00."""
    within = beyond = 0.0
    hours = small_city.hours["default"]
    for fills in _fills(small_city, two_days).values():
        for (_, before), (at, after) in pairwise(fills):
            if before < after:
                inside = hours.allows(at, small_city.time_zone)
                within, beyond = within + (after - before) * inside, beyond + (after - before) * (not inside)
    assert within / (within + beyond) > 0.7
    assert beyond > 0


def test_kelurahan_and_streams_fill_at_their_own_pace(small_city: City, two_days: list[Emission]) -> None:
    """Organic waste grows faster than the rest, and no two kelurahan are alike."""
    grown: defaultdict[str, list[float]] = defaultdict(list)
    for id_, fills in _fills(small_city, two_days).items():
        growth = sum(max(after - before, 0.0) for (_, before), (_, after) in pairwise(fills))
        grown[small_city.bins[id_].waste_kind].append(growth)
        grown[small_city.bins[id_].kelurahan].append(growth)
    means = {name: sum(growths) / len(growths) for name, growths in grown.items()}
    assert means["organic"] > 1.1 * means["non_organic"]
    villages = [means[name] for name in small_city.kelurahan]
    assert max(villages) > 1.2 * min(villages)


def test_fill_levels_are_spread_at_the_start(kupang: City) -> None:
    """A fresh city shows bins of all levels, some of them nearly full."""
    start = datetime(2026, 3, 2, 8, tzinfo=kupang.time_zone)
    first = World(kupang, 1, start).advance(start)
    fills = [fill for series in _fills(kupang, first).values() for _, fill in series]
    assert min(fills) < 0.1
    assert max(fills) <= 0.97
    assert 0.02 < sum(fill > 0.85 for fill in fills) / len(fills) < 0.12
    assert 0.25 < sum(fills) / len(fills) < 0.6


def test_distance_stays_between_dead_zone_and_bottom(small_city: City, two_days: list[Emission]) -> None:
    """Every distance is a fill of 0 to 1, or the sensor's own word for no echo; both happen, and silence too."""
    readings = [
        emission
        for emission in two_days
        if isinstance(emission, TelemetryEmission) and emission.device in small_city.bins
    ]
    for fills in _fills(small_city, two_days).values():
        assert all(0.0 <= fill < 1.0 for _, fill in fills)
    assert any(reading.values.get("distance_mm") == 0.0 for reading in readings)
    assert any("distance_mm" not in reading.values for reading in readings)


def test_bins_are_warmer_by_day_and_never_sound_the_alarm_by_that(small_city: City, two_days: list[Emission]) -> None:
    """The temperature follows the sun; without a fire it stays below 45 °C."""
    by_hour: defaultdict[int, list[float]] = defaultdict(list)
    burning = {
        emission.device for emission in two_days if isinstance(emission, EventEmission) and emission.type == "fire"
    }
    for emission in two_days:
        if isinstance(emission, TelemetryEmission) and emission.device in small_city.bins.keys() - burning:
            temperature_c = emission.values["temperature_c"]
            assert isinstance(temperature_c, float)
            by_hour[emission.at.astimezone(small_city.time_zone).hour].append(temperature_c)
    assert max(by_hour[14]) < 45
    assert sum(by_hour[14]) / len(by_hour[14]) > sum(by_hour[3]) / len(by_hour[3]) + 5


def test_incidents_are_raised_and_cleared_in_turn(two_days: list[Emission]) -> None:
    """No condition is raised twice, none is cleared that was not raised."""
    raised: set[tuple[str, str]] = set()
    for emission in two_days:
        if not isinstance(emission, EventEmission) or emission.state == "noted":
            continue
        condition = (emission.device, emission.type)
        assert (condition in raised) == (emission.state == "cleared")
        (raised.discard if emission.state == "cleared" else raised.add)(condition)


def test_access_points_fall_silent_and_start_again_from_zero(small_city: City, two_days: list[Emission]) -> None:
    """Between `offline` and `online` nothing is heard; afterwards counters and uptime are those of a fresh start."""
    down: set[str] = set()
    fresh: set[str] = set()
    returns = 0
    for emission in two_days:
        if emission.device not in small_city.access_points:
            continue
        if isinstance(emission, StatusEmission):
            (down.add if emission.state == "offline" else down.discard)(emission.device)
            fresh |= {emission.device} if emission.state == "online" else set()
            continue
        assert emission.device not in down
        if isinstance(emission, TelemetryEmission) and emission.device in fresh:
            fresh.discard(emission.device)
            returns += 1
            assert (emission.values["uptime_s"], emission.values["rx_bytes"], emission.values["tx_bytes"]) == (0, 0, 0)
    assert returns > 20


def test_some_access_points_are_down_at_any_time(kupang: City) -> None:
    """Over a day a twentieth of them is away on average."""
    start = datetime(2026, 3, 2, 8, tzinfo=kupang.time_zone)
    world = World(kupang, 1, start, frozenset(kupang.devices.keys() - kupang.access_points.keys()))
    down: set[str] = set()
    counts: list[int] = []
    for hours in range(24):
        for emission in world.advance(start + timedelta(hours=hours)):
            if isinstance(emission, StatusEmission):
                (down.add if emission.state == "offline" else down.discard)(emission.device)
        counts.append(len(down))
    assert 2 <= sum(counts) / len(counts) <= 4.5


def test_offices_are_busy_by_day_and_parks_in_the_evening(small_city: City, two_days: list[Emission]) -> None:
    """Clients follow the day of the place, and add up over radios and networks."""
    clients: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for emission in two_days:
        if isinstance(emission, TelemetryEmission) and emission.device in small_city.access_points:
            count = emission.values["clients"]
            radios, ssids = emission.values["clients_by_radio"], emission.values["clients_by_ssid"]
            assert isinstance(count, int)
            assert isinstance(radios, dict)
            assert isinstance(ssids, dict)
            assert sum(radios.values()) == sum(ssids.values()) == count
            place = small_city.sites[small_city.access_points[emission.device].site].kind
            clients[place, emission.at.astimezone(small_city.time_zone).hour].append(count)
    mean = {key: sum(counts) / len(counts) for key, counts in clients.items()}
    assert mean["office", 10] > 4 * mean["office", 20]
    assert mean["park", 18] > 3 * mean["park", 9]


def test_counters_only_grow_until_a_restart(small_city: City, two_days: list[Emission]) -> None:
    """Bytes, dropped frames and odometers never run backwards while a device is up."""
    last: dict[tuple[str, str], float] = {}
    for emission in two_days:
        if isinstance(emission, StatusEmission) and emission.device not in small_city.trucks:
            last = {key: value for key, value in last.items() if key[0] != emission.device}
        if not isinstance(emission, TelemetryEmission):
            continue
        for field in {"rx_bytes", "tx_bytes", "dropped_frames", "uptime_s", "odometer_km"} & emission.values.keys():
            value = emission.values[field]
            assert isinstance(value, int | float)
            assert value >= last.get((emission.device, field), 0)
            last[emission.device, field] = value


def _fills(city: City, said: list[Emission]) -> dict[str, list[tuple[datetime, float]]]:
    """Fill levels, 0 to 1, as the platform computes them from distances; only changes beyond the noise."""
    fills: defaultdict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for emission in said:
        if isinstance(emission, TelemetryEmission) and isinstance(bin_ := city.devices[emission.device], Bin):
            distance_mm, model = emission.values.get("distance_mm"), city.models[bin_.model]
            if isinstance(distance_mm, float) and distance_mm not in model.invalid_mm:
                bottom_mm = model.height_mm - model.offset_mm
                fill = (bottom_mm - distance_mm) / (bottom_mm - model.dead_zone_mm)
                series = fills[emission.device]
                if not series or abs(fill - series[-1][1]) > NOISE_SHARE:
                    series.append((emission.at, fill))
    return dict(fills)
