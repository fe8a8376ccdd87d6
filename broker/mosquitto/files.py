"""Mosquitto's files: configuration, access rules and passwords, from the table of rights.

Source: mosquitto.conf(5) and mosquitto_passwd(1) of 2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from broker.access import Rights
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES
from broker.contract.topics import ROOT

MESSAGE_EVERY_S: Final = 40
"""Assumed interval of a device's messages, to size a day's queue; Kupang's 633 send under 15 a second."""
QUEUE_STEP: Final = 100_000
"""The queue is rounded up to a multiple, so that a new device seldom changes the configuration."""
QUEUED_MESSAGE_BYTES: Final = 256
"""Assumed average payload, for the queue's bound in bytes; a reading has 172."""
LARGE_QUEUED_BYTES: Final = 16 * GATEWAY_PAYLOAD_BYTES
"""Room in the queue for third-party servers' largest messages, beside a day of readings."""
INFLIGHT_BYTES: Final = 8 * GATEWAY_PAYLOAD_BYTES
"""Bytes on the way to one reader: Mosquitto copies a message when it sends it, so that each counts twice meanwhile."""
PACKET_OVERHEAD_BYTES: Final = 4_096
"""Bytes of a packet besides its payload: header, topic, properties of MQTT 5."""
CONNECTIONS_MAX: Final = 16_384
"""Upper limit of a listener's connections."""
TLS_FILES: Final = {"cafile": "ca.crt", "certfile": "server.crt", "keyfile": "server.key"}


class MosquittoLayout(NamedTuple):
    """Paths, all absolute, and ports.

    `bind` is the address to listen on, empty for all; `user` the account Mosquitto switches to when started as root,
    empty for its default.
    """

    folder: Path
    state: Path
    port: int
    bind: str = ""
    tls: Path | None = None
    tls_port: int = 8883
    user: str = ""


def texts(
    layout: MosquittoLayout, rights: Mapping[str, Rights], hash_of: Callable[[str], str | None]
) -> dict[str, str]:
    """The content of each file by its name."""
    return {
        "mosquitto.conf": conf_text(layout, accounts=len(rights)),
        "acl": acl_text(rights),
        "passwd": passwd_text(rights, hash_of),
    }


def conf_text(layout: MosquittoLayout, *, accounts: int) -> str:
    """`mosquitto.conf`.

    The defaults (20 in flight, 1,000 queued) lose nearly everything that waits when ingest is slow or away, 0 for "no
    bound" loses everything in some versions, and without an autosave a power cut takes queue and retained messages.
    """
    queued = (accounts * 86_400 // MESSAGE_EVERY_S // QUEUE_STEP + 1) * QUEUE_STEP
    lines = [
        "# Made by `kota mosquitto` from the city's inventory; make it again instead of changing it.",
        "per_listener_settings false",
        "allow_anonymous false",
        f"password_file {layout.folder / 'passwd'}",
        f"acl_file {layout.folder / 'acl'}",
        *([f"user {layout.user}"] if layout.user else []),
        "",
        "persistence true",
        f"persistence_location {layout.state}/",
        "autosave_interval 1",
        "persistent_client_expiration 14d",
        "",
        "max_inflight_messages 1000",
        f"max_inflight_bytes {INFLIGHT_BYTES}",
        f"max_queued_messages {queued}",
        f"max_queued_bytes {queued * QUEUED_MESSAGE_BYTES + LARGE_QUEUED_BYTES}",
        f"message_size_limit {GATEWAY_PAYLOAD_BYTES}",
        f"max_packet_size {GATEWAY_PAYLOAD_BYTES + PACKET_OVERHEAD_BYTES}",
        "max_keepalive 3600",
        "set_tcp_nodelay false",
        "",
        "log_dest stdout",
        *(f"log_type {kind}" for kind in ("error", "warning", "notice")),
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        "",
        *_listeners(layout),
    ]
    return "\n".join(lines) + "\n"


def _listeners(layout: MosquittoLayout) -> list[str]:
    common = ["use_username_as_clientid true", f"max_connections {CONNECTIONS_MAX}"]
    lines = [f"listener {layout.port} {layout.bind}".rstrip(), *common]
    if layout.tls:
        lines += ["", f"listener {layout.tls_port} {layout.bind}".rstrip(), *common]
        lines += [f"{option} {layout.tls / name}" for option, name in TLS_FILES.items()]
        lines += ["tls_version tlsv1.2"]
    return lines


def acl_text(rights: Mapping[str, Rights]) -> str:
    """The `acl_file`: what no line allows is refused.

    Mosquitto 2.0 grants every subscription and checks this file for each message before it delivers it.
    """
    lines = ["# Made by `kota mosquitto`."]
    for user, may in rights.items():
        lines += ["", f"user {user}"]
        if may.is_gateway:  # Mosquitto's `deny` forbids reading as well; a gateway reads nothing
            lines += _topics("deny", (f"{ROOT}/#",))
        lines += _topics("read", may.reads) + _topics("write", may.writes)
    return "\n".join(lines) + "\n"


def _topics(access: str, filters: Iterable[str]) -> list[str]:
    return [f"topic {access} {topic_filter}" for topic_filter in filters]


def passwd_text(users: Iterable[str], hash_of: Callable[[str], str | None]) -> str:
    """The `password_file`, one line per account. An account without a hash has no line: Mosquitto refuses it."""
    return "".join(f"{user}:{hash_}\n" for user in users if (hash_ := hash_of(user)))
