"""RADIUS accounting: sessions of hotspot users, posted or published by FreeRADIUS as JSON.

Topic `radius/{NAS}/accounting`. Attributes are plain values, or `{"type": ..., "value": [...]}` as rlm_rest writes.
Octets wrap at 2^32 and Gigawords count the wraps. Input is traffic from the user. Users, their MAC addresses and
session ids become keyed hashes.
Source: RFC 2866, RFC 2869 section 5.1 and 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from broker.contract.payloads import Rejected
from city.errors import PayloadError
from city.inventory.addresses import normal_mac
from ingest.decoding.formats.parsing import each_object, parse_any_time, parse_number, text_at, without_none
from ingest.decoding.formats.port import Adapter, AdapterEvent, ConnectivityReport, DeviceReport, Hint, Personal
from ingest.decoding.formats.wifi import parse_count

GIGAWORD: Final = 1 << 32
_STATES: Final = {"start": "raised", "interim-update": "noted", "alive": "noted", "stop": "cleared"}
_NUMBERS: Final = {"1": "start", "2": "stop", "3": "interim-update", "7": "accounting-on", "8": "accounting-off"}
_MAC_AND_SSID: Final = re.compile(
    r"(?i)((?:[0-9a-f]{2}[:-]?){5}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})(?::(.*))?", re.DOTALL
)
_SPELLINGS: Final = ("%b %d %Y %H:%M:%S %Z", "%b %d %Y %H:%M:%S")
_USERS: Final = (
    *("User-Name", "Stripped-User-Name", "Calling-Station-Id", "Chargeable-User-Identity", "Mikrotik-Host-IP"),
    *("Framed-IP-Address", "Framed-IPv6-Address", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix"),
)


class Radius:
    """Sessions become events of the access point or gateway that serves them."""

    name = "radius"
    filters = ("radius/+/accounting",)
    precedence = 0
    personal_keys: tuple[str, ...] = (*_USERS, *(name.replace("-", "_") for name in _USERS))
    lists_clients = True
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return len(levels) == 3 and levels[0] == "radius" and levels[2] == "accounting"  # noqa: PLR2004 - with the NAS

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport | Rejected]:
        """One event per accounting request.

        Raises:
            PayloadError: Not accounting, or of an unknown type.
        """
        nas = topic.split("/")[1]

        def report(record: dict[str, Any], _number: int) -> Iterator[DeviceReport]:
            yield _request(nas, {_spelling(name): _plain(value) for name, value in record.items()})

        return each_object(payload, report)


def _spelling(name: str) -> str:
    """An attribute's name in one spelling: databases and scripts write `acct_status_type`."""
    return name.replace("_", "-").lower()


def _plain(value: object) -> object:
    """An attribute's value, unwrapped from rlm_rest's form."""
    if isinstance(value, dict) and "value" in value:
        value = value["value"]
    return value[0] if isinstance(value, list) and value else value


def _request(nas: str, body: Mapping[str, Any]) -> DeviceReport:
    status_type = text_at(body, "acct-status-type").lower()
    sort = _NUMBERS.get(status_type, status_type)
    names = _names(nas, body)
    at = _time(body)
    if sort in ("accounting-on", "accounting-off"):
        connectivity = ConnectivityReport("online") if sort.endswith("on") else ConnectivityReport("offline", "stop")
        return DeviceReport(names=names, at=at, key=f"{sort}/{nas}".encode(), connectivity=connectivity)
    if sort not in _STATES:
        raise PayloadError(f"`Acct-Status-Type` is {status_type or None!r}, not one of Start, Interim-Update, Stop")
    session = text_at(body, "acct-unique-session-id") or f"{names[0]}/{text_at(body, 'acct-session-id')}"
    detail = without_none(
        session=Personal(session, is_stable=True),
        client=_client(body),
        ssid=_called_station(body)[1],
        duration_s=parse_count(body.get("acct-session-time")),
        upload_bytes=_octets(body, "input"),
        download_bytes=_octets(body, "output"),
        cause=text_at(body, "acct-terminate-cause") or None,
    )
    key = f"{session}/{sort}/{text_at(body, 'acct-session-time')}".encode()
    event = AdapterEvent("session", _STATES[sort], detail)  # type: ignore[arg-type]
    return DeviceReport(names=names, at=at, key=key, events=(event,), hint=Hint(label=text_at(body, "nas-identifier")))


def _names(nas: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    called, _ = _called_station(body)
    names = (text_at(body, "nas-identifier"), called, text_at(body, "nas-ip-address"), nas)
    return tuple(dict.fromkeys(name for name in names if name))


def _client(body: Mapping[str, Any]) -> Personal | None:
    who = text_at(body, "calling-station-id") or text_at(body, "user-name")
    return Personal(normal_mac(who)) if who else None


def _called_station(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """MAC address and SSID out of Called-Station-Id: a MAC address in any spelling, a colon and the SSID."""
    text = text_at(body, "called-station-id")
    match = _MAC_AND_SSID.fullmatch(text)
    return (normal_mac(match[1]), match[2] or None) if match else (text, None)


def _octets(body: Mapping[str, Any], direction: str) -> int | None:
    low = parse_count(body.get(f"acct-{direction}-octets"))
    high = parse_count(body.get(f"acct-{direction}-gigawords"))
    return None if low is None else low + (high or 0) * GIGAWORD


def _time(body: Mapping[str, Any]) -> datetime | None:
    """The event's own time, else that of the request minus its delay."""
    stamp = body.get("event-timestamp")
    at = _spelt(stamp) or parse_any_time(stamp)
    if at is not None:
        return at
    sent = parse_any_time(body.get("timestamp"))
    delay_s = parse_number(body.get("acct-delay-time")) or 0.0
    return sent - timedelta(seconds=min(max(delay_s, 0.0), 86_400.0)) if sent else None


def _spelt(text: object) -> datetime | None:
    """Parse `Mar  5 2018 16:19:46 GMT`; another zone's name is ambiguous and counts as the city's local time."""
    if not isinstance(text, str):
        return None
    joined = " ".join(text.split())
    for spelling in _SPELLINGS:
        for words in (joined, joined.rpartition(" ")[0]):
            try:
                at = datetime.strptime(words, spelling)  # noqa: DTZ007 - without a zone it is local
            except ValueError:
                continue
            return at.replace(tzinfo=UTC) if joined.endswith(("GMT", "UTC")) else at.replace(tzinfo=None)
    return None


ADAPTER: Final[Adapter] = Radius()
