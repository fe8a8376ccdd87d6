"""A PostgreSQL of its own for tests: a new cluster in a folder, on a free loopback port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.support.waiting import wait_for

SERVERS: Final = Path("/usr/lib/postgresql")
"""Where Debian puts the servers, by version; they are not in the path."""
USER: Final = "kota"


def program(name: str) -> str:
    """Path of a program of PostgreSQL; empty if it is not installed."""
    versions = sorted(SERVERS.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]), reverse=True)
    return str(versions[0]) if versions else shutil.which(name) or ""


def missing() -> str:
    """Why there can be no server, empty when there can."""
    return "" if program("initdb") and program("postgres") else "PostgreSQL is not installed (Debian: postgresql)"


@contextmanager
def running_postgres(port: int, user: str = USER, password: str = "") -> Iterator[str]:
    """Run a server; gives the address of its database. Without a password it lets everybody in."""
    owner = _owner()
    # Outside of the tests' own folder, which only their user may enter.
    with tempfile.TemporaryDirectory(prefix="kota-postgres-") as name:
        folder = Path(name)
        if owner is not None:
            os.chown(folder, owner, -1)
        as_owner: dict[str, Any] = {"cwd": folder, "user": owner}
        options = ["-U", user, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale"]
        if password:
            (folder / "password").write_text(password)
            (folder / "password").chmod(0o644)  # its user reads it; a test before may have set another umask
            options += ["-A", "scram-sha-256", "--pwfile", str(folder / "password")]
        initdb = [program("initdb"), "-D", str(folder / "data"), *options]
        subprocess.run(initdb, check=True, capture_output=True, **as_owner)
        command = [program("postgres"), "-D", str(folder / "data"), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, **as_owner)
        try:
            wait_for(lambda: _answers(port), f"PostgreSQL\n{(folder / 'log').read_text()}")
            yield f"postgresql://{user}:{password}@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(30)


def make_empty(address: str) -> None:
    """Delete everything in a database."""
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def _answers(port: int) -> bool:
    address = ["-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run([program("pg_isready"), *address], check=False, capture_output=True).returncode == 0


def _owner() -> int | None:
    """The user that runs it where tests run as root, whom PostgreSQL refuses."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
