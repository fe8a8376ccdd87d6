"""The loop of `kota up`: watches the children, writes `run.json` for the other verbs, and prints a status line."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from typing import Any, Final

from city.cli.terminal import Terminal
from city.runtime.child_logs import LogKeeper
from city.runtime.settings import Settings
from city.runtime.status import problems_of, process_of, read_status
from city.runtime.supervise import Child, Supervisor

POLL_S: Final = 0.2
STATUS_EVERY_S: Final = 2.0
OWN_LOG: Final = "supervisor"


class StatusLoop:
    """Runs until told to stop; no refusal of the disk or the terminal ends it.

    Args:
        settings: Data folder and addresses of the city.
        supervisor: Its processes.
        logs: Takes the supervisor's own log.
        terminal: Takes messages and the status line.
    """

    def __init__(self, settings: Settings, supervisor: Supervisor, logs: LogKeeper, terminal: Terminal) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._logs = logs
        self._terminal = terminal
        self._written: dict[str, Any] = {}
        self._shown = ""

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`."""
        next_status = 0.0
        self._write_run()
        while not stop.wait(POLL_S):
            for line in self._supervisor.watch():
                self._say(line)
            self._write_run()
            if time.monotonic() >= next_status:
                self._show(self._status())
                next_status = time.monotonic() + STATUS_EVERY_S

    def _write_run(self) -> None:
        """Write `run.json`: addresses and processes of this run; after a refusal of the disk it is tried again."""
        settings = self._settings
        run = {
            "pid": os.getpid(),
            "host": settings.host,
            "port": settings.port,
            "mqtt_host": settings.mqtt_host,
            "mqtt_port": settings.mqtt_port,
            "processes": {child.name: child.pid for child in self._supervisor.children},
            "children": {child.name: _child_record(child) for child in self._supervisor.children},
        }
        if run == self._written:
            return
        part = settings.data / ".run.json.part"
        try:
            part.write_text(json.dumps(run, indent=1))
            part.replace(settings.data / "run.json")
        except OSError:
            return
        self._written = run

    def _say(self, line: str) -> None:
        name = line.split(maxsplit=1)[0]
        self._logs.note(OWN_LOG, f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}")
        self._terminal.say(f"\n{line}; see {self._settings.data}/logs/{name}.log\n")

    def _status(self) -> str:
        """The status line: the gravest problem, and each process."""
        now = datetime.now(UTC)
        address = {"host": self._settings.host, "port": self._settings.port}
        data = self._settings.data
        children = [process_of(data, child.name, _child_record(child), now) for child in self._supervisor.children]
        status = read_status(data, address, now, children)
        problems = problems_of(status, now)
        verdict = problems[0].text("en") if problems else "ready"
        return f"{verdict} | " + ", ".join(
            f"{process.name} {'up' if process.pid else 'down'}" for process in status.processes
        )

    def _show(self, line: str) -> None:
        """Print a status line that has changed; on a terminal it stays in one place."""
        if self._terminal.interactive:
            self._terminal.say(f"\r\x1b[K{line}")
        elif line != self._shown:
            self._terminal.say(f"{line}\n")
        self._shown = line


def _child_record(child: Child) -> dict[str, Any]:
    return {
        "pid": child.pid,
        "services": child.services,
        "started_at": child.started_at.isoformat() if child.started_at else None,
        "restarts": child.restarts,
        "hangs": child.hangs,
    }
