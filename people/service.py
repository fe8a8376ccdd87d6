"""People and access: signing in, sessions, tokens and accounts, each change with its entry in the audit.

`People` is what the API, the console and the command line use. Each method is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, delete, select

from city.database.engine import Database
from city.runtime.data_folder import AUDIT_FOLDER, move_old_files
from city.runtime.secrets import Secrets
from city.storage.signatures import Signer
from people import accounts as rows
from people import attempts, sessions, tokens
from people.accounts import Account
from people.audit import Action, AuditEntry, AuditLog, Origin
from people.confirmation import confirm_password
from people.errors import PeopleError
from people.openid_sign_in import OpenIdSignIn, open_sign_in
from people.passwords import hash_password, is_password
from people.rights import Identity, check_grantable, parse_rights, rights_of_role
from people.session_start import SignedIn, start_session
from people.tables import known_browsers
from people.tables import sessions as session_table
from people.tables import tokens as token_table

if TYPE_CHECKING:
    from people.passkeys.service import Passkeys

FIRST_NAME: Final = "administrator"
"""Name of the account that a fresh city begins with."""


class People:
    """Accounts of one city.

    Args:
        database: The database.
        signer: Signs the audit.
        folder: Folder of what the audit keeps outside of the database.
        clock: UTC.
    """

    def __init__(
        self,
        database: Database,
        signer: Signer,
        folder: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._clock = clock
        self.audit = AuditLog(database, signer, clock, folder)

    @property
    def database(self) -> Database:
        """The database, for what else is kept in it."""
        return self._database

    def open(self) -> None:
        """Open the database now.

        Raises:
            ConfigError: The address is wrong, or the database damaged or of a later version.
            RetryLaterError: The database does not answer, or the disk refuses.
        """
        self._database.open()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    # Who asks

    def by_session(self, cookie: str) -> Identity | None:
        """Whose session a cookie is; None if it has ended or never was."""
        now = self._clock()
        with self._database.read() as connection:
            row = sessions.find(connection, cookie, now)
        if row is None:
            return None
        if now - row.seen_at > sessions.SEEN_EVERY:
            with self._database.begin() as connection:
                sessions.touch(connection, row.id, now)
        return Identity(
            "person", row.account_id, row.name, rights_of_role(row.role), session=row.id, areas=tuple(row.areas)
        )

    def by_token(self, token: str) -> Identity | None:
        """Whose token it is; None if it is none, was revoked or has expired.

        A person's token never has more rights than the person has now.
        """
        now = self._clock()
        if not token.startswith(tokens.PREFIX):
            return None
        with self._database.read() as connection:
            row = tokens.find(connection, token, now)
        if row is None:
            return None
        if row.used_at is None or now - row.used_at > sessions.SEEN_EVERY:
            with self._database.begin() as connection:
                tokens.touch(connection, row.id, now)
        rights = parse_rights(row.rights)
        if row.account_id is None:
            return Identity("service", f"token-{row.id}", row.name, rights, token=row.id)
        rights, areas = rights & rights_of_role(row.role), tuple(row.areas)
        return Identity("person", row.account_id, row.account_name, rights, token=row.id, areas=areas)

    def expiry_of(self, identity: Identity) -> datetime | None:
        """When the session or token expires by which somebody asks; None if they ask by neither, as in a demo."""
        if identity.session is not None:
            query = select(session_table.c.expires_at).where(session_table.c.id == identity.session)
        else:
            query = select(token_table.c.expires_at).where(token_table.c.id == identity.token)
        with self._database.read() as connection:
            expires_at: datetime | None = connection.execute(query).scalar_one_or_none()
        return expires_at

    # Signing in and out

    def sign_in(self, name: str, password: str, address: str, agent: str, *, replaces: str = "") -> SignedIn:
        """Begin a session with name and password; `replaces` is the cookie that the browser had before.

        Raises:
            TooManyAttemptsError: Too many attempts have failed; nothing was checked.
            PeopleError: `password_wrong`, whatever the reason is.
        """
        now = self._clock()
        with self._database.begin() as connection:
            attempts.reserve(connection, name, address, now)
            row = rows.find_by_name(connection, name)
        may = is_password(row.password_hash if row is not None else None, password)
        with self.audit.transaction() as connection:
            if row is None or not may or row.disabled_at is not None:
                known = row.name if row is not None else ""
                self._add(connection, Origin("unknown", known, address), "sign_in.failed", _object_of(row))
                refused = True
            else:
                refused = False
                attempts.release(connection, name, address)
                signed_in = self._begin(connection, rows.account_of(row), "password", address, agent, replaces)
        if refused:
            raise PeopleError("password_wrong")
        return signed_in

    def sign_out(self, identity: Identity, address: str) -> None:
        """End the session by which somebody asks."""
        if identity.session is not None:
            with self.audit.transaction() as connection:
                self._end(connection, session_table.c.id == identity.session, "signed_out")
                self._add(connection, Origin(identity.id, identity.name, address), "sign_out", identity.id)

    def account_of_link(self, key: str) -> Account | None:
        """The account for which a link sets a password; None if the link is not in force."""
        with self._database.read() as connection:
            return rows.account_of_link(connection, key, self._clock())

    def accept_link(self, key: str, password: str, address: str, agent: str) -> SignedIn:
        """Set the password of a link's account, end its other sessions, and begin one.

        Raises:
            PeopleError: `link_invalid`, or the password is refused.
        """
        account = self.account_of_link(key)
        if account is None:
            raise PeopleError("link_invalid")
        hashed = hash_password(password, name=account.name)
        with self.audit.transaction() as connection:
            if not rows.use_link(connection, key, self._clock()):
                raise PeopleError("link_invalid")
            self._set_password(connection, account, hashed, Origin(account.id, account.name, address), "link")
            return self._begin(connection, account, "link", address, agent, "")

    def change_password(self, identity: Identity, old: str, new: str, address: str) -> int:
        """Change one's own password; all other sessions of the account end. Returns how many.

        Raises:
            TooManyAttemptsError, PeopleError: `password_wrong`, or the new one is refused.
        """
        account = confirm_password(self._database, self.audit, identity.id, old, address, self._clock())
        hashed = hash_password(new, name=account.name)
        with self.audit.transaction() as connection:
            origin = Origin(account.id, account.name, address)
            return self._set_password(connection, account, hashed, origin, "password", keep=identity.session)

    def enter(self, account: Account, method: sessions.Method, address: str, agent: str, replaces: str) -> SignedIn:
        """Begin a session of who has signed in by a provider."""
        with self.audit.transaction() as connection:
            return self._begin(connection, account, method, address, agent, replaces)

    def open_id(self, folder: Path) -> OpenIdSignIn | None:
        """The sign-in at the provider that a folder's `openid.toml` names; None without that file.

        Raises:
            ConfigError: Its settings are wrong.
        """
        return open_sign_in(folder, self._database, self.audit, self._clock)

    @cached_property
    def passkeys(self) -> Passkeys:
        """The passkeys of all accounts."""
        from people.passkeys.service import Passkeys  # noqa: PLC0415 - 8 MB, for who uses passkeys

        return Passkeys(self._database, self.audit, self._clock)

    # Sessions and tokens

    def sessions_of(self, account: str) -> Sequence[sessions.Session]:
        """Open sessions of an account, the newest first."""
        with self._database.read() as connection:
            return sessions.open_sessions(connection, account, self._clock())

    def end_session(self, origin: Origin, account: str, id_: int) -> None:
        """End one session of an account.

        Raises:
            PeopleError: `session_unknown`.
        """
        with self.audit.transaction() as connection:
            mine = (session_table.c.id == id_) & (session_table.c.account_id == account)
            if not self._end(connection, mine, "ended"):
                raise PeopleError("session_unknown")
            self._add(connection, origin, "session.end", account, session=id_)

    def end_sessions(self, origin: Origin, account: str, *, keep: int | None = None) -> int:
        """End all sessions of an account, but one if given; returns how many."""
        with self.audit.transaction() as connection:
            count = self._end(connection, _all_but(account, keep), "ended")
            connection.execute(delete(known_browsers).where(known_browsers.c.account_id == account))
            self._add(connection, origin, "session.end_all", account, count=count)
        return count

    def make_token(
        self, origin: Origin, name: str, rights: Collection[str], lasts: timedelta, *, account: Identity | None = None
    ) -> tuple[int, str]:
        """Make a token of a service, or of a person with `account`; returns its number and the token.

        Raises:
            PeopleError: `name_invalid`, or `rights_missing`: no right, an unknown one, or one that the person lacks.
        """
        granted = check_grantable(rights)
        if account is not None and not granted <= account.rights:
            raise PeopleError("rights_missing")
        lasts = min(lasts, timedelta(days=tokens.DAYS_MAX))
        with self.audit.transaction() as connection:
            id_, token = tokens.make(
                connection,
                rows.check_shown_name(name)[:64],
                granted,
                lasts,
                account=account.id if account else None,
                created_by=origin.name[:64],
                now=self._clock(),
            )
            self._add(connection, origin, "token.make", f"token-{id_}", name=name[:64], rights=sorted(granted))
        return id_, token

    def revoke_token(self, origin: Origin, id_: int, *, account: str | None = None) -> None:
        """Revoke a token, of an account if given.

        Raises:
            PeopleError: `token_unknown`.
        """
        with self.audit.transaction() as connection:
            mine = [token.id for token in tokens.list_tokens(connection, account)]
            if id_ not in mine or not tokens.revoke(connection, id_, self._clock()):
                raise PeopleError("token_unknown")
            self._add(connection, origin, "token.revoke", f"token-{id_}")

    def tokens(self, account: str | None = None) -> Sequence[tokens.Token]:
        """All tokens, or those of an account."""
        with self._database.read() as connection:
            return tokens.list_tokens(connection, account)

    # Accounts

    def accounts(self) -> list[Account]:
        """All accounts by name."""
        with self._database.read() as connection:
            return rows.list_accounts(connection)

    def account(self, id_: str) -> Account:
        """An account.

        Raises:
            PeopleError: `account_unknown`.
        """
        with self._database.read() as connection:
            return rows.get(connection, id_)

    def find(self, name: str) -> Account:
        """The account of a name.

        Raises:
            PeopleError: `account_unknown`.
        """
        with self._database.read() as connection:
            row = rows.find_by_name(connection, name)
        if row is None:
            raise PeopleError("account_unknown")
        return rows.account_of(row)

    def add(
        self, origin: Origin, name: str, shown_name: str, role: str, areas: Sequence[str] = ()
    ) -> tuple[Account, str]:
        """Add an account; returns it and the key of the link that sets its password.

        Raises:
            PeopleError: Name, role or areas are refused.
        """
        with self.audit.transaction() as connection:
            account = rows.add(connection, name, shown_name, role, areas, self._clock())
            self._add(connection, origin, "account.add", account.id, name=account.name, role=role, areas=list(areas))
            return account, rows.invite(connection, account.id, self._clock())

    def change(self, origin: Origin, id_: str, *, role: str, areas: Sequence[str], shown_name: str = "") -> Account:
        """Change role and areas of an account.

        Raises:
            PeopleError: As for `add`, or `last_administrator`.
        """
        with self.audit.transaction() as connection:
            before = rows.get(connection, id_)
            if before.role == "administrator" and role != "administrator":
                _keep_an_administrator(connection, id_)
            fields = {"role": rows.check_role(role), "areas": rows.check_areas(areas)}
            shown = rows.check_shown_name(shown_name or before.shown_name)
            rows.change(connection, id_, shown_name=shown, **fields)
            self._add(connection, origin, "account.change", id_, was=before.role, **fields)
            return rows.get(connection, id_)

    def disable(self, origin: Origin, id_: str, *, disabled: bool) -> None:
        """Disable an account, which ends its sessions, or enable it again.

        Raises:
            PeopleError: `last_administrator`.
        """
        with self.audit.transaction() as connection:
            account = rows.get(connection, id_)
            if disabled:
                if account.role == "administrator":
                    _keep_an_administrator(connection, id_)
                self._end(connection, session_table.c.account_id == id_, "disabled")
                connection.execute(delete(known_browsers).where(known_browsers.c.account_id == id_))
            rows.change(connection, id_, disabled_at=self._clock() if disabled else None)
            self._add(connection, origin, "account.disable" if disabled else "account.enable", id_)

    def invite(self, origin: Origin, id_: str) -> str:
        """Make a link that sets an account's password once; returns its key."""
        with self.audit.transaction() as connection:
            account = rows.get(connection, id_)
            self._add(connection, origin, "account.link", account.id)
            return rows.invite(connection, account.id, self._clock())

    def first_link(self) -> str:
        """The key of a link for the first administrator; empty if somebody has signed in as one before.

        A new link ends the earlier one.
        """
        with self._database.read() as connection:
            if rows.other_administrators(connection, ""):
                return ""
            row = rows.find_by_name(connection, FIRST_NAME)
        origin = Origin("console", "console")
        if row is None:
            return self.add(origin, FIRST_NAME, "", "administrator")[1]
        return self.invite(origin, row.id)

    # Parts

    def _add(
        self, connection: Connection, origin: Origin, action: Action, object_: str, **detail: object
    ) -> AuditEntry:
        return self.audit.add(connection, origin, action, object_, detail)

    def _begin(
        self, connection: Connection, account: Account, method: sessions.Method, address: str, agent: str, replaces: str
    ) -> SignedIn:
        return start_session(connection, self.audit, account, method, address, agent, replaces, self._clock())

    def _set_password(
        self,
        connection: Connection,
        account: Account,
        hashed: str,
        origin: Origin,
        by: str,
        keep: int | None = None,
    ) -> int:
        """Set a password and end all sessions but one; returns how many."""
        rows.change(connection, account.id, password_hash=hashed, password_changed_at=self._clock())
        ended = self._end(connection, _all_but(account.id, keep), "password")
        self._add(connection, origin, "password.change", account.id, by=by, sessions_ended=ended)
        return ended

    def _end(self, connection: Connection, condition: object, reason: sessions.EndReason) -> int:
        return sessions.end(connection, condition, reason, self._clock())  # type: ignore[arg-type]


def open_people(
    data: Path, url: str, secrets: Secrets, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> People:
    """The accounts of a city.

    Args:
        data: The data folder.
        url: Address of a PostgreSQL database; empty takes the SQLite file in the folder.
        secrets: Signs the audit.
        clock: UTC.

    The database is opened at its first use: the API starts without it.
    """
    move_old_files(data)
    return People(Database(data, url), Signer(secrets.audit_seed()), data / AUDIT_FOLDER, clock)


def _keep_an_administrator(connection: Connection, id_: str) -> None:
    if not rows.other_administrators(connection, id_):
        raise PeopleError("last_administrator")


def _all_but(account: str, keep: int | None) -> object:
    mine = session_table.c.account_id == account
    return mine if keep is None else mine & (session_table.c.id != keep)


def _object_of(row: object) -> str:
    return str(getattr(row, "id", "")) or "unknown"
