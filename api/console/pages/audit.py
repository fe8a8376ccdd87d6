"""The page of the audit: who did what to which thing, from where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from people.audit import AuditEntry

SHOWN: Final = 100
FILTERS: Final = ("who", "action", "about", "day")


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add the page's content, with the filters of the address."""
    if not page.may("audit.read"):
        screen.show(tag("p", page.t("audit_supervisors_only"), class_="warn"))
        return
    given = {name: query.get(name, "").strip()[:160] for name in FILTERS}
    before = query.get("before", "")
    entries = find(page, given, int(before) if before.isdecimal() and len(before) < 16 else None)  # noqa: PLR2004 - digits
    screen.show(tag("p", page.t("audit_intro"), class_="intro"))
    screen.show(_filters(page, given))
    headings = [page.t(key) for key in ("when", "audit_who", "audit_what", "audit_about", "audit_detail", "audit_from")]
    names = {account.id: account.name for account in page.context.people.accounts()}
    rows = [_row(page, entry, names) for entry in entries]
    older = Markup()
    if len(entries) == SHOWN:
        older_query = urlencode({**{name: value for name, value in given.items() if value}, "before": entries[-1].n})
        older = tag("nav", link(f"/audit?{older_query}", page.t("audit_older"), rel="next"), class_="pager")
    screen.show(
        join([table(headings, rows, narrow="pairs") if rows else tag("p", page.t("none"), class_="empty"), older])
    )


def find(page: PageContext, given: dict[str, str], before: int | None) -> list[AuditEntry]:
    """Entries for filters: `who` is the name of an account, `day` a day in the city's zone; newest first."""
    names = {account.name: account.id for account in page.context.people.accounts()}
    since = _start_of(page, given["day"])
    return page.context.people.audit.search(
        before=before,
        actor=names.get(given["who"].lower(), given["who"]),
        action=given["action"],
        object_=given["about"],
        since=since,
        until=since + timedelta(days=1) if since else None,
        limit=SHOWN,
    )


def _start_of(page: PageContext, day: str) -> datetime | None:
    try:
        return datetime.combine(datetime.fromisoformat(day).date(), time(), page.context.city.time_zone)
    except (ValueError, OverflowError):
        return None


def _filters(page: PageContext, given: dict[str, str]) -> Markup:
    fields = [
        tag(
            "label",
            page.t(f"audit_filter_{name}"),
            tag("input", name=name, value=given[name], type="date" if name == "day" else "text", maxlength=160),
        )
        for name in FILTERS
    ]
    return tag("form", *fields, tag("button", page.t("audit_search")), method="get", action="/audit", class_="filters")


def _row(page: PageContext, entry: AuditEntry, names: dict[str, str]) -> list[object]:
    detail = ", ".join(f"{name} {_words(value)}" for name, value in entry.detail.items() if value not in ("", None, []))
    return [
        page.time(entry.at),
        entry.actor_name or entry.actor,
        page.word(entry.action, "did_"),
        names.get(entry.object, entry.object),
        detail or "-",
        entry.address or "-",
    ]


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
