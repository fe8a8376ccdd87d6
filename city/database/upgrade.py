"""Changes the tables of an earlier version, by Alembic's migrations in `city/database/migrations`."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from city.database.engine import MIGRATIONS
from city.errors import ConfigError


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; its commands work on a connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str) -> None:
    """Apply the migrations after a revision.

    Raises:
        ConfigError: A later version of this program has made the tables.
    """
    config = alembic_config(connection)
    try:
        ScriptDirectory.from_config(config).get_revision(revision)
        command.upgrade(config, "head")
    except CommandError as exc:
        raise ConfigError(f"the database is of revision {revision}, which this version does not know: {exc}") from exc
