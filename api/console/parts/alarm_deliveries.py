"""Who was told of an alarm, for its page."""

from __future__ import annotations

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import table, tag


def deliveries_panel(page: PageContext, alarm: int) -> Markup:
    """The notifications of an alarm, the oldest first; nothing if there are none."""
    entries = page.context.deliveries.of_alarm(alarm)
    if not entries:
        return Markup()
    headings = [page.t(key) for key in ("when", "delivery_to", "delivery_kind", "delivery_state")]
    rows: list[list[object]] = [
        [
            page.time(entry.sent_at or entry.failed_at or entry.created_at),
            entry.recipient,
            page.t(f"notification_{entry.kind}"),
            page.t(f"delivery_{entry.state}") + (f" ({entry.reason})" if entry.reason and not entry.sent_at else ""),
        ]
        for entry in entries
    ]
    return tag("section", tag("h2", page.t("deliveries")), table(headings, rows), class_="panel")
