"""How each column of an answer is shown, the same on every board: name, unit, colours, cell, links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec
from grafana_foundation_sdk.models import dashboard

from grafana.house import (
    BAD,
    BUSY_STEPS,
    CALM,
    FILL_STEPS,
    FUEL_STEPS,
    GOOD,
    LATENCY_STEPS,
    LOSS_STEPS,
    UNKNOWN,
    WARN,
    House,
    Steps,
    thresholds,
    value_map,
)

Cell = Literal["", "gauge", "color-text", "color-background", "image"]

STATE_COLOURS: Final[dict[str, dict[str, str]]] = {
    "bin": {
        "ok": GOOD,
        "filling": WARN,
        "full": BAD,
        "fire": BAD,
        "tilted": WARN,
        "unmeasured": UNKNOWN,
        "silent": UNKNOWN,
        "unknown": UNKNOWN,
    },
    "truck": {
        "on_route": CALM,
        "working": GOOD,
        "parked": UNKNOWN,
        "broken": BAD,
        "silent": "#b9c0c6",
        "unknown": "#b9c0c6",
    },
    "ap": {"up": GOOD, "crowded": WARN, "slow": WARN, "down": BAD, "unknown": UNKNOWN},
    "camera": {"watching": GOOD, "blind": BAD, "silent": UNKNOWN, "unknown": UNKNOWN},
    "case": {"open": BAD, "cleared": GOOD, "within_hours": UNKNOWN},
    "event": {"raised": BAD, "cleared": GOOD, "noted": UNKNOWN},
}
"""Colour of every state; what is not known is grey, never green."""

VERDICT_COLOURS: Final = {"none": WARN, "confirmed": GOOD, "rejected": BAD, "merged": UNKNOWN}

LEVEL_COLOURS: Final = {"-1": UNKNOWN, "0": GOOD, "1": WARN, "2": BAD}


class Look(msgspec.Struct, frozen=True):
    """How a column is shown; `mapping` names what its codes mean."""

    unit: str = ""
    decimals: int | None = None
    cell: Cell = ""
    steps: Steps = ()
    mapping: Literal[
        "", "state", "reasons", "types", "kinds", "kelurahan", "site", "waste_kind", "verdicts", "reject_reasons"
    ] = ""
    width: int = 0
    hidden: bool = False
    link: Literal["", "device", "page"] = ""


LOOKS: Final[dict[str, Look]] = {
    # Local, without a year: the board's time zone is the city's.
    "Time": Look(unit="time:DD/MM HH:mm", width=110),
    "name": Look(link="device", width=110),
    "device": Look(link="device", width=130),
    "hour": Look(),
    "kind": Look(mapping="kinds", width=110),
    "kelurahan": Look(mapping="kelurahan", width=130),
    "site": Look(mapping="site", width=170),
    "site_name": Look(width=170),
    "waste_kind": Look(mapping="waste_kind", width=110),
    "state": Look(mapping="state", cell="color-text", width=130),
    "reason": Look(mapping="reasons"),
    "detail": Look(),
    "type": Look(mapping="types"),
    "since": Look(unit="dateTimeFromNow", width=120),
    "heard_at": Look(unit="dateTimeFromNow", width=120),
    "fix_at": Look(unit="dateTimeFromNow", width=120),
    "trip_since": Look(unit="time:DD/MM HH:mm", width=110),
    "trip_km": Look(unit="lengthkm", decimals=1, width=90),
    "fill_pct": Look(unit="percent", decimals=0, cell="gauge", steps=FILL_STEPS, width=150),
    "fuel_pct": Look(unit="percent", decimals=0, cell="gauge", steps=FUEL_STEPS, width=150),
    "load_kg": Look(unit="masskg", decimals=0, width=90),
    "speed_kmh": Look(unit="velocitykmh", decimals=0, width=90),
    "clients": Look(decimals=0, width=90),
    "latency_ms": Look(unit="ms", decimals=0, cell="color-text", steps=LATENCY_STEPS, width=110),
    "loss_pct": Look(unit="percent", decimals=1, cell="color-text", steps=LOSS_STEPS, width=110),
    "channel_busy_pct": Look(unit="percent", decimals=0, cell="color-text", steps=BUSY_STEPS, width=130),
    "km": Look(unit="lengthkm", decimals=0, cell="gauge", steps=((None, CALM),)),
    "pto_h": Look(decimals=1, cell="gauge", steps=((None, GOOD),)),
    "cases": Look(decimals=0, width=90),
    "outside": Look(decimals=0, cell="color-text", steps=((None, "text"), (1, BAD)), width=150),
    "verdict": Look(mapping="verdicts", cell="color-text", width=170),
    "why": Look(mapping="reject_reasons", width=150),
    "confirmed": Look(decimals=0, cell="color-text", steps=((None, "text"), (1, GOOD)), width=150),
    "rejected": Look(decimals=0, cell="color-text", steps=((None, "text"), (1, BAD)), width=150),
    "waiting": Look(decimals=0, cell="color-text", steps=((None, "text"), (1, WARN)), width=170),
    "hours": Look(width=120),
    "picture": Look(cell="image", link="page", width=130),
    "page": Look(hidden=True),
    "case": Look(link="page", width=150),
    # Where a marker stands is no news to somebody who points at it.
    "lat_deg": Look(hidden=True),
    "lon_deg": Look(hidden=True),
    "severity": Look(hidden=True),
    "fire": Look(hidden=True),
}


def override(name: str, properties: Mapping[str, object]) -> dashboard.DashboardFieldConfigSourceOverrides:
    """Properties of the column of this name."""
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=name),
        properties=[dashboard.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()],
    )


def column_overrides(
    house: House, columns: Sequence[str], kinds: Sequence[str]
) -> list[dashboard.DashboardFieldConfigSourceOverrides]:
    """Overrides of a table's or a map's columns.

    Args:
        house: The board's house.
        columns: Names in the answer.
        kinds: Whose states the column `state` has.
    """
    looks = {name: LOOKS[name] for name in columns}
    if "name" in looks and "device" in looks:
        # There for the link only, where a better name is shown.
        looks["device"] = Look(hidden=True)
    return [override(name, _properties(house, name, look, kinds)) for name, look in looks.items()]


def _properties(house: House, name: str, look: Look, kinds: Sequence[str]) -> dict[str, object]:
    if look.hidden:
        # Without a name of its own, so that whatever seeks it finds it. The table hides by the first entry, the map's
        # tooltip by the second.
        return {"custom.hidden": True, "custom.hideFrom": {"legend": False, "tooltip": True, "viz": False}}
    found: dict[str, object] = {"displayName": house.t(f"fields.{name}")}
    if look.unit:
        found["unit"] = look.unit
    if look.decimals is not None:
        found["decimals"] = look.decimals
    if look.steps:
        found |= {"thresholds": thresholds(look.steps), "color": {"mode": "thresholds"}}
    if look.cell == "gauge":
        found |= {"min": 0, "custom.cellOptions": {"type": "gauge", "mode": "basic"}}
        found |= {"max": 100} if look.unit == "percent" else {}
    elif look.cell:
        found["custom.cellOptions"] = {"type": look.cell}
    if look.mapping:
        found["mappings"] = _mappings(house, look.mapping, kinds)
    if look.width:
        found["custom.width"] = look.width
    if look.link:
        found["links"] = [LINKS[look.link](house)]
    return found


def _mappings(house: House, mapping: str, kinds: Sequence[str]) -> list[dashboard.ValueMap]:
    if mapping == "state":
        return [state_map(house, kinds)]
    named = {"kelurahan": house.kelurahan, "site": house.camera_sites}
    return [value_map(named.get(mapping) or house.codes(mapping), VERDICT_COLOURS if mapping == "verdicts" else None)]


def state_map(house: House, kinds: Sequence[str]) -> dashboard.ValueMap:
    """States of these kinds: words and colours."""
    texts: dict[str, str] = {}
    colours: dict[str, str] = {}
    for kind in kinds:
        texts |= house.codes(f"states.{kind}")
        colours |= STATE_COLOURS[kind]
    return value_map(texts, colours)


def level_map(house: House) -> dashboard.ValueMap:
    """Levels of an access point as words and colours."""
    return value_map(house.codes("ap_level"), LEVEL_COLOURS)


def flag_map(house: House) -> dashboard.ValueMap:
    """1 and 0 of a part that works or does not."""
    return value_map({"1": house.t("common.works"), "0": house.t("common.broken")}, {"1": GOOD, "0": BAD})


def _device_link(house: House) -> dict[str, object]:
    return _link(house.t("common.open_device"), "${console}/device/${__data.fields.device}")


def _page_link(house: House) -> dict[str, object]:
    return _link(house.t("common.open_case"), "${__data.fields.page}")


def _link(title: str, url: str) -> dict[str, object]:
    return {"title": title, "url": url, "targetBlank": True}


LINKS: Final[dict[str, Callable[[House], dict[str, object]]]] = {"device": _device_link, "page": _page_link}
