"""Damage to files of a running or stopped city, as a bad card, a wrong `rm` or an unlucky restore does it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

BLOCK: Final = 4_096
STORE: Final = Path("store/city.duckdb")
STORE_LOG: Final = Path("store/city.duckdb.wal")
JOURNAL_LOG: Final = Path("ingest/journal.sqlite-wal")
CONSUMERS: Final = Path("broker/jetstream/jetstream/KOTA/streams/$MQTT_msgs/obs")


def truncate(path: Path) -> None:
    """Cut a file in half."""
    if path.exists():
        os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    """Put noise over the middle third of a file."""
    if path.exists():
        size = path.stat().st_size
        with path.open("rb+") as file:
            file.seek(size // 3)
            file.write(os.urandom(max(1, size // 3)))


def delete(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def overwrite_all(folder: Path) -> None:
    """Overwrite every file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            overwrite(path)


def replace_all(folder: Path) -> None:
    """Put noise in the place of every file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.write_bytes(os.urandom(max(64, path.stat().st_size)))


class Harm(NamedTuple):
    """One kind of damage.

    Attributes:
        target: Whose file it is.
        name: What the schedule and the report call it.
        path: Of the file or folder, in the data folder.
        work: What is done to it.
        running: Whether ingest runs meanwhile.
        brokers: Which it makes sense with; empty for all.
        duckdb: Whether the file belongs to that store.
    """

    target: Literal["ingest", "broker"]
    name: str
    path: Path
    work: Callable[[Path], None]
    running: bool = False
    brokers: tuple[str, ...] = ()
    duckdb: bool = False

    def applies(self, broker: str, store: str) -> bool:
        """Whether a city with this broker and this store has such a file."""
        return (not self.brokers or broker in self.brokers) and (not self.duckdb or store == "duckdb")


LAST_HARM: Final = "journal log deleted, stopped"

HARMS: Final = (
    *(
        Harm("ingest", f"{what} {done}, {'running' if running else 'stopped'}", path, work, running, duckdb=True)
        for what, path in (("store", STORE), ("store log", STORE_LOG))
        for done, work in (("truncated", truncate), ("overwritten", overwrite), ("deleted", delete))
        for running in (False, True)
    ),
    Harm("ingest", "journal log deleted, running", JOURNAL_LOG, delete, running=True),
    Harm("ingest", LAST_HARM, JOURNAL_LOG, delete),
    Harm("broker", "broker deleted", Path("broker/jetstream"), delete, brokers=("embedded",)),
    Harm("broker", "broker overwritten", Path("broker/jetstream"), overwrite_all, brokers=("embedded",)),
    Harm("broker", "broker's consumers overwritten", CONSUMERS, replace_all, brokers=("embedded",)),
    Harm("broker", "broker's queue deleted", Path("mosquitto/state/mosquitto.db"), delete, brokers=("mosquitto",)),
)
