"""The embedded broker's health file and its record of storage damage, for other processes."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

FOLDER: Final = "broker"
DAMAGES_MAX: Final = 100
"""Damages kept in the file; the oldest are dropped."""


EpochSeconds = Annotated[float, Meta(description="Time since 1970-01-01 UTC; 0 for never. Unit: s.")]


class BrokerHealth(msgspec.Struct):
    """`DATA/broker/health.json`, written once a second; totals count since the broker started.

    `connections` includes six of ours: three of the service, three of ingest. `waiting_*` is what ingest has not read
    yet, `waiting_max_bytes` the bound at which new messages are refused. `refused_topics_total` counts clients that
    were disconnected for a topic that the server cannot carry, the last at `refused_topic_at` (epoch seconds).
    `shed_total` counts unauthenticated connections that were ended because memory was short, `over_quota_total`
    connections of third-party servers that sent too much in a minute.
    """

    at: EpochSeconds = 0.0
    connections: int = 0
    signed_in_total: int = 0
    refused_total: int = 0
    silent_total: int = 0
    shed_total: int = 0
    over_quota_total: int = 0
    refused_topics_total: int = 0
    refused_topic_at: EpochSeconds = 0.0
    memory_bytes: int = 0
    waiting_messages: int = 0
    waiting_bytes: int = 0
    waiting_max_bytes: int = 0


class StorageDamage(msgspec.Struct, frozen=True):
    """A file or folder of the broker that could not be read; `detail` has the reason and the new location."""

    at: datetime
    file: str
    detail: str


def health_path(folder: Path) -> Path:
    """Path of the health file in the broker's folder."""
    return folder / "health.json"


def read_health(data: Path) -> BrokerHealth | None:
    """The embedded broker's last health; None where there is none."""
    try:
        return msgspec.json.decode(health_path(data / FOLDER).read_bytes(), type=BrokerHealth)
    except (OSError, msgspec.MsgspecError):
        return None


def note_damage(folder: Path, damage: StorageDamage) -> None:
    """Append a damage to `damages.json` in the broker's folder; ingest raises the alarm."""
    known = _damages(folder)
    replace_private(folder / "damages.json", msgspec.json.encode([*known, damage][-DAMAGES_MAX:]))


def damages_since(data: Path, at: float) -> list[StorageDamage]:
    """Damages later than a time (epoch seconds), oldest first."""
    return [damage for damage in _damages(data / FOLDER) if damage.at.timestamp() > at]


def _damages(folder: Path) -> list[StorageDamage]:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((folder / "damages.json").read_bytes(), type=list[StorageDamage])
    return []


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file atomically, readable by its owner only."""
    part = path.with_name(f".{path.name}.part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(path)
