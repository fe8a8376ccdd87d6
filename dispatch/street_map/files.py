"""The imported streets as a file of tiles, and imported outlines; written once, read by the API."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from city.errors import ConfigError
from city.storage.atomic_files import replace_file
from dispatch.street_map.tiles import (
    ZOOMS,
    Street,
    StreetLabel,
    StreetLine,
    StreetTile,
    TileKey,
    label_of,
    label_tiles,
    lines_of,
)

MAP_FOLDER: Final = "map"
STREETS_FILE: Final = "streets.sqlite"
OUTLINES_FILE: Final = "outlines.geojson"
_LABEL_APART: Final = 512
"""The same name stands again only so far away, in units of a tile."""
_SCHEMA: Final = """
CREATE TABLE tiles (zoom INTEGER, x INTEGER, y INTEGER, content BLOB, PRIMARY KEY (zoom, x, y)) WITHOUT ROWID;
CREATE TABLE about (content BLOB);
CREATE TEMP TABLE parts (zoom INTEGER, x INTEGER, y INTEGER, rank INTEGER, content BLOB);
"""


class StreetMap(msgspec.Struct, frozen=True):
    """What was imported: file name, when, and how many streets."""

    source: str
    imported_at: datetime
    streets: Annotated[int, Meta(description="How many. Unit: 1.")]
    named: Annotated[int, Meta(description="How many of them have a name. Unit: 1.")]
    zooms: Annotated[tuple[int, int], Meta(description="First and last zoom of the tiles. Unit: 1.")] = (
        ZOOMS.start,
        ZOOMS.stop - 1,
    )


def streets_path(data: Path) -> Path:
    """Path of the streets in a data folder."""
    return data / MAP_FOLDER / STREETS_FILE


def outlines_path(data: Path) -> Path:
    """Path of imported outlines in a data folder."""
    return data / MAP_FOLDER / OUTLINES_FILE


def write_streets(data: Path, streets: Iterable[Street], source: str, at: datetime) -> StreetMap:
    """Write the tiles of streets; the file that was there before is replaced when all is written.

    Raises:
        ConfigError: There is no street, or the disk refuses.
    """
    path = streets_path(data)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(part)) as db:
            about = _write(db, streets, source, at)
        if not about.streets:
            part.unlink()
            raise ConfigError(f"{source}: there is no street in it within the city")
        part.replace(path)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    return about


def _write(db: sqlite3.Connection, streets: Iterable[Street], source: str, at: datetime) -> StreetMap:
    db.executescript(_SCHEMA)
    labels = _Labels()
    count = 0
    for street in streets:
        count += 1
        for zoom in ZOOMS:
            db.executemany("INSERT INTO parts VALUES (?, ?, ?, ?, ?)", map(_part, lines_of(street, zoom)))
            db.executemany("INSERT INTO parts VALUES (?, ?, ?, -1, ?)", map(_label_part, labels.add(street, zoom)))
    # The least important first; the names after all lines.
    rows = db.execute("SELECT zoom, x, y, rank, content FROM parts ORDER BY zoom, x, y, rank DESC, rowid")
    for key, parts in groupby(rows, key=lambda row: row[:3]):
        db.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", (*key, _tile(list(parts))))
    about = StreetMap(source, at, count, labels.named)
    db.execute("INSERT INTO about VALUES (?)", (msgspec.json.encode(about),))
    db.commit()
    return about


class _Labels:
    """Places names so that the same one does not stand beside itself: a street is many ways."""

    def __init__(self) -> None:
        self.named = 0
        self._places: dict[tuple[int, str, int, int], None] = {}

    def add(self, street: Street, zoom: int) -> list[tuple[TileKey, StreetLabel]]:
        self.named += bool(street.name) and zoom == ZOOMS.start
        placed = label_of(street, zoom)
        if placed is None:
            return []
        (x, y), angle_deg = placed
        column, row = int(x // _LABEL_APART), int(y // _LABEL_APART)
        near = ((zoom, street.name, column + dx, row + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
        if any(key in self._places for key in near):
            return []
        self._places[zoom, street.name, column, row] = None
        return list(label_tiles(zoom, (x, y), street.name, angle_deg))


def _part(line: tuple[TileKey, StreetLine]) -> tuple[int, int, int, int, bytes]:
    return *line[0], line[1].class_, msgspec.json.encode(line[1])


def _label_part(label: tuple[TileKey, StreetLabel]) -> tuple[int, int, int, bytes]:
    return *label[0], msgspec.json.encode(label[1])


def _tile(parts: list[tuple[int, int, int, int, bytes]]) -> bytes:
    lines = [msgspec.json.decode(part[4], type=StreetLine) for part in parts if part[3] >= 0]
    labels = [msgspec.json.decode(part[4], type=StreetLabel) for part in parts if part[3] < 0]
    return gzip.compress(msgspec.json.encode(StreetTile(lines, labels)), mtime=0)


def read_about(data: Path) -> StreetMap | None:
    """What was imported; None without streets, or if the file cannot be read."""
    content = _read(data, "SELECT content FROM about", ())
    try:
        return msgspec.json.decode(content, type=StreetMap) if content else None
    except msgspec.MsgspecError:
        return None


def read_tile(data: Path, key: TileKey) -> bytes | None:
    """A tile as JSON that is compressed with gzip; None where there is no street."""
    return _read(data, "SELECT content FROM tiles WHERE zoom = ? AND x = ? AND y = ?", key)


def _read(data: Path, statement: str, key: tuple[int, ...]) -> bytes | None:
    path = streets_path(data)
    if not path.is_file():
        return None
    try:
        # Another process may replace the file: nothing is kept open.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            row = db.execute(statement, key).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None


def write_outlines(data: Path, outlines: bytes) -> None:
    """Write imported outlines, which replace those of the inventory."""
    path = outlines_path(data)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, outlines)


def read_outlines(data: Path) -> bytes | None:
    """Imported outlines as GeoJSON; None without any."""
    try:
        return outlines_path(data).read_bytes()
    except OSError:
        return None
