"""Ends connections that authenticated with a password that is not valid any more, or with an account that is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from broker.access import Rights
from broker.nats.config import SIGN_IN_WITHIN_S
from broker.nats.library import NatsError
from broker.nats.system import SystemAccount

log = structlog.get_logger("broker")

SIGN_IN_SETTLED: Final = timedelta(seconds=SIGN_IN_WITHIN_S)
"""An authentication that was answered before a password ended has become a connection by then."""


class _Revoked(msgspec.Struct):
    seen_at: datetime
    ended_once: bool = False


class Revocations:
    """Follows the accounts and their valid passwords from call to call.

    Args:
        rights: The present table of rights.
        password_ids: An id of each valid password of an account.
    """

    def __init__(
        self, rights: Callable[[], Mapping[str, Rights]], password_ids: Callable[[str], frozenset[str]]
    ) -> None:
        self._rights = rights
        self._password_ids = password_ids
        self._valid: Mapping[str, frozenset[str]] = {}
        self._revoked: dict[str, _Revoked] = {}
        """Accounts of which a password ended, until none of their connections is older."""

    def note(self) -> None:
        """Record accounts that were removed, and those of which a password has ended, since the last call."""
        valid = {user: self._password_ids(user) for user in self._rights()}
        for user, ids in self._valid.items():
            if ids - valid.get(user, frozenset()):
                self._revoked[user] = _Revoked(datetime.now(UTC))
                log.info("broker.password_ended" if user in valid else "broker.account_gone", user=user)
        self._valid = valid

    async def end_connections(self, system: SystemAccount) -> None:
        """End connections that authenticated before.

        The first time, all connections of the user end, whatever the clock says: a client with a valid password
        reconnects. Later calls find connections that were being authenticated at that time.
        """
        for user, revoked in list(self._revoked.items()):
            with contextlib.suppress(NatsError, TimeoutError, ValueError):
                connections = await system.connections_of(user)
                stale = [link for link in connections if not revoked.ended_once or link.since <= revoked.seen_at]
                await system.end(stale)
                revoked.ended_once = True
                if not stale and datetime.now(UTC) - revoked.seen_at > SIGN_IN_SETTLED:
                    del self._revoked[user]
