"""Tours and shifts on paper: the list for the cab, the report of a shift, and that of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from api.console.page_context import PageContext
from api.console.parts.dispatch_words import (
    NOTHING,
    clock,
    day_words,
    evidence_words,
    figures,
    stop_state_words,
    truck_name,
    why_words,
)
from api.queries.tour_progress import served_at
from city.paper import SMALL_PT, Paper
from dispatch.shifts.records import CrewShift, Stop, sum_counts

LIST_PT: Final = 9
ROW_MM: Final = 6.6
"""Thirty rows of one line fit on a page."""
LIST_MM: Final = (8, 14, 62, 22, 16, 40, 12)
REPORT_MM: Final = (8, 46, 14, 14, 34, 58)
DAY_MM: Final = (46, 20, 68, 20, 20)
LEFT_MM: Final = (34, 60, 20, 60)
LEFT_OVER: Final = ("missed", "contradicted", "not_possible", "planned", "under_way")
"""States of stops that a report of a day lists: what was not collected."""


def new_paper(page: PageContext, title: str) -> Paper:
    """An empty document of the city, with its title."""
    city = page.context.city
    made = page.t("paper_made", time=page.time(page.context.clock()))
    paper = Paper(f"Jaga Kota, {city.name}  |  {made}", lambda number: page.t("paper_page", n=number))
    paper.set_title(title)
    paper.set_creation_date(page.context.clock())
    paper.set_lang(page.lang)
    paper.add_page()
    paper.write_title(title)
    if page.context.demo:
        paper.set_text_color(190, 0, 0)
        paper.write_line(page.t("demo"))
        paper.set_text_color(0, 0, 0)
    return paper


def tour_list(page: PageContext, shift: CrewShift) -> bytes:
    """The list of a tour for the cab, thirty stops a page, with a column to tick."""
    paper = new_paper(page, f"{page.t('tour_list')}: {truck_name(page, shift.truck)}")
    paper.write_line(_shift_words(page, shift))
    stops = page.context.dispatch.shifts.stops(shift.id)
    if not stops:
        paper.write_paragraph(page.t("tour_empty"))
        return bytes(paper.output())
    keys = ("stop_number", "tour_clock", "stop_one", "waste_kind", "stop_load_short", "stop_why", "tour_tick")
    paper.write_table(
        [_list_row(page, stop) for stop in stops],
        LIST_MM,
        LIST_PT,
        headings=[page.t(key) for key in keys],
        line_mm=ROW_MM,
    )
    return bytes(paper.output())


def _list_row(page: PageContext, stop: Stop) -> list[str]:
    is_landfill = stop.kind == "landfill"
    return [
        str(stop.number),
        clock(page, stop.starts_at),
        stop.name,
        page.word(stop.stream) if stop.stream else "",
        "" if is_landfill else page.number(stop.load_kg, 0),
        page.t("landfill_stop") if is_landfill else why_words(page, stop).partition(",")[0],
        "",
    ]


def _shift_words(page: PageContext, shift: CrewShift) -> str:
    hours = f"{clock(page, shift.departs_at)} - {clock(page, shift.returns_at)}"
    crew = f"{page.t('crew')} {shift.crew}" if shift.crew else ""
    km = f"{page.number(shift.metres / 1000)} km"
    return ", ".join(part for part in (day_words(page, shift.day), crew, hours, km) if part)


def shift_report(page: PageContext, shift: CrewShift) -> bytes:
    """What became of each stop of a shift, with its evidence in words."""
    paper = new_paper(page, f"{page.t('shift_report')}: {truck_name(page, shift.truck)}")
    paper.write_line(_shift_words(page, shift))
    paper.write_line(f"{page.t('shift_state')}: {page.t(f'shift_is_{shift.state}')}")
    paper.write_paragraph(figures(page, shift.counts))
    service = page.context.dispatch.shifts
    stops = [stop for stop in service.stops(shift.id) if stop.kind != "landfill"]
    if stops:
        keys = ("stop_number", "stop_one", "tour_planned_short", "tour_actual_short", "state", "evidence")
        rows = [_report_row(page, stop) for stop in stops]
        paper.write_table(rows, REPORT_MM, SMALL_PT, headings=[page.t(key) for key in keys])
    messages = service.messages(shift.id)
    if messages:
        paper.write_heading(page.t("crew_messages"))
        written = [[clock(page, message.sent_at), message.text, clock(page, message.read_at)] for message in messages]
        headings = [page.t(key) for key in ("when", "message_text", "message_read")]
        paper.write_table(written, (20, 124, 30), LIST_PT, headings=headings)
    _signatures(page, paper)
    return bytes(paper.output())


def _report_row(page: PageContext, stop: Stop) -> list[str]:
    evidence = [evidence_words(page, piece) for piece in stop.evidence if piece.kind != "supervisor"]
    if stop.ruling:
        evidence.append(page.t("stop_ruled", name=stop.ruling.by, reason=stop.ruling.reason))
    return [
        str(stop.number),
        stop.name,
        clock(page, stop.starts_at),
        clock(page, served_at(stop)),
        stop_state_words(page, stop),
        "; ".join(evidence) or NOTHING,
    ]


def _signatures(page: PageContext, paper: Paper) -> None:
    """Lines on which the crew and the supervisor sign."""
    paper.ln(16)
    paper.write_table([[page.t("sign_crew"), page.t("sign_supervisor")], ["", ""]], (87, 87), LIST_PT, line_mm=9)


def day_report(page: PageContext, day: date) -> bytes:
    """A day in figures, by shift, and what was not collected."""
    paper = new_paper(page, f"{page.t('day_report')}: {day_words(page, day)}")
    service = page.context.dispatch.shifts
    shifts = service.of_day(day)
    paper.write_paragraph(figures(page, sum_counts(shift.counts for shift in shifts)))
    if not shifts:
        paper.write_paragraph(page.t("tours_none"))
        return bytes(paper.output())
    rows = [_day_row(page, shift) for shift in shifts]
    headings = [page.t(key) for key in ("truck_one", "crew", "tour_progress", "shift_hours", "distance")]
    paper.write_table(rows, DAY_MM, LIST_PT, headings=headings)
    _left_over(page, paper, shifts, service.stops_of_day(day))
    _signatures(page, paper)
    return bytes(paper.output())


def _day_row(page: PageContext, shift: CrewShift) -> list[str]:
    hours = f"{clock(page, shift.departs_at)}-{clock(page, shift.returns_at)}"
    km = f"{page.number(shift.metres / 1000)} km"
    return [truck_name(page, shift.truck), shift.crew or NOTHING, figures(page, shift.counts), hours, km]


def _left_over(page: PageContext, paper: Paper, shifts: Sequence[CrewShift], stops: Sequence[Stop]) -> None:
    trucks = {shift.id: shift.truck for shift in shifts}
    left = [stop for stop in stops if stop.kind != "landfill" and stop.state in LEFT_OVER]
    if not left:
        return
    paper.write_heading(page.t("day_left_over"))
    rows = [
        [trucks.get(stop.shift_id, ""), stop.name, clock(page, stop.starts_at), stop_state_words(page, stop)]
        for stop in sorted(left, key=lambda stop: (LEFT_OVER.index(stop.state), stop.starts_at))
    ]
    headings = [page.t(key) for key in ("truck_one", "stop_one", "tour_planned_short", "state")]
    paper.write_table(rows, LEFT_MM, LIST_PT, headings=headings)
