"""Styles of result columns, shared by all dashboards: name, unit, colours, cell type, and links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec
from grafana_foundation_sdk.models import dashboard

from broker.contract.payloads import EVENT_TYPES
from grafana.context import DashboardContext
from grafana.theme import (
    BAD,
    BATTERY_STEPS,
    BUSY_STEPS,
    CALM,
    CALM_STEPS,
    COUNT_BAD_STEPS,
    COUNT_GOOD_STEPS,
    COUNT_WARN_STEPS,
    FILL_STEPS,
    FUEL_STEPS,
    GOOD,
    LATENCY_STEPS,
    LOSS_STEPS,
    SIGNAL_STEPS,
    SPEED_STEPS,
    TRAIL_STEPS,
    UNKNOWN,
    WARN,
    Steps,
    thresholds,
    value_map,
)

CellType = Literal["", "gauge", "color-text", "color-background", "image"]

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
        "parked": "light-blue",
        "broken": BAD,
        "silent": UNKNOWN,
        "unknown": UNKNOWN,
    },
    "ap": {"up": GOOD, "crowded": WARN, "slow": WARN, "down": BAD, "unknown": UNKNOWN},
    "camera": {"watching": GOOD, "blind": BAD, "silent": UNKNOWN, "unknown": UNKNOWN},
    "case": {"open": BAD, "cleared": GOOD, "within_hours": UNKNOWN},
    "event": {"raised": BAD, "cleared": GOOD, "noted": UNKNOWN},
}
"""Colour of every state. An unknown state is grey, never green."""

VERDICT_COLOURS: Final = {"none": WARN, "confirmed": GOOD, "rejected": BAD, "merged": UNKNOWN}

FLAG: Final = "flag"
"""The kind of states that are 1 (works) and 0 (does not)."""

FLAG_COLOURS: Final = {"1": GOOD, "0": BAD}

LEVEL_COLOURS: Final = {"-1": UNKNOWN, "0": GOOD, "1": WARN, "2": BAD}


class ColumnStyle(msgspec.Struct, frozen=True):
    """The style of a column. `unit`: Grafana's, or the key of a text. `mapping`: the value mapping of its codes."""

    unit: str = ""
    decimals: int | None = None
    cell: CellType = ""
    steps: Steps = ()
    mapping: Literal[
        "",
        "state",
        "reasons",
        "types",
        "kinds",
        "kelurahan",
        "site",
        "waste_kind",
        "verdicts",
        "reject_reasons",
        "services",
        "plates",
        "details",
        "clients",
    ] = ""
    width: int = 0
    hidden: bool = False
    link: Literal["", "device", "page"] = ""


NO_WIDTHS: Final[Mapping[str, int]] = {}

LOCAL_TIME: Final = "time:DD/MM HH:mm"

COLUMN_STYLES: Final[dict[str, ColumnStyle]] = {
    # Local, without a year: the dashboard's time zone is the city's. An age ("2 hours ago") would be in the language of
    # the browser, and longer.
    "Time": ColumnStyle(unit=LOCAL_TIME, width=110),
    "name": ColumnStyle(link="device", width=95),
    "plate": ColumnStyle(mapping="plates", link="device", width=95),
    "device": ColumnStyle(link="device", width=80),
    "hour": ColumnStyle(),
    "kind": ColumnStyle(mapping="kinds", width=140),
    "kelurahan": ColumnStyle(mapping="kelurahan", width=145),
    "site": ColumnStyle(mapping="site", width=200),
    "site_name": ColumnStyle(width=200),
    "waste_kind": ColumnStyle(mapping="waste_kind", width=120),
    "state": ColumnStyle(mapping="state", cell="color-text", width=145),
    "reason": ColumnStyle(mapping="reasons"),
    "detail": ColumnStyle(mapping="details"),
    "type": ColumnStyle(mapping="types", width=240),
    "since": ColumnStyle(unit=LOCAL_TIME, width=110),
    "heard_at": ColumnStyle(unit=LOCAL_TIME, width=130),
    "fix_at": ColumnStyle(unit=LOCAL_TIME, width=130),
    "trip_since": ColumnStyle(unit=LOCAL_TIME, width=110),
    "trip_km": ColumnStyle(unit="suffix: km", decimals=1, width=105),
    "fill_pct": ColumnStyle(unit="percent", decimals=0, cell="gauge", steps=FILL_STEPS, width=95),
    "fuel_pct": ColumnStyle(unit="percent", decimals=0, cell="gauge", steps=FUEL_STEPS, width=130),
    "load_kg": ColumnStyle(unit="masskg", decimals=0, width=90),
    "speed_kmh": ColumnStyle(unit="common.unit_kmh", decimals=0, width=115),
    "clients": ColumnStyle(decimals=0, width=90),
    "latency_ms": ColumnStyle(unit="ms", decimals=0, cell="color-text", steps=LATENCY_STEPS, width=120),
    "loss_pct": ColumnStyle(unit="percent", decimals=1, cell="color-text", steps=LOSS_STEPS, width=110),
    "channel_busy_pct": ColumnStyle(unit="percent", decimals=0, cell="color-text", steps=BUSY_STEPS, width=150),
    "km": ColumnStyle(unit="suffix: km", decimals=0, cell="gauge", steps=CALM_STEPS, width=130),
    "pto_h": ColumnStyle(unit="common.unit_h", decimals=1, width=150),
    "cases": ColumnStyle(decimals=0, width=80),
    "outside": ColumnStyle(decimals=0, cell="color-text", steps=COUNT_BAD_STEPS, width=155),
    "verdict": ColumnStyle(mapping="verdicts", cell="color-text", width=155),
    "why": ColumnStyle(mapping="reject_reasons", width=225),
    "confirmed": ColumnStyle(decimals=0, cell="color-text", steps=COUNT_GOOD_STEPS, width=95),
    "rejected": ColumnStyle(decimals=0, cell="color-text", steps=COUNT_BAD_STEPS, width=155),
    "waiting": ColumnStyle(decimals=0, cell="color-text", steps=COUNT_WARN_STEPS, width=135),
    "hours": ColumnStyle(width=130),
    "picture": ColumnStyle(cell="image", link="page", width=130),
    "page": ColumnStyle(hidden=True),
    # Where a marker stands is no news to somebody who points at it.
    "lat_deg": ColumnStyle(hidden=True),
    "lon_deg": ColumnStyle(hidden=True),
    "severity": ColumnStyle(hidden=True),
    "urgency": ColumnStyle(hidden=True),
    "label": ColumnStyle(),
    "battery_pct": ColumnStyle(unit="percent", decimals=0, cell="gauge", steps=BATTERY_STEPS, width=110),
    "rssi_dbm": ColumnStyle(unit="suffix: dBm", decimals=0, cell="color-text", steps=SIGNAL_STEPS, width=100),
    "emptied_at": ColumnStyle(unit=LOCAL_TIME, width=140),
    "full_at": ColumnStyle(unit=LOCAL_TIME, width=135),
    "idle_h": ColumnStyle(unit="common.unit_h", decimals=1, cell="gauge", steps=CALM_STEPS),
    "top_kmh": ColumnStyle(unit="common.unit_kmh", decimals=0, cell="gauge", steps=SPEED_STEPS),
    "trail_kmh": ColumnStyle(unit="common.unit_kmh", decimals=0, steps=TRAIL_STEPS),
    "harsh": ColumnStyle(decimals=0, cell="color-text", steps=COUNT_WARN_STEPS, width=130),
    "rx_kbps": ColumnStyle(unit="Kbits", decimals=0, width=120),
    "tx_kbps": ColumnStyle(unit="Kbits", decimals=0, cell="gauge", steps=CALM_STEPS, width=190),
    "client": ColumnStyle(mapping="clients"),
    "bytes": ColumnStyle(unit="decbytes", decimals=1, cell="gauge", steps=CALM_STEPS, width=190),
    "hotspot": ColumnStyle(width=225),
    "cpu_pct": ColumnStyle(unit="percent", decimals=0, cell="color-text", steps=BUSY_STEPS, width=80),
    "service": ColumnStyle(mapping="services"),
    "fire": ColumnStyle(hidden=True),
}


def override(name: str, properties: Mapping[str, object]) -> dashboard.DashboardFieldConfigSourceOverrides:
    """An override of properties of one column."""
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=name),
        properties=[dashboard.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()],
    )


def column_overrides(
    context: DashboardContext, columns: Sequence[str], kinds: Sequence[str], widths: Mapping[str, int] = NO_WIDTHS
) -> list[dashboard.DashboardFieldConfigSourceOverrides]:
    """Overrides of a table's or a map's columns.

    Args:
        context: Language, city and addresses.
        columns: Names of the result columns.
        kinds: Device kinds whose states the column `state` has, and whose event types the column `type` has.
        widths: Widths in px that differ from those of the styles.
    """
    styles = {name: COLUMN_STYLES[name] for name in columns}
    styles |= {name: msgspec.structs.replace(styles[name], width=width) for name, width in widths.items()}
    if "device" in styles and ("name" in styles or "plate" in styles):
        # There for the link only, where a better name is shown.
        styles["device"] = ColumnStyle(hidden=True)
    return [override(name, _properties(context, name, style, kinds)) for name, style in styles.items()]


def _properties(context: DashboardContext, name: str, style: ColumnStyle, kinds: Sequence[str]) -> dict[str, object]:
    if style.hidden:
        # Without a name of its own, so that whatever seeks it finds it. The table hides by the first entry, the map's
        # tooltip by the second.
        return {"custom.hidden": True, "custom.hideFrom": {"legend": False, "tooltip": True, "viz": False}}
    properties: dict[str, object] = {"displayName": context.t(f"fields.{name}")}
    if style.unit:
        in_words = style.unit.startswith("common.")
        properties["unit"] = f"suffix: {context.t(style.unit)}" if in_words else style.unit
    if style.decimals is not None:
        properties["decimals"] = style.decimals
    if style.steps:
        properties |= {"thresholds": thresholds(style.steps), "color": {"mode": "thresholds"}}
    if style.cell == "gauge":
        properties |= {"min": 0, "custom.cellOptions": {"type": "gauge", "mode": "basic"}}
        properties |= {"max": 100} if style.unit == "percent" else {}
    elif style.cell:
        properties["custom.cellOptions"] = {"type": style.cell}
    if style.mapping:
        properties["mappings"] = _mappings(context, style.mapping, kinds)
    if style.width:
        properties["custom.width"] = style.width
    if style.link:
        properties["links"] = [LINKS[style.link](context)]
    return properties


def _mappings(
    context: DashboardContext, mapping: str, kinds: Sequence[str]
) -> Sequence[dashboard.ValueMap | dashboard.RegexMap]:
    if mapping == "state":
        return [state_map(context, kinds)]
    if mapping == "details":
        return detail_maps(context)
    if mapping == "clients":
        return [_regex_map(f"^{_CODE}$", "$1", 0)]
    if mapping == "types" and any(kind in EVENT_TYPES for kind in kinds):
        types = {type_ for kind, of_kind in EVENT_TYPES.items() if kind in kinds for type_ in of_kind}
        return [value_map({code: text for code, text in context.codes("types").items() if code in types})]
    named = {"kelurahan": context.kelurahan, "site": context.camera_sites, "plates": context.plates}
    return [value_map(named.get(mapping) or context.codes(mapping), VERDICT_COLOURS if mapping == "verdicts" else None)]


_CODE: Final = '([^"]{1,8})[^"]*'
"""The code of a user; its first eight characters tell the users of a day apart."""

_DETAILS: Final = (
    ("rogue", r'^(?=.*"ssid":"([^"]*)")(?=.*"rssi_dbm":(-?\d+)).*$'),
    ("client_gb", rf'^(?=.*"client":"{_CODE}")(?=.*"bytes":(\d+)\d{{9}}\b).*$'),
    ("client_mb", rf'^(?=.*"client":"{_CODE}")(?=.*"bytes":(\d+)\d{{6}}\b).*$'),
    ("client", rf'^.*"client":"{_CODE}".*$'),
    ("speed", r'^.*"speed_kmh":(\d+).*$'),
    ("codes", r'^.*"fault_codes":\["([^"]*)"\].*$'),
    ("two_codes", r'^.*"fault_codes":\["([^"]*)","([^"]*)".*$'),
    ("none", r"^\{\}$"),
    ("other", r"^\{.*\}$"),
)
"""Key of a text below `details.`, and the pattern of details of events in JSON, whose groups the text contains.

The first pattern that matches counts. The order of the members of an object is not fixed.
"""


def detail_maps(context: DashboardContext) -> list[dashboard.RegexMap]:
    """Value mappings from the details of an event, an object in JSON, to words."""
    return [_regex_map(pattern, context.t(f"details.{key}"), index) for index, (key, pattern) in enumerate(_DETAILS)]


def _regex_map(pattern: str, text: str, index: int) -> dashboard.RegexMap:
    result = dashboard.ValueMappingResult(text=text, index=index)
    return dashboard.RegexMap(options=dashboard.DashboardRegexMapOptions(pattern=f"/{pattern}/", result=result))


def state_map(context: DashboardContext, kinds: Sequence[str]) -> dashboard.ValueMap:
    """A value mapping of the states of device kinds, or of `FLAG`."""
    texts: dict[str, str] = {}
    colours: dict[str, str] = {}
    for kind in kinds:
        texts |= _flag_texts(context) if kind == FLAG else context.codes(f"states.{kind}")
        colours |= FLAG_COLOURS if kind == FLAG else STATE_COLOURS[kind]
    return value_map(texts, colours)


def level_map(context: DashboardContext) -> dashboard.ValueMap:
    """A value mapping of the levels of an access point."""
    return value_map(context.codes("ap_level"), LEVEL_COLOURS)


def flag_map(context: DashboardContext) -> dashboard.ValueMap:
    """A value mapping of 1 (works) and 0 (does not)."""
    return value_map(_flag_texts(context), FLAG_COLOURS)


def _flag_texts(context: DashboardContext) -> dict[str, str]:
    return {"1": context.t("common.works"), "0": context.t("common.broken")}


def _device_link(context: DashboardContext) -> dict[str, object]:
    return _link(context.t("common.open_device"), "${console}/device/${__data.fields.device}")


def _page_link(context: DashboardContext) -> dict[str, object]:
    return _link(context.t("common.open_case"), "${__data.fields.page}")


def _link(title: str, url: str) -> dict[str, object]:
    return {"title": title, "url": url, "targetBlank": True}


LINKS: Final[dict[str, Callable[[DashboardContext], dict[str, object]]]] = {"device": _device_link, "page": _page_link}
