"""Replays dead letters and quarantined messages: they pass through the journal again and are stored once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from city.errors import RetryLaterError
from ingest.messages import Arrival
from ingest.pipeline.journal import Journal
from ingest.store.parked.dead_letters import DeadLetter, DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine

log = structlog.get_logger("ingest")


def replay(queue: DeadLetterQueue, journal: Journal, ids: Sequence[int]) -> int:
    """Append the dead letters among `ids` to the journal and mark them; return how many.

    The time of receipt stays the first one, so that a replay is late data. A replayed message that fails again is the
    same dead letter as before.

    Raises:
        RetryLaterError: The journal is full; nothing was replayed.
    """
    dead_letters = [dead_letter for dead_letter in queue.get(ids) if dead_letter.state == "dead"]
    if dead_letters:
        queue.mark([dead_letter.id for dead_letter in dead_letters], "dead", "replaying")
        try:
            _append_and_mark(queue, journal, dead_letters)
        except RetryLaterError:
            queue.mark([dead_letter.id for dead_letter in dead_letters], "replaying", "dead")
            raise
    return len(dead_letters)


def finish_replays(queue: DeadLetterQueue, journal: Journal) -> int:
    """Finish replays that a crash interrupted; a message that is appended twice is still stored once.

    Raises:
        RetryLaterError: The journal is full.
    """
    dead_letters = queue.find(state="replaying", limit=-1)
    if dead_letters:
        _append_and_mark(queue, journal, dead_letters)
    return len(dead_letters)


def release_quarantined(quarantine: Quarantine, journal: Journal, knows: Callable[[str, Sequence[str]], bool]) -> int:
    """Append the quarantined messages of devices that the inventory has by now; return how many.

    The time of receipt stays. Interrupted, the messages are appended again and stored once.

    Args:
        quarantine: Source of the messages.
        journal: Target of the messages.
        knows: Whether the inventory has a device of an adapter under one of these names.

    Raises:
        RetryLaterError: The journal is full, or the disk refuses.
    """
    count = 0
    for device in quarantine.find(state=None):
        if knows(device.adapter, device.names):
            messages = quarantine.messages_of(device.id)
            journal.append(
                [Arrival(message.topic, message.payload, message.received_at, message.retained) for message in messages]
            )
            quarantine.forget(device.id)
            log.info("unknown_device.adopted", adapter=device.adapter, address=device.address, messages=len(messages))
            count += len(messages)
    return count


def _append_and_mark(queue: DeadLetterQueue, journal: Journal, dead_letters: Sequence[DeadLetter]) -> None:
    journal.append(
        [Arrival(dead_letter.topic, dead_letter.payload, dead_letter.received_at) for dead_letter in dead_letters]
    )
    # Ingest may be faster: one that has failed again by now is dead and stays so.
    queue.mark([dead_letter.id for dead_letter in dead_letters], "replaying", "replayed")
