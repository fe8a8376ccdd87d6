"""Tables of plans, shifts, stops, what phones of crews report, messages to crews, and what can be taken back."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from city.database.schema import UtcDateTime, metadata
from dispatch.orders.tables import work_orders

plans = Table(
    "plan",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("day", String(10), nullable=False, index=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("open_key", String(32), unique=True),
    Column("based_on", Integer, ForeignKey("plan.id")),
    Column("circumstances", JSON, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", String(120)),
)
"""Plans of days. `state`: proposal, in_force, replaced or rejected. `open_key`: there is one proposal, and for each day
one plan in force. `based_on`: the plan in force that a proposal changes. `payload`: the plan in MessagePack."""

shifts = Table(
    "shift",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("day", String(10), nullable=False),
    Column("truck", String(64), nullable=False),
    Column("open_key", String(80), unique=True),
    Column("crew", String(64), nullable=False),
    Column("plan_id", Integer, ForeignKey(plans.c.id)),
    Column("state", String(16), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("departs_at", UtcDateTime, nullable=False),
    Column("returns_at", UtcDateTime, nullable=False),
    Column("break_at", UtcDateTime),
    Column("metres", Float, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Index("ix_shift_day", "day", "truck"),
)
"""One truck's work of one day. `open_key`: day and truck, while it is open. `crew`: its number, never a name."""

stops = Table(
    "stop",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shift_id", Integer, ForeignKey(shifts.c.id), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(128), nullable=False, index=True),
    Column("order_id", Integer, ForeignKey(work_orders.c.id), index=True),
    Column("name", String(200), nullable=False),
    Column("stream", String(32), nullable=False),
    Column("site", String(64), nullable=False),
    Column("kelurahan", String(64), nullable=False),
    Column("lat_deg", Float, nullable=False),
    Column("lon_deg", Float, nullable=False),
    Column("load_kg", Float, nullable=False),
    Column("service_s", Float, nullable=False),
    Column("arrives_at", UtcDateTime, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("leaves_at", UtcDateTime, nullable=False),
    Column("window_from", UtcDateTime, nullable=False),
    Column("window_to", UtcDateTime, nullable=False),
    Column("why", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_at", UtcDateTime, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("ruling", JSON),
    Column("was_on", JSON, nullable=False),
    Column("removed_at", UtcDateTime),
    Column("removed_reason", String(32), nullable=False),
)
"""Stops of shifts. `kind`: container, order or landfill; `subject`: id of the container, case or site.

`why`: cause and outlook, what explains the stop. `reason`: why it is not possible. `ruling`: what a supervisor decided.
`was_on`: shifts that it was on before. `removed_at`: it is on no tour any more.
"""

stop_entries = Table(
    "stop_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stop_id", Integer, ForeignKey(stops.c.id), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("evidence", JSON, nullable=False),
)
"""The states of a stop in order, each with its evidence."""

taps = Table(
    "tap",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shift_id", Integer, ForeignKey(shifts.c.id), nullable=False, index=True),
    Column("stop_id", Integer, ForeignKey(stops.c.id), index=True),
    Column("phone", String(64), nullable=False),
    Column("boot", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("is_late", Boolean, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", JSON, nullable=False),
    UniqueConstraint("phone", "boot", "seq"),
)
"""What crews tap: (phone, boot, seq) is unique. `at` is the phone's clock."""

crew_codes = Table(
    "crew_code",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shift_id", Integer, ForeignKey(shifts.c.id), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)
"""Codes by which phones sign in to a shift. `digest`: HMAC of a code of six digits, or of the key of a QR code."""

crew_sessions = Table(
    "crew_session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shift_id", Integer, ForeignKey(shifts.c.id), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("phone", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)
"""Phones that are signed in to a shift. `digest` is the SHA-256 of the phone's token, which nothing keeps."""

crew_messages = Table(
    "crew_message",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shift_id", Integer, ForeignKey(shifts.c.id), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("sent_by", String(120), nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime),
    Column("withdrawn_at", UtcDateTime),
    sqlite_autoincrement=True,  # phones name messages: no number comes twice
)
"""Messages to the crew of a shift."""

dispatch_changes = Table(
    "dispatch_change",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("action", String(32), nullable=False),
    Column("object", String(64), nullable=False),
    Column("before", JSON, nullable=False),
    Column("undone_at", UtcDateTime),
    sqlite_autoincrement=True,  # the audit names changes: no number comes twice
)
"""What people did, with what rows were before: each is taken back within ten seconds."""
