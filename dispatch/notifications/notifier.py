"""Sends notifications: looks every second at what waits, and starts a process for each message."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec
import structlog

from city.backoff import Backoff
from city.errors import RetryLaterError
from city.inventory.model import City
from city.runtime.recipient_problems import RecipientProblems
from dispatch.alarms.rules import PRIORITIES
from dispatch.notifications import metrics
from dispatch.notifications.board import NotificationBoard
from dispatch.notifications.deliveries import Deliveries
from dispatch.notifications.feed import NotificationFeed
from dispatch.notifications.messages import mark_simulated, message_of
from dispatch.notifications.planning import RETRY_MAX, Waiting, judge, next_message
from dispatch.notifications.recipients import Recipient, Recipients, RecipientsFile
from dispatch.notifications.sender_process import SenderProcess
from dispatch.notifications.wire import SendRequest, SendResult

log = structlog.get_logger("notifications")

EVERY_S: Final = 1.0
SENDING_EVERY_S: Final = 0.2
REMIND_EVERY_S: Final = 5.0
HELD_EVERY_S: Final = 10.0
"""Time between two looks at what is held: there may be thousands of them."""
SENDERS_MAX: Final = 2
"""Processes at once; each takes about 40 MB for a second."""
FAILING_MAX: Final = 1
"""Of them for recipients whose last attempt has failed: services that hang leave room for the others."""
RETRY_MIN_S: Final = 5.0
RETRY_MAX_S: Final = 300.0
SILENCE_FACTOR: Final = 4
"""How much longer a message waits that may have arrived: each attempt may be one more message for people."""
STOP_WITHIN_S: Final = 1.5
DIGEST_WINDOW_MAX: Final = timedelta(days=1)


class Sender(Protocol):
    """A process that sends one message (`sender_process.py`)."""

    def result(self) -> SendResult | None:
        """The result; None while there is none. Does not wait."""

    def end(self) -> None:
        """End it."""


class Flight(msgspec.Struct):
    """A message on its way; `result` is not in the database yet."""

    key: str
    sender: Sender
    result: SendResult | None = None
    wait: timedelta = timedelta(0)


class Notifier:
    """One in each process that serves the API; several share the work through the database.

    Args:
        file: The recipients.
        feed: Makes notifications.
        deliveries: The notifications.
        board: Gets what fails.
        city: Gives the newest snapshot of the inventory.
        public_url: Address of the console, for links.
        is_demo: Whether the data may be simulated; then each message says so.
        clock: UTC.
        publish: Takes which recipients fail, when it has changed.
        launch: Starts a process that sends.
        monotonic: Seconds.
    """

    def __init__(
        self,
        file: RecipientsFile,
        feed: NotificationFeed,
        deliveries: Deliveries,
        board: NotificationBoard,
        city: Callable[[], City],
        public_url: str,
        *,
        is_demo: bool,
        clock: Callable[[], datetime],
        publish: Callable[[RecipientProblems], None],
        launch: Callable[[SendRequest], Sender] = SenderProcess,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._feed = feed
        self._deliveries = deliveries
        self._board = board
        self._city = city
        self._public_url = public_url
        self._is_demo = is_demo
        self._clock = clock
        self._publish = publish
        self._launch = launch
        self._monotonic = monotonic
        self._flights: dict[str, Flight] = {}
        self._backoffs: dict[str, Backoff] = defaultdict(lambda: Backoff(RETRY_MIN_S, RETRY_MAX_S, sure_share=0.5))
        self._retry_at_s: dict[str, float] = {}
        self._published: RecipientProblems | None = None
        self._remind_at_s = self._held_at_s = 0.0

    @property
    def is_sending(self) -> bool:
        """Whether a message is on its way."""
        return bool(self._flights)

    def look(self) -> None:
        """Look once: record what has ended, make notifications, send what is due. Waits for no service."""
        recipients = self._file.current()
        try:
            self._record_ended()
            if recipients is not None:
                self._feed.take_history(recipients)
                self._remind(recipients)
                self._send(recipients)
            self._show(recipients or {})
        except RetryLaterError as exc:
            if not self._board.failure:
                log.warning("notifications.not_sent", reason=str(exc))
            self._board.failure = str(exc)
            return
        if self._board.failure:
            log.info("notifications.recovered")
        self._board.failure = ""

    def keep_looking(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Look until `stop`; `beat` is called before each look. What is on its way then has `STOP_WITHIN_S`."""
        while not stop.wait(SENDING_EVERY_S if self.is_sending else EVERY_S):
            beat()
            self.look()
        self.stop()

    def stop(self) -> None:
        """Record what ends soon, and end the other processes: their messages are sent again later, under their keys."""
        until_s = self._monotonic() + STOP_WITHIN_S
        try:
            while self._flights and self._monotonic() < until_s:
                self._record_ended()
                time.sleep(SENDING_EVERY_S / 2)
        except RetryLaterError as exc:
            log.warning("notifications.not_recorded", reason=str(exc))
        for flight in self._flights.values():
            flight.sender.end()
        self._flights.clear()

    def _record_ended(self) -> None:
        for name, flight in list(self._flights.items()):
            if flight.result is None:
                flight.result = flight.sender.result()
                if flight.result is None:
                    continue
                flight.wait = self._wait_after(name, flight.result)
            # Where the database is away the result stays here, and nobody else has the claim for so long.
            self._deliveries.record(name, flight.key, flight.result, flight.wait)
            del self._flights[name]

    def _wait_after(self, name: str, result: SendResult) -> timedelta:
        """Count an attempt; how long this message waits. The recipient's other messages may wait less."""
        if result.sent:
            metrics.SENT.labels(name).inc()
            if self._backoffs[name].failures:
                log.info("notifications.delivered_again", recipient=name)
            self._backoffs[name].reset()
            self._retry_at_s.pop(name, None)
            return timedelta(0)
        metrics.FAILED.labels(name).inc()
        if not self._backoffs[name].failures:
            log.warning("notifications.failed", recipient=name, reason=str(result))
        wait_s = min(self._backoffs[name].next_s(result.retry_after_s), RETRY_MAX.total_seconds())
        self._retry_at_s[name] = self._monotonic() + wait_s
        return timedelta(seconds=wait_s * SILENCE_FACTOR if result.is_silence else wait_s)

    def _remind(self, recipients: Recipients) -> None:
        if self._monotonic() >= self._remind_at_s:
            self._feed.remind(recipients, self._monotonic())
            self._remind_at_s = self._monotonic() + REMIND_EVERY_S

    def _send(self, recipients: Recipients) -> None:
        now, zone = self._clock(), self._city().time_zone
        resting = [name for name, until_s in self._retry_at_s.items() if self._monotonic() < until_s]
        with_held = self._monotonic() >= self._held_at_s
        waiting = self._deliveries.waiting([*self._flights, *resting], with_held=with_held)
        if with_held:
            self._held_at_s = self._monotonic() + HELD_EVERY_S
            metrics.WAITING.set(len(waiting))
        due: dict[str, list[Waiting]] = defaultdict(list)
        held, skipped = [], []
        for entry in waiting:
            verdict = judge(entry, recipients.get(entry.recipient), now, zone)
            if verdict == "skip":
                skipped.append(entry.id)
            elif verdict == "hold" and entry.state != "held":
                held.append(entry.id)
            elif verdict == "send":
                due[entry.recipient].append(entry)
        self._deliveries.settle(held, skipped)
        if due:
            sent_at = self._deliveries.sent_at(now - DIGEST_WINDOW_MAX)
            for name in sorted(due, key=lambda name: min(_rank(entry) for entry in due[name])):
                if self._may_start(name):
                    self._start(recipients[name], due[name], sent_at.get(name, ()), now)

    def _may_start(self, name: str) -> bool:
        failing = sum(1 for other in self._flights if self._backoffs[other].failures)
        return len(self._flights) < SENDERS_MAX and (not self._backoffs[name].failures or failing < FAILING_MAX)

    def _start(self, recipient: Recipient, due: list[Waiting], sent_at: Sequence[datetime], now: datetime) -> None:
        group = next_message(recipient, due, sent_at, now)
        key = self._deliveries.claim([entry.id for entry in group]) if group else ""
        if key:
            message = message_of(group, recipient.language, self._city(), self._public_url)
            title = mark_simulated(message.title, recipient.language) if self._is_demo else message.title
            request = SendRequest(recipient.url.get_secret_value(), title, message.body, key)
            self._flights[recipient.name] = Flight(key, self._launch(request))

    def _show(self, recipients: Recipients) -> None:
        states = self._deliveries.states()
        failing = {name: state for name, state in states.items() if state.failing_since and name in recipients}
        self._board.failing, self._board.problem = failing, self._file.problem
        metrics.FAILING.set(len(failing))
        since = {name: state.failing_since for name, state in failing.items() if state.failing_since}
        problems = RecipientProblems(since, self._file.problem)
        if problems != self._published:
            self._publish(problems)
            self._published = problems


def _rank(entry: Waiting) -> int:
    return PRIORITIES.index(entry.alarm.priority)
