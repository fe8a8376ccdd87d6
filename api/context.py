"""What the API is made of: the city, the store to read from, and who may do what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from api.evidence_desk import EvidenceDesk
from api.reviews import ReviewDesk
from city.model import City
from city.secrets import Secrets
from ingest.store.dead_letters import DeadLetterBox
from ingest.store.health import HealthBoard
from ingest.store.port import TelemetryReader


@dataclass(frozen=True)
class ApiContext:
    """Handed to every route and page; `replay` gives dead letters back to ingest and says how many went.

    `data` is the folder that the services share.
    """

    city: City
    reader: TelemetryReader
    dead_letters: DeadLetterBox
    health: HealthBoard
    secrets: Secrets
    data: Path
    evidence: EvidenceDesk
    reviews: ReviewDesk
    demo: bool
    replay: Callable[[Sequence[int]], int]
    clock: Callable[[], datetime]
