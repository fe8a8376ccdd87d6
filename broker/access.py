"""Who may publish and subscribe what on a city's bus: one table, for the embedded broker and for Mosquitto."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from broker.contract.topics import DOWN_CHANNELS, ROOT, UP_CHANNELS, Channel, Kind, Topic, covers, subscription

_EVERYTHING: Final = "#"
_OURS: Final = f"{ROOT}/#"


class Rights(NamedTuple):
    """What an account may do, as filters of topics.

    `never` takes back a part of `writes`; an account that has it reads nothing, because Mosquitto's `deny` would forbid
    reading there as well.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def rights_table(city: str, devices: Mapping[str, Kind], *, demo: bool) -> dict[str, Rights]:
    """Every account of a city with its rights; who is not in it may do nothing.

    Args:
        city: The city's id.
        devices: Device id to kind, from the inventory.
        demo: Whether the `simulator` account, which may speak for every device, exists.
    """
    table = {id_: _device_rights(city, kind, id_) for id_, kind in devices.items()}
    # Mosquitto looks first at what is denied: "nothing of ours but the up channels, and all else" cannot be said to it.
    table["ingest"] = Rights(reads=(_EVERYTHING,), writes=_of_all_devices(city, ("receipt",)))
    table["gateway"] = Rights(writes=(_EVERYTHING,), never=(_OURS,))
    if demo:
        table["simulator"] = Rights(_of_all_devices(city, DOWN_CHANNELS), _of_all_devices(city, UP_CHANNELS))
    return table


def _device_rights(city: str, kind: Kind, device: str) -> Rights:
    def own(channels: tuple[Channel, ...]) -> tuple[str, ...]:
        return tuple(str(Topic(city, kind, device, channel)) for channel in channels)

    return Rights(reads=own(DOWN_CHANNELS), writes=own(UP_CHANNELS))


def _of_all_devices(city: str, channels: tuple[Channel, ...]) -> tuple[str, ...]:
    return tuple(subscription(channel, city=city) for channel in channels)


class Accounts:
    """Users of one city's bus: its devices by id, and the services; nobody else, nobody without a password.

    Args:
        rights: The table as it is now: devices are taken in and forgotten while the city runs.
        password_of: The password of a user.
    """

    def __init__(self, rights: Callable[[], Mapping[str, Rights]], password_of: Callable[[str], str]) -> None:
        """Keep where the table is; passwords are derived when asked for."""
        self.rights = rights
        self.password_of = password_of

    def authenticate(self, user: str | None, password: str | None) -> bool:
        """Whether this user exists and this is its password; compared in constant time."""
        if not user or not password or user not in self.rights():
            return False
        return hmac.compare_digest(self.password_of(user).encode(), password.encode())

    def may_publish(self, user: str, topic: str) -> bool:
        """Whether a user may publish to a topic, which has no wildcards."""
        rights = self.rights().get(user, Rights())
        if "+" in topic or "#" in topic or _any_covers(rights.never, topic):
            return False
        return _any_covers(rights.writes, topic)

    def may_subscribe(self, user: str, topic_filter: str) -> bool:
        """Whether a user may subscribe to a filter, wildcards included."""
        return _any_covers(self.rights().get(user, Rights()).reads, topic_filter)


def _any_covers(filters: tuple[str, ...], topic: str) -> bool:
    return any(covers(one, topic) for one in filters)
