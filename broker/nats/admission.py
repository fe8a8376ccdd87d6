"""Who comes in at the embedded broker: password and client id are judged, failures are counted and slowed."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from broker.access import Rights
from broker.contract.errors import TopicError
from broker.nats.subjects import subjects_of

ADDRESSES_REMEMBERED: Final = 4_096
DELAY_STEP_S: Final = 0.25
DELAY_MAX_S: Final = 4.0
"""A refusal is answered later with each failure of its address, up to this; who has the right password never waits."""
FORGIVEN_AFTER_S: Final = 300.0
REPORT_EVERY_S: Final = 60.0

_RESERVED: Final = ("$JS.>", "$MQTT.>", "$SYS.>", "$KV.>", "$O.>", "kota.>")

Reason = Literal[
    "unknown_account",
    "wrong_password",
    "foreign_client_id",
    "too_many_connections",
    "oversized",
    "silent",
    "shed",
    "topic_with_white_space",
]


class SignIn(msgspec.Struct, frozen=True):
    """What a client says of itself, and where it comes from."""

    user: str
    password: str
    client_id: str
    address: str


class Gate:
    """Decides over sign-ins by the table of rights as it is now.

    Args:
        rights: The table.
        password_of: The password of an account.
    """

    def __init__(self, rights: Callable[[], Mapping[str, Rights]], password_of: Callable[[str], str]) -> None:
        self._rights = rights
        self._password_of = password_of

    def judge(self, asked: SignIn) -> Rights | Reason:
        """The rights of a client that may come in, or why it may not."""
        rights = self._rights().get(asked.user)
        if rights is None:
            return "unknown_account"
        if not hmac.compare_digest(self._password_of(asked.user).encode(), asked.password.encode()):
            return "wrong_password"
        if asked.client_id != asked.user and (not rights.is_gateway or asked.client_id in self._rights()):
            return "foreign_client_id"
        return rights


def in_server_terms(rights: Rights) -> dict[str, Any]:
    """Rights as permissions and limits of nats-server; without a filter everything is denied, not allowed."""
    return {
        "pub": _permission(rights.writes, _RESERVED if rights.is_gateway else ()),
        "sub": _permission(rights.reads, ()),
        "subs": -1,
        "data": -1,
        "payload": -1,
        "allowed_connection_types": ["MQTT"],
    }


def _permission(filters: tuple[str, ...], denied: tuple[str, ...]) -> dict[str, list[str]]:
    allowed: list[str] = []
    for topic_filter in filters:
        try:
            allowed += subjects_of(topic_filter)
        except TopicError:
            continue  # this broker cannot carry such a topic, so nobody can publish to it
    return {"allow": allowed, "deny": list(denied)} if allowed else {"deny": [">"]}


class _Failures(msgspec.Struct):
    count: int = 0
    last_s: float = 0.0
    unreported: dict[str, int] = msgspec.field(default_factory=dict)
    reported_s: float = -REPORT_EVERY_S


class Failures:
    """Failed sign-ins by address, bounded; the address that failed longest ago gives way."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Failures] = OrderedDict()
        self.total = 0

    def note(self, address: str, reason: Reason, now_s: float) -> float:
        """Count a failure; how many seconds its answer waits."""
        found = self._addresses.pop(address, None)
        if found is None or now_s - found.last_s > FORGIVEN_AFTER_S:
            found = _Failures(reported_s=found.reported_s if found else -REPORT_EVERY_S)
        self._addresses[address] = found
        if len(self._addresses) > ADDRESSES_REMEMBERED:
            self._addresses.popitem(last=False)
        found.count += 1
        found.last_s = now_s
        found.unreported[reason] = found.unreported.get(reason, 0) + 1
        self.total += 1
        return min(DELAY_MAX_S, DELAY_STEP_S * found.count)

    def due(self, now_s: float) -> list[tuple[str, dict[str, int]]]:
        """Addresses with failures since their last report, at most once a minute each: reason to count."""
        reports = []
        for address, found in self._addresses.items():
            if found.unreported and now_s - found.reported_s >= REPORT_EVERY_S:
                reports.append((address, found.unreported))
                found.unreported = {}
                found.reported_s = now_s
        return reports
