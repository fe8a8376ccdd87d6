"""The page of one's own account: password, passkeys, sessions, tokens."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.access_forms import (
    add_access_script,
    call_button,
    call_form,
    field,
    panel,
    passkey_form,
    passkey_table,
    session_table,
    token_form,
    token_table,
)
from api.console.parts.markup import tag
from api.console.parts.screen import Screen
from people.accounts import Account
from people.passwords import MIN_CHARACTERS
from people.rights import GRANTABLE


def build(page: PageContext, screen: Screen) -> None:
    """Add the page's content."""
    identity, people = page.identity, page.context.people
    if not identity.may("account.own"):
        screen.show(tag("p", page.t("account_none"), class_="warn"))
        return
    add_access_script(page, screen)
    screen.script("passkeys.js")
    account = people.account(identity.id)
    screen.show(tag("p", f"{account.shown_name} ({account.name}): {page.t(f'role_{account.role}')}", class_="intro"))
    password = call_form(
        field(page.t("password_old"), "old", type="password", required=True),
        field(
            page.t("password_new", least=MIN_CHARACTERS),
            "new",
            type="password",
            required=True,
            minlength=MIN_CHARACTERS,
        ),
        call_button(page.t("password_save"), "/api/v1/me/password", with_fields=True),
        class_="access-form",
    )
    screen.show(panel(page.t("password_change"), tag("p", page.t("password_hint")), password))
    screen.show(panel(page.t("passkeys"), *_passkeys(page, account)))
    others = call_form(call_button(page.t("session_end_others"), "/api/v1/me/sessions/end-others"))
    table = session_table(page, people.sessions_of(account.id), identity.session, "/api/v1/me/sessions")
    screen.show(panel(page.t("sessions"), table, others))
    rights = [right for right in GRANTABLE if identity.may(right)]
    screen.show(
        panel(
            page.t("own_tokens"),
            tag("p", page.t("own_tokens_hint")),
            token_table(page, people.tokens(account.id), "/api/v1/me/tokens"),
            token_form(page, rights, "/api/v1/me/tokens"),
        )
    )


def _passkeys(page: PageContext, account: Account) -> Iterator[Markup]:
    passkeys = page.context.people.passkeys.of(account.id)
    is_possible = page.context.relying_party is not None
    yield tag("p", page.t("passkeys_hint" if is_possible else "refused_passkeys_unavailable"))
    if passkeys or is_possible:
        yield passkey_table(page, passkeys, "/api/v1/me/passkeys")
    if is_possible:
        yield passkey_form(page, has_password=account.has_password)
