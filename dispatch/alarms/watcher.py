"""Keeps the alarms current: looks at the city every few seconds, and has the list that pages show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from city.errors import RetryLaterError
from dispatch.alarms.conditions import AlarmCondition, Key
from dispatch.alarms.engine import AlarmEngine
from dispatch.alarms.rules import Rules
from dispatch.alarms.service import Alarm, Alarms

log = structlog.get_logger("alarms")

EVERY_S: Final = 2.0
FORGET_EVERY: Final = timedelta(hours=6)

Observe = Callable[[Rules, Collection[Key], datetime], list[AlarmCondition]]
"""Gives all conditions of a moment, for the rules and the keys of open alarms."""


class AlarmBoard:
    """What needs attention, as of the last look; every page shows it."""

    def __init__(self) -> None:
        self.listed: Sequence[Alarm] = ()
        """The worst and newest first."""
        self.failure = ""
        """Why the list is not current; empty if it is."""


class AlarmWatcher:
    """One a city, in the process that serves the API.

    Args:
        alarms: The alarms.
        board: Gets the list.
        rules: Gives the rules in force.
        observe: Gives the conditions.
        clock: UTC.
    """

    def __init__(
        self,
        alarms: Alarms,
        board: AlarmBoard,
        rules: Callable[[], Rules],
        observe: Observe,
        clock: Callable[[], datetime],
    ) -> None:
        self._alarms = alarms
        self._board = board
        self._rules = rules
        self._observe = observe
        self._clock = clock
        self._engine = AlarmEngine()

    def look(self) -> None:
        """Look once; a store or database that is away changes nothing."""
        try:
            known = self._alarms.open_alarms()
            now, rules = self._clock(), self._rules()
            conditions = self._observe(rules, {alarm.key for alarm in known}, now)
            changes = self._engine.step(rules, conditions, known, now)
            if changes:
                self._alarms.apply(rules, changes)
            self._board.listed, self._board.failure = self._alarms.current(), ""
        except RetryLaterError as exc:
            if str(exc) != self._board.failure:
                log.warning("alarms.not_current", reason=str(exc))
            self._board.failure = str(exc)

    def keep_looking(self, stop: threading.Event, beat: Callable[[], None], kept: timedelta) -> None:
        """Look every `EVERY_S` until `stop`; `beat` is called before each look. Ended alarms are kept for `kept`."""
        next_forgetting = self._clock()
        while not stop.wait(EVERY_S):
            beat()
            self.look()
            if self._clock() >= next_forgetting and not self._board.failure:
                self._forget(kept)
                next_forgetting = self._clock() + FORGET_EVERY

    def _forget(self, kept: timedelta) -> None:
        try:
            number = self._alarms.forget_before(self._clock() - kept)
        except RetryLaterError as exc:
            log.warning("alarms.not_forgotten", reason=str(exc))
            return
        if number:
            log.info("alarms.forgotten", count=number)
