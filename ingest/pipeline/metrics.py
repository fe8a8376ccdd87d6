"""Names of what ingest counts; served on `/metrics`."""

from __future__ import annotations

from typing import Final

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from ingest.pipeline.intake import IntakeCounts, IntakeState

RECEIVED: Final = Counter("ingest_received", "Messages that came over the bus")
ACKNOWLEDGED: Final = Counter("ingest_acknowledged", "Messages acknowledged after they were on disk")
UNACKNOWLEDGED_DROPPED: Final = Counter(
    "ingest_stale_ack_dropped", "Acknowledgements not sent because their connection was gone; the broker sends again"
)
QOS0_DROPPED: Final = Counter("ingest_qos0_dropped", "Messages of QoS 0 dropped because ingest had no room for them")
DEAF: Final = Counter("ingest_deaf", "Connections given up because nothing came over them, not even our own canary")
STORED: Final = Counter("ingest_stored", "Records stored")
DUPLICATES: Final = Counter("ingest_duplicates", "Records that were stored already")
DEAD: Final = Counter("ingest_dead_letters", "Messages or elements that became dead letters")
UNKNOWN_FIELDS: Final = Counter("ingest_unknown_fields", "Fields ignored because the contract does not know them")
IGNORED: Final = Counter("ingest_ignored", "Messages understood that carry nothing to store")
QUARANTINED: Final = Counter("ingest_quarantined", "Messages of devices that the inventory does not have")
UNKNOWN_DEVICES: Final = Gauge("ingest_unknown_devices", "Unknown devices that are neither adopted nor ignored")
JOURNAL_DEPTH: Final = Gauge("ingest_journal_depth", "Messages in the journal that the store does not have yet")
JOURNAL_BYTES: Final = Gauge("ingest_journal_bytes", "Bytes of payload in the journal")
LAG: Final = Gauge("ingest_lag_seconds", "Age of the oldest message that the store does not have yet")
LIVE_LAG: Final = Gauge("ingest_live_lag_seconds", "The same of messages that overtake a backlog")
JOURNAL_FULL: Final = Gauge("ingest_journal_full", "1 while the journal takes no messages and nothing is acknowledged")
STORE_AWAY: Final = Gauge("ingest_store_away", "1 while the store cannot be written")
DAMAGES: Final = Gauge("ingest_damages", "Files that were damaged, deleted or replaced, until somebody takes note")
LOST: Final = Gauge("ingest_lost_readings", "Readings with a receipt that the store does not have any more")
BAD_SUBJECTS: Final = Gauge("ingest_bad_subjects", "Devices (and all together, as one) whose messages are mostly bad")
LETTERS_DROPPED: Final = Gauge("ingest_dead_letters_dropped_total", "Dead letters that gave way at their bound")
COMMIT: Final = Histogram("ingest_commit_seconds", "Time of one journal commit, fsync included")


class IntakeMetrics:
    """Adds intake's counters to those that are served; one for each process of intake, whose counters begin at 0."""

    def __init__(self) -> None:
        self._known = IntakeCounts()

    def add(self, state: IntakeState) -> None:
        """Add what was counted since the state before."""
        for name, counter in _OF_INTAKE.items():
            counter.inc(getattr(state.counts, name) - getattr(self._known, name))
        for seconds in state.commit_s:
            COMMIT.observe(seconds)
        self._known = msgspec.structs.replace(state.counts)


_OF_INTAKE: Final = {
    "received": RECEIVED,
    "acknowledged": ACKNOWLEDGED,
    "stale_acks": UNACKNOWLEDGED_DROPPED,
    "qos0_dropped": QOS0_DROPPED,
    "deaf": DEAF,
}
