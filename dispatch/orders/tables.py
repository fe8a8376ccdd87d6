"""Tables of work orders and of what happened to each."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from city.database.schema import UtcDateTime, metadata

work_orders = Table(
    "work_order",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("site", String(64), nullable=False),
    Column("kelurahan", String(64), nullable=False),
    Column("place", String(200), nullable=False),
    Column("lat_deg", Float, nullable=False),
    Column("lon_deg", Float, nullable=False),
    Column("stream", String(32), nullable=False),
    Column("size_kg", Float, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("truck", String(64)),
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(16)),
    Column("closed_name", String(120)),
    Column("reason", Text),
    Column("removed_at", UtcDateTime),
    Column("reopened_at", UtcDateTime),
    Column("seen_as", String(128), nullable=False, index=True),
    Index("ix_work_order_subject", "kind", "subject", unique=True),
    Index("ix_work_order_state", "state", "id"),
)
"""One row an order; each subject of a kind, such as a dumping case, has one. `truck` is proposed or assigned.

`closed_by`: `removed`, `photo` or `supervisor`. `removed_at`: when the camera saw it go.
`seen_as`: id of the case under which the pile was seen last: it may come back.
"""

work_order_entries = Table(
    "work_order_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", Integer, ForeignKey(work_orders.c.id), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("what", String(16), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("detail", JSON, nullable=False),
)
"""What happened to an order, in order: made, assigned, unassigned, done, closed, reopened, undone."""
