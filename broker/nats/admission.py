"""Authentication at the embedded broker: checks password and client id, counts and delays failures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from broker.access import Rights
from broker.nats.subjects import subjects_of
from city.errors import TopicError

ADDRESSES_MAX: Final = 4_096
DELAY_STEP_S: Final = 0.25
DELAY_MAX_S: Final = 4.0
"""The delay of a refusal grows with each failure of its address up to this; a correct password is never delayed."""
FORGIVEN_AFTER_S: Final = 300.0

_RESERVED: Final = ("$JS.>", "$MQTT.>", "$SYS.>", "$KV.>", "$O.>", "kota.>")
_UNREADABLE: Final = ("$JS.>", "$SYS.>")
"""What nobody subscribes to, whatever its filters. `$MQTT.>` is not among them: the server subscribes there itself."""

Reason = Literal[
    "unknown_account",
    "wrong_password",
    "foreign_client_id",
    "too_many_connections",
    "too_many_bytes",
    "oversized",
    "silent",
    "shed",
    "topic_with_white_space",
]


class SignIn(msgspec.Struct, frozen=True):
    """Credentials of a client, and its address."""

    user: str
    password: str
    client_id: str
    address: str


class Authenticator:
    """Authenticates clients by the present table of rights.

    Args:
        rights: The table.
        is_password: Whether an account has a password now.
    """

    def __init__(self, rights: Callable[[], Mapping[str, Rights]], is_password: Callable[[str, str], bool]) -> None:
        self._rights = rights
        self._is_password = is_password

    def authenticate(self, sign_in: SignIn) -> Rights | Reason:
        """The client's rights, or the reason for refusing it."""
        rights = self._rights().get(sign_in.user)
        if rights is None:
            return "unknown_account"
        if not self._is_password(sign_in.user, sign_in.password):
            return "wrong_password"
        if sign_in.client_id != sign_in.user and (not rights.is_gateway or sign_in.client_id in self._rights()):
            return "foreign_client_id"
        return rights


def in_server_terms(rights: Rights) -> dict[str, Any]:
    """Rights as permissions and limits of nats-server; without filters everything is denied."""
    return {
        "pub": _permission(rights.writes, _RESERVED if rights.is_gateway else ()),
        "sub": _permission(rights.reads, _UNREADABLE),
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


class FailureDelays:
    """Delays of refusals by address, bounded; the address that failed longest ago is evicted."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Failures] = OrderedDict()

    def add_failure(self, address: str, now_s: float) -> float:
        """Count a failure; return the delay of its answer in seconds."""
        failures = self._addresses.pop(address, None)
        if failures is None or now_s - failures.last_s > FORGIVEN_AFTER_S:
            failures = _Failures()
        self._addresses[address] = failures
        if len(self._addresses) > ADDRESSES_MAX:
            self._addresses.popitem(last=False)
        failures.count += 1
        failures.last_s = now_s
        return min(DELAY_MAX_S, DELAY_STEP_S * failures.count)
