"""The real Mosquitto on the files that `kota mosquitto` writes: it lets in and through what the table allows."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.mosquitto.cli import layout_of, run, write
from city.errors import ConfigError
from city.runtime.gateways import Gateways
from city.runtime.password_changes import PasswordChanges
from city.runtime.settings import load_settings
from tests.support.brokers import RunningBroker, free_port
from tests.support.clients import Connected
from tests.support.require import require_program
from tests.support.waiting import wait_for

OWN = "kota/v1/kupang/bin/bin-0001"
NOT_AUTHORISED = 5
"""`mosquitto_pub` ends with MQTT 3.1.1's code for a refused connection."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    made = RunningBroker("mosquitto", free_port(), tmp_path)
    made.start()
    yield made
    made.kill()
    print(made.log()[-2000:])


def mosquitto_pub(port: int, *options: str) -> int:
    """Connect and publish one message with Mosquitto's own client."""
    program = require_program("mosquitto_pub")
    address = ["-h", "localhost", "-p", str(port), "-V", "mqttv311", "-q", "1", "-t", f"{OWN}/telemetry", "-m", "{}"]
    return subprocess.run([program, *address, *options], timeout=30, check=False, capture_output=True).returncode


def test_the_nameless_strangers_and_wrong_passwords_stay_outside(broker: RunningBroker) -> None:
    assert mosquitto_pub(broker.port) == NOT_AUTHORISED
    assert mosquitto_pub(broker.port, "-u", "bin-0001", "-P", "wrong") == NOT_AUTHORISED
    assert mosquitto_pub(broker.port, "-u", "bin-9999", "-P", broker.secrets.password("bin-9999")) == NOT_AUTHORISED
    assert mosquitto_pub(broker.port, "-u", "bin-0001", "-P", broker.secrets.password("bin-0001")) == 0


def test_only_a_demo_has_a_simulator_and_a_signal_makes_the_difference(broker: RunningBroker) -> None:
    account = ("-u", "simulator", "-P", broker.secrets.password("simulator"))
    assert mosquitto_pub(broker.port, *account) == 0
    settings = load_settings(data=broker.folder, mqtt_port=broker.port, demo=False)
    user = "root" if os.geteuid() == 0 else ""
    layout = layout_of(settings, broker.folder / "mosquitto", bind="127.0.0.1", user=user)
    assert write(settings, layout) == {"mosquitto.conf": False, "acl": True, "passwd": True}
    assert broker.process is not None
    with Connected(broker, "simulator") as simulator:
        broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: mosquitto_pub(broker.port, *account) == NOT_AUTHORISED, "the simulator to be shut out")
        wait_for(lambda: not simulator.bus.connected.is_set(), "the one that was connected to be shut out as well")
    assert mosquitto_pub(broker.port, "-u", "bin-0001", "-P", broker.secrets.password("bin-0001")) == 0


def test_a_gateway_that_is_revoked_is_shut_out_by_a_signal(broker: RunningBroker) -> None:
    broker.gateway("ttn", "tts")
    settings = load_settings(data=broker.folder, mqtt_port=broker.port)
    user = "root" if os.geteuid() == 0 else ""
    layout = layout_of(settings, broker.folder / "mosquitto", bind="127.0.0.1", user=user)
    account = ("-u", "ttn", "-P", broker.password("ttn"))
    assert mosquitto_pub(broker.port, *account) == NOT_AUTHORISED
    assert broker.process is not None
    write(settings, layout)
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: mosquitto_pub(broker.port, *account) == 0, "the account")
    Gateways(broker.folder).revoke("ttn")
    write(settings, layout)
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: mosquitto_pub(broker.port, *account) == NOT_AUTHORISED, "the revocation")


def test_a_renewed_password_counts_from_the_next_files_on_without_an_overlap(
    broker: RunningBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--out", str(broker.folder / "mosquitto"), "--data", str(broker.folder), "--bind", "127.0.0.1"]
    options += ["--mqtt-port", str(broker.port), *(["--user", "root"] if os.geteuid() == 0 else [])]
    changes, derived = PasswordChanges(broker.folder), broker.secrets.password("bin-0001")
    old = ("-u", "bin-0001", "-P", derived)
    password, _ = changes.renew("bin-0001", derived, timedelta(days=1), datetime.now(UTC))
    new = ("-u", "bin-0001", "-P", password)
    assert mosquitto_pub(broker.port, *old) == 0
    assert mosquitto_pub(broker.port, *new) == NOT_AUTHORISED
    with Connected(broker, "bin-0001") as device, Connected(broker, "bin-0002") as bystander:
        assert run(options) == 0
        assert "without an overlap: bin-0001" in capsys.readouterr().out
        broker.signal(signal.SIGHUP)
        wait_for(lambda: not device.bus.connected.is_set(), "the end of its connection")
        assert mosquitto_pub(broker.port, *new) == 0
        assert mosquitto_pub(broker.port, *old) == NOT_AUTHORISED
        assert bystander.bus.connects == 1
    assert mosquitto_pub(broker.port, "-u", "bin-0002", "-P", password) == NOT_AUTHORISED
    changes.revoke("bin-0001", datetime.now(UTC))
    run(options)
    broker.signal(signal.SIGHUP)
    wait_for(lambda: mosquitto_pub(broker.port, *new) == NOT_AUTHORISED, "the revocation")
    assert mosquitto_pub(broker.port, *old) == NOT_AUTHORISED


def test_a_damaged_password_leaves_the_files_as_they_are(broker: RunningBroker) -> None:
    PasswordChanges(broker.folder).revoke("bin-0001", datetime.now(UTC))
    (broker.folder / "passwords" / "bin-0001.json").write_text("{")
    before = (broker.folder / "mosquitto" / "passwd").read_bytes()
    with pytest.raises(ConfigError, match="no password of bin-0001 is accepted"):
        run(["--out", str(broker.folder / "mosquitto"), "--data", str(broker.folder)])
    assert (broker.folder / "mosquitto" / "passwd").read_bytes() == before


def test_devices_come_in_over_tls_and_know_whom_they_talk_to(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls")
    broker = RunningBroker("mosquitto", free_port(), tmp_path, tls=tmp_path / "tls", tls_port=free_port())
    broker.start()
    try:
        account = ("-u", "bin-0001", "-P", broker.secrets.password("bin-0001"))
        assert mosquitto_pub(broker.tls_port, *account, "--cafile", str(tmp_path / "tls" / "ca.crt")) == 0
        assert mosquitto_pub(broker.tls_port, *account) != 0
        assert mosquitto_pub(broker.tls_port, "--cafile", str(tmp_path / "tls" / "ca.crt")) == NOT_AUTHORISED
        assert mosquitto_pub(broker.port, *account) == 0
    finally:
        broker.kill()


def make_certificates(folder: Path) -> None:
    """An authority and a server's certificate for localhost, as `docs/production.md` makes them."""
    folder.mkdir()
    openssl = require_program("openssl")
    key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority"]
    server = ["-keyout", "server.key", "-out", "server.crt", "-subj", "/CN=localhost"]
    signed = ["-addext", "subjectAltName=DNS:localhost", "-CA", "ca.crt", "-CAkey", "ca.key"]
    for options in (authority, [*server, *signed]):
        subprocess.run([openssl, "req", "-x509", *key, *options], cwd=folder, check=True, capture_output=True)
