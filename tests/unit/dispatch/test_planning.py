"""When a recipient is told, what is held or skipped, and what becomes one digest."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from city.inventory.windows import parse_window
from dispatch.alarms.rules import AlarmKind, load_rules
from dispatch.alarms.service import Alarm, AlarmState
from dispatch.notifications.planning import (
    ATTEMPTS_MIN,
    GIVE_UP_AFTER,
    NotificationKind,
    Waiting,
    is_escalation_wanted,
    is_given_up,
    is_reachable,
    is_wanted,
    judge,
    next_message,
)
from dispatch.notifications.recipients import Recipient
from dispatch.notifications.reminders import ElapsedTimes, is_escalated, reminder_number

WITA = ZoneInfo("Asia/Makassar")
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
"""Monday, 12:00 WITA."""
RULES = load_rules()


def recipient(**fields: Any) -> Recipient:
    return Recipient(**{"name": "dinas", "url": SecretStr("json://x/y"), "roles": ("dispatcher",), **fields})


def alarm(kind: AlarmKind = "overflowing", state: AlarmState = "unacknowledged", **fields: Any) -> Alarm:
    cleared = {"cleared_at": NOW} if state.startswith("cleared") else {}
    values = {"id": 1, "subject": "bin-1", "subject_kind": "bin", "site": "", "kelurahan": "Oesapa", "detail": {}}
    return Alarm(
        **{**values, "kind": kind, "state": state, "priority": RULES[kind].priority, "since": NOW, "raised_at": NOW}
        | cleared
        | fields
    )


def waiting(id_: int = 1, kind: NotificationKind = "raised", about: Alarm | None = None, **fields: Any) -> Waiting:
    values = {
        "recipient": "dinas",
        "state": "pending",
        "created_at": NOW,
        "attempts": 0,
        "message": "",
    }
    return Waiting(**{**values, "id": id_, "kind": kind, "alarm": about or alarm(id=id_), **fields})


@pytest.mark.parametrize(
    ("fields", "kind", "about", "expected"),
    [
        ({}, "overflowing", {}, True),
        ({"roles": ("viewer",)}, "overflowing", {}, False),
        ({"roles": ("supervisor",)}, "overflowing", {}, False),
        ({"roles": ("viewer", "network_admin")}, "hotspot_down", {}, True),
        ({}, "tilt", {}, False),
        ({"priorities": ("medium",)}, "tilt", {}, True),
        ({"kinds": ("fire",)}, "overflowing", {}, False),
        ({"kelurahan": ("Alak",)}, "overflowing", {}, False),
        ({"kelurahan": ("Oesapa",)}, "overflowing", {}, True),
        ({"roles": ("network_admin",), "kelurahan": ("Alak",)}, "ingest_behind", {"subject_kind": "platform"}, True),
        ({"roles": ("administrator",)}, "notification_failing", {"subject": "lain", "subject_kind": "platform"}, True),
        (
            {"roles": ("administrator",)},
            "notification_failing",
            {"subject": "dinas", "subject_kind": "platform"},
            False,
        ),
    ],
)
def test_who_is_told(fields: dict[str, Any], kind: AlarmKind, about: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert is_wanted(recipient(**fields), RULES[kind], alarm(kind, **about)) is expected


def test_an_escalation_is_for_the_other_role() -> None:
    assert is_escalation_wanted(recipient(roles=("supervisor",)), RULES["fire"], alarm("fire"))
    assert not is_escalation_wanted(recipient(), RULES["fire"], alarm("fire"))


@pytest.mark.parametrize(
    ("local", "kind", "expected"),
    [
        ((2, 12), "overflowing", True),
        ((2, 21, 59), "overflowing", True),
        ((2, 22), "overflowing", False),
        ((2, 23, 59), "overflowing", False),
        ((3, 0), "overflowing", False),
        ((3, 4, 59), "overflowing", False),
        ((3, 5), "overflowing", True),
        ((3, 0), "fire", True),
        ((3, 0), "panic", True),
    ],
)
def test_quiet_hours_over_midnight_are_of_the_city_s_clock(
    local: tuple[int, ...],
    kind: AlarmKind,
    expected: bool,  # noqa: FBT001
) -> None:
    day, *clock = local
    at = datetime.combine(datetime(2026, 3, day), time(*clock), WITA).astimezone(UTC)  # noqa: DTZ001 - with its zone
    quiet = recipient(quiet=(parse_window("22:00-05:00"),))
    assert is_reachable(quiet, alarm(kind), at, WITA) is expected


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    night = recipient(days=("friday",), hours=(parse_window("22:00-06:00"),))
    for day, hour, expected in (
        (6, 21, False),
        (6, 22, True),
        (7, 5, True),
        (7, 6, False),
        (7, 23, False),
        (6, 5, False),
    ):
        at = datetime(2026, 3, day, hour, tzinfo=WITA)
        assert is_reachable(night, alarm("fire"), at, WITA) is expected, (day, hour)


@pytest.mark.parametrize(
    ("kind", "state", "was", "expected"),
    [
        ("raised", "unacknowledged", "pending", "send"),
        ("raised", "acknowledged", "pending", "send"),
        ("raised", "cleared", "pending", "send"),
        ("raised", "cleared", "failed", "send"),
        ("raised", "cleared", "held", "skip"),
        ("raised", "cleared_unacknowledged", "held", "skip"),
        ("raised", "suppressed", "pending", "skip"),
        ("raised", "shelved", "pending", "skip"),
        ("reminder", "unacknowledged", "pending", "send"),
        ("reminder", "acknowledged", "pending", "skip"),
        ("reminder", "shelved", "pending", "skip"),
        ("escalation", "suppressed", "pending", "skip"),
        ("escalation", "cleared", "pending", "skip"),
        ("cleared", "cleared", "pending", "send"),
        ("acknowledged", "acknowledged", "pending", "send"),
    ],
)
def test_what_is_not_needed_any_more_is_not_sent(
    kind: NotificationKind, state: AlarmState, was: str, expected: str
) -> None:
    entry = waiting(kind=kind, about=alarm(state=state), state=was)
    assert judge(entry, recipient(), NOW, WITA) == expected


def test_in_quiet_hours_it_is_held_and_for_nobody_skipped() -> None:
    quiet = recipient(quiet=(parse_window("12:00-13:00"),))
    assert judge(waiting(), quiet, NOW, WITA) == "hold"
    assert judge(waiting(about=alarm("fire")), quiet, NOW, WITA) == "send"
    assert judge(waiting(), None, NOW, WITA) == "skip"


def test_few_are_sent_singly_the_worst_first() -> None:
    due = [waiting(1), waiting(2, about=alarm("fire", id=2)), waiting(3)]
    assert [entry.id for entry in next_message(recipient(), due, (), NOW)] == [2]
    assert [entry.id for entry in next_message(recipient(), due[::2], (), NOW)] == [1]
    assert next_message(recipient(), [], (), NOW) == ()


def test_a_storm_is_one_digest_and_then_waits() -> None:
    storm = [waiting(number) for number in range(600)]
    assert len(next_message(recipient(), storm, (), NOW)) == 600
    sent = [NOW - timedelta(minutes=minutes) for minutes in range(5)]
    assert next_message(recipient(), storm, sent, NOW) == ()
    assert len(next_message(recipient(), storm, sent, NOW + timedelta(minutes=7))) == 600


def test_what_breaks_through_waits_a_minute_at_the_most() -> None:
    fires = [waiting(number, about=alarm("fire", id=number)) for number in range(3)]
    sent = [NOW] * 5
    assert next_message(recipient(), fires, sent, NOW + timedelta(seconds=59)) == ()
    assert len(next_message(recipient(), fires, sent, NOW + timedelta(seconds=60))) == 3


def test_a_message_that_may_have_arrived_is_sent_again_as_it_was() -> None:
    again = [waiting(number, message="k1", attempts=1) for number in (1, 2)]
    assert next_message(recipient(), [*again, waiting(3, attempts=2)], (), NOW) == tuple(again)
    assert [entry.id for entry in next_message(recipient(), [*again, waiting(3)], (), NOW)] == [3], "the least tried"


def test_giving_up_takes_time_and_attempts() -> None:
    assert is_given_up(NOW - GIVE_UP_AFTER, ATTEMPTS_MIN, NOW)
    assert not is_given_up(NOW - GIVE_UP_AFTER + timedelta(seconds=1), 99, NOW)
    assert not is_given_up(NOW - timedelta(days=400), ATTEMPTS_MIN - 1, NOW)


@given(
    sizes=st.lists(st.integers(0, 40), max_size=30),
    above=st.integers(1, 10),
    minutes=st.integers(1, 60),
)
def test_nothing_is_forgotten_and_no_more_is_sent_than_agreed(sizes: list[int], above: int, minutes: int) -> None:
    """In any window of the agreed length there are at most the agreed messages, and one more for each digest."""
    limited = recipient(digest_above=above, digest_minutes=minutes)
    due: dict[int, Waiting] = {}
    sent_at: list[datetime] = []
    gone: set[int] = set()
    now = NOW
    for size in [*sizes, *([0] * (minutes + 2) * 2)]:
        for _ in range(size):
            id_ = len(gone) + len(due)
            due[id_] = waiting(id_)
        for _ in range(above + 1):
            group = next_message(limited, due.values(), sent_at, now)
            if group:
                sent_at.append(now)
                gone |= {entry.id for entry in group}
                due = {id_: entry for id_, entry in due.items() if id_ not in gone}
        assert len([at for at in sent_at if at > now - timedelta(minutes=minutes)]) <= above
        now += timedelta(minutes=1)
    assert due == {}


def test_reminders_come_one_by_one_and_end() -> None:
    rule = RULES["fire"]
    numbers = [reminder_number(rule, seconds) for seconds in (0, 299, 300, 599, 600, 900, 9_000)]
    assert numbers == [0, 0, 1, 1, 2, 3, 3]
    assert [is_escalated(rule, seconds) for seconds in (0, 899, 900)] == [False, False, True]
    assert reminder_number(RULES["tilt"], 1e6) == 0
    assert not is_escalated(RULES["tilt"], 1e6)


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(hours=3), timedelta(days=4_000)])
def test_a_clock_that_jumps_changes_no_waiting(jump: timedelta) -> None:
    elapsed = ElapsedTimes()
    assert elapsed.elapsed_s(1, NOW, NOW + timedelta(seconds=10), 500.0) == 10
    assert elapsed.elapsed_s(1, NOW, NOW + jump, 520.0) == 30


def test_what_began_in_the_future_begins_now_and_what_begins_anew_counts_anew() -> None:
    elapsed = ElapsedTimes()
    assert elapsed.elapsed_s(1, NOW + timedelta(days=1), NOW, 0.0) == 0
    assert elapsed.elapsed_s(1, NOW + timedelta(days=1), NOW, 300.0) == 300
    assert elapsed.elapsed_s(1, NOW, NOW, 300.0) == 0
    elapsed.keep(())
    assert elapsed.elapsed_s(1, NOW, NOW, 900.0) == 0
