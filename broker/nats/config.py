"""The configuration of the embedded nats-server, made from the table of rights and the city's key.

Devices and other makers' servers are let in one by one (`broker.nats.admission`), because a configuration cannot bind
an account to a client id, and because a device that is taken in then has its account at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from broker.contract.payloads import MAX_PAYLOAD_BYTES
from broker.contract.topics import canary_topic, subscription
from broker.nats.subjects import MESSAGES, RETAINED, STREAM, subject_of

ACCOUNT: Final = "KOTA"
SYSTEM: Final = "SYS"
KEEPER: Final = "keeper"
"""The service's own user: answers sign-ins, keeps the stream."""
WATCHER: Final = "watcher"
"""Its user in the system account: sees connections and ends them."""
READER: Final = "ingest"
CONNECTIONS_MAX: Final = 16_384
HEADER_BYTES: Final = 512
"""What nats-server adds to a payload before it compares it with its bound, which holds for every account."""
SIGN_IN_WITHIN_S: Final = 10
"""A connection that has not signed in by then is closed."""


class Layout(NamedTuple):
    """Where things are, all paths absolute. `tls`: a folder with `server.crt` and `server.key`; None for plain MQTT."""

    folder: Path
    host: str
    port: int
    max_bytes: int
    tls: Path | None = None


def conf_text(layout: Layout, city: str, issuer: str, password_of: Callable[[str], str]) -> str:
    """`nats-server.conf`.

    `sync_interval: always` is what makes a PUBACK mean that a message is on disk; by default it is synced every two
    minutes. Its encryption is not used: killed while it begins a file, 2.15 finds the whole stream corrupt. JetStream's
    own bound lies above the stream's, which refuses new messages when it is reached.
    """

    def user(name: str, *connections: str, **more: object) -> dict[str, object]:
        types = ["STANDARD", *connections]
        return {"user": name, "password": password_of(name), "allowed_connection_types": types, **more}

    ours = [user(KEEPER), user(READER, "MQTT", permissions=_reader_permissions(city))]
    conf = {
        "server_name": f"kota-{city}",
        "listen": "127.0.0.1:-1",
        "ports_file_dir": str(layout.folder),
        "max_payload": MAX_PAYLOAD_BYTES + HEADER_BYTES,
        "max_connections": CONNECTIONS_MAX,
        "max_pending": 8 << 20,
        "write_deadline": "5s",
        "ping_interval": "10s",
        "lame_duck_duration": "30s",
        "jetstream": {
            "store_dir": str(layout.folder / "jetstream"),
            "sync_interval": "always",
            "max_memory_store": 16 << 20,
            "max_file_store": 2 * layout.max_bytes + (256 << 20),
        },
        "mqtt": {
            "listen": f"{layout.host}:{layout.port}",
            "authorization": {"timeout": SIGN_IN_WITHIN_S},
            "ack_wait": "30s",
            "max_ack_pending": 1_000,
            **_tls(layout),
        },
        "accounts": {ACCOUNT: {"jetstream": "enabled", "users": ours}, SYSTEM: {"users": [user(WATCHER)]}},
        "system_account": SYSTEM,
        "authorization": {
            "timeout": SIGN_IN_WITHIN_S,
            "auth_callout": {"issuer": issuer, "account": ACCOUNT, "auth_users": [KEEPER, READER, WATCHER]},
        },
    }
    return json.dumps(conf, indent=1) + "\n"


def _tls(layout: Layout) -> dict[str, object]:
    if layout.tls is None:
        return {}
    files = {"cert_file": str(layout.tls / "server.crt"), "key_file": str(layout.tls / "server.key")}
    return {"tls": {**files, "timeout": SIGN_IN_WITHIN_S, "min_version": "1.2"}}


def _reader_permissions(city: str) -> dict[str, object]:
    """What ingest needs: its consumers of one stream, messages of QoS 0, receipts, and the canary."""
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
