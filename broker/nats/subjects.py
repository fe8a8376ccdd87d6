"""MQTT topics as nats-server writes them: levels become tokens, `/` becomes `.`.

Source: NATS documentation, "MQTT topics and NATS subjects": an empty level is the token `/`, a dot inside a level is
`//`, `+` is `*` and `#` is `>`; white space cannot be carried.
"""

from __future__ import annotations

import re
from typing import Final

from city.errors import TopicError

MESSAGES: Final = "$MQTT.msgs."
"""Prefix of the subjects under which nats-server stores messages of QoS 1 and 2."""

RETAINED_MESSAGES: Final = "$MQTT.rmsgs."
"""Prefix of the subjects under which it stores retained messages."""
FROM_GATEWAYS: Final = "$GATEWAYS."
"""Prefix under which the city's account receives what third-party servers publish."""

STREAM: Final = "$MQTT_msgs"
"""The stream of messages of QoS 1 and 2."""
HELD: Final = "$MQTT_qos2in"
"""The stream of QoS 2 messages that are not released yet."""
RETAINED: Final = "$MQTT_rmsgs"
"""The stream of retained messages."""

_EMPTY_LEVEL: Final = "/"
_DOT: Final = "//"
_UNCARRIED: Final = re.compile(r"[ \t\n\r\f\x7f\x00]")
_WILDCARDS: Final = {"+": "*", "#": ">"}


def subject_of(topic: str) -> str:
    """The subject of a topic or of a filter, wildcards included.

    Raises:
        TopicError: nats-server cannot carry it: it holds white space or a control character.
    """
    if _UNCARRIED.search(topic):
        raise TopicError(f"{topic!r} holds white space, which the embedded broker cannot carry")
    return ".".join(_WILDCARDS.get(level) or level.replace(".", _DOT) or _EMPTY_LEVEL for level in topic.split("/"))


def subjects_of(topic_filter: str) -> tuple[str, ...]:
    """The subjects that cover a filter: in MQTT `a/#` matches `a` as well, in NATS `a.>` does not."""
    if topic_filter.endswith("/#"):
        return subject_of(topic_filter), subject_of(topic_filter[:-2])
    return (subject_of(topic_filter),)


def topic_of(subject: str) -> str:
    """The topic that a device has published to."""
    return "/".join("" if token == _EMPTY_LEVEL else token.replace(_DOT, ".") for token in subject.split("."))
