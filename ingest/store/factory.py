"""Opens the store of a data folder with the files beside it; services of one process share it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import structlog

from broker.health import damages_since
from city.inventory.provider import InventoryProvider
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from city.storage.sqlite import DurableConnection, SetAside
from ingest.store.duckdb.repair import move_aside
from ingest.store.duckdb.store import DuckStore
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.manifest import StoreManifest
from ingest.store.parked.dead_letters import DeadLetterQueue, dead_letters_path
from ingest.store.parked.quarantine import Quarantine
from ingest.store.port import DerivedWriter, Store
from ingest.store.reopening import ReopeningStore
from ingest.store.views.health import Damage, DamageKind, HealthSnapshotFile

if TYPE_CHECKING:
    from ingest.store.influx.http import InfluxAddress
    from ingest.store.influx.store import InfluxStore

log = structlog.get_logger("store")

Account = Literal["ingest", "api"]
_BROKER_DAMAGE: Final = "broker_damage_at"
"""Fact in the manifest: time of the broker's newest recorded damage."""


@dataclass(frozen=True)
class StoreHandle:
    """The store and the files beside it, shared by the services of one process.

    Attributes:
        store: Readings, events and statuses.
        dead_letters: Messages that cannot be decoded.
        quarantine: Messages of unknown devices.
        health: Ingest's newest health.
        manifest: What the store must have.
        derived: The store's port of derived points; None where it derives at each reading.
        copying: Holds a snapshot of the store's file (`ReopeningStore.copying`); None where the database makes backups.
    """

    store: Store
    dead_letters: DeadLetterQueue
    quarantine: Quarantine
    health: HealthSnapshotFile
    manifest: StoreManifest
    derived: DerivedWriter | None = None
    copying: Callable[[], AbstractContextManager[Callable[[Path], None]]] | None = None

    def close(self) -> None:
        """Close the store and the files."""
        self.store.close()
        self.dead_letters.close()
        self.quarantine.close()
        self.manifest.close()


def open_store(settings: Settings, inventory: InventoryProvider, account: Account = "ingest") -> StoreHandle:
    """Open the store of a city's data folder; the caller closes it. One process opens it once: see `Runtime.share`.

    The embedded store's file is opened at its first use, and again whenever it breaks.

    Args:
        settings: The data folder and the kind of store.
        inventory: For the tags of each device.
        account: InfluxDB account.

    Raises:
        ConfigError: A newer version has written one of the files.
        RetryLaterError: The disk refuses.
    """
    folder = settings.data.resolve()
    manifest = open_manifest(folder)
    dead_letters = DeadLetterQueue(dead_letters_path(folder), max_bytes=settings.dead_letters_max_mb << 20)
    quarantine = Quarantine(folder / "store" / "quarantine.sqlite")
    if account == "ingest":
        register_file(manifest, "dead letters", dead_letters.file)
        register_file(manifest, "quarantine", quarantine.file)
    health = HealthSnapshotFile(folder)
    if settings.store == "duckdb":
        store = ReopeningStore(
            partial(_open_duckdb, folder / "store" / "city.duckdb", inventory.current().id, manifest)
        )
        return StoreHandle(store, dead_letters, quarantine, health, manifest, copying=store.copying)
    influx = _connect_influx(settings, inventory, account)
    return StoreHandle(influx, dead_letters, quarantine, health, manifest, derived=influx)


def open_manifest(data: Path) -> StoreManifest:
    """Open the manifest of a data folder.

    Raises:
        ConfigError: A newer version has written it.
        RetryLaterError: The disk refuses.
    """
    return StoreManifest(manifest_path(data))


def manifest_path(data: Path) -> Path:
    """Path of the manifest in a data folder."""
    return data / "ingest" / "book.sqlite"


def register_file(manifest: StoreManifest, name: str, file: DurableConnection, detail: str = "") -> None:
    """Report a file that is not the one recorded last (deleted, damaged or replaced), and record it."""
    fact = f"life of {name}"
    known = manifest.fact(fact)
    if file.set_aside:
        report_set_aside(manifest, file.path, file.set_aside)
    elif known and known != file.life:
        report_damage(manifest, file.path, "deleted" if file.is_new else "foreign", detail)
    if known != file.life:
        manifest.state(**{fact: file.life})


def _open_duckdb(path: Path, city: str, manifest: StoreManifest, damage: str) -> DuckStore:
    """Open the embedded store; the file of another city is set aside."""

    def report(set_aside: SetAside) -> None:
        report_set_aside(manifest, path, set_aside)

    store = DuckStore(path, city=city, damage=damage, on_set_aside=report)
    known = manifest.knows_store(store.life)
    if known is False and not (store.is_new or store.had_no_meta or store.set_aside):
        store.close()
        aside = move_aside(path, "foreign")
        detail = f"it is another one's (city {store.city or 'unknown'}); it lies at {aside}"
        store = DuckStore(path, city=city, on_set_aside=report)
        report_damage(manifest, path, "foreign", detail)
    elif known is False and store.is_new:
        report_damage(manifest, path, "deleted", "a new one was begun")
    manifest.adopt_store(store.life)
    return store


def report_set_aside(manifest: StoreManifest, path: Path, set_aside: SetAside) -> None:
    """Record an alarm for a file that was written again."""
    where = f"; it lies at {set_aside.aside}" if set_aside.aside else ""
    what: DamageKind = "damaged" if "damaged-" in set_aside.aside else "foreign" if set_aside.aside else "deleted"
    report_damage(manifest, path, what, f"{set_aside.reason}; {set_aside.rows} rows rescued{where}")


def report_broker_damages(manifest: StoreManifest, data: Path) -> None:
    """Record alarms for what the embedded broker could not read since the last call."""
    for damage in damages_since(data, float(manifest.fact(_BROKER_DAMAGE) or 0)):
        log.error("file.damage", file=damage.file, what="damaged", detail=damage.detail)
        manifest.report(Damage(damage.at, damage.file, "damaged", damage.detail))
        manifest.state(**{_BROKER_DAMAGE: str(damage.at.timestamp())})


def report_damage(manifest: StoreManifest, path: Path, what: DamageKind, detail: str) -> None:
    """Record an alarm for a damage."""
    log.error("file.damage", file=str(path), what=what, detail=detail)
    manifest.report(Damage(datetime.now(UTC), f"{path.parent.name}/{path.name}", what, detail))


def create_store(
    settings: Settings,
    inventory: InventoryProvider,
    kind: Literal["duckdb", "influx"],
    account: Account = "ingest",
) -> Store:
    """Create a store of a city's data folder for exclusive use.

    Raises:
        RetryLaterError: Another process has it.
        ConfigError: The InfluxDB URL is invalid, or a newer version has written a file.
    """
    if kind == "duckdb":
        manifest = open_manifest(settings.data.resolve())
        try:
            return _open_duckdb(settings.data.resolve() / "store" / "city.duckdb", inventory.current().id, manifest, "")
        finally:
            manifest.close()
    return _connect_influx(settings, inventory, account)


def _connect_influx(settings: Settings, inventory: InventoryProvider, account: Account) -> InfluxStore:
    from ingest.store.influx.http import InfluxHttp  # noqa: PLC0415 - the same
    from ingest.store.influx.store import InfluxStore  # noqa: PLC0415 - InfluxDB's client takes 23 MB

    http = InfluxHttp(influx_address(settings, account))
    return InfluxStore(http, inventory, Checkpoint(settings.data.resolve() / "store" / "progress.sqlite"))


def influx_address(settings: Settings, account: Account) -> InfluxAddress:
    """Address and credentials of InfluxDB: from the settings, else as `kota influx setup` has stored them.

    Raises:
        ConfigError: The URL is invalid.
    """
    token = settings.influx_token.get_secret_value()
    from ingest.store.influx.http import InfluxAddress  # noqa: PLC0415 - InfluxDB's client takes 23 MB
    from ingest.store.influx.setup import TOKEN_FILE, token_path  # noqa: PLC0415 - the same

    given = settings.secrets_folder
    kept = given / TOKEN_FILE if given else token_path(settings.data, account)
    if settings.influx_org and not token and kept.is_file():
        token = kept.read_text().strip()
    password = settings.influx_password.get_secret_value()
    if settings.influx_user and not password:
        password = Secrets.of(settings).influx(account)
    return InfluxAddress(
        settings.influx_url, settings.influx_database, settings.influx_org, token, settings.influx_user, password
    )
