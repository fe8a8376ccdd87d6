"""Messages that come by HTTP: into the journal like those of the bus, once it is sure that somebody reads them."""

from __future__ import annotations

from datetime import datetime

from ingest.adapters.registry import adapter_for
from ingest.journal import Arrival, Journal


def keep_posted(journal: Journal, topic: str, payload: bytes, at: datetime) -> None:
    """Keep a message of another maker's device durably.

    Raises:
        TopicError: No adapter reads the topic; nothing was kept.
        RetryLaterError: The journal is full; nothing was kept.
    """
    adapter_for(topic)
    journal.append([Arrival(topic, payload, at)])
