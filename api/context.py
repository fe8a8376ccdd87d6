"""What the API is made of: the city, the store to read from, and who may do what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from city.model import City
from city.secrets import Secrets
from ingest.store.dead_letters import DeadLetterBox
from ingest.store.health import HealthBoard
from ingest.store.port import TelemetryReader


@dataclass(frozen=True)
class ApiContext:
    """Handed to every route and page; `replay` gives dead letters back to ingest and says how many went."""

    city: City
    reader: TelemetryReader
    dead_letters: DeadLetterBox
    health: HealthBoard
    secrets: Secrets
    evidence: Path
    demo: bool
    replay: Callable[[Sequence[int]], int]
    clock: Callable[[], datetime]
