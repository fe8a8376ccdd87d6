"""Accepts third-party messages over HTTP and journals them like those of the bus."""

from __future__ import annotations

from datetime import datetime

from broker.contract.topics import is_platforms
from city.errors import TopicError
from ingest.decoding.formats.registry import adapter_for
from ingest.messages import Arrival
from ingest.pipeline.journal import Journal


def accept(journal: Journal, topic: str, payload: bytes, at: datetime) -> None:
    """Journal a third-party message durably.

    Raises:
        TopicError: No adapter reads the topic, or it is the platform's own; nothing was kept.
        RetryLaterError: The journal is full; nothing was kept.
    """
    if is_platforms(topic):
        raise TopicError(f"{topic!r} is the platform's own")
    adapter_for(topic)
    journal.append([Arrival(topic, payload, at)])
