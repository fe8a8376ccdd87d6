"""The API and the console as a service, on the store that ingest of the same process has open."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import uvicorn

from api.app import create_app
from api.context import ApiContext
from api.evidence_desk import EvidenceDesk
from api.reviews import ReviewDesk
from city.gateways import Gateways
from city.runtime import Runtime
from ingest.journal import Arrival, Journal
from ingest.posted import keep_posted
from ingest.replay import replay
from ingest.store.opened import close_store, open_store
from ingest.store.quarantine import Quarantined
from ingest.trial import Tried, try_profile
from vision.evidence.retention import keep_enforcing, lifetimes_of
from vision.evidence.room import open_room

GRACE_S = 1


def clock() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


class BeatingServer(uvicorn.Server):
    """A server whose event loop says that it turns, ten times a second.

    Uvicorn's own `callback_notify` asks the wall clock, which may be set back.
    """

    def __init__(self, config: uvicorn.Config, beat: Callable[[], None]) -> None:
        """Nothing runs yet."""
        super().__init__(config)
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's own, and a beat."""
        self._beat()
        return await super().on_tick(counter)


def serve(runtime: Runtime) -> None:
    """Serve HTTP until the runtime stops."""
    settings = runtime.settings
    # A process that also runs ingest has one store, and writes to it.
    opened = open_store(settings, runtime.city, "ingest" if "ingest" in runtime.services else "api")
    journal = Journal(settings.data / "ingest" / "journal.sqlite", max_bytes=settings.journal_max_mb << 20)

    def give_back(ids: Sequence[int]) -> int:
        return replay(opened.dead_letters, journal, ids)

    def receive(topic: str, payload: bytes) -> None:
        keep_posted(journal, topic, payload, clock())

    def preview(profile: str, message: Quarantined, model: str) -> Tried:
        arrival = Arrival(message.topic, message.payload, message.received_at)
        return try_profile(runtime.city, profile, arrival, model=model)

    room = open_room(settings, runtime.secrets)
    runtime.thread("evidence-retention", lambda: keep_enforcing(room, lifetimes_of(settings), runtime.stop))
    app = create_app(
        ApiContext(
            city=runtime.city,
            reader=opened.store,
            dead_letters=opened.dead_letters,
            quarantine=opened.quarantine,
            health=opened.health,
            secrets=runtime.secrets,
            gateways=Gateways(settings.data),
            data=settings.data,
            evidence=EvidenceDesk(room, runtime.city, settings.evidence_clear_key, clock),
            # Like an outbox of its own: a new life, so that its seqs are never taken for older ones.
            reviews=ReviewDesk(runtime.city.id, secrets.token_hex(5), journal.append),
            demo=settings.demo,
            replay=give_back,
            receive=receive,
            preview=preview,
            clock=clock,
        )
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,
        server_header=False,
    )
    server = BeatingServer(config, lambda: runtime.beat("api"))
    thread = runtime.thread("api-http", server.run)
    while not runtime.stop.wait(0.2):
        if not thread.is_alive():
            raise RuntimeError("the HTTP server ended; is its port taken?")
    server.should_exit = True
    thread.join(GRACE_S + 1)
    journal.close()
    close_store(settings)
