"""A chaos run: real broker, real store, real agents, faults from a schedule, and a ledger of every reading at the end.

At the end set(published) = set(stored) + set(dead letters), each exactly once, or the run is red.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from edge.outbox import Outbox
from ingest.store.dead_letters import DeadLetterBox
from ingest.store.duck import DuckStore
from ingest.store.intervals import IntervalSet
from tests.chaos.schedule import TARGETS, Fault, Target, make_schedule
from tests.support.brokers import ROOT, BrokerName, RunningBroker, free_port
from tests.support.waiting import wait_for

RECOVER_WITHIN_S: Final = 120.0
PUBLISHERS_MAX: Final = 4


class Run(msgspec.Struct, frozen=True):
    """What is asked for."""

    folder: Path
    broker: BrokerName = "embedded"
    devices: int = 12
    readings: int = 1_200
    kills: int = 20
    seed: int = 1
    mutant: str = ""
    targets: tuple[Target, ...] = TARGETS


class Recovery(msgspec.Struct, frozen=True):
    """A fault and how long until what was published before it had its receipts."""

    fault: Fault
    at_s: float
    recovered_s: float


class Report(msgspec.Struct, frozen=True):
    """The outcome: `lost` is published and nowhere, `twice` is stored more than once, or stored and dead."""

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
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # The last device is a stranger to the inventory: its readings belong among the dead letters.
        names = [*(f"bin-{n:04}" for n in range(1, run.devices)), "bin-stranger"]
        self._publishers = min(PUBLISHERS_MAX, run.devices)
        self._shares = [names[n :: self._publishers] for n in range(self._publishers)]
        self._began = time.monotonic()

    def run(self) -> Report:
        """The whole run."""
        schedule = make_schedule(self._run.seed, self._run.kills, self._publishers, self._run.targets)
        self._broker.start()
        try:
            self._start("ingest")
            for number in range(self._publishers):
                self._start(f"publisher-{number}")
            recoveries = [self._break(fault) for fault in schedule]
            wait_for(self._all_receipted, "the last receipts", within_s=2 * RECOVER_WITHIN_S)
            self._end_ingest()
        finally:
            self._clean_up()
        return self._count(recoveries)

    def _break(self, fault: Fault) -> Recovery:
        time.sleep(fault.wait_s)
        at_s = time.monotonic()
        mark = self._marks()
        name = f"publisher-{fault.index}" if fault.target == "publisher" else fault.target
        process = self._broker.process if fault.target == "broker" else self._processes[name]
        assert process is not None
        if fault.kind == "freeze" and process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            time.sleep(fault.lasts_s)
            process.send_signal(signal.SIGCONT)
        elif fault.target == "broker":
            self._broker.kill()
            self._broker.start()
        else:
            process.kill()
            process.wait(20)
            self._start(name)
        wait_for(lambda: self._receipted_up_to(mark), f"recovery from {fault}", within_s=RECOVER_WITHIN_S)
        recovered_s = time.monotonic() - at_s
        return Recovery(fault, round(at_s - self._began, 3), round(recovered_s, 3))

    def _start(self, name: str) -> None:
        with (self._run.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name), env=self._environment(), cwd=ROOT, stdout=log, stderr=log
            )

    def _command(self, name: str) -> list[str]:
        mutant = self._run.mutant
        if name == "ingest":
            if mutant:
                return [sys.executable, "-m", "tests.chaos.mutants", mutant, "serve", "ingest"]
            return [sys.executable, "-m", "city", "serve", "ingest"]
        number = int(name.rsplit("-", maxsplit=1)[-1])
        share = self._shares[number]
        each = self._run.readings // self._run.devices
        options = {
            "--name": name,
            "--data": self._run.folder,
            "--port": self._port,
            "--devices": ",".join(share),
            "--readings": each,
            "--pause-s": 30.0 / max(1, each),
            "--mutant": mutant,
        }
        return [sys.executable, "-m", "tests.chaos.publisher", *(f"{k}={v}" for k, v in options.items())]

    def _environment(self) -> dict[str, str]:
        ours = {"KOTA_DATA": str(self._run.folder), "KOTA_MQTT_PORT": str(self._port)}
        return {**os.environ, **ours}

    def _outboxes(self) -> list[Path]:
        return sorted((self._run.folder / "edge").glob("*.sqlite"))

    def _marks(self) -> dict[Path, int]:
        """The newest reading in each outbox."""
        return {path: _ask(path, "SELECT coalesce(max(id), 0) FROM outbox") for path in self._outboxes()}

    def _receipted_up_to(self, marks: dict[Path, int]) -> bool:
        waiting = "SELECT count(*) FROM outbox WHERE id <= ?"
        return all(_ask(path, waiting, mark) == 0 for path, mark in marks.items())

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

    def _count(self, recoveries: list[Recovery]) -> Report:
        published = {}
        for path in self._outboxes():
            outbox = Outbox(path, max_bytes=1 << 40)
            published.update({(life.device, life.boot): life.seqs for life in outbox.issued()})
            outbox.close()
        store = DuckStore(self._run.folder / "store" / "city.duckdb")
        ledger = {(one.device, one.boot): one for one in store.ledger()}
        store.close()
        box = DeadLetterBox(self._run.folder / "store" / "dead_letters.sqlite")
        dead = box.seqs()
        box.close()
        lost = twice = stored = buried = 0
        for life, seqs in published.items():
            kept, refused = _numbers(ledger[life].seqs if life in ledger else ()), _numbers(dead.get(life, ()))
            lost += len(set(range(seqs)) - kept - refused)
            twice += len(kept & refused) + (ledger[life].twice if life in ledger else 0)
            stored += len(kept)
            buried += len(refused)
        seconds = round(time.monotonic() - self._began, 1)
        return Report(sum(published.values()), stored, buried, lost, twice, recoveries, seconds)


def _numbers(ranges: tuple[tuple[int, int], ...] | IntervalSet) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def _ask(path: Path, statement: str, *values: object) -> int:
    with closing(sqlite3.connect(path, timeout=20)) as db:
        return int(db.execute(statement, values).fetchone()[0])
