"""The store as one process opens it: ingest writes, the API reads, both through the same open file."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from city.model import City
from city.secrets import Secrets
from city.settings import Settings
from ingest.store.dead_letters import DeadLetterBox
from ingest.store.duck import DuckStore
from ingest.store.health import HealthBoard
from ingest.store.influx import InfluxStore
from ingest.store.influx_http import InfluxAddress, InfluxHttp
from ingest.store.influx_setup import tokens_folder
from ingest.store.port import Store
from ingest.store.progress import Progress
from ingest.store.quarantine import Quarantine

Account = Literal["ingest", "api"]


@dataclass(frozen=True)
class OpenStore:
    """What lies in a data folder and is shared by the services of one process."""

    store: Store
    dead_letters: DeadLetterBox
    quarantine: Quarantine
    health: HealthBoard


_lock = threading.Lock()
_opened: dict[Path, OpenStore] = {}
_users: Counter[Path] = Counter()


def open_store(settings: Settings, city: City, account: Account = "ingest") -> OpenStore:
    """The open store of a city's data folder; the first service of a process to ask opens it, the others share it.

    Args:
        settings: Where it is.
        city: For what is stored of each device's place.
        account: As whom InfluxDB is asked.

    Raises:
        RetryLaterError: Another process has it.
    """
    folder = settings.data.resolve()
    with _lock:
        if folder not in _opened:
            store = open_kind(settings, city, settings.store, account)
            letters = DeadLetterBox(
                folder / "store" / "dead_letters.sqlite", max_bytes=settings.dead_letters_max_mb << 20
            )
            quarantine = Quarantine(folder / "store" / "quarantine.sqlite")
            _opened[folder] = OpenStore(store, letters, quarantine, HealthBoard(folder))
        _users[folder] += 1
        return _opened[folder]


def open_kind(settings: Settings, city: City, kind: Literal["duckdb", "influx"], account: Account = "ingest") -> Store:
    """A store of a city's data folder, for whoever needs it alone.

    Raises:
        RetryLaterError: Another process has it.
        ConfigError: The address of InfluxDB is none.
    """
    folder = settings.data.resolve() / "store"
    if kind == "duckdb":
        return DuckStore(folder / "city.duckdb")
    http = InfluxHttp(influx_address(settings, account))
    return InfluxStore(http, city, Progress(folder / "progress.sqlite"))


def influx_address(settings: Settings, account: Account) -> InfluxAddress:
    """Where InfluxDB is and how an account gets in: what the settings give, else what `kota influx setup` has made.

    Raises:
        ConfigError: The address is none.
    """
    token = settings.influx_token.get_secret_value()
    kept = tokens_folder(settings) / f"{account}.token"
    if settings.influx_org and not token and kept.is_file():
        token = kept.read_text().strip()
    password = settings.influx_password.get_secret_value()
    if settings.influx_user and not password:
        password = Secrets(settings.data).influx(account)
    return InfluxAddress(
        settings.influx_url, settings.influx_database, settings.influx_org, token, settings.influx_user, password
    )


def close_store(settings: Settings) -> None:
    """Let go of it; the last service of the process to do so closes it."""
    folder = settings.data.resolve()
    with _lock:
        _users[folder] -= 1
        if _users[folder] == 0:
            opened = _opened.pop(folder)
            opened.store.close()
            opened.dead_letters.close()
            opened.quarantine.close()
