"""Messages over HTTP, for senders without MQTT: journaled before the response, then processed as if from MQTT.

The sender is a gateway account (HTTP Basic, from `kota credentials gateway NAME`), which may use the topics of its
formats, or a device with its own password. OpenWISP's agents send that password as the query parameter `key`.
"""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.auth.access import SenderDependency
from api.context import ApiContext
from api.dependencies import context_of
from api.http.description import problems
from api.http.routing import ApiRoute
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES
from broker.contract.topics import is_native, is_platforms
from broker.quota import BURST_BYTES
from city.errors import TopicError
from city.inventory.addresses import address_key
from city.inventory.model import Device
from city.runtime.gateways import Gateway

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1", tags=["messages"], responses=problems(503), route_class=ApiRoute)

TOPIC_MAX: Final = 400
_NETJSON: Final = "netjson"
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$"
_TIME: Final = r"^[0-9_:.\-]{1,40}$"


def _account_of(request: Request) -> tuple[str, str]:
    """User and password of HTTP Basic; empty if absent or malformed."""
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _is_password(context: ApiContext, user: str, password: str) -> bool:
    return bool(password) and context.passwords.is_valid(user, password)


def _sender(check: Callable[[Request], int], account: str) -> SenderDependency:
    return SenderDependency(check, account)


def _require_gateway(request: Request) -> int:
    """Require the account of a gateway that may publish to the topic; return the bound of its messages in bytes."""
    user, password = _account_of(request)
    context = context_of(request)
    gateway = context.gateways.current().get(user)
    if not _is_gateway(context, gateway, password) or gateway is None:
        detail = "this needs the account of a gateway: `kota credentials gateway NAME`"
        raise HTTPException(401, detail, {"WWW-Authenticate": 'Basic realm="messages"'})
    if not gateway.may_publish(str(request.path_params.get("topic", ""))):
        raise HTTPException(403, f"{user} may not publish here; its topics: {', '.join(gateway.filters)}")
    _require_quota(request, user)
    return GATEWAY_PAYLOAD_BYTES


def _require_quota(request: Request, sender: str) -> None:
    """Require that an account has not sent too much, and note whose the request is."""
    if wait_s := context_of(request).quota.wait_s(sender, time.monotonic()):
        detail = f"{sender} has sent more than {BURST_BYTES >> 20} MiB within a minute"
        raise HTTPException(429, detail, {"Retry-After": str(math.ceil(wait_s))})
    request.state.sender = sender


def _has_address(device: Device, named: str) -> bool:
    binding = device.binding
    return (
        binding is not None
        and binding.adapter == _NETJSON
        and address_key(_NETJSON, binding.address) == address_key(_NETJSON, named)
    )


def _is_gateway(context: ApiContext, gateway: Gateway | None, password: str) -> bool:
    if gateway is None:
        return False
    return context.secrets.is_gateway_password(gateway.name, gateway.nonce, password)


def _require_device(request: Request) -> int:
    """Require the key of the device in the path, or of a NetJSON gateway; return the bound of its messages in bytes."""
    context = context_of(request)
    key = request.query_params.get("key", "")
    named = str(request.path_params.get("device", ""))
    known = [
        device.id
        for device in context.city.devices.values()
        if device.id == named.lower() or _has_address(device, named)
    ]
    gateways = [gateway for gateway in context.gateways.current().values() if _NETJSON in gateway.formats]
    # All are compared, found or not: an answer's time tells nobody which devices there are.
    bounds = {user: MAX_PAYLOAD_BYTES for user in known if _is_password(context, user, key)}
    bounds |= {gateway.name: GATEWAY_PAYLOAD_BYTES for gateway in gateways if _is_gateway(context, gateway, key)}
    if not bounds:
        raise HTTPException(404, "no device of that name has that key")
    sender, bound = bounds.popitem()
    _require_quota(request, sender)
    return bound


class KeptResponse(msgspec.Struct, frozen=True):
    """The message is in the journal, on disk."""

    kept: bool = True


@router.post(
    "/messages/{topic:path}", dependencies=[_sender(_require_gateway, "gateway")], responses=problems(429, 503)
)
async def receive_message(request: Request, topic: Annotated[str, Path(max_length=TOPIC_MAX)]) -> KeptResponse:
    """Accept a message as if published to a topic of a third-party format.

    The response follows the fsync of the journal. 422 if no adapter reads the topic, 429 while the account is over its
    quota, 503 while the journal is full or too many large messages arrive at once.
    """
    await _receive(request, topic)
    return KeptResponse()


@router.post(
    "/monitoring/device/{device}/",
    dependencies=[_sender(_require_device, "device")],
    responses=problems(404, 429, 503),
)
async def receive_monitoring(
    request: Request,
    device: Annotated[str, Path(pattern=_NAME)],
    time: Annotated[str, Query(pattern=_TIME)] = "",
) -> KeptResponse:
    """NetJSON DeviceMonitoring, as OpenWISP's agents post it, with their timestamp."""
    await _receive(request, f"{_NETJSON}/{device}/{time}" if time else f"{_NETJSON}/{device}")
    return KeptResponse()


async def _receive(request: Request, topic: str) -> None:
    context = context_of(request)
    if is_native(topic) or is_platforms(topic) or not topic.isprintable() or "+" in topic or "#" in topic:
        raise HTTPException(422, "devices of our own contract publish over MQTT; this is for other makers' topics")
    try:
        body = await request.body()
        context.quota.add(request.state.sender, len(body), time.monotonic())
        # An fsync, and the encryption of up to 8 MiB: not on the loop.
        await run_in_threadpool(context.receive, topic, body)
    except TopicError as exc:
        raise HTTPException(422, str(exc)) from exc
