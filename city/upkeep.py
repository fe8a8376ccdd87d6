"""The loop of `kota up`: watches the children, notes them for the other verbs, and says how the city does."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Final

from city.child_logs import LogKeeper
from city.settings import Settings
from city.supervise import Child, Supervisor
from city.terminal import Terminal

POLL_S: Final = 0.2
STATUS_EVERY_S: Final = 2.0
OWN_LOG: Final = "supervisor"


class Upkeep:
    """Runs until told to stop; nothing that the disk or the terminal refuses ends it.

    Args:
        settings: Where the city lies and listens.
        supervisor: Its processes.
        logs: For a log of its own.
        terminal: Where it says what happens.
    """

    def __init__(self, settings: Settings, supervisor: Supervisor, logs: LogKeeper, terminal: Terminal) -> None:
        """Nothing is noted yet."""
        self._settings = settings
        self._supervisor = supervisor
        self._logs = logs
        self._terminal = terminal
        self._noted: dict[str, Any] = {}
        self._shown = ""

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`."""
        next_status = 0.0
        self._note_run()
        while not stop.wait(POLL_S):
            for child in self._supervisor.watch():
                self._say_ended(child)
            self._note_run()
            if time.monotonic() >= next_status:
                self._show(self._status())
                next_status = time.monotonic() + STATUS_EVERY_S

    def _note_run(self) -> None:
        """Write where this run listens and which processes it has; what the disk refuses is tried again next time."""
        settings = self._settings
        run = {
            "pid": os.getpid(),
            "host": settings.host,
            "port": settings.port,
            "mqtt_host": settings.mqtt_host,
            "mqtt_port": settings.mqtt_port,
            "processes": {child.name: child.pid for child in self._supervisor.children},
        }
        if run == self._noted:
            return
        part = settings.data / ".run.json.part"
        try:
            part.write_text(json.dumps(run, indent=1))
            part.replace(settings.data / "run.json")
        except OSError:
            return
        self._noted = run

    def _say_ended(self, child: Child) -> None:
        code = child.last_exit or 0
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        said = f"{child.name} ended ({how}), starting again"
        self._logs.note(OWN_LOG, said)
        self._terminal.say(f"\n{said}; see {self._settings.data}/logs/{child.name}.log\n")

    def _status(self) -> str:
        """One line: each process, and what the system says of itself."""
        parts = [f"{child.name} {'up' if child.pid else 'down'}" for child in self._supervisor.children]
        system = _ask(f"http://{self._settings.host}:{self._settings.port}/readyz")
        ready = "ready" if system.get("ready") else str(system.get("detail") or "starting")
        return f"{ready} | " + ", ".join(parts)

    def _show(self, line: str) -> None:
        """Print a status when it is news; on a terminal it stays in one place."""
        if self._terminal.interactive:
            self._terminal.say(f"\r\x1b[K{line}")
        elif line != self._shown:
            self._terminal.say(f"{line}\n")
        self._shown = line


def _ask(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - our own http address
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310 - our own http address
            return dict(json.load(answer))
    except urllib.error.HTTPError as exc:
        try:
            return dict(json.load(exc))
        except ValueError:
            return {}
    except (OSError, ValueError):
        return {}
