"""Answers nats-server's question whether a client may come in; a refusal waits, and meanwhile others are answered."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import structlog

from broker.access import CONNECTIONS_OF_A_GATEWAY, Rights
from broker.contract.errors import PayloadError
from broker.health import BrokerHealth
from broker.nats.admission import Failures, Gate, Reason, SignIn, in_server_terms
from broker.nats.config import ACCOUNT, GATEWAYS
from broker.nats.jwt import Claims, Signer, read_request
from broker.nats.library import Client, Msg, NatsError
from broker.nats.system import SystemAccount

log = structlog.get_logger("broker")

QUESTIONS: Final = "$SYS.REQ.USER.AUTH"
QUESTION_MAX_BYTES: Final = 16 << 10
"""A question holds the client's user, password and id; a longer one is of nobody whom the city knows."""
WAITING_MAX: Final = 1_000
"""Refusals that wait at once; the others are answered without a wait."""


class SignIns:
    """Judges clients one by one and keeps count.

    Args:
        gate: Who may come in.
        signer: Signs the answers.
        health: Where sign-ins and refusals are counted.
    """

    def __init__(self, gate: Gate, signer: Signer, health: BrokerHealth) -> None:
        self._gate = gate
        self._signer = signer
        self._health = health
        self._failures = Failures()
        self._tasks: set[asyncio.Task[None]] = set()
        self._system: SystemAccount | None = None
        self._serving = asyncio.Event()
        self.judged: set[int] = set()
        """Connections whose question is being answered."""

    async def listen(self, keeper: Client) -> None:
        """Take questions from now on; they are answered from `begin` on."""
        self._serving = asyncio.Event()  # of this loop: there is another after files were set aside
        await keeper.subscribe(QUESTIONS, cb=self._take)

    def begin(self, system: SystemAccount) -> None:
        """Answer what has been asked and will be."""
        self._system = system
        self._serving.set()

    def note_silent(self, address: str) -> None:
        """A client has connected and not signed in in time."""
        self._health.silent_total += 1
        self._failures.note(address, "silent", time.monotonic())

    def note_refused_topic(self, address: str) -> None:
        """A client was cut off for a topic that the server cannot carry; nothing of it was acknowledged."""
        self._health.refused_topics_total += 1
        self._health.refused_topic_at = time.time()
        self._failures.note(address, "topic_with_white_space", time.monotonic())

    def note_shed(self, address: str) -> None:
        """A connection without a sign-in was ended because memory ran short."""
        self._health.shed_total += 1
        self._failures.note(address, "shed", time.monotonic())

    def report(self) -> None:
        """Log the failures of addresses that are due: one line a minute and address."""
        for address, reasons in self._failures.due(time.monotonic()):
            log.warning("broker.refused", address=address, **reasons)

    async def _take(self, message: Msg) -> None:
        if len(message.data) > QUESTION_MAX_BYTES:  # not even read: the server closes the connection by itself
            self._note_failure("", "oversized")
            return
        try:
            asked = read_request(message.data)
        except PayloadError as exc:
            log.error("broker.sign_in_unreadable", reason=str(exc))
            return
        task = asyncio.get_running_loop().create_task(self._answer(message, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg, asked: Claims) -> None:
        self.judged.add(asked.client_info.id)
        try:
            await self._judge_and_respond(message, asked)
        finally:
            self.judged.discard(asked.client_info.id)

    async def _judge_and_respond(self, message: Msg, asked: Claims) -> None:
        await self._serving.wait()
        found = await self._judge(asked)
        if isinstance(found, Rights):
            self._health.signed_in_total += 1
            account = GATEWAYS if found.is_gateway else ACCOUNT
            answer = self._signer.admission(asked, account, asked.connect_opts.user, in_server_terms(found))
        else:
            wait_s = self._note_failure(asked.client_info.host, found)
            answer = self._signer.refusal(asked, found)
            if len(self._tasks) <= WAITING_MAX:
                await asyncio.sleep(wait_s)
        await self._respond(message, answer)

    async def _judge(self, asked: Claims) -> Rights | Reason:
        client, options = asked.client_info, asked.connect_opts
        if client.type != "mqtt":
            return "unknown_account"
        found = self._gate.judge(SignIn(options.user, options.password, client.mqtt_id, client.host))
        if isinstance(found, Rights) and found.is_gateway and await self._is_crowded(options.user):
            return "too_many_connections"
        return found

    async def _is_crowded(self, user: str) -> bool:
        """Whether a gateway has as many connections as it may."""
        return self._system is not None and len(await self._system.connections_of(user)) >= CONNECTIONS_OF_A_GATEWAY

    async def _respond(self, message: Msg, answer: bytes) -> None:
        with contextlib.suppress(NatsError, OSError):
            await message.respond(answer)

    def _note_failure(self, address: str, reason: Reason) -> float:
        self._health.refused_total += 1
        return self._failures.note(address, reason, time.monotonic())
