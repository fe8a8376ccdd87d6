"""Accounts at the broker: who has one, what is known of its password, and changes of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from api.context import ApiContext
from city.errors import ConfigError
from city.inventory.devices import SERVICE_USERS
from city.inventory.model import Camera
from city.runtime.password_changes import PasswordChange, PasswordChanges
from ingest.decoding.formats.registry import filters_by_format

GATEWAY_WORD: Final = "gateway"
AccountKind = Literal["bin", "truck", "ap", "camera", "gateway", "service"]
PasswordState = Literal["derived", "changed", "revoked", "unreadable"]


class BrokerAccount(NamedTuple):
    """An account. `by_service`: a service of the city signs in with it, so that its password is not changed here."""

    user: str
    kind: AccountKind
    state: PasswordState
    changed_at: datetime | None
    old_valid_until: datetime | None
    formats: tuple[str, ...]
    by_service: bool


class NewPassword(NamedTuple):
    """A password that is shown once."""

    user: str
    password: str
    old_valid_until: datetime | None


class AccountRefusedError(ConfigError):
    """The account's password is not changed here."""


def has_key(context: ApiContext) -> bool:
    """Whether this process has the city's key; a container has its own secrets alone."""
    try:
        context.secrets.password(SERVICE_USERS[0])
        context.secrets.gateway_password(GATEWAY_WORD, "")
    except ConfigError:
        return False
    return True


def broker_accounts(context: ApiContext) -> list[BrokerAccount]:
    """All accounts: services, gateways, then devices by kind and id.

    Raises:
        ConfigError: The folder of changed passwords cannot be read.
    """
    changes, now = PasswordChanges(context.data).changes(), context.clock()
    services = [_account(user, "service", changes, now, by_service=True) for user in _services(context)]
    gateways = [
        BrokerAccount(gateway.name, "gateway", "derived", gateway.made_at, None, gateway.formats, by_service=False)
        for gateway in context.gateways.current().values()
    ]
    devices = [
        _account(device.id, device.KIND, changes, now, by_service=_is_watched(context, device.id))
        for device in sorted(context.city.devices.values(), key=lambda device: (device.KIND, device.id))
    ]
    return [*services, *gateways, *devices]


def renew_password(context: ApiContext, user: str, overlap: timedelta) -> NewPassword:
    """Give a device another password.

    Raises:
        KeyError: There is no such device.
        AccountRefusedError: A service signs in with it, or the city's key is not here.
        StorageError: The disk refuses.
    """
    _require_changeable(context, user)
    changes = PasswordChanges(context.data)
    password, change = changes.renew(user, context.secrets.password(user), overlap, context.clock())
    return NewPassword(user, password, _old_until(change, context.clock()))


def revoke_password(context: ApiContext, user: str) -> None:
    """Refuse every password of a device.

    Raises:
        As `renew_password`.
    """
    _require_changeable(context, user)
    PasswordChanges(context.data).revoke(user, context.clock())


def make_gateway(context: ApiContext, name: str, formats: Sequence[str]) -> NewPassword:
    """Make the account of a third-party server.

    Raises:
        AccountRefusedError: The city's key is not here.
        ConfigError: The name is none or taken, or a format is unknown.
        StorageError: The disk refuses.
    """
    if not has_key(context):
        raise AccountRefusedError("the city's key is not here; `kota credentials gateway` makes the account")
    known = filters_by_format()
    if unknown := [name for name in formats if name not in known]:
        raise ConfigError(f"no format is called {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    filters = [topic_filter for name in formats for topic_filter in known[name]]
    taken = {*context.city.devices, *SERVICE_USERS, GATEWAY_WORD}
    gateway = context.gateways.make(name, formats, filters, taken)
    return NewPassword(gateway.name, context.secrets.gateway_password(gateway.name, gateway.nonce), None)


def _services(context: ApiContext) -> tuple[str, ...]:
    return SERVICE_USERS if context.demo else SERVICE_USERS[:1]


def _is_watched(context: ApiContext, device: str) -> bool:
    camera = context.city.devices.get(device)
    return isinstance(camera, Camera) and bool(camera.source)


def _require_changeable(context: ApiContext, user: str) -> None:
    if user not in context.city.devices:
        raise KeyError(user)
    if _is_watched(context, user):
        raise AccountRefusedError(
            f"a service of the city signs in as {user!r}; `kota credentials {user} --renew` says what it needs then"
        )
    if not has_key(context):
        raise AccountRefusedError(f"the city's key is not here; `kota credentials {user} --renew` changes it")


def _account(
    user: str,
    kind: AccountKind,
    changes: Mapping[str, PasswordChange | None],
    now: datetime,
    *,
    by_service: bool,
) -> BrokerAccount:
    if user not in changes:
        return BrokerAccount(user, kind, "derived", None, None, (), by_service)
    change = changes[user]
    if change is None:
        return BrokerAccount(user, kind, "unreadable", None, None, (), by_service)
    state: PasswordState = "changed" if change.hash else "revoked"
    return BrokerAccount(user, kind, state, change.changed_at, _old_until(change, now), (), by_service)


def _old_until(change: PasswordChange, now: datetime) -> datetime | None:
    return max((old.until for old in change.old_at(now)), default=None)
