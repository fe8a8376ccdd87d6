"""A large city's week as lines: readings, rollups, states, events, as ingest and what it derives write them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from broker.contract.topics import Kind
from city.inventory.loader import builtin_city, load_city
from ingest.store.influx.http import InfluxHttp
from ingest.store.influx.line_protocol import encode_tags, to_point
from ingest.store.influx.setup_plan import DAY_S
from ingest.store.records import Value
from ingest.store.schema import DERIVED, EVENTS, RAW, ROLLUP, WINDOW_S, Policy

SHARES: Final[dict[Kind, float]] = {"bin": 0.85, "ap": 0.11, "truck": 0.03, "camera": 0.01}
"""Of the devices, by kind; a large city has mostly containers."""
FIELDS: Final[dict[Kind, dict[str, tuple[float, float]]]] = {
    "bin": {"distance_mm": (100, 1200), "fill_pct": (0, 100), "temperature_c": (20, 50), "battery_pct": (20, 100)},
    "ap": {"clients": (0, 50), "latency_ms": (5, 90), "loss_pct": (0, 4), "channel_busy_pct": (5, 80),
           "rx_bytes": (0, 1e12), "tx_bytes": (0, 1e12)},
    "truck": {"lat_deg": (-10.25, -10.1), "lon_deg": (123.5, 123.7), "speed_kmh": (0, 60), "fuel_pct": (5, 100),
              "odometer_km": (1e4, 1e5), "pto": (0, 1), "ignition": (0, 1)},
    "camera": {"fps": (4, 15), "scene_ok": (0, 1)},
}  # fmt: skip
INTEGERS: Final = {"clients", "rx_bytes", "tx_bytes", "pto", "ignition", "scene_ok"}
LINES: Final = 5_000
LOOK_S: Final = 300


Fields = dict[str, Value | None]


class Made(NamedTuple):
    """A device of the large city."""

    kind: Kind
    id: str
    tags: dict[str, str]
    position: tuple[float, float]


def make_devices(count: int) -> list[Made]:
    """Devices spread over the reference city's kelurahan and sites."""
    city = load_city(builtin_city("kupang"))
    chance = random.Random(1)
    areas, sites = list(city.kelurahan.values()), list(city.sites)
    made = []
    for kind, share in SHARES.items():
        for number in range(round(count * share)):
            area = chance.choice(areas)
            tags = {
                "city": city.id,
                "device": f"{kind}-{number:04}",
                "kelurahan": area.id,
                "site": chance.choice(sites),
            }
            if kind == "bin":
                tags["waste_kind"] = chance.choice(("organic", "non_organic"))
            position = (area.lat_deg + chance.gauss(0, 0.005), area.lon_deg + chance.gauss(0, 0.005))
            made.append(Made(kind, tags["device"], tags, position))
    return made


def fill(http: InfluxHttp, devices: list[Made], points: int, days: int) -> int:
    """Write so many days up to now, hour by hour; how many points.

    Args:
        http: The database.
        devices: As `make_devices` made them.
        points: Readings of all devices together; states, rollups and events come on top.
        days: How far back it begins.
    """
    start_s = int(time.time()) - days * DAY_S
    every_s = max(days * DAY_S * len(devices) / points, 1.0)
    written = 0
    # Writing takes a while, in which the present moves on: the rest of it is written until little is left.
    while (end_s := int(time.time())) - start_s > LOOK_S:
        written += _fill(http, devices, every_s, start_s, end_s)
        start_s = end_s
    return written


def _fill(http: InfluxHttp, devices: list[Made], every_s: float, start_s: int, end_s: int) -> int:
    written = 0
    with ThreadPoolExecutor(2) as pool:
        for hour_s in range(start_s, end_s, 3600):
            upto_s = min(hour_s + 3600, end_s)
            for policy, lines in (
                (RAW, raw_lines(devices, hour_s, upto_s, every_s)),
                (RAW, state_lines(devices, hour_s, upto_s)),
                (ROLLUP, rollup_lines(devices, hour_s, upto_s)),
                (EVENTS, event_lines(devices, hour_s)),
            ):
                written += _write(http, pool, list(lines), policy)
    return written


def _write(http: InfluxHttp, pool: ThreadPoolExecutor, lines: list[bytes], policy: Policy) -> int:
    batches = [b"\n".join(lines[first : first + LINES]) for first in range(0, len(lines), LINES)]
    list(pool.map(lambda batch: http.write(batch, policy), batches))
    return len(lines)


def _values(kind: Kind, chance: random.Random) -> dict[str, float]:
    return {name: chance.uniform(*bounds) for name, bounds in FIELDS[kind].items()}


def _raw(name: str, value: float) -> str:
    return f"{name}={int(value + 0.5)}i" if name in INTEGERS else f"{name}={value:.2f}"


def raw_lines(devices: list[Made], start_s: int, end_s: int, every_s: float) -> Iterator[bytes]:
    """Readings as ingest writes them."""
    chance = random.Random(start_s)
    for device in devices:
        head = device.kind.encode() + encode_tags(device.tags)
        at_s = start_s + chance.uniform(0, every_s)
        while at_s < end_s:
            fields = ",".join(_raw(name, value) for name, value in _values(device.kind, chance).items())
            tail = f'seq={int(at_s)}i,boot="b",received_at={int(at_s * 1e6)}i,quality=""'
            yield b"%s %s,%s %d" % (head, fields.encode(), tail.encode(), int(at_s * 1e9))
            at_s += every_s


def rollup_lines(devices: list[Made], start_s: int, end_s: int) -> Iterator[bytes]:
    """Windows of each device and each area, with all that ours have."""
    chance = random.Random(start_s)
    areas = sorted({(d.kind, d.tags["kelurahan"], d.tags.get("waste_kind", "")) for d in devices})
    heads = [(d.kind, d.kind.encode() + encode_tags(d.tags)) for d in devices]
    for kind, kelurahan, waste in areas:
        if kind in ("bin", "ap"):
            tags = {"city": "kupang", "kelurahan": kelurahan, "waste_kind": waste}
            heads.append((kind, f"{kind}_area".encode() + encode_tags(tags)))
    for at_s in range(start_s // WINDOW_S * WINDOW_S, end_s, WINDOW_S):
        for kind, head in heads:
            parts = []
            for name, value in _values(kind, chance).items():
                parts.append(f"{name}_sum={value * 2:.2f},{name}_count=2i")
                parts += [f"{name}_{part}={value:.2f}" for part in ("min", "max", "last")]
            yield b"%s %s %d" % (head, ",".join(parts).encode(), at_s * 10**9)


_STATES: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("ok", "ok", "filling", "full", "silent"),
    "truck": ("on_route", "working", "parked", "broken"),
    "ap": ("up", "up", "up", "crowded", "down"),
    "camera": ("watching", "watching", "blind"),
}
_FLAGS: Final = {
    "silent": "silent",
    "overflow": "full",
    "fire": "fire",
    "broken": "broken",
    "down": "down",
    "blind": "blind",
}
_SEVERITY: Final = {"full": 2, "broken": 2, "down": 2, "silent": 1, "crowded": 1, "blind": 1}


def state_lines(devices: list[Made], start_s: int, end_s: int) -> Iterator[bytes]:
    """How devices and areas stand, and how the platform does."""
    chance = random.Random(start_s)
    kelurahan = sorted({device.tags["kelurahan"] for device in devices})
    for at_s in range(start_s // LOOK_S * LOOK_S, end_s, LOOK_S):
        for device in devices:
            tags = {**device.tags, "kind": device.kind, "label": device.tags["device"]}
            yield to_point("device_state", tags, _state(device, chance, at_s), at_s * 10**9)
        for area in kelurahan:
            tags = {"city": "kupang", "kelurahan": area}
            yield to_point("area_state", tags, _drawn("area_state", chance), at_s * 10**9)
    for at_s in range(start_s, end_s, 10):
        tags = {"city": "kupang", "service": "ingest"}
        yield to_point("platform", tags, _drawn("platform", chance), at_s * 10**9)


def _drawn(measurement: str, chance: random.Random) -> Fields:
    """Some number for every field, flags all true."""
    drawn: dict[str, Callable[[], Value]] = {
        "integer": lambda: chance.randrange(20),
        "number": chance.random,
        "flag": lambda: True,
    }
    return {name: drawn[type_]() for name, type_ in DERIVED[measurement][2].items() if type_ in drawn}


def _state(device: Made, chance: random.Random, at_s: int) -> Fields:
    state = chance.choice(_STATES[device.kind])
    flags = {name: state == of for name, of in _FLAGS.items()}
    known = DERIVED["device_state"][2]
    return {
        "state": state,
        "severity": _SEVERITY.get(state, 0),
        "reason": "silent" if state in _SEVERITY else "",
        "detail": "",
        "since": (at_s - 600) * 1000,
        "heard_at": at_s * 1000,
        "fix_at": at_s * 1000,
        "name": device.id,
        "site_name": device.tags["site"],
        **{name: value for name, value in _values(device.kind, chance).items() if name in known},
        "lat_deg": device.position[0],
        "lon_deg": device.position[1],
        **flags,
    }


def event_lines(devices: list[Made], start_s: int) -> Iterator[bytes]:
    """Collections, breakdowns, misuse and dumping of an hour."""
    chance = random.Random(start_s)
    types = {"bin": "collected", "truck": "breakdown", "ap": "rogue_ap"}
    for device in chance.sample(devices, len(devices) // 24):
        at_ns = (start_s + chance.randrange(3600)) * 10**9
        if device.kind in types:
            tags = encode_tags({**device.tags, "kind": device.kind, "type": types[device.kind]})
            yield b'event%s state="noted",detail="{}",seq=1i,boot="b",quality="",received_at=1i %d' % (tags, at_ns)
        else:
            place = {name: device.tags[name] for name in ("city", "kelurahan", "site", "device")}
            place["hour"] = f"{start_s // 3600 % 24:02}"
            texts = {"case": f"{device.id}-{at_ns}", "state": "open", "site_name": place["site"], "picture": "p"}
            yield to_point("dumping_case", place, {**_drawn("dumping_case", chance), **texts}, at_ns)
