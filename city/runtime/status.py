"""Status of a city: `kota status`, `kota health`, `/readyz` and the status line of `kota up` use it.

run.json, heartbeats, health.json of ingest and broker, /readyz -> `read_status` -> `CityStatus` -> `problems_of`
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
from city.i18n.catalogue import STATUS_TEXTS, Lang
from city.runtime.blind_cameras import RaisedBlind, read_blind_cameras
from city.runtime.detector_state import DetectorState, read_detector_state
from city.runtime.heartbeats import PartHeartbeat, heartbeat_path, read_heartbeat
from city.runtime.recipient_problems import RecipientProblems, read_recipient_problems
from city.storage.folder_lock import in_use

FRESH_S: Final = 30.0
"""A report older than this says nothing about now."""
NAMES_MAX: Final = 5
"""Things that a problem names; of more it says the number."""
NOTIFICATIONS_FAIL_FOR: Final = timedelta(minutes=10)
"""Time from which on a recipient that fails is a problem."""
DISK_LOW_BYTES: Final = 512 << 20
ASK_WITHIN_S: Final = 1.0
BROKER_FULL: Final = 0.9
"""Share of the broker's bound from which it will soon refuse messages."""
REFUSED_TOPIC_SHOWN_S: Final = 3_600.0

NotReadyReason = Literal["", "not_started", "silent", "no_broker", "deaf", "journal_full", "store_away"]
"""Why readings do not arrive or are not stored; empty if they are."""


class IngestState(Protocol):
    """The part of ingest's health that is judged here."""

    @property
    def at(self) -> datetime:
        """Time of the report, UTC."""

    @property
    def connected(self) -> bool:
        """Whether ingest is connected to the broker."""

    @property
    def deaf(self) -> bool:
        """Whether it is connected and receives nothing."""

    @property
    def store(self) -> str:
        """`ok` or `away`."""

    @property
    def journal(self) -> str:
        """`ok` or `full`."""


class IngestStatus(msgspec.Struct, frozen=True):
    """`ingest/health.json`, the fields shown; `canary_age_s` is the time since the last message, canaries included."""

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

    `silent_s` is the age of its last heartbeat; `hangs` counts how often it was ended because it hung.
    """

    name: str
    pid: int | None
    age_s: float | None = None
    silent_s: float = 0.0
    restarts: int = 0
    hangs: int = 0
    beats: tuple[PartHeartbeat, ...] = ()

    def late(self) -> PartHeartbeat | None:
        """A part that hangs; None if none does."""
        return next((beat for beat in self.beats if beat.overdue), None)


class Ready(msgspec.Struct, frozen=True):
    """The answer of `/readyz`; `answered` is whether there was one."""

    answered: bool = False
    ready: bool = False
    detail: str = ""


class CityStatus(msgspec.Struct, frozen=True):
    """The status of a city as seen from outside; `supervised` is whether a `kota up` runs."""

    supervised: bool
    processes: tuple[Process, ...]
    ingest: IngestStatus | None
    ready: Ready
    disk_free_bytes: int | None
    disk_bytes: int | None
    broker: BrokerHealth | None = None
    detector: DetectorState | None = None
    blind_cameras: Mapping[str, RaisedBlind] = {}
    recipients: RecipientProblems | None = None


class Problem(msgspec.Struct, frozen=True):
    """A problem: a key of the texts, and the values of its placeholders; `count` chooses the plural form."""

    key: str
    about: dict[str, str | int | float] = {}

    def text(self, lang: Lang) -> str:
        """The problem in words."""
        if "count" in self.about:
            named = {name: value for name, value in self.about.items() if name != "count"}
            return STATUS_TEXTS.plural(self.key, lang, int(self.about["count"]), **named)
        return STATUS_TEXTS.text(self.key, lang, **self.about)


def is_fresh(at: datetime, now: datetime) -> bool:
    """Whether a report of `at` is about now; one from the future is not."""
    return abs(now - at) <= timedelta(seconds=FRESH_S)


def ingest_not_ready_reason(state: IngestState | None, now: datetime) -> NotReadyReason:
    """The problem that ingest's own health shows."""
    if state is None:
        return "not_started"
    if not is_fresh(state.at, now):
        return "silent"
    if not state.connected:
        return "deaf" if state.deaf else "no_broker"
    if state.journal == "full":
        return "journal_full"
    return "store_away" if state.store == "away" else ""


def problems_of(status: CityStatus, now: datetime) -> list[Problem]:
    """All problems, the gravest first."""
    if not status.processes:
        return [Problem("not_running")]
    problems = [Problem("process_down", {"name": process.name}) for process in status.processes if process.pid is None]
    problems += [
        Problem("process_hangs", {"name": process.name, "part": late.part, "silent_s": round(late.age_s)})
        for process in status.processes
        if process.pid is not None and (late := process.late())
    ]
    problems += [
        Problem("process_silent", {"name": process.name, "silent_s": round(process.silent_s)})
        for process in status.processes
        if process.pid is not None and process.silent_s > FRESH_S
    ]
    reason = ingest_not_ready_reason(status.ingest, now)
    if reason:
        problems.append(Problem(reason))
    elif not status.ready.answered:
        problems.append(Problem("api_silent"))
    elif not status.ready.ready:
        problems.append(Problem("not_ready", {"detail": status.ready.detail}))
    ingest = status.ingest
    if ingest and ingest.lost_readings:
        problems.append(Problem("lost_readings", {"count": ingest.lost_readings}))
    elif ingest and ingest.damages:
        problems.append(Problem("damages", {"count": len(ingest.damages)}))
    for alarm in ingest.alarms if ingest else ():
        problems.append(Problem("bad_messages", {name: alarm.get(name, "?") for name in ("subject", "bad", "of")}))
    problems += broker_problems(status.broker, now)
    problems += _camera_problems(status)
    problems += _recipient_problems(status.recipients, now)
    if status.disk_free_bytes is not None and status.disk_free_bytes < DISK_LOW_BYTES:
        problems.append(Problem("disk_low", {"free_mb": status.disk_free_bytes >> 20}))
    return problems


def _camera_problems(status: CityStatus) -> list[Problem]:
    problems = []
    if status.detector and status.detector.reason:
        problems.append(Problem("model_unusable", {"model": status.detector.model, "reason": status.detector.reason}))
    if status.blind_cameras:
        names = _first(list(status.blind_cameras))
        problems.append(Problem("blind_cameras", {"count": len(status.blind_cameras), "names": names}))
    return problems


def _recipient_problems(state: RecipientProblems | None, now: datetime) -> list[Problem]:
    """Recipients that have got no notification for a time, and a file of recipients that cannot be read."""
    if state is None:
        return []
    problems = [Problem("notifications_wrong", {"reason": state.problem})] if state.problem else []
    names = sorted(name for name, since in state.failing.items() if now - since > NOTIFICATIONS_FAIL_FOR)
    if names:
        problems.append(Problem("notifications_failing", {"count": len(names), "names": _first(names)}))
    return problems


def _first(names: Sequence[str]) -> str:
    return ", ".join([*names[:NAMES_MAX], *["..."] * (len(names) > NAMES_MAX)])


def broker_problems(broker: BrokerHealth | None, now: datetime) -> list[Problem]:
    """Problems in the embedded broker's own health; none if it is old."""
    if broker is None or not is_fresh(datetime.fromtimestamp(broker.at, UTC), now):
        return []
    problems = []
    if broker.waiting_max_bytes and broker.waiting_bytes > BROKER_FULL * broker.waiting_max_bytes:
        used, most = broker.waiting_bytes >> 20, broker.waiting_max_bytes >> 20
        problems.append(Problem("broker_full", {"waiting_mb": used, "of_mb": most}))
    if now.timestamp() - broker.refused_topic_at < REFUSED_TOPIC_SHOWN_S:
        problems.append(Problem("refused_topics", {"count": broker.refused_topics_total}))
    return problems


def read_status(
    data: Path, run: Mapping[str, Any], now: datetime, processes: Sequence[Process] | None = None
) -> CityStatus:
    """Read the status of a city.

    Args:
        data: Its data folder.
        run: Content of `run.json`, or the address of the API (`host`, `port`).
        now: UTC.
        processes: Processes, if the caller knows them better than the disk does.
    """
    supervised = processes is not None or in_use(data)
    if processes is None:
        children = run.get("children", {}) if supervised else {}
        processes = [process_of(data, name, child, now) for name, child in children.items()] or _standalone_processes(
            data, now
        )
    disk = None
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(data)
    return CityStatus(
        supervised=supervised,
        processes=tuple(processes),
        ingest=read_ingest(data),
        ready=ask_ready(str(run.get("host", "127.0.0.1")), int(run.get("port", 8080))),
        disk_free_bytes=disk.free if disk else None,
        disk_bytes=disk.total if disk else None,
        broker=read_health(data),
        detector=read_detector_state(data),
        blind_cameras=read_blind_cameras(data),
        recipients=read_recipient_problems(data),
    )


def read_run(data: Path) -> dict[str, Any]:
    """Content of `run.json`, written by `kota up`; empty if it cannot be read."""
    try:
        return dict(json.loads((data / "run.json").read_text()))
    except (OSError, ValueError):
        return {}


def process_of(data: Path, name: str, child: Mapping[str, Any], now: datetime) -> Process:
    """A child in `run.json` with the age of its own heartbeats; those of an earlier process do not count."""
    pid = child["pid"] if child["pid"] and _is_there(child["pid"]) else None
    since = datetime.fromisoformat(child["started_at"]) if pid and child["started_at"] else None
    heartbeats = [
        heartbeat
        for service in child["services"]
        if (heartbeat := read_heartbeat(data, service)) and heartbeat.pid == pid
    ]
    beat_at = min((datetime.fromtimestamp(heartbeat.at, UTC) for heartbeat in heartbeats), default=since)
    return Process(
        name,
        pid,
        (now - since).total_seconds() if since else None,
        abs((now - beat_at).total_seconds()) if beat_at else 0.0,
        child["restarts"],
        child["hangs"],
        tuple(beat for heartbeat in heartbeats for beat in heartbeat.beats),
    )


def api_url(host: str, port: int, path: str) -> str:
    """URL of the API, from the address that it listens on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - what a server may listen on
    return f"http://{host}:{port}{path}"


def ask_ready(host: str, port: int) -> Ready:
    """Ask the API's `/readyz`; no answer within `ASK_WITHIN_S` counts as none."""
    url = api_url(host, port, "/readyz")
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=ASK_WITHIN_S) as answer:  # noqa: S310 - our own address
            body = json.load(answer)
    except urllib.error.HTTPError as exc:
        with contextlib.suppress(OSError, ValueError):
            return Ready(answered=True, detail=str(json.load(exc).get("detail", "")))
        return Ready()
    except (OSError, ValueError):
        return Ready()
    return Ready(answered=True, ready=bool(body.get("ready")), detail=str(body.get("detail", "")))


def _standalone_processes(data: Path, now: datetime) -> list[Process]:
    """Services that run without a supervisor, by their heartbeats."""
    processes = []
    for path in sorted(heartbeat_path(data, "x").parent.glob("*")):
        heartbeat = read_heartbeat(data, path.name)
        if heartbeat and is_fresh(datetime.fromtimestamp(heartbeat.at, UTC), now):
            processes.append(Process(heartbeat.service, heartbeat.pid, beats=heartbeat.beats))
    return processes


def read_ingest(data: Path) -> IngestStatus | None:
    """Newest health of ingest; None if it cannot be read."""
    try:
        return msgspec.json.decode((data / "ingest" / "health.json").read_bytes(), type=IngestStatus)
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
