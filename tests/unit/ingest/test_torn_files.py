"""After a power cut or on a bad disk, the journal is whole up to the damage, says so, and goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.messages import Arrival
from ingest.pipeline.journal import Journal

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FRAME_HEADER_BYTES = 24
PAGE_BYTES = 4096
STEP_BYTES = 61
"""Of the offsets tried; prime, so that no field of a page or frame is always spared."""


def filled(folder: Path, commits: int) -> tuple[Journal, Path, list[int]]:
    """An open journal with its log unfolded, its file, and the log's length after each commit."""
    path = folder / "live" / "j.sqlite"
    journal = Journal(path, max_bytes=1 << 30)
    lengths = []
    for number in range(commits):
        journal.append([Arrival(f"t/{number}", b"%d " % number * 150, NOW)])
        lengths.append(path.with_name("j.sqlite-wal").stat().st_size)
    return journal, path, lengths


def copied(path: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for part in ("", "-wal"):
        source = path.with_name(path.name + part)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    return folder / path.name


def topics(path: Path) -> list[str]:
    journal = Journal(path, max_bytes=1 << 30)
    found = [entry.arrival.topic for entry in journal.read(after=0, limit=9_999) if not entry.damaged]
    journal.append([Arrival("after", b"x", NOW)])
    assert journal.read(after=0, limit=9_999)[-1].arrival.topic == "after"
    journal.close()
    return found


@pytest.fixture
def torn(tmp_path: Path) -> Iterator[tuple[Path, list[int]]]:
    journal, path, lengths = filled(tmp_path, 12)
    yield path, lengths
    journal.close()


def test_a_log_cut_anywhere_in_its_last_pages_keeps_every_commit_before_the_cut(
    torn: tuple[Path, list[int]], tmp_path: Path
) -> None:
    path, lengths = torn
    log = path.with_name("j.sqlite-wal").read_bytes()
    for cut in range(lengths[-4], len(log), STEP_BYTES):
        copy = copied(path, tmp_path / "copy")
        copy.with_name("j.sqlite-wal").write_bytes(log[:cut])
        whole = sum(length <= cut for length in lengths)
        assert topics(copy) == [f"t/{number}" for number in range(whole)], cut


def test_a_log_changed_anywhere_in_its_last_pages_keeps_every_commit_before_the_change(
    torn: tuple[Path, list[int]], tmp_path: Path
) -> None:
    path, lengths = torn
    log = path.with_name("j.sqlite-wal").read_bytes()
    for at in range(lengths[-4], len(log), STEP_BYTES):
        copy = copied(path, tmp_path / "copy")
        changed = bytearray(log)
        changed[at] ^= 0xFF
        copy.with_name("j.sqlite-wal").write_bytes(changed)
        whole = sum(length <= at for length in lengths)
        found = topics(copy)
        assert found[:whole] == [f"t/{number}" for number in range(whole)], at
        assert found == [f"t/{number}" for number in range(len(found))], at


def told_apart(path: Path) -> bool:
    """Whether a message is there whose checksum is wrong."""
    journal = Journal(path, max_bytes=1 << 30)
    found = any(entry.damaged for entry in journal.read(after=0, limit=9_999))
    journal.close()
    return found


def folded(tmp_path: Path) -> Path:
    """A journal that was closed: everything is in the file."""
    journal, path, _ = filled(tmp_path, 60)
    journal.close()
    return path


def test_a_file_cut_in_its_last_pages_is_set_aside_and_what_is_before_rescued(tmp_path: Path) -> None:
    path = folded(tmp_path)
    size = path.stat().st_size
    for cut in range(size - 3 * PAGE_BYTES, size, 509):
        copy = copied(path, tmp_path / "copy")
        with copy.open("rb+") as file:
            file.truncate(cut)
        found = topics(copy)
        assert len(found) >= 36, cut
        assert set(found) <= {f"t/{number}" for number in range(60)}
        assert list(copy.parent.glob("*.damaged-*")) or told_apart(copy), cut


def test_a_changed_byte_of_the_file_costs_no_other_message(tmp_path: Path) -> None:
    path = folded(tmp_path)
    size = path.stat().st_size
    for at in range(3 * PAGE_BYTES, size, 997):
        copy = copied(path, tmp_path / "copy")
        with copy.open("rb+") as file:
            file.seek(at)
            old = file.read(1)
            file.seek(at)
            file.write(bytes([old[0] ^ 0x5A]))
        found = topics(copy)
        assert len(found) >= 50, at
        assert set(found) <= {f"t/{number}" for number in range(60)}


def test_positions_go_on_after_a_rescue(tmp_path: Path) -> None:
    path = folded(tmp_path)
    copy = copied(path, tmp_path / "copy")
    with copy.open("rb+") as file:
        file.truncate(path.stat().st_size - 100)
    before = Journal(copy, max_bytes=1 << 30)
    last = before.last()
    before.append([Arrival("next", b"x", NOW)])
    assert before.read(after=0, limit=999)[-1].offset == last + 1
    assert last >= 45
