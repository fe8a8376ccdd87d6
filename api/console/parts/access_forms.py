"""Forms and tables of accounts, sessions and tokens; `access.js` sends them to the API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, table, tag
from api.console.parts.screen import Screen
from people.errors import REFUSALS
from people.passkeys.rows import NAME_MAX, Passkey
from people.rights import Right
from people.sessions import Session
from people.tokens import DAYS_MAX, Token

DAYS: Final = 90
"""Lifetime that the form of a new token proposes."""


def add_access_script(page: PageContext, screen: Screen) -> None:
    """Add the script, and its texts, to the page."""
    screen.script("access.js")
    keys = [
        "not_done",
        "shown_once",
        "passkey_not_made",
        "passkey_old_browser",
        *(f"refused_{reason}" for reason in REFUSALS),
    ]
    screen.show(tag("span", hidden=True, data_access_texts=json.dumps(page.texts(keys))), "texts")


def call_form(*fields: object, class_: str = "") -> Markup:
    """A form of which each button is a call."""
    failure = tag("p", class_="warn failure", role="alert", hidden=True)
    return tag("form", *fields, tag("output", hidden=True), failure, class_=f"call {class_}".strip())


def call_button(words: str, to: str, *, method: str = "POST", sure: str = "", with_fields: bool = False) -> Markup:
    """A button of a form; `sure` is asked before, and `with_fields` sends the form's fields."""
    empty = None if with_fields else ""
    return tag("button", words, type="submit", data_to=to, data_method=method, data_sure=sure or None, data_empty=empty)


def field(label: str, name: str, **attributes: object) -> Markup:
    """A labelled input."""
    return tag("label", label, tag("input", name=name, autocomplete="off", **attributes))


def session_table(page: PageContext, sessions: Sequence[Session], current: int | None, path: str) -> Markup:
    """Open sessions, each with a button that ends it; `path`: of the API's sessions."""
    headings = [page.t(key) for key in ("session_since", "session_seen", "session_from", "session_with", "session_end")]
    rows = [
        [
            page.time(session.created_at),
            page.time(session.seen_at),
            session.address,
            session.agent[:80] or "-",
            page.t("session_this")
            if session.id == current
            else call_form(call_button(page.t("session_end"), f"{path}/{session.id}", method="DELETE")),
        ]
        for session in sessions
    ]
    return table(headings, rows) if rows else tag("p", page.t("none"), class_="empty")


def token_table(page: PageContext, tokens: Iterable[Token], path: str) -> Markup:
    """Tokens, each in force with a button that revokes it."""
    headings = [page.t(key) for key in ("token_name", "token_rights", "token_used", "token_expires", "token_state")]
    rows = [
        [
            f"{token.id}: {token.name}",
            ", ".join(page.t(right_key(right)) for right in sorted(token.rights)),
            page.time(token.used_at) if token.used_at else page.t("never"),
            page.time(token.expires_at),
            page.t("token_revoked")
            if token.revoked_at
            else call_form(
                call_button(
                    page.t("token_revoke"), f"{path}/{token.id}", method="DELETE", sure=page.t("token_revoke_sure")
                )
            ),
        ]
        for token in tokens
    ]
    return table(headings, rows) if rows else tag("p", page.t("none"), class_="empty")


def token_form(page: PageContext, rights: Iterable[Right], path: str) -> Markup:
    """The form that makes a token with some of the rights."""
    boxes = [
        tag(
            "label",
            tag("input", type="checkbox", name="rights", value=right, checked=right == "telemetry.read"),
            page.t(right_key(right)),
            class_="box",
        )
        for right in rights
    ]
    return call_form(
        field(page.t("token_name"), "name", required=True, maxlength=64),
        tag("fieldset", tag("legend", page.t("token_rights")), *boxes),
        field(page.t("token_days"), "days", type="number", value=DAYS, min=1, max=DAYS_MAX, required=True),
        call_button(page.t("token_make"), path, with_fields=True),
        class_="access-form",
    )


def passkey_table(page: PageContext, passkeys: Iterable[Passkey], path: str) -> Markup:
    """Passkeys, each with a button that removes it; `path`: of the API's passkeys."""
    headings = [page.t(key) for key in ("token_name", "passkey_added", "passkey_used", "passkey_remove")]
    rows = [
        [
            passkey.name,
            page.time(passkey.created_at),
            page.time(passkey.used_at) if passkey.used_at else page.t("never"),
            call_form(
                call_button(
                    page.t("passkey_remove"),
                    f"{path}/{passkey.id}",
                    method="DELETE",
                    sure=page.t("passkey_remove_sure"),
                )
            ),
        ]
        for passkey in passkeys
    ]
    return table(headings, rows) if rows else tag("p", page.t("none"), class_="empty")


def passkey_form(page: PageContext, *, has_password: bool) -> Markup:
    """The form that adds a passkey of one's own; `passkeys.js` has the browser make it."""
    password = field(page.t("password_old"), "password", type="password", required=True)
    return tag(
        "form",
        field(page.t("passkey_name"), "name", required=True, maxlength=NAME_MAX),
        password if has_password else None,
        tag("button", page.t("passkey_add"), type="submit"),
        tag("p", class_="warn failure", role="alert", hidden=True),
        class_="passkey-add access-form",
    )


def right_key(right: str) -> str:
    """The key of a right's name."""
    return f"right_{right.replace('.', '_')}"


def panel(heading: str, *parts: object) -> Markup:
    """A section with a heading."""
    return tag("section", tag("h2", heading), join(parts), class_="panel")
