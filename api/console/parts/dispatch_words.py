"""How pages name what dispatch knows: states of stops with their evidence, figures of a day, times of a tour."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, tag
from api.queries.tour_progress import TourProgress
from dispatch.planning.day import StopCandidate
from dispatch.planning.explain import describe_stop
from dispatch.shifts.records import NOT_POSSIBLE_REASONS, CrewShift, Stop, StopCounts
from dispatch.verification.states import StopEvidence, StopState

NOTHING: Final = "–"  # noqa: RUF001 - a dash
ON_TIME: Final = timedelta(minutes=5)
"""A truck that is less late is on time."""
LATE: Final = timedelta(minutes=15)
PROGRESS_ORDER: Final[tuple[StopState, ...]] = (
    "verified",
    "recovered",
    "claimed",
    "contradicted",
    "not_possible",
    "missed",
    "under_way",
    "planned",
)
"""States in the order of a progress bar: what is done first."""
EVIDENCE_DETAILS: Final = ("before_pct", "after_pct", "stood_s", "away_m", "truck_m", "counted", "needed", "truck")
"""Details of evidence that pages show."""
UNITS: Final = {"pct": "%", "m": "m"}
"""Units of these details, by the end of their names."""
FIGURES: Final = ("contradicted", "missed", "not_possible")
"""Counts of a day that are named only if there are any."""


def clock(page: PageContext, at: datetime | None) -> str:
    """The local time of day; a dash without one."""
    return f"{at.astimezone(page.context.city.time_zone):%H:%M}" if at else NOTHING


def day_words(page: PageContext, day: date) -> str:
    """A day with its weekday: `Senin, 30 Nov 2026`."""
    month = page.t("months").split()[day.month - 1]
    return f"{page.t('weekdays').split()[day.weekday()]}, {day.day} {month} {day.year}"


def truck_name(page: PageContext, truck: str) -> str:
    """A truck's name with its plate."""
    known = page.context.city.trucks.get(truck)
    return f"{truck} · {known.plate}" if known and known.plate else truck


def state_badge(page: PageContext, state: StopState) -> Markup:
    """The state of a stop as a badge."""
    return tag("span", page.t(f"stop_is_{state}"), class_=f"state stop-{state}")


def stop_state_words(page: PageContext, stop: Stop) -> str:
    """The state of a stop, with the reason why it is not possible."""
    words = page.t(f"stop_is_{stop.state}")
    return f"{words}: {reason_words(page, stop.reason)}" if stop.reason else words


def reason_words(page: PageContext, reason: str) -> str:
    """Why a crew could not collect."""
    return page.t(f"not_possible_{reason}") if reason in NOT_POSSIBLE_REASONS else reason


def evidence_words(page: PageContext, piece: StopEvidence) -> str:
    """One fact of a verdict: `kru menekan Terangkut, 09:41`."""
    detail = "; ".join(known for name, value in piece.detail.items() if (known := _detail(page, name, value)))
    words = f"{page.t(f'evidence_{piece.kind}')}, {clock(page, piece.at)}"
    return f"{words} ({detail})" if detail else words


def _detail(page: PageContext, name: str, value: Any) -> str:  # noqa: ANN401 - a value of JSON
    """A detail of evidence in words; nothing for what only programs read."""
    if name == "reason":
        return reason_words(page, str(value))
    if name not in EVIDENCE_DETAILS or not isinstance(value, int | float | str) or isinstance(value, bool):
        return ""
    label = page.t(f"evidence_detail_{name}")
    if isinstance(value, str):
        return f"{label} {value}"
    if name.endswith("_s"):
        return f"{label} {page.duration(value)}"
    return f"{label} {page.number(value)} {UNITS.get(name.rpartition('_')[2], '')}".strip()


def evidence_list(page: PageContext, stop: Stop) -> Markup:
    """All evidence of a stop, and what a supervisor decided."""
    words = [evidence_words(page, piece) for piece in stop.evidence if piece.kind != "supervisor"]
    if stop.ruling:
        words.append(page.t("stop_ruled", name=stop.ruling.by, reason=stop.ruling.reason))
    return tag("ul", *(tag("li", fact) for fact in words), class_="evidence-words") if words else join([NOTHING])


def figures(page: PageContext, counts: StopCounts) -> str:
    """The figures of a day or tour: `32 dari 40 terangkut, 3 terlewat, 5 terhalang`."""
    if not counts.total:
        return NOTHING
    words = [page.t("figures_collected", n=page.number(counts.collected), of=page.number(counts.total))]
    words += [page.t(f"figures_{name}", n=page.number(n)) for name in FIGURES if (n := getattr(counts, name))]
    return ", ".join(words)


def progress_bar(page: PageContext, counts: StopCounts) -> Markup:
    """The progress of a tour as a bar, by what has become of its stops; its words stand beside it."""
    if not counts.total:
        return tag("span", NOTHING, class_="none")
    parts = {
        "verified": counts.verified,
        "claimed": counts.collected - counts.verified,
        "contradicted": counts.contradicted,
        "not_possible": counts.not_possible,
        "missed": counts.missed,
    }
    bars, left = [], 0.0
    for state, number in parts.items():
        width = 100.0 * number / counts.total
        bars.append(tag("rect", x=f"{left:.1f}%", width=f"{width:.1f}%", height="100%", class_=f"stop-{state}"))
        left += width
    return tag("svg", *bars, class_="progress", role="img", aria_label=figures(page, counts))


def lateness_words(page: PageContext, progress: TourProgress) -> Markup:
    """How late a truck is, in words; a dash before anything is known."""
    late = progress.late
    if late is None:
        return tag("span", NOTHING, class_="none")
    if late > ON_TIME:
        minutes = page.duration(late.total_seconds())
        return tag("span", page.t("tour_late", time=minutes), class_="warn" if late >= LATE else None)
    if late < -ON_TIME:
        return tag("span", page.t("tour_early", time=page.duration(-late.total_seconds())))
    return tag("span", page.t("tour_on_time"))


def shift_link(page: PageContext, shift: CrewShift) -> Markup:
    """A link to a tour."""
    return link(f"/tour/{shift.id}", truck_name(page, shift.truck))


def stop_link(page: PageContext, stop: Stop) -> Markup:
    """A link to a stop, with its container or order."""
    del page
    is_said = stop.subject in stop.name or stop.kind != "container"
    name = stop.name if is_said else f"{stop.name} ({stop.subject})"
    return link(f"/stop/{stop.id}", name)


def why_words(page: PageContext, stop: Stop) -> str:
    """Why a stop is on the plan, without the name of its place; a dash where nothing says so."""
    return why_of(page, stop.why, stop.name) or NOTHING


def legend(page: PageContext) -> Markup:
    """What the colours of stops mean."""
    return tag("ul", *(tag("li", state_badge(page, state)) for state in PROGRESS_ORDER), class_="stop-legend")


def why_of(page: PageContext, why: dict[str, Any], name: str) -> str:
    """Why a stop is on a plan: `organik 82 %, penuh 14:10 ± 2 jam`; empty where nothing says so."""
    try:
        candidate = msgspec.convert(why, StopCandidate)
    except msgspec.ValidationError:
        return page.t("stop_why_case") if why.get("cause") == "case" else ""
    words = describe_stop(candidate, page.context.city.time_zone, page.lang)
    return words.removeprefix(f"{candidate.name}: ").removeprefix(f"{name}: ")
