"""Who may publish and subscribe what; the embedded broker asks here, and Mosquitto's rules follow the same table."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from broker.contract.topics import (
    DOWN_CHANNELS,
    KINDS,
    PREFIX,
    UP_CHANNELS,
    Channel,
    Kind,
    is_native,
    may_publish,
    may_subscribe,
    subscription,
)

Rule = Callable[[str], bool]


class Accounts:
    """Users of one city's bus: its devices by id, and the services; nobody else, nobody without a password.

    Args:
        city: The city's id.
        devices: Device id to kind, from the inventory.
        password_of: The password of a user.
        demo: Whether the `simulator` account, which may speak for every device, exists.
    """

    def __init__(
        self, city: str, devices: Mapping[str, Kind], password_of: Callable[[str], str], *, demo: bool
    ) -> None:
        """Keep the table; passwords are derived when asked for."""
        self._devices = devices
        self._password_of = password_of
        up = _channels(city, UP_CHANNELS)
        down = _channels(city, DOWN_CHANNELS)
        self._publish: dict[str, Rule] = {
            "ingest": lambda topic: _matches(topic, _channels(city, ("receipt",))),
            "gateway": lambda topic: not is_native(topic) and not topic.startswith("$"),
        }
        self._subscribe: dict[str, Rule] = {
            "ingest": lambda topic_filter: topic_filter in up or not is_native(topic_filter),
            "gateway": lambda _: False,
        }
        if demo:
            self._publish["simulator"] = lambda topic: _matches(topic, up)
            self._subscribe["simulator"] = lambda topic_filter: topic_filter in down

    def authenticate(self, user: str | None, password: str | None) -> bool:
        """Whether this user exists and this is its password; compared in constant time."""
        if not user or not password or (user not in self._devices and user not in self._publish):
            return False
        return hmac.compare_digest(self._password_of(user).encode(), password.encode())

    def may_publish(self, user: str, topic: str) -> bool:
        """Whether a user may publish to a topic."""
        rule = self._publish.get(user)
        return rule(topic) if rule else self._is_own(user, topic) and may_publish(user, topic)

    def may_subscribe(self, user: str, topic_filter: str) -> bool:
        """Whether a user may subscribe to a filter, wildcards included."""
        rule = self._subscribe.get(user)
        return rule(topic_filter) if rule else self._is_own(user, topic_filter) and may_subscribe(user, topic_filter)

    def _is_own(self, user: str, topic: str) -> bool:
        kind = self._devices.get(user)
        return kind is not None and topic.startswith(f"{PREFIX}/") and topic.split("/")[3] == kind


def _channels(city: str, channels: tuple[Channel, ...]) -> frozenset[str]:
    return frozenset(subscription(channel, city=city) for channel in channels)


def _matches(topic: str, filters: frozenset[str]) -> bool:
    """Whether a concrete topic lies under one of our own filters (six segments, `+` for kind and device)."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[3] not in KINDS:  # noqa: PLR2004 - the contract's six segments
        return False
    return "/".join((*parts[:3], "+", "+", parts[5])) in filters
