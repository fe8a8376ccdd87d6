"""Decides which alarms are raised, cleared and suppressed: delays, hysteresis, bigger causes. Pure but for its delays.

Open alarms are in the database, so that a process that is killed raises none twice and forgets none. The delays are in
memory: after a start a condition whose begin is unknown has to last for its delay anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from dispatch.alarms.conditions import AlarmCondition, Key
from dispatch.alarms.rules import AlarmKind, Rules


class OpenAlarm(msgspec.Struct, frozen=True):
    """What the engine needs of an open alarm."""

    id: int
    kind: AlarmKind
    subject: str
    site: str
    suppressed: bool

    @property
    def key(self) -> Key:
        """Kind and subject."""
        return self.kind, self.subject


class AlarmChanges(msgspec.Struct, frozen=True):
    """What has to be changed: conditions to be raised, and ids of open alarms."""

    to_raise: tuple[AlarmCondition, ...] = ()
    to_clear: tuple[int, ...] = ()
    to_suppress: tuple[int, ...] = ()
    to_show: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.to_raise or self.to_clear or self.to_suppress or self.to_show)


class AlarmEngine:
    """Applies the rules to the conditions of a moment, again and again."""

    def __init__(self) -> None:
        self._begun: dict[Key, datetime] = {}
        self._gone: dict[Key, datetime] = {}

    def step(
        self, rules: Rules, conditions: Iterable[AlarmCondition], alarms: Collection[OpenAlarm], now: datetime
    ) -> AlarmChanges:
        """The changes that are due.

        Args:
            rules: The rules.
            conditions: All conditions of this moment.
            alarms: All open alarms.
            now: UTC.
        """
        present = {condition.key: condition for condition in conditions}
        open_by_key = {alarm.key: alarm for alarm in alarms}
        causes = _causes(present.values(), alarms)
        suppressed = {
            key for key, site in _sites(present, open_by_key).items() if _is_suppressed(rules, key[0], site, causes)
        }
        # What a bigger cause hides has its whole delay after it: the devices are heard again one by one.
        self._begun = {
            key: now if key in suppressed else self._begun.get(key) or _begin(condition, now)
            for key, condition in present.items()
        }
        to_raise = tuple(
            condition
            for key, condition in present.items()
            if key not in open_by_key
            and key not in suppressed
            and now - self._begun[key] >= timedelta(seconds=rules[key[0]].delay_on_s)
        )
        to_clear = tuple(
            alarm.id for key, alarm in open_by_key.items() if self._is_over(rules, key, present, suppressed, now)
        )
        return AlarmChanges(
            to_raise,
            to_clear,
            tuple(alarm.id for key, alarm in open_by_key.items() if key in suppressed and not alarm.suppressed),
            tuple(alarm.id for key, alarm in open_by_key.items() if key not in suppressed and alarm.suppressed),
        )

    def _is_over(
        self,
        rules: Rules,
        key: Key,
        present: Mapping[Key, AlarmCondition],
        suppressed: Collection[Key],
        now: datetime,
    ) -> bool:
        """Whether a condition has been gone for its delay; while a bigger cause hides it, nothing is known of it."""
        if key in present or key in suppressed:
            self._gone.pop(key, None)
            return False
        gone_at = self._gone.setdefault(key, now)
        if now - gone_at < timedelta(seconds=rules[key[0]].delay_off_s):
            return False
        del self._gone[key]
        return True


def _begin(condition: AlarmCondition, now: datetime) -> datetime:
    return min(condition.since, now) if condition.since else now


def _sites(present: Mapping[Key, AlarmCondition], alarms: Mapping[Key, OpenAlarm]) -> dict[Key, str]:
    """Site of every condition and every open alarm."""
    return {key: alarm.site for key, alarm in alarms.items()} | {key: here.site for key, here in present.items()}


def _causes(conditions: Iterable[AlarmCondition], alarms: Iterable[OpenAlarm]) -> frozenset[tuple[AlarmKind, str]]:
    """Kind and site of what is present or raised."""
    return frozenset({(here.kind, here.site) for here in conditions} | {(alarm.kind, alarm.site) for alarm in alarms})


def _is_suppressed(rules: Rules, kind: AlarmKind, site: str, causes: Collection[tuple[AlarmKind, str]]) -> bool:
    """Whether a bigger cause of the same site, or of the platform, explains a kind of alarm."""
    return any((cause, site) in causes or (cause, "") in causes for cause in rules[kind].suppressed_by)
