"""The settings that each service reads, for its options and its help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_EVERY: Final = ("data", "city", "demo")
_CLIENT: Final = ("mqtt_host", "mqtt_port", "mqtt_version", "mqtt_user", "mqtt_ca")
_STORE: Final = ("store", "influx_url", "influx_database", "influx_org", "influx_user")
_JOURNAL: Final = ("journal_max_mb", "journal_keep_mb", "journal_keep_h")
_RETENTION: Final = ("dead_letters_max_mb", "retention_days", "rollup_days", "event_days", "late_after_s")
_EVIDENCE: Final = ("evidence_days", "evidence_confirmed_days", "evidence_rejected_days", "evidence_max_mb")
_VISION: Final = (*_EVERY, *_CLIENT, "clip", "clock", "seed", "vision_model", "vision_workers", "outbox_max_mb")

SERVICE_SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "broker": (*_EVERY, "mqtt_host", "mqtt_port", "mqtt_ca", "mqtt_plain", "nats_server", "broker_max_mb"),
    "ingest": (
        *_EVERY,
        *_CLIENT,
        "mqtt_client",
        "ingest_processes",
        *_STORE,
        *_JOURNAL,
        *_RETENTION,
        "host",
        "port",
        "public_url",
    ),
    "api": (
        *_EVERY,
        "host",
        "port",
        "public_url",
        "grafana_public_url",
        "trusted_proxies",
        *_STORE,
        *_JOURNAL,
        *_RETENTION,
        *_EVIDENCE,
        "evidence_clear_key",
        "vision_model",
    ),
    "vision": (*_VISION, *_EVIDENCE),
    "vision-worker": (*_VISION, *_EVIDENCE),
    "simulator": (*_EVERY, *_CLIENT, "speed", "seed", "outbox_max_mb"),
}
"""Service to its settings, in the order of its help. Secrets come from variables alone, never from options."""


def settings_of_services(services: Iterable[str]) -> tuple[str, ...]:
    """The settings of several services, each once."""
    return tuple(dict.fromkeys(name for service in services for name in SERVICE_SETTINGS[service]))
