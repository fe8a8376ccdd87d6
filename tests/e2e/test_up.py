"""`kota up` as its user knows it: the city fills, survives kills, takes other makers' messages, and stops."""

from __future__ import annotations

import itertools
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.brokers import ROOT, free_port
from tests.support.cities import RunningCity
from tests.support.require import require_program, require_shared
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    made = RunningCity(tmp_path_factory.mktemp("up") / "data", "--speed", "60")
    try:
        made.wait_ready()
        yield made
    finally:
        made.stop()
        print(made.log())


def online(city: RunningCity, kind: str) -> int:
    return int(city.get(f"/api/v1/devices?kind={kind}&state=online&limit=1")["total"])


def test_every_kind_of_device_reports(city: RunningCity) -> None:
    for kind, least in (("bin", 500), ("truck", 8), ("ap", 50), ("camera", 11)):
        wait_for(lambda k=kind, n=least: online(city, k) >= n, f"{least} {kind}")
    fill = wait_for(lambda: city.get("/api/v1/devices/bin-0451/latest")["fillingLevel"] is not None, "a fill level")
    assert fill


def test_the_live_stream_tells_what_changes(city: RunningCity) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{city.port}/api/v1/stream", timeout=60) as stream:
        lines = [line.decode() for line in itertools.islice(stream, 12)]
    (first, *_) = [line for line in lines if line.startswith("data: ")]
    assert json.loads(first.removeprefix("data: "))[0]["id"]
    assert any(line.startswith("id: ") for line in lines)


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    other = RunningCity(tmp_path / "data", "--no-vision", "--no-simulator")
    other.wait_ready()
    assert set(other.pids()) == {"broker", "server"}
    other.process.kill()
    other.process.wait(10)
    wait_for(lambda: other.pids() == {}, "the children to end")


def publish(city: RunningCity, topic: str, body: Any) -> None:
    """As another maker's server would, with an account of its own."""
    formats = ("tts", "owntracks", "radius", "unifi", "netjson", "json")
    options = [part for name in formats for part in ("--format", name)]
    account = json.loads(city.verb("credentials", "gateway", "servers", *options, "--json").stdout)
    payload = body if isinstance(body, str) else json.dumps(body)
    command = [require_program("mosquitto_pub"), "-p", str(city.mqtt_port), "-q", "1", "-t", topic, "-m", payload]
    subprocess.run([*command, "-u", account["user"], "-P", account["password"]], check=True, timeout=30)


def test_a_things_stack_uplink_reaches_the_api(city: RunningCity) -> None:
    at = datetime.now(UTC).isoformat()
    publish(
        city,
        "v3/kupang-bins@ttn/devices/em310-0001/up",
        {
            "end_device_ids": {"device_id": "em310-0001", "dev_eui": "24E124713C000001"},
            "uplink_message": {"f_port": 85, "received_at": at, "decoded_payload": {"distance": 333, "battery": 77}},
        },
    )

    def latest() -> Any:
        values = city.get("/api/v1/devices/bin-0021/latest")["values"]
        return [values.get(name, {}).get("value") for name in ("battery_pct", "distance_mm")] == [77.0, 333.0]

    wait_for(lambda: latest() or seen_in_series(city, "bin-0021", "distance_mm", 333.0), "the uplink")


def seen_in_series(city: RunningCity, device: str, field: str, value: float) -> bool:
    """The simulator may have spoken for the device since; the reading itself stays."""
    found = city.get(f"/api/v1/devices/{device}/series?field={field}")
    return any(point["value"] == value for point in found["points"])


def test_an_owntracks_location_reaches_the_api(city: RunningCity) -> None:
    # The simulator drives this truck too: farther from where it is, the fix would be a jump.
    placed = wait_for(lambda: city.get("/api/v1/devices/truck-31/latest")["values"].get("lat_deg"), "a first position")
    lon_deg = city.get("/api/v1/devices/truck-31/latest")["values"]["lon_deg"]["value"]
    here = {"lat": round(placed["value"] + 0.0001234, 7), "lon": lon_deg}
    now = int(datetime.now(UTC).timestamp())
    publish(city, "owntracks/dlhk/truck-31", {"_type": "location", "tst": now, "vel": 31, "cog": 90, **here})
    wait_for(lambda: seen_in_series(city, "truck-31", "lat_deg", here["lat"]), "the location")


def test_broken_messages_are_kept_with_a_reason_that_helps(city: RunningCity) -> None:
    publish(city, "v3/kupang-bins@ttn/devices/em310-0001/up", "{")

    def reasons() -> list[str]:
        return [letter["reason"] for letter in json.loads(city.verb("deadletters", "--json").stdout)]

    wait_for(lambda: any("not JSON" in reason for reason in reasons()), "the dead letter")


def test_an_unknown_device_waits_is_adopted_and_loses_nothing(city: RunningCity) -> None:
    """From its first message to its reading in the API, without a restart."""
    at = datetime.now(UTC).replace(microsecond=0)
    names = [f"stranger-{at:%H%M%S}", f"another-{at:%H%M%S}"]
    for name in names:
        uplink = {"f_port": 85, "f_cnt": 1, "frm_payload": "A3VkA2cZAQSCRAEFAAE=", "received_at": at.isoformat()}
        ids = {"device_id": name, "application_ids": {"application_id": "new-bins"}}
        publish(city, f"v3/new-bins@ttn/devices/{name}/up", {"end_device_ids": ids, "uplink_message": uplink})

    def waiting() -> dict[str, Any]:
        found = json.loads(city.verb("device", "unknown", "--json").stdout)
        return {device["address"].rpartition("/")[2]: device for device in found}

    wait_for(lambda: set(names) <= waiting().keys(), "both strangers")
    place = [
        "--lat-deg",
        "-10.1712",
        "--lon-deg",
        "123.6011",
        "--model",
        "plastic-660l",
        "--waste-kind",
        "organic",
        "--color",
        "yellow",
    ]
    number = str(waiting()[names[0]]["id"])
    done = city.verb("device", "adopt", number, "--id", names[0], "--profile", "milesight-em310-udl", *place)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: seen_in_series(city, names[0], "distance_mm", 324.0), "what it had sent before it was adopted")
    assert names[0] not in waiting()
    assert names[1] in waiting()


PHONE = "40:d3:ae:04:32:0c"


def test_nobodys_phone_is_on_the_disk(tmp_path: Path) -> None:
    """Whatever becomes of messages that name somebody's phone: no file holds its address afterwards."""
    data = tmp_path / "data"
    other = RunningCity(data, "--no-vision", "--no-simulator")
    try:
        other.wait_ready()
        request = {"Calling-Station-Id": PHONE.upper().replace(":", "-"), "User-Name": PHONE, "Acct-Session-Id": "8"}
        publish(other, "radius/hotspot1/accounting", {"Acct-Status-Type": "Start", **request})
        publish(other, "radius/hotspot1/accounting", {"Acct-Status-Type": "Failed", **request})
        publish(other, "unifi/default/sta", {"data": [{"mac": PHONE, "ap_mac": "80:2a:a8:00:01:02", "signal": -60}]})
        wireless = {"ssid": "x", "mode": "access_point", "clients": {PHONE: {"assoc": True}}}
        interface = {"name": "wlan0", "type": "wireless", "wireless": wireless}
        publish(other, "netjson/router-7", {"type": "DeviceMonitoring", "interfaces": [interface]})
        publish(other, "netjson/router-7", '{"type": "DeviceMonitoring", "clients": "' + PHONE + '"')

        def kept() -> tuple[int, int]:
            verbs = (("device", "unknown"), ("deadletters",))
            strangers, letters = (json.loads(other.verb(*verb, "--json").stdout) for verb in verbs)
            return len(strangers), len(letters)

        wait_for(lambda: kept() == (3, 2), "all of them")
        spellings = [PHONE.replace(":", mark).encode() for mark in (":", "-", "")]
        broker = data / "broker"
        wait_for(
            lambda: (
                not any(
                    spelling in path.read_bytes().lower() for path in broker.rglob("*.blk") for spelling in spellings
                )
            ),
            "the broker to give up what ingest has",
        )
    finally:
        other.stop()
    for path in (file for file in data.rglob("*") if file.is_file()):
        content = path.read_bytes().lower()
        assert not [spelling for spelling in spellings if spelling in content], path
    assert any(b"02:6b:" in path.read_bytes() for path in data.rglob("*.sqlite*"))


def test_one_devices_own_agent(city: RunningCity) -> None:
    done = city.verb(
        "edge", "--device", "bin-0451", "--sensor", "stdin", stdin='{"weight_kg": 42.5}\n{"weight_kg": "x"}\n'
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "edge.reading_refused" in done.stdout
    wait_for(lambda: seen_in_series(city, "bin-0451", "weight_kg", 42.5), "the reading")


def balance(city: RunningCity) -> dict[str, int]:
    found: dict[str, int] = json.loads(city.verb("reconcile", "--json").stdout or "{}")
    return found


@pytest.mark.parametrize("name", ["broker", "server", "simulator", "vision"])
def test_a_killed_process_comes_back_and_the_ledger_agrees(city: RunningCity, name: str) -> None:
    before = balance(city)["stored"]
    city.kill(name)
    city.wait_ready()
    wait_for(lambda: balance(city).get("stored", 0) > before + 50, "new readings after the kill")
    # Readings in between outbox and store count as waiting; at rest nothing is missing.
    wait_for(lambda: balance(city).get("missing") == 0, "a ledger that agrees")
    assert balance(city)["duplicates"] == 0


def test_a_bag_in_the_demo_scene_becomes_a_case(city: RunningCity) -> None:
    def evident() -> dict[str, Any] | None:
        """One whose pictures were in memory when the camera's process was killed has none."""
        return next((case for case in city.get("/api/v1/dumping/cases")["cases"] if case["evidence"]), None)

    case = wait_for(evident, "a case with evidence", within_s=150)
    assert case["simulated"] is True
    assert set(case["evidence"]) == {"before", "deposit", "after", "clip"}
    kinds = [entry["kind"] for entry in city.get(f"/api/v1/dumping/cases/{case['id']}/custody")["entries"]]
    assert kinds[0] == "kept"
    verified = city.verb("evidence", "verify", "--data", str(city.data))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_what_is_kept_is_for_this_user_only(city: RunningCity) -> None:
    open_to_others = [path for path in city.data.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_a_second_city_on_the_same_data_is_refused(city: RunningCity) -> None:
    done = city.verb("up", "--data", str(city.data))
    assert done.returncode == 1
    assert "in use by another" in done.stderr


def test_a_port_that_was_asked_for_and_is_taken_is_refused(city: RunningCity, tmp_path: Path) -> None:
    done = city.verb("up", "--data", str(tmp_path), "--port", str(city.port), "--mqtt-port", str(free_port()))
    assert done.returncode == 1
    assert f"port {city.port}" in done.stderr


def test_stopping_leaves_nothing_behind(tmp_path: Path) -> None:
    other = RunningCity(tmp_path / "data", "--no-vision")
    other.wait_ready()
    pids = other.pids()
    assert set(pids) == {"broker", "server", "simulator"}
    assert other.stop() == 0
    assert other.pids() == {}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("up", "--host", "192.0.2.1"), 2, "loopback only"),
        (("up", "--no-demo"), 2, "belongs to a demo"),
        (("up", "--clip", "missing.mp4"), 2, "no such file"),
        (("up", "--clock", "25:00"), 2, "clock"),
        (("check", "--city", "atlantis"), 2, "atlantis"),
        (("credentials", "bin-9999"), 2, "there is no city here yet"),
        (("reconcile",), 2, "no city has been started"),
        (("nonsense",), 2, "no verb"),
    ],
)
def test_wrong_settings_say_what_is_wrong_and_exit_with_2(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    data = () if arguments[0] == "nonsense" else ("--data", str(tmp_path))
    done = subprocess.run(
        [str(ROOT / "kota"), *arguments, *data], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('case "$*" in *version_info*) exit 1;; esac', "needs Python 3.11"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "venv module is missing"),
    ],
)
def test_a_machine_without_what_it_takes_is_told(tmp_path: Path, answer: str, message: str) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        fake = tmp_path / name
        fake.write_text(f"#!/bin/sh\n{answer}\nexit 0\n")
        fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "KOTA_VENV": str(tmp_path / "venv")}
    done = subprocess.run(
        [str(ROOT / "kota"), "devices"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr


def test_every_verb_is_shown_and_explains_itself() -> None:
    shown = subprocess.run(
        [str(ROOT / "kota"), "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    for verb in ("up", "check", "devices", "credentials", "edge", "deadletters", "reconcile", "vision", "serve"):
        assert f"  {verb} " in shown
        arguments = [verb, "score", "--help"] if verb == "vision" else [verb, "--help"]
        subprocess.run([str(ROOT / "kota"), *arguments], capture_output=True, timeout=60, check=True)


@pytest.mark.xdist_group("clips")
@pytest.mark.parametrize(("clock", "expected"), [("12:00", 1), ("18:00", 0)])
def test_a_real_clip_is_judged_by_its_clock(tmp_path: Path, clock: str, expected: int) -> None:
    clip = require_shared("clips/aboda-v1-excerpt.mp4")
    city = RunningCity(tmp_path / "data", "--no-simulator", "--clip", str(clip), "--clock", clock)
    try:
        city.wait_ready()
        wait_for(lambda: "vision.source_ended" in city.log(), "the end of the clip", within_s=150)
        wait_for(lambda: len(city.get("/api/v1/dumping/cases")["cases"]) >= expected, "the case")
        cases = city.get("/api/v1/dumping/cases")["cases"]
        assert len(cases) == expected
        assert all("T12:00:" in case["local_time"] for case in cases)
    finally:
        city.stop()
        print(city.log())
