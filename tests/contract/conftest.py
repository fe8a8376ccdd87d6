"""Accounts on SQLite and on a PostgreSQL of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city.runtime.secrets import Secrets
from people.audit import Origin
from people.rights import Identity
from people.service import People, open_people
from tests.support import postgres
from tests.support.brokers import free_port
from tests.support.require import require_nothing_missing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ADMIN = Origin("console", "console")
PASSWORD = "kota yang bersih"  # noqa: S105 - of accounts that live for a test


class Clock:
    """Stands still until it is moved."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    require_nothing_missing(postgres.missing())
    with postgres.running_postgres(free_port()) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    address: str = request.getfixturevalue("server")
    postgres.make_empty(address)
    return address


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(tmp_path: Path, url: str, clock: Clock) -> Iterator[People]:
    opened = open_people(tmp_path, url, Secrets.make(tmp_path), clock)
    yield opened
    opened.close()


def join(people: People, name: str, role: str = "dispatcher", areas: tuple[str, ...] = ()) -> str:
    """Add an account and set its password; its id."""
    account, key = people.add(ADMIN, name, "", role, areas)
    people.accept_link(key, PASSWORD, "10.0.0.1", "tests")
    return account.id


def enter(people: People, name: str, password: str = PASSWORD, address: str = "10.0.0.1") -> Identity:
    """Sign in; the identity of the new session."""
    identity = people.by_session(people.sign_in(name, password, address, "tests").cookie)
    assert identity is not None
    return identity
