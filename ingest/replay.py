"""Give dead letters back to ingest: they go through the journal again like any message, and are stored once."""

from __future__ import annotations

from collections.abc import Sequence

from broker.contract.errors import RetryLaterError
from ingest.journal import Arrival, Journal
from ingest.store.dead_letters import DeadLetter, DeadLetterBox


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


def _hand_over(box: DeadLetterBox, journal: Journal, letters: Sequence[DeadLetter]) -> None:
    journal.append([Arrival(letter.topic, letter.payload, letter.received_at) for letter in letters])
    # Ingest may be faster: one that has failed again by now is dead and stays so.
    box.mark([letter.id for letter in letters], "replaying", "replayed")
