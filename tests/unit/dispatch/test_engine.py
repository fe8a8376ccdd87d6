"""When alarms are raised, cleared and suppressed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.alarms.conditions import AlarmCondition, Key
from dispatch.alarms.engine import AlarmEngine, OpenAlarm
from dispatch.alarms.rules import KINDS, AlarmKind, AlarmRule, Rules, load_rules

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = load_rules()


@dataclass
class Desk:
    """An engine with the open alarms that its changes make."""

    rules: Rules = field(default_factory=lambda: RULES)
    engine: AlarmEngine = field(default_factory=AlarmEngine)
    alarms: dict[int, OpenAlarm] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    now: datetime = NOW
    numbers: Any = field(default_factory=lambda: count(1))

    def look(self, *conditions: AlarmCondition, after_s: float = 0) -> list[str]:
        """The kinds and subjects that are open afterwards."""
        self.now += timedelta(seconds=after_s)
        changes = self.engine.step(self.rules, conditions, list(self.alarms.values()), self.now)
        for condition in changes.to_raise:
            id_ = next(self.numbers)
            self.alarms[id_] = OpenAlarm(id_, condition.kind, condition.subject, condition.site, suppressed=False)
            self.log.append(("raised", condition.subject))
        for id_ in changes.to_clear:
            self.log.append(("cleared", self.alarms.pop(id_).subject))
        for ids, is_suppressed in ((changes.to_suppress, True), (changes.to_show, False)):
            for id_ in ids:
                alarm = self.alarms[id_]
                self.alarms[id_] = OpenAlarm(id_, alarm.kind, alarm.subject, alarm.site, suppressed=is_suppressed)
        return [f"{alarm.kind} {alarm.subject}" for alarm in self.alarms.values() if not alarm.suppressed]

    def restart(self) -> None:
        """A new process: what is in memory is gone."""
        self.engine = AlarmEngine()


def condition(kind: AlarmKind, subject: str = "bin-1", site: str = "", since: datetime | None = None) -> AlarmCondition:
    return AlarmCondition(kind, subject, "bin", site, "Oesapa", since)


def test_fire_is_raised_at_once_and_one_time() -> None:
    desk = Desk()
    for _ in range(5):
        assert desk.look(condition("fire"), after_s=2) == ["fire bin-1"]
    assert desk.log == [("raised", "bin-1")]


def test_a_condition_that_ends_within_its_delay_is_no_alarm() -> None:
    desk = Desk()
    assert desk.look(condition("device_silent")) == []
    assert desk.look(condition("device_silent"), after_s=599) == []
    assert desk.look(after_s=1) == []
    assert desk.look(condition("device_silent"), after_s=1) == [], "the delay begins anew"
    assert desk.look(condition("device_silent"), after_s=600) == ["device_silent bin-1"]


def test_an_alarm_clears_when_its_condition_has_been_gone_for_the_delay() -> None:
    desk = Desk()
    desk.look(condition("fire"))
    assert desk.look(after_s=2) == ["fire bin-1"]
    assert desk.look(condition("fire"), after_s=30) == ["fire bin-1"], "it is back"
    assert desk.look(after_s=2) == ["fire bin-1"]
    assert desk.look(after_s=59) == ["fire bin-1"]
    assert desk.look(after_s=1) == []
    assert desk.log == [("raised", "bin-1"), ("cleared", "bin-1")]


def test_the_delay_counts_from_the_begin_that_is_known_also_after_a_start() -> None:
    desk = Desk()
    began = NOW - timedelta(seconds=70)
    assert desk.look(condition("breakdown", "truck-1", since=began)) == ["breakdown truck-1"]
    desk.restart()
    assert desk.look(condition("breakdown", "truck-1", since=began), after_s=2) == ["breakdown truck-1"]
    assert desk.log == [("raised", "truck-1")]


def test_a_begin_in_the_future_is_none() -> None:
    desk = Desk()
    later = NOW + timedelta(days=1)
    assert desk.look(condition("breakdown", "truck-1", since=later)) == []
    assert desk.look(condition("breakdown", "truck-1", since=later), after_s=60) == ["breakdown truck-1"]


def site_without_link(absent: int = 4) -> list[AlarmCondition]:
    away = [condition("hotspot_down", f"ap-{number}", "kantor") for number in range(absent)]
    return [*away, condition("site_down", "kantor", "kantor")]


def test_a_site_whose_link_is_gone_is_one_alarm() -> None:
    desk = Desk()
    desk.look(*site_without_link())
    assert desk.look(*site_without_link(), after_s=1_000) == ["site_down kantor"]
    elsewhere = condition("hotspot_down", "ap-9", "taman")
    desk.look(*site_without_link(), elsewhere, after_s=2)
    shown = desk.look(*site_without_link(), elsewhere, after_s=300)
    assert sorted(shown) == ["hotspot_down ap-9", "site_down kantor"]


def test_what_was_raised_before_the_bigger_cause_is_hidden_and_comes_back() -> None:
    desk = Desk()
    one = condition("hotspot_down", "ap-0", "kantor")
    desk.look(one)
    assert desk.look(one, after_s=300) == ["hotspot_down ap-0"]
    desk.look(*site_without_link(), after_s=2)
    assert desk.look(*site_without_link(), after_s=120) == ["site_down kantor"]
    assert desk.look(after_s=60) == ["site_down kantor"], "while the cause is open nothing behind it clears"
    desk.look(one, after_s=120)
    assert desk.look(one, after_s=2) == ["hotspot_down ap-0"], "the link is back, this hotspot is not"
    assert [what for what, subject in desk.log if subject == "ap-0"] == ["raised"]


def test_while_ingest_hears_nothing_no_device_is_silent_and_afterwards_each_has_its_time() -> None:
    desk = Desk()
    silent = [condition("device_silent", f"bin-{number}") for number in range(50)]
    behind = AlarmCondition("ingest_behind", "ingest", "platform")
    desk.look(behind, *silent)
    assert desk.look(behind, *silent, after_s=7_200) == ["ingest_behind ingest"]
    assert desk.look(*silent, after_s=2) == ["ingest_behind ingest"]
    assert desk.look(*silent, after_s=60) == []
    assert desk.look(*silent, after_s=500) == [], "they are heard again one by one"
    assert len(desk.look(*silent, after_s=600)) == 50


def test_kinds_and_subjects_are_apart() -> None:
    desk = Desk()
    both = (condition("fire", "bin-1"), condition("fire", "bin-2"), condition("panic", "bin-1"))
    assert len(desk.look(*both)) == 3


@given(
    looks=st.lists(
        st.tuples(
            st.sets(st.tuples(st.sampled_from(KINDS), st.sampled_from(("a", "b"))), max_size=6),
            st.integers(0, 4_000),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_whatever_happens_there_is_one_open_alarm_for_each_and_all_end(
    looks: list[tuple[set[Key], int, bool]],
) -> None:
    desk = Desk()
    for keys, after_s, is_restart in looks:
        if is_restart:
            desk.restart()
        desk.look(*(condition(kind, subject, subject) for kind, subject in keys), after_s=after_s)
        open_keys = [alarm.key for alarm in desk.alarms.values()]
        assert len(open_keys) == len(set(open_keys))
    for _ in range(4):
        desk.look(after_s=4_000)
    assert desk.alarms == {}
    assert _counts(desk.log, "raised") == _counts(desk.log, "cleared")


def _counts(log: Iterable[tuple[str, str]], what: str) -> int:
    return sum(1 for entry, _ in log if entry == what)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_raised_and_cleared_by_the_shipped_rules(kind: AlarmKind) -> None:
    desk = Desk()
    desk.look(condition(kind))
    assert desk.look(condition(kind), after_s=RULES[kind].delay_on_s) == [f"{kind} bin-1"]
    desk.look(after_s=1)
    assert desk.look(after_s=RULES[kind].delay_off_s) == []


def test_causes_suppress_no_cause_of_their_own_and_no_circle() -> None:
    for kind, rule in RULES.items():
        assert kind not in rule.suppressed_by
        for cause in rule.suppressed_by:
            assert kind not in RULES[cause].suppressed_by
    assert isinstance(RULES["fire"], AlarmRule)
