"""The broker that comes with pip: amqtt (MQTT 3.1.1) with this city's accounts, for one machine.

Its gaps are known and made up for elsewhere: it drops a message that is not acknowledged within 5 s and keeps queues
in memory only, so readings are forgotten at the edge on ingest's receipt and never on a PUBACK.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.errors import AMQTTError
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
        broker = Broker(self._config(), loop=asyncio.get_running_loop())
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
