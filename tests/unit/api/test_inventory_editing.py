"""The city's files over REST: rights and areas, checks, conflicts, the audit, and what is never shown."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import Response

from api.auth.access import COOKIE
from city.inventory.adoption import Adoption, adopt, read_adoption
from city.inventory.zones import Zone
from people.accounts import Account
from tests.support.access import PASSWORD, TESTER
from tests.support.api_requests import BROKER, INVENTORY, NEW_BIN
from tests.unit.api.conftest import CITY, NOW, Stage

SAME_SITE = {"Origin": "http://127.0.0.1"}
BIN = f"{INVENTORY}/devices/bin/bin-0451"
REACH = {"adapter": "tts", "address": "a@t/24E124AA00000009", "profile": "milesight-em310-udl"}


def ask(stage: Stage, method: str, path: str, body: Any = None, cookie: str = "") -> Response:
    headers = {**SAME_SITE, "Cookie": f"{COOKIE}={cookie}"} if cookie else SAME_SITE
    return stage.client(demo=not cookie).request(method, path, json=body, headers=headers)


def put(stage: Stage, path: str, cookie: str = "", **changes: Any) -> Response:
    """Change fields of an entry as it is now."""
    entry = ask(stage, "GET", path, cookie=stage.session("administrator")).json()
    fields = {**entry["fields"], **changes}
    return ask(stage, "PUT", path, {"fields": fields, "version": entry["file"]["version"]}, cookie)


def version(stage: Stage, name: str) -> str:
    return stage.editor.state(name).version


def test_a_dry_run_says_what_would_change_and_changes_nothing(stage: Stage) -> None:
    body = {"fields": NEW_BIN, "version": version(stage, "bins.csv"), "is_new": True}
    answer = ask(stage, "PUT", f"{INVENTORY}/devices/bin/bin-9001?dry_run=true", body).json()
    assert (answer["is_applied"], answer["n"], answer["file"], answer["line"]) == (False, None, "bins.csv", 530)
    assert answer["after"] == ["bin-9001,plastic-240l,organic,yellow,alak,,,,,,"]
    assert "bin-9001" not in stage.inventory.current().bins
    refused = ask(
        stage, "PUT", f"{INVENTORY}/devices/bin/bin-9001?dry_run=true", {**body, "fields": {**NEW_BIN, "color": "pink"}}
    )
    assert refused.json()["errors"] == [
        {"field": "color", "detail": "'pink' is not one of yellow, green, grey", "where": "bins.csv:530"}
    ]


def test_a_change_is_in_force_at_once_and_in_the_audit(stage: Stage) -> None:
    answer = put(stage, BIN, lat_deg="-10.2000", cookie=stage.session("network_admin"))
    assert answer.json()["is_applied"]
    assert stage.inventory.current().bins["bin-0451"].lat_deg == -10.2
    (entry,) = stage.people.audit.search(action="inventory")
    assert (entry.actor_name, entry.action, entry.object) == ("network_admin", "inventory.change", "bin-0451")
    assert entry.detail["where"] == f"bins.csv:{answer.json()['line']}"
    assert ("-10.2000" in entry.detail["after"], "-10.2000" in entry.detail["before"]) == (True, False)


def test_who_may_not_is_refused(stage: Stage) -> None:
    for role in ("viewer", "dispatcher", "camera_verifier"):
        assert put(stage, BIN, lat_deg="-10.2", cookie=stage.session(role)).status_code == 403  # type: ignore[arg-type]
    hours = f"{INVENTORY}/city/hours/default"
    assert put(stage, hours, name="x", cookie=stage.session("network_admin")).status_code == 403
    assert put(stage, hours, name="x", cookie=stage.session("supervisor")).status_code == 200
    assert ask(stage, "GET", f"{BROKER}/accounts").status_code == 403, "an open demo shows no account"


def test_a_whole_file_of_the_city_takes_the_right_to_it(stage: Stage) -> None:
    change = put(stage, f"{INVENTORY}/city/hours/default", name="x").json()
    body = {"version": version(stage, "city.toml")}
    path = f"{INVENTORY}/changes/{change['n']}/revert"
    assert ask(stage, "POST", path, body, stage.session("network_admin")).status_code == 403
    assert ask(stage, "POST", path, body, stage.session("supervisor")).json()["is_applied"]


def bound(stage: Stage, *areas: str) -> str:
    """The session of a network admin of some areas."""
    account: Account
    account, key = stage.people.add(TESTER, "bound", "", "network_admin", areas)
    stage.people.accept_link(key, PASSWORD, "127.0.0.1", "tests")
    return stage.people.sign_in(account.name, PASSWORD, "127.0.0.1", "tests").cookie


def test_areas_bound_what_is_changed_before_and_after(stage: Stage) -> None:
    kelurahan = CITY.bins["bin-0451"].kelurahan
    mine = bound(stage, f"kelurahan:{kelurahan}")
    assert put(stage, BIN, color="grey", cookie=mine).status_code == 200
    other = next(place for place in CITY.kelurahan if place != kelurahan)
    assert put(stage, BIN, kelurahan=other, site="", cookie=mine).status_code == 403
    elsewhere = next(bin_.id for bin_ in CITY.bins.values() if bin_.kelurahan == other)
    assert put(stage, f"{INVENTORY}/devices/bin/{elsewhere}", color="grey", cookie=mine).status_code == 403
    retired = ask(
        stage,
        "DELETE",
        f"{INVENTORY}/devices/bin/{elsewhere}?version={version(stage, 'bins.csv')}",
        cookie=mine,
    )
    assert retired.status_code == 403
    body = {"version": version(stage, "bins.csv")}
    assert ask(stage, "POST", f"{INVENTORY}/changes/1/revert", body, mine).status_code == 403, "it is a whole file"


def test_a_camera_shows_no_password_and_keeps_it(stage: Stage) -> None:
    path = f"{INVENTORY}/devices/camera/cam-01"
    secret = "rtsp://admin:hunter2@10.0.0.5/sub"  # noqa: S105 - of no camera
    assert put(stage, path, source=secret).status_code == 200
    shown = ask(stage, "GET", path).json()["fields"]["source"]
    assert shown == "rtsp://10.0.0.5"
    assert put(stage, path, interval_s="30").status_code == 200
    assert stage.inventory.current().cameras["cam-01"].source == secret
    everything = [
        ask(stage, "GET", f"{INVENTORY}/{what}").text for what in ("changes", "devices/camera", "devices/camera/cam-01")
    ]
    audit = "".join(map(str, stage.people.audit.search(action="inventory")))
    page = stage.client().get("/admin/changes").text + stage.client().get("/admin/entries/camera/cam-01").text
    assert "hunter2" not in "".join(everything) + audit + page
    assert "10.0.0.5" in everything[0]


@pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "..", "ftp://x/y"])
def test_a_camera_is_no_way_to_this_machines_files(stage: Stage, source: str) -> None:
    answer = put(stage, f"{INVENTORY}/devices/camera/cam-01", source=source)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "source")


def test_a_device_that_was_adopted_whole_is_changed_and_retired_in_its_own_file(stage: Stage) -> None:
    adopt(stage.folder, CITY, Adoption("bin-9002", "bin", {**NEW_BIN, **REACH}))
    stage.additions.refresh()
    path = f"{INVENTORY}/devices/bin/bin-9002"
    assert ask(stage, "GET", path).json()["file"]["name"] == "devices/bin-9002.json"
    assert put(stage, path, color="grey").json()["file"] == "devices/bin-9002.json"
    assert stage.inventory.current().bins["bin-9002"].color == "grey"
    assert read_adoption(stage.folder / "devices" / "bin-9002.json").fields["address"] == REACH["address"]
    known = version(stage, "devices/bin-9002.json")
    assert ask(stage, "DELETE", f"{path}?version={known}").json()["is_applied"]
    assert "bin-9002" not in stage.inventory.current().bins


def test_zones_of_an_adopted_camera_stay(stage: Stage) -> None:
    zone = {"kind": "watch", "name": "w", "polygon": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}
    fields = {"kelurahan": "alak", "zones": [zone], "adapter": "onvif", "address": "x", "profile": "y"}
    path = stage.folder / "devices" / "cam-99.json"
    profile = next((known.id for known in CITY.profiles.values() if known.kind == "camera"), "")
    if not profile:
        pytest.skip("no profile is one of cameras")
    adopt(stage.folder, CITY, Adoption("cam-99", "camera", {**fields, "adapter": "tts", "profile": profile}))
    stage.additions.refresh()
    assert put(stage, f"{INVENTORY}/devices/camera/cam-99", interval_s="30").status_code == 200
    assert "watch" in path.read_text()
    assert isinstance(stage.inventory.current().cameras["cam-99"].zones[0], Zone)


def test_an_adopted_address_is_given_up(stage: Stage) -> None:
    adopt(stage.folder, CITY, Adoption("bin-0451", "bin", REACH, attach=True))
    stage.additions.refresh()
    assert stage.inventory.current().bins["bin-0451"].binding is not None
    known = version(stage, "devices/bin-0451.json")
    assert ask(stage, "DELETE", f"{INVENTORY}/adoptions/bin-0451?version={known}").status_code == 200
    assert stage.inventory.current().bins["bin-0451"].binding is None


def test_a_disk_that_refuses_is_told_without_its_folders(stage: Stage) -> None:
    (stage.folder / "inventory").write_text("in the way")
    answer = put(stage, BIN, color="grey")
    assert (answer.status_code, str(stage.folder) in answer.text) == (503, False)


def test_a_broken_file_is_said_where_it_is_looked_at(stage: Stage) -> None:
    copy = stage.folder / "inventory" / "sites.csv"
    copy.parent.mkdir()
    copy.write_text("id,name\n")
    stage.additions.refresh()
    assert "tps-oebobo" in stage.inventory.current().sites
    for path in ("/admin", "/admin/entries/site"):
        assert "sites.csv:1" in stage.client().get(path).text
    assert 'href="/admin"' in stage.client().get("/system?part=warnings").text, "every page says so"
    assert "sites.csv:1" in {error["where"] for error in put(stage, BIN, color="grey").json()["errors"]}
    copy.unlink()
    stage.additions.refresh()
    assert 'href="/admin"' not in stage.client().get("/system?part=warnings").text


@pytest.mark.parametrize("table", ["bin", "truck", "ap", "camera", "site", "hours", "alarm"])
def test_every_entry_of_every_table_has_a_form_that_changes_nothing_by_itself(stage: Stage, table: str) -> None:
    client = stage.client()
    assert client.get(f"/admin/entries/{table}?q=a").status_code == 200
    assert client.get(f"/admin/entries/{table}/none").status_code == 404
    group = "devices" if table in ("bin", "truck", "ap", "camera") else "city"
    for entry in client.get(f"{INVENTORY}/{group}/{table}").json()["entries"][:3]:
        path = f"{INVENTORY}/{group}/{table}/{entry['id']}"
        assert client.get(f"/admin/entries/{table}/{entry['id']}").status_code == 200
        answer = put(stage, path).json()
        assert (answer["n"], answer["before"], answer["after"]) == (None, [], [])


def test_passwords_of_devices_are_changed_and_revoked(stage: Stage) -> None:
    cookie = stage.session("network_admin")
    derived, passwords = stage.secrets.password("bin-0451"), stage.context().passwords
    made = ask(stage, "POST", f"{BROKER}/accounts/bin-0451/password", {"overlap_h": 0}, cookie).json()
    assert (made["user"], made["old_valid_until"]) == ("bin-0451", None)
    assert (passwords.is_valid("bin-0451", made["password"]), passwords.is_valid("bin-0451", derived)) == (True, False)
    listed = ask(stage, "GET", f"{BROKER}/accounts", cookie=cookie)
    state = next(account for account in listed.json()["accounts"] if account["user"] == "bin-0451")
    assert (state["state"], made["password"] in listed.text, derived in listed.text) == ("changed", False, False)
    assert ask(stage, "POST", f"{BROKER}/accounts/bin-0451/revoke", None, cookie).status_code == 200
    assert not passwords.is_valid("bin-0451", made["password"])
    actions = [entry.action for entry in stage.people.audit.search(action="device.")]
    assert actions == ["device.revoke", "device.password"]
    assert made["password"] not in str(stage.people.audit.search())


def test_a_gateway_gets_an_account_that_works_and_loses_it(stage: Stage) -> None:
    cookie = stage.session("network_admin")
    body = {"name": "chirpstack-1", "formats": ["chirpstack"]}
    made = ask(stage, "POST", f"{BROKER}/gateways", body, cookie).json()
    gateway = stage.context().gateways.current()["chirpstack-1"]
    assert made["password"] == stage.secrets.gateway_password("chirpstack-1", gateway.nonce)
    for taken in ("bin-0451", "ingest", "gateway"):
        assert ask(stage, "POST", f"{BROKER}/gateways", {**body, "name": taken}, cookie).status_code == 422
    assert ask(stage, "DELETE", f"{BROKER}/gateways/chirpstack-1", None, cookie).status_code == 200
    assert stage.context().gateways.current() == {}


def test_old_passwords_end_by_their_time(stage: Stage) -> None:
    cookie = stage.session("network_admin")
    made = ask(stage, "POST", f"{BROKER}/accounts/bin-0451/password", {"overlap_h": 2}, cookie).json()
    assert made["old_valid_until"].startswith(f"{NOW:%Y-%m-%dT}14:00")
