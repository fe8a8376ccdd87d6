"""The registry of adapters: which one reads a topic, and the topic filters to subscribe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from broker.contract.topics import TOPICS_REMEMBERED
from city.errors import TopicError
from ingest.decoding.adapters.axis import Axis
from ingest.decoding.adapters.chirpstack import ChirpStack
from ingest.decoding.adapters.collectd import Collectd
from ingest.decoding.adapters.fiware import Fiware
from ingest.decoding.adapters.frigate import Frigate
from ingest.decoding.adapters.loriot import Loriot
from ingest.decoding.adapters.milesight import Milesight
from ingest.decoding.adapters.netjson import NetJson
from ingest.decoding.adapters.omada import Omada
from ingest.decoding.adapters.onvif import Onvif
from ingest.decoding.adapters.owntracks import OwnTracks
from ingest.decoding.adapters.plain_json import PlainJson
from ingest.decoding.adapters.port import Adapter
from ingest.decoding.adapters.radius import Radius
from ingest.decoding.adapters.tasmota import Tasmota
from ingest.decoding.adapters.teltonika import Teltonika
from ingest.decoding.adapters.traccar import Traccar
from ingest.decoding.adapters.tts import TheThingsStack
from ingest.decoding.adapters.unifi import UniFi

ADAPTERS: Final[tuple[Adapter, ...]] = (
    TheThingsStack(),
    ChirpStack(),
    Loriot(),
    Milesight(),
    OwnTracks(),
    Traccar(),
    Teltonika(),
    Fiware(),
    Tasmota(),
    PlainJson(),
    NetJson(),
    UniFi(),
    Omada(),
    Radius(),
    Collectd(),
    Frigate(),
    Onvif(),
    Axis(),
)

FILTERS: Final = tuple(topic_filter for adapter in ADAPTERS for topic_filter in adapter.filters)


def filters_by_format() -> dict[str, tuple[str, ...]]:
    """Format name to its topic filters."""
    return {adapter.name: tuple(adapter.filters) for adapter in ADAPTERS}


@lru_cache(maxsize=TOPICS_REMEMBERED)
def adapter_for(topic: str) -> Adapter:
    """The adapter that reads a topic.

    Raises:
        TopicError: No adapter does.
    """
    levels = topic.split("/")
    for adapter in ADAPTERS:
        if adapter.claims(levels):
            return adapter
    near = [topic_filter for topic_filter in FILTERS if topic_filter.split("/")[0] == levels[0]] or FILTERS
    raise TopicError(f"no adapter reads the topic {topic!r}; known: {', '.join(near)}")


_WITH_CLIENTS: Final = frozenset({"netjson", "unifi", "omada", "radius"})
"""Formats whose messages contain addresses of clients' devices."""


_USERS: Final = (
    *("User-Name", "Stripped-User-Name", "Calling-Station-Id", "Chargeable-User-Identity", "Mikrotik-Host-IP"),
    *("Framed-IP-Address", "Framed-IPv6-Address", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix"),
)
PERSONAL_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "traccar": ("driverUniqueId", "driverName", "phone", "contact"),
    "teltonika": ("78", "207", "403", "406"),
    "radius": (*_USERS, *(name.replace("-", "_") for name in _USERS)),
    "netjson": ("client_name", "client_id", "ip"),
    "unifi": ("hostname", "user_name", "username", "ip", "last_ip", "fixed_ip", "email"),
    "omada": ("hostName", "clientName", "userName", "ip", "ipv6List", "email"),
    "frigate": ("sub_label", "sub_labels", "recognized_license_plate", "plate"),
    "onvif": ("LicensePlateInfo", "PlateNumber", "Plate", "FaceName", "UserName"),
    "axis": ("text", "plate", "plateText", "plateASCII", "userName"),
}
"""Format to the keys whose values identify people."""
_ANYBODYS: Final = tuple(key for keys in PERSONAL_KEYS.values() for key in keys)


def personal_keys(topic: str) -> tuple[str, ...]:
    """Keys whose values identify people in messages of a topic; all known keys for a topic without adapter."""
    try:
        return PERSONAL_KEYS.get(adapter_for(topic).name, ())
    except TopicError:
        return _ANYBODYS


def has_clients(topic: str) -> bool:
    """Whether messages of a topic may contain clients' addresses; True for a topic without adapter."""
    try:
        return adapter_for(topic).name in _WITH_CLIENTS
    except TopicError:
        return True
