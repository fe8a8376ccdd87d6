"""A batch of records in which plain readings stand as columns: nothing is done for one that can be done for all.

To code that knows no columns, a batch is a sequence of records: those that stand as such, then the rows of the columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import compress
from typing import Any, overload

from broker.contract.topics import Kind
from ingest.store.records import Reading, Record, RecordOrigin, Value

GroupKey = tuple[str, str]
"""Device and epoch."""


@dataclass(frozen=True, eq=False)
class ReadingColumns:
    """Readings of one kind, in order of arrival; every list has one item for each.

    Attributes:
        kind: Of all devices.
        places: Place of each message in the batch that was decoded.
        devices: Device ids.
        epochs: Epochs of the sequence numbers.
        seqs: Sequence numbers.
        measured_at: Times of measurement, UTC; the clocks of the devices were right.
        received_at: Times of receipt, UTC.
        qualities: Quality flags.
        values: Field of the contract to its values, as they are stored; None where a reading has none.
    """

    kind: Kind
    places: list[int]
    devices: list[str]
    epochs: list[str]
    seqs: list[int]
    measured_at: list[datetime]
    received_at: list[datetime]
    qualities: list[tuple[str, ...]]
    values: dict[str, list[Any]]

    def __len__(self) -> int:
        """How many readings there are."""
        return len(self.places)

    @cached_property
    def groups(self) -> dict[GroupKey, list[int]]:
        """Rows of each device and epoch, in order."""
        groups: defaultdict[GroupKey, list[int]] = defaultdict(list)
        for row, key in enumerate(zip(self.devices, self.epochs, strict=True)):
            groups[key].append(row)
        return groups

    @cached_property
    def is_in_order(self) -> bool:
        """Whether every reading was measured at the time of the one before it, or later."""
        return self.measured_at == sorted(self.measured_at)

    def reading(self, row: int) -> Reading:
        """One row as a record."""
        origin = RecordOrigin(
            self.kind,
            self.devices[row],
            self.epochs[row],
            self.seqs[row],
            self.measured_at[row],
            self.received_at[row],
            None,
            self.qualities[row],
        )
        values: dict[str, Value] = {
            name: column[row] for name, column in self.values.items() if column[row] is not None
        }
        return Reading(origin, values)

    def filter(self, keep: Sequence[bool]) -> ReadingColumns:
        """The rows for which `keep` is true."""
        values = {name: list(compress(column, keep)) for name, column in self.values.items()}
        return ReadingColumns(
            self.kind,
            list(compress(self.places, keep)),
            list(compress(self.devices, keep)),
            list(compress(self.epochs, keep)),
            list(compress(self.seqs, keep)),
            list(compress(self.measured_at, keep)),
            list(compress(self.received_at, keep)),
            list(compress(self.qualities, keep)),
            values,
        )

    def without_devices(self, devices: Collection[str]) -> tuple[ReadingColumns, list[tuple[int, Reading]]]:
        """The columns without some devices, and the readings of these, each with its place."""
        if not devices:
            return self, []
        keep = [device not in devices for device in self.devices]
        if all(keep):
            return self, []
        taken = [(self.places[row], self.reading(row)) for row, kept in enumerate(keep) if not kept]
        return self.filter(keep), taken


class RecordBatch(Sequence[Record]):
    """Records and columns of readings; no device has both readings or events among the records and rows.

    Args:
        records: What stands as records, in order.
        columns: Plain readings.
    """

    def __init__(self, records: Sequence[Record], columns: Iterable[ReadingColumns] = ()) -> None:
        self.records = records
        self.columns = [block for block in columns if len(block)]

    @classmethod
    def of(cls, records: Sequence[Record]) -> RecordBatch:
        """Records as a batch; one that is a batch already is returned."""
        return records if isinstance(records, RecordBatch) else cls(records)

    @cached_property
    def _rows(self) -> list[Record]:
        return [block.reading(row) for block in self.columns for row in range(len(block))]

    def __len__(self) -> int:
        """How many records there are, with those in columns."""
        return len(self.records) + sum(map(len, self.columns))

    def __iter__(self) -> Iterator[Record]:
        """Every record, those in columns last."""
        yield from self.records
        yield from self._rows

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        """A record, or several, by their place in the order of iteration."""
        return list(self)[index]
