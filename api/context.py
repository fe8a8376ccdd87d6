"""What the API is made of: the city, the store to read from, and who may do what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from api.evidence_desk import EvidenceDesk
from api.reviews import ReviewDesk
from city.gateways import Gateways
from city.model import City
from city.secrets import Secrets
from ingest.store.dead_letters import DeadLetterQueue
from ingest.store.health import HealthSnapshotFile
from ingest.store.port import TelemetryReader
from ingest.store.quarantine import Quarantine, QuarantinedMessage


@dataclass(frozen=True)
class ApiContext:
    """Handed to every route and page.

    `replay` gives dead letters back to ingest and says how many went. `receive` keeps a message on disk for ingest; it
    raises `TopicError` where no adapter reads its topic and `RetryLaterError` while the journal is full. `preview` says
    what would be stored of a message with a profile, and a container model where it is a container's. `data` is the
    folder that the services share. `demo` marks data as simulated. With `is_open` whoever sits at this machine is an
    operator.
    """

    city: City
    reader: TelemetryReader
    dead_letters: DeadLetterQueue
    quarantine: Quarantine
    health: HealthSnapshotFile
    secrets: Secrets
    gateways: Gateways
    data: Path
    evidence: EvidenceDesk
    reviews: ReviewDesk
    demo: bool
    is_open: bool
    replay: Callable[[Sequence[int]], int]
    receive: Callable[[str, bytes], None]
    preview: Callable[[str, QuarantinedMessage, str], Any]
    clock: Callable[[], datetime]
