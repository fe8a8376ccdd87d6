"""Tables of notifications: what each recipient is told, how far the alarms' history was read, recipients that fail."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from city.database.schema import UtcDateTime, metadata
from dispatch.alarms.tables import alarms

notifications = Table(
    "notification",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alarm_id", Integer, ForeignKey(alarms.c.id, ondelete="CASCADE"), nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("message", String(32), nullable=False),
    Column("lease_until", UtcDateTime),
    Column("next_at", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("reason", String(32), nullable=False),
    UniqueConstraint("alarm_id", "recipient", "kind", "number"),
    Index("ix_notification_state", "state", "id"),
    Index("ix_notification_recipient", "recipient", "sent_at"),
)
"""One row for each transition of an alarm and recipient.

`number` is the entry of the alarm's history that causes it, or the number of a reminder. `message` is the key of the
message that has the row: several rows may be one digest. A process that sends it has it until `lease_until`.
"""

notification_cursor = Table(
    "notification_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry_id", Integer, nullable=False),
)
"""One row: the newest entry of the alarms' history that has become notifications."""

notification_recipients = Table(
    "notification_recipient",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("failing_since", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("reason", String(32), nullable=False),
)
"""How the newest attempt of each recipient ended: `failing_since` is empty after a success."""
