"""Sign-ins at an OpenID provider, and browsers that are known while it is away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from city.database.schema import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "openid_attempt",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.JSON(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_openid_attempt")),
    )
    op.create_index(op.f("ix_openid_attempt_expires_at"), "openid_attempt", ["expires_at"], unique=False)
    op.create_table(
        "known_browser",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_known_browser_account_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_known_browser")),
    )
    op.create_index(op.f("ix_known_browser_account_id"), "known_browser", ["account_id"], unique=False)
