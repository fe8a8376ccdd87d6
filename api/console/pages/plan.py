"""The plan of a day: the one in force beside the one that is proposed, what moved and why, and planning itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_forms import day_choice, hidden_field, may_dispatch, parse_day, post_form, refusal_panel
from api.console.parts.dispatch_words import NOTHING, clock, day_words
from api.console.parts.markup import join, tag
from api.console.parts.plan_tables import changes_panel, left_out_panel, stops_panel, tours_panel
from api.console.parts.screen import Screen
from api.dependencies import day_of
from api.queries.day_planner import PLAN_JOB_KINDS, PlanJob, PlanJobStatus
from api.queries.plan_totals import totals_of
from city.i18n.catalogue import PLANNING_TEXTS
from dispatch.planning.explain import describe_source
from dispatch.shifts.plans import PlanRecord

RADII_M = (100, 250, 500, 1000)


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add planning, both plans, and their differences."""
    day = parse_day(page, query)
    screen.show(refusal_panel(page, query))
    screen.show(day_choice(page, "/plan", day), "panel day-choice")
    screen.live("planning", ("dispatch",), lambda: _planning(page), every_s=1.0)
    if may_dispatch(page):
        screen.show(lambda: _makers(page, day), "panel actions")
    screen.live("plans", ("dispatch",), lambda: _plans(page, day, query))
    screen.show(lambda: _knob(page), "panel")


def _planning(page: PageContext) -> Markup:
    """What is being planned, and why the last plan failed."""
    planner = page.context.planner
    parts = [part for kind in PLAN_JOB_KINDS for part in _status(page, planner.status(kind))]
    return join(parts) if parts else tag("p", page.t("planning_idle"), class_="intro", role="status")


def _status(page: PageContext, status: PlanJobStatus) -> list[Markup]:
    parts = []
    if status.running is not None:
        since = page.age(status.running.since, page.context.clock())
        words = page.t("planning_runs", what=_job(page, status.running), time=since)
        parts.append(tag("p", words, " ", tag("progress", aria_label=words), class_="panel", role="status"))
    if status.failed is not None and status.failure:
        words = page.t("planning_failed", what=_job(page, status.failed), reason=failure_words(page, status.failure))
        parts.append(tag("p", words, class_="panel warn", role="alert"))
    return parts


def failure_words(page: PageContext, failure: str) -> str:
    """Why there is no new plan."""
    key = f"failure_{failure}"
    return PLANNING_TEXTS.text(key, page.lang) if key in PLANNING_TEXTS else page.t(f"planning_failed_{failure}")


def _job(page: PageContext, job: PlanJob) -> str:
    return page.t(f"planning_{job.kind}", day=day_words(page, job.day))


def _makers(page: PageContext, day: date) -> Markup:
    """Forms that start planning."""
    today = day_of(page.context)
    forms = [
        post_form("/plan/make", page.t(key), hidden_field("day", known))
        for known, key in ((today, "plan_today"), (today + timedelta(days=1), "plan_tomorrow"))
    ]
    if page.context.dispatch.plans.in_force(day) is not None:
        forms.append(_replan(page, day))
    return join([tag("h2", page.t("plan_make")), *forms])


def _replan(page: PageContext, day: date) -> Markup:
    city = page.context.city
    trucks = [tag("option", truck.id, value=truck.id) for truck in city.trucks.values()]
    sites = sorted((site.name, site.id) for site in city.sites.values() if site.kind != "landfill")
    places = [tag("option", page.t("blocked_none"), value=""), *(tag("option", name, value=id_) for name, id_ in sites)]
    radii = [tag("option", f"{radius_m} m", value=radius_m) for radius_m in RADII_M]
    fields = [
        tag("label", page.t("trucks_out"), tag("select", *trucks, name="trucks_out", multiple=True, size=4)),
        tag("label", page.t("blocked_at"), tag("select", *places, name="blocked_site")),
        tag("label", page.t("blocked_radius"), tag("select", *radii, name="radius_m")),
    ]
    form = post_form("/plan/replan", page.t("plan_replan"), hidden_field("day", day), *fields, class_="replan")
    return tag("details", tag("summary", page.t("plan_replan_open")), form)


def _plans(page: PageContext, day: date, query: Mapping[str, str]) -> Markup:
    plans = page.context.dispatch.plans
    current, proposal = plans.in_force(day), plans.proposal(day)
    pair = [_head(page, current, "plan_in_force"), _head(page, proposal, "plan_proposed")]
    parts = [tag("div", *pair, class_="plan-pair")]
    if proposal is not None:
        parts.append(changes_panel(page, proposal, current))
    newest = proposal or current
    if newest is not None:
        parts += [tours_panel(page, current, proposal), left_out_panel(page, newest)]
        parts.append(stops_panel(page, current, proposal, query))
    return join(parts)


def _head(page: PageContext, record: PlanRecord | None, key: str) -> Markup:
    """A plan in numbers; with its decision, if it waits for one."""
    head = tag("h2", page.t(key))
    if record is None:
        return tag("section", head, tag("p", page.t(f"{key}_none"), class_="empty"), class_="panel")
    facts = (join([tag("dt", page.t(name)), tag("dd", fact)]) for name, fact in _facts(page, record))
    parts = [head, tag("dl", *facts, class_="facts")]
    if record.state == "proposal" and may_dispatch(page):
        accept = post_form(f"/plan/{record.id}/accept", page.t("plan_accept"), button_class="yes")
        reject = post_form(f"/plan/{record.id}/reject", page.t("plan_reject"), button_class="no")
        parts.append(tag("div", accept, reject, class_="actions"))
    return tag("section", *parts, class_="panel")


def _facts(page: PageContext, record: PlanRecord) -> list[tuple[str, object]]:
    totals, zone = totals_of(record.plan), page.context.city.time_zone
    blocked = len(record.circumstances.blocked)
    facts: list[tuple[str, object]] = [
        ("plan_made", page.time(record.made_at)),
        ("plan_trucks", page.number(totals.trucks)),
        ("plan_stops", page.number(totals.stops)),
        ("plan_left_out", page.number(len(record.plan.plan.dropped))),
        ("distance", f"{page.number(totals.metres / 1000, 0)} km"),
        ("plan_hours", page.t("plan_hours_of", hours=page.number(totals.seconds / 3600, 1))),
        ("plan_load", f"{page.number(totals.load_kg, 0)} kg"),
        ("plan_times", f"{clock(page, totals.starts_at(zone))} - {clock(page, totals.ends_at(zone))}"),
        ("plan_source", describe_source(record.plan.plan.travel_source, page.lang)),
        ("trucks_out", ", ".join(record.circumstances.trucks_out) or NOTHING),
        ("blocked_streets", page.number(blocked) if blocked else NOTHING),
    ]
    if record.decided_at:
        facts.append(("plan_decided", f"{record.decided_by}, {page.time(record.decided_at)}"))
    if record.plan.plan.still_loaded:
        facts.append(("plan_still_loaded", ", ".join(record.plan.plan.still_loaded)))
    return facts


def _knob(page: PageContext) -> Markup:
    """How the city weighs fuel against overflow; it is set in a file."""
    care = page.context.planner.policy().overflow_care
    words = page.t("care_is", value=page.number(care, 2))
    meter = tag("meter", min=0, max=1, value=care, aria_label=words)
    scale = tag("p", tag("span", page.t("care_fuel")), meter, tag("span", page.t("care_overflow")), class_="care")
    return join([tag("h2", page.t("care")), scale, tag("p", words, " ", page.t("care_where"), class_="intro")])
