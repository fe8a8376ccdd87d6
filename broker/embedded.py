"""The broker that comes with pip: amqtt (MQTT 3.1.1) with this city's accounts, for one machine.

Its gaps are known and made up for elsewhere: it drops a message that is not acknowledged within 5 s and keeps queues
in memory only, so readings are forgotten at the edge on ingest's receipt and never on a PUBACK.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.errors import AMQTTError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from broker.access import Accounts
from broker.contract.errors import RetryLaterError

STOP_TIMEOUT_S = 3.0


class AccountsAuth(BaseAuthPlugin):
    """Lets in who has an account."""

    @dataclass
    class Config:
        """Carries the accounts into amqtt."""

        accounts: Any = None

    async def authenticate(self, *, session: Session) -> bool:
        """Whether user and password are right; an empty user never is."""
        accounts: Accounts = self.config.accounts
        return accounts.authenticate(session.username, session.password)


class AccountsAccess(BaseTopicPlugin):
    """Decides each publish and each subscription; delivery follows the subscription's decision."""

    @dataclass
    class Config:
        """Carries the accounts into amqtt."""

        accounts: Any = None

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether this session may do that with this topic."""
        accounts: Accounts = self.config.accounts
        if session is None or not session.username or not topic:
            return False
        if action == Action.PUBLISH:
            return accounts.may_publish(session.username, topic)
        if action == Action.SUBSCRIBE:
            return accounts.may_subscribe(session.username, topic)
        return True


class _Broker(Broker):
    """Amqtt, but what a client was told is taken is passed on although the client has gone.

    Its own loop forgets what it has acknowledged and not yet passed on when the client disconnects: most of what comes
    from a device that wakes, publishes a few messages and sleeps again.
    """

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        ask: dict[str, Callable[[], Awaitable[Any]]] = {
            "message": handler.mqtt_deliver_next_message,
            "subscription": handler.get_next_pending_subscription,
            "unsubscription": handler.get_next_pending_unsubscription,
            "gone": handler.wait_disconnect,
        }
        answer = {
            "message": self._handle_message_delivery,
            "subscription": self._handle_subscription,
            "unsubscription": self._handle_unsubscription,
        }
        waiters = {name: asyncio.ensure_future(one()) for name, one in ask.items()}
        try:
            while True:
                await asyncio.wait(waiters.values(), return_when=asyncio.FIRST_COMPLETED)
                done = [name for name in answer if waiters[name].done()]
                gone = waiters["gone"].done()
                # Before anything is waited for: nobody else takes from the queue meanwhile.
                left = _left_in(client_session.delivered_message_queue) if gone else []
                for name in done:
                    if await answer[name](client_session, handler, waiters[name]) is False:
                        return
                for message in left:
                    if not await self._handle_message_delivery(client_session, handler, message):
                        break
                if gone:
                    await self._handle_disconnect(client_session, handler, waiters["gone"])
                    return
                waiters |= {name: asyncio.ensure_future(ask[name]()) for name in done}
        except asyncio.CancelledError:
            return
        finally:
            for waiter in waiters.values():
                waiter.cancel()
            await asyncio.gather(*waiters.values(), return_exceptions=True)


def _left_in(queue: asyncio.Queue[Any]) -> list[asyncio.Future[Any]]:
    """Everything that waits in a queue, as amqtt wants to be given it."""
    futures = []
    while not queue.empty():
        future = asyncio.get_running_loop().create_future()
        future.set_result(queue.get_nowait())
        futures.append(future)
    return futures


class EmbeddedBroker:
    """Owns one amqtt broker on one port; `run` blocks on its own event loop until `stop`."""

    def __init__(self, host: str, port: int, accounts: Accounts) -> None:
        """Keep what to listen on; nothing is opened yet."""
        self._listen = f"{host}:{port}"
        self._accounts = accounts
        # amqtt logs every connection at info and payloads at debug.
        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`.

        Raises:
            RetryLaterError: The port is taken.
        """
        asyncio.run(self._serve(stop))

    async def _serve(self, stop: threading.Event) -> None:
        broker = _Broker(self._config(), loop=asyncio.get_running_loop())
        try:
            await broker.start()
        except (AMQTTError, OSError) as exc:
            raise RetryLaterError(f"broker on {self._listen}: {exc}") from exc
        while not stop.is_set():  # noqa: ASYNC110 - the event is a thread's, set by the process's signal handler
            await asyncio.sleep(0.1)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await broker.shutdown()

    def _config(self) -> dict[str, Any]:
        accounts = {"accounts": self._accounts}
        return {
            "listeners": {"default": {"type": "tcp", "bind": self._listen, "max_connections": 2_000}},
            "timeout_disconnect_delay": 2,
            "plugins": {"broker.embedded.AccountsAuth": accounts, "broker.embedded.AccountsAccess": accounts},
        }
