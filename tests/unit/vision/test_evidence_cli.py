"""`kota evidence`: what an operator types, what comes back, and exit codes that a script can rely on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from city.cli.main import main
from city.i18n.catalogue import Lang
from city.inventory.loader import builtin_city, load_city
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from vision.evidence.custody.records import CaseRecord
from vision.evidence.encryption import decrypt, encrypt, public_of, read_private_key, read_public_key
from vision.evidence.report import facts
from vision.evidence.store import EvidenceStore, open_evidence_store
from vision.evidence.subject import ReportSubject

CASE = "cam-01-20260301t040000z-1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvidenceStore:
    monkeypatch.setenv("KOTA_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    store = open_evidence_store(Settings(data=tmp_path), Secrets.make(tmp_path))
    store.keep(CASE, {"clip.webm": b"clip"}, {"camera": "cam-01", "site": "tps-oebobo"})
    return store


def kota(*words: str) -> int:
    return main(["evidence", *words])


def test_intact_evidence_is_0_and_harmed_evidence_1(store: EvidenceStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert kota("verify") == 0
    assert "1 cases, 2 files, 1 entries" in capsys.readouterr().out
    (store.folder / CASE / "clip.webm").write_bytes(b"other")
    assert kota("verify", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["intact"], [fault["kind"] for fault in found["faults"]]) == (False, ["changed"])
    assert kota("verify", "another-case") == 0, "that one is not harmed"


def test_a_log_of_somebody_elses_key_is_refused(store: EvidenceStore, capsys: pytest.CaptureFixture[str]) -> None:
    (store.folder.parent / "secret.key").write_bytes(os.urandom(32))
    assert kota("verify") == 2
    assert "is not the key that this data belongs to" in capsys.readouterr().err
    (store.folder.parent / "secret.fingerprint").unlink()
    assert kota("verify") == 2
    assert "custody.pub" in capsys.readouterr().err


def delete_all(folder: Path) -> None:
    shutil.rmtree(folder)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def set_back(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("older"), folder)


@pytest.mark.parametrize("harm", [delete_all, empty, set_back])
def test_a_folder_that_is_gone_or_set_back_is_not_intact_and_stays_so(
    store: EvidenceStore, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(store.folder, store.folder.with_name("older"))
    store.custody.add("looked", CASE, {"file": "clip.webm", "role": "viewer"})
    assert kota("verify") == 0
    harm(store.folder)
    assert kota("verify") == 1
    assert "was the newest one, and is not there" in capsys.readouterr().out
    store.custody.add("looked", CASE, {"file": "clip.webm", "role": "viewer"})
    assert kota("verify") == 1
    assert "noted on" in capsys.readouterr().out


def test_looking_makes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOTA_DATA", str(tmp_path / "none"))
    assert kota("verify") == 2
    assert not (tmp_path / "none").exists()


def test_keys_kept_elsewhere_check_it_too(store: EvidenceStore, tmp_path: Path) -> None:
    safe = tmp_path / "safe.pub"
    safe.write_bytes((store.folder / "custody.pub").read_bytes())
    (store.folder.parent / "secret.key").write_bytes(os.urandom(32))
    assert kota("verify", "--keys", str(safe)) == 0
    assert kota("verify", "--keys", str(tmp_path / "none.pub")) == 2


def test_who_did_what_is_listed(store: EvidenceStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.custody.add("looked", CASE, {"file": "clip.webm", "role": "viewer"})
    assert kota("accesses", CASE) == 0
    assert "file clip.webm, role viewer" in capsys.readouterr().out
    assert kota("accesses", "--json") == 0
    assert [entry["kind"] for entry in json.loads(capsys.readouterr().out)] == ["kept", "looked"]


def test_an_archive_is_written_once(store: EvidenceStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kota("export", CASE) == 0
    out = tmp_path / f"{CASE}.zip"
    assert oct(out.stat().st_mode & 0o777) == "0o600"
    assert f"{CASE}/laporan.pdf" in zipfile.ZipFile(out).namelist()
    assert kota("export", CASE) == 2, "it is there already"
    assert kota("export", CASE, "--lang", "en", "--out", str(tmp_path / "en.zip")) == 0
    assert f"{CASE}/report.pdf" in zipfile.ZipFile(tmp_path / "en.zip").namelist()
    capsys.readouterr()
    assert kota("export", "unknown", "--out", str(tmp_path / "no.zip")) == 1
    assert "knows no evidence" in capsys.readouterr().err
    assert len([entry for entry in store.custody.entries(CASE) if entry.kind == "exported"]) == 2


@pytest.mark.parametrize(
    ("about", "lang", "words"),
    [
        (
            {"by": "vehicle", "heading": "left", "in_passing": True, "size_person_heights": 1.25},
            "en",
            {"heading": "To the left", "stop": "Did not stop: the waste was thrown in passing"}
            | {"by": "By vehicle", "size": "About 1.2 times the height of a person"},
        ),
        (
            {"by": "foot", "heading": "away", "in_passing": False, "size_person_heights": 0.3},
            "id",
            {
                "by": "Orang berjalan kaki",
                "heading": "Menjauhi kamera",
                "stop": "",
                "size": "Sekitar 0,3 kali tinggi orang",
            },
        ),
        (
            {"by": "<b>", "heading": 7, "in_passing": "yes", "size_person_heights": True},
            "id",
            {"by": "", "heading": "", "stop": "", "size": ""},
        ),
    ],
)
def test_a_report_says_how_the_waste_came(about: dict[str, object], lang: Lang, words: dict[str, str]) -> None:
    subject = ReportSubject(CaseRecord(CASE), about, Path(), (), "key")
    assert dict(facts(subject, load_city(builtin_city("kupang")), lang)).items() >= words.items()


def test_a_case_is_forgotten_with_a_reason(store: EvidenceStore) -> None:
    with pytest.raises(SystemExit):
        kota("forget", CASE)
    assert kota("forget", CASE, "--why", "asked for by the person") == 0
    assert not (store.folder / CASE).exists()
    (entry,) = (entry for entry in store.custody.entries() if entry.kind == "deleted")
    assert entry.detail["reason"] == "asked for by the person"
    assert kota("forget", "unknown", "--why", "x") == 2
    assert kota("verify") == 0


def test_what_is_too_old_is_deleted(store: EvidenceStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert kota("expire") == 0
    assert "0 cases deleted" in capsys.readouterr().out
    planted = store.folder / "older"
    planted.mkdir()
    os.utime(planted, (0, time.time() - 40 * 86_400))
    assert kota("expire") == 0
    assert "deleted older (open)" in capsys.readouterr().out


def test_a_clear_key_is_made_once(store: EvidenceStore, tmp_path: Path) -> None:
    private = tmp_path / "clear.key"
    assert kota("clear-key", "--out", str(private)) == 0
    assert oct(private.stat().st_mode & 0o777) == "0o600"
    key = read_private_key(private)
    assert read_public_key(store.folder / "clear.pub") == public_of(key)
    assert decrypt(encrypt(b"x", public_of(key)), key, "c/a") == b"x"
    assert kota("clear-key", "--out", str(tmp_path / "second.key")) == 2, "what is sealed must stay readable"


def test_neither_the_api_nor_the_command_loads_opencv() -> None:
    program = "import sys, api.service, vision.evidence.cli; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
