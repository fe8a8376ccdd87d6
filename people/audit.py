"""The audit: who did what to which thing, from where; append-only, chained and signed as the custody log is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import structlog
from sqlalchemy import Connection, Row, insert, select

from city.database.engine import Database, lock_until_end
from city.errors import StorageError
from city.storage.atomic_files import replace_file
from city.storage.file_lock import file_lock
from city.storage.signatures import (
    GENESIS,
    PublicKeys,
    Signer,
    add_public,
    is_genuine,
    read_public,
    sha256_of,
    sign_line,
)
from people.rights import Identity
from people.tables import audit

log = structlog.get_logger("people")

Action = Literal[
    "alarm.acknowledge",
    "alarm.note",
    "alarm.shelve",
    "alarm.undo",
    "alarm.unshelve",
    "account.add",
    "account.change",
    "account.disable",
    "account.enable",
    "account.link",
    "broker.refused",
    "case.review",
    "codec.save",
    "crew.enter",
    "crew.message",
    "dead_letters.replay",
    "device.adopt",
    "device.ignore",
    "device.notice",
    "device.password",
    "device.revoke",
    "dispatch.undo",
    "grafana.open",
    "order.assign",
    "order.close",
    "order.reopen",
    "passkey.add",
    "passkey.remove",
    "password.change",
    "password.refused",
    "plan.accept",
    "plan.make",
    "plan.reject",
    "profile.save",
    "provider.away",
    "session.end",
    "session.end_all",
    "sign_in",
    "sign_in.failed",
    "shift.close",
    "shift.code",
    "shift.crew",
    "sign_out",
    "stop.assign",
    "stop.rule",
    "token.make",
    "token.revoke",
    "zones.write",
]
"""What somebody may do that the audit notes."""

PUBLIC_NAME: Final = "audit.pub"
"""Public keys that check the entries; the city may have had several."""
HEAD_NAME: Final = "audit.head"
"""Number and SHA-256 of the newest entry: it shows that entries were cut off."""
DETAIL_MAX_BYTES: Final = 4_000
OBJECT_MAX: Final = 160
PAGE_MAX: Final = 500
LOCK_NUMBER: Final = 0x41554449
_BLOCK: Final = 1_000


class AuditEntry(msgspec.Struct, frozen=True):
    """One entry. `actor` is an account, a token or a word, `actor_name` its name then; `at` is UTC."""

    n: Annotated[int, msgspec.Meta(description="Number of the entry.")]
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    actor: str
    actor_name: str
    action: str
    object: str
    address: str
    detail: Annotated[dict[str, Any], msgspec.Meta(description="What else is to be known, by `action`.")]
    prev: str
    key: str
    sig: str = ""


@dataclass(frozen=True)
class Origin:
    """Who acts and from where: `actor` is an id, or `system`, `console` (of the machine) or `unknown`."""

    actor: str
    name: str
    address: str = ""


def origin_of(identity: Identity, address: str) -> Origin:
    """The origin of what an identity does."""
    return Origin(identity.id or identity.kind, identity.name, address)


class AuditLog:
    """The audit in the database.

    Args:
        database: The database.
        signer: Signs the entries.
        clock: UTC.
        folder: Folder of the public keys and the newest entry's number and SHA-256.
    """

    def __init__(self, database: Database, signer: Signer, clock: Callable[[], datetime], folder: Path) -> None:
        self._database = database
        self._is_published = False
        self._signer = signer
        self._clock = clock
        self._head = folder / HEAD_NAME
        self._public = folder / PUBLIC_NAME

    def _publish_key(self) -> None:
        """Add our public key to the file of keys; earlier keys of the city stay."""
        if not self._is_published:
            self._public.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            add_public(self._public, self._signer)
            self._is_published = True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction to which entries are added, one at a time; the head is noted once it is committed."""
        with self._database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            self._publish_key()
            yield connection
            last = _last(connection)
        if last is not None:
            self._note_head(last.n, sha256_of(last.line.encode()))

    def record(
        self, origin: Origin, action: Action, object_: str, detail: Mapping[str, Any] | None = None
    ) -> AuditEntry:
        """Add an entry in a transaction of its own."""
        with self.transaction() as connection:
            return self.add(connection, origin, action, object_, detail)

    def add(
        self,
        connection: Connection,
        origin: Origin,
        action: Action,
        object_: str,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        """Add an entry to a `transaction`: what it is about and the entry are kept, or neither."""
        last = _last(connection)
        about = dict(detail or {})
        if len(msgspec.json.encode(about)) > DETAIL_MAX_BYTES:
            about = {"cut": True}
        entry = AuditEntry(
            last.n + 1 if last else 1,
            self._clock(),
            origin.actor[:64],
            origin.name[:120],
            action,
            object_[:OBJECT_MAX],
            origin.address[:64],
            about,
            sha256_of(last.line.encode()) if last else GENESIS,
            self._signer.id,
        )
        fields = msgspec.structs.asdict(entry)
        del fields["sig"]
        line = sign_line(self._signer, fields).decode()
        columns = {name: fields[name] for name in ("n", "at", "actor", "action", "object")}
        connection.execute(insert(audit).values(line=line, **columns))
        return entry

    def search(
        self,
        *,
        before: int | None = None,
        actor: str = "",
        action: str = "",
        object_: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Entries, newest first.

        Args:
            before: Only entries with a smaller number.
            actor: Only those of this account or token.
            action: Only actions that begin with this.
            object_: Only those about this thing.
            since: Only from this time on.
            until: Only before this time.
            limit: How many at the most.
        """
        query = select(audit.c.line).order_by(audit.c.n.desc()).limit(min(limit, PAGE_MAX))
        conditions = [
            (audit.c.n < before) if before else None,
            (audit.c.actor == actor) if actor else None,
            audit.c.action.startswith(action, autoescape=True) if action else None,
            (audit.c.object == object_) if object_ else None,
            (audit.c.at >= since) if since else None,
            (audit.c.at < until) if until else None,
        ]
        for condition in conditions:
            if condition is not None:
                query = query.where(condition)
        with self._database.read() as connection:
            return [msgspec.json.decode(row.line, type=AuditEntry) for row in connection.execute(query)]

    def faults(self, keys: PublicKeys | None = None) -> list[str]:
        """What is wrong with the audit, in words; empty if it is whole.

        Args:
            keys: Public keys that were kept elsewhere; None takes those of the data folder.
        """
        is_begun = self._public.exists() or bool(self.search(limit=1))
        known = keys or (read_public(self._public) if is_begun else {})
        reasons: list[str] = []
        number, prev = 0, GENESIS
        for line in self._lines():
            number += 1
            entry = msgspec.json.decode(line, type=AuditEntry)
            if not is_genuine(line, known, entry.key, entry.sig):
                reasons.append(f"entry {entry.n}: its signature is wrong")
            if entry.n != number or entry.prev != prev:
                reasons.append(f"entry {entry.n}: an entry before it is missing or changed")
                number = entry.n
            prev = sha256_of(line)
        head = self._noted_head()
        if head is not None and (head[0] > number or (head[0] == number and head[1] != prev)):
            reasons.append(f"entries up to {head[0]} were there; the newest is {number}")
        return reasons

    def _lines(self) -> Iterator[bytes]:
        after = 0
        while True:
            query = select(audit.c.n, audit.c.line).where(audit.c.n > after).order_by(audit.c.n).limit(_BLOCK)
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from (row.line.encode() for row in rows)
            after = rows[-1].n

    def _note_head(self, number: int, digest: str) -> None:
        """Note the newest entry outside of the database; a later one that is noted already stays."""
        try:
            with file_lock(self._head.with_suffix(".lock")):
                noted = self._noted_head()
                if noted is None or noted[0] <= number:
                    replace_file(self._head, f"{number} {digest}\n")
        except (OSError, StorageError) as exc:
            log.warning("audit.head_not_written", reason=str(exc))

    def _noted_head(self) -> tuple[int, str] | None:
        try:
            number, digest = self._head.read_text(encoding="ascii").split()
            return int(number), digest
        except (OSError, ValueError):
            return None


def _last(connection: Connection) -> Row[int, str] | None:
    """Number and line of the newest entry."""
    return connection.execute(select(audit.c.n, audit.c.line).order_by(audit.c.n.desc()).limit(1)).one_or_none()
