"""The form of one entry of the city's files; `admin.js` checks it while it is filled in, and sends it to the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import tag
from api.queries.city_editing import DEVICE_TABLES, DRAWN
from city.inventory.collection import VehicleClass
from city.inventory.editing.entries import FIELDS_OF, EntryTable
from city.inventory.model import BinColor, City, SiteKind, WasteKind
from city.inventory.windows import DAY_NAMES
from dispatch.alarms.rules import PRIORITIES, AlarmRule
from people.rights import ROLES

Choice = tuple[str, str]
ROWS_FREE: Final = 2
"""Empty rows for further exceptions."""
_SECONDS: Final = ("delay_on_s", "delay_off_s", "remind_after_s", "escalate_after_s")
RULE_FIELDS: Final = (*_SECONDS, "priority", "enabled", "acknowledge", "notify", "reminders", "escalate_to")


def entry_form(
    page: PageContext,
    table: EntryTable,
    id_: str,
    fields: Mapping[str, Any],
    version: str,
    *,
    shipped: AlarmRule | None = None,
) -> Markup:
    """The form of an entry; of a new one if it has no id.

    Args:
        page: The page.
        table: What it is.
        id_: Its id; empty for a new one.
        fields: Its present fields.
        version: Version of its file.
        shipped: The shipped rule of an alarm, from which only differences are kept.
    """
    if table == "hours":
        inputs = _hours_inputs(page, fields)
    elif shipped is not None:
        inputs = _rule_inputs(page, fields, shipped)
    else:
        inputs = [_column(page, table, name, fields) for name in FIELDS_OF[table] if name != "id"]
    kept = {name: value for name, value in fields.items() if name not in (*_form_fields(table), *DRAWN, "id")}
    id_field = None if id_ else _text(page, "id", "", required=True, maxlength=64, autocapitalize="none")
    group = "devices" if table in DEVICE_TABLES else "city"
    return tag(
        "form",
        id_field,
        *inputs,
        tag("div", class_="check", aria_live="polite"),
        tag("p", tag("button", page.t("save"), type="submit"), _remove_button(page, table, id_, fields, shipped)),
        class_="entry access-form",
        data_to=f"/api/v1/inventory/{group}/{table}/{id_}",
        data_version=version,
        data_new="" if not id_ or (shipped is not None and not fields) else None,
        data_kept=msgspec.json.encode(kept).decode(),
    )


def _form_fields(table: EntryTable) -> tuple[str, ...]:
    """The fields that the form of a table has."""
    if table == "hours":
        return "name", "every_day", "exceptions", *DAY_NAMES
    return FIELDS_OF[table] if table != "alarm" else RULE_FIELDS


def _remove_button(
    page: PageContext, table: EntryTable, id_: str, fields: Mapping[str, Any], shipped: AlarmRule | None
) -> Markup:
    if not id_ or (table == "hours" and id_ == "default") or (shipped is not None and not fields):
        return Markup()
    key = "admin_retire" if table in DEVICE_TABLES else "admin_reset" if shipped else "admin_remove"
    sure = page.t(f"{key}_sure", id=id_)
    return tag("button", page.t(key), type="button", class_="quiet", data_remove=True, data_sure=sure)


def _column(page: PageContext, table: EntryTable, name: str, fields: Mapping[str, Any]) -> Markup:
    """The input of one column."""
    value = fields.get(name, "")
    text = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    if choices := _choices(page, table, name):
        known = [*choices, *([(text, text)] if text not in dict(choices) else [])]
        return _select(page, name, known, text)
    mode = "decimal" if name.endswith(("_deg", "_s", "_kg", "_days")) else None
    return _text(page, name, text, inputmode=mode)


def _choices(page: PageContext, table: EntryTable, name: str) -> list[Choice]:
    """What a column may have; nothing for free text."""
    city = page.context.city
    if name == "model" and table == "bin":
        return [(model.id, f"{model.id} ({page.number(model.capacity_l)} l)") for model in city.models.values()]
    if name == "profile":
        kinds = (profile for profile in city.profiles.values() if profile.kind == table)
        return [("", "-"), *sorted((profile.id, profile.name or profile.id) for profile in kinds)]
    if name == "kind":
        return [(kind, page.t(f"site_kind_{kind}")) for kind in get_args(SiteKind)]
    words = {"color": BinColor, "waste_kind": WasteKind}.get(name)
    if words is not None:
        return [(word, page.t(word)) for word in get_args(words)]
    if name in ("access", "vehicle_class"):
        return [("", "-"), *((word, page.t(f"vehicle_{word}")) for word in get_args(VehicleClass))]
    return (
        [("", "-"), ("true", page.t("yes")), ("false", page.t("no"))] if name == "clear_copies" else _places(city, name)
    )


def _places(city: City, name: str) -> list[Choice]:
    if name == "kelurahan":
        return [("", "-"), *sorted(((place.id, place.name) for place in city.kelurahan.values()), key=_label)]
    if name == "site":
        return [("", "-"), *sorted(((site.id, site.name) for site in city.sites.values()), key=_label)]
    if name in ("depot", "end_depot"):
        depots = sorted(((site.id, site.name) for site in city.sites.values() if site.kind == "depot"), key=_label)
        return depots if name == "depot" else [("", "-"), *depots]
    if name == "hours":
        return [("", "-"), *((hours.id, hours.name) for hours in city.hours.values())]
    return []


def _label(choice: Choice) -> str:
    return choice[1].casefold()


def _hours_inputs(page: PageContext, fields: Mapping[str, Any]) -> list[Markup]:
    days = zip(("every_day", *DAY_NAMES), (page.t("admin_field_every_day"), *page.t("day_names").split()), strict=True)
    windows = [_windows(name, label, fields.get(name)) for name, label in days]
    exceptions = list(fields.get("exceptions", {}).items()) + [("", None)] * ROWS_FREE
    rows = [
        tag(
            "p",
            tag("input", type="date", value=day, data_date=True, aria_label=page.t("admin_field_date")),
            tag("input", value=_as_text(value), data_windows=True, aria_label=page.t("admin_field_windows")),
            class_="exception",
        )
        for day, value in exceptions
    ]
    legend, hint = tag("legend", page.t("admin_field_exceptions")), tag("p", page.t("admin_exceptions_hint"))
    return [
        _text(page, "name", str(fields.get("name", "")), required=True),
        tag("p", page.t("admin_windows_hint"), class_="intro"),
        *windows,
        tag("fieldset", legend, hint, *rows, data_field="exceptions", data_type="exceptions"),
    ]


def _windows(name: str, label: str, value: object) -> Markup:
    given = tag("input", name=name, value=_as_text(value), autocomplete="off", data_field=name, data_type="windows")
    return tag("label", tag("span", label, " ", tag("code", name)), given, tag("span", class_="fault", hidden=True))


def _as_text(value: object) -> str:
    """Windows as people write them: `17:00-05:00, 12:00-13:00`, `all_day`, `-` for none."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "" if value is None else str(value)


def _rule_inputs(page: PageContext, fields: Mapping[str, Any], shipped: AlarmRule) -> list[Markup]:
    """The inputs of a rule; each says what is shipped, and only what differs is kept."""

    def value_of(name: str) -> Any:  # noqa: ANN401 - of any field
        return fields.get(name, getattr(shipped, name))

    yes_no = [("true", page.t("yes")), ("false", page.t("no"))]
    roles = [(role, page.t(f"role_{role}")) for role in ROLES]
    numbers = [
        _text(page, name, f"{value_of(name):g}", type_="number", of="number", default=getattr(shipped, name), min=0)
        for name in (*_SECONDS, "reminders")
    ]
    priorities = [(word, page.t(f"priority_{word}")) for word in PRIORITIES]
    told = [
        tag(
            "label",
            tag("input", type="checkbox", value=role, checked=role in value_of("notify")),
            label,
            class_="box",
        )
        for role, label in roles
    ]
    notify = tag(
        "fieldset",
        tag("legend", page.t("admin_field_notify")),
        *told,
        data_field="notify",
        data_type="list",
        data_default=_json(list(shipped.notify)),
    )
    return [
        _select(page, "enabled", yes_no, _word(value_of("enabled")), of="bool", default=shipped.enabled),
        _select(page, "priority", priorities, value_of("priority"), default=shipped.priority),
        _select(page, "acknowledge", yes_no, _word(value_of("acknowledge")), of="bool", default=shipped.acknowledge),
        *numbers,
        notify,
        _select(page, "escalate_to", roles, value_of("escalate_to") or "supervisor", default=shipped.escalate_to),
    ]


def _word(value: bool) -> str:  # noqa: FBT001 - what is written
    return "true" if value else "false"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text(
    page: PageContext,
    name: str,
    value: str,
    *,
    type_: str = "text",
    of: str = "text",
    default: object = None,
    **attributes: object,
) -> Markup:
    given = tag(
        "input",
        name=name,
        value=value,
        type=type_,
        autocomplete="off",
        data_field=name,
        data_type=of,
        data_default=None if default is None else _json(default),
        **attributes,
    )
    return tag("label", _name(page, name), given, tag("span", class_="fault", hidden=True))


def _select(
    page: PageContext, name: str, choices: Sequence[Choice], chosen: str, *, of: str = "text", default: object = None
) -> Markup:
    options = [tag("option", words, value=value, selected=value == chosen) for value, words in choices]
    given = tag(
        "select",
        *options,
        name=name,
        data_field=name,
        data_type=of,
        data_default=None if default is None else _json(default),
    )
    return tag("label", _name(page, name), given, tag("span", class_="fault", hidden=True))


def _name(page: PageContext, name: str) -> Markup:
    """A field's name in words, and as the file has it."""
    return tag("span", page.t(f"admin_field_{name}"), " ", tag("code", name))
