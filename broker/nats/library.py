"""The parts of nats-py in use, without its WebSocket transport: `aiohttp` would cost every process 11 MB."""

from __future__ import annotations

import sys

_ABSENT = "aiohttp" not in sys.modules
if _ABSENT:
    sys.modules["aiohttp"] = None  # type: ignore[assignment]

import nats  # noqa: E402 - see above
from nats.aio.client import Client  # noqa: E402
from nats.aio.msg import Msg  # noqa: E402
from nats.aio.subscription import Subscription  # noqa: E402
from nats.errors import Error as NatsError  # noqa: E402
from nats.errors import SlowConsumerError  # noqa: E402
from nats.js import JetStreamContext  # noqa: E402
from nats.js import api as stream_api  # noqa: E402
from nats.js.errors import Error as JetStreamError  # noqa: E402
from nats.js.errors import NotFoundError  # noqa: E402

if _ABSENT:
    del sys.modules["aiohttp"]

connect = nats.connect

__all__ = (
    "Client",
    "JetStreamContext",
    "JetStreamError",
    "Msg",
    "NatsError",
    "NotFoundError",
    "SlowConsumerError",
    "Subscription",
    "connect",
    "stream_api",
)
