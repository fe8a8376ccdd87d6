"""Below a single case: who kept, saw and judged its evidence, the archive to give away, and what an admin may do."""

from __future__ import annotations

from typing import Final

from api.console.markup import Markup, join, table, tag
from api.console.view import View
from ingest.store.cases import Case
from vision.evidence.report_texts import text
from vision.evidence.subject import describe

SHOWN: Final = 30
"""The newest entries; the archive has them all."""
REASON_MIN: Final = 10
REASON_MAX: Final = 1_000


def custody_panel(view: View, case: Case) -> Markup:
    """The custody log of a case, and what a role may do with its evidence."""
    entries = view.context.evidence.custody(case.id)
    shown = entries[: -SHOWN - 1 : -1]
    rows = [[view.time(one.at), text(one.kind, view.lang), describe(one, view.lang)] for one in shown]
    known = table([view.t("custody_when"), view.t("custody_what"), view.t("custody_who")], rows)
    more = tag("p", text("older", view.lang, n=len(entries) - len(shown))) if len(entries) > len(shown) else None
    parts = [tag("h2", view.t("custody")), known if rows else tag("p", view.t("custody_none"), class_="empty"), more]
    if case.evidence and view.context.evidence.has(case.id, next(iter(case.evidence.values()))):
        parts.append(_export(view, case))
        if view.may("admin"):
            parts.append(_admin(view, case))
    return tag("section", *parts, class_="panel custody")


def _export(view: View, case: Case) -> Markup:
    action = f"/api/v1/dumping/cases/{case.id}/export?lang={view.lang}"
    return tag("form", tag("button", view.t("export_case")), method="post", action=action)


def _admin(view: View, case: Case) -> Markup:
    """A reason, and what can be done with one: see the people, or delete the files before their time."""
    reason = tag("textarea", name="reason", required=True, minlength=REASON_MIN, maxlength=REASON_MAX, rows=2)
    base = f"/api/v1/dumping/cases/{case.id}"
    opened = [
        tag("button", view.t("open_clear", file=file), type="submit", data_to=f"{base}/clear/{file}", data_name=file)
        for file in view.context.evidence.clear_files(case.id)
    ]
    erase = tag(
        "button", view.t("erase"), type="submit", class_="no", data_to=f"{base}/erase", data_sure=view.t("erase_sure")
    )
    return tag(
        "form",
        tag("label", view.t("admin_reason"), reason),
        join([*opened, erase]),
        tag("p", class_="warn trouble", role="alert", hidden=True),
        class_="with-reason",
        data_failed=view.t("admin_failed"),
    )
