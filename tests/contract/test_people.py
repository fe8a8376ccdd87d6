"""Accounts behave alike on SQLite and PostgreSQL: sessions, tokens, links, limits, the audit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, delete, inspect, text, update
from sqlalchemy.exc import SQLAlchemyError

from city.database.engine import HEAD, open_database
from city.database.schema import metadata
from city.database.upgrade import alembic_config
from city.errors import ConfigError, RetryLaterError
from people.attempts import FREE, WAIT_MAX, wait_after
from people.audit import Origin
from people.errors import PeopleError, TooManyAttemptsError
from people.rights import RIGHTS_OF
from people.service import FIRST_NAME, People
from people.sessions import LASTS
from people.tables import audit
from tests.contract.conftest import ADMIN, NOW, PASSWORD, Clock, enter, join
from tests.support.brokers import free_port

OTHER = "kota yang lebih bersih"


def test_a_session_is_whose_it_is_until_it_ends(people: People, clock: Clock) -> None:
    id_ = join(people, "maria.seran", "dispatcher", ("kelurahan:Oesapa",))
    cookie = people.sign_in("Maria.Seran ", PASSWORD, "10.0.0.1", "Firefox").cookie
    identity = people.by_session(cookie)
    assert identity is not None
    assert (identity.id, identity.rights, identity.areas) == (id_, RIGHTS_OF["dispatcher"], ("kelurahan:Oesapa",))
    clock.move(LASTS - timedelta(seconds=1))
    assert people.by_session(cookie) is not None
    clock.move(timedelta(seconds=1))
    assert people.by_session(cookie) is None
    assert people.by_session("") is people.by_session(cookie[:-1]) is None


def test_a_session_that_was_ended_is_over_at_once(people: People) -> None:
    id_ = join(people, "maria.seran")
    first, second = (people.sign_in("maria.seran", PASSWORD, "10.0.0.1", "x").cookie for _ in range(2))
    identity = people.by_session(first)
    assert identity is not None
    people.sign_out(identity, "10.0.0.1")
    assert (people.by_session(first), people.by_session(second) is not None) == (None, True)
    with pytest.raises(PeopleError, match="session unknown"):
        people.end_session(ADMIN, "0123456789abcdef", people.sessions_of(id_)[0].id)
    assert people.end_sessions(ADMIN, id_) == 2, "the link began one too"
    assert people.by_session(second) is None


def test_a_new_password_ends_all_other_sessions(people: People) -> None:
    join(people, "maria.seran")
    mine, stolen = (people.sign_in("maria.seran", PASSWORD, "10.0.0.1", "x").cookie for _ in range(2))
    identity = people.by_session(mine)
    assert identity is not None
    with pytest.raises(PeopleError, match="password wrong"):
        people.change_password(identity, "salah", OTHER, "10.0.0.1")
    with pytest.raises(PeopleError, match="password weak"):
        people.change_password(identity, PASSWORD, "maria.seran 2026", "10.0.0.1")
    people.change_password(identity, PASSWORD, OTHER, "10.0.0.1")
    assert people.by_session(mine) is not None
    assert people.by_session(stolen) is None
    with pytest.raises(PeopleError, match="password wrong"):
        people.sign_in("maria.seran", PASSWORD, "10.0.0.1", "x")
    enter(people, "maria.seran", OTHER)


def test_a_disabled_account_is_out_with_its_sessions_and_tokens(people: People) -> None:
    id_ = join(people, "maria.seran")
    identity = enter(people, "maria.seran")
    _, token = people.make_token(ADMIN, "script", ["telemetry.read"], timedelta(days=1), account=identity)
    cookie = people.sign_in("maria.seran", PASSWORD, "10.0.0.1", "x").cookie
    people.disable(ADMIN, id_, disabled=True)
    assert (people.by_session(cookie), people.by_token(token)) == (None, None)
    with pytest.raises(PeopleError, match="password wrong"):
        people.sign_in("maria.seran", PASSWORD, "10.0.0.1", "x")
    people.disable(ADMIN, id_, disabled=False)
    assert people.by_session(cookie) is None, "enabling does not bring sessions back"
    assert people.by_token(token) is not None
    enter(people, "maria.seran")


def test_a_token_has_its_rights_until_it_is_revoked_or_expires(people: People, clock: Clock) -> None:
    id_, token = people.make_token(ADMIN, "Prometheus", ["telemetry.read"], timedelta(days=30))
    identity = people.by_token(token)
    assert identity is not None
    assert (identity.kind, identity.name, identity.rights) == ("service", "Prometheus", {"telemetry.read"})
    assert [known.used_at for known in people.tokens()] == [NOW]
    clock.move(timedelta(days=30))
    assert people.by_token(token) is None, "it has expired"
    other, later = people.make_token(ADMIN, "script", ["telemetry.read"], timedelta(days=1))
    people.revoke_token(ADMIN, other)
    assert people.by_token(later) is None
    with pytest.raises(PeopleError, match="token unknown"):
        people.revoke_token(ADMIN, other)
    with pytest.raises(PeopleError, match="token unknown"):
        people.revoke_token(ADMIN, id_, account="0123456789abcdef")


def test_a_person_s_token_never_has_more_rights_than_the_person(people: People) -> None:
    id_ = join(people, "maria.seran", "supervisor")
    identity = enter(people, "maria.seran")
    _, token = people.make_token(
        ADMIN, "script", ["telemetry.read", "zones.write"], timedelta(days=1), account=identity
    )
    people.change(ADMIN, id_, role="viewer", areas=())
    lowered = people.by_token(token)
    assert lowered is not None
    assert lowered.rights == {"telemetry.read"}
    viewer = enter(people, "maria.seran")
    for refused in (["zones.write"], ["people.write"], ["account.own"], ["root"], []):
        with pytest.raises(PeopleError, match="rights missing"):
            people.make_token(ADMIN, "script", refused, timedelta(days=1), account=viewer)


def test_a_link_works_once_for_a_day_and_a_new_one_ends_it(people: People, clock: Clock) -> None:
    account, key = people.add(ADMIN, "maria.seran", "Maria Seran", "viewer")
    newer = people.invite(ADMIN, account.id)
    assert (people.account_of_link(key), people.account_of_link(newer)) == (None, account)
    clock.move(timedelta(hours=24))
    with pytest.raises(PeopleError, match="link invalid"):
        people.accept_link(newer, PASSWORD, "10.0.0.1", "x")
    last = people.invite(ADMIN, account.id)
    with pytest.raises(PeopleError, match="password short"):
        people.accept_link(last, "pendek", "10.0.0.1", "x")
    people.accept_link(last, PASSWORD, "10.0.0.1", "x")
    with pytest.raises(PeopleError, match="link invalid"):
        people.accept_link(last, OTHER, "10.0.0.1", "x")


def test_two_people_with_one_link_are_one(people: People) -> None:
    _, key = people.add(ADMIN, "maria.seran", "", "viewer")

    def accept(password: str) -> bool:
        try:
            people.accept_link(key, password, "10.0.0.1", "x")
        except PeopleError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(accept, [PASSWORD, OTHER, PASSWORD, OTHER])) == 1


def test_the_last_administrator_stays_one(people: People) -> None:
    first, second = join(people, "first.admin", "administrator"), join(people, "second.admin", "administrator")
    people.change(ADMIN, first, role="viewer", areas=())
    with pytest.raises(PeopleError, match="last administrator"):
        people.change(ADMIN, second, role="viewer", areas=())
    with pytest.raises(PeopleError, match="last administrator"):
        people.disable(ADMIN, second, disabled=True)
    people.add(ADMIN, "third.admin", "", "administrator")
    with pytest.raises(PeopleError, match="last administrator"):
        people.disable(ADMIN, second, disabled=True)


def test_two_administrators_cannot_remove_each_other_at_once(people: People) -> None:
    ids = [join(people, name, "administrator") for name in ("first.admin", "second.admin")]
    barrier = threading.Barrier(2)

    def disable(id_: str) -> bool:
        barrier.wait()
        try:
            people.disable(ADMIN, id_, disabled=True)
        except PeopleError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, ids)) == [False, True]


def test_a_fresh_city_has_a_link_until_somebody_is_administrator(people: People) -> None:
    key = people.first_link()
    again = people.first_link()
    assert (people.account_of_link(key), people.account_of_link(again) is not None) == (None, True)
    people.accept_link(again, PASSWORD, "10.0.0.1", "x")
    assert people.first_link() == ""
    enter(people, FIRST_NAME)


@pytest.mark.parametrize(
    ("name", "role", "areas", "reason"),
    [
        ("Maria Seran", "viewer", (), "name invalid"),
        ("m", "viewer", (), "name invalid"),
        ("maria\n", "emperor", (), "role unknown"),
        ("maria.seran", "emperor", (), "role unknown"),
        ("maria.seran", "viewer", ("Oesapa",), "area unknown"),
        ("maria.seran", "viewer", ("kelurahan:a\u202eb",), "area unknown"),
        ("taken", "viewer", (), "name taken"),
        ("TAKEN ", "viewer", (), "name taken"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    people: People, name: str, role: str, areas: tuple[str, ...], reason: str
) -> None:
    people.add(ADMIN, "taken", "", "viewer")
    count = len(people.audit.search())
    with pytest.raises(PeopleError, match=reason):
        people.add(ADMIN, name, "", role, areas)
    assert (len(people.accounts()), len(people.audit.search())) == (1, count)


def test_guesses_wait_longer_and_longer_and_lock_nobody_else_out(people: People, clock: Clock) -> None:
    join(people, "maria.seran")
    checked = 0
    for _ in range(2_000):
        try:
            people.sign_in("maria.seran", "salah", "10.6.6.6", "x")
        except TooManyAttemptsError:
            clock.move(timedelta(seconds=1))
        except PeopleError:
            checked += 1
    assert checked <= FREE["pair"] + 9, "2,000 guesses in half an hour"
    enter(people, "maria.seran", address="10.0.0.1")
    with pytest.raises(TooManyAttemptsError):
        people.sign_in("maria.seran", PASSWORD, "10.6.6.6", "x")
    clock.move(WAIT_MAX)
    enter(people, "maria.seran", address="10.6.6.6")


def test_guesses_at_many_names_wait_too(people: People) -> None:
    refused = 0
    for number in range(100):
        try:
            people.sign_in(f"name{number}", "salah", f"2001:db8::{number:x}", "x")
        except TooManyAttemptsError:
            refused += 1
        except PeopleError:
            pass
    assert refused == 100 - FREE["address"], "a customer has a whole network of IPv6"


def test_guesses_at_once_are_counted_one_by_one(people: People) -> None:
    join(people, "maria.seran")

    def guess(_: int) -> str:
        try:
            people.sign_in("maria.seran", "salah", "10.6.6.6", "x")
        except (PeopleError, TooManyAttemptsError) as exc:
            return type(exc).__name__
        return ""

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(guess, range(40)))
    assert outcomes.count("PeopleError") == FREE["pair"]


def test_a_wait_doubles_and_is_bounded() -> None:
    waits = [wait_after(failures, 5).total_seconds() for failures in range(40)]
    assert waits[:8] == [0, 0, 0, 0, 0, 5, 10, 20]
    assert max(waits) == WAIT_MAX.total_seconds()
    assert waits == sorted(waits)


def test_what_is_done_is_in_the_audit_with_who_and_from_where(people: People) -> None:
    id_ = join(people, "maria.seran")
    with pytest.raises(PeopleError):
        people.sign_in("maria.seran", "salah", "10.6.6.6", "x")
    with pytest.raises(PeopleError):
        people.sign_in("rahasia-saya", "salah", "10.6.6.6", "x")
    entries = people.audit.search()
    assert [entry.action for entry in entries] == [
        "sign_in.failed",
        "sign_in.failed",
        "sign_in",
        "password.change",
        "account.add",
    ]
    assert [entry.n for entry in entries] == [5, 4, 3, 2, 1]
    assert (entries[1].object, entries[1].address) == (id_, "10.6.6.6")
    assert "rahasia" not in str(entries), "what is typed as a name may be a password"
    assert [entry.n for entry in people.audit.search(action="sign_in", before=5, limit=2)] == [4, 3]
    assert [entry.n for entry in people.audit.search(actor=id_)] == [3, 2]
    assert people.audit.search(since=NOW + timedelta(seconds=1)) == []
    assert people.audit.search(action="%") == []


def test_the_audit_refuses_changes_and_tells_of_those_made_behind_it(people: People, tmp_path: Path, url: str) -> None:
    for name in ("a.a", "b.b", "c.c"):
        people.add(ADMIN, name, "", "viewer")
    assert people.audit.faults() == []
    engine = open_database(tmp_path, url)
    changes = [update(audit).where(audit.c.n == 2).values(line="{}"), delete(audit).where(audit.c.n == 2)]
    for change in changes:
        with pytest.raises(SQLAlchemyError, match="append-only"), engine.begin() as connection:
            connection.execute(change)
    _open_the_audit(engine)
    with engine.begin() as connection:
        connection.execute(delete(audit).where(audit.c.n == 2))
    assert people.audit.faults() == ["entry 3: an entry before it is missing or changed"]
    with engine.begin() as connection:
        connection.execute(delete(audit).where(audit.c.n == 3))
    assert people.audit.faults() == ["entries up to 3 were there; the newest is 1"]
    with engine.begin() as connection:
        line = connection.execute(text("SELECT line FROM audit WHERE n = 1")).scalar_one()
        connection.execute(update(audit).values(line=str(line).replace("a.a", "x.x")))
    assert "entry 1: its signature is wrong" in people.audit.faults()
    engine.dispose()


def _open_the_audit(engine: Engine) -> None:
    """Do what somebody with access to the database could do."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for name in ("audit_update", "audit_delete"):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("DROP TRIGGER audit_change ON audit"))


def test_entries_of_many_threads_are_one_chain(people: People) -> None:
    def note(number: int) -> None:
        people.audit.record(Origin("x", "x"), "device.adopt", f"bin-{number:04}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(note, range(60)))
    assert [entry.n for entry in people.audit.search(limit=100)] == list(range(60, 0, -1))
    assert people.audit.faults() == []


def test_two_processes_that_open_a_new_database_at_once_make_it_once(tmp_path: Path, url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: open_database(tmp_path, url), range(4)))
    assert "account" in inspect(engines[0]).get_table_names()
    for engine in engines:
        engine.dispose()


def test_migrations_make_what_a_new_database_has(tmp_path: Path, url: str) -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]
    engine = open_database(tmp_path, url)
    made = _shape(engine)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DELETE FROM alembic_version"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("DROP FUNCTION refuse_audit_change"))
        command.upgrade(alembic_config(connection), "head")
    assert _shape(engine) == made
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def _shape(engine: Engine) -> dict[str, list[str]]:
    inspector = inspect(engine)
    shape = {
        table: [f"{column['name']} {column['type']} {column['nullable']}" for column in inspector.get_columns(table)]
        for table in inspector.get_table_names()
    }
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if engine.dialect.name == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    with engine.connect() as connection:
        shape["triggers"] = sorted(connection.execute(text(query)).scalars())
    return shape


def test_a_database_of_a_later_version_is_refused(tmp_path: Path, url: str) -> None:
    engine = open_database(tmp_path, url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="9999"):
        open_database(tmp_path, url)
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "postgresql://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises((ConfigError, RetryLaterError)):
        open_database(tmp_path, url)


def test_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(RetryLaterError, match="database"):
        open_database(tmp_path, f"postgresql://x:secret@127.0.0.1:{free_port()}/y")


def test_a_damaged_file_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "city.sqlite"
    path.write_bytes(b"no database at all" * 500)
    with pytest.raises(ConfigError, match="restore"):
        open_database(tmp_path)
    assert path.read_bytes().startswith(b"no database")
