"""OwnTracks: locations of phones and of trackers in trucks, with vehicle data of trackers.

Topic `owntracks/{user}/{device}` carries several message types, distinguished by `_type`. Some omit zeros.
Source: OwnTracks booklet, "JSON".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.parsing import (
    is_coarse,
    json_object,
    parse_epoch,
    parse_flag,
    parse_number,
    position,
    text_at,
    without_none,
)
from ingest.decoding.formats.port import Adapter, AdapterEvent, ConnectivityReport, DeviceReport, Hint
from ingest.store.records import QUALITY_NO_FIX

_SEGMENTS: Final = 3
_SILENT: Final = frozenset(
    {
        *("transition", "waypoint", "waypoints", "card", "cmd", "configuration", "dump", "steps"),
        *("status", "request", "beacon"),
    }
)
_UNKNOWN: Final = -1
_TRIGGERS: Final = {
    "e": AdapterEvent("power_cut", "raised"),
    "E": AdapterEvent("power_cut", "cleared"),
    "9": AdapterEvent("low_battery", "noted"),
    "s": AdapterEvent("overspeed", "noted"),
    "!": AdapterEvent("tow", "noted"),
}
"""Trigger of a vehicle tracker to event: external power off and on, battery low, speed, moved while off."""
_HARSH: Final = {"1": "harsh_acceleration", "4": "harsh_acceleration", "2": "harsh_cornering", "5": "harsh_cornering"}


class OwnTracks:
    """Locations become readings, a last will becomes a connectivity report; other types are ignored."""

    name = "owntracks"
    filters = ("owntracks/+/+",)
    precedence = 0
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset({"power_cut", "tow"})

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a device's."""
        return len(levels) == _SEGMENTS and levels[0] == "owntracks"

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One reading per location.

        Raises:
            PayloadError: Not OwnTracks JSON, or a location without position or time.
        """
        if not payload:
            return []  # how a retained location is deleted
        body = json_object(payload)
        sort = body.get("_type")
        names = (topic.removeprefix("owntracks/"),)
        if sort == "lwt":
            return [DeviceReport(names=names, at=None, key=payload, connectivity=ConnectivityReport("offline", "lost"))]
        if isinstance(sort, str) and sort in _SILENT:
            return []
        if sort == "encrypted":
            raise PayloadError("encrypted, and nobody here has the key: take it out of the app, and use TLS on the way")
        if sort != "location":
            raise PayloadError(f"`_type` is {sort!r}, not one that OwnTracks sends")
        return [_location(names, body, payload)]


def _location(names: tuple[str, ...], body: Mapping[str, Any], payload: bytes) -> DeviceReport:
    at = parse_epoch(body.get("tst"))
    if at is None:
        raise PayloadError(f"a location without a time: `tst` is {body.get('tst')!r}")
    place = position(body.get("lat"), body.get("lon"))
    if not place:
        raise PayloadError(f"a location without a position: lat {body.get('lat')!r}, lon {body.get('lon')!r}")
    coarse = is_coarse(body.get("acc"))
    return DeviceReport(
        names=names,
        at=at,
        key=payload,
        known={**({} if coarse else place), **_vehicle(body)},
        fields=body,
        quality=(QUALITY_NO_FIX,) if coarse else (),
        events=tuple(_events(body)),
        hint=Hint(label=text_at(body, "tid"), place=place),
    )


def _events(body: Mapping[str, Any]) -> Iterator[AdapterEvent]:
    trigger = text_at(body, "t")
    if trigger in _TRIGGERS:
        yield _TRIGGERS[trigger]
    elif trigger == "h":
        yield AdapterEvent(_HARSH.get(text_at(body, "rty"), "harsh_braking"), "noted")
    tow = parse_flag(body.get("tow"))
    if tow is not None:
        yield AdapterEvent("tow", "raised" if tow else "cleared")


def _vehicle(body: Mapping[str, Any]) -> dict[str, Any]:
    switched = {"i": True, "I": False}.get(text_at(body, "t"))
    ignition = parse_flag(body.get("ign"))
    return without_none(
        speed_kmh=_number(body, "vel"),
        heading_deg=_number(body, "cog"),
        battery_pct=_number(body, "batt"),
        ignition=ignition if ignition is not None else switched,
        odometer_km=_number(body, "odometer"),
        fuel_pct=_number(body, "flvl"),
        power_v=_number(body, "uext"),
        battery_v=_number(body, "ubatt"),
        engine_h=None if (seconds := _number(body, "hmc")) is None else round(seconds / 3600, 4),
        engine_rpm=_number(body, "rpm"),
        satellites=None if (seen := _number(body, "sat")) is None else int(seen),
    )


def _number(body: Mapping[str, Any], key: str) -> float | None:
    number = parse_number(body.get(key))
    return None if number == _UNKNOWN else number


ADAPTER: Final[Adapter] = OwnTracks()
