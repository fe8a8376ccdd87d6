"""Camera quality over a time range: verdicts on its cases, blindness and silence. Pure functions.

Source of the confidence interval: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
JASA 22 (1927), 95 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from math import sqrt
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from api.schemas import Share
from ingest.store.port import SeriesPoint
from ingest.store.records import EventRecord
from ingest.store.views.cases import Case

TYPES: Final = ("blind", "covered")
"""Events of a blind camera; older workers and simulated cameras send `covered` only."""
FEW: Final = 20
"""Below this number of verdicts, `precision` is not reliable."""
BUCKET_S: Final = 600.0
"""Bucket length of telemetry."""
_Z: Final = 1.96

TimeRange = tuple[datetime, datetime]


class CameraMetrics(msgspec.Struct, frozen=True):
    """Metrics of one camera over a time range; shares are None where no data exists.

    `precision`: confirmed cases divided by confirmed and rejected ones. `blind_s`: the union of all blind intervals,
    while `blind_by_reason_s` counts each reason separately. `armed_share`: of the buckets with telemetry. `known_s`:
    how much of the range has passed.
    """

    cases: int = 0
    confirmed: int = 0
    rejected: int = 0
    merged: int = 0
    waiting: int = 0
    reasons: dict[str, int] = {}
    precision: Share | None = None
    precision_range: tuple[Share, Share] | None = None
    few: bool = True
    known_s: float = 0.0
    blind_s: float = 0.0
    blind_by_reason_s: dict[str, float] = {}
    offline_s: float | None = None
    armed_share: Share | None = None

    @property
    def false_alarm_lower_bound(self) -> float:
        """Lower end of the 95 % confidence interval of the share of false alarms; the sort key of cameras."""
        return 1 - self.precision_range[1] if self.precision_range else 0.0

    @property
    def unseen_s(self) -> float:
        """Time without surveillance: blind or offline."""
        return self.blind_s + (self.offline_s or 0.0)


def local_day(day: date, zone: ZoneInfo) -> TimeRange:
    """The time range of a local day."""
    start, end = (datetime.combine(day + timedelta(days=n), time(), zone) for n in (0, 1))
    return start, end


def camera_metrics(
    span: TimeRange,
    now: datetime,
    cases: Iterable[Case],
    events: Iterable[EventRecord],
    sight: Sequence[SeriesPoint],
    known_since: datetime | None = None,
) -> CameraMetrics:
    """The metrics of one camera.

    Args:
        span: Start, inclusive, and end, exclusive.
        now: The range is cut off here.
        cases: The camera's cases; those raised within the span count.
        events: The camera's events of the types `TYPES`, also from before the span, when blindness may have begun.
        sight: Means of `scene_ok` in buckets of `BUCKET_S`; a missing bucket means silence.
        known_since: When the camera first measured; before, nothing is known of it. None: before the span.
    """
    start, end = span[0], max(span[0], min(span[1], now))
    raised = [case for case in cases if span[0] <= case.raised_at < span[1]]
    verdicts = Counter(case.verdict for case in raised)
    confirmed, rejected = verdicts["confirmed"], verdicts["rejected"]
    blind = {reason: _clip(spans, start, end) for reason, spans in blind_spans(events, end).items()}
    samples = [point for point in sight if start <= point.at < end]
    if known_since is not None and known_since > start:
        start = min(known_since - timedelta(seconds=known_since.timestamp() % BUCKET_S), end)
        samples = [point for point in samples if point.at >= start]
    known_s = (end - start).total_seconds()
    return CameraMetrics(
        cases=len(raised),
        confirmed=confirmed,
        rejected=rejected,
        merged=verdicts["merged"],
        waiting=verdicts["none"],
        reasons=dict(Counter(case.reason for case in raised if case.verdict == "rejected").most_common()),
        precision=confirmed / (confirmed + rejected) if confirmed + rejected else None,
        precision_range=wilson(confirmed, confirmed + rejected),
        few=confirmed + rejected < FEW,
        known_s=known_s,
        blind_s=_length_s([span for spans in blind.values() for span in spans]),
        blind_by_reason_s={reason: length for reason, spans in blind.items() if (length := _length_s(spans))},
        # Never heard at all is not known, rather than away; a camera is as long away as whole buckets are empty.
        offline_s=max(0.0, known_s // BUCKET_S - len(samples)) * BUCKET_S if sight else None,
        armed_share=sum(float(point.value) for point in samples) / len(samples) if samples else None,
    )


def blind_spans(events: Iterable[EventRecord], until: datetime) -> dict[str, list[TimeRange]]:
    """Blind intervals by reason; an open interval ends at `until`.

    A `cleared` without its `raised` closes all open reasons.
    """
    since: dict[str, datetime] = {}
    spans_by_reason: dict[str, list[TimeRange]] = {}
    for event in sorted(events, key=lambda event: (event.origin.measured_at, event.origin.seq)):
        at, reason = event.origin.measured_at, _reason(event)
        if event.state == "raised":
            since.setdefault(reason, at)
        elif event.state == "cleared":
            for closed in [reason] if reason in since else list(since):
                spans_by_reason.setdefault(closed, []).append((since.pop(closed), at))
    for reason, start in since.items():
        spans_by_reason.setdefault(reason, []).append((start, until))
    return spans_by_reason


def _reason(event: EventRecord) -> str:
    reason = event.detail.get("reason")
    return reason[:64] if isinstance(reason, str) and reason else "covered" if event.type == "covered" else "unknown"


def _clip(spans: Iterable[TimeRange], start: datetime, end: datetime) -> list[TimeRange]:
    cut = [(max(begin, start), min(stop, end)) for begin, stop in spans]
    return [(begin, stop) for begin, stop in cut if begin < stop]


def _length_s(spans: Iterable[TimeRange]) -> float:
    """The length of the union of intervals."""
    total = timedelta()
    upto: datetime | None = None
    for begin, stop in sorted(spans):
        fresh = begin if upto is None or begin > upto else upto
        if stop > fresh:
            total += stop - fresh
            upto = stop
    return total.total_seconds()


def wilson(right: int, of: int) -> tuple[float, float] | None:
    """The 95 % Wilson confidence interval of the share `right / of`; None if `of` is 0."""
    if not of:
        return None
    share, spread = right / of, _Z * _Z / of
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
