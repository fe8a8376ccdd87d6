"""Give dead letters back to ingest: they go through the journal again like any message, and are stored once."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.journal import Arrival, Journal
from ingest.store.dead_letters import DeadLetterBox


def replay(box: DeadLetterBox, journal: Journal, ids: Sequence[int]) -> int:
    """Append the waiting letters among `ids` to the journal and mark them; how many.

    Their time of receipt stays the first one, so a replay is late data and not news. A crash between the two steps
    replays a letter twice, which is stored once.

    Raises:
        RetryLaterError: The journal is full; nothing was replayed.
    """
    letters = [letter for letter in box.get(ids) if letter.state == "dead"]
    if letters:
        journal.append([Arrival(letter.topic, letter.payload, letter.received_at) for letter in letters])
        box.mark_replayed([letter.id for letter in letters])
    return len(letters)
