"""Teltonika trackers with Codec JSON over MQTT: AVL ids as keys, position as one text.

Topic `{IMEI}/data`, `teltonika/{IMEI}/data`, or either below others (`{realm}/{user}/teltonika/{IMEI}/data`).
Source: Teltonika, "Codec JSON" and the AVL ids of FMB firmware.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from broker.contract.payloads import Rejected
from city.errors import PayloadError
from ingest.decoding.formats.parsing import (
    check_elements,
    content_key,
    element_reports,
    json_value,
    parse_epoch,
    parse_flag,
    parse_number,
    position,
    text_at,
    without_none,
)
from ingest.decoding.formats.port import Adapter, AdapterEvent, DeviceReport, Hint
from ingest.store.records import QUALITY_NO_FIX

_IMEI_DIGITS: Final = range(14, 18)
PANIC: Final = 2
_IGNITION, _ODOMETER_M, _POWER_MV, _BATTERY_MV, _BATTERY_PCT = "239", "16", "66", "67", "113"
_HDOP_TENTHS, _RPM, _FUEL_PCT, _FUEL_USED_ML = "182", "85", "89", "12"
_LEVEL_KEYS: Final = {"252": "power_cut", "249": "jamming", "246": "tow"}
_HARSH: Final = {1: "harsh_acceleration", 2: "harsh_braking", 3: "harsh_cornering"}
_HARSH_ID: Final = "253"
_MOMENTARY_KEYS: Final = {"236": "panic", "255": "overspeed"}
"""AVL ids that are events only in the record they triggered: later records repeat the value."""


class Teltonika:
    """Each record becomes a reading."""

    name = "teltonika"
    filters = ("+/data", "+/+/data", "+/+/+/+/data")
    precedence = 1
    personal_keys: tuple[str, ...] = ("78", "207", "403", "406")
    lists_clients = False
    level_events: frozenset[str] = frozenset(_LEVEL_KEYS.values())

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a tracker's: its IMEI before `data`."""
        imei = levels[-2] if len(levels) > 1 else ""
        return levels[-1] == "data" and imei.isdigit() and len(imei) in _IMEI_DIGITS

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport | Rejected]:
        """One reading per record; a record without `ts` is rejected.

        Raises:
            PayloadError: Not Codec JSON.
        """
        imei = topic.split("/")[-2]
        value = json_value(payload)
        if not isinstance(value, dict | list):
            raise PayloadError("neither an object nor an array")
        bodies = value if isinstance(value, list) else [value]
        records = check_elements([record for body in bodies for record in _records(body)])
        if not records:
            raise PayloadError("no `state.reported`: is the tracker's data protocol Codec JSON?")

        def report(record: dict[str, Any], number: int) -> Iterator[DeviceReport]:
            yield _record(imei, record, number)

        if len(records) == 1 and isinstance(records[0], dict):
            return list(report(records[0], 0))
        return [made for number, record in enumerate(records) for made in element_reports(record, number, report)]


def _records(body: object) -> Sequence[object]:
    """The records of a shadow document, or a bare record; what is neither, as it is."""
    if not isinstance(body, dict):
        return [body]
    state = body.get("state")
    reported = state.get("reported") if isinstance(state, dict) else body if "ts" in body else []
    return reported if isinstance(reported, list) else [reported]


def _record(imei: str, record: Mapping[str, Any], number: int) -> DeviceReport:
    at = parse_epoch(record.get("ts"))
    if at is None:
        raise PayloadError(f"a record without a time: `ts` is {record.get('ts')!r}")
    lat, _, lon = text_at(record, "latlng").partition(",")
    place = position(lat, lon)
    # Without satellites it is the last position, or none at all.
    seen = parse_number(record.get("sat"))
    has_fix = bool(place) and seen != 0
    return DeviceReport(
        names=(imei,),
        at=at,
        key=content_key(record),
        number=number,
        known={**(_fix(place, record) if has_fix else {}), **_vehicle(record)},
        fields=record,
        quality=() if has_fix or "latlng" not in record else (QUALITY_NO_FIX,),
        events=tuple(_events(record)),
        hint=Hint(model="teltonika", place=place if has_fix else {}),
    )


def _fix(place: dict[str, float], record: Mapping[str, Any]) -> dict[str, Any]:
    hdop = parse_number(record.get(_HDOP_TENTHS))
    return {
        **place,
        **without_none(
            speed_kmh=parse_number(record.get("sp")),
            heading_deg=parse_number(record.get("ang")),
            hdop=hdop / 10 if hdop else None,
        ),
    }


def _vehicle(record: Mapping[str, Any]) -> dict[str, Any]:
    seen = parse_number(record.get("sat"))
    return without_none(
        satellites=None if seen is None else int(seen),
        ignition=parse_flag(record.get(_IGNITION)),
        odometer_km=_scale(record, _ODOMETER_M, 1000),
        power_v=_scale(record, _POWER_MV, 1000),
        battery_v=_scale(record, _BATTERY_MV, 1000),
        battery_pct=_scale(record, _BATTERY_PCT, 1),
        engine_rpm=_scale(record, _RPM, 1),
        fuel_pct=_scale(record, _FUEL_PCT, 1),
        fuel_used_l=_scale(record, _FUEL_USED_ML, 1000),
    )


def _scale(record: Mapping[str, Any], key: str, divisor: float) -> float | None:
    number = parse_number(record.get(key))
    return None if number is None else number / divisor


def _events(record: Mapping[str, Any]) -> Iterator[AdapterEvent]:
    for key, type_ in _LEVEL_KEYS.items():
        raised = parse_flag(record.get(key))
        if raised is not None:
            yield AdapterEvent(type_, "raised" if raised else "cleared")
    if parse_number(record.get("pr")) == PANIC:
        yield AdapterEvent("panic", "noted")
    made_by = text_at(record, "evt")
    if made_by in _MOMENTARY_KEYS and parse_number(record.get(made_by)):
        yield AdapterEvent(_MOMENTARY_KEYS[made_by], "noted")
    harsh = parse_number(record.get(_HARSH_ID))
    if harsh in _HARSH and made_by in ("", _HARSH_ID):
        yield AdapterEvent(_HARSH[int(harsh)], "noted")


ADAPTER: Final[Adapter] = Teltonika()
