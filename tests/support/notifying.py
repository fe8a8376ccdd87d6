"""A process that sends a city's notifications and nothing else, and that can be killed at a named place of the code.

`python -m tests.support.notifying DATA DATABASE AHEAD_S [PLACE]` looks until SIGTERM; its clock is ahead by AHEAD_S.
"""

from __future__ import annotations

import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from city.database.engine import Database
from city.inventory.loader import builtin_city, load_city
from city.runtime.logs import configure_logging
from dispatch.alarms.rules import load_rules
from dispatch.notifications import feed, notifier
from dispatch.notifications.board import NotificationBoard
from dispatch.notifications.deliveries import Deliveries
from dispatch.notifications.notifier import Notifier
from dispatch.notifications.recipients import FILE_NAME, RecipientsFile
from dispatch.notifications.sender_process import SenderProcess
from tests.chaos.deaths import wrap_with_death

PLACES: Final[dict[str, tuple[Any, str, bool]]] = {
    "before the cursor moves": (feed, "_move_cursor", False),
    "before the cursor is committed": (feed, "_move_cursor", True),
    "before the claim": (Deliveries, "claim", False),
    "between claim and sending": (Deliveries, "claim", True),
    "while it is sent": (SenderProcess, "__init__", True),
    "between sending and its record": (Deliveries, "record", False),
    "after the record": (Deliveries, "record", True),
}
"""Name to owner, function, and whether the process dies after it rather than before."""


def main() -> None:
    """Look until SIGTERM."""
    data, url, ahead_s, *place = sys.argv[1:]
    configure_logging()
    notifier.EVERY_S = 0.05  # type: ignore[misc]
    if place:
        owner, function, after = PLACES[place[0]]
        wrap_with_death(owner, function, after=after, passes=2)
    city = load_city(builtin_city("kupang"))
    database = Database(Path(data), url)

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(ahead_s))

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Notifier(
        RecipientsFile(Path(data) / FILE_NAME, lambda: city),
        feed.NotificationFeed(database, load_rules, clock),
        Deliveries(database, clock),
        NotificationBoard(),
        lambda: city,
        "https://kota.example",
        is_demo=False,
        clock=clock,
        publish=lambda _: None,
    ).keep_looking(stop, lambda: None)
    database.close()


if __name__ == "__main__":
    main()
