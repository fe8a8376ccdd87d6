"""Answers nats-server's authorization callout; a refusal is delayed without holding up the others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from broker.access import CONNECTIONS_OF_A_GATEWAY, Rights
from broker.health import BrokerHealth
from broker.nats.admission import Authenticator, FailureDelays, Reason, SignIn, in_server_terms
from broker.nats.config import ACCOUNT, GATEWAYS
from broker.nats.jwt import AuthRequest, JwtSigner, read_request
from broker.nats.library import Client, Msg, NatsError
from broker.nats.system import SystemAccount
from broker.quota import TrafficQuota
from broker.refusals import RefusalCounter, append_refusals, shorten_unknown
from city.errors import PayloadError

log = structlog.get_logger("broker")

REQUEST_SUBJECT: Final = "$SYS.REQ.USER.AUTH"
REQUEST_MAX_BYTES: Final = 16 << 10
"""Upper limit of a request, which holds user, password and client id; a longer one is of no known account."""
SIGN_IN_BYTES: Final = 1 << 20
"""Bytes that each connection of a gateway is counted for: one that ends at once is not listed."""
DELAYED_MAX: Final = 1_000
"""Refusals that are delayed at once; further ones are answered at once."""


class SignIns:
    """Authenticates clients one by one and counts outcomes.

    Args:
        authenticator: Decides.
        signer: Signs the answers.
        health: Counts sign-ins and refusals.
    """

    def __init__(self, authenticator: Authenticator, signer: JwtSigner, health: BrokerHealth) -> None:
        self._authenticator = authenticator
        self._signer = signer
        self._health = health
        self._delays = FailureDelays()
        self._refusals = RefusalCounter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._system: SystemAccount | None = None
        self._serving = asyncio.Event()
        self.quota = TrafficQuota()
        """What gateways send; one that is over its quota is not let in."""
        self.pending: set[int] = set()
        """Ids of connections whose request is being answered."""

    async def listen(self, keeper: Client) -> None:
        """Accept requests from now on; they are answered from `begin` on."""
        self._serving = asyncio.Event()  # of this loop: there is another after files were set aside
        await keeper.subscribe(REQUEST_SUBJECT, cb=self._on_request)

    def begin(self, system: SystemAccount) -> None:
        """Answer pending and future requests."""
        self._system = system
        self._serving.set()

    def note_silent(self, address: str) -> None:
        """Count a client that connected and did not authenticate in time."""
        self._health.silent_total += 1
        self._note_refusal("", address, "silent")

    def note_refused_topic(self, address: str) -> None:
        """Count a client that was disconnected for a topic that the server cannot carry; nothing was acknowledged."""
        self._health.refused_topics_total += 1
        self._health.refused_topic_at = time.time()
        self._note_refusal("", address, "topic_with_white_space")

    def note_exceeded(self, user: str, address: str) -> None:
        """Count a connection of a gateway that was ended because its account was over its quota."""
        self._health.over_quota_total += 1
        self._note_refusal(user, address, "too_many_bytes")

    def note_shed(self, address: str) -> None:
        """Count an unauthenticated connection that was ended because memory was short."""
        self._health.shed_total += 1
        self._note_refusal("", address, "shed")

    def report(self, folder: Path) -> None:
        """Log refusals by account and reason, each at most once a minute, and append them to the file in a folder."""
        refusals = self._refusals.due(time.monotonic(), datetime.now(UTC))
        for refusal in refusals:
            log.warning(
                "broker.refused",
                user=refusal.user,
                reason=refusal.reason,
                address=refusal.address,
                count=refusal.count,
            )
        if refusals:
            with contextlib.suppress(OSError):  # a full disk: the log has them
                append_refusals(folder, refusals)

    async def _on_request(self, message: Msg) -> None:
        if len(message.data) > REQUEST_MAX_BYTES:  # not even read: the server closes the connection by itself
            self._note_failure("", "", "oversized")
            return
        try:
            request = read_request(message.data)
        except PayloadError as exc:
            log.error("broker.sign_in_unreadable", reason=str(exc))
            return
        task = asyncio.get_running_loop().create_task(self._answer(message, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg, request: AuthRequest) -> None:
        self.pending.add(request.client_info.id)
        try:
            await self._authenticate_and_respond(message, request)
        finally:
            self.pending.discard(request.client_info.id)

    async def _authenticate_and_respond(self, message: Msg, request: AuthRequest) -> None:
        await self._serving.wait()
        outcome = await self._authenticate(request)
        if isinstance(outcome, Rights):
            self._health.signed_in_total += 1
            account = GATEWAYS if outcome.is_gateway else ACCOUNT
            answer = self._signer.admission(request, account, request.connect_opts.user, in_server_terms(outcome))
        else:
            wait_s = self._note_failure(request.connect_opts.user, request.client_info.host, outcome)
            answer = self._signer.refusal(request, outcome)
            if len(self._tasks) <= DELAYED_MAX:
                await asyncio.sleep(wait_s)
        await self._respond(message, answer)

    async def _authenticate(self, request: AuthRequest) -> Rights | Reason:
        client, options = request.client_info, request.connect_opts
        if client.type != "mqtt":
            return "unknown_account"
        outcome = self._authenticator.authenticate(SignIn(options.user, options.password, client.mqtt_id, client.host))
        if not isinstance(outcome, Rights) or not outcome.is_gateway:
            return outcome
        if self.quota.wait_s(options.user, time.monotonic()):
            return "too_many_bytes"
        if await self._is_crowded(options.user):
            return "too_many_connections"
        # What a connection sends before it is listed is counted for it in advance.
        self.quota.add(options.user, SIGN_IN_BYTES, time.monotonic())
        return outcome

    async def _is_crowded(self, user: str) -> bool:
        """Whether a gateway has as many connections as it may; not, as far as the server does not say."""
        if self._system is None:
            return False
        try:
            return len(await self._system.connections_of(user)) >= CONNECTIONS_OF_A_GATEWAY
        except (NatsError, TimeoutError, ValueError):
            return False

    async def _respond(self, message: Msg, answer: bytes) -> None:
        with contextlib.suppress(NatsError, OSError):
            await message.respond(answer)

    def _note_failure(self, user: str, address: str, reason: Reason) -> float:
        """Count a refused sign-in; return the delay of its answer in seconds."""
        self._health.refused_total += 1
        return self._note_refusal(user, address, reason)

    def _note_refusal(self, user: str, address: str, reason: Reason) -> float:
        self._refusals.note(shorten_unknown(user) if reason == "unknown_account" else user, address, reason)
        return self._delays.add_failure(address, time.monotonic())
