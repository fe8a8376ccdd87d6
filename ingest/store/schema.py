"""Measurements and columns that every store shares: one measurement per kind, one column per contract field.

The derived measurements of InfluxDB for boards are described here as well; `docs/influx.md` is generated from it.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from broker.contract.payloads import TELEMETRY, fields_of
from broker.contract.topics import KINDS, Kind
from ingest.store.records import Value

ColumnType = Literal["number", "integer", "flag", "text"]

_TYPES: Final[dict[Any, ColumnType]] = {float: "number", int: "integer", bool: "flag"}


def _column_type(annotation: Any) -> ColumnType:  # noqa: ANN401 - a type annotation can be anything
    """The column type behind `Annotated[...] | None`; words are text, lists and mappings are kept as JSON text."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    return _TYPES.get(annotation, "text")


def _columns_of(kind: Kind) -> dict[str, ColumnType]:
    hints = get_type_hints(TELEMETRY[kind])
    return {field: _column_type(hints[field]) for field in fields_of(kind)}


COLUMNS: Final[dict[Kind, dict[str, ColumnType]]] = {kind: _columns_of(kind) for kind in KINDS}
"""Kind to field to column type, in the order of the contract."""

_TEXT_COLUMNS: Final = {
    kind: {f for f, type_ in columns.items() if type_ == "text"} for kind, columns in COLUMNS.items()
}


def to_columns(kind: Kind, values: dict[str, Any]) -> dict[str, Value]:
    """Values as they are stored: lists and mappings become JSON text."""
    if not _TEXT_COLUMNS[kind]:
        return values
    texts = {name for name in _TEXT_COLUMNS[kind] & values.keys() if not isinstance(values[name], str)}
    return {**values, **{name: msgspec.json.encode(values[name]).decode() for name in texts}} if texts else values


Policy = Literal["", "rollup_5m", "events"]
"""Retention class: "" is the raw one (the database's default), the others are retention policies of InfluxDB 1 and
buckets `database/policy` of InfluxDB 2; queries name them the same way."""

RAW: Final[Policy] = ""
ROLLUP: Final[Policy] = "rollup_5m"
EVENTS: Final[Policy] = "events"

WINDOW_S: Final = 300
"""Length of a rollup's window."""

ROLLUP_PARTS: Final = ("sum", "count", "min", "max", "last")
"""What a rollup keeps of each numeric field `f` in a window: `f_sum`, `f_count`, ... From these every aggregate of a
wider bucket follows exactly."""

AREA_KINDS: Final[tuple[Kind, ...]] = ("bin", "ap")
"""Kinds that are also rolled up by area, as `bin_area` and `ap_area`: a city has fifty areas and thousands of bins."""

DEVICE_TAGS: Final = ("city", "kelurahan", "site", "device", "waste_kind")
AREA_TAGS: Final = ("city", "kelurahan", "waste_kind")

DERIVED: Final[dict[str, tuple[Policy, tuple[str, ...], dict[str, ColumnType]]]] = {
    # How each device stands: written when it changes and at least every five minutes. Times are milliseconds.
    "device_state": (
        RAW,
        # `label` is the name with its site or kelurahan, for alarms: only tags become labels of an alarm.
        (*DEVICE_TAGS, "kind", "label"),
        {
            "state": "text",
            "severity": "integer",
            "urgency": "integer",
            "reason": "text",
            "detail": "text",
            "since": "integer",
            "heard_at": "integer",
            "name": "text",
            "site_name": "text",
            "lat_deg": "number",
            "lon_deg": "number",
            "silent": "flag",
            "battery_pct": "number",
            "fill_pct": "number",
            "temperature_c": "number",
            "fire": "flag",
            "overflow": "flag",
            "rssi_dbm": "number",
            "emptied_at": "integer",
            "full_at": "integer",
            "speed_kmh": "number",
            "heading_deg": "number",
            "fuel_pct": "number",
            "load_kg": "number",
            "pto": "flag",
            "broken": "flag",
            "fix_at": "integer",
            "trip_since": "integer",
            "trip_km": "number",
            "clients": "integer",
            "latency_ms": "number",
            "loss_pct": "number",
            "channel_busy_pct": "number",
            "down": "flag",
            "scene_ok": "flag",
            "fps": "number",
            "blind": "flag",
        },
    ),
    # What is wrong with devices, for alert rules: 1, then 0 for some time; of each flag a series without a device, 0.
    "alarm_flag": (RAW, ("city", "kelurahan", "site", "device", "waste_kind", "label", "flag"), {"value": "flag"}),
    # The figures of each kelurahan, once a minute.
    "area_state": (
        RAW,
        ("city", "kelurahan"),
        {
            "bins": "integer",
            "bins_full": "integer",
            "bins_filling": "integer",
            "bins_silent": "integer",
            "bins_unmeasured": "integer",
            "fires": "integer",
            "fill_mean_pct": "number",
            "trucks": "integer",
            "trucks_on_route": "integer",
            "trucks_broken": "integer",
            "trucks_silent": "integer",
            "aps": "integer",
            "aps_down": "integer",
            "clients": "integer",
            "cameras": "integer",
            "cameras_blind": "integer",
            "open_cases": "integer",
            "cases_waiting": "integer",
            "cases_today": "integer",
            "collected_today": "integer",
        },
    ),
    # Users of the Wi-Fi by network name and by radio, once a minute; `grouping` is `ssid` or `radio`.
    "client_state": (RAW, ("city", "kelurahan", "grouping", "name"), {"clients": "integer"}),
    # Users of the Wi-Fi with the most traffic since local midnight, every five minutes; `client` is a short code.
    "top_client": (
        RAW,
        ("city", "rank"),
        {"client": "text", "bytes": "integer", "sessions": "integer", "hotspot": "text"},
    ),
    # How ingest does, every ten seconds: counts since the last point, and figures of the moment.
    "platform": (
        RAW,
        ("city", "service"),
        {
            "received": "integer",
            "stored": "integer",
            "duplicates": "integer",
            "dead": "integer",
            "journal_depth": "integer",
            "journal_bytes": "integer",
            "lag_s": "number",
            "live_lag_s": "number",
            "newest_at": "integer",
            "connected": "flag",
            "store_ok": "flag",
            "journal_ok": "flag",
            "dead_letters_waiting": "integer",
            "alarms": "integer",
            "devices": "integer",
            "devices_silent": "integer",
            "rollup_waiting": "integer",
        },
    ),
    # One point a case, at the time it was raised, written again when it changes.
    "dumping_case": (
        EVENTS,
        ("city", "kelurahan", "site", "device", "hour"),
        {
            "case": "text",
            "state": "text",
            "verdict": "text",
            "open": "flag",
            "waiting": "flag",
            "confirmed": "flag",
            "rejected": "flag",
            "why": "text",
            "outside": "flag",
            "inside": "flag",
            "hours": "text",
            "site_name": "text",
            "since": "integer",
            "raised": "integer",
            "cleared": "integer",
            "picture": "text",
            "page": "text",
        },
    ),
}
"""Measurement to its retention class, tags and fields."""


def numeric_fields(kind: Kind) -> tuple[str, ...]:
    """The fields of a kind that a rollup keeps: numbers, integers and flags."""
    return tuple(field for field, type_ in COLUMNS[kind].items() if type_ != "text")
