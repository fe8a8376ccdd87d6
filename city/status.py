"""How a city does, in one picture: `kota status`, `kota health`, `/readyz` and the line of `kota up` ask here.

run.json, signs of life, health.json of ingest and broker, /readyz -> `look` -> `Picture` -> `problems_of` -> words
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from broker.health import BrokerHealth, read_health
from city.beats import Beat, read_sign, sign_path
from city.only_one import in_use

FRESH_S: Final = 30.0
"""What anybody said of itself longer ago says nothing of now."""
DISK_LOW_BYTES: Final = 512 << 20
ASK_WITHIN_S: Final = 1.0
BROKER_FULL: Final = 0.9
"""Share of its bound from which on the embedded broker soon refuses messages."""
REFUSED_TOPIC_SHOWN_S: Final = 3_600.0

Trouble = Literal["", "not_started", "silent", "no_broker", "deaf", "journal_full", "store_away"]
"""Why readings do not arrive or are not stored; empty when they are."""


class IngestWords(Protocol):
    """What is asked of a snapshot of ingest's health."""

    @property
    def at(self) -> datetime:
        """When ingest said it, UTC."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""

    @property
    def deaf(self) -> bool:
        """Whether the broker is there and passes nothing on."""

    @property
    def store(self) -> str:
        """`ok` or `away`."""

    @property
    def journal(self) -> str:
        """`ok` or `full`."""


class Said(msgspec.Struct, frozen=True):
    """`ingest/health.json`, as far as it is shown; `canary_age_s`: nothing was heard since, not even a canary."""

    at: datetime
    connected: bool = False
    deaf: bool = False
    store: str = "ok"
    journal: str = "ok"
    journal_depth: int = 0
    lag_s: float = 0.0
    note: str = ""
    alarms: tuple[dict[str, Any], ...] = ()
    canary_age_s: float | None = None
    damages: tuple[dict[str, Any], ...] = ()
    lost_readings: int = 0


class Process(msgspec.Struct, frozen=True):
    """A process of `kota up`, or of a service that runs alone.

    `silent_s` is the age of its last sign of life; `hangs` counts how often it was ended because it hung.
    """

    name: str
    pid: int | None
    age_s: float | None = None
    silent_s: float = 0.0
    restarts: int = 0
    hangs: int = 0
    beats: tuple[Beat, ...] = ()

    def late(self) -> Beat | None:
        """A part that hangs."""
        return next((beat for beat in self.beats if beat.overdue), None)


class Ready(msgspec.Struct, frozen=True):
    """The answer of `/readyz`; `answered` is whether there was one."""

    answered: bool = False
    ready: bool = False
    detail: str = ""


class Picture(msgspec.Struct, frozen=True):
    """Everything that is known from outside; `supervised` is whether a `kota up` runs."""

    supervised: bool
    processes: tuple[Process, ...]
    ingest: Said | None
    ready: Ready
    disk_free_bytes: int | None
    disk_bytes: int | None
    broker: BrokerHealth | None = None


class Problem(msgspec.Struct, frozen=True):
    """Something that is not well: a key of the texts, and what stands in their gaps."""

    key: str
    about: dict[str, str | int | float] = {}


def is_fresh(at: datetime, now: datetime) -> bool:
    """Whether something said then speaks of now; a time to come does not."""
    return abs(now - at) <= timedelta(seconds=FRESH_S)


def ingest_trouble(said: IngestWords | None, now: datetime) -> Trouble:
    """What is wrong by ingest's own words."""
    if said is None:
        return "not_started"
    if not is_fresh(said.at, now):
        return "silent"
    if not said.connected:
        return "deaf" if said.deaf else "no_broker"
    if said.journal == "full":
        return "journal_full"
    return "store_away" if said.store == "away" else ""


def problems_of(picture: Picture, now: datetime) -> list[Problem]:
    """All that is not well, the gravest first."""
    if not picture.processes:
        return [Problem("not_running")]
    problems = [Problem("process_down", {"name": one.name}) for one in picture.processes if one.pid is None]
    problems += [
        Problem("process_hangs", {"name": one.name, "part": late.part, "silent_s": round(late.age_s)})
        for one in picture.processes
        if one.pid is not None and (late := one.late())
    ]
    problems += [
        Problem("process_silent", {"name": one.name, "silent_s": round(one.silent_s)})
        for one in picture.processes
        if one.pid is not None and one.silent_s > FRESH_S
    ]
    trouble = ingest_trouble(picture.ingest, now)
    if trouble:
        problems.append(Problem(trouble))
    elif not picture.ready.answered:
        problems.append(Problem("api_silent"))
    elif not picture.ready.ready:
        problems.append(Problem("not_ready", {"detail": picture.ready.detail}))
    said = picture.ingest
    if said and said.lost_readings:
        problems.append(Problem("lost_readings", {"count": said.lost_readings}))
    elif said and said.damages:
        problems.append(Problem("damages", {"count": len(said.damages)}))
    for alarm in said.alarms if said else ():
        problems.append(Problem("bad_messages", {name: alarm.get(name, "?") for name in ("subject", "bad", "of")}))
    problems += broker_problems(picture.broker, now)
    if picture.disk_free_bytes is not None and picture.disk_free_bytes < DISK_LOW_BYTES:
        problems.append(Problem("disk_low", {"free_mb": picture.disk_free_bytes >> 20}))
    return problems


def broker_problems(broker: BrokerHealth | None, now: datetime) -> list[Problem]:
    """What is not well with the embedded broker, by its own words; nothing when they are old."""
    if broker is None or not is_fresh(datetime.fromtimestamp(broker.at, UTC), now):
        return []
    problems = []
    if broker.waiting_max_bytes and broker.waiting_bytes > BROKER_FULL * broker.waiting_max_bytes:
        used, most = broker.waiting_bytes >> 20, broker.waiting_max_bytes >> 20
        problems.append(Problem("broker_full", {"waiting_mb": used, "of_mb": most}))
    if now.timestamp() - broker.refused_topic_at < REFUSED_TOPIC_SHOWN_S:
        problems.append(Problem("refused_topics", {"count": broker.refused_topics_total}))
    return problems


def look(data: Path, run: Mapping[str, Any], now: datetime, processes: Sequence[Process] | None = None) -> Picture:
    """The picture of a city.

    Args:
        data: Its data folder.
        run: What `run.json` says, or where the API listens (`host`, `port`).
        now: UTC.
        processes: Those that the caller knows better than the disk does.
    """
    supervised = processes is not None or in_use(data)
    if processes is None:
        children = run.get("children", {}) if supervised else {}
        processes = [process_of(data, name, child, now) for name, child in children.items()] or _alone(data, now)
    disk = None
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(data)
    return Picture(
        supervised=supervised,
        processes=tuple(processes),
        ingest=read_ingest(data),
        ready=ask_ready(str(run.get("host", "127.0.0.1")), int(run.get("port", 8080))),
        disk_free_bytes=disk.free if disk else None,
        disk_bytes=disk.total if disk else None,
        broker=read_health(data),
    )


def read_run(data: Path) -> dict[str, Any]:
    """What `kota up` has noted of itself; empty when there is nothing to be read."""
    try:
        return dict(json.loads((data / "run.json").read_text()))
    except (OSError, ValueError):
        return {}


def process_of(data: Path, name: str, child: Mapping[str, Any], now: datetime) -> Process:
    """A child as `kota up` notes it, with what its own signs add; those of an earlier process do not count."""
    pid = child["pid"] if child["pid"] and _is_there(child["pid"]) else None
    since = datetime.fromisoformat(child["started_at"]) if pid and child["started_at"] else None
    signs = [sign for service in child["services"] if (sign := read_sign(data, service)) and sign.pid == pid]
    said = min((datetime.fromtimestamp(sign.at, UTC) for sign in signs), default=since)
    return Process(
        name,
        pid,
        (now - since).total_seconds() if since else None,
        abs((now - said).total_seconds()) if said else 0.0,
        child["restarts"],
        child["hangs"],
        tuple(beat for sign in signs for beat in sign.beats),
    )


def ask_ready(host: str, port: int) -> Ready:
    """What the API says; one that does not answer within `ASK_WITHIN_S` does not."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - what a server may listen on
    url = f"http://{host}:{port}/readyz"
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=ASK_WITHIN_S) as answer:  # noqa: S310 - our own address
            said = json.load(answer)
    except urllib.error.HTTPError as exc:
        with contextlib.suppress(OSError, ValueError):
            return Ready(answered=True, detail=str(json.load(exc).get("detail", "")))
        return Ready()
    except (OSError, ValueError):
        return Ready()
    return Ready(answered=True, ready=bool(said.get("ready")), detail=str(said.get("detail", "")))


def _alone(data: Path, now: datetime) -> list[Process]:
    """Services that run without a supervisor, by the signs they leave."""
    found = []
    for path in sorted(sign_path(data, "x").parent.glob("*")):
        sign = read_sign(data, path.name)
        if sign and is_fresh(datetime.fromtimestamp(sign.at, UTC), now):
            found.append(Process(sign.service, sign.pid, beats=sign.beats))
    return found


def read_ingest(data: Path) -> Said | None:
    """What ingest has said of itself last; None when there is nothing to be read."""
    try:
        return msgspec.json.decode((data / "ingest" / "health.json").read_bytes(), type=Said)
    except (OSError, msgspec.MsgspecError):
        return None


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
