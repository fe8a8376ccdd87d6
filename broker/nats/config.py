"""The configuration of the embedded nats-server, from the table of rights and the city's key.

Devices and third-party servers are authenticated one by one (`broker.nats.admission`), because a configuration cannot
bind an account to a client id, and because an adopted device then has its account at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES
from broker.contract.topics import canary_topic, subscription
from broker.nats.endpoint import READER
from broker.nats.subjects import FROM_GATEWAYS, MESSAGES, RETAINED, RETAINED_MESSAGES, STREAM, subject_of

ACCOUNT: Final = "KOTA"
GATEWAYS: Final = "GATEWAYS"
"""The account of third-party servers: the server limits message size by account, and theirs is larger."""
SYSTEM: Final = "SYS"
KEEPER: Final = "keeper"
"""The service's own user: answers authentication requests, manages the stream."""
GATEWAY_KEEPER: Final = "gateway-keeper"
"""The service's user in the gateways' account."""
WATCHER: Final = "watcher"
"""The service's user in the system account: lists connections and ends them."""
CONNECTIONS_MAX: Final = 16_384
HEADER_BYTES: Final = 512
"""Bytes that nats-server adds to a payload before it checks the limit."""
PENDING_MAX_BYTES: Final = 64 << 20
"""Outgoing bytes per connection before the server closes it; a flood of sign-ins queues for ours."""
STORED_WITHIN_S: Final = 30
"""A device is disconnected when its message is not on disk by then; a slow card needs some seconds."""
SIGN_IN_WITHIN_S: Final = 10
"""A connection that has not authenticated by then is closed."""


_STORED: Final = (f"{MESSAGES}>", f"{RETAINED_MESSAGES}>")


class NatsLayout(NamedTuple):
    """Paths, all absolute, and ports. `tls`: a folder with `server.crt` and `server.key`; None for plain MQTT."""

    folder: Path
    host: str
    port: int
    max_bytes: int
    tls: Path | None = None


def conf_text(layout: NatsLayout, city: str, issuer: str, password_of: Callable[[str], str]) -> str:
    """`nats-server.conf`.

    With `sync_interval: always` a PUBACK means that a message is on disk; the default syncs every two minutes. Its
    encryption is not used: killed while it creates a file, 2.15 finds the whole stream corrupt. JetStream's own bound
    is above the stream's, which refuses new messages when it is reached.
    """

    def user(name: str, **more: object) -> dict[str, object]:
        return {"user": name, "password": password_of(name), "allowed_connection_types": ["STANDARD"], **more}

    city_users = [user(KEEPER), user(READER, permissions=_reader_permissions(city))]
    conf = {
        "server_name": f"kota-{city}",
        "listen": "127.0.0.1:-1",
        "ports_file_dir": str(layout.folder),
        "max_payload": GATEWAY_PAYLOAD_BYTES + HEADER_BYTES,
        "max_connections": CONNECTIONS_MAX,
        "max_pending": PENDING_MAX_BYTES,
        "write_deadline": "5s",
        "ping_interval": "10s",
        "lame_duck_duration": "30s",
        "jetstream": {
            "store_dir": str(layout.folder / "jetstream"),
            "sync_interval": "always",
            "max_memory_store": 16 << 20,
            "max_file_store": 2 * layout.max_bytes + (1 << 30),
        },
        "mqtt": {
            "listen": f"{layout.host}:{layout.port}",
            "authorization": {"timeout": SIGN_IN_WITHIN_S},
            "ack_wait": "30s",
            "max_ack_pending": 1_000,
            "js_api_timeout": f"{STORED_WITHIN_S}s",
            **_tls(layout),
        },
        "accounts": {
            ACCOUNT: {"users": city_users, **_city_account()},
            GATEWAYS: {"users": [user(GATEWAY_KEEPER)], **_gateways_account()},
            SYSTEM: {"users": [user(WATCHER)]},
        },
        "system_account": SYSTEM,
        "authorization": {
            "timeout": SIGN_IN_WITHIN_S,
            "auth_callout": {
                "issuer": issuer,
                "account": ACCOUNT,
                "auth_users": [KEEPER, READER, GATEWAY_KEEPER, WATCHER],
            },
        },
    }
    return json.dumps(conf, indent=1) + "\n"


def _city_account() -> dict[str, object]:
    """Limits devices' messages; imports what gateways store and publish at QoS 0."""
    return {
        "jetstream": "enabled",
        "limits": {"max_payload": MAX_PAYLOAD_BYTES + HEADER_BYTES},
        "exports": [{"service": subjects, "accounts": [GATEWAYS]} for subjects in _STORED],
        "imports": [{"stream": {"account": GATEWAYS, "subject": ">"}, "to": f"{FROM_GATEWAYS}>"}],
    }


def _gateways_account() -> dict[str, object]:
    """Stores in the city's streams: storing is a request, which the city answers when the message is on disk."""
    return {
        "jetstream": "enabled",
        "exports": [{"stream": ">", "accounts": [ACCOUNT]}],
        "imports": [{"service": {"account": ACCOUNT, "subject": subjects}} for subjects in _STORED],
    }


def _tls(layout: NatsLayout) -> dict[str, object]:
    if layout.tls is None:
        return {}
    files = {"cert_file": str(layout.tls / "server.crt"), "key_file": str(layout.tls / "server.key")}
    return {"tls": {**files, "timeout": SIGN_IN_WITHIN_S, "min_version": "1.2"}}


def _reader_permissions(city: str) -> dict[str, object]:
    """Permissions of ingest: its consumers of one stream, messages of QoS 0, receipts, and the canary."""
    api = "$JS.API."
    publish = [
        *(f"{api}CONSUMER.{verb}.{STREAM}.>" for verb in ("CREATE", "DELETE", "INFO", "MSG.NEXT")),
        f"{api}STREAM.INFO.{RETAINED}",
        f"{api}STREAM.MSG.GET.{RETAINED}",
        f"$JS.ACK.{STREAM}.>",
        subject_of(subscription("receipt", city=city)),
        MESSAGES + subject_of(canary_topic(city)),
    ]
    return {"publish": {"allow": publish}, "subscribe": {"allow": [">"], "deny": ["$SYS.>", "$JS.>"]}}
