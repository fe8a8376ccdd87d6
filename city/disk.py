"""How this project keeps things on disk that must survive a power cut: SQLite with every commit synced."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

BUSY_TIMEOUT_S: Final = 10.0


def open_durable(path: Path, schema: str) -> sqlite3.Connection:
    """Open or make a SQLite file whose commits are on disk when they return (WAL, synchronous=FULL).

    The caller guards the connection with a lock of its own; other processes may use the file too.

    Args:
        path: The file; its folder is made.
        schema: `CREATE ... IF NOT EXISTS` statements.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(schema)
    return connection
