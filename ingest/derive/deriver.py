"""Keeps derived points up to date: device states, area figures, cases, platform figures and rollups.

last values, events -> device states -> device_state, area_state, dumping_case; health -> platform
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from city.errors import PayloadError, RetryLaterError
from city.inventory.provider import InventoryProvider
from ingest.derive.alarm_flags import AlarmFlags
from ingest.derive.areas import area_points, client_points, collected_by_area
from ingest.derive.clients import CLIENT_EVENTS, top_client_points
from ingest.derive.dumping import DumpingCases
from ingest.derive.states import States, to_ms
from ingest.store.influx.line_protocol import to_point
from ingest.store.port import DerivedWriter
from ingest.store.records import Value
from ingest.store.schema import EVENTS, RAW
from ingest.store.views.cases import TYPES, fold
from ingest.store.views.device_condition import ABSENT, LATCHED_EVENTS
from ingest.store.views.device_state import RAISED_LOOKBACK, evaluate, raised_by_device
from ingest.store.views.health import HealthSnapshotFile, IngestHealth

log = structlog.get_logger("ingest")

STATES_EVERY: Final = timedelta(seconds=5)
AREAS_EVERY: Final = timedelta(seconds=60)
CLIENTS_EVERY: Final = timedelta(minutes=5)
PLATFORM_EVERY: Final = timedelta(seconds=10)
ROLLUPS_EVERY: Final = timedelta(seconds=30)
CASES_BACK: Final = timedelta(days=30)
DEPOSITS_BACK: Final = timedelta(days=1)
"""Lookback for waste put out in time; deposits that arrive later than this are not counted."""


class Deriver:
    """Writes derived points on a thread of its own, beside the drain; its state can be rebuilt.

    Args:
        store: Read from and written to.
        inventory: The inventory.
        health: Ingest's health.
        dead_letters: Returns the number of pending dead letters.
        public_url: URL of the API and the console for browsers.
        demo: Whether cases are simulated.
    """

    def __init__(
        self,
        store: DerivedWriter,
        inventory: InventoryProvider,
        health: HealthSnapshotFile,
        dead_letters: Callable[[], int],
        public_url: str,
        *,
        demo: bool,
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._health = health
        self._dead_letters = dead_letters
        self._demo = demo
        self._states = States(inventory)
        self._alarm_flags = AlarmFlags(inventory)
        self._cases = DumpingCases(inventory, public_url)
        self._restored = False
        self._silent = 0
        self._newest_at: datetime | None = None
        self._due: dict[str, datetime] = {}
        self._last_health: IngestHealth | None = None

    def run(self, stop: threading.Event) -> None:
        """Run a step once a second until `stop`; retries while the store is unavailable."""
        away = ""
        while not stop.wait(1.0):
            try:
                now = datetime.now(UTC)
                self.step(now)
                if self._is_due("rollups", ROLLUPS_EVERY, now):
                    self._store.roll_up(now)
            except (RetryLaterError, PayloadError) as exc:
                if not away:
                    log.warning("derive.waits", reason=str(exc))
                away = str(exc)
            else:
                if away:
                    log.info("derive.goes_on")
                away = ""

    def step(self, now: datetime) -> None:
        """Derive whatever is due.

        Raises:
            RetryLaterError: The store is unavailable.
        """
        if self._is_due("states", STATES_EVERY, now):
            self._derive_states(now)
        if self._is_due("platform", PLATFORM_EVERY, now):
            self._write_platform(now)

    def _is_due(self, name: str, every: timedelta, now: datetime) -> bool:
        if now < self._due.get(name, now):
            return False
        self._due[name] = now + every
        return True

    def _derive_states(self, now: datetime) -> None:
        if not self._restored:
            self._states.restore(self._store.last_states(now))
            self._restored = True
        city = self._inventory.current()
        latest = {known.device: known for known in self._store.latest()}
        self._newest_at = max((known.received_at for known in latest.values()), default=None)
        raised = raised_by_device(self._store.events_since(LATCHED_EVENTS, now - RAISED_LOOKBACK))
        device_states = evaluate(city.devices.values(), latest, raised, now, self._own_lag())
        cases = fold(self._store.events_since(TYPES, now - CASES_BACK), city, simulated=self._demo)
        deposits = self._store.events_since(("deposit",), now - DEPOSITS_BACK)
        try:
            lines = [*self._states.points(device_states, now), *self._alarm_flags.points(device_states, now)]
            self._store.write_derived(lines, RAW)
            self._store.write_derived(self._cases.points(cases, deposits), EVENTS)
        except (RetryLaterError, PayloadError):
            self._states.forget_written()
            self._alarm_flags.forget_written()
            self._cases.forget_written()
            raise
        midnight = now.astimezone(city.time_zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        if self._is_due("clients", CLIENTS_EVERY, now):
            events = self._store.events_since(CLIENT_EVENTS, midnight)
            self._store.write_derived(top_client_points(city, events, now), RAW)
        if self._is_due("areas", AREAS_EVERY, now):
            collections = self._store.events_since(("collected",), midnight)
            self._states.note_collections(collections)
            lines = area_points(city, device_states, cases, collected_by_area(city, collections), now)
            self._store.write_derived([*lines, *client_points(city, device_states, now)], RAW)
        self._silent = sum(device_state.connectivity in ABSENT for device_state in device_states)

    def _own_lag(self) -> timedelta:
        health = self._health.read()
        return timedelta(seconds=health.live_lag_s) if health else timedelta(0)

    def _write_platform(self, now: datetime) -> None:
        health = self._health.read()
        if health is None:
            return
        city = self._inventory.current()
        before = self._last_health or health
        self._last_health = health
        counted = {
            "received": health.received_total - before.received_total,
            "stored": health.stored_total - before.stored_total,
            "duplicates": health.duplicates_total - before.duplicates_total,
            "dead": health.dead_letters_total - before.dead_letters_total,
        }
        fields: dict[str, Value | None] = {
            **counted,
            "journal_depth": health.journal_depth,
            "journal_bytes": health.journal_bytes,
            "lag_s": health.lag_s,
            "live_lag_s": health.live_lag_s,
            # A board subtracts it from the present: what ingest says of its own lag is old when ingest has stopped.
            "newest_at": to_ms(self._newest_at) if self._newest_at else None,
            "connected": health.connected,
            "store_ok": health.store == "ok",
            "journal_ok": health.journal == "ok",
            "dead_letters_waiting": self._dead_letters(),
            "alarms": len(health.alarms),
            "devices": len(city.devices),
            "devices_silent": self._silent,
            "rollup_waiting": self._store.rollups_waiting(),
        }
        tags = {"city": city.id, "service": "ingest"}
        self._store.write_derived([to_point("platform", tags, fields, to_ms(now) * 1_000_000)], RAW)
