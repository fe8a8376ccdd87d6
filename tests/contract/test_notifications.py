"""Notifications in the database, on SQLite and PostgreSQL: each once, whatever dies, and by two processes at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Table, insert, text

from city.database.engine import lock_until_end
from city.database.schema import metadata
from city.inventory.loader import builtin_city, load_city
from city.inventory.windows import parse_window
from city.runtime.recipient_problems import RecipientProblems
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import AlarmKind, load_rules
from dispatch.alarms.service import LOCK_NUMBER, Alarms
from dispatch.alarms.tables import alarm_entries
from dispatch.notifications import deliveries
from dispatch.notifications.board import NotificationBoard
from dispatch.notifications.deliveries import LEASE, Deliveries, Notification
from dispatch.notifications.feed import NotificationFeed
from dispatch.notifications.notifier import FAILING_MAX, SENDERS_MAX, Notifier
from dispatch.notifications.planning import GIVE_UP_AFTER
from dispatch.notifications.recipients import Recipient, Recipients, RecipientsFile
from dispatch.notifications.wire import SendRequest, SendResult
from dispatch.orders import tables as orders_tables
from dispatch.shifts import tables as shifts_tables
from people.audit import Origin
from people.service import People
from tests.contract.conftest import NOW, Clock
from tests.support.waiting import wait_for

RULES = load_rules()
CITY = load_city(builtin_city("kupang"))
MARIA = Origin("a1", "maria.seran", "10.0.0.1")
FAILED = SendResult("server", 500)
REFUSED = SendResult("connection")


class FixedRecipients(RecipientsFile):
    """Recipients that no file has; None is a file that was wrong from the start."""

    def __init__(self, recipients: Recipients | None) -> None:
        """Keep them."""
        super().__init__(Path("/nonexistent"), lambda: CITY)
        self.recipients = recipients

    def current(self) -> Recipients | None:
        """They."""
        return self.recipients


@dataclass
class SlowSender:
    """A process that sends; it ends when it gets a result."""

    request: SendRequest
    answer: SendResult | None = None
    is_ended: bool = False

    def result(self) -> SendResult | None:
        return self.answer

    def end(self) -> None:
        self.is_ended = True


@dataclass
class Post:
    """What was sent, by all processes of a test; each message gets the next result, at once or never."""

    results: dict[str, SendResult | None] = field(default_factory=dict)
    senders: list[SlowSender] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def launch(self, request: SendRequest) -> SlowSender:
        name = request.url.rpartition("/")[2]
        sender = SlowSender(request, self.results.get(name, SendResult()))
        with self.lock:
            self.senders.append(sender)
        return sender

    def titles(self) -> list[str]:
        return [sender.request.title for sender in self.senders]


def recipient(name: str = "dinas", **fields: Any) -> Recipient:
    values = {"name": name, "url": SecretStr(f"json://h/{name}"), "roles": ("dispatcher",), "language": "en"}
    return Recipient(**{**values, **fields})


@dataclass
class Desk:
    """A city's alarms and one process that tells of them."""

    people: People
    clock: Clock
    recipients: Recipients | None
    post: Post = field(default_factory=Post)
    monotonic_s: float = 0.0
    is_demo: bool = False
    published: list[RecipientProblems] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.people.database, self.people.audit, self.clock)
        self.deliveries = Deliveries(self.people.database, self.clock)
        self.start()

    def start(self) -> None:
        """A new process; what was in memory is gone."""
        self.board = NotificationBoard()
        self.notifier = Notifier(
            FixedRecipients(self.recipients),
            NotificationFeed(self.people.database, lambda: RULES, self.clock),
            self.deliveries,
            self.board,
            lambda: CITY,
            "https://kota.example",
            is_demo=self.is_demo,
            clock=self.clock,
            publish=self.published.append,
            launch=self.post.launch,
            monotonic=lambda: self.monotonic_s,
        )

    def happen(self, *subjects: str, kind: AlarmKind = "fire") -> list[int]:
        devices = [CITY.devices[subject] for subject in subjects]
        made = [AlarmCondition(kind, device.id, device.KIND, device.site, device.kelurahan) for device in devices]
        self.alarms.apply(RULES, AlarmChanges(tuple(made)))
        return [alarm.id for alarm in self.alarms.current() if alarm.subject in subjects]

    def look(self, times: int = 3, after_s: float = 0) -> None:
        self.pass_time(after_s)
        for _ in range(times):
            self.notifier.look()
        assert self.board.failure == ""

    def pass_time(self, seconds: float) -> None:
        self.clock.move(timedelta(seconds=seconds))
        self.monotonic_s += seconds

    def all(self) -> list[Notification]:
        return list(reversed(self.deliveries.find(limit=500)))

    def states(self) -> list[tuple[str, str, str]]:
        return [(entry.recipient, entry.kind, entry.state) for entry in self.all()]


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(people: People, clock: Clock) -> MakeDesk:
    def make(*recipients: Recipient) -> Desk:
        return Desk(people, clock, {entry.name: entry for entry in recipients or (recipient(),)})

    return make


def test_a_fire_is_told_once_to_who_is_to_know(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient(), recipient("jaringan", roles=("network_admin",)))
    (fire,) = desk.happen("bin-0001")
    desk.look(5)
    assert desk.states() == [("dinas", "raised", "sent")]
    (sender,) = desk.post.senders
    assert sender.request.title.startswith("[CRITICAL] Fire: bin-0001")
    (entry,) = desk.deliveries.of_alarm(fire)
    assert (entry.sent_at, entry.attempts, entry.reason) == (NOW, 1, "")


def test_what_happened_without_recipients_is_told_to_nobody_later(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient("lain", roles=("viewer",)))
    desk.happen("bin-0001")
    desk.look()
    desk.recipients = {"dinas": recipient()}
    desk.start()
    desk.look(after_s=1_000)
    assert desk.post.senders == []


def test_while_the_file_was_never_right_nothing_is_forgotten(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.recipients = None
    desk.start()
    desk.happen("bin-0001")
    desk.look()
    desk.recipients = {"dinas": recipient()}
    desk.start()
    desk.look()
    assert desk.states() == [("dinas", "raised", "sent")]


def test_acknowledged_and_cleared_are_told_to_who_wants_it_and_was_told(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient(), recipient("kepala", acknowledged=True, cleared=True))
    fire, tilt = desk.happen("bin-0001"), desk.happen("bin-0002", kind="tilt")
    desk.look()
    desk.alarms.acknowledge(MARIA, [*fire, *tilt])
    desk.look()
    desk.alarms.apply(RULES, AlarmChanges(to_clear=(*fire, *tilt)))
    desk.look()
    assert [kind for name, kind, _ in desk.states() if name == "kepala"] == ["raised", "acknowledged", "cleared"]
    assert [kind for name, kind, _ in desk.states() if name == "dinas"] == ["raised"]
    assert "maria" not in "".join(f"{sender.request.title}{sender.request.body}" for sender in desk.post.senders)


def test_nobody_acknowledges_so_it_is_said_again_and_to_the_supervisor(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient(), recipient("kepala", roles=("supervisor",)))
    desk.happen("bin-0001")
    desk.look()
    desk.look(after_s=294)
    assert desk.states() == [("dinas", "raised", "sent")]
    desk.look(after_s=6)
    assert desk.states()[1:] == [("dinas", "reminder", "sent")]
    desk.look(after_s=600)
    assert desk.states()[2:] == [("dinas", "reminder", "sent"), ("kepala", "escalation", "sent")]
    assert desk.post.titles()[-1].startswith("[CRITICAL] Escalated, not acknowledged: Fire: bin-0001")
    desk.look(after_s=86_400)
    assert len(desk.states()) == 4, "three reminders at the most; of those that are late only the newest"


def test_an_acknowledgement_ends_reminders_and_taking_it_back_begins_anew(make_desk: MakeDesk) -> None:
    desk = make_desk()
    (fire,) = desk.happen("bin-0001")
    desk.look()
    desk.alarms.acknowledge(MARIA, [fire])
    desk.look(after_s=5)
    desk.alarms.undo(MARIA, fire)
    desk.look(after_s=294)
    assert len(desk.states()) == 1
    desk.look(after_s=6)
    assert desk.states()[1:] == [("dinas", "reminder", "sent")]


@pytest.mark.parametrize("what", ["shelved", "suppressed", "cleared"])
def test_what_is_not_on_the_list_is_not_said_again(make_desk: MakeDesk, what: str) -> None:
    desk = make_desk(recipient(), recipient("kepala", roles=("supervisor",)))
    (fire,) = desk.happen("bin-0001")
    desk.look()
    if what == "shelved":
        desk.alarms.shelve(MARIA, fire, desk.clock() + timedelta(hours=2), "x")
    else:
        desk.alarms.apply(RULES, AlarmChanges(**{"to_suppress" if what == "suppressed" else "to_clear": (fire,)}))
    desk.look(after_s=3_600)
    assert desk.states() == [("dinas", "raised", "sent")]
    if what == "shelved":
        desk.look(after_s=3_600)
        desk.look(after_s=300)
        assert desk.states()[1:] == [("dinas", "reminder", "sent")], "it is back, and waits anew"


@pytest.mark.parametrize("jump", [timedelta(days=-30), timedelta(hours=5)])
def test_a_clock_that_jumps_brings_no_reminder_forward_and_keeps_none_back(
    make_desk: MakeDesk, jump: timedelta
) -> None:
    desk = make_desk()
    desk.happen("bin-0001")
    desk.look()
    desk.clock.move(jump)
    desk.look()
    assert len(desk.states()) == 1
    desk.look(after_s=300)
    assert desk.states()[1:] == [("dinas", "reminder", "sent")]


def at_wita(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 1, hour, minute, tzinfo=CITY.time_zone).astimezone(UTC)


def test_quiet_hours_hold_all_but_fires_and_end_in_one_digest_of_what_is_still_so(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient(quiet=(parse_window("22:00-05:00"),), digest_above=2))
    desk.clock.now = at_wita(22, 30)
    full = desk.happen("bin-0001", "bin-0002", "bin-0003", "bin-0004", kind="overflowing")
    desk.happen("bin-0005")
    desk.look()
    assert desk.post.titles() == [f"[CRITICAL] Fire: {title}" for title in ["bin-0005, " + place("bin-0005")]]
    assert sorted({state for _, _, state in desk.states()}) == ["held", "sent"]
    desk.start()
    desk.look(after_s=2 * 3_600)
    assert len([title for title in desk.post.titles() if "full" in title]) == 0
    desk.alarms.apply(RULES, AlarmChanges(to_clear=(full[0],)))
    desk.clock.now = at_wita(4, 59) + timedelta(days=1)
    desk.monotonic_s += 60
    desk.look()
    assert "4 alarms" not in "".join(desk.post.titles())
    before = len(desk.post.senders)
    desk.clock.now = at_wita(5) + timedelta(days=1)
    desk.monotonic_s += 60
    desk.look()
    assert len(desk.post.senders) == before + 1
    assert "Container full: 3" in desk.post.senders[-1].request.body
    assert [entry.state for entry in desk.deliveries.of_alarm(full[0])] == ["skipped"]


def place(subject: str) -> str:
    device = CITY.devices[subject]
    names = [CITY.sites[device.site].name if device.site else "", CITY.kelurahan[device.kelurahan].name]
    return ", ".join(name for name in names if name)


def test_thousands_that_are_held_keep_no_fire_back(make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "WAITING_MAX", 20)
    desk = make_desk(recipient(quiet=(parse_window("00:00-24:00"),)))
    desk.happen(*list(CITY.bins)[1:100], kind="overflowing")
    for _ in range(10):
        desk.look(after_s=20)
    desk.happen("bin-0001")
    desk.look(after_s=20)
    assert [title.partition(",")[0] for title in desk.post.titles()] == ["[CRITICAL] Fire: bin-0001"]


def test_a_demo_says_that_it_is_one(people: People, clock: Clock) -> None:
    desk = Desk(people, clock, {"dinas": recipient()}, is_demo=True)
    desk.happen("bin-0001")
    desk.look()
    assert desk.post.titles()[0].startswith("[SIMULATED] [CRITICAL] Fire")


def test_a_storm_of_600_alarms_is_one_message(make_desk: MakeDesk) -> None:
    desk = make_desk()
    bins = list(CITY.bins)[:500]
    desk.happen(*bins, kind="overflowing")
    desk.happen(*bins[:100])
    desk.look(10)
    (sender,) = desk.post.senders
    assert "600 alarms" in sender.request.title
    with desk.people.database.read() as connection:
        query = text("SELECT state, count(*) FROM notification GROUP BY state")
        assert [tuple(row) for row in connection.execute(query)] == [("sent", 600)]


def test_a_failure_is_tried_again_with_longer_waits_and_is_shown(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = FAILED
    (fire,) = desk.happen("bin-0001")
    desk.look()
    (entry,) = desk.deliveries.of_alarm(fire)
    assert (entry.state, entry.reason, entry.failed_at) == ("failed", "server 500", NOW)
    assert entry.next_at is not None
    assert set(desk.board.failing) == {"dinas"}
    assert desk.published[-1].failing == {"dinas": NOW}
    for _ in range(60):
        desk.look(after_s=20)
    assert 5 < len(desk.post.senders) < 20
    assert len({sender.request.key for sender in desk.post.senders if "Fire" in sender.request.title}) >= 1
    desk.post.results.clear()
    desk.look(after_s=300)
    assert desk.deliveries.of_alarm(fire)[0].state == "sent"
    assert desk.board.failing == {}
    assert desk.published[-1].failing == {}


def test_a_service_that_may_have_it_gets_it_again_under_the_same_key(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = SendResult("timeout")
    desk.happen("bin-0001")
    desk.look()
    (row,) = desk.all()
    assert row.next_at is not None
    assert row.next_at >= NOW + timedelta(seconds=10), "it may have arrived: another attempt has time"
    desk.post.results.clear()
    desk.happen("bin-0002")
    desk.look(after_s=6)
    assert "bin-0002" in desk.post.titles()[-1], "other alarms do not wait for it"
    desk.look(after_s=200)
    first, _, second = desk.post.senders
    assert first.request.key == second.request.key != ""


def test_a_service_says_when_it_wants_to_be_asked_again(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = SendResult("busy", 429, 900.0)
    (fire,) = desk.happen("bin-0001")
    desk.look()
    assert desk.deliveries.of_alarm(fire)[0].next_at == NOW + timedelta(seconds=900)
    desk.look(after_s=899)
    assert len(desk.post.senders) == 1
    desk.look(after_s=1)
    assert len(desk.post.senders) == 2


def test_what_fails_for_hours_is_given_up_and_another_alarm_is_not_kept_back(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = FAILED
    (first,) = desk.happen("bin-0001", kind="overflowing")
    for _ in range(8):
        desk.look(after_s=310)
    (second,) = desk.happen("bin-0002", kind="overflowing")
    desk.look(after_s=310)
    assert "bin-0002" in desk.post.titles()[-1], "the one that was tried least"
    desk.pass_time(GIVE_UP_AFTER.total_seconds())
    for _ in range(12):
        desk.look(after_s=310)
    assert desk.deliveries.of_alarm(first)[0].state == "given_up"
    assert desk.deliveries.of_alarm(second)[0].attempts > 1
    attempts = len(desk.post.senders)
    desk.post.results.clear()
    desk.look(after_s=310)
    assert not any("bin-0001" in title for title in desk.post.titles()[attempts:])


def test_a_jump_of_the_clock_gives_up_nothing(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = FAILED
    (fire,) = desk.happen("bin-0001")
    desk.look()
    desk.clock.move(timedelta(days=3))
    desk.look()
    assert desk.deliveries.of_alarm(fire)[0].state == "failed"
    desk.clock.move(timedelta(days=-300))
    desk.post.results.clear()
    desk.monotonic_s += 300
    desk.look()
    assert desk.deliveries.of_alarm(fire)[0].state == "sent"


def test_services_that_hang_leave_room_for_the_others(make_desk: MakeDesk) -> None:
    hanging = [recipient(f"h{number}") for number in range(SENDERS_MAX + 1)]
    desk = make_desk(*hanging, recipient("z"))
    for entry in hanging:
        desk.post.results[entry.name] = None
    desk.happen("bin-0001")
    desk.look()
    assert len(desk.post.senders) == SENDERS_MAX
    for sender in desk.post.senders:
        sender.answer = SendResult("timeout")
    desk.look()
    started = [sender.request.url for sender in desk.post.senders[SENDERS_MAX:]]
    assert "json://h/z" in started
    for sender in desk.post.senders:
        sender.answer = sender.answer or SendResult("timeout")
    desk.look()
    before = len(desk.post.senders)
    desk.look(after_s=299)
    assert len(desk.post.senders) == before + FAILING_MAX


def test_a_process_that_dies_with_a_message_on_its_way_leaves_it_to_the_next(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = None
    desk.happen("bin-0001")
    desk.look()
    desk.start()
    desk.post.results.clear()
    desk.look()
    assert len(desk.post.senders) == 1, "the claim is in force"
    desk.look(after_s=LEASE.total_seconds())
    first, second = desk.post.senders
    assert first.request.key == second.request.key
    assert desk.states() == [("dinas", "raised", "sent")]


@pytest.mark.parametrize("behind_s", [0.001, 1, 30])
def test_a_process_whose_clock_is_behind_takes_no_claim_over(make_desk: MakeDesk, behind_s: float) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = None
    desk.happen("bin-0001")
    desk.look()
    (row,) = desk.all()
    behind = Deliveries(desk.people.database, lambda: desk.clock() - timedelta(seconds=behind_s))
    assert behind.waiting() == []
    assert behind.claim([row.id]) == ""


def test_a_process_that_stops_records_what_has_ended_and_ends_the_others(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient(), recipient("macet"))
    desk.post.results.update({"dinas": None, "macet": None})
    desk.happen("bin-0001")
    desk.look()
    done, hanging = sorted(desk.post.senders, key=lambda sender: sender.request.url)
    done.answer = SendResult()
    desk.notifier._monotonic = iter([0.0, 0.0, 99.0]).__next__
    desk.notifier.stop()
    assert (done.is_ended, hanging.is_ended) == (False, True)
    assert sorted(desk.states()) == [("dinas", "raised", "sent"), ("macet", "raised", "pending")]


def test_a_claim_of_a_clock_that_ran_ahead_ends(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.post.results["dinas"] = None
    desk.happen("bin-0001")
    desk.look()
    desk.clock.move(timedelta(days=-1))
    desk.post.results.clear()
    desk.start()
    desk.look()
    assert desk.states() == [("dinas", "raised", "sent")]


def test_a_database_that_is_away_keeps_the_result_and_sends_nothing_twice(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from city.errors import RetryLaterError  # noqa: PLC0415

    desk = make_desk()
    desk.post.results["dinas"] = None
    desk.happen("bin-0001")
    desk.look()
    desk.post.senders[0].answer = SendResult()

    def away(*_: object) -> None:
        raise RetryLaterError("database: away")

    with monkeypatch.context() as patch:
        patch.setattr(desk.deliveries, "record", away)
        for _ in range(3):
            desk.notifier.look()
        assert desk.board.failure == "database: away"
    desk.look()
    assert desk.states() == [("dinas", "raised", "sent")]
    assert len(desk.post.senders) == 1


def in_threads(work: Iterable[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(task) for task in work]:
            done.result()


def test_several_processes_at_once_tell_each_alarm_once(make_desk: MakeDesk, people: People, clock: Clock) -> None:
    desk = make_desk(recipient(digest_above=100), recipient("kepala", digest_above=3))
    others = [Desk(people, clock, desk.recipients, desk.post) for _ in range(3)]
    stop = threading.Event()

    def look(other: Desk) -> None:
        while not stop.is_set():
            other.notifier.look()

    def storm() -> None:
        try:
            for number in range(1, 13):
                desk.happen(f"bin-{number:04}")
                if number % 3 == 0:
                    desk.alarms.acknowledge(MARIA, [number])
            for _ in range(40):
                desk.notifier.look()
        finally:
            stop.set()

    in_threads([*(lambda other=other: look(other) for other in others), storm])  # type: ignore[misc]
    for process in (desk, *others):
        process.look(after_s=0)
    rows = desk.all()
    assert len(rows) == len({(row.alarm_id, row.recipient, row.kind) for row in rows}) == 24
    assert {row.state for row in rows if row.recipient == "dinas"} == {"sent"}
    assert all(row.attempts <= 1 for row in rows)
    keys = [sender.request.key for sender in desk.post.senders]
    assert len(keys) == len(set(keys))


def test_an_entry_with_a_smaller_number_that_is_committed_later_is_not_missed(
    make_desk: MakeDesk, people: People, clock: Clock
) -> None:
    desk = make_desk(recipient(acknowledged=True, cleared=True))
    first, second = desk.happen("bin-0001", "bin-0002")[::-1]
    desk.look()
    feed, recipients = NotificationFeed(people.database, lambda: RULES, clock), desk.recipients or {}
    if people.database.open().dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: numbers are in the order of commits")
    with ThreadPoolExecutor(1) as pool:
        with people.database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            values = {"alarm_id": first, "at": NOW, "what": "cleared", "actor": "system", "name": "", "text": ""}
            connection.execute(insert(alarm_entries).values(values))
            desk.alarms.acknowledge(MARIA, [second])
            taking = pool.submit(feed.take_history, recipients)
            wait_for(lambda: taking.done() or waiters(people), "a feed that waits or has ended")
        taking.result()
    feed.take_history(recipients)
    assert sorted(row.kind for row in desk.all() if row.kind != "raised") == ["acknowledged", "cleared"]


def waiters(people: People) -> int:
    """How many wait for a lock of PostgreSQL."""
    with people.database.read() as connection:
        query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return int(connection.execute(query).scalar_one())


def test_numbers_that_sqlite_gives_again_are_not_missed(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.happen("bin-0009", kind="overflowing")
    (old,) = desk.happen("bin-0001", kind="overflowing")
    desk.look()
    desk.alarms.apply(RULES, AlarmChanges(to_clear=(old,)))
    desk.look()
    desk.clock.move(timedelta(days=10))
    assert desk.alarms.forget_before(desk.clock() - timedelta(days=5)) == 1
    assert desk.deliveries.of_alarm(old) == [], "its notifications go with it"
    desk.happen("bin-0002", kind="overflowing")
    desk.look()
    assert "bin-0002" in "".join(desk.post.titles())


def test_a_failing_recipient_is_an_alarm_that_others_get(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient("admin", roles=("network_admin",)), recipient(roles=("dispatcher", "network_admin")))
    desk.post.results["dinas"] = REFUSED
    desk.happen("bin-0001")
    desk.look()
    (condition,) = desk.board.conditions(RULES)
    assert (condition.key, condition.since) == (("notification_failing", "dinas"), NOW)
    desk.alarms.apply(RULES, AlarmChanges((condition,)))
    desk.look()
    failing = [row for row in desk.all() if row.recipient == "admin"]
    assert [row.state for row in failing] == ["sent"]
    assert desk.post.titles()[-1].startswith("[HIGH] Notifications not delivered: dinas")
    assert len([row for row in desk.all() if row.recipient == "dinas"]) == 1


def test_the_list_is_filtered_and_paged(make_desk: MakeDesk) -> None:
    desk = make_desk(recipient(digest_above=100), recipient("lain", digest_above=100))
    desk.post.results["lain"] = FAILED
    for number in range(1, 6):
        desk.happen(f"bin-{number:04}")
        desk.look()
    assert {row.recipient for row in desk.deliveries.find(("failed", "pending"))} == {"lain"}
    page = desk.deliveries.find(("sent",), "dinas", limit=2)
    older = desk.deliveries.find(("sent",), "dinas", before=page[-1].id, limit=10)
    assert [row.id for row in (*page, *older)] == sorted(
        (row.id for row in desk.all() if row.state == "sent"), reverse=True
    )


DISPATCH_TABLES = [
    table.name
    for module in (orders_tables, shifts_tables)
    for table in vars(module).values()
    if isinstance(table, Table)
]
"""Tables of a later version than those of notifications."""


def test_an_upgrade_tells_nobody_of_what_happened_before(people: People, clock: Clock) -> None:
    desk = Desk(people, clock, {"dinas": recipient()})
    desk.happen("bin-0001")
    later = ("notification", "notification_cursor", "notification_recipient", *DISPATCH_TABLES)
    with people.database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name in later:
                table.drop(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    people.database.close()
    desk.look()
    assert desk.post.senders == []
    desk.happen("bin-0002")
    desk.look()
    assert ["bin-0002" in title for title in desk.post.titles()] == [True]
