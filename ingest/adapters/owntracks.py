"""OwnTracks: locations of phones and trackers in trucks, and what vehicle trackers add to them.

Topic `owntracks/{user}/{device}`; many sorts of message come on it, told apart by `_type`. Some leave out what is zero.
Source: OwnTracks booklet, "JSON".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from broker.contract.errors import PayloadError
from ingest.adapters.port import (
    Happening,
    Heard,
    Hint,
    Presence,
    is_coarse,
    is_true,
    json_object,
    parse_epoch,
    parse_number,
    position,
    present,
    text_at,
)
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
    "e": Happening("power_cut", "raised", lasting=True),
    "E": Happening("power_cut", "cleared", lasting=True),
    "9": Happening("low_battery", "noted"),
    "s": Happening("overspeed", "noted"),
    "!": Happening("tow", "noted"),
}
"""What made a vehicle tracker send: external power off and on, battery low, speed, moved while off."""
_HARSH: Final = {"1": "harsh_acceleration", "4": "harsh_acceleration", "2": "harsh_cornering", "5": "harsh_cornering"}


class OwnTracks:
    """Locations become readings, a last will says that a device is gone; the other sorts carry neither."""

    name = "owntracks"
    filters = ("owntracks/+/+",)

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a device's."""
        return len(levels) == _SEGMENTS and levels[0] == "owntracks"

    def decode(self, topic: str, payload: bytes) -> list[Heard]:
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
            return [Heard(names=names, at=None, key=payload, presence=Presence("offline", "lost"))]
        if isinstance(sort, str) and sort in _SILENT:
            return []
        if sort == "encrypted":
            raise PayloadError("encrypted, and nobody here has the key: take it out of the app, and use TLS on the way")
        if sort != "location":
            raise PayloadError(f"`_type` is {sort!r}, not one that OwnTracks sends")
        return [_location(names, body, payload)]


def _location(names: tuple[str, ...], body: Mapping[str, Any], payload: bytes) -> Heard:
    at = parse_epoch(body.get("tst"))
    if at is None:
        raise PayloadError(f"a location without a time: `tst` is {body.get('tst')!r}")
    place = position(body.get("lat"), body.get("lon"))
    if not place:
        raise PayloadError(f"a location without a position: lat {body.get('lat')!r}, lon {body.get('lon')!r}")
    coarse = is_coarse(body.get("acc"))
    return Heard(
        names=names,
        at=at,
        key=payload,
        known={**({} if coarse else place), **_vehicle(body)},
        fields=body,
        quality=(QUALITY_NO_FIX,) if coarse else (),
        events=tuple(_events(body)),
        hint=Hint(label=text_at(body, "tid"), place=place),
    )


def _events(body: Mapping[str, Any]) -> Iterator[Happening]:
    trigger = text_at(body, "t")
    if trigger in _TRIGGERS:
        yield _TRIGGERS[trigger]
    elif trigger == "h":
        yield Happening(_HARSH.get(text_at(body, "rty"), "harsh_braking"), "noted")
    tow = is_true(body.get("tow"))
    if tow is not None:
        yield Happening("tow", "raised" if tow else "cleared", lasting=True)


def _vehicle(body: Mapping[str, Any]) -> dict[str, Any]:
    switched = {"i": True, "I": False}.get(text_at(body, "t"))
    ignition = is_true(body.get("ign"))
    return present(
        speed_kmh=_measured(body, "vel"),
        heading_deg=_measured(body, "cog"),
        battery_pct=_measured(body, "batt"),
        ignition=ignition if ignition is not None else switched,
        odometer_km=_measured(body, "odometer"),
        fuel_pct=_measured(body, "flvl"),
        power_v=_measured(body, "uext"),
        battery_v=_measured(body, "ubatt"),
        engine_h=None if (seconds := _measured(body, "hmc")) is None else round(seconds / 3600, 4),
        engine_rpm=_measured(body, "rpm"),
        satellites=None if (seen := _measured(body, "sat")) is None else int(seen),
    )


def _measured(body: Mapping[str, Any], key: str) -> float | None:
    number = parse_number(body.get(key))
    return None if number == _UNKNOWN else number
