"""A chaos run: real broker, real store, real agents, faults from a schedule, and a ledger of every reading at the end.

At the end set(published) = set(stored) + set(dead letters), each exactly once, or the run is red.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from broker.access import SIMULATORS
from city.inventory.loader import builtin_city, load_city
from ingest.store.duckdb.store import DuckStore
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import InfluxHttp
from ingest.store.influx.store import InfluxStore
from ingest.store.port import Store, StoredSequences
from ingest.store.views.health import HealthSnapshotFile, IngestHealth
from tests.chaos.counting import counted, outboxes, published_in
from tests.chaos.damage import LAST_HARM, Harm
from tests.chaos.fleet import read_lives
from tests.chaos.hostile import forge, take_over
from tests.chaos.launch import INTAKE
from tests.chaos.moments import CLOCK_VARIABLE, MOMENT_VARIABLE, moments_of
from tests.chaos.publisher import RELEASED
from tests.chaos.schedule import HARMS_BY_NAME, TARGETS, Fault, Kind, Target, make_schedule
from tests.support.brokers import ROOT, BrokerName, RunningBroker, children_of, free_port
from tests.support.influx import SERVERS
from tests.support.waiting import wait_for

FLEET_OF_A_PROCESS: Final = 1_000
RECOVER_WITHIN_S: Final = 120.0
OF_EACH_S: Final = 0.2
"""More of it for every device of a fleet."""
MOMENT_WITHIN_S: Final = 10.0
DATABASE: Final = "chaos"
PUBLISHERS_MAX: Final = len(SIMULATORS)

StoreName = Literal["duckdb", "influx-1", "influx-2"]
Processes = Literal["1", "2"]


class Run(msgspec.Struct, frozen=True):
    """What is asked for."""

    folder: Path
    broker: BrokerName = "embedded"
    store: StoreName = "duckdb"
    devices: int = 12
    readings: int = 1_200
    kills: int = 20
    seed: int = 1
    mutant: str = ""
    targets: tuple[Target, ...] = TARGETS
    kinds: tuple[Kind, ...] = ()
    long_freezes: int = 0
    on_top: tuple[tuple[Kind, Target, str], ...] = ()
    """What comes only when it is asked for: kind, target and detail; `schedule.on_top_of` makes some of each."""
    fleet: int = 0
    """Devices of one connection each, besides `devices`; a storm is of these."""
    processes: Processes = "1"
    """Of ingest."""


class Recovery(msgspec.Struct, frozen=True):
    """A fault and how long until all that was under way before and during it had its receipts."""

    fault: Fault
    at_s: float
    recovered_s: float


class Report(msgspec.Struct, frozen=True):
    """The outcome: `lost` is published and nowhere, `twice` is stored or dead more than once, or stored and dead.

    `said_lost` is what ingest says that the store has lost; `attempts` counts hostile connections and words by kind.
    """

    published: int
    stored: int
    dead: int
    lost: int
    twice: int
    said_lost: int
    recoveries: list[Recovery]
    seconds: float
    attempts: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, stored twice, or said to be lost."""
        return self.lost == self.twice == self.said_lost == 0


class Harness:
    """Owns every process of one run; `run` starts, breaks, waits, counts and ends them."""

    def __init__(self, run: Run) -> None:
        """Lay out devices over publishers."""
        self._run = run
        self._port = free_port()
        run.folder.mkdir(parents=True, exist_ok=True)
        self._city = city_with_fleet(run.folder / "inventory", run.fleet) if run.fleet else builtin_city("kupang")
        launcher = ("-m", "tests.chaos.launch", run.mutant)
        self._broker = RunningBroker(run.broker, self._port, run.folder, city=str(self._city), launcher=launcher)
        self._influx = SERVERS[run.store](run.folder / "influx") if run.store in SERVERS else None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # The last device is a stranger to the inventory: its readings belong among the dead letters.
        names = [*(f"bin-{n:04}" for n in range(1, run.devices)), "bin-stranger"]
        self._publishers = min(PUBLISHERS_MAX, run.devices)
        self._shares = [names[n :: self._publishers] for n in range(self._publishers)]
        self._began = time.monotonic()
        self._released = 0.0
        self._faults = 0
        self._attempts: dict[str, int] = {}

    def run(self) -> Report:
        """The whole run."""
        run = self._run
        targets = (*run.targets, "store", "store") if self._influx else run.targets
        targets = (*targets, *("intake",) * 4) if run.processes == "2" else targets
        schedule = make_schedule(
            run.seed,
            run.kills,
            self._publishers,
            targets,
            run.kinds,
            moments_of(run.store),
            run.long_freezes,
            run.on_top,
        )
        self._faults = len(schedule)
        self._broker.start()
        if self._influx:
            self._influx.start()
            self._influx.database(DATABASE)
        try:
            self._release(0)
            self._start("ingest")
            for number in range(self._publishers):
                self._start(f"publisher-{number}")
            for number, first in enumerate(range(0, run.fleet, FLEET_OF_A_PROCESS)):
                self._start_fleet(f"fleet-{number}", first)
            wait_for(self._fleet_is_connected, "the fleet", within_s=2 * RECOVER_WITHIN_S)
            recoveries = [self._break(fault) for fault in schedule]
            self._release(2 * self._faults + 1)
            wait_for(self._all_receipted, "the last receipts", within_s=2 * RECOVER_WITHIN_S)
            if any(fault.kind == "damage" for fault in schedule):
                # What was damaged under a running process is found by the next one.
                self._settle()
                self._kill("ingest")
                self._settle()
            self._end_ingest()
        finally:
            self._clean_up()
        return self._count(recoveries)

    def _release(self, half_faults: int) -> None:
        """Let the publishers give out what is meant to be under way by now: half before a fault, half during it."""
        path = self._run.folder / RELEASED
        self._released = half_faults / (2 * self._faults + 1)
        path.with_suffix(".new").write_text(str(self._released))
        path.with_suffix(".new").replace(path)

    def _break(self, fault: Fault) -> Recovery:
        self._release(2 * fault.number + 1)
        time.sleep(fault.wait_s)
        at_s = time.monotonic()
        self._release(2 * fault.number + 2)
        name = f"publisher-{fault.index}" if fault.target == "publisher" else fault.target
        match fault.kind:
            case "kill":
                self._kill(name)
            case "freeze":
                self._freeze(name, fault.lasts_s)
            case "full_disk":
                self._fill_disk(name, fault.lasts_s)
            case "clock":
                self._jump(fault.jump_s, fault.lasts_s)
            case "moment":
                at_s = self._kill_at(name, fault.moment)
            case "storm":
                self._storm(fault.detail)
            case "takeover":
                names = ["ingest", "keeper"] if fault.target == "ingest" else list(SIMULATORS)
                self._note("takeover", take_over(self._port, self._broker.secrets, names, fault.lasts_s))
            case "forged":
                lives = [life for life in published_in(self._run.folder) if life[0].startswith("bin-0")]
                self._note("forged", forge(self._port, self._broker.secrets, lives, fault.lasts_s))
            case "damage":
                self._damage(HARMS_BY_NAME[fault.detail], fault.lasts_s)
        within_s = RECOVER_WITHIN_S + self._run.fleet * OF_EACH_S
        wait_for(self._caught_up, f"recovery from {fault}", within_s=within_s)
        recovered_s = time.monotonic() - at_s
        return Recovery(fault, round(at_s - self._began, 3), round(recovered_s, 3))

    def _process(self, name: str) -> subprocess.Popen[bytes]:
        servers = {"broker": self._broker, "store": self._influx}
        server = servers.get(name)
        process = server.process if server else self._processes[name]
        assert process is not None
        return process

    def _kill(self, name: str) -> None:
        if name in ("broker", "store"):
            server = self._broker if name == "broker" else self._influx
            assert server is not None
            server.kill()
            server.start()
            return
        if name == "intake":
            self._signal_intake(signal.SIGKILL)
            return
        self._process(name).kill()
        self._process(name).wait(20)
        self._start(name)

    def _intake_pids(self) -> list[int]:
        """Ids of ingest's own process of intake, if there is one just now."""
        ingest = self._process("ingest")
        if self._run.processes == "1" or ingest.poll() is not None:
            return []
        with contextlib.suppress(OSError):  # one that ends meanwhile
            return [pid for pid in children_of(ingest.pid) if INTAKE in command_of(pid)]
        return []

    def _signal_intake(self, number: signal.Signals) -> None:
        for pid in self._intake_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _freeze(self, name: str, lasts_s: float) -> None:
        if name == "intake":
            self._signal_intake(signal.SIGSTOP)
            time.sleep(lasts_s)
            self._signal_intake(signal.SIGCONT)
            return
        process = self._process(name)
        send = self._broker.signal if name == "broker" else process.send_signal
        if process.poll() is None:
            send(signal.SIGSTOP)
            time.sleep(lasts_s)
            send(signal.SIGCONT)

    def _fill_disk(self, name: str, lasts_s: float) -> None:
        """No file of the process may grow or be written, as on a full disk; by quota, which needs no rights."""
        owner = "ingest" if name == "intake" else name
        pids = self._intake_pids() if owner == "ingest" else []
        if name != "intake" and self._process(name).poll() is None:
            pids.append(self._process(name).pid)
        limits = {pid: limit_file_size(pid, 0) for pid in pids}
        time.sleep(lasts_s)
        for pid, limit in limits.items():
            limit_file_size(pid, limit)
        self._revive(owner)

    def _storm(self, how: str) -> None:
        """Take every connection of the fleet away at the same moment."""
        if how == "broker killed":
            self._kill("broker")
            return
        for name, process in self._processes.items():
            if name.startswith("fleet-") and process.poll() is None:
                process.send_signal(signal.SIGUSR1)

    def _note(self, kind: str, attempts: int) -> None:
        self._attempts[kind] = self._attempts.get(kind, 0) + attempts

    def _damage(self, harm: Harm, lasts_s: float) -> None:
        """Damage a file; ingest has to live for a while with what is done while it runs, and then to start with it."""
        path = self._run.folder / harm.path
        if harm.target == "broker":
            self._broker.kill()
            harm.work(path)
            self._broker.start()
            return
        if harm.name == LAST_HARM:
            # What waits in the journal is nowhere else: that much a deleted log may take.
            wait_for(self._caught_up, "receipts before a damage", within_s=RECOVER_WITHIN_S)
            self._settle()
        if harm.running:
            since = datetime.now(UTC)
            wait_for(lambda: self._said_since(since), "a running ingest", within_s=RECOVER_WITHIN_S)
            harm.work(path)
            time.sleep(lasts_s)
        self._process("ingest").kill()
        self._process("ingest").wait(20)
        if not harm.running:
            harm.work(path)
        self._start("ingest")

    def _settle(self) -> None:
        """Wait until all that has its receipt is stored."""
        since = datetime.now(UTC)
        wait_for(lambda: self._is_drained(since), "the drain", within_s=RECOVER_WITHIN_S)

    def _is_drained(self, since: datetime) -> bool:
        health = self._said_since(since)
        return health is not None and health.journal_depth == 0 and health.store == "ok"

    def _said_since(self, since: datetime) -> IngestHealth | None:
        """How ingest does, if it has said so since then."""
        self._revive("ingest")
        health = HealthSnapshotFile(self._run.folder).read()
        return health if health and health.at > since else None

    def _jump(self, jump_s: float, lasts_s: float) -> None:
        """The clock of ingest jumps, and comes back."""
        path = self._run.folder / "clock"
        path.write_text(str(jump_s))
        time.sleep(lasts_s)
        path.write_text("0")

    def _kill_at(self, name: str, moment: str) -> float:
        """Have a process die at a named place of its code, by and by, or kill it anyway; when it was dead."""
        if name == "ingest":
            self._process(name).kill()
            self._process(name).wait(20)
        self._start(name, moment)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process(name).wait(MOMENT_WITHIN_S)
        self._process(name).kill()
        self._process(name).wait(20)
        died_s = time.monotonic()
        if name == "ingest":
            self._start(name)
        return died_s

    def _revive(self, name: str) -> None:
        """What the supervisor would do: a process that has given up is started again."""
        if self._process(name).poll() not in (None, 0):
            self._start(name)

    def _start(self, name: str, moment: str = "") -> None:
        environment = {**self._environment(), MOMENT_VARIABLE: moment}
        with (self._run.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name), env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    def _command(self, name: str) -> list[str]:
        mutant = self._run.mutant
        launch = [sys.executable, "-m", "tests.chaos.launch", mutant]
        if name == "ingest":
            return [*launch, "serve", "ingest"]
        if name == "replay":
            return [*launch, "deadletters", "replay", "--all"]
        number = int(name.rsplit("-", maxsplit=1)[-1])
        share = self._shares[number]
        each = self._run.readings // self._run.devices
        options = {
            "--name": name,
            "--user": SIMULATORS[number],
            "--data": self._run.folder,
            "--port": self._port,
            "--devices": ",".join(share),
            "--readings": each,
            "--mutant": mutant,
        }
        return [sys.executable, "-m", "tests.chaos.publisher", *(f"{k}={v}" for k, v in options.items())]

    def _start_fleet(self, name: str, first: int) -> None:
        folder = self._run.folder
        share = range(first, min(first + FLEET_OF_A_PROCESS, self._run.fleet))
        listed = folder / f"{name}.txt"
        listed.write_text("\n".join(fleet_id(number) for number in share))
        options = {
            "--name": name,
            "--data": folder,
            "--port": self._port,
            "--devices": listed,
            "--readings": 2 * self._faults + 1,
        }
        command = [sys.executable, "-m", "tests.chaos.fleet", *(f"{k}={v}" for k, v in options.items())]
        with (folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def _environment(self) -> dict[str, str]:
        folder = self._run.folder
        ours = {
            "KOTA_DATA": str(folder),
            "KOTA_CITY": str(self._city),
            "KOTA_MQTT_PORT": str(self._port),
            "KOTA_MQTT_CLIENT": self._broker.reader,
            "KOTA_INGEST_PROCESSES": self._run.processes,
            CLOCK_VARIABLE: str(folder / "clock"),
        }
        if self._influx:
            ours |= self._influx.settings(DATABASE)
        return {**os.environ, **ours}

    def _caught_up(self) -> bool:
        """Whether everything that is released was given out and has its receipts."""
        for number in range(self._publishers):
            self._revive(f"publisher-{number}")
        if self._process("broker").poll() is not None:
            self._broker.start()
        if not self._fleet_caught_up():
            return False
        each = round(self._run.readings // self._run.devices * self._released)
        return len(outboxes(self._run.folder)) == self._publishers and all(
            _ask(path, "SELECT coalesce(sum(next_seq), 0) FROM issued") == each * len(share)
            and _ask(path, "SELECT count(*) FROM outbox") == 0
            for path, share in zip(outboxes(self._run.folder), self._shares, strict=True)
        )

    def _fleet_is_connected(self) -> bool:
        return sum(life.online for life in read_lives(self._run.folder)) == self._run.fleet

    def _fleet_caught_up(self) -> bool:
        ended = [name for name, process in self._processes.items() if name.startswith("fleet-") and process.poll()]
        assert not ended, f"{ended} ended: what it has given out is not known any more"
        each = round((2 * self._faults + 1) * self._released)
        lives = read_lives(self._run.folder)
        return len(lives) == self._run.fleet and all(life.seqs == each and not life.waiting for life in lives)

    def _all_receipted(self) -> bool:
        return (
            self._fleet_caught_up()
            and len(outboxes(self._run.folder)) == self._publishers
            and all(self._processes[f"publisher-{n}"].poll() is not None for n in range(self._publishers))
        )

    def _end_ingest(self) -> None:
        self._processes["ingest"].terminate()
        self._processes["ingest"].wait(60)

    def _clean_up(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(20)
        self._broker.kill()
        if self._influx:
            self._influx.kill()

    def _count(self, recoveries: list[Recovery]) -> Report:
        published = published_in(self._run.folder)
        found = counted(self._run.folder, published, self._stored())
        seconds = round(time.monotonic() - self._began, 1)
        return Report(*found, recoveries, seconds, self._attempts)

    def _stored(self) -> list[StoredSequences]:
        if self._influx is None:
            store: Store = DuckStore(self._run.folder / "store" / "city.duckdb")
        else:
            self._influx.start()
            store = InfluxStore(
                InfluxHttp(self._influx.database(DATABASE)),
                load_city(self._city),
                Checkpoint(self._run.folder / "store" / "progress.sqlite"),
            )
        try:
            return store.stored_sequences()
        finally:
            store.close()
            if self._influx:
                self._influx.kill()


def command_of(pid: int) -> list[str]:
    """The command of a process; empty if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
    return []


def limit_file_size(pid: int, limit: int) -> int:
    """Bound the size of files that a process may write; returns the bound before, and changes none if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        before, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))
        return before
    return limit


def fleet_id(number: int) -> str:
    """Id of one of a fleet's devices."""
    return f"fleet-{number:05}"


def city_with_fleet(folder: Path, devices: int) -> Path:
    """The reference city with so many more containers."""
    shutil.copytree(builtin_city("kupang"), folder)
    bins = folder / "bins.csv"
    like = bins.read_text().splitlines()[1].partition(",")[2]
    with bins.open("a") as file:
        file.writelines(f"{fleet_id(number)},{like}\n" for number in range(devices))
    return folder


def _ask(path: Path, statement: str) -> int:
    """One number of an outbox; -1 while it is still being made."""
    with closing(sqlite3.connect(path, timeout=20)) as db, contextlib.suppress(sqlite3.OperationalError):
        return int(db.execute(statement).fetchone()[0])
    return -1
