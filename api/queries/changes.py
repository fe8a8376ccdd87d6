"""Names of what changed, for pages that are open: one reader looks for all of them, once a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

import structlog

from api.context import ApiContext
from api.queries.day_planner import PLAN_JOB_KINDS
from api.queries.system import BEHIND_S
from broker.contract.topics import Kind
from city.errors import RetryLaterError
from dispatch.shifts.marks import dispatch_mark
from ingest.store.port import EventQuery
from ingest.store.views.cases import TYPES

log = structlog.get_logger("api")

Topic = Literal[Kind, "events", "alarms", "cases", "dispatch", "new_devices", "system", "warnings"]

TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)
EVERY_S: Final = 1.0
BEAT_S: Final = 5.0
"""Without a change a listener gets an empty set after this time, so that both ends notice a dead connection."""
_STORED_AFTER: Final = timedelta(seconds=10)
_LAG_STEP_S: Final = 10.0
_EVENTS_BACK: Final = timedelta(days=1)
_AHEAD: Final = timedelta(days=1)
"""A demo's clip may carry any time of the day."""


class ChangeReader:
    """Compares the state of everything with that of the call before. Used by one thread at a time."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._received_at = context.clock()
        self._received: dict[str, datetime] = {}
        self._marks: dict[Topic, Hashable] = {}

    def look(self) -> frozenset[Topic]:
        """What changed since the call before; a store that is away changes nothing."""
        changed: set[Topic] = set()
        marks: dict[Topic, Hashable] = {}
        with suppress(RetryLaterError):
            changed |= self._devices()
            marks |= self._marks_of_store()
        with suppress(RetryLaterError):
            marks |= self._other_marks()
        changed |= {topic for topic, mark in marks.items() if self._marks.get(topic, mark) != mark}
        self._marks |= marks
        return frozenset(changed)

    def _devices(self) -> set[Topic]:
        """The kinds of which a device was heard of since the call before."""
        changed: set[Topic] = set()
        # Readings are stored a moment after their receipt, and not in its order.
        for latest in self._context.reader.latest(changed_since=self._received_at - _STORED_AFTER):
            if self._received.get(latest.device) != latest.received_at:
                changed.add(latest.kind)
                self._received[latest.device] = latest.received_at
                self._received_at = max(self._received_at, latest.received_at)
        return changed

    def _marks_of_store(self) -> dict[Topic, Hashable]:
        pending = len(self._context.reviews.pending([]))
        return {"events": self._newest(None, ()), "cases": (self._newest("camera", TYPES), pending)}

    def _newest(self, kind: Kind | None, types: tuple[str, ...]) -> Hashable:
        """What tells the newest event from all others."""
        now = self._context.clock()
        query = EventQuery(now - _EVENTS_BACK, now + _AHEAD, kind=kind, types=types, limit=1)
        origins = [event.origin for event in self._context.reader.events(query)]
        return tuple((origin.device, origin.epoch, origin.seq) for origin in origins)

    def _other_marks(self) -> dict[Topic, Hashable]:
        context, health, board = self._context, self._context.health.read(), self._context.alarm_board
        marks: dict[Topic, Hashable] = {"alarms": (repr(board.listed), board.failure)}
        planning = (context.planner.status(kind) for kind in PLAN_JOB_KINDS)
        marks["dispatch"] = (*dispatch_mark(context.people.database), *planning)
        if health:
            lags = (health.live_lag_s, health.lag_s)
            behind = tuple(lag // _LAG_STEP_S for lag in lags if lag > BEHIND_S)
            marks["warnings"] = (health.journal == "full", behind)
            marks["new_devices"] = (health.unknown_devices, context.quarantine.count())
            marks["system"] = health.at
        return marks


class ChangeFeed:
    """Hands what changed to all listeners. It looks while there are any. Used by one event loop.

    Args:
        look: Returns what changed since its last call; may block.
        every_s: Time between two looks.
    """

    def __init__(self, look: Callable[[], frozenset[Topic]], every_s: float = EVERY_S) -> None:
        self._look = look
        self._every_s = every_s
        self._listeners: dict[int, tuple[set[Topic], asyncio.Event]] = {}
        self._next = 0
        self.revision = 0
        """Number of looks that have found a change."""
        self._looking: asyncio.Task[None] | None = None

    async def changes(self, beat_s: float = BEAT_S) -> AsyncIterator[frozenset[Topic]]:
        """Sets of what changed, and an empty set after `beat_s` without a change. A slow listener gets fewer sets."""
        number, self._next = self._next, self._next + 1
        pending, event = self._listeners[number] = (set(), asyncio.Event())
        try:
            while True:
                self._start_looking()
                try:
                    await asyncio.wait_for(event.wait(), beat_s)
                except TimeoutError:
                    yield frozenset()
                    continue
                event.clear()
                topics = frozenset(pending)
                pending.clear()
                yield topics
        finally:
            del self._listeners[number]

    def _start_looking(self) -> None:
        """Look, unless that is being done; after a failure, again."""
        if self._looking is not None and not self._looking.done():
            return
        if self._looking is not None and (failure := self._looking.exception()):
            log.error("changes.failed", exc_info=failure)
        self._looking = asyncio.create_task(self._keep_looking(), name="changes")

    async def _keep_looking(self) -> None:
        while self._listeners:
            topics = await asyncio.to_thread(self._look)
            self.revision += bool(topics)
            for pending, event in self._listeners.values() if topics else ():
                pending.update(topics)
                event.set()
            await asyncio.sleep(self._every_s)
