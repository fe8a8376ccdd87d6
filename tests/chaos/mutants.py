"""Broken promises on purpose: each mutant must turn a chaos run red, or the harness proves nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from broker import access
from broker.contract.payloads import Receipt
from broker.contract.topics import Kind
from edge.agent import Agent
from edge.outbox import Row
from ingest.pipeline.intake import Intake, Received
from ingest.store.duckdb.store import DuckStore
from ingest.store.port import Ranges
from ingest.store.record_batch import RecordBatch

GAP_S: Final = 0.4
"""How long the window of the broken promise stays open: so long that hardly a kill misses it."""

SEQS_MAX: Final = 100_000
"""More than a run gives out, and few enough to be counted one by one."""


def acknowledge_before_fsync() -> None:
    """PUBACK and receipts first, the journal afterwards."""
    commit: Callable[..., bool] = Intake._commit

    def broken(self: Intake, group: list[Received], stop: threading.Event) -> bool:
        self._acknowledge([delivery for received in group for delivery in received.deliveries])
        self._send_receipts(self._receipts.take(None))
        time.sleep(GAP_S)
        return commit(self, group, stop)

    Intake._commit = broken  # type: ignore[method-assign]


def forget_without_receipt() -> None:
    """The edge believes the broker and forgets what it has published; ingest is slow, so that much is on its way."""
    publish: Callable[..., None] = Agent._publish
    commit: Callable[..., bool] = Intake._commit

    def broken(self: Agent, rows: list[Row], now: float) -> None:
        publish(self, rows, now)
        self._outbox._db.executemany("DELETE FROM outbox WHERE id = ?", [(row.id,) for row in rows])
        self._outbox._db.commit()

    def slow(self: Intake, group: list[Received], stop: threading.Event) -> bool:
        time.sleep(GAP_S)
        return commit(self, group, stop)

    Agent._publish = broken  # type: ignore[method-assign]
    Intake._commit = slow  # type: ignore[method-assign]


def position_after_rows() -> None:
    """Rows in one transaction, position and seen seqs in a second one."""
    commit: Callable[..., None] = DuckStore._commit

    def broken(self: DuckStore, fresh: RecordBatch, seen: Any, committed_offsets: Ranges) -> None:
        commit(self, fresh, {}, self._committed_offsets)
        time.sleep(GAP_S)
        commit(self, RecordBatch([]), seen, committed_offsets)

    DuckStore._commit = broken  # type: ignore[method-assign]


def believe_any_receipt() -> None:
    """The broker lets every device speak receipts for all, and the edge believes one for what it never sent."""
    rights: Callable[..., access.Rights] = access._device_rights

    def lax(city: str, kind: Kind, device: str, foreign: Sequence[str]) -> access.Rights:
        found = rights(city, kind, device, foreign)
        return found._replace(writes=(*found.writes, *access._of_all_devices(city, ("receipt",))))

    def credulous(self: Agent, device: str, receipt: Receipt) -> Receipt:  # noqa: ARG001 - as the original
        return Receipt(epoch=receipt.epoch, seqs=[(first, min(last, SEQS_MAX)) for first, last in receipt.seqs])

    access._device_rights = lax
    Agent._limit_to_published = credulous  # type: ignore[method-assign]


MUTANTS: Final = {
    "acknowledge_before_fsync": acknowledge_before_fsync,
    "believe_any_receipt": believe_any_receipt,
    "forget_without_receipt": forget_without_receipt,
    "position_after_rows": position_after_rows,
}


def apply(name: str) -> None:
    """Break one promise; an empty name breaks none."""
    if name:
        MUTANTS[name]()
