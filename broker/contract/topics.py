"""Topics of the bus as a two-way codec: build, parse, subscribe and compare."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, get_args

import msgspec

from city.errors import TopicError

Kind = Literal["bin", "truck", "ap", "camera"]
Channel = Literal["telemetry", "event", "status", "receipt", "command"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
UP_CHANNELS: Final[tuple[Channel, ...]] = ("telemetry", "event", "status")
DOWN_CHANNELS: Final[tuple[Channel, ...]] = ("receipt", "command")
RETAINED_CHANNELS: Final[frozenset[Channel]] = frozenset({"status"})

ROOT: Final = "kota"
PREFIX: Final = f"{ROOT}/v1"
PLATFORM_ROOT: Final = f"${ROOT}"
"""First level of messages that the platform journals itself. MQTT's `#` and `+` do not match a `$`."""
_REFUSED: Final = f"{ROOT}/bus/"
_NATIVE: Final = f"{ROOT}/"
ID_PATTERN: Final = r"[a-z0-9][a-z0-9-]{0,62}"
TOPICS_REMEMBERED: Final = 16_384
_ID = re.compile(ID_PATTERN)
_SEGMENTS: Final = 6


class Topic(msgspec.Struct, frozen=True):
    """One topic of the bus, `kota/v1/{city}/{kind}/{device}/{channel}`; its parts are always valid."""

    city: str
    kind: Kind
    device: str
    channel: Channel

    def __post_init__(self) -> None:
        """Validate the parts.

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
        """The topic as text."""
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
    """Parse a topic of the contract; cached, because a city has few topics.

    Raises:
        TopicError: Any other topic, including wildcards and other prefixes.
    """
    if topic.startswith(_REFUSED):
        raise TopicError(f"topics below {PLATFORM_ROOT}/ are the platform's own; no message from the bus may have one")
    parts = topic.split("/")
    if len(parts) != _SEGMENTS or f"{parts[0]}/{parts[1]}" != PREFIX:
        raise TopicError(f"{topic!r} is not {PREFIX}/{{city}}/{{kind}}/{{device}}/{{channel}}")
    _, _, city, kind, device, channel = parts
    return Topic(city=city, kind=kind, device=device, channel=channel)  # type: ignore[arg-type]


def is_native(topic: str) -> bool:
    """Whether a topic is in the contract's own space, valid or not."""
    return topic.startswith(_NATIVE)


def is_platforms(topic: str) -> bool:
    """Whether a topic is the platform's own: only our processes write such messages, into the journal."""
    return topic.partition("/")[0] == PLATFORM_ROOT


def topic_from_bus(topic: str) -> str:
    """The topic under which a message from the network is journaled; every reader calls this for every message.

    A topic that claims to be the platform's own becomes one that nobody reads, so that the message is a dead letter,
    also when it is replayed. Every other topic is unchanged.
    """
    return f"{_REFUSED}{topic}" if is_platforms(topic) else topic


def review_topic(city: str, camera: str) -> str:
    """Topic under which the API journals a verdict on a camera's case."""
    return f"{PLATFORM_ROOT}/v1/{city}/camera/{camera}/review"


def parse_review_topic(topic: str) -> tuple[str, str]:
    """City and camera of a verdict's topic.

    Raises:
        TopicError: It is another topic.
    """
    parts = topic.split("/")
    if len(parts) == _SEGMENTS:
        city, camera = require_id(parts[2], "city"), require_id(parts[4], "camera")
        if topic == review_topic(city, camera):
            return city, camera
    raise TopicError(f"{topic!r} is not {review_topic('{city}', '{camera}')}")


def crew_topic(city: str, truck: str) -> str:
    """Topic under which the API journals what a truck's crew reports by telephone."""
    return f"{PLATFORM_ROOT}/v1/{city}/truck/{truck}/crew"


def parse_crew_topic(topic: str) -> tuple[str, str]:
    """City and truck of a crew's topic.

    Raises:
        TopicError: It is another topic.
    """
    parts = topic.split("/")
    if len(parts) == _SEGMENTS:
        city, truck = require_id(parts[2], "city"), require_id(parts[4], "truck")
        if topic == crew_topic(city, truck):
            return city, truck
    raise TopicError(f"{topic!r} is not {crew_topic('{city}', '{truck}')}")


def is_crews(topic: str) -> bool:
    """Whether a topic of the platform is one of a truck's crew."""
    return topic.endswith("/crew")


def subscription(channel: Channel, *, city: str = "+", kind: Kind | Literal["+"] = "+", device: str = "+") -> str:
    """The topic filter for one channel; `+` leaves a part open."""
    return f"{PREFIX}/{city}/{kind}/{device}/{channel}"


def canary_topic(city: str) -> str:
    """Topic of ingest's canary: no device may publish there, and its messages are not stored."""
    return f"{ROOT}/canary/{city}"


def covers(outer: str, inner: str) -> bool:
    """Whether a filter matches every topic that another one matches; `inner` may be a plain topic.

    MQTT's rules: `a/#` matches `a` too, and no wildcard matches a first level that begins with `$`.
    """
    if inner.startswith("$") and not outer.startswith("$"):
        return False
    outer_levels, inner_levels = outer.split("/"), inner.split("/")
    for depth, level in enumerate(outer_levels):
        if level == "#":
            return True
        if depth >= len(inner_levels) or inner_levels[depth] == "#" or level not in ("+", inner_levels[depth]):
            return False
    return len(outer_levels) == len(inner_levels)
