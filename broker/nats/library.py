"""The parts of nats-py in use, without its WebSocket transport: `aiohttp` would cost every process 11 MB."""

from __future__ import annotations

from city.optional_imports import hide_modules

with hide_modules("aiohttp"):
    import nats
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.errors import Error as NatsError
    from nats.errors import SlowConsumerError
    from nats.js import JetStreamContext
    from nats.js import api as stream_api
    from nats.js.errors import Error as JetStreamError
    from nats.js.errors import NotFoundError

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
