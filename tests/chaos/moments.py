"""Kills at chosen places of the code, and a clock that can be made to jump; in force only through `apply`.

`python -m tests.chaos.launch ...` runs the command line with them, as `KOTA_CHAOS_MOMENT` (a name, and after a colon
at which pass) and `KOTA_CHAOS_CLOCK` (a file with seconds to add) say.
"""

from __future__ import annotations

import functools
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ingest.pipeline import journal
from ingest.pipeline.intake import Intake
from ingest.store.duckdb.store import DuckStore
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.parked.dead_letters import DeadLetterQueue
from tests.chaos.deaths import die, wrap_with_death

MOMENT_VARIABLE: Final = "KOTA_CHAOS_MOMENT"
CLOCK_VARIABLE: Final = "KOTA_CHAOS_CLOCK"

_PLACES: Final[dict[str, tuple[Any, str, bool]]] = {
    "before the journal": (Intake, "_commit", False),
    "between journal and PUBACK": (Intake, "_commit", True),
    "between PUBACK and receipt": (Intake, "_send_receipts", False),
    "between dead letters and store": (DeadLetterQueue, "add", True),
    "between rows and positions": (DuckStore, "_insert", True),
    "between store and its note": (DuckStore, "write", True),
    "between InfluxDB and its note": (Checkpoint, "commit", False),
    "between deleting and compacting": (journal, "vacuum", False),
}
"""Name to owner, function, and whether the process dies after it rather than before."""

_OF_ONE_STORE: Final = {
    "duckdb": ("between rows and positions", "between store and its note", "checkpointing"),
    "influx": ("between InfluxDB and its note",),
}


def moments_of(store: str) -> tuple[str, ...]:
    """Places of ingest's code that a process with this store comes to."""
    ours = store.partition("-")[0]
    others = {name for other, names in _OF_ONE_STORE.items() if other != ours for name in names}
    return tuple(name for name in (*_PLACES, "checkpointing") if name not in others)


def apply() -> None:
    """Do what the environment asks for."""
    if wish := os.environ.get(MOMENT_VARIABLE):
        name, _, passes = wish.partition(":")
        _arm(name, int(passes or 1))
    if file := os.environ.get(CLOCK_VARIABLE):
        _bend_clock(Path(file))


def _arm(name: str, passes: int) -> None:
    if name == "replaying":
        # The second of the two marks: what is replayed lies in the journal and is not noted as replayed.
        wrap_with_death(DeadLetterQueue, "mark", after=False, passes=2)
    elif name == "checkpointing":
        _arm_checkpoint(passes)
    else:
        owner, function, after = _PLACES[name]
        wrap_with_death(owner, function, after=after, passes=passes)


def _arm_checkpoint(passes: int) -> None:
    """Die a moment after the embedded store has begun to fold its log into its file."""
    original = DuckStore.write
    seen = 0

    def wrapped(self: DuckStore, *args: Any) -> Any:
        nonlocal seen
        result = original(self, *args)
        seen += 1
        if seen >= passes:
            threading.Timer(0.002, die).start()
            self._db.execute("CHECKPOINT")
        return result

    DuckStore.write = wrapped  # type: ignore[method-assign,assignment]


def _bend_clock(file: Path) -> None:
    def bent() -> datetime:
        try:
            jump_s = float(file.read_text())
        except (OSError, ValueError):
            jump_s = 0.0
        return datetime.now(UTC) + timedelta(seconds=jump_s)

    original = Intake.__init__

    @functools.wraps(original)
    def made(self: Intake, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{"clock": bent, **kwargs})

    Intake.__init__ = made  # type: ignore[method-assign]
