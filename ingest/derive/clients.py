"""Users of the Wi-Fi with the most traffic of a day, as points of `top_client`; users are short codes, not names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from city.inventory.model import City
from ingest.derive.states import to_ms
from ingest.store.influx.line_protocol import to_point
from ingest.store.records import EventRecord

CLIENT_EVENTS: Final = ("session", "quota_exceeded")
RANKS: Final = 10


class _Traffic:
    """Traffic of one user: of sessions that have ended, and the most that a report of an exceeded quota named."""

    def __init__(self) -> None:
        self.session_bytes = 0
        self.quota_bytes = 0
        self.sessions = 0
        self.device = ""

    @property
    def bytes(self) -> int:
        """Both count the same traffic."""
        return max(self.session_bytes, self.quota_bytes)


def top_client_points(city: City, events: Iterable[EventRecord], now: datetime) -> list[bytes]:
    """One line for each of the users with the most traffic; `rank` is 01 for the first.

    Args:
        city: The inventory.
        events: Events of the types `CLIENT_EVENTS` since local midnight, oldest first.
        now: Time of the points.
    """
    clients = _by_client(events)
    ranked = sorted(clients.items(), key=lambda item: -item[1].bytes)[:RANKS]
    return [
        to_point(
            "top_client",
            {"city": city.id, "rank": f"{rank:02}"},
            {"client": client, "bytes": traffic.bytes, "sessions": traffic.sessions, "hotspot": traffic.device},
            to_ms(now) * 1_000_000,
        )
        for rank, (client, traffic) in enumerate(ranked, 1)
        if traffic.bytes
    ]


def _by_client(events: Iterable[EventRecord]) -> dict[str, _Traffic]:
    clients: dict[str, _Traffic] = {}
    for event in events:
        client = str(event.detail.get("client") or "")
        octets = _bytes_of(event.detail)
        if not client or not octets:
            continue
        traffic = clients.setdefault(client, _Traffic())
        traffic.device = event.origin.device
        if event.type == "quota_exceeded":
            traffic.quota_bytes = max(traffic.quota_bytes, octets)
        elif event.state == "cleared":
            # A session that goes on reports what it has so far; only its end counts.
            traffic.session_bytes += octets
            traffic.sessions += 1
    return clients


def _bytes_of(detail: Mapping[str, Any]) -> int:
    """Bytes in both directions: their sum if a device reports each, else the total."""
    parts = [detail[name] for name in ("upload_bytes", "download_bytes") if isinstance(detail.get(name), int)]
    total = detail.get("bytes")
    return sum(parts) if parts else total if isinstance(total, int) else 0
