"""What the drain counts."""

from __future__ import annotations

import msgspec

from ingest.pipeline import metrics
from ingest.pipeline.decoded_batch import SourcedBatch


class Totals(msgspec.Struct):
    """Counters since the process started; `without_effect` are counts of access points that a list leaves out again."""

    stored: int = 0
    without_effect: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    unknown_fields: int = 0
    ignored: int = 0
    quarantined: int = 0

    def count(self, decoded: SourcedBatch, *, dead: int, stored: int, duplicates: int) -> None:
        """Count a batch that is stored, here and in the metrics.

        Args:
            decoded: The batch.
            dead: Its dead letters.
            stored: Its records that were stored.
            duplicates: Those that were there already.
        """
        unknown = sum(len(result.unknown_fields) for _, result in decoded.others)
        ignored = sum(result.ignored for _, result in decoded.others)
        quarantined = sum(len(result.unknown_devices) for _, result in decoded.others)
        for counter, amount in (
            (metrics.STORED, stored),
            (metrics.DUPLICATES, duplicates),
            (metrics.DEAD, dead),
            (metrics.UNKNOWN_FIELDS, unknown),
            (metrics.IGNORED, ignored),
            (metrics.QUARANTINED, quarantined),
        ):
            counter.inc(amount)
        self.stored += stored
        self.duplicates += duplicates
        self.dead_letters += dead
        self.unknown_fields += unknown
        self.ignored += ignored
        self.quarantined += quarantined
