"""The day's code of a truck: six digits and a QR code, shown once, for a print or a phone held to the screen."""

from __future__ import annotations

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_words import day_words, truck_name
from api.console.parts.markup import join, link, tag
from api.console.parts.screen import Screen
from api.queries.crew_code import crew_address, qr_svg
from dispatch.shifts.records import CrewShift, ShiftCode


def build(page: PageContext, screen: Screen, shift: CrewShift, code: ShiftCode) -> None:
    """Add the code."""
    # An SVG of segno: dark squares on white, without script or style.
    picture = Markup(qr_svg(crew_address(page.context.public_url, code.key)))  # noqa: S704 - made by us
    digits = f"{code.code[:3]} {code.code[3:]}"
    facts: list[tuple[str, object]] = [
        ("truck_one", truck_name(page, shift.truck)),
        ("day", day_words(page, shift.day)),
        ("code_ends", page.time(code.expires_at)),
        ("code_address", f"{page.context.public_url}/crew/"),
    ]
    listed = tag("dl", *(join([tag("dt", page.t(key)), tag("dd", fact)]) for key, fact in facts), class_="facts")
    parts = [
        tag("p", digits, class_="crew-code", aria_label=page.t("code")),
        tag("div", picture, class_="crew-qr", role="img", aria_label=page.t("code_qr")),
        tag("p", page.t("code_once"), class_="warn"),
        listed,
        tag("p", tag("button", page.t("print"), type="button", data_print=True), class_="downloads"),
        tag("p", link(f"/tour/{shift.id}", page.t("code_back"))),
    ]
    screen.show(tag("section", *parts), "panel code-panel")
