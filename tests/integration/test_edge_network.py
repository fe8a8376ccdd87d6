"""Drivers on a real snmpd, ICMP, web servers, a real camera, and what a real router's ubus said."""

from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support import rtsp
from tests.support.brokers import free_port
from tests.support.field import AUTH_PASSWORD, COMMUNITY, PRIVACY_PASSWORD, SNMP_USER, Snmpd
from tests.support.require import require_nothing_missing, require_shared
from tests.support.sensors import running, said, sensor_of
from tests.support.waiting import wait_for

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
