"""The custody log: whatever is done to it or to the files is noticed, and a crash is none of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.errors import ConfigError, RetryLaterError
from city.storage.signatures import Signer, read_public
from vision.evidence.custody.log import CustodyLog
from vision.evidence.custody.records import CustodyIndex
from vision.evidence.custody.verify import VerificationReport, verify
from vision.evidence.store import EvidenceStore

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
FILES = {"before.jpg": b"before", "after.jpg": b"after"}


def evidence_store_in(folder: Path, key: bytes = b"k" * 32) -> EvidenceStore:
    return EvidenceStore(folder, Signer(key), 1 << 20, lambda: NOW)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    store = evidence_store_in(tmp_path)
    for number in range(3):
        store.keep(f"cam-01-{number}", FILES, {"camera": "cam-01"})
    store.custody.add("looked", "cam-01-0", {"file": "after.jpg", "role": "viewer"})
    store.custody.add("reviewed", "cam-01-1", {"verdict": "confirmed"})
    return tmp_path


def verdict(folder: Path, case: str | None = None) -> VerificationReport:
    return verify(folder, read_public(folder / "custody.pub"), case)


def kinds(folder: Path) -> set[str]:
    return {fault.kind for fault in verdict(folder).faults}


def test_what_nobody_has_touched_is_intact(kept: Path) -> None:
    found = verdict(kept)
    assert (found.intact, found.cases, found.files, found.entries, found.faults) == (True, 3, 9, 5, ())


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "custody.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(folder: Path, lines: list[bytes]) -> None:
    (folder / "custody.jsonl").write_bytes(b"".join(lines))


def change_a_file(folder: Path) -> None:
    (folder / "cam-01-1" / "after.jpg").write_bytes(b"other")


def remove_a_file(folder: Path) -> None:
    (folder / "cam-01-1" / "after.jpg").unlink()


def plant_a_file(folder: Path) -> None:
    (folder / "cam-01-1" / "extra.jpg").write_bytes(b"planted")


def plant_a_case(folder: Path) -> None:
    (folder / "cam-01-9").mkdir()
    (folder / "cam-01-9" / "after.jpg").write_bytes(b"planted")


def remove_a_line(folder: Path) -> None:
    lines = lines_of(folder)
    write_lines(folder, [*lines[:3], *lines[4:]])


def swap_lines(folder: Path) -> None:
    lines = lines_of(folder)
    write_lines(folder, [lines[0], lines[2], lines[1], *lines[3:]])


def edit_a_line(folder: Path) -> None:
    write_lines(folder, [line.replace(b'"viewer"', b'"nobody"') for line in lines_of(folder)])


def edit_all_hashes(folder: Path) -> None:
    change_a_file(folder)
    old, new = (Path(folder / f"cam-01-{n}" / "after.jpg") for n in (0, 1))
    sha = [subprocess.check_output(["sha256sum", path])[:64] for path in (old, new)]
    write_lines(folder, [line.replace(sha[0], sha[1]) if b'"cam-01-1"' in line else line for line in lines_of(folder)])


def cut_the_tail(folder: Path) -> None:
    write_lines(folder, lines_of(folder)[:-2])


def cut_the_tail_and_the_head(folder: Path) -> None:
    cut_the_tail(folder)
    (folder / "custody.head").unlink()


def forge_the_head(folder: Path) -> None:
    cut_the_tail(folder)
    head = json.loads((folder / "custody.head").read_text())
    (folder / "custody.head").write_text(json.dumps({**head, "n": 3}))


def remove_the_log(folder: Path) -> None:
    (folder / "custody.jsonl").unlink()


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (change_a_file, {"changed"}),
        (remove_a_file, {"missing"}),
        (plant_a_file, {"not_in_log"}),
        (plant_a_case, {"not_in_log"}),
        (remove_a_line, {"chain_broken"}),
        (swap_lines, {"chain_broken"}),
        (edit_a_line, {"chain_broken"}),
        (edit_all_hashes, {"chain_broken"}),
        (cut_the_tail, {"tail_cut"}),
        (cut_the_tail_and_the_head, {"tail_cut"}),
        (forge_the_head, {"tail_cut"}),
        (remove_the_log, {"tail_cut", "not_in_log"}),
    ],
)
def test_every_harm_is_noticed(kept: Path, harm: Callable[[Path], None], found: set[str]) -> None:
    harm(kept)
    assert found <= kinds(kept)
    assert not verdict(kept).intact


@settings(max_examples=60)
@given(data=st.data())
def test_no_byte_of_the_log_can_be_changed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("evidence")
    evidence_store_in(folder).keep("cam-01-0", FILES, {})
    evidence_store_in(folder).custody.add("looked", "cam-01-0", {"role": "viewer"})
    content = bytearray((folder / "custody.jsonl").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255).filter(lambda one: one != content[at]))
    (folder / "custody.jsonl").write_bytes(content)
    assert not verdict(folder).intact


def test_a_tail_that_was_cut_stays_noticed_after_the_next_entry(kept: Path) -> None:
    cut_the_tail(kept)
    evidence_store_in(kept).custody.add("looked", "cam-01-0", {"role": "viewer"})
    assert kinds(kept) == {"tail_cut"}


def test_entries_of_another_key_are_not_the_citys(kept: Path) -> None:
    ours = read_public(kept / "custody.pub")
    evidence_store_in(kept, b"x" * 32).custody.add("looked", "cam-01-0", {"role": "viewer"})
    assert not verify(kept, ours).intact
    assert verdict(kept).intact, "a city that changed its key has both beside its evidence"


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_a_line_torn_by_a_power_cut_is_set_aside_and_no_harm(kept: Path, cut: int) -> None:
    lines = lines_of(kept)
    head = (kept / "custody.head").read_bytes()
    evidence_store_in(kept).custody.add("looked", "cam-01-0", {"role": "viewer"})
    torn = lines_of(kept)[-1][:cut]
    write_lines(kept, [*lines, torn])
    (kept / "custody.head").write_bytes(head)
    evidence_store_in(kept).custody.add("looked", "cam-01-2", {"role": "viewer"})
    found = verdict(kept)
    assert (found.intact, kinds(kept)) == (True, {"torn"})
    assert [path.read_bytes() for path in kept.glob("custody.torn-*")] == [torn], "it is not lost either"


def test_a_power_cut_between_line_and_head_is_no_harm(kept: Path) -> None:
    head = (kept / "custody.head").read_bytes()
    evidence_store_in(kept).custody.add("looked", "cam-01-0", {"role": "viewer"})
    (kept / "custody.head").write_bytes(head)
    assert verdict(kept).intact
    evidence_store_in(kept).custody.add("looked", "cam-01-0", {"role": "operator"})
    assert verdict(kept).intact


def test_a_disk_that_refuses_leaves_the_log_as_it_was(kept: Path) -> None:
    before = lines_of(kept)
    (kept / "custody.head").unlink()
    (kept / "custody.head").mkdir()
    with pytest.raises(RetryLaterError):
        evidence_store_in(kept).custody.add("looked", "cam-01-0", {"role": "viewer"})
    assert lines_of(kept) == before


def test_an_entry_too_long_for_a_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        CustodyLog(tmp_path, Signer(b"k" * 32)).add("looked", "cam-01-0", {"reason": "x" * 40_000})


def test_several_processes_append_to_one_chain(kept: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from vision.evidence.custody.log import CustodyLog;"
        "from city.storage.signatures import Signer;"
        "log = CustodyLog(Path(sys.argv[1]), Signer(b'k' * 32));"
        "[log.add('looked', 'cam-01-0', {'role': sys.argv[2]}) for _ in range(40)]"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(kept), role]) for role in ("viewer", "admin")]
    assert [process.wait() for process in running] == [0, 0]
    found = verdict(kept)
    assert (found.intact, found.entries) == (True, 85)


def test_the_records_follow_what_is_added_and_what_is_replaced(kept: Path) -> None:
    book = CustodyIndex(kept)
    assert book.current()["cam-01-1"].verdict == "confirmed"
    evidence_store_in(kept).custody.add("reviewed", "cam-01-1", {"verdict": "rejected"})
    assert (book.current()["cam-01-1"].verdict, book.current()["cam-01-1"].judged_at) == ("rejected", NOW)
    write_lines(kept, lines_of(kept)[:1])
    assert list(book.current()) == ["cam-01-0"]
    remove_the_log(kept)
    assert book.current() == {}


def test_one_case_can_be_verified_alone(kept: Path) -> None:
    change_a_file(kept)
    assert verdict(kept, "cam-01-0").intact
    assert not verdict(kept, "cam-01-1").intact
