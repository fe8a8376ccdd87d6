"""What is kept of each device and epoch: stored sequence numbers, and those of dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ingest.store.port import StoredSequences


class KeptEpoch(NamedTuple):
    """What is kept of one device and epoch; ranges are pairs of first and last number, both included."""

    stored: StoredSequences
    dead: list[tuple[int, int]]


def kept_epochs(
    stored: Iterable[StoredSequences], dead: Mapping[tuple[str, str], Iterable[tuple[int, int]]]
) -> list[KeptEpoch]:
    """What is kept, by device and epoch.

    Args:
        stored: What the store has.
        dead: Device and epoch to the sequence numbers of dead letters.
    """
    epochs = {(epoch.device, epoch.epoch): epoch for epoch in stored}
    return [
        KeptEpoch(epochs.get(key) or StoredSequences(*key, (), 0, 0), [*dead.get(key, ())])
        for key in sorted({*epochs, *dead})
    ]
