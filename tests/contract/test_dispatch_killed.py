"""A process that stores what phones report is killed: what has a receipt is stored, and is stored once."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from city.runtime.secrets import Secrets
from dispatch.services import dispatch_services
from dispatch.shifts.records import PhoneEvent
from dispatch.shifts.tables import taps
from people.audit import Origin
from people.service import open_people
from tests.support.dispatching import DAY, plan_by_hand, small_city

NOW = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
KILLS = 4
PHONE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from city.runtime.secrets import Secrets
from dispatch.services import dispatch_services
from dispatch.shifts.records import PhoneEvent
from people.service import open_people

folder, url, token, stop, first = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
now = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
people = open_people(folder, url, Secrets(folder), lambda: now)
crews = dispatch_services(people.database, people.audit, b"key", lambda: now).crews
session = crews.by_token(token)
for seq in range(first, first + 10_000):
    events = [
        PhoneEvent(phone=session.phone, boot="b", seq=seq, at=now, kind=kind, stop=at)
        for seq, kind, at in ((2 * seq, "collected", stop), (2 * seq + 1, "panic", None))
    ]
    for receipt in crews.record(session, events):
        print(receipt.seq, receipt.outcome, flush=True)
"""


def test_what_has_a_receipt_is_stored_once_whenever_the_process_is_killed(tmp_path: Path, url: str) -> None:
    people = open_people(tmp_path, url, Secrets.make(tmp_path), lambda: NOW)
    services, city = dispatch_services(people.database, people.audit, b"key", lambda: NOW), small_city()
    plan = plan_by_hand(city, {"truck-01": list(city.bins)[:3]})
    maria = Origin("a1", "maria.seran")
    services.shifts.accept(maria, services.plans.propose(plan), city)
    (shift,) = services.shifts.of_day(DAY)
    session = services.crews.enter(services.crews.make_code(maria, shift.id).code, "10.0.0.1")
    stop = services.shifts.stops(shift.id)[0].id
    received: set[int] = set()
    for kill in range(KILLS):
        received |= _killed_after(tmp_path, url, session.token, stop, first=kill * 20, lines=25 + 7 * kill)
    with people.database.read() as connection:
        stored = list(connection.execute(select(taps.c.seq)).scalars())
    assert received <= set(stored)
    assert len(stored) == len(set(stored))
    pairs = {seq // 2 for seq in stored}
    assert len(stored) == 2 * len(pairs), "a batch is stored whole, or not at all"
    again = [
        PhoneEvent(phone=session.phone, boot="b", seq=seq, at=NOW, kind="panic", stop=None) for seq in sorted(stored)
    ]
    assert {receipt.outcome for receipt in services.crews.record(session, again)} == {"known"}
    people.close()


def _killed_after(folder: Path, url: str, token: str, stop: int, *, first: int, lines: int) -> set[int]:
    """The numbers with a receipt of a phone's process that is killed after so many."""
    command = [sys.executable, "-c", PHONE, str(folder), url, token, str(stop), str(first)]
    seen: set[int] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            seq, outcome = line.split()
            assert outcome in ("stored", "known"), line
            seen.add(int(seq))
            if len(seen) == lines:
                process.kill()
                break
        process.stdout.close()
    assert len(seen) == lines, "the process ended by itself"
    return seen
