"""REST of accounts at the broker: of devices, and of third-party servers (gateways)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec
import structlog
from fastapi import APIRouter, Request
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.auth.access import audit_action, require
from api.dependencies import DeviceId, context_of
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.broker_accounts import (
    AccountKind,
    AccountRefusedError,
    NewPassword,
    PasswordState,
    broker_accounts,
    has_key,
    make_gateway,
    renew_password,
    revoke_password,
)
from broker.contract.topics import ID_PATTERN
from city.errors import ConfigError, StorageError

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1/broker", tags=["broker"], responses=problems(503), route_class=ApiRoute)
T = TypeVar("T")


class RenewRequest(BaseModel):
    """Another password of a device."""

    model_config = ConfigDict(extra="forbid")
    overlap_h: float = Field(24, ge=0, le=8_760, description="How long the old passwords stay valid. Unit: h.")


class GatewayRequest(BaseModel):
    """A new account of a third-party server."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=f"^{ID_PATTERN}$", examples=["lorawan-server"])
    formats: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=40)


class BrokerAccountResponse(msgspec.Struct, frozen=True):
    """An account at the broker, without any secret."""

    user: str
    kind: AccountKind
    state: PasswordState
    changed_at: datetime | None
    old_valid_until: datetime | None
    formats: tuple[str, ...]
    by_service: Annotated[bool, Meta(description="Whether a service of the city signs in with it.")]


class BrokerAccountsResponse(msgspec.Struct, frozen=True):
    """The accounts at the broker."""

    can_change: Annotated[bool, Meta(description="Whether passwords can be changed here.")]
    accounts: list[BrokerAccountResponse]


class NewPasswordResponse(msgspec.Struct, frozen=True):
    """A new password, which is shown only here. The client id of a device is its user."""

    user: str
    password: str
    old_valid_until: datetime | None


class EndedAccountResponse(msgspec.Struct, frozen=True):
    """An account that has no password any more."""

    user: str


@router.get("/accounts", dependencies=[require("broker.write")])
def list_broker_accounts(request: Request) -> BrokerAccountsResponse:
    """Who has an account at the broker."""
    context = context_of(request)
    try:
        accounts = broker_accounts(context)
    except ConfigError as exc:
        raise HTTPException(503, "the changed passwords cannot be read", {"Retry-After": "60"}) from exc
    return BrokerAccountsResponse(has_key(context), [BrokerAccountResponse(*account) for account in accounts])


@router.post("/accounts/{user}/password", dependencies=[require("broker.write")], responses=problems(404, 409))
def renew_broker_password(request: Request, user: DeviceId, body: RenewRequest) -> NewPasswordResponse:
    """Give a device another password; the broker knows it at once."""
    overlap = timedelta(hours=body.overlap_h)
    renewed = _try(lambda: renew_password(context_of(request), user, overlap))
    until = renewed.old_valid_until.isoformat(timespec="seconds") if renewed.old_valid_until else None
    audit_action(request, "device.password", user, old_valid_until=until)
    return _password(renewed)


@router.post("/accounts/{user}/revoke", dependencies=[require("broker.write")], responses=problems(404, 409))
def revoke_broker_password(request: Request, user: DeviceId) -> EndedAccountResponse:
    """Refuse every password of a device until it gets another one; its connections end."""
    _try(lambda: revoke_password(context_of(request), user))
    audit_action(request, "device.revoke", user)
    return EndedAccountResponse(user)


@router.post("/gateways", dependencies=[require("broker.write")], responses=problems(409))
def make_broker_gateway(request: Request, body: GatewayRequest) -> NewPasswordResponse:
    """Make the account of a third-party server, which may publish to the topics of its formats."""
    context = context_of(request)
    if body.name in context.gateways.current():
        raise HTTPException(409, f"{body.name!r} is an account already")
    made = _try(lambda: make_gateway(context, body.name, body.formats))
    audit_action(request, "gateway.make", body.name, formats=body.formats)
    return _password(made)


@router.delete("/gateways/{name}", dependencies=[require("broker.write")], responses=problems(404))
def revoke_broker_gateway(request: Request, name: DeviceId) -> EndedAccountResponse:
    """Revoke the account of a third-party server; its connections end within seconds."""
    try:
        context_of(request).gateways.revoke(name)
    except ConfigError as exc:
        raise HTTPException(404, f"there is no gateway {name!r}") from exc
    audit_action(request, "gateway.revoke", name)
    return EndedAccountResponse(name)


def _try(work: Callable[[], T]) -> T:
    """What `work` gives.

    Raises:
        HTTPException: 404, 409, 422 or 503.
    """
    try:
        return work()
    except KeyError as exc:
        raise HTTPException(404, f"there is no device {exc.args[0]!r}") from exc
    except AccountRefusedError as exc:
        raise HTTPException(409, str(exc)) from exc
    except StorageError as exc:
        log.error("accounts.refused", reason=str(exc))
        raise HTTPException(503, "the disk refuses; nothing was changed", {"Retry-After": "60"}) from exc
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc


def _password(made: NewPassword) -> NewPasswordResponse:
    return NewPasswordResponse(made.user, made.password, made.old_valid_until)
