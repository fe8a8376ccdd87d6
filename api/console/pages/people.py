"""The page of accounts and of the tokens of services."""

from __future__ import annotations

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.access_forms import (
    add_access_script,
    call_button,
    call_form,
    field,
    panel,
    passkey_table,
    session_table,
    token_form,
    token_table,
)
from api.console.parts.forms import select
from api.console.parts.markup import join, table, tag
from api.console.parts.screen import Screen
from people.accounts import Account
from people.rights import GRANTABLE, ROLES


def build(page: PageContext, screen: Screen) -> None:
    """Add the page's content."""
    people = page.context.people
    if not page.may("people.write"):
        screen.show(tag("p", page.t("people_administrators_only"), class_="warn"))
        return
    add_access_script(page, screen)
    screen.show(tag("p", page.t("people_intro"), class_="intro"))
    headings = [page.t(key) for key in ("person", "role_and_areas", "account_state", "account_actions")]
    rows = [_row(page, account) for account in people.accounts()]
    screen.show(panel(page.t("accounts"), table(headings, rows, narrow="lines")))
    screen.show(panel(page.t("account_add"), tag("p", page.t("account_add_hint")), _add_form(page)))
    services = [token for token in people.tokens() if token.account is None]
    screen.show(
        panel(
            page.t("service_tokens"),
            tag("p", page.t("service_tokens_hint")),
            token_table(page, services, "/api/v1/tokens"),
            token_form(page, GRANTABLE, "/api/v1/tokens"),
        )
    )


def _row(page: PageContext, account: Account) -> list[object]:
    path = f"/api/v1/accounts/{account.id}"
    state = "account_disabled" if account.disabled_at else "account_active" if account.has_password else "account_new"
    change = call_form(
        select("role", page.t("role"), _roles(page), account.role),
        _areas(page, account.areas),
        call_button(page.t("account_save"), path, method="PUT", with_fields=True),
        class_="access-form",
    )
    actions = [call_form(call_button(page.t("account_link"), f"{path}/link", sure=page.t("account_link_sure")))]
    if account.disabled_at:
        actions.append(call_form(call_button(page.t("account_enable"), f"{path}/enable")))
    else:
        sure = page.t("account_disable_sure", name=account.name)
        actions.append(call_form(call_button(page.t("account_disable"), f"{path}/disable", sure=sure)))
    return [
        join([tag("b", account.shown_name), tag("br"), account.name]),
        change,
        page.t(state),
        join([*actions, _sessions(page, account), _passkeys(page, account)]),
    ]


def _sessions(page: PageContext, account: Account) -> Markup:
    sessions = page.context.people.sessions_of(account.id)
    if not sessions:
        return Markup()
    path = f"/api/v1/accounts/{account.id}/sessions"
    words = page.plural("sessions_open", len(sessions))
    end_all = call_form(call_button(page.t("session_end_all"), f"{path}/end-all"))
    return tag("details", tag("summary", words), session_table(page, sessions, page.identity.session, path), end_all)


def _passkeys(page: PageContext, account: Account) -> Markup:
    passkeys = page.context.people.passkeys.of(account.id)
    if not passkeys:
        return Markup()
    words = page.plural("passkeys_of_account", len(passkeys))
    return tag(
        "details", tag("summary", words), passkey_table(page, passkeys, f"/api/v1/accounts/{account.id}/passkeys")
    )


def _add_form(page: PageContext) -> Markup:
    return call_form(
        field(page.t("login_name"), "name", required=True, maxlength=64, autocapitalize="none"),
        field(page.t("shown_name"), "shown_name", maxlength=120),
        select("role", page.t("role"), _roles(page), "viewer"),
        _areas(page, ()),
        call_button(page.t("account_add"), "/api/v1/accounts", with_fields=True),
        class_="access-form",
    )


def _areas(page: PageContext, areas: tuple[str, ...]) -> Markup:
    box = tag("textarea", "\n".join(areas), name="areas", rows=2, data_lines=True, placeholder="kelurahan:Oesapa")
    return tag("label", page.t("areas"), box)


def _roles(page: PageContext) -> list[tuple[str, str]]:
    return [(role, page.t(f"role_{role}")) for role in ROLES]
