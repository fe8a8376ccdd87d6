"""Outages of devices as periods, and how available a device was; folded from what the store has of a device.

Pure. A device is out while it is not connected, a camera also while it is blind, a truck also while it is broken down.
Time before a device was first heard of is unknown, as is time in which nothing was heard of any device. A device that
sleeps as it has said is not out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from broker.contract.topics import Kind
from city.inventory.model import Device
from ingest.store.latest import MISSED_INTERVALS
from ingest.store.port import MeasuredRun
from ingest.store.records import EventRecord, StatusRecord
from ingest.store.views.device_condition import codes_of

OutageKind = Literal["offline", "blind", "breakdown"]
OutageCause = Literal["stopped", "connection", "restarted", "lost", "silent", "scene", "fault"]

OUTAGE_KINDS: Final[dict[Kind, tuple[OutageKind, ...]]] = {
    "ap": ("offline",),
    "camera": ("offline", "blind"),
    "truck": ("offline", "breakdown"),
}
"""Kinds of devices whose outages are told, and what these are."""
OUTAGE_MIN: Final = timedelta(minutes=1)
"""A connection that is back sooner is a reconnect."""
RESTARTED_WITHIN: Final = timedelta(minutes=10)
"""A restart that is reported so long after an outage has caused it."""
UNHEARD_MIN: Final = timedelta(minutes=1)
"""When nothing was heard of any device for so long, the platform or its network was away."""
DEVICES_MIN: Final = 5
"""Fewer devices may well be silent at the same time."""
_EVENT_CAUSES: Final[dict[str, tuple[OutageKind, OutageCause]]] = {
    "blind": ("blind", "scene"),
    "breakdown": ("breakdown", "fault"),
}
EVENT_TYPES_READ: Final = (*_EVENT_CAUSES, "reboot")
"""Types of the events of a history."""

Period = tuple[datetime, datetime]
"""Start and end, the end excluded."""


class Outage(msgspec.Struct, frozen=True):
    """A period in which a device was out.

    `start` is when it was last heard of, or when the condition began. `detail` is the device's own word: why a camera
    was blind, or fault codes.
    """

    device: str
    kind: Kind
    outage: OutageKind
    start: datetime
    end: Annotated[datetime | None, Meta(description="null while it lasts.")]
    cause: OutageCause
    detail: str = ""

    def until(self, now: datetime) -> datetime:
        """Its end; now while it lasts."""
        return self.end or now


@dataclass(frozen=True)
class DeviceHistory:
    """What the store has of a device, each in order of time.

    `before`: the first and the last measurement before the time that is asked for, in which `runs` are; `statuses` and
    `events` begin earlier. `answers`: arrival of an offline report to the
    arrival of the next reading, for reports that no other status follows. `has_ended`: event types that no longer hold,
    although nothing has told their end.
    """

    device: Device
    before: MeasuredRun | None = None
    runs: Sequence[MeasuredRun] = ()
    statuses: Sequence[StatusRecord] = ()
    events: Sequence[EventRecord] = ()
    answers: Mapping[datetime, datetime] = field(default_factory=dict)
    has_ended: frozenset[str] = frozenset()

    @property
    def first_heard_at(self) -> datetime | None:
        """When the device was first heard of; None if never."""
        times = [run.first_at for run in self.all_runs[:1]] + [status.received_at for status in self.statuses[:1]]
        return min(times, default=None)

    @property
    def all_runs(self) -> list[MeasuredRun]:
        """What was measured before the time that is asked for, and in it."""
        return [*((self.before,) if self.before else ()), *self.runs]


class Availability(msgspec.Struct, frozen=True):
    """How available a device was in a period.

    `known_s`: time of the period of which that is known. `share`: the part of it without an outage.
    """

    start: datetime
    end: datetime
    known_s: float
    out_s: float
    longest_s: float
    times: Annotated[int, Meta(description="How many outages.")]
    share: Annotated[float | None, Meta(description="From 0 to 1; null if nothing is known.")]


def outages_of(history: DeviceHistory, now: datetime, unheard: Sequence[Period] = ()) -> list[Outage]:
    """The outages of a device up to `now`, by start; those that the platform's own absence explains are left out."""
    told = [*_offline(history, now), *_from_events(history)]
    allowed = timedelta(seconds=history.device.interval_s * MISSED_INTERVALS)
    outages = [
        outage
        for outage in told
        if outage.until(now) - outage.start >= OUTAGE_MIN
        and not (outage.outage == "offline" and _lies_within(outage, unheard, allowed, now))
    ]
    return sorted(outages, key=lambda outage: outage.start)


def _lies_within(outage: Outage, unheard: Iterable[Period], allowed: timedelta, now: datetime) -> bool:
    return any(start - allowed <= outage.start and outage.until(now) <= end + allowed for start, end in unheard)


def _offline(history: DeviceHistory, now: datetime) -> Iterator[Outage]:
    """The periods in which the device was silent or said to be gone; those that touch are one."""
    periods = sorted([*_silences(history, now), *_absences(history)], key=lambda period: period[0])
    merged: list[tuple[datetime, datetime | None, list[StatusRecord]]] = []
    for start, end, reports in periods:
        if merged and start <= (merged[-1][1] or now):
            first, last, known = merged[-1]
            merged[-1] = (first, None if None in (last, end) else max(last or now, end or now), [*known, *reports])
        else:
            merged.append((start, end, list(reports)))
    for start, end, reports in merged:
        cause = _cause(history, (start, end or now), reports)
        yield Outage(history.device.id, history.device.KIND, "offline", start, end, cause)


_Silence = tuple[datetime, datetime | None, Sequence[StatusRecord]]


def _silences(history: DeviceHistory, now: datetime) -> Iterator[_Silence]:
    """Pauses between signs of life that are longer than the device's interval, or its sleep, allows."""
    told = [status for status in history.statuses if status.state != "offline"]
    signs = [(run.first_at, run.last_at) for run in history.all_runs]
    signs += [(status.received_at, status.received_at) for status in told]
    heard_at: datetime | None = None
    for first, last in [*sorted(signs), (now, now)]:
        if heard_at is not None and first - heard_at > _silence_allowance(history.device, told, heard_at):
            yield heard_at, (None if first == now else first), ()
        heard_at = last if heard_at is None else max(heard_at, last)


def _silence_allowance(device: Device, told: Sequence[StatusRecord], at: datetime) -> timedelta:
    """How long a device may be silent from a time on."""
    awake = timedelta(seconds=device.interval_s * MISSED_INTERVALS)
    index = bisect_right(told, at + awake, key=lambda status: status.received_at) - 1
    last = told[index] if index >= 0 else None
    if last is None or last.state != "sleeping" or last.next_s is None:
        return awake
    return max(awake, timedelta(seconds=last.next_s * MISSED_INTERVALS))


def _absences(history: DeviceHistory) -> Iterator[_Silence]:
    """The periods from each report that the device is gone until it was heard of again, the last first."""
    following: StatusRecord | None = None
    for status in reversed(history.statuses):
        if status.state != "offline":
            following = status
            continue
        ends = [following.received_at] if following else []
        if answer := history.answers.get(status.received_at):
            ends.append(answer)
        yield min(status.at or status.received_at, status.received_at), min(ends, default=None), (status,)


def unanswered_reports(statuses: Sequence[StatusRecord]) -> list[StatusRecord]:
    """The offline reports of one device that are not followed by a status that it is there."""
    following = [*statuses[1:], None]
    return [
        status
        for status, later in zip(statuses, following, strict=False)
        if status.state == "offline" and (later is None or later.state == "offline")
    ]


def _cause(history: DeviceHistory, period: Period, reports: Sequence[StatusRecord]) -> OutageCause:
    start, end = period
    # A pause of up to three intervals parts no run: of a shorter outage nobody knows what was measured in it.
    pause = timedelta(seconds=history.device.interval_s * MISSED_INTERVALS)
    if any(report.reason == "stop" for report in reports):
        return "stopped"
    is_long = end - start > pause
    if is_long and any(run.first_at <= end - pause and run.last_at >= start + pause for run in history.runs):
        return "connection"
    reboots = (event.origin.measured_at for event in history.events if event.type == "reboot")
    if any(start <= at <= end + RESTARTED_WITHIN for at in reboots):
        return "restarted"
    return "lost" if reports else "silent"


def _from_events(history: DeviceHistory) -> Iterator[Outage]:
    """The periods from each raised event to its end."""
    for type_, (outage, cause) in _EVENT_CAUSES.items():
        if outage not in OUTAGE_KINDS.get(history.device.KIND, ()):
            continue
        first: EventRecord | None = None
        last_at: datetime | None = None
        for event in (event for event in history.events if event.type == type_ and event.state != "noted"):
            if event.state == "raised":
                first, last_at = first or event, event.origin.measured_at
            elif first is not None:
                yield _of_event(history, first, (outage, cause), event.origin.measured_at)
                first = None
        if first is not None:
            yield _of_event(history, first, (outage, cause), last_at if type_ in history.has_ended else None)


def _of_event(
    history: DeviceHistory, event: EventRecord, what: tuple[OutageKind, OutageCause], end: datetime | None
) -> Outage:
    codes = ", ".join(codes_of(event.detail.get("fault_codes")))
    detail = codes or str(event.detail.get("reason", ""))[:80]
    return Outage(history.device.id, history.device.KIND, what[0], event.origin.measured_at, end, what[1], detail)


def unheard_periods(runs: Iterable[MeasuredRun], end: datetime) -> list[Period]:
    """The times in which nothing was heard of any device, from the runs of all of them, if these are enough."""
    periods: list[Period] = []
    heard_at: datetime | None = None
    runs = list(runs)
    if len({run.device for run in runs}) < DEVICES_MIN:
        return []
    for run in [*sorted(runs, key=lambda run: run.first_at), MeasuredRun("", end, end)]:
        if heard_at is not None and run.first_at - heard_at >= UNHEARD_MIN:
            periods.append((heard_at, run.first_at))
        heard_at = run.last_at if heard_at is None else max(heard_at, run.last_at)
    return periods


def availability(
    outages: Iterable[Outage], known_since: datetime | None, period: Period, now: datetime, unheard: Sequence[Period]
) -> Availability:
    """How available a device was in a period, of which only the time up to `now` counts."""
    start, end = period
    begin, until = max(start, known_since or now), min(end, now)
    if known_since is None or begin >= until:
        return Availability(start, end, 0.0, 0.0, 0.0, 0, None)
    within = [outage for outage in outages if outage.start < until and outage.until(now) > begin]
    unknown = _join_periods(unheard, begin, until)
    out = _join_periods([(outage.start, outage.until(now)) for outage in within], begin, until)
    known_s = (until - begin).total_seconds() - _seconds(unknown)
    out_s = _seconds(out) - _seconds(_intersections(out, unknown))
    longest = max((min(o.until(now), until) - max(o.start, begin) for o in within), default=timedelta())
    share = max(0.0, 1 - out_s / known_s) if known_s > 0 else None
    return Availability(start, end, known_s, out_s, longest.total_seconds(), len(within), share)


def _join_periods(periods: Iterable[Period], begin: datetime, until: datetime) -> list[Period]:
    """The periods within a range, in order; those that overlap are one."""
    joined: list[Period] = []
    for first, last in sorted(periods):
        start, end = max(first, begin), min(last, until)
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _intersections(periods: Sequence[Period], others: Sequence[Period]) -> list[Period]:
    pairs = ((max(a[0], b[0]), min(a[1], b[1])) for a in periods for b in others)
    return [(start, end) for start, end in pairs if start < end]


def _seconds(periods: Iterable[Period]) -> float:
    return sum((end - start).total_seconds() for start, end in periods)
