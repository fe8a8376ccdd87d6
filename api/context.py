"""The dependencies of the API: city, store, secrets, and the services behind its routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from api.queries.collections import LastCollections
from api.queries.crew_alerts import CrewAlerts
from api.queries.crew_photos import CrewPhotos
from api.queries.day_planner import DayPlanner
from api.queries.dispatch_board import DispatchBoard
from api.queries.evidence_service import EvidenceService
from api.queries.fill_forecasts import FillForecasts
from api.queries.reviews import ReviewService
from broker.quota import TrafficQuota
from city.inventory.model import City, Profile
from city.inventory.provider import InventoryProvider
from city.runtime.connected_devices import ConnectedDevices
from city.runtime.gateways import Gateways
from city.runtime.passwords import Passwords
from city.runtime.secrets import Secrets
from dispatch.alarms.service import Alarms
from dispatch.alarms.watcher import AlarmBoard
from dispatch.notifications.board import NotificationBoard
from dispatch.notifications.deliveries import Deliveries
from dispatch.services import DispatchServices
from ingest.decoding.dry_run import DryRunResult
from ingest.decoding.formats.port import CodecRunner
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine, QuarantinedMessage
from ingest.store.port import TelemetryReader
from ingest.store.views.health import HealthSnapshotFile
from people.grafana_sign_in import GrafanaSignIn
from people.openid_sign_in import OpenIdSignIn
from people.passkeys.relying_party import RelyingParty, relying_party_of
from people.service import People


@dataclass(frozen=True)
class ApiContext:
    """The dependencies of every route and page.

    `replay` gives dead letters back to ingest and returns their number. `receive` journals a message for ingest; it
    raises `TopicError` if no adapter reads its topic, and `RetryLaterError` while the journal is full. `preview`
    decodes a message with a profile, or the id of one, and, for a container, a container model, without storing it.
    `refresh` reads anew what was added to the inventory, which otherwise happens within a second. `data` is the folder
    that the services share. `demo` marks data as simulated. `quota` counts what gateways send, `codecs` runs payload
    codecs. `people` knows who asks, and `open_id` signs in at a provider, if there is one, which returns to
    `public_url`; passkeys belong to that address. `grafana` signs people in to Grafana.
    `connected` are devices of a demo that somebody sends for. `alarms` are the alarms of the city, and `alarm_board`
    has those that need attention. `deliveries` are the notifications about them, and `notification_board` has what
    fails of these. `forecasts` knows how full containers get. `dispatch` has plans, shifts, crews and work orders,
    `dispatch_board` what was seen last of them, `planner` makes plans. With `is_open` every user of this machine may do
    what a supervisor may. `collections` knows when containers were emptied.
    """

    inventory: InventoryProvider
    reader: TelemetryReader
    dead_letters: DeadLetterQueue
    quarantine: Quarantine
    health: HealthSnapshotFile
    secrets: Secrets
    people: People
    alarms: Alarms
    alarm_board: AlarmBoard
    deliveries: Deliveries
    notification_board: NotificationBoard
    forecasts: FillForecasts
    dispatch: DispatchServices
    dispatch_board: DispatchBoard
    planner: DayPlanner
    open_id: OpenIdSignIn | None
    grafana: GrafanaSignIn
    gateways: Gateways
    passwords: Passwords
    data: Path
    evidence: EvidenceService
    reviews: ReviewService
    crew_alerts: CrewAlerts
    crew_photos: CrewPhotos
    demo: bool
    is_open: bool
    public_url: str
    replay: Callable[[Sequence[int]], int]
    receive: Callable[[str, bytes], None]
    preview: Callable[[str | Profile, QuarantinedMessage, str], DryRunResult]
    refresh: Callable[[], object]
    clock: Callable[[], datetime]
    codecs: CodecRunner
    connected: ConnectedDevices
    quota: TrafficQuota = field(default_factory=TrafficQuota)
    collections: LastCollections = field(default_factory=LastCollections)

    def is_simulated(self, device: str) -> bool:
        """Whether the readings of a device are those of the simulated city."""
        return self.demo and device not in self.connected.current()

    @property
    def city(self) -> City:
        """The newest snapshot of the inventory."""
        return self.inventory.current()

    @property
    def relying_party(self) -> RelyingParty | None:
        """To whom the passkeys of browsers belong; None where browsers allow none."""
        return relying_party_of(self.public_url)
