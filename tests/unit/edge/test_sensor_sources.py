"""What `--source` may say, and which sensor may serve which device."""

from __future__ import annotations

import sys

import msgspec
import pytest

from city.errors import ConfigError
from edge.sensors.registry import SENSORS, open_sensor
from edge.sensors.source import SourceSpec, host_and_port, options_of, parse_source
from tests.support.sensors import assigned


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a driver."""

    baud: int = 9600


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("", SourceSpec()),
        ("/dev/ttyUSB0", SourceSpec("/dev/ttyUSB0")),
        ("/dev/ttyUSB0#baud=4800", SourceSpec("/dev/ttyUSB0", {"baud": "4800"})),
        ("gpiochip0#trigger=23,echo=24", SourceSpec("gpiochip0", {"trigger": "23", "echo": "24"})),
        ("rtsp://cam/live?channel=1&x=2#seconds=3", SourceSpec("rtsp://cam/live?channel=1&x=2", {"seconds": "3"})),
        ("#processors=4", SourceSpec("", {"processors": "4"})),
    ],
)
def test_an_address_and_options_after_a_hash(text: str, source: SourceSpec) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize("text", ["x#baud", "x#baud=1,baud=2", "rtsp://u:geheim@cam/", "http://u:geheim@[cam/"])
def test_what_is_no_source_is_refused_without_repeating_a_password(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source(text)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("text", ["#speed=9600", "#baud=fast"])
def test_unknown_and_unreadable_options_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--source"):
        options_of(parse_source(text), Options)


def test_hosts_and_ports() -> None:
    assert host_and_port("ap.local", 161) == ("ap.local", 161)
    assert host_and_port("10.0.0.1:1161", 161) == ("10.0.0.1", 1161)
    assert host_and_port("[::1]:2947", 1) == ("::1", 2947)
    for text in ("", ":1", "host:port", "host:99999", "host/path", "user@host"):
        with pytest.raises(ConfigError):
            host_and_port(text, 1)


@pytest.mark.parametrize(
    ("name", "kind"), [("ultrasonic-uart", "truck"), ("nmea", "bin"), ("snmp", "camera"), ("camera-health", "ap")]
)
def test_a_sensor_refuses_a_device_it_does_not_measure(name: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"--sensor {name} measures"):
        open_sensor(name, assigned(kind))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "library"),
    [("nmea", "pynmea2"), ("snmp", "gufo"), ("ultrasonic-gpio", "gpiod"), ("reachability", "icmplib")],
)
def test_a_missing_library_is_named_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    for module in [loaded for loaded in sys.modules if loaded.startswith((library, "edge.sensors."))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    (kind, *_) = SENSORS[name].kinds
    with pytest.raises(ConfigError, match=rf"needs '{library}'.*pip install '\.\[edge\]'"):
        open_sensor(name, assigned(kind))


@pytest.mark.parametrize(
    ("name", "source", "settings", "reason"),
    [
        ("ultrasonic-uart", "", {}, "name the serial port"),
        ("ultrasonic-uart", "/dev/x#model=hc-sr04", {}, "model"),
        ("ultrasonic-uart", "/dev/x#ask=5", {}, "ask"),
        ("ultrasonic-gpio", "gpiochip0#trigger=23", {}, "echo"),
        ("nmea", "", {}, "name the serial port"),
        ("gpsd", "host:port", {}, "Port could not be cast"),
        ("snmp", "10.0.0.1", {}, "KOTA_SNMP_COMMUNITY"),
        ("snmp", "", {"snmp_community": "x"}, "is not HOST"),
        ("snmp", "10.0.0.1", {"snmp_user": "u", "snmp_auth_password": "kurz"}, "at least 8"),
        ("snmp", "10.0.0.1#auth=rot13", {"snmp_community": "x"}, "auth"),
        ("ubus", "ftp://router/ubus", {}, "http://ROUTER/ubus"),
        ("ubus", "http://router:99999/ubus", {}, "http://ROUTER/ubus"),
        ("reachability", "https://a..b/", {}, "name a HOST"),
        ("reachability", "https://host:abc/", {}, "name a HOST"),
        ("reachability", "a..b", {}, "no name of a host"),
        ("camera-health", "rtsp://cam:0/", {}, "rtsp://HOST/PATH"),
        ("ubus", "http://root@router/ubus", {}, "KOTA_SENSOR_USER"),
        ("reachability", "", {}, "name a HOST"),
        ("reachability", "ftp://host", {}, "name a HOST"),
        ("camera-health", "http://cam/", {}, "rtsp://HOST/PATH"),
        ("stdin", "/dev/x", {}, "takes no --source"),
    ],
)
def test_wrong_sources_and_missing_secrets_end_with_a_reason(
    name: str, source: str, settings: dict[str, str], reason: str
) -> None:
    (kind, *_) = SENSORS[name].kinds
    with pytest.raises(ConfigError, match=reason) as caught:
        open_sensor(name, assigned(kind, source, **settings))
    assert "kurz" not in str(caught.value)
