"""Dumping cases: what the camera workers' events amount to, one case per object that was left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from broker.contract.topics import ID_PATTERN
from city.model import City
from ingest.store.records import EventRecord

_CASE_ID: Final = re.compile(ID_PATTERN)
_FILE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\.[a-z0-9]{1,8}")


class Case(msgspec.Struct, frozen=True):
    """Waste left outside the permitted hours. `since` is when it was put down, `evidence` file role to file name."""

    id: str
    camera: str
    site: str
    site_name: str
    kelurahan: str
    raised_at: datetime
    local_time: str
    state: Literal["open", "cleared"]
    since: str
    hours: str
    box: list[float]
    simulated: bool
    evidence: dict[str, str]
    sha256: dict[str, str]
    cleared_at: datetime | None = None


def fold(events: Iterable[EventRecord], city: City, *, simulated: bool) -> list[Case]:
    """Events of type `dumping`, in any order, as one case per id, newest first."""
    raised: dict[str, EventRecord] = {}
    cleared: dict[str, EventRecord] = {}
    for event in events:
        case = event.detail.get("case")
        # Ids and file names become paths and addresses; a device says what it likes.
        if isinstance(case, str) and _CASE_ID.fullmatch(case) and event.state in ("raised", "cleared"):
            (raised if event.state == "raised" else cleared)[case] = event
    found = [_case(id_, event, cleared.get(id_), city, simulated=simulated) for id_, event in raised.items()]
    return sorted(found, key=lambda case: (case.raised_at, case.id), reverse=True)


def _case(id_: str, raised: EventRecord, cleared: EventRecord | None, city: City, *, simulated: bool) -> Case:
    detail = raised.detail
    camera = city.cameras.get(raised.origin.device)
    site_id = camera.site if camera else ""
    site = city.sites.get(site_id)
    # The camera's own clock says when it was; receipt may be later.
    happened_at = raised.origin.device_at or raised.origin.measured_at
    return Case(
        id=id_,
        camera=raised.origin.device,
        site=site_id,
        site_name=site.name if site else site_id,
        kelurahan=site.kelurahan if site else "",
        raised_at=happened_at,
        local_time=happened_at.astimezone(city.time_zone).isoformat(timespec="seconds"),
        state="cleared" if cleared else "open",
        since=str(detail.get("since", "")),
        hours=city.hours_at(site_id).describe(),
        box=[float(edge) for edge in detail.get("box", []) if isinstance(edge, int | float)],
        simulated=bool(detail.get("simulated", simulated)),
        evidence={k: v for k, v in _texts(detail.get("evidence")).items() if _FILE.fullmatch(v)},
        sha256=_texts(detail.get("sha256")),
        cleared_at=cleared.origin.measured_at if cleared else None,
    )


def _texts(found: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def evidence_urls(case: Case) -> dict[str, str]:
    """Where each evidence file of a case is served."""
    return {role: f"/api/v1/dumping/cases/{case.id}/evidence/{name}" for role, name in case.evidence.items()}
