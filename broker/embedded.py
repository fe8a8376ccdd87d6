"""The embedded broker: one nats-server with this city's accounts, supervised by this process.

kota up -> this process -> nats-server
                `- authenticates clients   `- stores messages until ingest has them
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from broker.access import Rights
from broker.health import BrokerHealth, StorageDamage, health_path, note_damage, replace_private
from broker.nats.admission import Authenticator
from broker.nats.config import (
    ACCOUNT,
    GATEWAY_KEEPER,
    GATEWAYS,
    KEEPER,
    WATCHER,
    NatsLayout,
    conf_text,
)
from broker.nats.connection import open_connection
from broker.nats.endpoint import Endpoint
from broker.nats.jwt import JwtSigner
from broker.nats.library import Client, JetStreamError, NatsError
from broker.nats.revocations import Revocations
from broker.nats.server import LogLines, ServerProcess
from broker.nats.sign_ins import SignIns
from broker.nats.state_streams import ensure_state_streams
from broker.nats.stream import Sweeper, clear_unreadable, ensure_stream
from broker.nats.subjects import HELD, STREAM
from broker.nats.system import ConnectionInfo, SystemAccount
from city.errors import RetryLaterError

log = structlog.get_logger("broker")

HEALTH_EVERY_S: Final = 1.0
MISSED_HEALTH_MAX: Final = 3
"""A server that misses so many health checks, five seconds each, is killed and restarted.

They are counted, because a clock also advances while the machine sleeps.
"""
MEMORY_SHED_BYTES: Final = 192 << 20
"""Memory from which on unauthenticated connections are ended: each may hold an incomplete packet."""
MEMORY_OF_A_CONNECTION_BYTES: Final = 32 << 10
"""Allowance per connection on top."""
GUARD_EVERY_S: Final = 0.25
UNAUTHENTICATED_SPARED: Final = 8
"""So few unauthenticated connections are not the cause and are kept: each holds at most 8 MiB."""
_TIMEOUT_S: Final = 5


class AuthSource(NamedTuple):
    """The city as the broker sees it: rights, passwords, and 32 bytes as the seed of the signing key.

    `is_password` says whether an account has a password now, `password_ids` has an id of each password that is valid.
    `service_password` is the password of one of our own users in the server's configuration.
    """

    city: str
    rights: Callable[[], Mapping[str, Rights]]
    is_password: Callable[[str, str], bool]
    password_ids: Callable[[str], frozenset[str]]
    service_password: Callable[[str], str]
    seed: bytes


class EmbeddedBroker:
    """Owns the server and authenticates its clients; `run` blocks until `stop`.

    Args:
        program: Path of nats-server.
        layout: Paths and ports.
        auth: Rights and passwords.
        on_alive: Called about once a second while the server answers.
    """

    def __init__(
        self, program: str, layout: NatsLayout, auth: AuthSource, on_alive: Callable[[], None] = lambda: None
    ) -> None:
        self._program = program
        self._layout = layout
        self._auth = auth
        self._on_alive = on_alive
        self._signer = JwtSigner(auth.seed)
        self._health = BrokerHealth(waiting_max_bytes=layout.max_bytes)
        self._sign_ins = SignIns(Authenticator(auth.rights, auth.is_password), self._signer, self._health)
        self._lines = self._new_lines()
        self._ready = False
        self._revocations = Revocations(auth.rights, auth.password_ids)
        self._received_bytes: dict[int, int] = {}
        """Bytes received by each of the gateways' connections, when last asked."""

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`. A store that the server cannot open is set aside, and it starts with a new one.

        Raises:
            RetryLaterError: The server ended, or does not answer.
        """
        try:
            self._run_once(stop)
        except RetryLaterError:
            if self._ready or not self._lines.storage_troubles:
                raise
            self._set_aside()
            self._run_once(stop)

    def _set_aside(self) -> None:
        """Move the unreadable store aside: third-party messages may be lost, our devices send again."""
        aside = f"jetstream.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        folder = self._layout.folder
        (folder / "jetstream").rename(folder / aside)
        reason = self._lines.storage_troubles[0]
        log.error("broker.storage_set_aside", folder=aside, reason=reason)
        self._note_damage(f"{reason}; it lies at {folder / aside}")

    def _note_damage(self, detail: str) -> None:
        with contextlib.suppress(OSError):  # a full disk: the log has it
            note_damage(self._layout.folder, StorageDamage(datetime.now(UTC), "broker/jetstream", detail))

    def _new_lines(self) -> LogLines:
        return LogLines(self._sign_ins.note_silent, self._sign_ins.note_refused_topic)

    def _run_once(self, stop: threading.Event) -> None:
        self._revocations.note()
        conf = self._layout.folder / "nats-server.conf"
        self._layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        auth = self._auth
        replace_private(conf, conf_text(self._layout, auth.city, self._signer.issuer, auth.service_password).encode())
        self._lines = self._new_lines()
        self._ready = False
        server = ServerProcess(self._program, conf, self._lines.take)
        try:
            url = server.address()
            while not stop.is_set() and server.alive:
                asyncio.run(self._keep(server, url, stop))
        except (NatsError, JetStreamError, TimeoutError, OSError) as exc:
            raise RetryLaterError(f"the broker does not answer: {type(exc).__name__}: {exc}") from exc
        finally:
            server.stop()
        if not stop.is_set():
            raise RetryLaterError("nats-server has ended")

    async def _keep(self, server: ServerProcess, url: str, stop: threading.Event) -> None:
        """Authenticate and supervise until `stop`, or until the server closes one of our connections.

        Raises:
            RetryLaterError: The server does not answer and was killed.
            NatsError, JetStreamError, TimeoutError, OSError: It cannot be reached.
        """
        password_of = self._auth.service_password
        async with contextlib.AsyncExitStack() as stack:

            async def enter(user: str) -> Client:
                params = open_connection(url, user, password_of(user), inbox=f"_INBOX_{user}")
                return await stack.enter_async_context(params)

            keeper = await enter(KEEPER)
            await self._sign_ins.listen(keeper)
            await keeper.flush(_TIMEOUT_S)
            system = SystemAccount(await enter(WATCHER))
            await self._end_unheard(system)
            js = keeper.jetstream(timeout=_TIMEOUT_S)
            of_gateways = (await enter(GATEWAY_KEEPER)).jetstream(timeout=_TIMEOUT_S)
            await clear_unreadable(js, self._layout.folder / "jetstream", ACCOUNT)
            await ensure_stream(js, self._layout.max_bytes)
            await ensure_state_streams(js)
            await ensure_state_streams(of_gateways, of_gateways=True)
            self._begin_serving(url, system)
            await self._watch(server, keeper, system, Sweeper(((js, STREAM), (js, HELD), (of_gateways, HELD))), stop)

    async def _end_unheard(self, system: SystemAccount) -> None:
        """End connections that asked before anybody listened, so that they connect again at once.

        The server opens its MQTT port before our connection exists. It keeps no request without a listener: such a
        client waits `SIGN_IN_WITHIN_S` and is then refused.
        """
        await system.end(await self._list_unanswered(system))

    async def _list_unanswered(self, system: SystemAccount) -> list[ConnectionInfo]:
        """Unauthenticated connections, except those whose request is being answered; oldest first."""
        connections = await system.list_unauthenticated()
        return [connection for connection in connections if connection.id not in self._sign_ins.pending]

    def _begin_serving(self, url: str, system: SystemAccount) -> None:
        """Publish the endpoint, start authentication, and report storage damage."""
        replace_private(self._layout.folder / "endpoint.json", msgspec.json.encode(Endpoint(url)))
        self._sign_ins.begin(system)
        if self._ready:
            log.warning("broker.connected_again")
            return
        self._ready = True
        if reasons := self._lines.storage_troubles:
            log.error("broker.storage_damaged", count=len(reasons), reason=reasons[0])
            self._note_damage(reasons[0])
        log.info("broker.ready", host=self._layout.host, port=self._layout.port, tls=bool(self._layout.tls))

    async def _watch(
        self, server: ServerProcess, keeper: Client, system: SystemAccount, sweeper: Sweeper, stop: threading.Event
    ) -> None:
        """Supervise the server until `stop`, or until it closes one of our connections.

        Raises:
            RetryLaterError: It does not answer and was killed.
        """
        missed = 0
        certificate = _certificate_mtime(self._layout.tls)
        while keeper.is_connected and system.is_connected and not stop.is_set():
            if await self._update_health(keeper, system):
                missed = 0
                self._on_alive()
            elif (missed := missed + 1) >= MISSED_HEALTH_MAX:
                server.kill()
                raise RetryLaterError("nats-server did not answer any more and was killed")
            self._revocations.note()
            await self._revocations.end_connections(system)
            if certificate != (certificate := _certificate_mtime(self._layout.tls)):
                log.info("broker.certificate_changed")
                server.reload()
            self._sign_ins.report(self._layout.folder)
            await sweeper.sweep_if_due(time.monotonic())
            await self._guard_memory(system, stop)

    async def _update_health(self, keeper: Client, system: SystemAccount) -> bool:
        """Read the server's state and write it to the health file; False when the server did not answer."""
        try:
            state = await system.state()
            waiting = (await keeper.jetstream(timeout=_TIMEOUT_S).stream_info(STREAM)).state
        except (NatsError, JetStreamError, TimeoutError, ValueError):
            return False
        health = self._health
        health.waiting_messages, health.waiting_bytes = waiting.messages, waiting.bytes
        health.connections, health.memory_bytes = state.connections, state.memory_bytes
        health.at = time.time()
        with contextlib.suppress(OSError):
            replace_private(health_path(self._layout.folder), msgspec.json.encode(health))
        return True

    async def _guard_memory(self, system: SystemAccount, stop: threading.Event) -> None:
        """Until the next health check, guard memory and quotas.

        Unauthenticated connections are ended while memory is short, gateways that are over their quota at once.
        """
        until_s = time.monotonic() + HEALTH_EVERY_S
        while time.monotonic() < until_s and not stop.is_set():
            await asyncio.sleep(GUARD_EVERY_S)
            with contextlib.suppress(NatsError, TimeoutError, ValueError):
                await self._end_exceeding_gateways(system)
                state = await system.state()
                if state.memory_bytes > MEMORY_SHED_BYTES + state.connections * MEMORY_OF_A_CONNECTION_BYTES:
                    await self._shed_unauthenticated(system)

    async def _end_exceeding_gateways(self, system: SystemAccount) -> None:
        """Count what gateways have sent since the last call, and end the connections of those over their quota."""
        quota, now_s = self._sign_ins.quota, time.monotonic()
        connections = await system.connections_in(GATEWAYS)
        for link in connections:
            quota.add(link.user, link.received_bytes - self._received_bytes.get(link.id, 0), now_s)
        self._received_bytes = {link.id: link.received_bytes for link in connections}
        exceeding = [link for link in connections if link.user != GATEWAY_KEEPER and quota.wait_s(link.user, now_s)]
        for link in exceeding:
            self._sign_ins.note_exceeded(link.user, link.address)
        if exceeding:
            log.warning("broker.gateway_over_quota", users=sorted({link.user for link in exceeding}))
            await system.end(exceeding)

    async def _shed_unauthenticated(self, system: SystemAccount) -> None:
        """End unauthenticated connections, except those whose request is being answered."""
        unauthenticated = await self._list_unanswered(system)
        if len(unauthenticated) <= UNAUTHENTICATED_SPARED:
            return
        for connection in unauthenticated:
            self._sign_ins.note_shed(connection.address)
        await system.end(unauthenticated)


def _certificate_mtime(tls: Path | None) -> float:
    """Modification time of the certificate; 0 without one."""
    try:
        return (tls / "server.crt").stat().st_mtime if tls else 0.0
    except OSError:
        return 0.0
