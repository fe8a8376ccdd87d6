"""Messages on their way from the bus to the store."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One message as it arrived."""

    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    """The broker had retained it, so its age is unknown."""


class JournalEntry(msgspec.Struct, frozen=True, gc=False):
    """A message in the journal; `damaged` when it differs from what was written."""

    offset: int
    arrival: Arrival
    damaged: bool = False
