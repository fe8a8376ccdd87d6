"""Outages of hotspots, cameras and trucks, and their availability, from the store; days that are over are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final, Literal

import msgspec

from api.context import ApiContext
from api.queries.device_states import device_states
from api.queries.events import each_event
from api.queries.kept_runs import RunsOfKind
from api.schemas import live_lag
from broker.contract.topics import Kind
from city.inventory.model import Device
from ingest.store.latest import MISSED_INTERVALS
from ingest.store.port import EventQuery, MeasuredRun, StatusQuery
from ingest.store.records import EventRecord, StatusRecord
from ingest.store.views.device_state import RAISED_BACK, DeviceState
from ingest.store.views.outages import (
    EVENT_TYPES_READ,
    OUTAGE_KINDS,
    Availability,
    DeviceHistory,
    Outage,
    OutageKind,
    Period,
    availability,
    outages_of,
    unanswered_reports,
    unheard_periods,
)

PeriodUnit = Literal["day", "week", "month"]

LENGTH_MAX: Final = timedelta(days=93)
"""Longest range that may be asked for."""
_STATUS_BACK: Final = timedelta(days=7)
_AHEAD: Final = timedelta(minutes=5)
_END_WITHIN: Final = timedelta(days=31)
"""An outage that lasted longer than this beyond the range has no end in the answer."""


OutageDeviceKind = Literal["ap", "camera", "truck"]


class OutageFilter(msgspec.Struct, frozen=True):
    """What outages are asked for; empty texts match everything. `kelurahan` and `site` are ids."""

    start: datetime
    end: datetime
    kind: OutageDeviceKind | None = None
    device: str = ""
    kelurahan: str = ""
    site: str = ""
    outage: OutageKind | None = None

    def takes(self, device: Device) -> bool:
        """Whether a device is asked for."""
        wanted = ((self.device, device.id), (self.kelurahan, device.kelurahan), (self.site, device.site))
        return self.kind in (None, device.KIND) and all(name in ("", own) for name, own in wanted)


@dataclass(frozen=True)
class DeviceOutages:
    """The outages of a device that touch a range, by start. `known_since`: when it was first heard of."""

    device: Device
    known_since: datetime | None
    outages: list[Outage]
    unheard: Sequence[Period]
    now: datetime

    def availability(self, period: Period) -> Availability:
        """How available the device was in a period within the range."""
        return availability(self.outages, self.known_since, period, self.now, self.unheard)


def find_outages(context: ApiContext, wanted: OutageFilter) -> list[DeviceOutages]:
    """The outages of each device that is asked for, by device; a device without any is among them.

    Raises:
        RetryLaterError: The store does not answer.
    """
    now = context.clock() - live_lag(context)
    # An outage of the range may have ended after it.
    start, until = wanted.start, max(min(wanted.end + _END_WITHIN, now), wanted.start)
    device = context.city.devices.get(wanted.device)
    kinds = [known for known in OUTAGE_KINDS if any(wanted.takes(listed) for listed in _of(context, known))]
    runs = {known: _runs(context, known, start, until) for known in OUTAGE_KINDS}
    # A gap in what is heard of everybody is the platform's.
    unheard = unheard_periods((run for of_kind in runs.values() for run in _each_run(of_kind)), until)
    listed = []
    for known in kinds:
        for history in _histories(context, known, (start, until), runs[known], device):
            if not wanted.takes(history.device):
                continue
            outages = [
                outage
                for outage in outages_of(history, until, unheard)
                if outage.start < wanted.end and outage.until(until) > start and wanted.outage in (None, outage.outage)
            ]
            listed.append(DeviceOutages(history.device, history.first_heard_at, outages, unheard, until))
    return sorted(listed, key=lambda outages: outages.device.id)


def _of(context: ApiContext, kind: Kind) -> list[Device]:
    return [device for device in context.city.devices.values() if kind == device.KIND]


def _each_run(of_kind: RunsOfKind) -> Iterator[MeasuredRun]:
    yield from of_kind.before.values()
    for runs in of_kind.runs.values():
        yield from runs


def _runs(context: ApiContext, kind: Kind, start: datetime, end: datetime) -> RunsOfKind:
    """The runs of all devices of a kind, with what was measured before the range."""
    devices = _of(context, kind)
    if not devices:
        return RunsOfKind({}, {})
    pause_s = MISSED_INTERVALS * min(device.interval_s for device in devices)
    return context.kept_runs.read(context.reader, kind, pause_s, (start, end))


def _histories(
    context: ApiContext, kind: Kind, period: Period, measured: RunsOfKind, device: Device | None
) -> Iterator[DeviceHistory]:
    start, end = period
    device_id = device.id if device else None
    statuses: defaultdict[str, list[StatusRecord]] = defaultdict(list)
    for status in context.reader.statuses(StatusQuery(kind, start - _STATUS_BACK, end, device_id)):
        statuses[status.device].append(status)
    events: defaultdict[str, list[EventRecord]] = defaultdict(list)
    query = EventQuery(start - RAISED_BACK, end + _AHEAD, device_id, kind, EVENT_TYPES_READ)
    for event in each_event(context.reader, query):
        events[event.origin.device].append(event)
    states = {state.device.id: state for state in device_states(context, kind=kind, device=device)}
    for listed in [device] if device else _of(context, kind):
        known = statuses[listed.id]
        yield DeviceHistory(
            listed,
            measured.before.get(listed.id),
            measured.runs.get(listed.id, ()),
            known,
            events[listed.id][::-1],
            _answers(context, kind, known),
            _types_over(states[listed.id]),
        )


def _answers(context: ApiContext, kind: Kind, statuses: Sequence[StatusRecord]) -> dict[datetime, datetime]:
    answers = {}
    for status in unanswered_reports(statuses):
        gone_at = min(status.at or status.received_at, status.received_at)
        answer = context.reader.answered_at(kind, status.device, measured_after=gone_at, after=status.received_at)
        if answer:
            answers[status.received_at] = answer
    return answers


def _types_over(state: DeviceState) -> frozenset[str]:
    """Event types that do not hold any more, as the device's condition says."""
    standing = {"broken": "breakdown", "blind": "blind"}.get(state.condition.state)
    return frozenset({"breakdown", "blind"} - {standing, *state.raised})


def periods_between(unit: PeriodUnit, start: datetime, end: datetime, zone: tzinfo) -> list[Period]:
    """The local days, weeks (from Monday) or months that touch `[start, end)`."""
    day = start.astimezone(zone).date()
    first = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[unit]
    periods = []
    while (begin := datetime.combine(first, time(), zone)) < end:
        following = _next(unit, first)
        periods.append((begin, datetime.combine(following, time(), zone)))
        first = following
    return periods


def _next(unit: PeriodUnit, day: date) -> date:
    if unit == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=1 if unit == "day" else 7)


def sort_worst_first(listed: Iterable[DeviceOutages], period: Period) -> list[tuple[DeviceOutages, Availability]]:
    """Each device with its availability in a period, the least available first, the unknown last."""
    rows = [(outages, outages.availability(period)) for outages in listed]
    return sorted(rows, key=lambda row: (1.1 if row[1].share is None else row[1].share, row[0].device.id))


def newest_first(listed: Iterable[DeviceOutages]) -> list[Outage]:
    """All outages, those that began last first."""
    outages = (outage for outages in listed for outage in outages.outages)
    return sorted(outages, key=lambda outage: (outage.start, outage.device), reverse=True)
