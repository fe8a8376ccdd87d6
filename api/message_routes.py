"""Messages by HTTP, for those that speak no MQTT: kept on disk before the answer, then read as if from the bus.

The sender is the account of a gateway (HTTP Basic, as `kota credentials gateway NAME` prints it), which may use the
topics of its formats, or a device with its own password. OpenWISP's agents put the latter into the address as `key`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.access import RoleDependency
from api.context import ApiContext
from api.routes import context_of
from broker.contract.errors import TopicError
from broker.contract.topics import is_native, is_platforms
from city.gateways import Gateway

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1", tags=["messages"])

TOPIC_MAX: Final = 400
_NETJSON: Final = "netjson"
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$"
_TIME: Final = r"^[0-9_:.\-]{1,40}$"


def _account_of(request: Request) -> tuple[str, str]:
    """User and password of HTTP Basic; empty when there are none."""
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _is_password(context: ApiContext, user: str, password: str) -> bool:
    return bool(password) and hmac.compare_digest(context.secrets.password(user).encode(), password.encode())


def _sender(check: Callable[[Request], None], account: str) -> RoleDependency:
    return RoleDependency(check, account)


def _require_gateway(request: Request) -> None:
    user, password = _account_of(request)
    context = context_of(request)
    gateway = context.gateways.current().get(user)
    if not _is_gateway(context, gateway, password) or gateway is None:
        said = "this needs the account of a gateway: `kota credentials gateway NAME`"
        raise HTTPException(401, said, {"WWW-Authenticate": 'Basic realm="messages"'})
    if not gateway.may_publish(str(request.path_params.get("topic", ""))):
        raise HTTPException(403, f"{user} may not publish here; its topics: {', '.join(gateway.filters)}")


def _is_gateway(context: ApiContext, gateway: Gateway | None, password: str) -> bool:
    if gateway is None:
        return False
    expected = context.secrets.gateway_password(gateway.name, gateway.nonce)
    return hmac.compare_digest(expected.encode(), password.encode())


def _require_device(request: Request) -> None:
    """The key of the device that the address names, or of a NetJSON gateway for one that nobody knows yet."""
    context = context_of(request)
    key = request.query_params.get("key", "")
    named = str(request.path_params.get("device", "")).lower()
    known = [
        one.id
        for one in context.city.devices.values()
        if one.id == named or (one.binding and one.binding.adapter == _NETJSON and one.binding.address.lower() == named)
    ]
    gateways = [one for one in context.gateways.current().values() if _NETJSON in one.formats]
    # All are compared, found or not: an answer's time tells nobody which devices there are.
    matches = [_is_password(context, user, key) for user in known]
    matches += [_is_gateway(context, one, key) for one in gateways]
    if not any(matches):
        raise HTTPException(404, "no device of that name has that key")


@router.post("/messages/{topic:path}", dependencies=[_sender(_require_gateway, "gateway")])
async def take_message(request: Request, topic: Annotated[str, Path(max_length=TOPIC_MAX)]) -> JSONResponse:
    """Take a message as if it had been published to a topic of another maker's format.

    Answers when it is on disk; 422 where no adapter reads the topic, 503 while the journal is full.
    """
    await _keep(request, topic)
    return JSONResponse({"kept": True})


@router.post("/monitoring/device/{device}/", dependencies=[_sender(_require_device, "device")])
async def take_monitoring(
    request: Request,
    device: Annotated[str, Path(pattern=_NAME)],
    time: Annotated[str, Query(pattern=_TIME)] = "",
) -> JSONResponse:
    """NetJSON DeviceMonitoring as OpenWISP's agents post it, with their own time."""
    await _keep(request, f"{_NETJSON}/{device}/{time}" if time else f"{_NETJSON}/{device}")
    return JSONResponse({"kept": True})


async def _keep(request: Request, topic: str) -> None:
    context = context_of(request)
    if is_native(topic) or is_platforms(topic) or not topic.isprintable() or "+" in topic or "#" in topic:
        raise HTTPException(422, "devices of our own contract publish over MQTT; this is for other makers' topics")
    try:
        context.receive(topic, await request.body())
    except TopicError as exc:
        raise HTTPException(422, str(exc)) from exc
