"""Tables of accounts, sessions, tokens, invitations, attempts, sign-ins at a provider, passkeys, and the audit."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    event,
)

from city.database.schema import UtcDateTime, metadata

accounts = Table(
    "account",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("shown_name", String(120), nullable=False),
    Column("role", String(32), nullable=False),
    Column("areas", JSON, nullable=False),
    Column("password_hash", Text),
    Column("password_changed_at", UtcDateTime),
    Column("issuer", String(255)),
    Column("subject", String(255)),
    Column("provider_seen_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    Index("ix_account_provider", "issuer", "subject", unique=True),
)
"""Persons. `issuer` and `subject` name the person at an OpenID provider, `provider_seen_at` its last answer."""

sessions = Table(
    "session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("account_id", String(32), ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("method", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end_reason", String(32)),
)
"""Sessions of the console. `digest` is the SHA-256 of the cookie, which nothing keeps."""

tokens = Table(
    "token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("account_id", String(32), ForeignKey(accounts.c.id), index=True),
    Column("rights", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)
"""Tokens for the API: a person's, or without an account a service's. `digest` is the SHA-256 of the token."""

invitations = Table(
    "invitation",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account_id", String(32), ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)
"""Links that set a password once."""

attempts = Table(
    "sign_in_attempt",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("blocked_until", UtcDateTime, nullable=False),
)
"""Failed sign-ins by account and by address."""

openid_attempts = Table(
    "openid_attempt",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("attempt", JSON, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""Sign-ins at the OpenID provider that have begun, by the SHA-256 of the browser's key."""

known_browsers = Table(
    "known_browser",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account_id", String(32), ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
)
"""Browsers whose person has signed in by the provider; they count while it is away."""

passkeys = Table(
    "passkey",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String(32), ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    sqlite_autoincrement=True,  # the audit names passkeys: no number comes twice
)
"""Passkeys of persons. `public_key` is in COSE; `sign_count` is what the authenticator said last."""

passkey_challenges = Table(
    "passkey_challenge",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("challenge", LargeBinary, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""What authenticators have to sign, by the SHA-256 of the browser's key or of the session that asks."""

audit = Table(
    "audit",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("line", Text, nullable=False),
    Column("actor", String(64), nullable=False, index=True),
    Column("action", String(64), nullable=False, index=True),
    Column("object", String(160), nullable=False, index=True),
)
"""The audit: `line` is the signed entry; the other columns repeat parts of it for searching."""

_REFUSAL: Final = "the audit is append-only"
_ABORT: Final = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
_FUNCTION: Final = f"""
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$
"""
_TRIGGER: Final = """
CREATE TRIGGER audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""
APPEND_ONLY: Final = {
    "sqlite": (
        f"CREATE TRIGGER audit_update BEFORE UPDATE ON audit {_ABORT}",
        f"CREATE TRIGGER audit_delete BEFORE DELETE ON audit {_ABORT}",
    ),
    "postgresql": (_FUNCTION, _TRIGGER),
}
"""Statements that make the audit refuse changes, by database."""
for _dialect, _statements in APPEND_ONLY.items():
    for _statement in _statements:
        event.listen(audit, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
