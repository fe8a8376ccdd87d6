"""Topics of the bus as a two-way codec: build, parse, subscribe and access rules from one definition."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, get_args

import msgspec

from broker.contract.errors import TopicError

Kind = Literal["bin", "truck", "ap", "camera"]
Channel = Literal["telemetry", "event", "status", "receipt", "command"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
UP_CHANNELS: Final[tuple[Channel, ...]] = ("telemetry", "event", "status")
DOWN_CHANNELS: Final[tuple[Channel, ...]] = ("receipt", "command")
RETAINED_CHANNELS: Final[frozenset[Channel]] = frozenset({"status"})

PREFIX: Final = "kota/v1"
ID_PATTERN: Final = r"[a-z0-9][a-z0-9-]{0,62}"
TOPICS_REMEMBERED: Final = 16_384
_ID = re.compile(ID_PATTERN)
_SEGMENTS: Final = 6


class Topic(msgspec.Struct, frozen=True):
    """One address on the bus, `kota/v1/{city}/{kind}/{device}/{channel}`; its parts are always valid."""

    city: str
    kind: Kind
    device: str
    channel: Channel

    def __post_init__(self) -> None:
        """Refuse parts that would not survive a round trip through the wire.

        Raises:
            TopicError: A part is not an id, a kind or a channel.
        """
        require_id(self.city, "city")
        require_id(self.device, "device")
        if self.kind not in KINDS:
            raise TopicError(f"kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.channel not in CHANNELS:
            raise TopicError(f"channel {self.channel!r} is not one of {', '.join(CHANNELS)}")

    def __str__(self) -> str:
        """The topic as it goes over the wire."""
        return f"{PREFIX}/{self.city}/{self.kind}/{self.device}/{self.channel}"


def require_id(text: str, role: str) -> str:
    """Return `text` when it is an id of the contract.

    Raises:
        TopicError: It is not; the message names the role.
    """
    if not _ID.fullmatch(text):
        raise TopicError(f"{role} {text!r} is not an id: {ID_PATTERN}")
    return text


@lru_cache(maxsize=TOPICS_REMEMBERED)
def parse_topic(topic: str) -> Topic:
    """Parse a topic of the contract; a city has few topics and each comes often, so they are remembered.

    Raises:
        TopicError: Anything else, wildcards and foreign prefixes included.
    """
    parts = topic.split("/")
    if len(parts) != _SEGMENTS or f"{parts[0]}/{parts[1]}" != PREFIX:
        raise TopicError(f"{topic!r} is not {PREFIX}/{{city}}/{{kind}}/{{device}}/{{channel}}")
    _, _, city, kind, device, channel = parts
    return Topic(city=city, kind=kind, device=device, channel=channel)  # type: ignore[arg-type]


def is_native(topic: str) -> bool:
    """Whether a topic lies in the contract's own space, well formed or not."""
    return topic.startswith("kota/")


def subscription(channel: Channel, *, city: str = "+", kind: Kind | Literal["+"] = "+", device: str = "+") -> str:
    """The filter for one channel; `+` leaves a part open."""
    return f"{PREFIX}/{city}/{kind}/{device}/{channel}"


def may_publish(device: str, topic: str) -> bool:
    """Whether a device may publish to a topic: its own up channels only."""
    try:
        parsed = parse_topic(topic)
    except TopicError:
        return False
    return parsed.device == device and parsed.channel in UP_CHANNELS


def may_subscribe(device: str, topic_filter: str) -> bool:
    """Whether a device may subscribe to a filter: its own down channels, no wildcard in its own id."""
    parts = topic_filter.split("/")
    if len(parts) != _SEGMENTS or f"{parts[0]}/{parts[1]}" != PREFIX:
        return False
    return parts[4] == device and (parts[5] in DOWN_CHANNELS)
