"""The messages of a device that were rejected, with the reason, and the way to all of them."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, table, tag
from city.inventory.model import Device

SHOWN: Final = 5
_PAYLOAD_SHOWN: Final = 120


def rejected_panel(page: PageContext, device: Device) -> Markup:
    """The newest rejected messages; nothing where there are none."""
    letters = page.context.dead_letters.of_device(device.id, limit=SHOWN)
    if not letters:
        return Markup()
    rows = [
        (
            page.time(letter.last_at or letter.received_at),
            page.number(letter.times),
            letter.reason,
            tag("code", letter.payload[:_PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")),
        )
        for letter in letters
    ]
    names = [page.t(key) for key in ("when", "times", "reason", "content")]
    shown = table(names, rows, narrow="lines", keys=[letter.id for letter in letters])
    more = tag("p", link("/system#letters", page.t("all_dead_letters")))
    return tag("section", join([tag("h2", page.t("rejected_messages")), shown, more]), class_="panel")
