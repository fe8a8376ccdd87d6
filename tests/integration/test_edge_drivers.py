"""Drivers against what they are for: pseudo-terminals, snmpd, gpsd, a camera, ubus, and a whole agent on a broker."""

from __future__ import annotations

import itertools
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.contract.topics import Kind
from city.inventory import builtin_city, load_city
from city.settings import load_settings
from edge.outbox import Measured
from edge.sensors.port import Assignment, Sensor
from edge.sensors.registry import open_sensor
from edge.sensors.source import parse_source
from tests.support import rtsp
from tests.support.brokers import ROOT, RunningBroker, free_port
from tests.support.clients import Connected
from tests.support.field import (
    AUTH_PASSWORD,
    COMMUNITY,
    PRIVACY_PASSWORD,
    SNMP_USER,
    SerialDevice,
    Snmpd,
    plugged,
    running_gpsd,
)
from tests.support.require import require_nothing_missing, require_shared
from tests.support.waiting import wait_for

CITY = load_city(builtin_city("kupang"))
AP = next(iter(CITY.access_points))
DISTANCE = bytes.fromhex("FF07A1A7")


def sensor_of(name: str, kind: Kind, source: str, **settings: Any) -> Sensor:
    device = next(device for device in CITY.devices.values() if kind == device.KIND)
    return open_sensor(name, Assignment(CITY, device, 0.1, parse_source(source), load_settings(**settings)))


class Running:
    """A sensor on a thread of its own, as in an agent."""

    def __init__(self, sensor: Sensor) -> None:
        self.found: list[Measured] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(sensor,), daemon=True)

    def _read(self, sensor: Sensor) -> None:
        for entry in sensor.readings(self.stop):
            assert isinstance(entry, Measured)
            self.found.append(entry)

    def next(self, what: str) -> dict[str, Any]:
        """The values of a reading that is still to come."""
        seen = len(self.found)
        wait_for(lambda: len(self.found) > seen, what)
        return dict(self.found[-1].values)


@contextmanager
def running(sensor: Sensor) -> Iterator[Running]:
    made = Running(sensor)
    made.thread.start()
    yield made
    made.stop.set()
    wait_for(lambda: not made.thread.is_alive(), "the sensor to hear the stop")


def said(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs]


def test_an_ultrasonic_sensor_is_read_through_noise_unplugged_and_read_again(tmp_path: Path) -> None:
    cut = itertools.cycle(
        [b"\x00\x13$GP", DISTANCE[:1], DISTANCE[1:3], DISTANCE[3:] + b"\xff\x07", b"\xa1\xa8", DISTANCE]
    )
    device = SerialDevice(tmp_path / "ttyUSB0", lambda: next(cut), every_s=0.005)
    with capture_logs() as logs, running(sensor_of("ultrasonic-uart", "bin", str(device.path))) as reader:
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to miss its port")
        with plugged(device):
            assert reader.next("a distance") == {"distance_mm": 1953}
        wait_for(lambda: said(logs).count("edge.sensor_gone") == 2, "the driver to notice that it was unplugged")
        with plugged(device):
            assert reader.next("a distance after plugging in again") == {"distance_mm": 1953}
        assert "edge.line_noise" in said(logs)
    assert said(logs).count("edge.sensor_back") == 2


def test_a_sensor_that_hears_no_echo_gives_nothing(tmp_path: Path) -> None:
    device = SerialDevice(tmp_path / "ttyUSB0", lambda: bytes([0xFF, 0, 0, 0xFF]))
    with (
        capture_logs() as logs,
        plugged(device),
        running(sensor_of("ultrasonic-uart", "bin", str(device.path))) as reader,
    ):
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to say that there is no echo")
        device.say = lambda: DISTANCE
        assert reader.next("a distance") == {"distance_mm": 1953}
        assert reader.found[0].values == {"distance_mm": 1953}


def sentence(body: str) -> str:
    return f"${body}*{reduce(lambda a, b: a ^ b, body.encode()):02X}\r\n"


def fix() -> bytes:
    now = datetime.now(UTC)
    rmc = sentence(f"GPRMC,{now:%H%M%S}.00,A,1010.6284,S,12336.4260,E,12.5,084.4,{now:%d%m%y},,,A")
    sky = sentence("GPGSA,A,3,04,05,,09,12,,,24,,,,,1.8,0.9,1.5")
    sky += sentence("GPGSV,2,1,08,04,40,083,46,05,17,308,41,09,07,344,39,12,22,228,45")
    sky += sentence("GPGSV,2,2,08,24,40,083,46,25,17,308,41,29,07,344,39,32,22,228,45")
    return (rmc + sentence(f"GPGGA,{now:%H%M%S}.00,1010.6284,S,12336.4260,E,1,08,0.9,45.4,M,46.9,M,,") + sky).encode()


def no_fix() -> bytes:
    return sentence(f"GPRMC,{datetime.now(UTC):%H%M%S}.00,V,,,,,,,,,,N").encode() + b"\xff\xfe$GPGGA,bad*00\r\n"


def assert_at_the_depot(values: dict[str, Any]) -> None:
    assert values["lat_deg"] == pytest.approx(-10.17714, abs=1e-5)
    assert values["lon_deg"] == pytest.approx(123.6071, abs=1e-5)
    assert values["speed_kmh"] == pytest.approx(23.15, abs=0.1)


def test_a_gps_receiver_has_a_position_once_it_has_a_fix(tmp_path: Path) -> None:
    device = SerialDevice(tmp_path / "ttyUSB0", no_fix)
    with capture_logs() as logs, plugged(device), running(sensor_of("nmea", "truck", str(device.path))) as reader:
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to say that there is no fix")
        assert reader.found == []
        device.say = fix
        assert_at_the_depot(reader.next("a position"))
        assert reader.found[-1].values["hdop"] == 0.9
        assert abs((datetime.now(UTC) - reader.found[-1].at).total_seconds()) < 60


def test_gpsd_gives_the_same_position(tmp_path: Path) -> None:
    device, port = SerialDevice(tmp_path / "ttyUSB0", fix, every_s=0.3), free_port()
    with capture_logs() as logs, running(sensor_of("gpsd", "truck", f"127.0.0.1:{port}")) as reader:
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to miss gpsd")
        with plugged(device), running_gpsd(device, port):
            assert_at_the_depot(reader.next("a position"))
            wait_for(lambda: reader.next("another").get("hdop") == 0.9, "the view of the sky")
        wait_for(lambda: said(logs).count("edge.sensor_gone") == 2, "the driver to notice that gpsd has ended")
    assert "edge.sensor_back" in said(logs)


WRONG = "salah-sekali"
ROUTER_PASSWORD = "rahasia-router"  # noqa: S105 - of a router that lives for a test
V2C = {"snmp_community": COMMUNITY}
V3 = {"snmp_user": SNMP_USER, "snmp_auth_password": AUTH_PASSWORD, "snmp_privacy_password": PRIVACY_PASSWORD}


@pytest.mark.parametrize("secrets", [V2C, V3], ids=["v2c", "v3"])
def test_snmp_is_asked_and_asked_again_after_an_outage(tmp_path: Path, secrets: dict[str, str]) -> None:
    snmpd = Snmpd(tmp_path)
    sensor = sensor_of("snmp", "ap", f"localhost:{snmpd.port}#interface=lo,timeout_s=0.5", **secrets)
    snmpd.start()
    try:
        with capture_logs() as logs, running(sensor) as reader:
            values = reader.next("a reading")
            snmpd.kill()
            wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to miss snmpd")
            snmpd.start()
            reader.next("a reading after the outage")
    finally:
        snmpd.kill()
    assert values["clients"] == 42
    assert values["clients_by_radio"] == {"2g": 12, "5g": 30}
    assert values["clients_by_ssid"] == {"Kota Kupang": 42}
    assert values["noise_dbm"] == -95
    assert values["rx_bytes"] == values["tx_bytes"] > 0
    assert values["uptime_s"] > 0
    assert 0 < values["memory_pct"] < 100
    assert not [secret for secret in secrets.values() if secret in str(logs) and secret != SNMP_USER]


@pytest.mark.parametrize(
    "secrets",
    [
        {"snmp_community": WRONG},
        {**V3, "snmp_auth_password": WRONG},
        {**V3, "snmp_privacy_password": WRONG},
        {**V3, "snmp_user": "siapa"},
    ],
    ids=["community", "authentication", "encryption", "user"],
)
def test_snmp_with_a_wrong_secret_gives_nothing_and_does_not_say_it(tmp_path: Path, secrets: dict[str, str]) -> None:
    snmpd = Snmpd(tmp_path)
    snmpd.start()
    try:
        sensor = sensor_of("snmp", "ap", f"127.0.0.1:{snmpd.port}#timeout_s=0.3", **secrets)
        with capture_logs() as logs, running(sensor) as reader:
            wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to be refused")
            assert reader.found == []
    finally:
        snmpd.kill()
    assert "salah" not in str(logs)


def test_a_host_is_pinged() -> None:
    with running(sensor_of("reachability", "ap", "127.0.0.1#count=3,gap_s=0.01")) as reader:
        values = reader.next("a round")
    assert values["loss_pct"] == 0
    assert values["latency_ms"] > 0


def test_a_refused_connection_is_an_answer_and_an_unknown_name_is_no_loss() -> None:
    with running(sensor_of("reachability", "ap", f"tcp://127.0.0.1:{free_port()}#count=2,gap_s=0")) as reader:
        assert reader.next("a round")["loss_pct"] == 0
    unknown = sensor_of("reachability", "ap", "tcp://tidak-ada.invalid:80#count=2,gap_s=0")
    with capture_logs() as logs, running(unknown) as reader:
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to find no such name")
        assert reader.found == []


@contextmanager
def web(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A small web server on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_args: Any) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(("status", "loss_pct"), [(204, 0), (302, 100), (200, 100), (503, 100)])
def test_an_answer_of_a_captive_portal_is_a_loss(status: int, loss_pct: float) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", "http://127.0.0.1:1/login")
        request.send_header("Content-Length", "0")
        request.end_headers()

    with (
        web(answer) as url,
        running(sensor_of("reachability", "ap", f"{url}/generate_204#status=204,count=2")) as reader,
    ):
        assert reader.next("a round")["loss_pct"] == loss_pct


def test_a_real_camera_is_counted_and_its_password_is_said_nowhere() -> None:
    require_nothing_missing(rtsp.missing())
    camera = rtsp.RtspCamera(free_port())
    source = f"rtsp://127.0.0.1:{camera.port}/cam#seconds=1"
    good = sensor_of("camera-health", "camera", source, sensor_user=rtsp.USER, sensor_password=rtsp.PASSWORD)
    bad = sensor_of("camera-health", "camera", source, sensor_user=rtsp.USER, sensor_password=WRONG)
    with capture_logs() as logs, camera:
        with running(bad) as reader:
            wait_for(lambda: "edge.sensor_gone" in said(logs), "the camera to refuse a wrong password")
            assert reader.found == []
        with running(good) as reader:
            values = reader.next("a look")
            camera.kill()
            wait_for(lambda: said(logs).count("edge.sensor_gone") == 2, "the driver to miss the camera")
            camera.start()
            reader.next("a look at the camera that came back")
    assert values["fps"] > 0
    assert values["bitrate_kbps"] > 0
    assert "scene_ok" not in values
    assert rtsp.PASSWORD not in str(logs)
    assert "salah" not in str(logs)


UBUS = """#!{python}
import json, pathlib, sys
replies = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text())
arguments = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {{}}
key = " ".join([sys.argv[2], sys.argv[3], *arguments.values()])
if sys.argv[1] != "call" or key not in replies:
    sys.exit(4)
print(json.dumps(replies[key]))
"""


@pytest.fixture
def replies() -> dict[str, Any]:
    """What a real OpenWrt router said, and the commands it said it to."""
    sample = json.loads(require_shared("samples/wifi/openwrt_ubus_outputs.json").read_text())["data"]
    wireless = sample["wireless_data"]
    names = ("wlan0", "wlan1", "wlan2", "mesh0", "mesh1")
    return {
        "system info": {"uptime": 1234, "load": [6553, 0, 0], "memory": {"total": 100, "available": 25}},
        "iwinfo devices": {"devices": list(names)},
        **{f"iwinfo info {name}": wireless[f"{name}_iwinfo"] for name in names},
        "hostapd.wlan1 get_clients": {"freq": 5180, "clients": wireless["wlan1_clients"]},
        "network.device status wlan1": {"up": True, "statistics": sample["network_data"]["wlan1_stats"]},
    }


def assert_the_router(values: dict[str, Any], replies: dict[str, Any]) -> None:
    clients = replies["hostapd.wlan1 get_clients"]["clients"]
    counted = replies["network.device status wlan1"]["statistics"]
    assert values["clients"] == len(clients) > 0
    assert values["clients_by_radio"] == {"5g": len(clients)}
    assert values["clients_by_ssid"] == {"ssid": len(clients)}
    assert (values["rx_bytes"], values["tx_bytes"]) == (counted["rx_bytes"], counted["tx_bytes"])
    assert values["memory_pct"] == 75
    assert "noise_dbm" not in values, "0 dBm is a driver that does not know"
    assert not [mac for mac in clients if mac in str(values)]


def test_ubus_of_the_router_itself(tmp_path: Path, replies: dict[str, Any]) -> None:
    program = tmp_path / "ubus"
    program.write_text(UBUS.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "ubus.json").write_text(json.dumps(replies))
    with running(sensor_of("ubus", "ap", f"{program}#processors=1")) as reader:
        values = reader.next("a look")
    assert_the_router(values, replies)
    assert values["cpu_pct"] == 10


class Rpcd:
    """A router's JSON-RPC: one account, sessions that end after some calls."""

    def __init__(self, replies: dict[str, Any], calls_max: int) -> None:
        self.sessions = 0
        self._replies = replies
        self._calls_max = calls_max
        self._calls = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **self._called(*asked["params"])}).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _called(self, session: str, path: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if (path, method) == ("session", "login"):
            if arguments["password"] != ROUTER_PASSWORD:
                return {"result": [6]}
            self.sessions, self._calls = self.sessions + 1, 0
            return {"result": [0, {"ubus_rpc_session": f"{self.sessions:032x}"}]}
        self._calls += 1
        if session != f"{self.sessions:032x}" or self._calls > self._calls_max:
            return {"error": {"code": -32002, "message": "Access denied"}}
        key = " ".join([path, method, *arguments.values()])
        return {"result": [0, self._replies[key]] if key in self._replies else [4]}


def test_ubus_over_http_logs_in_again_when_its_session_has_ended(replies: dict[str, Any]) -> None:
    rpcd = Rpcd(replies, calls_max=5)
    account = {"sensor_user": "pemantau", "sensor_password": ROUTER_PASSWORD}
    with web(rpcd.answer) as url, running(sensor_of("ubus", "ap", f"{url}/ubus", **account)) as reader:
        assert_the_router(reader.next("a look"), replies)
        reader.next("another look")
    assert rpcd.sessions > 1


def test_ubus_over_http_with_a_wrong_password_gives_nothing(replies: dict[str, Any]) -> None:
    account = {"sensor_user": "pemantau", "sensor_password": WRONG}
    with (
        web(Rpcd(replies, 5).answer) as url,
        capture_logs() as logs,
        running(sensor_of("ubus", "ap", f"{url}/ubus", **account)) as reader,
    ):
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the router to refuse")
        assert reader.found == []
    assert "permission denied" in str(logs)
    assert "salah" not in str(logs)


@contextmanager
def edge(broker: RunningBroker, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A whole agent."""
    process = subprocess.Popen(
        [sys.executable, "-m", "city", "edge", *arguments],
        env={**os.environ, "KOTA_DATA": str(broker.folder), "KOTA_MQTT_PORT": str(broker.port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_a_whole_agent_brings_what_its_sensors_measure_to_the_broker(broker: RunningBroker, tmp_path: Path) -> None:
    device = SerialDevice(tmp_path / "ttyUSB0", lambda: DISTANCE)
    telemetry = "kota/v1/kupang/bin/bin-0003/telemetry"
    options = ("--device", "bin-0003", "--sensor", "ultrasonic-uart", "--source", str(device.path), "--interval", "0.2")
    with Connected(broker, "ingest", filters=(telemetry,)) as ingest, plugged(device), edge(broker, *options) as agent:
        wait_for(lambda: ingest.received, "a distance at the broker")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(20) == 0
    found = json.loads(ingest.received[0].payload)
    assert (found if isinstance(found, dict) else found[0])["distance_mm"] == 1953


def test_a_device_may_have_several_sensors_and_a_wrong_one_is_refused(broker: RunningBroker) -> None:
    telemetry = f"kota/v1/kupang/ap/{AP}/telemetry"
    twice = ("--sensor", "reachability", "--source", "127.0.0.1#count=1") * 2
    with (
        Connected(broker, "ingest", filters=(telemetry,)) as ingest,
        edge(broker, "--device", AP, *twice, "--interval", "600"),
    ):
        wait_for(lambda: b"".join(one.payload for one in ingest.received).count(b"loss_pct") == 2, "both readings")
    with edge(broker, "--device", "bin-0003", "--sensor", "snmp", "--source", "127.0.0.1") as agent:
        assert agent.stdout is not None
        assert agent.wait(20) == 2
        assert b"--sensor snmp measures ap, and bin-0003 is bin" in agent.stdout.read()
