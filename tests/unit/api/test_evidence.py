"""Evidence at the API: as it was kept or not at all, every look noted, archives, clear copies, and the end."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.console.page_context import PageContext
from api.console.parts.custody_panel import custody_panel
from api.queries.cases import cases
from city.storage.signatures import read_public
from people.rights import Role
from tests.support.access import identity_with
from tests.unit.api.conftest import Stage
from vision.evidence.custody.verify import verify
from vision.evidence.encryption import encrypt, encrypted_name, key_file, new_private_key, public_of

CASE = "cam-01-20260301t040000z-1"


def jpeg(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (64, 48), level).save(file, "jpeg")
    return file.getvalue()


FILES = {"before.jpg": jpeg(40), "after.jpg": jpeg(90), "clip.webm": b"webm clip"}
BASE = f"/api/v1/dumping/cases/{CASE}"
WHY = {"reason": "Diminta Satpol PP, surat 12/2026"}


@pytest.fixture
def dumped(stage: Stage) -> Stage:
    evidence = {name.partition(".")[0]: name for name in FILES}
    stage.happen("cam-01", "dumping", case=CASE, evidence={**evidence, "x": "../../secret.key"}, simulated=True)
    stage.keep(CASE, FILES, camera="cam-01", site="tps-oebobo", since="2026-03-01T04:00:00+00:00")
    return stage


def as_(stage: Stage, role: Role) -> TestClient:
    return stage.client(demo=False, token=stage.token(role), peer="10.0.0.7")


def noted(stage: Stage, kind: str) -> list[dict[str, Any]]:
    return [entry.detail for entry in stage.room.custody.entries(CASE) if entry.kind == kind]


def test_files_are_served_by_name_and_nothing_else_is(dumped: Stage) -> None:
    client = as_(dumped, "viewer")
    picture = client.get(f"{BASE}/evidence/before.jpg")
    assert (picture.content, picture.headers["content-type"]) == (FILES["before.jpg"], "image/jpeg")
    assert picture.headers["cross-origin-resource-policy"] == "cross-origin", "boards show it from their own origin"
    clip = client.get(f"{BASE}/evidence/clip.webm", headers={"Range": "bytes=1-2"})
    assert (clip.content, clip.headers["content-type"]) == (b"eb", "video/webm")
    assert dumped.client(demo=False).get(f"{BASE}/evidence/before.jpg").status_code == 401
    for name in ("case.json", "..%2F..%2Fsecret.key", "%2e%2e/%2e%2e/secret.key", "other.jpg"):
        assert client.get(f"{BASE}/evidence/{name}").status_code in (404, 422), name


def test_every_look_is_in_the_custody_log_once(dumped: Stage) -> None:
    client = as_(dumped, "viewer")
    for _ in range(3):
        client.get(f"{BASE}/evidence/clip.webm", headers={"Range": "bytes=0-1"})
    client.get(f"{BASE}/evidence/after.jpg")
    client.get(f"{BASE}/evidence/other.jpg")
    seen = {"user": "viewer", "address": "10.0.0.7"}
    assert noted(dumped, "looked") == [{"file": "clip.webm", **seen}, {"file": "after.jpg", **seen}]
    as_(dumped, "supervisor").get(f"{BASE}/evidence/after.jpg")
    assert noted(dumped, "looked")[2:] == [{"file": "after.jpg", "user": "supervisor", "address": "10.0.0.7"}]


def test_without_a_log_nothing_is_shown(dumped: Stage) -> None:
    (dumped.room.folder / "custody.lock").unlink()
    (dumped.room.folder / "custody.lock").mkdir()
    answer = as_(dumped, "viewer").get(f"{BASE}/evidence/after.jpg")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(("content", "status"), [(b"tampered", 409), (None, 410)])
def test_what_is_not_as_it_was_kept_is_refused(dumped: Stage, content: bytes | None, status: int) -> None:
    path = dumped.room.folder / CASE / "after.jpg"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    client = as_(dumped, "supervisor")
    assert client.get(f"{BASE}/evidence/after.jpg").status_code == status
    assert client.get(f"{BASE}/evidence/before.jpg").status_code == 200, "the good beside it is shown"
    assert client.post(f"{BASE}/export").status_code == status
    assert noted(dumped, "exported") == []


def test_files_the_log_does_not_know_are_no_evidence(stage: Stage) -> None:
    stage.happen("cam-01", "dumping", case=CASE, evidence={"after": "after.jpg"})
    folder = stage.room.folder / CASE
    folder.mkdir(parents=True)
    (folder / "after.jpg").write_bytes(b"planted")
    assert as_(stage, "viewer").get(f"{BASE}/evidence/after.jpg").status_code == 404


@pytest.mark.parametrize(("lang", "report"), [("id", "laporan.pdf"), ("en", "report.pdf")])
def test_an_archive_has_files_report_and_custody(dumped: Stage, lang: str, report: str) -> None:
    answer = as_(dumped, "supervisor").post(f"{BASE}/export", params={"lang": lang})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    found = {name.removeprefix(f"{CASE}/"): archive.read(name) for name in archive.namelist()}
    assert {name: found[name] for name in FILES} == FILES
    assert found[report].startswith(b"%PDF-")
    assert [b'"exported"' in line for line in found["custody.jsonl"].splitlines()] == [False, True]
    assert noted(dumped, "exported") == [{"user": "supervisor", "address": "10.0.0.7"}]
    assert verify(dumped.room.folder, read_public(dumped.room.folder / "custody.pub")).intact


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("viewer", "GET", "/custody", 403),
        ("viewer", "POST", "/export", 403),
        ("supervisor", "POST", "/clear/after.jpg", 403),
        ("supervisor", "POST", "/erase", 403),
        ("supervisor", "GET", "/custody", 200),
    ],
)
def test_each_role_has_its_own(dumped: Stage, role: Role, method: str, path: str, status: int) -> None:
    assert as_(dumped, role).request(method, BASE + path, json=WHY).status_code == status


def with_clear_copies(stage: Stage, folder: Path) -> bytes:
    private = new_private_key()
    stage.clear_key = folder / "clear.key"
    stage.clear_key.write_text(key_file(private))
    stage.happen("cam-01", "dumping", case=CASE, evidence={"after": "after.jpg"})
    sealed = encrypt(b"face", public_of(private))
    stage.keep(CASE, {"after.jpg": FILES["after.jpg"], encrypted_name("after.jpg"): sealed})
    return sealed


def test_a_clear_copy_needs_a_role_and_a_reason_which_is_noted(stage: Stage, tmp_path: Path) -> None:
    sealed = with_clear_copies(stage, tmp_path)
    assert b"face" not in sealed
    admin = as_(stage, "administrator")
    for body in ({}, {"reason": "no"}, {"reason": 7}):
        assert admin.post(f"{BASE}/clear/after.jpg", json=body).status_code == 422
    assert noted(stage, "looked") == []
    answer = admin.post(f"{BASE}/clear/after.jpg", json=WHY)
    assert (answer.content, answer.headers["content-type"]) == (b"face", "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    assert noted(stage, "looked") == [
        {"file": "after.jpg", "clear": "yes", **WHY, "user": "administrator", "address": "10.0.0.7"}
    ]
    archive = zipfile.ZipFile(io.BytesIO(as_(stage, "supervisor").post(f"{BASE}/export").content))
    assert not [name for name in archive.namelist() if name.endswith((".age", ".sealed"))], "an archive shows no people"


def test_a_clear_copy_is_not_opened_with_another_key_or_none(stage: Stage, tmp_path: Path) -> None:
    with_clear_copies(stage, tmp_path)
    assert as_(stage, "administrator").post(f"{BASE}/clear/before.jpg", json=WHY).status_code == 404
    assert stage.clear_key
    stage.clear_key.write_text(key_file(new_private_key()))
    assert as_(stage, "administrator").post(f"{BASE}/clear/after.jpg", json=WHY).status_code == 409
    stage.clear_key.write_text("nonsense")
    assert as_(stage, "administrator").post(f"{BASE}/clear/after.jpg", json=WHY).status_code == 409
    stage.clear_key = None
    assert as_(stage, "administrator").post(f"{BASE}/clear/after.jpg", json=WHY).status_code == 404
    assert noted(stage, "looked") == []


def test_an_admin_deletes_and_that_stays_known(dumped: Stage) -> None:
    admin = as_(dumped, "administrator")
    assert admin.post(f"{BASE}/erase", json={"reason": "short"}).status_code == 422
    assert admin.post(f"{BASE}/erase", json=WHY).json() == {"case": CASE, "deleted": "erasure"}
    assert not (dumped.room.folder / CASE).exists()
    assert admin.get(f"{BASE}/evidence/after.jpg").status_code == 410
    assert admin.post(f"{BASE}/erase", json=WHY).status_code == 410
    assert admin.get(BASE).status_code == 200, "the case stays"
    kinds = [entry["kind"] for entry in admin.get(f"{BASE}/custody").json()["entries"]]
    assert kinds == ["kept", "deleted"]
    assert verify(dumped.room.folder, read_public(dumped.room.folder / "custody.pub")).intact


def test_the_page_of_a_case_shows_who_has_seen_it(dumped: Stage) -> None:
    as_(dumped, "viewer").get(f"{BASE}/evidence/after.jpg")
    context = dumped.context()
    (case,) = cases(context)
    shown = custody_panel(PageContext(context, "id", identity_with("administrator")), case)
    for words in ("Riwayat bukti", "berkas after.jpg, pengguna viewer, alamat 10.0.0.7", "Unduh bukti", "Hapus bukti"):
        assert words in shown, words
    shown = custody_panel(PageContext(context, "en", identity_with("supervisor")), case)
    assert "Download evidence" in shown
    assert "Delete the evidence" not in shown


@pytest.mark.parametrize("harm", ["nothing", "text", "cut", "bomb", "png bomb"])
def test_a_picture_that_is_none_costs_the_report_that_picture_alone(stage: Stage, harm: str) -> None:
    """Whoever can write evidence may write a file that claims to be gigantic."""
    whole = jpeg(90)
    frame = next(place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xc0")
    bomb = whole[: frame + 5] + b"\xff\xff\xff\xff" + whole[frame + 9 :]
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\x02\0\0\0" + b"\0" * 40
    bad = {"nothing": b"", "text": b"<svg/>", "cut": whole[:-200], "bomb": bomb, "png bomb": png}[harm]
    stage.happen("cam-01", "dumping", case=CASE, evidence={"before": "before.jpg", "after": "after.jpg"})
    stage.keep(CASE, {"before.jpg": bad, "after.jpg": whole})
    answer = as_(stage, "supervisor").post(f"/api/v1/dumping/cases/{CASE}/export?lang=en")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read(f"{CASE}/before.jpg") == bad
        assert archive.read(f"{CASE}/report.pdf").startswith(b"%PDF")
