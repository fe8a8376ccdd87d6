"""The store as one process opens it: ingest writes, the API reads, both through the same open file."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import structlog

from broker.health import damages_since
from city.model import City
from city.secrets import Secrets
from city.settings import Settings
from city.sqlite import DurableConnection, SetAside
from ingest.store.book import Book
from ingest.store.dead_letters import DeadLetterBox
from ingest.store.duck import DuckStore
from ingest.store.duck_repair import move_aside
from ingest.store.health import Damage, HealthBoard, What
from ingest.store.patient import PatientStore
from ingest.store.port import Store
from ingest.store.progress import Progress
from ingest.store.quarantine import Quarantine

if TYPE_CHECKING:
    from ingest.store.influx_http import InfluxAddress

log = structlog.get_logger("store")

Account = Literal["ingest", "api"]
_BROKER_DAMAGE: Final = "broker_damage_at"
"""The fact in the book that says when the newest damage of the broker that is kept was."""


@dataclass(frozen=True)
class OpenStore:
    """What lies in a data folder and is shared by the services of one process."""

    store: Store
    dead_letters: DeadLetterBox
    quarantine: Quarantine
    health: HealthBoard
    book: Book


_lock = threading.Lock()
_opened: dict[Path, OpenStore] = {}
_users: Counter[Path] = Counter()


def open_store(settings: Settings, city: City, account: Account = "ingest") -> OpenStore:
    """The open store of a city's data folder; the first service of a process to ask opens it, the others share it.

    The embedded store itself is opened when it is first asked, and again whenever it breaks.

    Args:
        settings: Where it is.
        city: For what is stored of each device's place.
        account: As whom InfluxDB is asked.

    Raises:
        ConfigError: A newer version has written one of the files.
        RetryLaterError: The disk refuses.
    """
    folder = settings.data.resolve()
    with _lock:
        if folder not in _opened:
            book = open_book(folder)
            letters = DeadLetterBox(
                folder / "store" / "dead_letters.sqlite", max_bytes=settings.dead_letters_max_mb << 20
            )
            quarantine = Quarantine(folder / "store" / "quarantine.sqlite")
            if account == "ingest":
                note_file(book, "dead letters", letters.file)
                note_file(book, "quarantine", quarantine.file)
            store: Store
            if settings.store == "duckdb":
                store = PatientStore(partial(_open_own, folder / "store" / "city.duckdb", city.id, book))
            else:
                store = open_kind(settings, city, settings.store, account)
            _opened[folder] = OpenStore(store, letters, quarantine, HealthBoard(folder), book)
        _users[folder] += 1
        return _opened[folder]


def open_book(data: Path) -> Book:
    """What the store of a data folder must have.

    Raises:
        ConfigError: A newer version has written it.
        RetryLaterError: The disk refuses.
    """
    return Book(book_path(data))


def book_path(data: Path) -> Path:
    """Where that lies."""
    return data / "ingest" / "book.sqlite"


def note_file(book: Book, name: str, file: DurableConnection, detail: str = "") -> None:
    """Say when a file is not the one that was here last: deleted, damaged or replaced."""
    fact = f"life of {name}"
    known = book.fact(fact)
    if file.set_aside:
        report_set_aside(book, file.path, file.set_aside)
    elif known and known != file.life:
        report_damage(book, file.path, "deleted" if file.is_new else "foreign", detail)
    if known != file.life:
        book.state(**{fact: file.life})


def _open_own(path: Path, city: str, book: Book, damage: str) -> DuckStore:
    """The embedded store, if it is this city's; another one's is set aside."""

    def told(found: SetAside) -> None:
        report_set_aside(book, path, found)

    store = DuckStore(path, city=city, damage=damage, on_set_aside=told)
    known = book.knows_store(store.life)
    if known is False and not (store.is_new or store.was_nameless or store.set_aside):
        store.close()
        aside = move_aside(path, "foreign")
        detail = f"it is another one's (city {store.city or 'unknown'}); it lies at {aside}"
        store = DuckStore(path, city=city, on_set_aside=told)
        report_damage(book, path, "foreign", detail)
    elif known is False and store.is_new:
        report_damage(book, path, "deleted", "a new one was begun")
    book.adopt_store(store.life)
    return store


def report_set_aside(book: Book, path: Path, found: SetAside) -> None:
    """Keep as an alarm that a file was written anew."""
    where = f"; it lies at {found.aside}" if found.aside else ""
    what: What = "damaged" if "damaged-" in found.aside else "foreign" if found.aside else "deleted"
    report_damage(book, path, what, f"{found.reason}; {found.rows} rows rescued{where}")


def report_broker_damages(book: Book, data: Path) -> None:
    """Keep as alarms what the embedded broker of this folder could not read since the last call."""
    for damage in damages_since(data, float(book.fact(_BROKER_DAMAGE) or 0)):
        log.error("file.damage", file=damage.file, what="damaged", detail=damage.detail)
        book.report(Damage(damage.at, damage.file, "damaged", damage.detail))
        book.state(**{_BROKER_DAMAGE: str(damage.at.timestamp())})


def report_damage(book: Book, path: Path, what: What, detail: str) -> None:
    """Keep a damage as an alarm."""
    log.error("file.damage", file=str(path), what=what, detail=detail)
    book.report(Damage(datetime.now(UTC), f"{path.parent.name}/{path.name}", what, detail))


def open_kind(settings: Settings, city: City, kind: Literal["duckdb", "influx"], account: Account = "ingest") -> Store:
    """A store of a city's data folder, for whoever needs it alone.

    Raises:
        RetryLaterError: Another process has it.
        ConfigError: The address of InfluxDB is none, or a newer version has written a file.
    """
    folder = settings.data.resolve() / "store"
    if kind == "duckdb":
        book = open_book(settings.data.resolve())
        try:
            return _open_own(folder / "city.duckdb", city.id, book, "")
        finally:
            book.close()
    from ingest.store.influx import InfluxStore  # noqa: PLC0415 - InfluxDB's client takes 23 MB
    from ingest.store.influx_http import InfluxHttp  # noqa: PLC0415 - the same

    http = InfluxHttp(influx_address(settings, account))
    return InfluxStore(http, city, Progress(folder / "progress.sqlite"))


def influx_address(settings: Settings, account: Account) -> InfluxAddress:
    """Where InfluxDB is and how an account gets in: what the settings give, else what `kota influx setup` has made.

    Raises:
        ConfigError: The address is none.
    """
    token = settings.influx_token.get_secret_value()
    from ingest.store.influx_http import InfluxAddress  # noqa: PLC0415 - InfluxDB's client takes 23 MB
    from ingest.store.influx_setup import tokens_folder  # noqa: PLC0415 - the same

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
            opened.book.close()
