"""The embedded broker: one nats-server with this city's accounts, kept by this process, which lets clients in.

kota up -> this process -> nats-server
                `- answers: may this client come in?   `- holds: what ingest has not taken yet
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from broker.access import CONNECTIONS_OF_A_GATEWAY, Rights
from broker.contract.errors import PayloadError, RetryLaterError
from broker.nats.admission import Failures, Gate, Reason, SignIn, in_server_terms
from broker.nats.config import ACCOUNT, KEEPER, WATCHER, Layout, conf_text
from broker.nats.connection import connected
from broker.nats.endpoint import Endpoint
from broker.nats.jwt import Claims, Signer, read_request
from broker.nats.library import Client, JetStreamError, Msg, NatsError
from broker.nats.server import LogLines, ServerProcess
from broker.nats.stream import Sweeper, clear_unreadable, ensure_stream
from broker.nats.subjects import STREAM

log = structlog.get_logger("broker")

LOOK_EVERY_S: Final = 1.0
SILENT_LOOKS_MAX: Final = 3
"""A server that does not answer so many times, five seconds each, is killed and started again.

Counted, because a clock also goes on while this whole machine sleeps.
"""
SIGN_INS: Final = "$SYS.REQ.USER.AUTH"
_TIMEOUT_S: Final = 5


class Facts(NamedTuple):
    """What the broker knows of the city: who may what, by which passwords, and 32 bytes that sign."""

    city: str
    rights: Callable[[], Mapping[str, Rights]]
    password_of: Callable[[str], str]
    seed: bytes


class Counts(msgspec.Struct):
    """What the broker has counted since it started; `DATA/broker/health.json`.

    `connections` counts three of ours: two of the service, one of ingest. `waiting_*` is what ingest has not taken yet.
    """

    at: float = 0.0
    connections: int = 0
    signed_in_total: int = 0
    refused_total: int = 0
    silent_total: int = 0
    refused_topics_total: int = 0
    storage_damaged: str = ""
    waiting_messages: int = 0
    waiting_bytes: int = 0


class EmbeddedBroker:
    """Owns the server and the answers to its sign-ins; `run` blocks until `stop`.

    Args:
        program: Path of nats-server.
        layout: Where things are.
        facts: The city.
        on_alive: Called about once a second while the server answers.
    """

    def __init__(self, program: str, layout: Layout, facts: Facts, on_alive: Callable[[], None] = lambda: None) -> None:
        """Keep what is needed; nothing runs yet."""
        self._program = program
        self._layout = layout
        self._facts = facts
        self._on_alive = on_alive
        self._signer = Signer(facts.seed)
        self._gate = Gate(facts.rights, facts.password_of)
        self._failures = Failures()
        self._counts = Counts()
        self._tasks: set[asyncio.Task[None]] = set()
        self._system: Client | None = None
        self._lines = LogLines(self._note_silent, self._note_refused_topic)
        self._ready = False
        self._serving = asyncio.Event()
        self._table: Mapping[str, Rights] = {}

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`. Files that the server cannot begin with are set aside, and it begins without them.

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
        """Keep what cannot be read beside it: other makers' messages may be lost, our devices send again."""
        aside = f"jetstream.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        (self._layout.folder / "jetstream").rename(self._layout.folder / aside)
        log.error("broker.storage_set_aside", folder=aside, reason=self._lines.storage_troubles[0])

    def _run_once(self, stop: threading.Event) -> None:
        conf = self._layout.folder / "nats-server.conf"
        self._layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = self._facts
        _replace(
            conf,
            conf_text(self._layout, facts.city, self._signer.issuer, facts.password_of).encode(),
        )
        self._lines = LogLines(self._note_silent, self._note_refused_topic)
        server = ServerProcess(self._program, conf, self._lines.take)
        try:
            asyncio.run(self._keep(server, server.address(), stop))
        except (NatsError, JetStreamError, TimeoutError, OSError) as exc:
            raise RetryLaterError(f"the broker does not answer: {type(exc).__name__}: {exc}") from exc
        finally:
            server.stop()

    async def _keep(self, server: ServerProcess, url: str, stop: threading.Event) -> None:
        facts = self._facts
        self._serving = asyncio.Event()  # of this loop: there is another when files were set aside
        async with connected(url, KEEPER, facts.password_of(KEEPER), inbox="_INBOX_keeper") as keeper:
            # At once: whoever asks before somebody listens is answered by a timeout, after ten seconds.
            await keeper.subscribe(SIGN_INS, cb=self._take_sign_in)
            await keeper.flush(_TIMEOUT_S)
            async with connected(url, WATCHER, facts.password_of(WATCHER), inbox="_INBOX_watcher") as system:
                self._system = system
                js = keeper.jetstream(timeout=_TIMEOUT_S)
                await clear_unreadable(js, self._layout.folder / "jetstream", ACCOUNT)
                await ensure_stream(js, self._layout.max_bytes)
                self._begin_serving(url)
                await self._watch(server, keeper, system, stop)

    def _begin_serving(self, url: str) -> None:
        """Let clients and ingest in, and say what was found on the disk."""
        _replace(self._layout.folder / "endpoint.json", msgspec.json.encode(Endpoint(url)))
        self._ready = True
        self._serving.set()
        if reasons := self._lines.storage_troubles:
            log.error("broker.storage_damaged", count=len(reasons), reason=reasons[0])
            self._counts.storage_damaged = reasons[0]
        log.info("broker.ready", host=self._layout.host, port=self._layout.port, tls=bool(self._layout.tls))

    async def _watch(self, server: ServerProcess, keeper: Client, system: Client, stop: threading.Event) -> None:
        """Look after the server until `stop`.

        Raises:
            RetryLaterError: It has ended, or does not answer and was killed.
        """
        silent = 0
        sweeper = Sweeper(keeper.jetstream(timeout=_TIMEOUT_S))
        known: Mapping[str, str] = _passwords(self._facts)
        certificate = _stamp(self._layout.tls)
        while not stop.is_set():
            if not (server.alive and keeper.is_connected and system.is_connected):
                raise RetryLaterError("nats-server has ended")
            if await self._look(keeper, system):
                silent = 0
                self._on_alive()
            elif (silent := silent + 1) >= SILENT_LOOKS_MAX:
                server.kill()
                raise RetryLaterError("nats-server did not answer any more and was killed")
            known = await self._shut_out(system, known)
            if certificate != (certificate := _stamp(self._layout.tls)):
                log.info("broker.certificate_changed")
                server.reload()
            self._report()
            await sweeper.turn(time.monotonic())
            await asyncio.sleep(LOOK_EVERY_S if not stop.is_set() else 0)

    async def _look(self, keeper: Client, system: Client) -> bool:
        """Ask the server how it does; False when it did not answer."""
        try:
            found = json.loads((await system.request("$SYS.REQ.SERVER.PING.STATSZ", b"", timeout=_TIMEOUT_S)).data)
            waiting = (await keeper.jetstream(timeout=_TIMEOUT_S).stream_info(STREAM)).state
        except (NatsError, JetStreamError, TimeoutError, ValueError):
            return False
        self._counts.waiting_messages, self._counts.waiting_bytes = waiting.messages, waiting.bytes
        self._counts.connections = int(found.get("statsz", {}).get("connections", 0))
        self._counts.at = time.time()
        with contextlib.suppress(OSError):
            _replace(self._layout.folder / "health.json", msgspec.json.encode(self._counts))
        return True

    async def _take_sign_in(self, message: Msg) -> None:
        try:
            asked = read_request(message.data)
        except PayloadError as exc:
            log.error("broker.sign_in_unreadable", reason=str(exc))
            return
        # A refusal waits; meanwhile others are answered.
        task = asyncio.get_running_loop().create_task(self._answer(message, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg, asked: Claims) -> None:
        await self._serving.wait()
        client, options = asked.client_info, asked.connect_opts
        found = self._gate.judge(SignIn(options.user, options.password, client.mqtt_id, client.host))
        if isinstance(found, Rights) and client.type != "mqtt":
            found = "unknown_account"
        if isinstance(found, Rights) and not found.own_client_id and await self._is_crowded(options.user):
            found = "too_many_connections"
        if isinstance(found, Rights):
            self._counts.signed_in_total += 1
            answer = self._signer.admission(asked, ACCOUNT, options.user, in_server_terms(found))
        else:
            await asyncio.sleep(self._note_failure(client.host, found))
            answer = self._signer.refusal(asked, found)
        with contextlib.suppress(NatsError, OSError):
            await message.respond(answer)

    async def _is_crowded(self, user: str) -> bool:
        """Whether a gateway has as many connections as it may."""
        return len(await self._connections_of(user)) >= CONNECTIONS_OF_A_GATEWAY

    async def _connections_of(self, user: str) -> list[tuple[str, int]]:
        """Server id and connection id of each connection of an account."""
        assert self._system is not None  # noqa: S101 - sign-ins come after it is there
        wish = msgspec.json.encode({"auth": True, "user": user, "acc": ACCOUNT, "limit": 1_024})
        try:
            raw = (await self._system.request("$SYS.REQ.SERVER.PING.CONNZ", wish, timeout=_TIMEOUT_S)).data
        except (NatsError, TimeoutError):
            return []
        found = json.loads(raw)
        server = str(found.get("server", {}).get("id", ""))
        return [(server, int(one["cid"])) for one in found.get("data", {}).get("connections", [])]

    async def _shut_out(self, system: Client, known: Mapping[str, str]) -> Mapping[str, str]:
        """End the connections of accounts that are gone or have another password; the accounts there are."""
        table = self._facts.rights()
        if table is self._table:
            return known
        self._table = table
        now = _passwords(self._facts)
        for user in [name for name, password in known.items() if now.get(name) != password]:
            for server, connection in await self._connections_of(user):
                with contextlib.suppress(NatsError, TimeoutError):
                    wish = msgspec.json.encode({"cid": connection})
                    await system.request(f"$SYS.REQ.SERVER.{server}.KICK", wish, timeout=_TIMEOUT_S)
            log.info("broker.account_gone", user=user)
        return now

    def _note_failure(self, address: str, reason: Reason) -> float:
        self._counts.refused_total += 1
        return self._failures.note(address, reason, time.monotonic())

    def _note_silent(self, address: str) -> None:
        self._counts.silent_total += 1
        self._failures.note(address, "silent", time.monotonic())

    def _note_refused_topic(self, address: str) -> None:
        """A client was cut off for a topic that the server cannot carry; nothing of it was acknowledged."""
        self._counts.refused_topics_total += 1
        self._failures.note(address, "topic_with_white_space", time.monotonic())

    def _report(self) -> None:
        for address, reasons in self._failures.due(time.monotonic()):
            log.warning("broker.refused", address=address, **reasons)


def _replace(path: Path, content: bytes) -> None:
    """Give a file of this folder another content, readable for us alone."""
    part = path.with_name(f".{path.name}.part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(path)


def _passwords(facts: Facts) -> dict[str, str]:
    """Every account with its password, by which one made again is told from the one before."""
    return {user: facts.password_of(user) for user in facts.rights()}


def _stamp(tls: Path | None) -> float:
    """When the certificate was last changed; 0 without one."""
    try:
        return (tls / "server.crt").stat().st_mtime if tls else 0.0
    except OSError:
        return 0.0
