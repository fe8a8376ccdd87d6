"""Tables of alarms and of what happened to each."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from city.database.schema import UtcDateTime, metadata

alarms = Table(
    "alarm",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("open_key", String(200), unique=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("subject_kind", String(16), nullable=False),
    Column("site", String(64), nullable=False),
    Column("kelurahan", String(64), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False, index=True),
    Column("cleared_at", UtcDateTime),
    Column("suppressed", Boolean, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", String(120)),
    Column("acknowledged_actor", String(64)),
    Column("shelved_until", UtcDateTime),
    Column("shelved_by", String(120)),
    Column("shelved_reason", Text),
    Column("is_listed", Boolean, nullable=False),
    Index("ix_alarm_listed", "is_listed", "id"),
    Index("ix_alarm_subject", "subject", "id"),
)
"""One row an alarm. `open_key` is kind and subject until it clears: there is one open alarm for each.

`is_listed`: it is open, or waits for an acknowledgement.
"""

alarm_entries = Table(
    "alarm_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alarm_id", Integer, ForeignKey(alarms.c.id), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("what", String(16), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("text", Text, nullable=False),
)
"""What happened to an alarm, in order: raised, suppressed, acknowledged, shelved, noted, cleared."""
