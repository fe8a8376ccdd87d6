"""A simulated city in a real InfluxDB: hours of readings, events and cases with all that is derived from them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from broker.contract.topics import Kind
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from edge.simulator.emission import Emission, StatusEmission, TelemetryEmission
from edge.simulator.world import World
from ingest.decoding.validation import FillGauge
from ingest.derive.deriver import Deriver
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import InfluxAddress, InfluxHttp
from ingest.store.influx.store import InfluxStore
from ingest.store.records import EventRecord, Reading, Record, RecordOrigin, StatusRecord
from ingest.store.schema import to_columns
from ingest.store.views.health import HealthSnapshotFile, IngestHealth

State = Literal["raised", "cleared", "noted"]

SEED: Final = 1
BOOT: Final = "simulated"
STEP: Final = timedelta(minutes=5)
LONG_STEP: Final = timedelta(hours=1)
"""Between two looks at what was longer ago than an hour."""


def filled_influx(address: InfluxAddress, folder: Path, *, until: datetime, hours: float = 26) -> City:
    """Fill a database with the reference city's last hours, as ingest would have; the city.

    Args:
        address: A database that is set up.
        folder: For what a store keeps on its own disk.
        until: The end of the simulated time; now, for boards that show the present.
        hours: How far back it begins; more than a day shows every board something.
    """
    city = load_city(builtin_city("kupang"))
    now = until - timedelta(hours=hours)
    world = World(city, SEED, now)
    board = HealthSnapshotFile()
    with closing(InfluxStore(InfluxHttp(address), city, Checkpoint(folder / "progress.sqlite"))) as store:
        deriver = Deriver(store, city, board, lambda: 3, "http://localhost:8080", demo=True)
        filler = _Filler(city)
        total = 0
        while now < until:
            now = min(now + (LONG_STEP if until - now > timedelta(hours=1) else STEP), until)
            records = [*filler.records(world.advance(now)), *filler.dumped(now)]
            if until - timedelta(hours=1) < now and not filler.had_incidents:
                records += filler.incidents(now)
            total += store.write(records, ()).stored
            board.publish(
                IngestHealth(
                    now, connected=True, received_total=total, stored_total=total, dead_letters_total=total // 50
                )
            )
            deriver.step(now)
        # The last windows have ended for the rollups as well.
        store.roll_up(until + STEP)
    return city


class _Filler:
    """Turns what the simulated devices say into records, each with a seq of its own."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._seq = 0
        self._rules = StatefulRules()
        self.had_incidents = False
        self._cameras = list(city.cameras.values())
        self._reviews = 0
        self._last_case: dict[str, str] = {}

    def _origin(self, kind: Kind, device: str, at: datetime) -> RecordOrigin:
        self._seq += 1
        return RecordOrigin(kind, device, BOOT, self._seq, at, at + timedelta(seconds=1))

    def records(self, emissions: Iterable[Emission]) -> list[Record]:
        """What ingest stores of what devices say, with the rates that it adds."""
        records = self._rules.apply([self._record(emission) for emission in emissions])
        self._rules.commit()
        return [record for record in records if record is not None]

    def _record(self, emission: Emission) -> Record:
        kind = self._city.devices[emission.device].KIND
        if isinstance(emission, StatusEmission):
            return StatusRecord(kind, emission.device, emission.state, emission.at, emission.at, emission.reason)
        origin = self._origin(kind, emission.device, emission.at)
        if isinstance(emission, TelemetryEmission):
            values: dict[str, Any] = emission.values
            quality: tuple[str, ...] = ()
            if kind == "bin":
                values, quality = FillGauge(self._city.models[self._city.bins[emission.device].model]).apply(values)
            return Reading(msgspec.structs.replace(origin, quality=quality), to_columns(kind, values))
        return EventRecord(origin, emission.type, emission.state, emission.detail)

    def incidents(self, at: datetime) -> list[Record]:
        """Of everything rare one: what a city hopes for days without."""
        self.had_incidents = True
        city = self._city
        bins, trucks, aps = list(city.bins), list(city.trucks), list(city.access_points)
        happened: list[tuple[Kind, str, str, State, dict[str, Any]]] = [
            ("bin", bins[0], "fire", "raised", {}),
            ("bin", bins[1], "tilt", "raised", {}),
            # Without codes: readings that report none do not end it.
            ("truck", trucks[0], "breakdown", "raised", {}),
            ("truck", trucks[1], "breakdown", "raised", {"fault_codes": ["P0562"]}),
            ("truck", trucks[1], "breakdown", "cleared", {"fault_codes": ["P0562"]}),
            ("ap", aps[0], "rogue_ap", "noted", {"ssid": "kupang", "rssi_dbm": -60}),
            ("ap", aps[2], "session", "cleared", {"client": "beef0001" * 4, "bytes": 5 * 10**8, "duration_s": 900}),
            ("ap", aps[1], "quota_exceeded", "noted", {"client": "c0ffee00" * 4, "bytes": 3 * 10**9}),
        ]
        return [
            EventRecord(self._origin(kind, device, at + timedelta(seconds=place)), type_, state, detail)
            for place, (kind, device, type_, state, detail) in enumerate(happened)
        ]

    def dumped(self, now: datetime) -> list[Record]:
        """What camera workers would say: at every look a deposit, against the hours or within them."""
        camera = self._cameras[(now.hour * 2 + now.minute // 30) % 5]
        hours = self._city.hours_at(camera.site)
        origin = self._origin("camera", camera.id, now)
        if hours.allows(now, self._city.time_zone):
            within = {"camera": camera.id, "site": camera.site, "within_hours": hours.describe()}
            return [EventRecord(origin, "deposit", "noted", within)]
        case = f"{camera.id}-{now:%Y%m%dt%H%M%Sz}-1"
        files = {"before": "before.jpg", "after": "after.jpg", "clip": "clip.webm"}
        detail: dict[str, Any] = {
            "case": case,
            "camera": camera.id,
            "site": camera.site,
            "since": now.isoformat(),
            "box": [300, 205, 34, 30],
            "frame": [480, 270],
            "zone": "watch",
            "evidence": files,
        }
        events: list[Record] = [EventRecord(origin, "dumping", "raised", detail)]
        if now.hour % 2:
            later = self._origin("camera", camera.id, now + timedelta(minutes=2))
            events.append(EventRecord(later, "dumping", "cleared", {"case": case}))
        return [*events, *self._reviewed(camera.id, case, now)]

    def _reviewed(self, camera: str, case: str, now: datetime) -> list[Record]:
        """What somebody said of a case, of every fourth nothing."""
        words: list[dict[str, str]] = [
            {"verdict": "confirmed"},
            {"verdict": "rejected", "reason": "person_standing"},
            {"verdict": "merged", "into": self._last_case.get(camera, "")},
        ]
        self._reviews += 1
        said = words[self._reviews % 4] if self._reviews % 4 < len(words) else {}
        if said.get("verdict") != "merged":
            self._last_case[camera] = case
        if not said or said.get("into") == "":
            return []
        detail = {"case": case, "by": "operator", "note": "", **said}
        return [EventRecord(self._origin("camera", camera, now + timedelta(minutes=3)), "review", "noted", detail)]
