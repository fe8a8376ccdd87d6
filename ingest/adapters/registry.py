"""All adapters in one place: who claims a topic, and what ingest has to subscribe."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from broker.contract.errors import TopicError
from broker.contract.topics import TOPICS_REMEMBERED
from ingest.adapters.axis import Axis
from ingest.adapters.chirpstack import ChirpStack
from ingest.adapters.collectd import Collectd
from ingest.adapters.fiware import Fiware
from ingest.adapters.frigate import Frigate
from ingest.adapters.loriot import Loriot
from ingest.adapters.milesight import Milesight
from ingest.adapters.netjson import NetJson
from ingest.adapters.omada import Omada
from ingest.adapters.onvif import Onvif
from ingest.adapters.owntracks import OwnTracks
from ingest.adapters.plain_json import PlainJson
from ingest.adapters.port import Adapter
from ingest.adapters.radius import Radius
from ingest.adapters.tasmota import Tasmota
from ingest.adapters.teltonika import Teltonika
from ingest.adapters.traccar import Traccar
from ingest.adapters.tts import TheThingsStack
from ingest.adapters.unifi import UniFi

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


@lru_cache(maxsize=TOPICS_REMEMBERED)
def adapter_for(topic: str) -> Adapter:
    """The adapter that reads a topic.

    Raises:
        TopicError: None does.
    """
    levels = topic.split("/")
    for adapter in ADAPTERS:
        if adapter.claims(levels):
            return adapter
    near = [one for one in FILTERS if one.split("/")[0] == levels[0]] or FILTERS
    raise TopicError(f"no adapter reads the topic {topic!r}; known: {', '.join(near)}")


_WITH_CLIENTS: Final = frozenset({"netjson", "unifi", "omada", "radius"})
"""Formats whose messages name the devices of people."""


def has_clients(topic: str) -> bool:
    """Whether messages of a topic may name the devices of people; those nobody reads may, too."""
    try:
        return adapter_for(topic).name in _WITH_CLIENTS
    except TopicError:
        return True
