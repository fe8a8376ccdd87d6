"""SNMP access for the driver: SNMPv2c or v3, over gufo-snmp."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Annotated, Final, Literal, Protocol, TypeVar

import msgspec
from gufo.snmp import (
    Aes128Key,
    Aes256Key,
    DesKey,
    Md5Key,
    Sha1Key,
    Sha256Key,
    Sha512Key,
    SnmpError,
    User,
)
from gufo.snmp.sync import SnmpSession
from msgspec import Meta

from city.errors import ConfigError, RetryLaterError
from city.runtime.settings import Settings

T = TypeVar("T")

PORT: Final = 161
TRIES: Final = 2
ROWS_MAX: Final = 4096
"""Upper limit of a table's rows, for agents that never end."""
PASSWORD_MIN: Final = 8
"""Source: RFC 3414, section 11.2."""

AUTH: Final = {"md5": Md5Key, "sha": Sha1Key, "sha256": Sha256Key, "sha512": Sha512Key}
PRIVACY: Final = {"des": DesKey, "aes": Aes128Key, "aes256": Aes256Key}

Value = int | float | str | bytes | None


class SnmpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`. `interface` names interfaces that count, joined by `+`; `auth` and `privacy` are v3's."""

    interface: str = ""
    auth: Literal["md5", "sha", "sha256", "sha512"] = "sha256"
    privacy: Literal["des", "aes", "aes256"] = "aes"
    timeout_s: Annotated[float, Meta(gt=0, le=10)] = 2.0


class SnmpAgent(Protocol):
    """The port to an SNMP agent. Object identifiers are dotted numbers without a leading dot."""

    def get(self, oids: Iterable[str]) -> dict[str, Value]:
        """The values that the agent has.

        Raises:
            RetryLaterError: It does not answer, or not to this user.
        """

    def walk(self, column: str) -> dict[str, Value]:
        """A column of a table: index to value, empty when it has no such table.

        Raises:
            RetryLaterError: It does not answer, or not to this user.
        """


class GufoAgent:
    """An agent for one measurement: v3 knows the agent's clock for 150 s only. A lost packet is retried once.

    Args:
        host: Name or address.
        port: UDP port.
        community: For v2c.
        user: For v3, None for v2c.
        timeout_s: Timeout of one response.
    """

    def __init__(self, host: str, port: int, community: str, user: User | None, timeout_s: float) -> None:
        self._host = host
        self._port = port
        self._community = community
        self._user = user
        self._timeout_s = timeout_s
        self._open: SnmpSession | None = None

    def get(self, oids: Iterable[str]) -> dict[str, Value]:
        """Request single values."""
        wanted = list(oids)
        return self._with_retry(lambda session: dict(session.get_many(wanted)))

    def walk(self, column: str) -> dict[str, Value]:
        """Request a column."""
        return self._with_retry(lambda session: _column(session, column))

    def _with_retry(self, ask: Callable[[SnmpSession], T]) -> T:
        reason = ""
        for _ in range(TRIES):
            try:
                self._open = self._open or self._session()
                return ask(self._open)
            except (SnmpError, OSError, ValueError, RuntimeError) as exc:
                self._open = None
                reason = str(exc) or f"no answer within {self._timeout_s:g} s"
        raise RetryLaterError(f"SNMP at {self._host}:{self._port}: {reason}")

    def _session(self) -> SnmpSession:
        address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0][4][0]
        session = SnmpSession(
            str(address), self._port, community=self._community, user=self._user, timeout=self._timeout_s
        )
        session.refresh()
        return session


def _column(session: SnmpSession, column: str) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for oid, value in session.fetch(column):
        if not oid.startswith(f"{column}.") or len(values) >= ROWS_MAX:
            break
        values[oid[len(column) + 1 :]] = value
    return values


def user_of(settings: Settings, options: SnmpOptions) -> User | None:
    """The v3 user of the settings; None without one, which means v2c.

    Raises:
        ConfigError: There is neither a user nor a community, or a password is too short.
    """
    if not settings.snmp_user:
        if not settings.snmp_community.get_secret_value():
            raise ConfigError("snmp: set KOTA_SNMP_COMMUNITY (v2c), or KOTA_SNMP_USER and its passwords (v3)")
        return None
    auth = settings.snmp_auth_password.get_secret_value().encode()
    privacy = settings.snmp_privacy_password.get_secret_value().encode()
    if len(auth) < PASSWORD_MIN or 0 < len(privacy) < PASSWORD_MIN:
        raise ConfigError(
            f"snmp: KOTA_SNMP_AUTH_PASSWORD and _PRIVACY_PASSWORD have at least {PASSWORD_MIN} characters"
        )
    return User(
        settings.snmp_user,
        auth_key=AUTH[options.auth](auth),
        priv_key=PRIVACY[options.privacy](privacy) if privacy else None,
    )
