"""Our services as the supervisor starts them, one process each, over a data folder of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.store.duckdb.store import DuckStore
from ingest.store.port import StoredSequences
from tests.support.brokers import ROOT


class Service:
    """One `kota serve` process; `kill` is SIGKILL."""

    def __init__(self, names: list[str], data: Path, **settings: object) -> None:
        """Keep what to start."""
        self._names = names
        self._log = data / f"{'-'.join(names)}.log"
        variables = {f"KOTA_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {**os.environ, "KOTA_DATA": str(data), **variables}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it connects when it can."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "city", "serve", *self._names],
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        return self._end(signal.SIGTERM)

    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """Start a service and make sure that it is gone afterwards."""
    service.start()
    try:
        yield service
    finally:
        service.kill()


def stored(data: Path) -> list[StoredSequences]:
    """What is in the store of a data folder whose ingest has ended."""
    store = DuckStore(data / "store" / "city.duckdb")
    try:
        return store.stored_sequences()
    finally:
        store.close()
