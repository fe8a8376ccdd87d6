"""A chaos run: real broker, real store, real agents, faults from a schedule, and a ledger of every reading at the end.

At the end set(published) = set(stored) + set(dead letters), each exactly once, or the run is red.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import msgspec

from broker.access import SIMULATORS
from broker.contract.codec import stamps_of
from city.inventory import builtin_city, load_city
from edge.outbox import Outbox
from ingest.store.dead_letters import DeadLetterBox
from ingest.store.duck import DuckStore
from ingest.store.influx import InfluxStore
from ingest.store.influx_http import InfluxHttp
from ingest.store.intervals import IntervalSet
from ingest.store.port import Ledger, Store
from ingest.store.progress import Progress
from tests.chaos.moments import CLOCK_VARIABLE, MOMENT_VARIABLE, moments_of
from tests.chaos.publisher import RELEASED
from tests.chaos.schedule import TARGETS, Fault, Kind, Target, make_schedule
from tests.support.brokers import ROOT, BrokerName, RunningBroker, free_port
from tests.support.influx import SERVERS
from tests.support.waiting import wait_for

RECOVER_WITHIN_S: Final = 120.0
MOMENT_WITHIN_S: Final = 10.0
DATABASE: Final = "chaos"
PUBLISHERS_MAX: Final = len(SIMULATORS)

StoreName = Literal["duckdb", "influx-1", "influx-2"]


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


class Recovery(msgspec.Struct, frozen=True):
    """A fault and how long until all that was under way before and during it had its receipts."""

    fault: Fault
    at_s: float
    recovered_s: float


class Report(msgspec.Struct, frozen=True):
    """The outcome: `lost` is published and nowhere, `twice` is stored or dead more than once, or stored and dead."""

    published: int
    stored: int
    dead: int
    lost: int
    twice: int
    recoveries: list[Recovery]
    seconds: float


class Harness:
    """Owns every process of one run; `run` starts, breaks, waits, counts and ends them."""

    def __init__(self, run: Run) -> None:
        """Lay out devices over publishers."""
        self._run = run
        self._port = free_port()
        run.folder.mkdir(parents=True, exist_ok=True)
        self._broker = RunningBroker(run.broker, self._port, run.folder)
        self._influx = SERVERS[run.store](run.folder / "influx") if run.store in SERVERS else None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # The last device is a stranger to the inventory: its readings belong among the dead letters.
        names = [*(f"bin-{n:04}" for n in range(1, run.devices)), "bin-stranger"]
        self._publishers = min(PUBLISHERS_MAX, run.devices)
        self._shares = [names[n :: self._publishers] for n in range(self._publishers)]
        self._began = time.monotonic()
        self._released = 0.0
        self._faults = 0

    def run(self) -> Report:
        """The whole run."""
        run = self._run
        targets = (*run.targets, "store", "store") if self._influx else run.targets
        schedule = make_schedule(
            run.seed, run.kills, self._publishers, targets, run.kinds, moments_of(run.store), run.long_freezes
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
            recoveries = [self._break(fault) for fault in schedule]
            self._release(2 * self._faults + 1)
            wait_for(self._all_receipted, "the last receipts", within_s=2 * RECOVER_WITHIN_S)
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
        wait_for(self._caught_up, f"recovery from {fault}", within_s=RECOVER_WITHIN_S)
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
        self._process(name).kill()
        self._process(name).wait(20)
        self._start(name)

    def _freeze(self, name: str, lasts_s: float) -> None:
        process = self._process(name)
        send = self._broker.signal if name == "broker" else process.send_signal
        if process.poll() is None:
            send(signal.SIGSTOP)
            time.sleep(lasts_s)
            send(signal.SIGCONT)

    def _fill_disk(self, name: str, lasts_s: float) -> None:
        """No file of the process may grow or be written, as on a full disk; by quota, which needs no rights."""
        process = self._process(name)
        if process.poll() is None:
            limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
            time.sleep(lasts_s)
            if process.poll() is None:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        self._revive(name)

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

    def _environment(self) -> dict[str, str]:
        folder = self._run.folder
        ours = {
            "KOTA_DATA": str(folder),
            "KOTA_MQTT_PORT": str(self._port),
            "KOTA_MQTT_CLIENT": self._broker.reader,
            CLOCK_VARIABLE: str(folder / "clock"),
        }
        if self._influx:
            ours |= self._influx.settings(DATABASE)
        return {**os.environ, **ours}

    def _outboxes(self) -> list[Path]:
        return sorted((self._run.folder / "edge").glob("*.sqlite"))

    def _caught_up(self) -> bool:
        """Whether everything that is released was given out and has its receipts."""
        for number in range(self._publishers):
            self._revive(f"publisher-{number}")
        if self._process("broker").poll() is not None:
            self._broker.start()
        each = round(self._run.readings // self._run.devices * self._released)
        return len(self._outboxes()) == self._publishers and all(
            _ask(path, "SELECT coalesce(sum(next_seq), 0) FROM issued") == each * len(share)
            and _ask(path, "SELECT count(*) FROM outbox") == 0
            for path, share in zip(self._outboxes(), self._shares, strict=True)
        )

    def _all_receipted(self) -> bool:
        return len(self._outboxes()) == self._publishers and all(
            self._processes[f"publisher-{n}"].poll() is not None for n in range(self._publishers)
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

    def _stored(self) -> list[Ledger]:
        if self._influx is None:
            store: Store = DuckStore(self._run.folder / "store" / "city.duckdb")
        else:
            self._influx.start()
            store = InfluxStore(
                InfluxHttp(self._influx.database(DATABASE)),
                load_city(builtin_city("kupang")),
                Progress(self._run.folder / "store" / "progress.sqlite"),
            )
        try:
            return store.ledger()
        finally:
            store.close()
            if self._influx:
                self._influx.kill()

    def _count(self, recoveries: list[Recovery]) -> Report:
        published = {}
        for path in self._outboxes():
            outbox = Outbox(path, max_bytes=1 << 40)
            published.update({(life.device, life.boot): life.seqs for life in outbox.issued()})
            outbox.close()
        ledger = {(one.device, one.boot): one for one in self._stored()}
        dead, twice_dead = self._buried()
        lost = stored = buried = 0
        twice = twice_dead
        for life, seqs in published.items():
            kept, refused = _numbers(ledger[life].seqs if life in ledger else ()), _numbers(dead.get(life, ()))
            lost += len(set(range(seqs)) - kept - refused)
            twice += len(kept & refused) + (ledger[life].twice if life in ledger else 0)
            stored += len(kept)
            buried += len(refused)
        seconds = round(time.monotonic() - self._began, 1)
        return Report(sum(published.values()), stored, buried, lost, twice, recoveries, seconds)

    def _buried(self) -> tuple[dict[tuple[str, str], IntervalSet], int]:
        """The seqs of dead letters by device and boot, and how many of them lie there more than once."""
        box = DeadLetterBox(self._run.folder / "store" / "dead_letters.sqlite")
        seqs = box.seqs()
        letters = sum(len(stamps_of(letter.payload)) for letter in box.find(limit=-1))
        letters += sum(len(stamps_of(letter.payload)) for letter in box.find(state="replaying", limit=-1))
        box.close()
        return seqs, letters - sum(found.count() for found in seqs.values())


def _numbers(ranges: tuple[tuple[int, int], ...] | IntervalSet) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def _ask(path: Path, statement: str) -> int:
    """One number of an outbox; -1 while it is still being made."""
    with closing(sqlite3.connect(path, timeout=20)) as db, contextlib.suppress(sqlite3.OperationalError):
        return int(db.execute(statement).fetchone()[0])
    return -1
