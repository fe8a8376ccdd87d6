"""Every message of the sample folder, as it would come over the bus, with the device and the profile it belongs to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from broker.contract.topics import Kind

SAMPLES: Final = Path(__file__).parents[3] / "shared" / "samples"
needs_samples: Final = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real messages is not here")
WHEN: Final = "2026-03-01T11:59:58.789585559Z"
_LORAWAN: Final = {
    "decentlab__dl-mbx": "decentlab-dl-mbx",
    "digital-matter__oyster": "digital-matter-oyster",
    "digital-matter__yabby-edge": "digital-matter-oyster",
    "dingtek__dc413": "dingtek-df555",
    "dingtek__df200": "dingtek-df200",
    "dingtek__df400": "dingtek-df200",
    "dingtek__df555": "dingtek-df555",
    "dingtek__df556": "dingtek-df556",
    "dingtek__df702": "dingtek-df702",
    "dingtek__df703": "dingtek-df703",
    "dragino__ldds04": "dragino-ldds04",
    "dragino__ldds20": "dragino-ldds20",
    "dragino__ldds75": "dragino-ldds75",
    "dragino__ldds75-114": "dragino-ldds75",
    "dragino__lmds200": "dragino-lmds200",
    "milesight-iot__em310-udl": "milesight-em310-udl",
    "milesight-iot__em400-mud": "milesight-em400-mud",
    "milesight-iot__em400-udl": "milesight-em400-udl",
    "milesight-iot__em410-rdl": "milesight-em410-rdl",
    "milesight-iot__ws201": "milesight-ws201",
    "milesight__em400-mud_vendor_readme": "milesight-em400-mud",
    "milesight__em400-udl_vendor_readme": "milesight-em400-udl",
    "noah__trashbin-sensor": "noah-trashbin",
    "pepperl-fuchs__wilsen-sonic-level": "pepperl-fuchs-wilsen-sonic-level",
}
NO_MESSAGES: Final = {
    "cctv/onvif2mqtt_bridges.json": "names of topics; the adapter `onvif` reads them "
    "(`ingest/decoding/formats/onvif/README.md`)",
    "conventions/sparkplug_b_logical_payload.json": "a drawing of a binary body; Sparkplug B is not read",
    "lorawan/_city-pilot_warpcomdev-residuos.json": "a pilot's shape without values: adapter `fiware`, profile "
    "`sensoneo-short`; its formula is a container's 1,500 mm with no dead zone",
    "lorawan/_oma-lwm2m_3435_filling-level.json": "a registry of resources of LwM2M, which is not MQTT",
    "lorawan/radio-bridge__rbs306-us10m.json": "a device without an example; its bytes are kept as `undecoded`",
    "lorawan/sensoneo__single-sensor-3.0_binary_spec.json": "a layout without an example: frame decoder "
    "`sensoneo-single-3`, tested with frames made by the layout",
    "trucks/teltonika_avl_ids.json": "what the numbers of Teltonika mean; see "
    "`ingest/decoding/formats/teltonika/profiles/teltonika-truck.toml`",
    "trucks/traccar-tests_teltonika_binary_frames.json": "frames of a TCP protocol; Traccar or Flespi turn them into "
    "JSON, which is read",
    "wifi/omada_exporter_metrics.json": "names of figures that a peer reads of a controller, without values",
    "wifi/openwrt_ubus_outputs.json": "replies on a router, not messages; `kota edge --sensor openwrt` reads them",
    "wifi/rogue_ap_event_shapes.json": "names of keys without values",
    "wifi/unpoller_influx_schema.yaml": "a peer's table of columns",
}
"""Files of the folder that hold no message of a device, and what became of what they teach."""
_TRUCK_JSON: Final = {
    "traccar-tests_dmthttp": "digital-matter-truck",
    "traccar-tests_hoopo": "hoopo-tracker",
    "traccar-tests_osmand": "traccar-client-truck",
    "traccar-tests_teratrack": "teratrack-truck",
}


@dataclass(frozen=True)
class Sample:
    """One message. `address` is empty where no device of the inventory is meant to have sent it."""

    file: str
    about: str
    topic: str
    payload: bytes
    adapter: str = ""
    address: str = ""
    profile: str = ""
    kind: Kind = "bin"
    source_says: Any = None


def samples() -> Iterator[Sample]:
    """All of them, in the order of the folder."""
    yield from _lorawan()
    yield from _dragino_runs()
    yield from _official()
    yield from _pairs()
    yield from _thingsboard()
    yield from _trucks()
    yield from _teltonika()
    yield from _trips()
    yield from _diy()
    yield from _cctv()
    yield from _wifi()


def load(path: str) -> Any:
    """A JSON file of the folder."""
    return json.loads((SAMPLES / path).read_text(encoding="utf-8"))


def _lorawan() -> Iterator[Sample]:
    """Examples of codecs, in the envelope of The Things Stack: bytes and decoded as that codec does."""
    for path in sorted((SAMPLES / "lorawan").glob("[a-z]*.json")):
        profile = _LORAWAN.get(path.stem, "")
        for example in load(f"lorawan/{path.name}").get("examples", ()):
            said = example["output"].get("data")
            given = example["input"]
            if "fPort" not in given:
                yield Sample(
                    f"lorawan/{path.name}",
                    example["description"],
                    "milesight/nbiot",
                    bytes.fromhex(given["bytes_hex"]),
                    "milesight",
                    "868508064807350",
                    profile,
                    source_says=said["data"][0],
                )
                continue
            without: dict[str, Any] = {}
            for decoded in (without, said) if said else (without,):
                yield Sample(
                    f"lorawan/{path.name}",
                    f"{example['description']}{', decoded' if decoded else ', bytes alone'}",
                    f"v3/app@t/devices/{path.stem.replace('_', '-')}/up",
                    uplink(given["fPort"], given["bytes_hex"], decoded),
                    "tts",
                    f"app/{path.stem.replace('_', '-')}" if profile else "",
                    profile,
                    source_says=said,
                )


def uplink(port: int, bytes_hex: str, decoded: dict[str, Any] | None = None, **more: Any) -> bytes:
    """An uplink of The Things Stack."""
    raw = base64.b64encode(bytes.fromhex(bytes_hex)).decode()
    message = {"f_port": port, "f_cnt": 7, "frm_payload": raw, "received_at": WHEN, **more}
    if decoded:
        message["decoded_payload"] = decoded
    return json.dumps({"end_device_ids": {}, "received_at": WHEN, "uplink_message": message}).encode()


def _dragino_runs() -> Iterator[Sample]:
    file = "lorawan/dragino__dds_vendor_decoders_run.json"
    for decoders in load(file).values():
        for decoder in decoders if isinstance(decoders, list) else ():
            for run in decoder["runs"]:
                yield Sample(
                    file,
                    f"{decoder['decoder']}, {run['bytes_hex']}",
                    "v3/app@t/devices/dds/up",
                    uplink(run["fPort"], run["bytes_hex"], run["decoded"]),
                    "tts",
                    "app/dds",
                    "dragino-ldds75",
                    source_says=run["decoded"],
                )


def _official() -> Iterator[Sample]:
    for path in sorted((SAMPLES / "envelopes").glob("*official*.json")):
        body, sort = load(f"envelopes/{path.name}"), path.stem.split("official_")[1]
        payload = json.dumps(body.get("payload", body)).encode()
        if path.stem.startswith("tts"):
            event = {"uplink_message": "up", "join_message": "join"}.get(sort, "down/sent")
            topic = f"v3/app1@tenant1/devices/dev1/{event}"
            yield Sample(f"envelopes/{path.name}", sort, topic, payload, "tts", "app1/dev1", "milesight-em400-mud")
        else:
            eui = body.get("payload", body)["deviceInfo"]["devEui"]
            topic = f"application/17c82e96/device/{eui}/event/{sort}"
            yield Sample(f"envelopes/{path.name}", sort, topic, payload, "chirpstack", eui, "milesight-em400-mud")


def _pairs() -> Iterator[Sample]:
    file = "envelopes/real_iobroker-lorawan_topic_message_pairs.json"
    for message in load(file)["messages"]:
        payload = json.dumps(message["payload"]).encode()
        yield Sample(file, message["topic"].split("/", 3)[-1][-40:], message["topic"], payload)


def _thingsboard() -> Iterator[Sample]:
    for path in sorted((SAMPLES / "envelopes" / "thingsboard").glob("*.json")):
        body = load(f"envelopes/thingsboard/{path.name}")
        model, server = path.stem.split("__")
        adapter, topic, address = _server(server.split("_")[0], body["payload"])
        expected = body["expected_result"]
        telemetry = (expected[0] if isinstance(expected, list) else expected)["telemetry"]
        yield Sample(
            f"envelopes/thingsboard/{path.name}",
            f"{model} by {server}",
            topic,
            json.dumps(body["payload"]).encode(),
            adapter,
            address,
            f"milesight-{model.removeprefix('milesight_')}",
            source_says=(telemetry[0] if isinstance(telemetry, list) else telemetry)["values"],
        )


def _server(server: str, payload: Any) -> tuple[str, str, str]:
    if server.startswith("thingsstack"):
        ids = payload["end_device_ids"]
        return "tts", f"v3/application@ttn/devices/{ids['device_id']}/up", ids["dev_eui"]
    if server == "chirpstack":
        info = payload["deviceInfo"]
        return "chirpstack", f"application/{info['applicationId']}/device/{info['devEui']}/event/up", info["devEui"]
    if server == "loriot":
        return "loriot", "loriot/app", payload["EUI"]
    return "milesight", "milesight/uplink", payload["devEUI"]


def _trucks() -> Iterator[Sample]:
    for message in load("trucks/traccar-tests_owntracks.json")["messages"]:
        topic = message.get("topic", "owntracks/dlhk/t1")
        address = topic.removeprefix("owntracks/")
        payload = json.dumps(message).encode()
        yield _truck("trucks/traccar-tests_owntracks.json", topic, payload, "owntracks", address, "owntracks-truck")
    for name in ("traccar-tests_ttnhttp", "traccar-tests_dragino"):
        for message in load(f"trucks/{name}.json")["messages"]:
            ids = message["end_device_ids"]
            topic = f"v3/app/devices/{ids['device_id']}/up"
            eui, payload = ids["dev_eui"], json.dumps(message).encode()
            yield _truck(f"trucks/{name}.json", topic, payload, "tts", eui, "lorawan-tracker")
    shape = load("trucks/traccar_forward_json_shape.json")["real_position_from_issue_4529"]
    bare = json.dumps(shape).encode()
    whole = json.dumps({"position": shape, "device": {"id": 1, "name": "Truk 1", "uniqueId": "t-1"}}).encode()
    for payload in (bare, whole):
        yield _truck("trucks/traccar_forward_json_shape.json", "positions", payload, "traccar", "t-1", "traccar-truck")
    for path in sorted((SAMPLES / "trucks").glob("traccar-tests_*.json")):
        profile = _TRUCK_JSON.get(path.stem, "")
        if path.stem.split("_")[1] in ("owntracks", "ttnhttp", "dragino"):
            continue
        for message in load(f"trucks/{path.name}").get("messages", ()):
            payload = json.dumps(message).encode()
            device = path.stem.split("_")[1]
            yield _truck(f"trucks/{path.name}", f"json/{device}", payload, "json", device if profile else "", profile)


def _truck(file: str, topic: str, payload: bytes, adapter: str, address: str, profile: str) -> Sample:
    kind: Kind = "bin" if profile == "hoopo-tracker" else "truck"
    return Sample(file, payload[:40].decode(), topic, payload, adapter, address, profile, kind)


def _teltonika() -> Iterator[Sample]:
    one = load("trucks/teltonika_codec-json_one_message.json")["payload"]
    topic, imei = "city/user/teltonika/359632104100200/data", "359632104100200"
    for file, rows in (
        ("trucks/teltonika_codec-json_one_message.json", [json.dumps(one)]),
        ("trucks/teltonika_codec-json_sequence_762.ndjson", rows_of("trucks/teltonika_codec-json_sequence_762.ndjson")),
    ):
        for row in rows:
            yield Sample(file, "", topic, row.encode(), "teltonika", imei, "teltonika-truck", "truck")


def rows_of(path: str) -> list[str]:
    """The lines of a file of the folder."""
    return (SAMPLES / path).read_text(encoding="utf-8").splitlines()


def _trips() -> Iterator[Sample]:
    for path in sorted((SAMPLES / "trucks").glob("real_truck_trip_*.ndjson")):
        for row in rows_of(f"trucks/{path.name}"):
            vehicle = json.loads(row)["ev"]["vehicleId"]
            topic = f"json/{vehicle}"
            yield Sample(f"trucks/{path.name}", "", topic, row.encode(), "json", vehicle, "drvr-truck", "truck")


def _diy() -> Iterator[Sample]:
    for message in load("diy/tasmota_sr04.json")["messages"]:
        topic = (message["topic"] or "tele/garagedoor/SENSOR").replace("<topic>", "garagedoor")
        payload = json.dumps(message["payload"]).encode()
        yield Sample("diy/tasmota_sr04.json", topic, topic, payload, "tasmota", "garagedoor", "tasmota-sr04")
    for message in load("diy/esp32_salzstand_hcsr04.json")["messages"]:
        payload = json.dumps(message["payload"]).encode()
        topic = f"json/{message['topic'].replace('/', '-', 1)}"
        device = topic.split("/")[1]
        file = "diy/esp32_salzstand_hcsr04.json"
        yield Sample(file, message["topic"], topic, payload, "json", device, "esp32-fill-hcsr04")


def _cctv() -> Iterator[Sample]:
    for message in load("cctv/frigate_mqtt_messages.json")["messages"]:
        body = message["payload"]
        camera = body.get("camera") or body.get("after", {}).get("camera", "")
        payload = json.dumps(body).encode()
        about = message["variant"] or ""
        yield _camera("cctv/frigate_mqtt_messages.json", about, message["topic"], payload, "frigate", camera)
    stats = json.dumps(load("cctv/frigate_stats.json")["payload"]).encode()
    yield _camera("cctv/frigate_stats.json", "", "frigate/stats", stats, "frigate", "front_door")
    for message in load("cctv/onvif_events.json")["messages"]:
        for body in (message["flattened"], message["raw"]):
            payload = json.dumps(body).encode()
            about = message["flattened"]["topic"]
            yield _camera("cctv/onvif_events.json", about, "onvif/cam-a/event", payload, "onvif", "cam-a")


def _wifi() -> Iterator[Sample]:
    file = "wifi/openwisp_netjson_devicemonitoring.json"
    sample = load(file)
    turned = "counters as users see them, turned back"
    for about, interfaces in ((turned, []), ("with a mesh interface", [sample["mesh_interface"]])):
        body = {**sample["payload"], "interfaces": [*sample["payload"]["interfaces"], *interfaces]}
        yield _ap(file, about, "netjson/router-7/01-03-2026_11:59:00.000000", body, "netjson", "router-7")
    unifi = "80:2a:a8:00:01:02"
    yield _ap(
        "wifi/unifi_stat_device_uap.json",
        "",
        "unifi/default/device",
        load("wifi/unifi_stat_device_uap.json"),
        "unifi",
        unifi,
    )
    yield _ap("wifi/unifi_stat_sta.json", "", "unifi/default/sta", load("wifi/unifi_stat_sta.json"), "unifi", unifi)
    file = "wifi/unifi_events_and_messages.json"
    for about, body in load(file)["data"].items():
        yield _ap(file, about, "unifi/default/event", body, "unifi", unifi)
    file = "wifi/unifi_dpi_wlan_voucher_traffic-rules.json"
    for about, body in load(file)["data"].items():
        yield _ap(file, about, f"unifi/default/{about.lower()}", body)
    file = "wifi/radius_accounting_mikrotik_hotspot.json"
    start = load(file)["start"]
    octets = {"Acct-Output-Octets": 7, "Acct-Output-Gigawords": 2, "Acct-Input-Octets": 4_294_967_295}
    stop = {**start, "Acct-Status-Type": "Stop", "Acct-Session-Time": 3600, **octets}
    for about, body in (("start", start), ("stop, composed of what the file says a stop adds", stop)):
        yield _ap(file, about, "radius/hotspot1/accounting", body, "radius", "8t37nd4K5ekznE7a")
    file = "wifi/collectd_mqtt_format.json"
    for topic, text in load(file)["examples_for_openwrt"]:
        yield _ap(file, f"{topic} {text}", topic, text.encode() + b"\0", "collectd", "OpenWrt")
    file = "wifi/mist_meraki_webhooks.json"
    for about, topic in (("mist_rogue_ap_alarm", "mist/alarms"), ("meraki_aps_came_up", "meraki/alerts")):
        yield _ap(file, about, topic, load(file)[about])


def _ap(file: str, about: str, topic: str, body: Any, adapter: str = "", address: str = "") -> Sample:
    profile = {"netjson": "openwrt-ap", "radius": "radius-nas"}.get(adapter, f"{adapter}-ap")
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Sample(file, about, topic, payload, adapter, address, profile, "ap")


def _camera(file: str, about: str, topic: str, payload: bytes, adapter: str, address: str) -> Sample:
    return Sample(file, about, topic, payload, adapter, address, f"{adapter}-camera", "camera")
