"""The evidence store: all of a case or nothing, eviction by importance, retention by class, clocks that jump."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from city.errors import ConfigError, RetryLaterError
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from city.storage.signatures import Signer, read_public
from vision.evidence.case_files import part_path, publish_case, read_about, write_case
from vision.evidence.custody.chain import Entry, Kind
from vision.evidence.custody.log import CustodyLog
from vision.evidence.custody.verify import verify
from vision.evidence.encryption import (
    decrypt,
    encrypt,
    encrypted_name,
    find_encrypted,
    key_file,
    new_private_key,
    public_of,
    read_private_key,
    read_public_key,
)
from vision.evidence.retention import Lifetimes, enforce, lifetimes_of
from vision.evidence.store import EvidenceError, EvidenceStore, open_evidence_store

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
LIVES = Lifetimes(timedelta(days=30), timedelta(days=365), timedelta(days=7))
KIB = 1024

KEY = "AGE-SECRET-KEY-1VKYF6KMPAC072SL7RGER502FFRG00WH5TUCP42S88VAPWEGLFYWQZW83M2"


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Stage:
    """A store, its clock, and cases in it."""

    def __init__(self, folder: Path, max_bytes: int = 1 << 20) -> None:
        self.clock = Clock()
        self.folder = folder
        self.store = EvidenceStore(folder, Signer(b"k" * 32), max_bytes, self.clock)

    def keep(self, *cases: str, size: int = KIB) -> None:
        for case in cases:
            self.store.keep(case, {"after.jpg": b"x" * size}, {"camera": "cam-01"})
            self.clock.now += timedelta(seconds=1)
            os.utime(self.folder / case, (0, self.clock.now.timestamp()))

    def judge(self, case: str, verdict: str) -> None:
        self.store.custody.add("reviewed", case, {"verdict": verdict})

    def after(self, **passed: float) -> list[str]:
        """What is deleted when so much has passed and the city was at work all the time."""
        self.clock.now = NOW + timedelta(**passed) + timedelta(minutes=1)
        self.store.custody.add("looked", "other", {})
        return [due_case.case for due_case in enforce(self.store, LIVES, self.clock.now).deleted]

    def cases(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.is_dir()}

    def is_intact(self) -> bool:
        return verify(self.folder, read_public(self.folder / "custody.pub")).intact


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_case_is_there_whole_and_in_the_log(stage: Stage) -> None:
    hashes = stage.store.keep("c-1", {"after.jpg": b"x"}, {"camera": "cam-01"})
    assert list(hashes) == ["after.jpg"]
    assert stage.store.verified_path("c-1", "after.jpg").read_bytes() == b"x"
    assert oct((stage.folder / "custody.head").stat().st_mode & 0o777) == "0o600"
    with pytest.raises(EvidenceError, match="no file"):
        stage.store.verified_path("c-1", "../c-1/after.jpg")


def test_a_name_is_taken_once(stage: Stage) -> None:
    stage.keep("c-1")
    with pytest.raises(RetryLaterError, match="already"):
        stage.keep("c-1")
    assert stage.is_intact()


def full(stage: Stage) -> None:
    (stage.folder / ".c-1.part").write_text("in the way")


def log_refuses(stage: Stage) -> None:
    (stage.folder / "custody.jsonl").mkdir()


@pytest.mark.parametrize("harm", [full, log_refuses])
def test_of_a_case_that_cannot_be_kept_nothing_is_left(stage: Stage, harm: Callable[[Stage], None]) -> None:
    harm(stage)
    with pytest.raises(RetryLaterError):
        stage.keep("c-1")
    assert "c-1" not in stage.cases()
    assert ".c-1.part" not in stage.cases()


def test_a_full_disk_can_still_be_emptied(stage: Stage) -> None:
    stage.keep("c-1", "c-2")
    reserve = stage.folder / "custody.reserve"

    class Full(CustodyLog):
        """Has space for a line only after something else was deleted."""

        def add(self, kind: Kind, case: str, detail: Mapping[str, Any]) -> Entry:
            """Refuse while the disk is full."""
            if reserve.exists():
                raise RetryLaterError("no space left on device")
            return super().add(kind, case, detail)

    stage.store.custody = Full(stage.folder, Signer(b"k" * 32), stage.clock)
    stage.store.delete("c-1", "open")
    assert stage.cases() == {"c-2"}
    assert reserve.exists(), "for the next time"
    assert stage.is_intact()


def test_the_least_important_and_oldest_gives_way(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_bytes=14 * KIB)
    stage.keep("c-1", "c-2", "c-3", "c-4", size=3 * KIB)
    stage.judge("c-1", "confirmed")
    stage.judge("c-3", "rejected")
    stage.keep("c-5", size=3 * KIB)
    assert stage.cases() == {"c-1", "c-2", "c-4", "c-5"}
    stage.keep("c-6", size=3 * KIB)
    assert stage.cases() == {"c-1", "c-4", "c-5", "c-6"}
    assert {case: record.deleted for case, record in stage.store.records().items() if record.deleted} == {
        "c-2": "space",
        "c-3": "space",
    }
    for case in ("c-4", "c-5", "c-6"):
        stage.judge(case, "confirmed")
    with pytest.raises(RetryLaterError, match="confirmed"):
        stage.keep("c-7", size=3 * KIB)
    assert stage.is_intact()


@pytest.mark.parametrize(
    ("verdict", "days_left", "days_gone"),
    [("", 29, 30), ("reopened", 29, 30), ("merged", 29, 30), ("confirmed", 364, 365), ("rejected", 6, 7)],
)
def test_each_class_is_kept_for_its_time(stage: Stage, verdict: str, days_left: int, days_gone: int) -> None:
    stage.keep("c-1")
    if verdict:
        stage.judge("c-1", verdict)
    assert stage.after(days=days_left) == []
    assert stage.after(days=days_gone) == ["c-1"]
    assert stage.cases() == set()
    with pytest.raises(EvidenceError, match="deleted"):
        stage.store.verified_path("c-1", "after.jpg")
    assert stage.is_intact()


def test_a_rejected_case_lives_from_its_rejection(stage: Stage) -> None:
    stage.keep("c-1")
    stage.clock.now = NOW + timedelta(days=20)
    stage.judge("c-1", "rejected")
    assert stage.after(days=26) == []
    assert stage.after(days=27) == ["c-1"]


def test_a_clock_that_jumps_ahead_deletes_nothing(stage: Stage) -> None:
    stage.keep(*(f"c-{number}" for number in range(9)))
    later = NOW + timedelta(days=4_000)
    swept = enforce(stage.store, LIVES, later)
    assert (swept.deleted, len(stage.cases())) == ((), 9)
    assert "--trust-clock" in swept.held_back
    stage.clock.now = later
    assert len(enforce(stage.store, LIVES, later, trust_clock=True).deleted) == 9


def test_a_clock_that_is_behind_deletes_nothing(stage: Stage) -> None:
    stage.keep("c-1")
    assert "2025" in enforce(stage.store, LIVES, NOW - timedelta(days=200)).held_back


def test_a_case_the_log_does_not_know_goes_by_the_age_of_its_files(stage: Stage) -> None:
    stage.keep("c-1")
    (stage.folder / "older").mkdir()
    os.utime(stage.folder / "older", (0, (NOW - timedelta(days=31)).timestamp()))
    assert stage.after(hours=1) == ["older"]


def test_what_a_crash_left_of_a_deletion_goes(stage: Stage) -> None:
    stage.keep("c-1")
    stage.store.custody.add("deleted", "c-1", {"why": "open"})
    assert stage.cases() == {"c-1"}
    assert stage.after(hours=1) == []
    assert stage.cases() == set()


@pytest.mark.parametrize("logged", [True, False])
def test_what_a_crash_left_of_a_case_is_finished_or_goes(stage: Stage, *, logged: bool) -> None:
    hashes = write_case(stage.folder, "c-1", {"after.jpg": b"x"}, {})
    if logged:
        stage.store.custody.add("kept", "c-1", {"sha256": hashes})
    assert stage.after(hours=1) == []
    assert part_path(stage.folder, "c-1").is_dir(), "somebody may be writing it just now"
    os.utime(part_path(stage.folder, "c-1"), (0, 0))
    assert stage.after(hours=2) == []
    assert stage.cases() == ({"c-1"} if logged else set())
    assert stage.is_intact()


def test_the_settings_say_how_long() -> None:
    asked = Settings(evidence_days=3, evidence_confirmed_days=4, evidence_rejected_days=5)
    assert lifetimes_of(asked) == Lifetimes(timedelta(days=3), timedelta(days=4), timedelta(days=5))


def test_what_is_encrypted_opens_with_one_key_alone() -> None:
    private, other = new_private_key(), new_private_key()
    encrypted = encrypt(b"a face", public_of(private))
    assert b"face" not in encrypted
    assert encrypted != encrypt(b"a face", public_of(private))
    assert decrypt(encrypted, private, "c-1/after.jpg") == b"a face"
    changed = encrypted[:-1] + bytes([encrypted[-1] ^ 1])
    for content, key in (
        (encrypted, other),
        (changed, private),
        (encrypted[:20], private),
        (encrypted[:-5], private),
        (b"", private),
        (b"JPEG" * 40, private),
        (b"KOTA-SEALED-1\n" + b"x" * 100, private),
        (b"KOTA-SEALED-1\n", private),
    ):
        with pytest.raises(ConfigError, match=r"c-1/after\.jpg"):
            decrypt(content, key, "c-1/after.jpg")


def test_an_authority_opens_a_copy_with_age_and_the_key_file_alone(tmp_path: Path) -> None:
    private = new_private_key()
    (tmp_path / "clear.key").write_text(key_file(private))
    (identity,) = [line for line in (tmp_path / "clear.key").read_text().splitlines() if not line.startswith("#")]
    assert identity.startswith("AGE-SECRET-KEY-1")
    encrypted = encrypt(b"a face", public_of(private))
    assert encrypted.startswith(b"age-encryption.org/v1\n")
    assert pyrage.decrypt(encrypted, [pyrage.x25519.Identity.from_str(identity)]) == b"a face"


def test_keys_and_copies_of_an_earlier_version_stay_in_use(tmp_path: Path) -> None:
    raw = bytes(range(32))
    (tmp_path / "clear.key").write_text(base64.b64encode(raw).decode() + "\n")
    private = read_private_key(tmp_path / "clear.key")
    (tmp_path / "clear.pub").write_text(base64.b64encode(public_bytes(raw)).decode() + "\n")
    public = read_public_key(tmp_path / "clear.pub")
    assert public == public_of(private)
    assert decrypt(encrypt(b"new", public), private, "c-1/after.jpg") == b"new"
    earlier = base64.b64decode(EARLIER["evidence/c-1/clear-after-jpg.sealed"])
    assert decrypt(earlier, private, "c-1/after.jpg") == b"face"
    for key, name in ((private, "c-2/after.jpg"), (new_private_key(), "c-1/after.jpg")):
        with pytest.raises(ConfigError, match="cannot be decrypted"):
            decrypt(earlier, key, name)


def test_a_copy_is_found_under_its_present_and_its_earlier_name() -> None:
    assert find_encrypted("after.jpg", ["after.jpg", "clear-after-jpg.sealed"]) == "clear-after-jpg.sealed"
    assert find_encrypted("after.jpg", ["clear-after-jpg.sealed", "clear-after-jpg.age"]) == "clear-after-jpg.age"
    assert find_encrypted("after.jpg", ["after.jpg", "clear-before-jpg.age"]) is None


@pytest.mark.parametrize(
    "content",
    [
        None, "", "nonsense!", "AAAA", base64.b64encode(b"x" * 31).decode(), "clé", "# only a comment\n",
        key_file(KEY) * 2, "AGE-SECRET-KEY-1" + "Q" * 58, KEY[:-1], KEY.swapcase() + KEY,
    ],
)  # fmt: skip
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "clear.key"
    if content is not None:
        path.write_text(content)
    for read in (read_private_key, read_public_key):
        with pytest.raises(ConfigError, match=r"clear\.key"):
            read(path)


def test_a_private_key_in_the_public_one_s_place_is_refused(tmp_path: Path) -> None:
    private = new_private_key()
    (tmp_path / "clear.pub").write_text(f"{private}\n")
    with pytest.raises(ConfigError, match="holds no public key"):
        read_public_key(tmp_path / "clear.pub")
    (tmp_path / "clear.key").write_text(f"{public_of(private)}\n")
    with pytest.raises(ConfigError, match="holds no private key"):
        read_private_key(tmp_path / "clear.key")


def test_a_case_says_its_version_and_one_of_a_newer_version_is_refused_and_left(tmp_path: Path) -> None:
    write_case(tmp_path, "c-1", {"after.jpg": b"x"}, {"camera": "cam-01"})
    publish_case(tmp_path, "c-1")
    assert (about := read_about(tmp_path, "c-1"))["version"] == 1
    assert about["camera"] == "cam-01"
    path = tmp_path / "c-1" / "case.json"
    newer = path.read_bytes().replace(b'"version": 1', b'"version": 2')
    path.write_bytes(newer)
    with pytest.raises(ConfigError, match="has version 2, this program knows 1"):
        read_about(tmp_path, "c-1")
    assert path.read_bytes() == newer


def public_bytes(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


EARLIER: dict[str, str] = json.loads(Path(__file__).with_name("earlier_evidence.json").read_text())
"""Files of evidence as an earlier version has written them, by path in the data folder; `.sealed` ones in base64."""


def test_evidence_of_an_earlier_version_is_read_and_verified(tmp_path: Path) -> None:
    for name, text in EARLIER.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(text) if name.endswith(".sealed") else text.encode())
    folder, head_copy = tmp_path / "evidence", tmp_path / "custody.noted"
    report = verify(folder, read_public(folder / "custody.pub"), head_copy=head_copy)
    assert (report.faults, report.cases, report.files, report.entries) == ((), 1, 3, 2)
    store = EvidenceStore(folder, Signer(b"k" * 32), 1 << 20, lambda: NOW, head_copy)
    assert store.verified_path("c-1", "after.jpg").read_bytes() == b"jpeg"
    name = find_encrypted("after.jpg", store.records()["c-1"].sha256)
    assert name == "clear-after-jpg.sealed"
    (tmp_path / "clear.key").write_text(base64.b64encode(bytes(range(32))).decode())
    encrypted = store.verified_path("c-1", name).read_bytes()
    assert decrypt(encrypted, read_private_key(tmp_path / "clear.key"), "c-1/after.jpg") == b"face"
    assert read_about(folder, "c-1")["camera"] == "cam-01"
    store.custody.add("looked", "c-1", {"file": "after.jpg"})
    assert not verify(folder, read_public(folder / "custody.pub"), head_copy=head_copy).faults, "and goes on"


def test_files_of_evidence_have_the_names_of_earlier_versions(tmp_path: Path) -> None:
    store = open_evidence_store(Settings(data=tmp_path), Secrets.make(tmp_path))
    files = {"after.jpg": b"jpeg", encrypted_name("after.jpg"): encrypt(b"face", public_of(new_private_key()))}
    store.keep("c-1", files, {"camera": "cam-01"})
    store.custody.add("looked", "c-1", {"file": "after.jpg"})
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    beside = {"secret.key", "secret.fingerprint", "evidence/custody.lock", "evidence/custody.reserve"}
    present = {name.replace(".sealed", ".age") for name in EARLIER}
    assert kept == {*present - {"custody.noted"}, *beside, "custody/custody.noted"}
    for name in ("evidence/custody.jsonl", "evidence/custody.head", "evidence/c-1/case.json"):
        now, then = ((tmp_path / name).read_text().splitlines(), EARLIER[name].splitlines())
        if name.endswith(".json"):
            now, then = ["".join(now)], ["".join(then)]
        assert [list(json.loads(line)) for line in now] == [list(json.loads(line)) for line in then], name
