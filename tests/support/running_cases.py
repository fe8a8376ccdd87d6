"""Cases from the field that need a running product: commands in an empty folder, and what they must say.

An action of a case is a bash command: `run` ends by itself, `start` runs until the end of the case. What a command uses
(command line, HTTP, an inventory's files, InfluxDB) is the command's own matter.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ingest.decoding.formats.registry import filters_by_format
from tests.support.brokers import ROOT, free_port
from tests.support.cases import FOLDER
from tests.support.require import require_program

RUNNING_FOLDER: Final = FOLDER / "running"
COMMAND_WITHIN_S: Final = 120.0
STOP_WITHIN_S: Final = 30.0
RETRY_S: Final = 0.2
PORTS: Final = ("PORT", "MQTT_PORT", "INFLUX_PORT", "INFLUX_RPC_PORT")
KEPT: Final = ("KOTA_VENV", "KOTA_PYTHON")
"""Variables of the `kota` script; settings of whoever runs the tests stay outside a case."""
PROGRAMS: Final = ("curl", "python3", "influxd", "mosquitto_pub")
"""Programs that a case may use and a machine may lack."""
_GATEWAY: Final = "servers"
_EVERY_FORMAT: Final = " ".join(f"--format {name}" for name in filters_by_format())
"""All servers once had one account, `gateway`, for every format; no account may have that name today."""
PRESENT_VERBS: Final[Mapping[str, str]] = {
    "device strangers": "device unknown",
    "device notice": "device unignore",
    "ledger": "reconcile",
    "evidence looks": "evidence accesses",
    "wall": "kiosk",
    "credentials gateway --json": f"credentials gateway {_GATEWAY} {_EVERY_FORMAT} --json",
}
"""Verb of the command line, as cases name it, to its present name."""
_ACTION_WORDS: Final = frozenset({"do", "run", "start", "ready", "within_s", "expect"})
_EXPECT_WORDS: Final = frozenset({"exit", "out_matches", "out_matches_not"})


def running_case_files() -> list[Path]:
    """Files of the cases that need a running product; empty without the folder."""
    return sorted(RUNNING_FOLDER.glob("*.json"))


def run_running_case(case: Mapping[str, Any], folder: Path) -> list[str]:
    """Do a case's actions in an empty folder; return what was not as expected, empty if all was.

    Raises:
        KeyError: The case has a word that the grammar does not have.
    """
    for program in PROGRAMS:
        if any(re.search(rf"\b{program}\b", _commands_of(action)) for action in case["how"]):
            require_program(program)
    runner = _Runner(folder)
    try:
        for number, action in enumerate(case["how"], 1):
            if fault := runner.fault_of(number, action):
                return [f"action {number}, {action.get('do', '')}: {fault}", *runner.logs()]
    finally:
        runner.stop()
    return []


class _Runner:
    """Owns a case's folder, ports and started processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        places = {"PRODUCT": str(ROOT), "KOTA": str(ROOT / "kota")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KOTA_") or name in KEPT}
        self._environment = {**kept, **places, **{name: str(free_port()) for name in PORTS}}
        self._started: list[subprocess.Popen[bytes]] = []

    def fault_of(self, number: int, action: Mapping[str, Any]) -> str:
        """Do an action; return what was not as expected, empty if all was."""
        _require_words(action, _ACTION_WORDS)
        _require_words(action.get("expect", {}), _EXPECT_WORDS)
        if "start" in action:
            return self._start(number, action)
        return self._repeat(action["run"], action.get("expect", {}), action.get("within_s", 0))

    def _start(self, number: int, action: Mapping[str, Any]) -> str:
        with (self._folder / f"action-{number}.log").open("wb") as log:
            self._started.append(
                subprocess.Popen(
                    ["bash", "-c", present_command(action["start"])],
                    cwd=self._folder,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        return self._repeat(action["ready"], {}, action["within_s"]) if "ready" in action else ""

    def _repeat(self, command: str, expect: Mapping[str, Any], within_s: float) -> str:
        """Run a command until it is as expected, at least once."""
        until_s = time.monotonic() + within_s
        while fault := "; ".join(self._faults(command, expect)):
            if time.monotonic() > until_s:
                return fault
            time.sleep(RETRY_S)
        return ""

    def _faults(self, command: str, expect: Mapping[str, Any]) -> Iterator[str]:
        try:
            done = subprocess.run(
                ["bash", "-c", present_command(command)],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            yield f"it did not end within {COMMAND_WITHIN_S:.0f} s"
            return
        said = done.stdout.decode(errors="replace")
        if done.returncode not in expect.get("exit", [0]):
            yield f"exit code {done.returncode}: {said[-1_000:]}"
        for pattern in expect.get("out_matches", []):
            if not re.search(pattern, said):
                yield f"{pattern!r} does not match {said[-1_000:]!r}"
        for pattern in expect.get("out_matches_not", []):
            if match := re.search(pattern, said):
                yield f"{pattern!r} matches {said[max(0, match.start() - 100) : match.end() + 100]!r}"

    def logs(self) -> list[str]:
        """The end of what each started command has printed."""
        files = sorted(self._folder.glob("action-*.log"))
        return [f"{path.name}: {path.read_text(errors='replace')[-2_000:]}" for path in files]

    def stop(self) -> None:
        """End the started commands, the last one first, with their children."""
        for process in reversed(self._started):
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_WITHIN_S)


def present_command(command: str) -> str:
    """A command with verbs, and the user of the servers' account, by their present names."""
    for old, present in PRESENT_VERBS.items():
        command = re.sub(rf'(\$KOTA"?|\$\{{KOTA\}}"?) {re.escape(old)}\b', rf"\1 {present}", command)
    return re.sub(r"""( (?:-u|--user) ?["']?)gateway\b""", rf"\1{_GATEWAY}", command)


def _commands_of(action: Mapping[str, Any]) -> str:
    return " ".join(str(action.get(key, "")) for key in ("run", "start", "ready"))


def _require_words(words: Mapping[str, Any], known: Sequence[str] | frozenset[str]) -> None:
    if unknown := sorted(set(words) - set(known)):
        raise KeyError(f"the grammar has no {', '.join(unknown)}")
