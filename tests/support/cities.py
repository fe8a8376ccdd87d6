"""A whole city as its user starts it: `./kota up`, and the other verbs against it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.support.asking import answer_of, ask
from tests.support.brokers import ROOT, free_port
from tests.support.waiting import wait_for


class RunningCity:
    """One `kota up` with its own data folder and ports."""

    def __init__(self, data: Path, *options: str, out: int | None = None) -> None:
        """Start it; `out` is a descriptor for what it says, its file by itself."""
        self.data = data
        self.port, self.mqtt_port = free_port(), free_port()
        ports = ["--port", str(self.port), "--mqtt-port", str(self.mqtt_port)]
        self.output = data.parent / f"{data.name}.out"
        command = [str(ROOT / "kota"), "up", "--data", str(data), *ports, *options]
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file if out is None else out, stderr=file)

    def get(self, path: str) -> Any:
        """The API's answer, as soon as there is one."""
        return answer_of(f"http://127.0.0.1:{self.port}{path}")

    def wait_ready(self) -> None:
        """Wait until readings are stored."""
        ready = f"http://127.0.0.1:{self.port}/readyz"
        wait_for(lambda: (ask(ready) or {}).get("ready"), f"a ready city\n{self.log()}")

    def pids(self) -> dict[str, int]:
        """Running processes by name, as the supervisor notes them."""
        found: dict[str, int | None] = json.loads((self.data / "run.json").read_text())["processes"]
        return {name: pid for name, pid in found.items() if pid and _alive(pid)}

    def kill(self, name: str) -> None:
        """SIGKILL one process and wait until the supervisor has another."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.pids().get(name, pid) != pid, f"{name} to be started again")

    def verb(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run another verb on the same data."""
        environment = {**os.environ, "KOTA_DATA": str(self.data), "KOTA_MQTT_PORT": str(self.mqtt_port)}
        command = [str(ROOT / "kota"), *arguments]
        return subprocess.run(
            command, input=stdin, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def log(self) -> str:
        """What it and its processes have printed."""
        logs = sorted((self.data / "logs").glob("*.log")) if (self.data / "logs").is_dir() else []
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in [self.output, *logs]
        )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
