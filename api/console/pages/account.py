"""The page of one's own account: password, sessions, tokens."""

from __future__ import annotations

from api.console.page_context import PageContext
from api.console.parts.access_forms import (
    add_access_script,
    call_button,
    call_form,
    field,
    panel,
    session_table,
    token_form,
    token_table,
)
from api.console.parts.layout import show
from api.console.parts.markup import tag
from people.passwords import MIN_CHARACTERS
from people.rights import GRANTABLE


def build(page: PageContext) -> None:
    """Add the page's content."""
    identity, people = page.identity, page.context.people
    if not identity.may("account.own"):
        show(tag("p", page.t("account_none"), class_="warn"))
        return
    add_access_script(page)
    account = people.account(identity.id)
    show(tag("p", f"{account.shown_name} ({account.name}): {page.t(f'role_{account.role}')}", class_="intro"))
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
    show(panel(page.t("password_change"), tag("p", page.t("password_hint")), password))
    others = call_form(call_button(page.t("session_end_others"), "/api/v1/me/sessions/end-others"))
    table = session_table(page, people.sessions_of(account.id), identity.session, "/api/v1/me/sessions")
    show(panel(page.t("sessions"), table, others))
    rights = [right for right in GRANTABLE if identity.may(right)]
    show(
        panel(
            page.t("own_tokens"),
            tag("p", page.t("own_tokens_hint")),
            token_table(page, people.tokens(account.id), "/api/v1/me/tokens"),
            token_form(page, rights, "/api/v1/me/tokens"),
        )
    )
