"""Events in words: what happened, and the details that a device or the platform has given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link
from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS
from ingest.store.records import EventRecord
from ingest.store.views.device_condition import name_of

_FIELDS: Final = frozenset(field for kind in KINDS for field in fields_of(kind))
_HIDDEN: Final = frozenset({"box", "frame", "evidence", "sha256", "case", "camera", "site", "since", "hours", "merged"})
"""Details of a case: its own page shows them."""
_TEXT_MAX: Final = 80


def event_words(page: PageContext, event: EventRecord) -> str:
    """What happened, and whether it began or ended; what has no duration has neither."""
    words = page.word(event.type, "event_")
    return words if event.state == "noted" else f"{words}: {page.t(event.state)}"


def detail_words(page: PageContext, event: EventRecord) -> Markup:
    """The details of an event, one after the other, with units; nothing for those that only programs read."""
    detail = dict(event.detail)
    parts: list[object] = []
    if "from_pct" in detail and "to_pct" in detail:
        before, after = (_value(page, "fill_pct", detail.pop(key)) for key in ("from_pct", "to_pct"))
        parts.append(f"{before} → {after}")
    if isinstance(name := detail.pop("bin", None), str):
        device = page.context.city.devices.get(name)
        parts.append(link(f"/device/{name}", name_of(device)) if device else name)
    parts += [words for key, value in detail.items() if (words := _words(page, key, value))]
    return join(parts, "; ")


def _words(page: PageContext, key: str, value: object) -> str:
    if key in _HIDDEN or isinstance(value, Mapping) or value in ("", None, []):
        return ""
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value if isinstance(item, str | int | float))
    return f"{_name(page, key)}: {_value(page, key, value)}"


def _name(page: PageContext, key: str) -> str:
    return page.word(key, "detail_") if page.word(key, "detail_") != key else page.word(key).replace("_", " ")


def _value(page: PageContext, key: str, value: Any) -> str:  # noqa: ANN401 - whatever a device has sent
    if key.endswith("bytes") and isinstance(value, int | float) and not isinstance(value, bool):
        return page.bytes(float(value))
    if key in _FIELDS and isinstance(value, int | float):
        return page.value(key, value)
    if isinstance(value, bool):
        return page.t("yes" if value else "no")
    if isinstance(value, int | float):
        return page.number(value)
    return page.word(str(value)[:_TEXT_MAX], "detail_") if str(value).isidentifier() else str(value)[:_TEXT_MAX]
