"""Give dead letters and strangers' messages back to ingest: they go through the journal again, and are stored once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from broker.contract.errors import RetryLaterError
from ingest.journal import Arrival, Journal
from ingest.store.dead_letters import DeadLetter, DeadLetterBox
from ingest.store.quarantine import Quarantine

log = structlog.get_logger("ingest")


def replay(box: DeadLetterBox, journal: Journal, ids: Sequence[int]) -> int:
    """Append the waiting letters among `ids` to the journal and mark them; how many.

    Their time of receipt stays the first one, so a replay is late data and not news. One that fails again is the same
    letter as before, dead once more.

    Raises:
        RetryLaterError: The journal is full; nothing was replayed.
    """
    letters = [letter for letter in box.get(ids) if letter.state == "dead"]
    if letters:
        box.mark([letter.id for letter in letters], "dead", "replaying")
        try:
            _hand_over(box, journal, letters)
        except RetryLaterError:
            box.mark([letter.id for letter in letters], "replaying", "dead")
            raise
    return len(letters)


def finish_replays(box: DeadLetterBox, journal: Journal) -> int:
    """Go on with replays that a crash has cut off; handed over twice they are still stored once.

    Raises:
        RetryLaterError: The journal is full.
    """
    letters = box.find(state="replaying", limit=-1)
    if letters:
        _hand_over(box, journal, letters)
    return len(letters)


def take_in(quarantine: Quarantine, journal: Journal, knows: Callable[[str, Sequence[str]], bool]) -> int:
    """Give back the messages of strangers that are known by now; how many.

    Their time of receipt stays. Cut off in between, they are given back again and stored once.

    Args:
        quarantine: Where they wait.
        journal: Where they go.
        knows: Whether the inventory has a device of an adapter under one of these names.

    Raises:
        RetryLaterError: The journal is full, or the disk refuses.
    """
    count = 0
    for stranger in quarantine.find(state=None):
        if knows(stranger.adapter, stranger.names):
            messages = quarantine.messages_of(stranger.id)
            journal.append([Arrival(one.topic, one.payload, one.received_at, one.retained) for one in messages])
            quarantine.forget(stranger.id)
            log.info("stranger.known", adapter=stranger.adapter, address=stranger.address, messages=len(messages))
            count += len(messages)
    return count


def _hand_over(box: DeadLetterBox, journal: Journal, letters: Sequence[DeadLetter]) -> None:
    journal.append([Arrival(letter.topic, letter.payload, letter.received_at) for letter in letters])
    # Ingest may be faster: one that has failed again by now is dead and stays so.
    box.mark([letter.id for letter in letters], "replaying", "replayed")
