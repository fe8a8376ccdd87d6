"""Ingest as a service: intake and drain on threads of their own, health once a second, retention once an hour."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from broker.client import ConnectionParams, connection_params
from broker.nats.endpoint import READER, endpoint_path
from city.backup.snapshot import Copier
from city.errors import RetryLaterError
from city.inventory.provider import InventoryProvider
from city.runtime.connected_devices import ConnectedDevices
from city.runtime.secrets import Secrets
from city.runtime.service import Runtime
from city.runtime.settings import Settings
from city.storage.sqlite import SetAside
from ingest.codecs.runner import IsolatedCodecRunner
from ingest.decoding.decoder import Decoder
from ingest.decoding.formats.port import CodecRunner
from ingest.decoding.formats.registry import FILTERS
from ingest.pipeline import metrics
from ingest.pipeline.bus import BusParams
from ingest.pipeline.drain import Drain
from ingest.pipeline.intake import Intake
from ingest.pipeline.intake_process import IntakeProcess
from ingest.pipeline.intake_wire import IntakeOrder
from ingest.pipeline.journal import Journal
from ingest.pipeline.journal_params import journal_params
from ingest.pipeline.tuning import tune_interpreter
from ingest.store.factory import (
    StoreHandle,
    open_store,
    register_file,
    report_broker_damages,
    report_damage,
    report_set_aside,
)
from ingest.store.manifest import StoreManifest
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from ingest.store.port import DerivedWriter
from ingest.store.views.health import LOST_SHOWN, IngestHealth, write_health

log = structlog.get_logger("ingest")

HEALTH_EVERY_S: Final = 1.0
RETENTION_EVERY: Final = timedelta(hours=1)
RETENTION_PATIENCE_S: Final = 900.0
"""Watchdog timeout of a retention run: deleting a day out of years takes minutes on a slow card."""
OFFSET_GAP: Final = 1_000_000
"""Gap between the last recorded offset and the first one of a new journal: the store may have committed more."""


class Ingest:
    """Owns the journal, intake and drain; the caller runs each of `parts` on a thread.

    Args:
        settings: Of the data folder, broker and store.
        inventory: The city.
        login: The account at the broker.
        opened: The store.
        codecs: Runs the codecs that profiles name; None runs none.
        in_two_processes: Whether intake gets a process of its own.
    """

    def __init__(
        self,
        settings: Settings,
        inventory: InventoryProvider,
        login: ConnectionParams,
        opened: StoreHandle,
        codecs: CodecRunner | None = None,
        *,
        in_two_processes: bool = False,
    ) -> None:
        secrets = Secrets.of(settings)
        self._opened = opened
        self._data = settings.data.resolve()
        params = journal_params(settings, secrets)
        self.journal = params.open()
        _note_journal(self.journal, opened)
        self._known_set_aside = [store_file.file.set_aside for store_file in self._files()]
        late_after = timedelta(seconds=settings.late_after_s)
        decoder = Decoder(inventory, late_after=late_after, pseudonym_key=secrets.pseudonym_key(), codecs=codecs)
        self.drain = Drain(
            self.journal,
            decoder,
            opened.store,
            opened.dead_letters,
            opened.quarantine,
            manifest=opened.manifest,
            on_third_party=ConnectedDevices(self._data).note if settings.demo else None,
        )
        bus = BusParams(settings.mqtt_client, login, endpoint_path(settings.data))
        order = IntakeOrder(inventory.current().id, FILTERS, bus, params)
        self.intake: Intake | IntakeProcess = (
            IntakeProcess(order, on_journaled=self.drain.wake)
            if in_two_processes
            else Intake(order.city, self.journal, bus.connect(), on_journaled=self.drain.wake, filters=FILTERS)
        )
        self._intake_metrics = metrics.IntakeMetrics()
        self._known_of_intake: SetAside | None = None
        self.parts: dict[str, Callable[..., None]] = {"ingest-drain": self.drain.run, "ingest-intake": self.intake.run}
        if opened.derived:
            self.parts["ingest-derive"] = _run_deriver(settings, inventory, opened, opened.derived)

    def health(self, now: datetime) -> IngestHealth:
        """A snapshot of the service's health; also sets the gauges."""
        drain, intake = self.drain, self.intake.state()
        self._intake_metrics.add(intake)
        depth, lag_s, kept = drain.depth(), drain.lag_s(), self.journal.bytes()
        metrics.JOURNAL_DEPTH.set(depth)
        metrics.JOURNAL_BYTES.set(kept)
        metrics.LAG.set(lag_s)
        live_lag_s = drain.live_lag_s()
        metrics.LIVE_LAG.set(live_lag_s)
        metrics.JOURNAL_FULL.set(intake.is_full)
        metrics.STORE_AWAY.set(bool(drain.store_error))
        metrics.BAD_SUBJECTS.set(len(drain.error_rate.alarms))
        metrics.LETTERS_DROPPED.set(self._opened.dead_letters.dropped_count())
        unknown_devices = self._opened.quarantine.count()
        metrics.UNKNOWN_DEVICES.set(unknown_devices)
        damages, lost = self._opened.manifest.damages(), self._opened.manifest.lost_ranges()
        lost_readings = sum(lost_range.last - lost_range.first + 1 for lost_range in lost)
        metrics.DAMAGES.set(len(damages))
        metrics.LOST.set(lost_readings)
        totals = drain.totals
        return IngestHealth(
            at=now,
            connected=intake.is_connected,
            deaf=intake.is_deaf,
            canary_age_s=round(intake.silent_s, 1),
            store="away" if drain.store_error else "ok",
            journal="full" if intake.is_full else "ok",
            journal_depth=depth,
            journal_bytes=kept,
            lag_s=lag_s,
            live_lag_s=live_lag_s,
            received_total=intake.counts.received,
            stored_total=totals.stored,
            duplicates_total=totals.duplicates,
            dead_letters_total=totals.dead_letters,
            unknown_fields_total=totals.unknown_fields,
            ignored_total=totals.ignored,
            quarantined_total=totals.quarantined,
            unknown_devices=unknown_devices,
            note=drain.store_error,
            alarms=drain.error_rate.alarms,
            damages=damages,
            lost=lost[:LOST_SHOWN],
            lost_readings=lost_readings,
        )

    def tidy(self) -> None:
        """Truncate write-ahead logs that a reader held open; report files that were written again."""
        for index, store_file in enumerate(self._files()):
            store_file.tidy()
            set_aside = store_file.file.set_aside
            if set_aside is not None and set_aside != self._known_set_aside[index]:
                report_set_aside(self._opened.manifest, store_file.file.path, set_aside)
            self._known_set_aside[index] = set_aside
        self._report_of_intake()
        report_broker_damages(self._opened.manifest, self._data)

    def _report_of_intake(self) -> None:
        """Report a journal that intake's own process had to write again."""
        set_aside = self.intake.set_aside if isinstance(self.intake, IntakeProcess) else None
        if set_aside is not None and set_aside != self._known_of_intake:
            report_set_aside(self._opened.manifest, self.journal.file.path, set_aside)
        self._known_of_intake = set_aside

    def _files(self) -> tuple[Journal | DeadLetterQueue | Quarantine | StoreManifest, ...]:
        return self.journal, self._opened.dead_letters, self._opened.quarantine, self._opened.manifest


def _note_journal(journal: Journal, opened: StoreHandle) -> None:
    """Report a lost journal or manifest, and reserve the offsets that the store may have."""
    manifest, file = opened.manifest, journal.file
    before = opened.health.read()
    waited = f"{before.journal_depth} messages waited in it at {before.at:%Y-%m-%d %H:%M:%S} UTC" if before else ""
    register_file(manifest, "journal", file, waited)
    known = max(manifest.last_offset(), opened.dead_letters.last_offset())
    if known and (file.is_new or file.set_aside or journal.last() < known):
        journal.start_after(known + OFFSET_GAP)
    if manifest.set_aside or (manifest.file.is_new and journal.stored_offset()):
        report_damage(
            manifest, manifest.file.path, "damaged" if manifest.set_aside else "deleted", "what was stored is not known"
        )


class DrainProgress:
    """Whether the drain makes progress, by its counters: idle, working, or waiting for the store."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._depth, self._totals = 0, msgspec.structs.replace(drain.totals)
        self.doing = ""

    def goes_on(self) -> bool:
        """Whether it made progress since the last call; raises nothing."""
        try:
            depth = self._drain.depth()
        except RetryLaterError:
            depth = 0  # a full disk, for which it waits itself
        # A depth that grows is the intake's work.
        moved = depth < self._depth or self._drain.totals != self._totals
        self._depth, self._totals = depth, msgspec.structs.replace(self._drain.totals)
        self.doing = "waiting for the store" if self._drain.store_error else f"{depth} waiting"
        return moved or depth == 0 or bool(self._drain.store_error)


def _run_deriver(
    settings: Settings, inventory: InventoryProvider, opened: StoreHandle, derived: DerivedWriter
) -> Callable[..., None]:
    """The thread that writes derived points."""
    from ingest.derive.deriver import Deriver  # noqa: PLC0415 - needed for an InfluxDB only

    url = settings.public_url or f"http://{settings.host}:{settings.port}"
    return Deriver(derived, inventory, opened.health, opened.dead_letters.count, url, demo=settings.demo).run


def _login(runtime: Runtime) -> ConnectionParams:
    """The account of ingest: at the embedded broker's stream a user of its own, which no setting changes."""
    if runtime.settings.mqtt_client == "nats":
        login = connection_params(runtime.settings, READER, runtime.secrets.password(READER))
        return msgspec.structs.replace(login, user=READER)  # whatever the settings name
    return connection_params(runtime.settings, "ingest", runtime.mqtt_password("ingest"), persistent=True)


def runs_in_two_processes(settings: Settings, *, is_alone: bool) -> bool:
    """Whether intake gets a process of its own: by the settings, else with a second core for a service on its own."""
    if settings.ingest_processes != "auto":
        return settings.ingest_processes == "2"
    return is_alone and len(os.sched_getaffinity(0)) > 1


def serve(runtime: Runtime) -> None:
    """Run ingest until the runtime stops."""
    tune_interpreter()
    settings = runtime.settings
    opened = runtime.share("store", lambda: open_store(settings, runtime.inventory))
    codecs = runtime.share("codecs", IsolatedCodecRunner)
    in_two = runs_in_two_processes(settings, is_alone=runtime.services == {"ingest"})
    ingest = Ingest(settings, runtime.inventory, _login(runtime), opened, codecs, in_two_processes=in_two)
    ingest.intake.on_iteration = lambda: runtime.beat("ingest-intake")
    threads = [runtime.thread(name, lambda part=part: part(runtime.stop)) for name, part in ingest.parts.items()]  # type: ignore[misc]
    next_retention = datetime.now(UTC)
    drain_progress = DrainProgress(ingest.drain)
    copier = Copier(settings.data, opened.copying)
    copying: threading.Thread | None = None
    while not runtime.stop.is_set():
        now = datetime.now(UTC)
        runtime.beat("ingest")
        if drain_progress.goes_on():
            runtime.beat("ingest-drain", drain_progress.doing)
        with contextlib.suppress(RetryLaterError):  # a full disk: the last word stands, and grows stale
            health = ingest.health(now)
            opened.health.publish(health)
            write_health(settings.data, health)
            ingest.tidy()
        if now >= next_retention:
            runtime.beat("ingest", "forgetting what is old", patience_s=RETENTION_PATIENCE_S)
            _apply_retention(opened, settings, now)
            next_retention = now + RETENTION_EVERY
        if not (copying and copying.is_alive()) and (request := copier.pending_request()):
            copying = runtime.thread("ingest-copier", lambda folder=request: _copy(copier, folder))  # type: ignore[misc]
        runtime.stop.wait(HEALTH_EVERY_S)
    for thread in threads:
        thread.join()
    ingest.journal.close()


def _copy(copier: Copier, folder: Path) -> None:
    log.info("backup.copying")
    answer = copier.answer(folder)
    if answer.error:
        log.error("backup.failed", reason=answer.error)
    else:
        log.info("backup.copied")


def _apply_retention(opened: StoreHandle, settings: Settings, now: datetime) -> None:
    before = now - timedelta(days=settings.retention_days)
    try:
        dead_letters = opened.dead_letters.forget_before(before)
        unknown_devices = opened.quarantine.forget_before(before)
        events = now - timedelta(days=settings.event_days)
        # Before the store: what it has deleted is not lost.
        opened.manifest.forget_before(readings=before, events=events)
        deleted = opened.store.forget_before(readings=before, events=events)
    except RetryLaterError as exc:
        log.error("retention.postponed", reason=str(exc))
    else:
        log.info("retention.done", rows=deleted, dead_letters=dead_letters, unknown_devices=unknown_devices)
