"""How ingest is doing, as ingest last said it; shown by the console, `/readyz` and the status of `kota up`."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

LOST_SHOWN: Final = 200


class ErrorRateAlarm(msgspec.Struct, frozen=True):
    """Too many of the last `of` messages were `bad`: of a device, named by its topic, or of all (`*`)."""

    subject: str
    bad: int
    of: int


What = Literal["damaged", "deleted", "foreign"]


class Damage(msgspec.Struct, frozen=True):
    """What became of a file that holds data, when, and where what was there lies now."""

    at: datetime
    file: str
    what: What
    detail: str = ""


class Lost(msgspec.Struct, frozen=True):
    """Readings with a receipt that the store had and does not have any more: a range of an outbox life's seqs."""

    device: str
    boot: str
    first: int
    last: int


class IngestHealth(msgspec.Struct, frozen=True):
    """A snapshot. Totals count since the process started; `lag_s` is the age of the oldest reading not yet stored.

    `connected`: the broker is there and passes messages on; `deaf`: it is there and passes nothing on. Something was
    heard `canary_age_s` ago. While a backlog is drained, `live_lag_s` is that of the readings that overtake it.
    `strangers` are devices that nobody knows and nobody has looked at. `damages` and `lost` stay until `kota store lost
    --accept`; `lost` shows at most `LOST_SHOWN` ranges, `lost_readings` counts all.
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
    lost: tuple[Lost, ...] = ()
    lost_readings: int = 0


def health_path(data: Path) -> Path:
    """Where ingest tells other processes of its machine how it does."""
    return data / "ingest" / "health.json"


def write_health(data: Path, health: IngestHealth) -> None:
    """Tell other processes; a disk that refuses is no reason to stop, the snapshot there grows stale."""
    path = health_path(data)
    part = path.with_name(f".{path.name}.part")
    with contextlib.suppress(OSError):
        part.write_bytes(msgspec.json.encode(health))
        part.replace(path)


class HealthBoard:
    """Where ingest puts its newest snapshot and everybody else reads it; safe between threads.

    Args:
        data: The data folder, for a process that does not run ingest itself: it reads what ingest has written there.
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
        """The newest snapshot, None before the first."""
        with self._lock:
            if self._health is not None or self._path is None:
                return self._health
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=IngestHealth)
        except (OSError, msgspec.MsgspecError):
            return None
