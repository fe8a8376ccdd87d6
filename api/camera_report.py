"""Which camera lies and which one sleeps: verdicts, blindness and silence of each camera over a stretch of time; pure.

Source of the range of precision: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
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

from ingest.store.cases import Case
from ingest.store.port import SeriesPoint
from ingest.store.records import EventRecord

TYPES: Final = ("blind", "covered")
"""Events that say that a camera does not see; older workers and simulated cameras say `covered` alone."""
FEW: Final = 20
"""With fewer verdicts than this a share says little."""
BUCKET_S: Final = 600.0
"""Telemetry is looked at in stretches of this length."""
_Z: Final = 1.96

Span = tuple[datetime, datetime]


class Figures(msgspec.Struct, frozen=True):
    """One camera over a stretch. Shares are None where nothing is known; `precision` is confirmed of those judged.

    `blind_s` counts each moment once, `blind_by_reason_s` once for each reason that held. `armed_share` is of the
    time in which the camera spoke. `known_s` is how much of the stretch has passed.
    """

    cases: int = 0
    confirmed: int = 0
    rejected: int = 0
    merged: int = 0
    waiting: int = 0
    reasons: dict[str, int] = {}
    precision: float | None = None
    precision_range: tuple[float, float] | None = None
    few: bool = True
    known_s: float = 0.0
    blind_s: float = 0.0
    blind_by_reason_s: dict[str, float] = {}
    offline_s: float | None = None
    armed_share: float | None = None

    @property
    def surely_wrong(self) -> float:
        """The share of wrong cases that even a lucky draw leaves: what cameras are ordered by."""
        return 1 - self.precision_range[1] if self.precision_range else 0.0

    @property
    def unseen_s(self) -> float:
        """Time in which it watched nothing."""
        return self.blind_s + (self.offline_s or 0.0)


def local_day(day: date, zone: ZoneInfo) -> Span:
    """A day by the city's clocks: its first moment, and the next day's."""
    start, end = (datetime.combine(day + timedelta(days=n), time(), zone) for n in (0, 1))
    return start, end


def figures(
    span: Span, now: datetime, cases: Iterable[Case], events: Iterable[EventRecord], sight: Sequence[SeriesPoint]
) -> Figures:
    """One camera's figures.

    Args:
        span: From, and up to but not including.
        now: What lies after it has not happened.
        cases: Of this camera; those raised within the span count.
        events: Of this camera and of the types `TYPES`, also from before the span: it may have been blind already.
        sight: Means of `scene_ok` in buckets of `BUCKET_S`; a bucket without one is silence.
    """
    start, end = span[0], max(span[0], min(span[1], now))
    found = [case for case in cases if span[0] <= case.raised_at < span[1]]
    verdicts = Counter(case.verdict for case in found)
    confirmed, rejected = verdicts["confirmed"], verdicts["rejected"]
    blind = {reason: _clipped(spans, start, end) for reason, spans in blind_spans(events, end).items()}
    heard = [point for point in sight if start <= point.at < end]
    known_s = (end - start).total_seconds()
    return Figures(
        cases=len(found),
        confirmed=confirmed,
        rejected=rejected,
        merged=verdicts["merged"],
        waiting=verdicts["none"],
        reasons=dict(Counter(case.reason for case in found if case.verdict == "rejected").most_common()),
        precision=confirmed / (confirmed + rejected) if confirmed + rejected else None,
        precision_range=wilson(confirmed, confirmed + rejected),
        few=confirmed + rejected < FEW,
        known_s=known_s,
        blind_s=_length_s([span for spans in blind.values() for span in spans]),
        blind_by_reason_s={reason: length for reason, spans in blind.items() if (length := _length_s(spans))},
        # Never heard at all is not known, rather than away; a camera is as long away as whole buckets are empty.
        offline_s=max(0.0, known_s // BUCKET_S - len(heard)) * BUCKET_S if sight else None,
        armed_share=sum(float(point.value) for point in heard) / len(heard) if heard else None,
    )


def blind_spans(events: Iterable[EventRecord], until: datetime) -> dict[str, list[Span]]:
    """When a camera was blind, by reason; what is not over lasts until a time.

    A word that ends a reason nobody has raised ends all that are: then the beginning was said in other words.
    """
    since: dict[str, datetime] = {}
    found: dict[str, list[Span]] = {}
    for event in sorted(events, key=lambda event: (event.origin.measured_at, event.origin.seq)):
        at, reason = event.origin.measured_at, _reason(event)
        if event.state == "raised":
            since.setdefault(reason, at)
        elif event.state == "cleared":
            for ended in [reason] if reason in since else list(since):
                found.setdefault(ended, []).append((since.pop(ended), at))
    for reason, start in since.items():
        found.setdefault(reason, []).append((start, until))
    return found


def _reason(event: EventRecord) -> str:
    said = event.detail.get("reason")
    return said[:64] if isinstance(said, str) and said else "covered" if event.type == "covered" else "unknown"


def _clipped(spans: Iterable[Span], start: datetime, end: datetime) -> list[Span]:
    cut = [(max(begin, start), min(stop, end)) for begin, stop in spans]
    return [(begin, stop) for begin, stop in cut if begin < stop]


def _length_s(spans: Iterable[Span]) -> float:
    """How long it was in all, what overlaps counted once."""
    total = timedelta()
    upto: datetime | None = None
    for begin, stop in sorted(spans):
        fresh = begin if upto is None or begin > upto else upto
        if stop > fresh:
            total += stop - fresh
            upto = stop
    return total.total_seconds()


def wilson(right: int, of: int) -> tuple[float, float] | None:
    """Between which shares the true one lies in 95 of 100 cases; None of nothing."""
    if not of:
        return None
    share, spread = right / of, _Z * _Z / of
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
