"""Ingest as a service: intake and drain on threads of their own, health once a second, retention once an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.client import login_for
from city.runtime import Runtime
from ingest import metrics
from ingest.decode import Decoder
from ingest.drain import Drain
from ingest.intake import Intake
from ingest.journal import Journal
from ingest.store.health import HealthBoard, IngestHealth
from ingest.store.opened import close_store, open_store

log = structlog.get_logger("ingest")

HEALTH_EVERY_S: Final = 1.0
RETENTION_EVERY: Final = timedelta(hours=1)


def serve(runtime: Runtime) -> None:
    """Run ingest until the runtime stops."""
    settings = runtime.settings
    opened = open_store(settings.data)
    journal = Journal(settings.data / "ingest" / "journal.sqlite", max_bytes=settings.journal_max_mb << 20)
    decoder = Decoder(runtime.city, late_after=timedelta(seconds=settings.late_after_s))
    drain = Drain(journal, decoder, opened.store, opened.dead_letters)
    login = login_for(settings, "ingest", runtime.mqtt_password("ingest"), persistent=True)
    intake = Intake(runtime.city.id, login, journal, on_journaled=drain.wake)
    threads = [
        runtime.thread("ingest-drain", lambda: drain.run(runtime.stop)),
        runtime.thread("ingest-intake", lambda: intake.run(runtime.stop)),
    ]
    next_retention = datetime.now(UTC)
    while not runtime.stop.is_set():
        now = datetime.now(UTC)
        _publish_health(opened.health, intake, drain, journal, now)
        if now >= next_retention:
            gone = opened.store.forget_before(now - timedelta(days=settings.retention_days))
            log.info("retention.done", rows=gone)
            next_retention = now + RETENTION_EVERY
        runtime.stop.wait(HEALTH_EVERY_S)
    for thread in threads:
        thread.join()
    journal.close()
    close_store(settings.data)


def _publish_health(board: HealthBoard, intake: Intake, drain: Drain, journal: Journal, now: datetime) -> None:
    depth, lag_s, kept = drain.depth(), drain.lag_s(), journal.bytes()
    metrics.JOURNAL_DEPTH.set(depth)
    metrics.JOURNAL_BYTES.set(kept)
    metrics.LAG.set(lag_s)
    totals = drain.totals
    board.publish(
        IngestHealth(
            at=now,
            connected=intake.connected,
            store="away" if drain.away else "ok",
            journal="full" if intake.full.is_set() else "ok",
            journal_depth=depth,
            journal_bytes=kept,
            lag_s=lag_s,
            received_total=intake.received,
            stored_total=totals.stored,
            duplicates_total=totals.duplicates,
            dead_letters_total=totals.dead,
            unknown_fields_total=totals.unknown_fields,
            ignored_total=totals.ignored,
            note=drain.away,
        )
    )
