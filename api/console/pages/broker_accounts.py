"""The page of accounts at the broker: who has one, new passwords, and accounts of third-party servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.access_forms import add_access_script, call_button, call_form, field, panel
from api.console.parts.forms import pager, select
from api.console.parts.markup import join, table, tag
from api.console.parts.screen import Screen
from api.queries.broker_accounts import BrokerAccount, broker_accounts, has_key
from api.queries.url_filter import read_texts, write_query
from broker.contract.topics import KINDS
from city.errors import ConfigError
from ingest.decoding.formats.registry import filters_by_format

A_PAGE: Final = 50
ACCOUNT_KINDS: Final = (*KINDS, "gateway", "service")


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add the accounts, and the form of a new gateway."""
    if not page.may("broker.write"):
        screen.show(tag("p", page.t("broker_only"), class_="warn"))
        return
    add_access_script(page, screen)
    screen.show(tag("p", page.t("broker_accounts_intro"), class_="intro"))
    can_change = has_key(page.context)
    if not can_change:
        screen.show(tag("p", page.t("broker_no_key"), class_="warn"))
    else:
        screen.show(panel(page.t("gateway_add"), tag("p", page.t("gateway_add_hint")), _gateway_form(page)))
    wanted = read_texts(query, ("kind", "q", "page"))
    screen.show(_filters(page, wanted))
    try:
        accounts = broker_accounts(page.context)
    except ConfigError as exc:
        screen.show(tag("p", str(exc), class_="warn"))
        return
    matching = [account for account in accounts if _matches(account, wanted)]
    screen.show(_list(page, matching, wanted, can_change=can_change))


def _matches(account: BrokerAccount, wanted: dict[str, str]) -> bool:
    return wanted["kind"] in ("", account.kind) and wanted["q"].casefold() in account.user.casefold()


def _filters(page: PageContext, wanted: dict[str, str]) -> Markup:
    kinds = [("", page.t("all")), *((kind, _kind(page, kind)) for kind in ACCOUNT_KINDS)]
    return tag(
        "form",
        select("kind", page.t("kind"), kinds, wanted["kind"]),
        tag("label", page.t("search"), tag("input", type="search", name="q", value=wanted["q"], maxlength=80)),
        tag("button", page.t("show")),
        method="get",
        action="/admin/accounts",
        class_="filters",
    )


def _list(page: PageContext, matching: list[BrokerAccount], wanted: dict[str, str], *, can_change: bool) -> Markup:
    if not matching:
        return tag("p", page.t("nothing"), class_="empty")
    pages = -(-len(matching) // A_PAGE)
    number = min(int(wanted["page"]) if wanted["page"].isdecimal() and len(wanted["page"]) < 6 else 1, pages) or 1  # noqa: PLR2004
    shown = matching[(number - 1) * A_PAGE : number * A_PAGE]
    headings = [page.t(key) for key in ("broker_user", "kind", "broker_password", "admin_actions")]
    rows = [_row(page, account, can_change=can_change) for account in shown]
    listed = table(headings, rows, narrow="lines", keys=[account.user for account in shown])
    more = pager(page, lambda n: f"/admin/accounts?{write_query(wanted, n)}", number, pages) if pages > 1 else None
    return join([listed, more])


def _row(page: PageContext, account: BrokerAccount, *, can_change: bool) -> list[object]:
    kind = join([_kind(page, account.kind), *(f" {name}" for name in account.formats)])
    return [
        tag("code", account.user),
        kind,
        _state(page, account),
        _actions(page, account) if can_change else "-",
    ]


def _state(page: PageContext, account: BrokerAccount) -> Markup:
    parts: list[object] = [page.t(f"broker_is_{account.state}")]
    if account.changed_at:
        parts += [tag("br"), page.time(account.changed_at)]
    if account.old_valid_until:
        parts += [tag("br"), page.t("broker_old_until", at=page.time(account.old_valid_until))]
    return join(parts)


def _actions(page: PageContext, account: BrokerAccount) -> Markup:
    if account.kind == "gateway":
        to, sure = f"/api/v1/broker/gateways/{account.user}", page.t("gateway_revoke_sure", name=account.user)
        return call_form(call_button(page.t("broker_revoke"), to, method="DELETE", sure=sure))
    if account.by_service:
        return tag("span", page.t("broker_by_service"))
    path, name = f"/api/v1/broker/accounts/{account.user}", account.user
    hours = tag(
        "label",
        page.t("broker_overlap"),
        tag("input", name="overlap_h", type="number", min=0, max=8760, value=24, required=True),
    )
    renew = call_button(
        page.t("broker_renew"), f"{path}/password", sure=page.t("broker_renew_sure", name=name), with_fields=True
    )
    revoke = call_form(
        call_button(page.t("broker_revoke"), f"{path}/revoke", sure=page.t("broker_revoke_sure", name=name))
    )
    return tag("details", tag("summary", page.t("broker_change")), call_form(hours, renew), revoke)


def _gateway_form(page: PageContext) -> Markup:
    boxes = [
        tag("label", tag("input", type="checkbox", name="formats", value=name), name, class_="box")
        for name in sorted(filters_by_format())
    ]
    return call_form(
        field(page.t("gateway_name"), "name", required=True, maxlength=64, autocapitalize="none"),
        tag("fieldset", tag("legend", page.t("gateway_formats")), *boxes),
        call_button(page.t("gateway_add"), "/api/v1/broker/gateways", with_fields=True),
        class_="access-form",
    )


def _kind(page: PageContext, kind: str) -> str:
    return page.t(kind) if kind in KINDS else page.t(f"broker_{kind}")
