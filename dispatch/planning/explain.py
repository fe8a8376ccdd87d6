"""Words for a plan: why a stop is on it, and why a new plan moves one."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from city.i18n.catalogue import PLANNING_TEXTS, Lang
from dispatch.planning.day import StopCandidate
from dispatch.planning.differences import StopChange
from dispatch.planning.plans import StoredPlan
from dispatch.planning.problem import TravelSource
from dispatch.planning.process import PlanningFailure

HOUR_S: Final = 3600


def describe_stop(candidate: StopCandidate, zone: ZoneInfo, lang: Lang) -> str:
    """Why a stop is on a plan: `TPS Oesapa: organik 82 %, penuh 14:10 ± 2 jam`."""
    text, outlook = PLANNING_TEXTS.text, candidate.outlook
    values: dict[str, object] = {"name": candidate.name, "stream": text(f"stream_{candidate.stream}", lang)}
    if outlook is None or candidate.cause != "overflow":
        return text(f"stop_{candidate.cause}", lang, **values)
    values["fill"] = round(outlook.fill_pct)
    if outlook.full_at is None or outlook.full_spread_s is None:
        return text("stop_likely", lang, probability=round(outlook.overflow_probability * 100), **values)
    clock = f"{outlook.full_at.astimezone(zone):%H:%M}"
    hours = max(round(outlook.full_spread_s / HOUR_S), 1)
    return text("stop_overflow", lang, time=clock, hours=hours, **values)


def describe_change(change: StopChange, old: StoredPlan, new: StoredPlan, zone: ZoneInfo, lang: Lang) -> str:
    """What changes for a stop, and why: `TPS Oesapa: dari truck-03 ke truck-07, 09:40, karena truck-03 rusak`."""
    candidate = new.candidates.get(change.id) or old.candidates.get(change.id)
    before, after = change.before, change.after
    return PLANNING_TEXTS.text(
        f"change_{change.kind}",
        lang,
        name=candidate.name if candidate else change.id,
        old_truck=before.truck if before else "",
        old_time=_clock(new, before.starts_s, zone) if before else "",
        truck=after.truck if after else "",
        time=_clock(new, after.starts_s, zone) if after else "",
        reason=PLANNING_TEXTS.text(f"reason_{change.reason}", lang, truck=before.truck if before else ""),
    )


def describe_source(source: TravelSource, lang: Lang) -> str:
    """Where the travel times of a plan come from."""
    return PLANNING_TEXTS.text(f"source_{source}", lang)


def describe_failure(failure: PlanningFailure, lang: Lang) -> str:
    """Why there is no new plan."""
    return PLANNING_TEXTS.text(f"failure_{failure}", lang)


def _clock(plan: StoredPlan, seconds: float, zone: ZoneInfo) -> str:
    """Local time of seconds after local midnight of the plan's day."""
    midnight = datetime.combine(plan.day, time(), zone)
    return f"{(midnight.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(zone):%H:%M}"
