"""The form that makes a profile from the messages of an unknown device; `profile-draft.js` fills it from the API."""

from __future__ import annotations

from typing import Any

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.forms import select
from api.console.parts.markup import join, tag
from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS
from broker.contract.units import unit_of
from city.inventory.units import UNITS
from ingest.decoding.drafting.proposals import REASONS
from ingest.store.parked.quarantine import UnknownDevice

_TEXTS = (
    *("draft_key", "draft_values", "draft_field", "draft_unit", "draft_why", "draft_unused", "draft_time"),
    *("draft_possible", "draft_other", "draft_sure", "draft_likely", "draft_guess", "draft_others", "draft_before"),
    *(
        "draft_saved",
        "draft_not_saved",
        "draft_taken",
        "draft_empty",
        "draft_raw_frames",
        "draft_left_out",
        "draft_known",
    ),
    *("draft_codec_none", "draft_codec_bad", "draft_codec_taken"),
    *("draft_no_answer", "draft_counts_free", "draft_as_sent", "draft_opposite"),
    *("nothing_stored", "not_stored", "yes", "no"),
)


def profile_draft_section(page: PageContext, device: UnknownDevice, *, is_open: bool) -> Markup:
    """The section, open where no existing profile matches the device."""
    parts = [
        tag("summary", tag("h2", page.t("draft_heading"))),
        tag("p", page.t("draft_intro"), class_="intro"),
        _form(page, device),
    ]
    return tag("details", *parts, class_="profile-draft", open=is_open)


def _form(page: PageContext, device: UnknownDevice) -> Markup:
    kinds = [(kind, page.t(kind)) for kind in KINDS]
    readings = tag(
        "section",
        tag("h3", page.t("draft_readings")),
        tag("div", class_="draft-readings", aria_live="polite"),
        class_="draft-beside",
    )
    title = tag("input", name="title", required=True, maxlength=100, autocomplete="off")
    parts = [
        select("kind", page.t("draft_kind"), kinds, ""),
        _codec_choice(page),
        tag("div", tag("div", class_="draft-keys"), readings, class_="draft-columns"),
        tag("label", page.t("draft_title"), title),
        tag("ul", class_="faults", role="alert"),
        tag(
            "p",
            tag("button", page.t("draft_save"), type="submit", class_="yes"),
            tag("span", role="status", class_="save-state"),
        ),
    ]
    return tag(
        "form", join(parts), class_="draft-form", data_config=msgspec.json.encode(_config(page, device)).decode()
    )


def _codec_choice(page: PageContext) -> Markup:
    """The codec of the device's frames, shown for messages that have any; a file adds another one."""
    file = tag("input", type="file", name="codec_file", accept=".js")
    parts = [
        select("codec", page.t("draft_codec"), [("", page.t("draft_codec_none"))], ""),
        tag("label", page.t("draft_codec_file"), file),
        tag("p", class_="codec-state", role="alert"),
    ]
    return tag("div", *parts, class_="draft-codec", hidden=True)


def _config(page: PageContext, device: UnknownDevice) -> dict[str, Any]:
    fields = sorted({field for kind in KINDS for field in fields_of(kind)})
    return {
        "unknown_device": device.id,
        "lang": page.lang,
        "kinds": {kind: page.t(kind) for kind in KINDS},
        "fields": {field: page.word(field) for field in fields},
        "symbols": {field: unit_of(field) for field in fields},
        "units": {unit: page.t(f"unit_{unit}") for unit in UNITS},
        "reasons": {reason: page.t(f"draft_reason_{reason}") for reason in REASONS},
        "texts": page.texts(_TEXTS),
    }
