"""Dumping cases as points of `dumping_case`: one at the time each was raised, rewritten when it changes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from city.inventory.provider import InventoryProvider
from ingest.derive.states import to_ms
from ingest.store.influx.line_protocol import NANOSECONDS, to_point
from ingest.store.records import EventRecord, Value
from ingest.store.views.cases import Case, evidence_urls

_PICTURE: Final = "after"


class DumpingCases:
    """Remembers what was written, to write changes only; `public_url` is the API's URL for browsers."""

    def __init__(self, inventory: InventoryProvider, public_url: str) -> None:
        self._inventory = inventory
        self._url = public_url.rstrip("/")
        self._written: set[bytes] = set()

    def forget_written(self) -> None:
        """Write every case again next time: the last lines were not stored."""
        self._written = set()

    def points(self, cases: Iterable[Case], deposits: Iterable[EventRecord]) -> list[bytes]:
        """Lines that changed, of cases and of deposits within the hours (events of type `deposit`)."""
        lines = [self._of_case(case) for case in cases]
        lines += [self._within_hours(event) for event in deposits]
        changed = [line for line in lines if line not in self._written]
        self._written = set(lines)
        return changed

    def _of_case(self, case: Case) -> bytes:
        picture = evidence_urls(case).get(_PICTURE)
        fields: dict[str, Value | None] = {
            "case": case.id,
            "state": case.state,
            "verdict": case.verdict,
            "open": case.is_open,
            "waiting": case.verdict == "none",
            "confirmed": case.verdict == "confirmed",
            "rejected": case.verdict == "rejected",
            "why": case.reason,
            # What was rejected never happened, and a merged case is counted where it was merged into.
            "outside": case.counts,
            "inside": False,
            "hours": case.hours,
            "site_name": case.site_name,
            "since": to_ms(case.since_at) if case.since_at else None,
            "raised": to_ms(case.raised_at),
            "cleared": to_ms(case.cleared_at) if case.cleared_at else None,
            "picture": self._url + picture if picture else None,
            "page": f"{self._url}/dumping?case={case.id}",
        }
        tags = self._tags(case.camera, case.site, case.kelurahan, case.raised_at)
        return to_point("dumping_case", tags, fields, _at_ns(case.raised_at, case.id))

    def _within_hours(self, event: EventRecord) -> bytes:
        """Waste put out within the hours: neither a case nor a picture, but the baseline for those outside."""
        at, device = event.origin.measured_at, event.origin.device
        city = self._inventory.current()
        camera = city.cameras.get(device)
        site = city.sites.get(camera.site) if camera else None
        fields: dict[str, Value | None] = {
            "case": f"{device}-{event.origin.epoch}-{event.origin.seq}",
            "state": "within_hours",
            "verdict": "none",
            "open": False,
            "waiting": False,
            "confirmed": False,
            "rejected": False,
            "outside": False,
            "inside": True,
            "site_name": site.name if site else "",
            "raised": to_ms(at),
        }
        tags = self._tags(device, site.id if site else "", site.kelurahan if site else "", at)
        return to_point("dumping_case", tags, fields, _at_ns(at, str(fields["case"])))

    def _tags(self, camera: str, site: str, kelurahan: str, at: datetime) -> dict[str, str]:
        city = self._inventory.current()
        hour = f"{at.astimezone(city.time_zone):%H}"
        return {"city": city.id, "kelurahan": kelurahan, "site": site, "device": camera, "hour": hour}


def _at_ns(at: datetime, case: str) -> int:
    """A timestamp that is unique per case and repeatable."""
    return to_ms(at) * NANOSECONDS + zlib.crc32(case.encode()) % NANOSECONDS
