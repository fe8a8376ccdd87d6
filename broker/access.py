"""Access rights on a city's bus: one table of accounts, for the embedded broker and for Mosquitto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from broker.contract.topics import (
    DOWN_CHANNELS,
    PLATFORM_ROOT,
    ROOT,
    UP_CHANNELS,
    Channel,
    Kind,
    Topic,
    canary_topic,
    subscription,
)

SIMULATORS: Final = ("simulator", "simulator-2", "simulator-3", "simulator-4")
"""Accounts of a demo that may publish for every device; chaos runs use several at once."""
CONNECTIONS_OF_A_GATEWAY: Final = 10

_EVERYTHING: Final = "#"


class Rights(NamedTuple):
    """Rights of an account: topic filters to read and to write, and whether it is a third-party server (gateway).

    A gateway may use any client id that is no account's, hold several connections and send larger messages
    (`GATEWAY_PAYLOAD_BYTES`). Any other account connects under its own name as client id only.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    is_gateway: bool = False


def rights_table(
    city: str,
    devices: Mapping[str, Kind],
    *,
    demo: bool,
    gateways: Mapping[str, Sequence[str]] = {},
    own_foreign: Mapping[str, Sequence[str]] = {},
) -> dict[str, Rights]:
    """Every account of a city with its rights; an account that is absent has none.

    Args:
        city: The city's id.
        devices: Device id to kind, from the inventory.
        demo: Whether the accounts `SIMULATORS`, which may publish for every device, exist.
        own_foreign: Device id to filters of third-party topics that name it, for devices that use such a format.
        gateways: Accounts of third-party servers, with the topic filters that each may publish to.
    """
    table = {name: _gateway_rights(filters) for name, filters in gateways.items()}
    table |= {id_: _device_rights(city, kind, id_, own_foreign.get(id_, ())) for id_, kind in devices.items()}
    table["ingest"] = Rights((_EVERYTHING,), (*_of_all_devices(city, ("receipt",)), canary_topic(city)))
    if demo:
        both = Rights(_of_all_devices(city, DOWN_CHANNELS), _of_all_devices(city, UP_CHANNELS))
        table |= dict.fromkeys(SIMULATORS, both)
    return table


def _device_rights(city: str, kind: Kind, device: str, foreign: Sequence[str]) -> Rights:
    def own(channels: tuple[Channel, ...]) -> tuple[str, ...]:
        return tuple(str(Topic(city, kind, device, channel)) for channel in channels)

    return Rights(reads=own(DOWN_CHANNELS), writes=(*own(UP_CHANNELS), *_outside_contract(foreign)))


def _gateway_rights(filters: Sequence[str]) -> Rights:
    return Rights((), _outside_contract(filters), is_gateway=True)


def _outside_contract(filters: Sequence[str]) -> tuple[str, ...]:
    """Filters outside the contract's topics and the platform's."""
    return tuple(topic_filter for topic_filter in filters if topic_filter.split("/")[0] not in (ROOT, PLATFORM_ROOT))


def _of_all_devices(city: str, channels: tuple[Channel, ...]) -> tuple[str, ...]:
    return tuple(subscription(channel, city=city) for channel in channels)
