"""An adapter and a frame decoder decode or refuse whatever they get, and do nothing else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.contract.payloads import Rejected
from city.errors import PayloadError
from ingest.decoding.formats.registry import DECODERS, adapter_for, decode_frame
from tests.support.shapes import shaped_like

IMEI = "359632104100200"

TOPICS = [
    *("v3/a@t/devices/x/up", "v3/a/devices/x/join", "v3/a/devices/x/location/solved"),
    *("application/1/device/2/event/up", "application/1/device/2/event/status", "application/1/device/2/rx"),
    *("loriot/a", "milesight/a", "owntracks/a/b", "positions", "events", f"{IMEI}/data", "/k/d/attrs", "/k/d/attrs/a"),
    *("tele/a/SENSOR", "tele/a/LWT", "stat/a/STATUS8", "json/a", "frigate/events", "frigate/reviews", "frigate/stats"),
    *("frigate/a/motion", "frigate/available", "onvif2mqtt/a/motion", "onvif/a/event", "axis/a/event/x"),
]

KEYS = [
    *("end_device_ids", "uplink_message", "decoded_payload", "frm_payload", "deviceInfo", "object", "data", "rxInfo"),
    *("time", "cmd", "EUI", "_type", "lat", "lon", "tst", "position", "device", "attributes", "uniqueId", "event"),
    *("state", "reported", "ts", "latlng", "Time", "SR04", "after", "type", "camera", "id", "start_time", "cameras"),
    *("Topic", "Message", "topic", "op", "serial", "message", "StatusSNS", "batteryLevel", "location", "fixTime"),
]

shaped = shaped_like(KEYS)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(topic=st.sampled_from(TOPICS), body=shaped | st.binary(max_size=40))
def test_an_adapter_hears_or_refuses_and_does_nothing_else(topic: str, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        found = adapter_for(topic).decode(topic, raw)
    except PayloadError:
        return
    reports = [report for report in found if not isinstance(report, Rejected)]
    assert all(report.names or (report.connectivity and report.connectivity.all_devices) for report in reports)
    assert all(rejected.reason for rejected in found if isinstance(rejected, Rejected))


@given(name=st.sampled_from(sorted(DECODERS)), port=st.integers(0, 255), data=st.binary(max_size=60))
def test_no_bytes_do_anything_but_decode_or_be_refused(name: str, port: int, data: bytes) -> None:
    try:
        found = decode_frame(name, port, data)
    except PayloadError:
        return
    assert all(isinstance(reading.fields, dict) for reading in found.readings)


WIFI_KEYS = [
    *("data", "result", "mac", "type", "state", "num_sta", "radio_table_stats", "vap_table", "system-stats", "ap_mac"),
    *("apMac", "essid", "key", "ap", "interfaces", "wireless", "mode", "clients", "statistics", "general", "resources"),
    *("load", "cpus", "memory", "disk", "Acct-Status-Type", "Event-Timestamp", "Acct-Input-Octets", "value", "uptime"),
]

wifi_shaped = shaped_like(WIFI_KEYS)

WIFI_TOPICS = [
    *("netjson/a", "netjson/a/b", "unifi/s/device", "unifi/s/sta", "unifi/s/rogueap", "unifi/s/event"),
    *("omada/s/devices", "omada/s/clients", "radius/n/accounting", "collectd/h/iwinfo-w/stations"),
]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(topic=st.sampled_from(WIFI_TOPICS), body=wifi_shaped | st.binary(max_size=40))
def test_a_wifi_adapter_hears_or_refuses_and_does_nothing_else(topic: str, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        found = adapter_for(topic).decode(topic, raw)
    except PayloadError:
        return
    assert all(isinstance(report, Rejected) or report.names or report.client_list for report in found)
