"""The app over a store in memory, with the reference city."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update

from api.app import create_app
from api.context import ApiContext
from api.http.openapi import describe
from api.queries.collections import LastCollections
from api.queries.crew_alerts import CrewAlerts
from api.queries.crew_photos import CrewPhotos
from api.queries.day_inputs import DaySources
from api.queries.day_planner import DayPlanner
from api.queries.dispatch_board import DispatchBoard
from api.queries.evidence_service import EvidenceService
from api.queries.fill_forecasts import FillForecasts
from api.queries.reviews import ReviewService
from city.database.engine import open_database
from city.errors import RetryLaterError
from city.inventory.additions import InventoryAdditions
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Profile
from city.inventory.provider import LiveInventory
from city.runtime.connected_devices import ConnectedDevices
from city.runtime.gateways import Gateways
from city.runtime.password_changes import PasswordChanges
from city.runtime.passwords import Passwords
from city.runtime.secrets import Secrets
from city.storage.signatures import Signer
from dispatch.alarms.service import Alarms
from dispatch.alarms.watcher import AlarmBoard
from dispatch.notifications.board import NotificationBoard
from dispatch.notifications.deliveries import Deliveries
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.planner import make_plan
from dispatch.planning.worker import PlanRequest
from dispatch.services import dispatch_services
from ingest.codecs.runner import IsolatedCodecRunner
from ingest.decoding.decoder import Decoder
from ingest.decoding.dry_run import DryRunResult, dry_run
from ingest.decoding.formats.registry import adapter_for
from ingest.messages import Arrival
from ingest.store.memory import MemoryStore
from ingest.store.parked.dead_letters import DeadLetter, DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine, QuarantinedMessage
from ingest.store.records import EventRecord, Reading, RecordOrigin, StatusRecord, Value
from ingest.store.views.health import HealthSnapshotFile, IngestHealth
from people.accounts import Account
from people.grafana_sign_in import GrafanaSignIn
from people.openid_sign_in import OpenIdSignIn
from people.rights import Role
from people.service import open_people
from people.sessions import digest_of
from people.tables import sessions
from tests.support.access import account_with, session_of, token_of
from tests.support.openapi import Contract
from vision.evidence.photos import PhotoRedactor
from vision.evidence.store import EvidenceStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))


CONTRACTS: list[Contract] = []


def contract_of(app: FastAPI) -> Contract:
    """The contract of the first app of the process. That of all others is the same."""
    if not CONTRACTS:
        CONTRACTS.append(Contract(describe(app)))
    return CONTRACTS[0]


def plan_here(request: PlanRequest, deadline_s: float) -> CollectionPlan:
    """A plan made in this process, in a moment."""
    del deadline_s
    return make_plan(request.problem, 0.3, seed=request.seed, start=request.start)


@dataclass
class Stage:
    """A store to fill and an app to ask."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    board: HealthSnapshotFile = field(default_factory=HealthSnapshotFile)
    replayed: list[int] = field(default_factory=list)
    planning_at: datetime = NOW
    """Time of the planner."""
    journaled: list[Arrival] = field(default_factory=list)
    clear_key: Path | None = None
    journal_full: bool = False
    seq: int = 0
    open_id: OpenIdSignIn | None = None
    public_url: str = "http://127.0.0.1"
    grafana_url: str = ""
    issuer: str = "http://127.0.0.1"

    def __post_init__(self) -> None:
        """Open what lies on disk."""
        self.box = DeadLetterQueue(self.folder / "dead.sqlite")
        self.quarantine = Quarantine(self.folder / "strangers.sqlite")
        self.secrets = Secrets.make(self.folder)
        self.board.publish(IngestHealth(NOW, connected=True))
        self.room = EvidenceStore(self.folder / "evidence", Signer(self.secrets.custody_seed()), 64 << 20)
        self.inventory = LiveInventory(CITY)
        self.additions = InventoryAdditions(self.folder, self.inventory)
        self.reviews = ReviewService(CITY.id, "api", self.journaled.extend)
        self.codecs = IsolatedCodecRunner()
        self.people = open_people(self.folder, "", self.secrets, lambda: NOW)
        self.alarms = Alarms(self.people.database, self.people.audit, lambda: NOW)
        self.alarm_board = AlarmBoard()
        self.deliveries = Deliveries(self.people.database, lambda: NOW)
        self.dispatch = dispatch_services(self.people.database, self.people.audit, self.secrets.crew_key(), lambda: NOW)
        self.notification_board = NotificationBoard()
        self.forecasts = FillForecasts(self.store, self.inventory, lambda: NOW)
        self.collections = LastCollections()
        self.dispatch_board = DispatchBoard()
        sources = DaySources(self.store, self.forecasts, self.collections, self.dispatch, set)
        self.planner = DayPlanner(
            self.inventory,
            builtin_city("kupang"),
            self.folder,
            sources,
            self.people.audit,
            lambda: self.planning_at,
            plan_here,
        )
        self._tokens: dict[Role, str] = {}
        self._sessions: dict[Role, str] = {}

    def token(self, role: Role) -> str:
        """A token with the rights of a role, its own account's; the same at each call."""
        if role not in self._tokens:
            self._tokens[role] = token_of(self.people, role)
        return self._tokens[role]

    def expire(self, cookie: str) -> None:
        """Let a session be over by its time."""
        expired = update(sessions).where(sessions.c.digest == digest_of(cookie)).values(expires_at=NOW)
        with open_database(self.folder).begin() as connection:
            connection.execute(expired)

    def account(self, role: Role) -> Account:
        """The account with a role."""
        return account_with(self.people, role)

    def session(self, role: Role) -> str:
        """The cookie of a session with a role; the same at each call."""
        if role not in self._sessions:
            self._sessions[role] = self.cookie(role)
        return self._sessions[role]

    def cookie(self, role: Role) -> str:
        """The cookie of a new session with a role."""
        return session_of(self.people, role)

    def origin(self, device: str, at: datetime) -> RecordOrigin:
        """The next origin of a device."""
        self.seq += 1
        return RecordOrigin(CITY.devices[device].KIND, device, "b", self.seq, at, at)

    def measure(self, device: str, at: datetime = NOW, **values: Value) -> None:
        """Store a reading."""
        self.store.write([Reading(self.origin(device, at), dict(values))], ())

    def happen(self, device: str, type_: str, state: str = "raised", at: datetime = NOW, **detail: Any) -> None:
        """Store an event."""
        self.store.write([EventRecord(self.origin(device, at), type_, state, detail)], ())  # type: ignore[arg-type]

    def say(self, device: str, state: str, at: datetime = NOW) -> None:
        """Store a state."""
        kind = CITY.devices[device].KIND
        self.store.write([StatusRecord(kind, device, state, at, at)], ())  # type: ignore[arg-type]

    def keep(self, case: str, files: Mapping[str, bytes], **about: Any) -> Path:
        """Keep the evidence of a case; its folder."""
        self.room.keep(case, files, about)
        return self.room.folder / case

    def bury(self, reason: str) -> None:
        """Add a dead letter."""
        self.seq += 1
        self.box.add([DeadLetter(self.seq, "kota/x", b'{"a":\xff', NOW, reason)])

    def drain(self) -> None:
        """Store what has been journaled, as ingest does."""
        decoder = Decoder(self.inventory, late_after=timedelta(minutes=15))
        for arrival in self.journaled:
            decoded = decoder.decode(arrival)
            assert not decoded.rejected, decoded.rejected
            self.store.write(decoded.records, ())

    def replay(self, ids: Sequence[int]) -> int:
        """Take note of a replay."""
        self.replayed += ids
        return len(ids)

    def receive(self, topic: str, payload: bytes) -> None:
        """As the API's service has it, without a disk."""
        if self.journal_full:
            raise RetryLaterError("journal: full")
        adapter_for(topic)
        self.journaled.append(Arrival(topic, payload, NOW))

    def preview(self, profile: str | Profile, message: QuarantinedMessage, model: str) -> DryRunResult:
        """As the API's service has it."""
        return dry_run(self.inventory.current(), profile, message.arrival(), model=model, codecs=self.codecs)

    def context(self, *, demo: bool = True, now: datetime = NOW) -> ApiContext:
        """What an app is made of; its clock stands still a second after `now`."""
        return ApiContext(
            inventory=self.inventory,
            reader=self.store,
            dead_letters=self.box,
            quarantine=self.quarantine,
            health=self.board,
            secrets=self.secrets,
            people=self.people,
            alarms=self.alarms,
            alarm_board=self.alarm_board,
            deliveries=self.deliveries,
            notification_board=self.notification_board,
            forecasts=self.forecasts,
            dispatch=self.dispatch,
            dispatch_board=self.dispatch_board,
            planner=self.planner,
            collections=self.collections,
            open_id=self.open_id,
            grafana=GrafanaSignIn(self.secrets.grafana_seed(), self.issuer, self.grafana_url),
            gateways=Gateways(self.folder),
            passwords=Passwords(self.secrets, PasswordChanges(self.folder)),
            data=self.folder,
            evidence=EvidenceService(self.room, self.inventory, self.clear_key, lambda: now),
            reviews=self.reviews,
            crew_alerts=CrewAlerts(CITY.id, self.journaled.extend),
            crew_photos=CrewPhotos(self.room, PhotoRedactor(lambda: None)),
            demo=demo,
            is_open=demo,
            public_url=self.public_url,
            replay=self.replay,
            receive=self.receive,
            preview=self.preview,
            refresh=self.additions.refresh,
            clock=lambda: now + timedelta(seconds=1),
            codecs=self.codecs,
            connected=ConnectedDevices(self.folder),
        )

    def client(
        self,
        *,
        demo: bool = True,
        token: str = "",
        host: str = "127.0.0.1",
        peer: str = "127.0.0.1",
        now: datetime = NOW,
    ) -> TestClient:
        """A client of the app, as a program on `peer` that addresses it as `host`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        app = create_app(self.context(demo=demo, now=now))
        client = TestClient(app, f"http://{host}", headers=headers, client=(peer, 40000), follow_redirects=False)
        # Whatever a test asks for, each answer has to be one that the description has.
        client.event_hooks = {"response": [contract_of(app).check]}
        return client


@pytest.fixture
def contract(stage: Stage) -> Contract:
    """The contract, with nothing checked yet."""
    found = contract_of(create_app(stage.context()))
    found.checked.clear()
    return found


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.codecs.close()
    made.people.close()
