"""The health of ingest, as its last snapshot says; shown by the console, `/readyz` and the status of `kota up`."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

LOST_SHOWN: Final = 200


class ErrorRateAlarm(msgspec.Struct, frozen=True):
    """`bad` of the last `of` messages were rejected: of a device, named by its topic, or of all (`*`)."""

    subject: str
    bad: int
    of: int


DamageKind = Literal["damaged", "deleted", "foreign"]


class Damage(msgspec.Struct, frozen=True):
    """A data file that was damaged, deleted or replaced: when, and where its content is now."""

    at: datetime
    file: str
    what: DamageKind
    detail: str = ""


class LostRange(msgspec.Struct, frozen=True):
    """Receipted readings that the store had and lacks now: a range of sequence numbers of one device and epoch."""

    device: str
    epoch: str = msgspec.field(name="boot")
    first: int
    last: int


class IngestHealth(msgspec.Struct, frozen=True):
    """A snapshot. Totals count since the process started; `lag_s` is the age of the oldest reading not yet stored.

    `connected`: the broker is connected and delivers; `deaf`: it is connected and delivers nothing. The last message
    came `canary_age_s` ago. During a backlog, `live_lag_s` is the lag of the live readings. `unknown_devices` are
    neither adopted nor ignored. `damages` and `lost` stay until `kota store lost --accept`; `lost` has at most
    `LOST_SHOWN` ranges, `lost_readings` counts all.
    """

    at: datetime
    connected: bool = False
    deaf: bool = False
    canary_age_s: float | None = None
    store: Literal["ok", "away"] = "ok"
    journal: Literal["ok", "full"] = "ok"
    journal_depth: int = 0
    journal_bytes: int = 0
    lag_s: float = 0.0
    live_lag_s: float = 0.0
    received_total: int = 0
    stored_total: int = 0
    duplicates_total: int = 0
    dead_letters_total: int = 0
    unknown_fields_total: int = 0
    ignored_total: int = 0
    quarantined_total: int = 0
    unknown_devices: int = msgspec.field(name="strangers", default=0)
    note: str = ""
    alarms: tuple[ErrorRateAlarm, ...] = ()
    damages: tuple[Damage, ...] = ()
    lost: tuple[LostRange, ...] = ()
    lost_readings: int = 0


def health_path(data: Path) -> Path:
    """Path of the file with ingest's newest snapshot, for other processes."""
    return data / "ingest" / "health.json"


def write_health(data: Path, health: IngestHealth) -> None:
    """Write the snapshot file. A full disk is ignored: the old snapshot grows stale."""
    path = health_path(data)
    part = path.with_name(f".{path.name}.part")
    with contextlib.suppress(OSError):
        part.write_bytes(msgspec.json.encode(health))
        part.replace(path)


class HealthSnapshotFile:
    """Holds ingest's newest snapshot; safe between threads.

    Args:
        data: The data folder, for a process without ingest: it reads the snapshot file there.
    """

    def __init__(self, data: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._health: IngestHealth | None = None
        self._path = health_path(data) if data else None

    def publish(self, health: IngestHealth) -> None:
        """Replace the snapshot."""
        with self._lock:
            self._health = health

    def read(self) -> IngestHealth | None:
        """The newest snapshot; None before the first."""
        with self._lock:
            if self._health is not None or self._path is None:
                return self._health
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=IngestHealth)
        except (OSError, msgspec.MsgspecError):
            return None
