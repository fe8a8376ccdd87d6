"""Passkeys of a city: adding and removing them, and signing in by them, each with its entry in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection

from city.database.engine import Database
from people import accounts as account_rows
from people import attempts, sessions
from people.accounts import Account
from people.audit import AuditLog, Origin, origin_of
from people.confirmation import confirm_password
from people.errors import PeopleError
from people.passkeys import ceremonies, rows
from people.passkeys.ceremonies import CredentialError
from people.passkeys.relying_party import RelyingParty
from people.passkeys.rows import Passkey
from people.rights import Identity
from people.session_start import SignedIn, start_session

PASSKEYS_MAX: Final = 20
"""Passkeys of one account."""
RECENT: Final = timedelta(minutes=10)
"""Age of a session in which an account without a password adds a passkey."""

_Reason = Literal["challenge", "malformed", "unknown", "disabled", "refused", "sign_count"]
"""`unknown` is a passkey that nobody has, `sign_count` one that seems to be copied, `refused` any other check."""


class _RefusalError(Exception):
    """A sign-in is refused; `account` is empty if it is not known."""

    def __init__(self, reason: _Reason, account: str = "", name: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.account = account
        self.name = name


class Passkeys:
    """Passkeys of one city. Each method is safe to call from several threads.

    Args:
        database: The database.
        audit: Takes the entries.
        clock: UTC.
    """

    def __init__(self, database: Database, audit: AuditLog, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def of(self, account: str) -> Sequence[Passkey]:
        """The passkeys of an account, the newest first."""
        with self._database.read() as connection:
            return rows.list_passkeys(connection, account)

    def begin_registration(
        self, party: RelyingParty | None, identity: Identity, password: str, address: str
    ) -> dict[str, Any]:
        """What a browser needs to make a key. The challenge belongs to the session that asks.

        Args:
            party: The city; None where browsers allow no passkeys.
            identity: Who asks, with a session.
            password: Of the account; not used if it has none, whose session has to be young instead.
            address: From where.

        Raises:
            TooManyAttemptsError: Too many passwords were wrong.
            PeopleError: `passkeys_unavailable`, `password_wrong`, `sign_in_again` or `passkeys_too_many`.
        """
        party = _require(party)
        account = self._confirm(identity, password, address)
        with self._database.begin() as connection:
            known = rows.credentials_of(connection, account.id)
            _check_number(known)
            challenge = rows.begin_challenge(connection, _key_of(identity), self._clock())
        return ceremonies.creation_options(
            party, _handle_of(account.id), account.name, account.shown_name, known, challenge
        )

    def register(
        self, party: RelyingParty | None, identity: Identity, name: str, answer: Mapping[str, Any], address: str
    ) -> Passkey:
        """Add the passkey that a browser has made.

        Raises:
            PeopleError: `passkeys_unavailable`, `name_invalid`, `passkey_invalid`, `passkey_taken` or
                `passkeys_too_many`. The challenge has ended, except after the first two.
        """
        party = _require(party)
        shown = account_rows.check_shown_name(name)[: rows.NAME_MAX]
        with self._database.begin() as connection:
            challenge = rows.take_challenge(connection, _key_of(identity), self._clock())
        if challenge is None:
            raise PeopleError("passkey_invalid")
        try:
            made = ceremonies.check_registration(party, challenge, answer)
        except CredentialError as exc:
            raise PeopleError("passkey_invalid") from exc
        with self._audit.transaction() as connection:
            _check_number(rows.credentials_of(connection, identity.id))
            if rows.find(connection, made.id) is not None:
                raise PeopleError("passkey_taken")
            passkey = rows.add(connection, identity.id, shown, made.id, made.public_key, made.sign_count, self._clock())
            detail = {"passkey": passkey.id, "name": shown}
            self._audit.add(connection, origin_of(identity, address), "passkey.add", identity.id, detail)
        return passkey

    def remove(self, origin: Origin, account: str, id_: int) -> None:
        """Remove a passkey of an account. Open sessions stay.

        Raises:
            PeopleError: `passkey_unknown`, or `last_administrator`: nobody could sign in as one any more.
        """
        with self._audit.transaction() as connection:
            before = account_rows.other_administrators(connection, "")
            name = rows.remove(connection, account, id_)
            if name is None:
                raise PeopleError("passkey_unknown")
            if before and not account_rows.other_administrators(connection, ""):
                raise PeopleError("last_administrator")
            self._audit.add(connection, origin, "passkey.remove", account, {"passkey": id_, "name": name})

    def begin_sign_in(self, party: RelyingParty | None) -> tuple[dict[str, Any], str]:
        """What a browser needs to sign in, and the key that this browser brings back.

        Raises:
            PeopleError: `passkeys_unavailable`.
        """
        party = _require(party)
        key = sessions.make_secret()
        with self._database.begin() as connection:
            challenge = rows.begin_challenge(connection, f"browser {key}", self._clock())
        return ceremonies.request_options(party, challenge), key

    def sign_in(
        self, party: RelyingParty | None, key: str, answer: str, address: str, agent: str, *, replaces: str = ""
    ) -> SignedIn:
        """Begin a session by what a browser has signed. Each challenge is used once.

        Args:
            party: The city; None where browsers allow no passkeys.
            key: What this browser has of `begin_sign_in`.
            answer: JSON (`AuthenticationResponseJSON`).
            address: From where.
            agent: What the browser says of itself.
            replaces: The cookie that the browser had before.

        Raises:
            TooManyAttemptsError: Too many attempts of this address have failed; nothing was checked.
            PeopleError: `passkeys_unavailable`; `passkey_invalid`, whatever the reason is, which the audit has.
        """
        party, now = _require(party), self._clock()
        with self._database.begin() as connection:
            attempts.reserve(connection, None, address, now)
            challenge = rows.take_challenge(connection, f"browser {key}", now)
        with self._audit.transaction() as connection:
            try:
                account = _account_of(connection, party, challenge, answer, now)
            except _RefusalError as exc:
                detail = {"method": "passkey", "reason": exc.reason}
                origin = Origin("unknown", exc.name, address)
                self._audit.add(connection, origin, "sign_in.failed", exc.account or "unknown", detail)
            else:
                attempts.release(connection, None, address)
                return start_session(connection, self._audit, account, "passkey", address, agent, replaces, now)
        raise PeopleError("passkey_invalid")

    def _confirm(self, identity: Identity, password: str, address: str) -> Account:
        """The account of who asks, who is still its person."""
        now = self._clock()
        with self._database.read() as connection:
            account = account_rows.get(connection, identity.id)
            open_sessions = sessions.open_sessions(connection, identity.id, now)
        if account.has_password:
            return confirm_password(self._database, self._audit, account.id, password, address, now)
        if not any(session.id == identity.session and now - session.created_at <= RECENT for session in open_sessions):
            raise PeopleError("sign_in_again")
        return account


def _account_of(
    connection: Connection, party: RelyingParty, challenge: bytes | None, text: str, now: datetime
) -> Account:
    """The account whose passkey has signed the challenge; its use is noted."""
    if challenge is None:
        raise _RefusalError("challenge")
    try:
        answer = ceremonies.parse_answer(text)
    except CredentialError as exc:
        raise _RefusalError("malformed") from exc
    row = rows.find(connection, answer.raw_id)
    if row is None:
        raise _RefusalError("unknown")
    who = (row.account_id, row.account_name)
    try:
        count = ceremonies.check_sign_in(party, challenge, row.public_key, answer)
    except CredentialError as exc:
        raise _RefusalError("refused", *who) from exc
    if answer.response.user_handle != _handle_of(row.account_id):
        raise _RefusalError("refused", *who)
    if row.disabled_at is not None:
        raise _RefusalError("disabled", *who)
    if not rows.note_use(connection, row.id, count, now):
        raise _RefusalError("sign_count", *who)
    return account_rows.get(connection, row.account_id)


def _require(party: RelyingParty | None) -> RelyingParty:
    if party is None:
        raise PeopleError("passkeys_unavailable")
    return party


def _check_number(known: Sequence[bytes]) -> None:
    if len(known) >= PASSKEYS_MAX:
        raise PeopleError("passkeys_too_many")


def _key_of(identity: Identity) -> str:
    if identity.session is None:
        raise PeopleError("session_unknown")
    return f"session {identity.session}"


def _handle_of(account: str) -> bytes:
    """The user handle: random, as the id of an account is, and without personal data."""
    return account.encode()
