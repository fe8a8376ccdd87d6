"""The custody panel below a single case: custody log, archive, and what needs a reason."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, table, tag
from city.i18n.catalogue import REPORT_TEXTS
from ingest.store.views.cases import Case
from vision.evidence.subject import describe

SHOWN: Final = 30
"""Number of newest entries shown; the archive has all."""
REASON_MIN: Final = 10
REASON_MAX: Final = 1_000


def custody_panel(page: PageContext, case: Case) -> Markup:
    """The custody log of a case, and the actions that the rights permit."""
    entries = page.context.evidence.custody(case.id)
    shown = entries[: -SHOWN - 1 : -1]
    rows = [
        [page.time(entry.at), REPORT_TEXTS.text(entry.kind, page.lang), describe(entry, page.lang)] for entry in shown
    ]
    known = table([page.t("custody_when"), page.t("custody_what"), page.t("custody_who")], rows)
    rest = len(entries) - len(shown)
    older = tag("p", REPORT_TEXTS.plural("older", page.lang, rest)) if rest else None
    parts = [tag("h2", page.t("custody")), known if rows else tag("p", page.t("custody_none"), class_="empty"), older]
    if case.evidence and page.context.evidence.has(case.id, next(iter(case.evidence.values()))):
        parts.append(_export(page, case))
        if page.may("evidence.clear") or page.may("evidence.erase"):
            parts.append(_admin(page, case))
    return tag("section", *parts, class_="panel custody")


def _export(page: PageContext, case: Case) -> Markup:
    action = f"/api/v1/dumping/cases/{case.id}/export?lang={page.lang}"
    return tag("form", tag("button", page.t("export_case")), method="post", action=action)


def _admin(page: PageContext, case: Case) -> Markup:
    """The form of who may do more: a reason, and buttons to open clear copies or to erase the files."""
    reason = tag("textarea", name="reason", required=True, minlength=REASON_MIN, maxlength=REASON_MAX, rows=2)
    base = f"/api/v1/dumping/cases/{case.id}"
    files = page.context.evidence.clear_files(case.id) if page.may("evidence.clear") else []
    clear_buttons = [
        tag("button", page.t("open_clear", file=file), type="submit", data_to=f"{base}/clear/{file}", data_name=file)
        for file in files
    ]
    erase = tag(
        "button", page.t("erase"), type="submit", class_="no", data_to=f"{base}/erase", data_sure=page.t("erase_sure")
    )
    return tag(
        "form",
        tag("label", page.t("admin_reason"), reason),
        join([*clear_buttons, erase] if page.may("evidence.erase") else clear_buttons),
        tag("p", class_="warn failure", role="alert", hidden=True),
        class_="with-reason",
        data_failed=page.t("admin_failed"),
    )
