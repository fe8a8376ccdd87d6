"""`kota bench adapters`: readings a second on one core through each adapter, beside plain parsing of the same bytes.

Each adapter gets the same number of messages of its format, no two alike. `parse` is msgspec turning the JSON into
objects and nothing else, the least anybody can do; `decode` is topic and bytes to judged records; `store` is the whole
way behind the journal: decode, history, DuckDB with its seen seqs, in batches as ingest writes them. `tts-codec` has
the messages of `tts`, decoded by a JavaScript codec of the same model in place of our frame decoder; CPU seconds of
the engine's process are included.
"""

from __future__ import annotations

import argparse
import base64
import json
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import AccessPoint, Bin, Binding, Camera, City, Codec, Device, Truck
from ingest.codecs.runner import IsolatedCodecRunner
from ingest.decoding.decoder import Decoder
from ingest.decoding.dry_run import with_codec
from ingest.messages import Arrival
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.duckdb.store import DuckStore
from ingest.store.records import Record

BATCH: Final = 4_000
DEVICES: Final = 200
START: Final = datetime(2026, 3, 1, tzinfo=UTC)


class Row(msgspec.Struct, frozen=True):
    """What an adapter did: readings out of messages, and CPU seconds of each way."""

    adapter: str
    messages: int
    readings: int
    parse_s: float
    decode_s: float
    store_s: float


Made = tuple[str, Any]
"""A topic and a body: bytes as they are, anything else as JSON."""
Maker = Callable[[int, str, datetime], Made]
"""Makes the message of a number, an address and a time."""


def _milesight(number: int) -> str:
    raw = b"\x01\x75\x5c\x03\x67\x01\x01\x04\x82" + (300 + number % 1200).to_bytes(2, "little") + b"\x05\x00\x00"
    return base64.b64encode(raw).decode()


def _tts(number: int, address: str, at: datetime) -> Made:
    uplink = {
        "f_port": 85,
        "f_cnt": number,
        "frm_payload": _milesight(number),
        "received_at": at.isoformat(),
        "rx_metadata": [{"gateway_ids": {"gateway_id": "g"}, "rssi": -90, "snr": 7.5}],
    }
    return f"v3/app@t/devices/{address}/up", {"end_device_ids": {"device_id": address}, "uplink_message": uplink}


def _chirpstack(number: int, address: str, at: datetime) -> Made:
    body = {
        "time": at.isoformat(),
        "deviceInfo": {"devEui": address, "deviceProfileName": "EM400"},
        "fCnt": number,
        "fPort": 85,
        "data": _milesight(number),
        "rxInfo": [{"rssi": -80, "snr": 9.0}],
        "txInfo": {"frequency": 923_200_000},
    }
    return f"application/1/device/{address}/event/up", body


def _loriot(number: int, address: str, at: datetime) -> Made:
    raw = base64.b64decode(_milesight(number)).hex()
    body = {"cmd": "rx", "EUI": address, "ts": at.timestamp() * 1000, "fcnt": number, "port": 85, "rssi": -80}
    return "loriot/app", {**body, "data": raw, "bat": 200}


def _owntracks(number: int, address: str, at: datetime) -> Made:
    body = {"_type": "location", "lat": -10.17 + _step(number), "lon": 123.6, "tst": at.timestamp(), "vel": 31}
    return f"owntracks/{address}", {**body, "cog": 271, "batt": 67, "acc": 5, "tid": "T1"}


def _step(number: int) -> float:
    return number // DEVICES % 100 * 1e-5


def _traccar(number: int, address: str, at: datetime) -> Made:
    position = {
        "deviceTime": at.isoformat(),
        "fixTime": at.isoformat(),
        "valid": True,
        "latitude": -10.17 + _step(number),
        "longitude": 123.6,
        "speed": 12.5,
        "course": 90.0,
        "outdated": False,
        "attributes": {"ignition": True, "odometer": 1e6 + number, "power": 12.6, "sat": 9, "in1": False},
    }
    return "positions", {"position": position, "device": {"uniqueId": address, "name": address}}


def _teltonika(number: int, address: str, at: datetime) -> Made:
    reported = {
        "ts": int(at.timestamp() * 1000),
        "latlng": f"{-10.17 + _step(number):.6f},123.6",
        "sat": "9",
        "sp": "31",
        "ang": 90,
        "239": 1,
        "240": 1,
        "66": 11922,
        "67": 4110,
        "16": 10876 + number,
        "182": 9,
        "2": 0,
        "252": 0,
    }
    return f"teltonika/{address}/data", {"state": {"reported": reported}}


def _fiware(number: int, address: str, at: datetime) -> Made:
    return f"/key/{address}/attrs", {"f": 40 + number % 90, "t": 31, "TimeInstant": at.isoformat()}


def _tasmota(number: int, address: str, at: datetime) -> Made:
    body = {"Time": at.replace(tzinfo=None).isoformat(), "SR04": {"Distance": 40 + number % 90}}
    return f"tele/{address}/SENSOR", body


def _json(number: int, address: str, at: datetime) -> Made:
    coords = {"latitude": -10.17 + _step(number), "longitude": 123.6, "speed": 8.5, "heading": 63}
    return f"json/{address}", {"location": {"timestamp": at.isoformat(), "coords": coords, "battery": {"level": 0.79}}}


def _frigate(number: int, address: str, at: datetime) -> Made:
    stats = {"cameras": {address: {"camera_fps": 5 + number % 2, "process_fps": 5}}, "service": {"uptime": number}}
    stats["service"]["last_updated"] = int(at.timestamp())
    return "frigate/stats", stats


def _onvif(number: int, address: str, at: datetime) -> Made:
    data = {"IsMotion": "true" if number // DEVICES % 2 else "false"}
    body = {"topic": "tns1:RuleEngine/CellMotionDetector/Motion", "utc": at.isoformat(), "op": "Changed", "data": data}
    return f"onvif/{address}/event", body


def _axis(number: int, address: str, at: datetime) -> Made:
    message = {"source": {}, "key": {}, "data": {"active": str(number // DEVICES % 2)}}
    head = {"topic": "tns1:RuleEngine/VMD3/vmd3_video_1", "timestamp": int(at.timestamp() * 1000)}
    return f"axis/{address}/event/x", {**head, "serial": address, "message": message}


def _milesight_nbiot(number: int, address: str, at: datetime) -> Made:
    body = {"devEUI": address, "fPort": 85, "fCnt": number, "time": at.isoformat(), "data": _milesight(number)}
    return "milesight/uplink", body


def _netjson(number: int, address: str, at: datetime) -> Made:
    statistics = {"rx_bytes": 2_000 * number, "tx_bytes": 9_000 * number}
    clients = {f"40:d3:ae:04:32:{n:02x}": {"assoc": True, "signal": -60} for n in range(number % 8)}
    radio = {"ssid": "Kupang-WiFi-Gratis", "mode": "access_point", "channel": 6, "frequency": 2437, "clients": clients}
    body = {
        "type": "DeviceMonitoring",
        "general": {"uptime": number, "local_time": int(at.timestamp())},
        "resources": {"cpus": 1, "load": [0.1, 0.1, 0.1], "memory": {"total": 100_000, "free": 40_000}},
        "interfaces": [{"name": "wlan0", "type": "wireless", "up": True, "statistics": statistics, "wireless": radio}],
    }
    return f"netjson/{address}/{at:%d-%m-%Y_%H:%M:%S.%f}", body


def _unifi(number: int, address: str, at: datetime) -> Made:
    radios = [{"radio": "ng", "num_sta": number % 8, "cu_total": 20}, {"radio": "na", "num_sta": 3, "cu_total": 9}]
    access_point = {
        "mac": address,
        "type": "uap",
        "state": 1,
        "last_seen": at.timestamp(),
        "num_sta": number % 8 + 3,
        "rx_bytes": 2_000 * number,
        "tx_bytes": 9_000 * number,
        "uptime": number,
        "radio_table_stats": radios,
        "system-stats": {"cpu": "3.1", "mem": "27.4"},
    }
    return "unifi/default/device", {"meta": {"rc": "ok"}, "data": [access_point]}


def _omada(number: int, address: str, at: datetime) -> Made:
    access_point = {
        "type": "ap",
        "mac": address,
        "statusCategory": 1,
        "clientNum": number % 9,
        "cpuUtil": 3,
        "memUtil": 41,
    }
    access_point |= {"uptimeLong": number, "lastSeen": int(at.timestamp() * 1000), "upload": 9_000, "download": 2_000}
    return "omada/default/devices", {"errorCode": 0, "result": {"data": [access_point]}}


def _radius(number: int, address: str, at: datetime) -> Made:
    body = {
        "Acct-Status-Type": "Interim-Update",
        "Acct-Session-Id": f"{number:08x}",
        "Calling-Station-Id": f"40-D3-AE-04-{number // 256 % 256:02X}-{number % 256:02X}",
        "NAS-Identifier": address,
        "Acct-Session-Time": number % 3600,
        "Acct-Input-Octets": number,
        "Acct-Input-Gigawords": 1,
        "Acct-Output-Octets": number,
        "Event-Timestamp": f"{at:%b %d %Y %H:%M:%S} UTC",
    }
    return f"radius/{address}/accounting", body


def _collectd(number: int, address: str, at: datetime) -> Made:
    return f"collectd/{address}/interface-br-lan/if_octets", f"{at.timestamp():.3f}:{number}.5:98211.7\0".encode()


CODEC: Final = """
function decodeUplink(input) {
  const bytes = input.bytes, data = {};
  for (let at = 0; at < bytes.length; ) {
    const channel = bytes[at++], type = bytes[at++], low = bytes[at++];
    if (channel === 0x01 && type === 0x75) data.battery = low;
    else if (channel === 0x05 && type === 0x00) data.position = low === 0 ? "normal" : "tilt";
    else {
      const value = low | (bytes[at++] << 8);
      if (channel === 0x03) data.temperature = (value << 16 >> 16) / 10;
      else if (channel === 0x04) data.distance = value;
      else return { errors: ["unknown channel " + channel] };
    }
  }
  return { data };
}
"""
WITH_CODEC: Final = "-codec"

MAKERS: Final[dict[str, tuple[str, Maker]]] = {
    "tts": ("milesight-em400-mud", _tts),
    f"tts{WITH_CODEC}": ("milesight-em400-mud", _tts),
    "chirpstack": ("milesight-em400-mud", _chirpstack),
    "loriot": ("milesight-em400-mud", _loriot),
    "milesight": ("milesight-em400-mud", _milesight_nbiot),
    "owntracks": ("owntracks-truck", _owntracks),
    "traccar": ("traccar-truck", _traccar),
    "teltonika": ("teltonika-truck", _teltonika),
    "fiware": ("sensoneo-short", _fiware),
    "tasmota": ("tasmota-sr04", _tasmota),
    "json": ("traccar-client-truck", _json),
    "netjson": ("openwrt-ap", _netjson),
    "unifi": ("unifi-ap", _unifi),
    "omada": ("omada-ap", _omada),
    "radius": ("radius-nas", _radius),
    "collectd": ("collectd-ap", _collectd),
    "frigate": ("frigate-camera", _frigate),
    "onvif": ("onvif-camera", _onvif),
    "axis": ("axis-camera", _axis),
}


def run(argv: list[str]) -> int:
    """Measure every adapter, or those named; 1 when one of them lost a reading."""
    parser = argparse.ArgumentParser(prog="kota bench adapters", description=__doc__)
    parser.add_argument("adapters", nargs="*", help=f"Some of {', '.join(MAKERS)}; default all.")
    parser.add_argument("--messages", type=int, default=100_000, help="How many to each.")
    parser.add_argument("--json", action="store_true", help="One JSON array.")
    args = parser.parse_args(argv)
    rows = [measure(name, args.messages) for name in args.adapters or MAKERS]
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
    else:
        print(f"{'adapter':12} {'readings':>9} {'parse /s':>10} {'decode /s':>10} {'of parse':>9} {'store /s':>10}")
        for row in rows:
            print(_line(row))
    return 0 if all(row.readings >= row.messages for row in rows) else 1


def _line(row: Row) -> str:
    parse, decode, store = (row.messages / seconds for seconds in (row.parse_s, row.decode_s, row.store_s))
    share = decode / parse
    return f"{row.adapter:12} {row.readings:>9,} {parse:>10,.0f} {decode:>10,.0f} {share:>9.1%} {store:>10,.0f}"


def measure(adapter: str, messages: int) -> Row:
    """One adapter's row."""
    profile, _ = MAKERS[adapter]
    city = city_of(adapter.removesuffix(WITH_CODEC), profile)
    if adapter.endswith(WITH_CODEC):
        city = with_codec(city, profile, Codec("codec", CODEC))
    arrivals = [_arrival(number, adapter) for number in range(messages)]
    parse = _split if adapter == "collectd" else msgspec.json.decode
    parse_s = _timed(lambda: [parse(arrival.payload) for arrival in arrivals])
    codecs = IsolatedCodecRunner()
    decoder = Decoder(city, late_after=timedelta(days=3650), pseudonym_key=bytes(32), codecs=codecs)
    decode_s = _timed(lambda: ([decoder.decode(arrival) for arrival in arrivals], codecs.close()))
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as folder:
        store = DuckStore(Path(folder) / "city.duckdb")
        store_s = _timed(lambda: (_store(decoder, store, arrivals), codecs.close()))
        readings = sum(life.rows for life in store.stored_sequences())
        store.close()
    return Row(adapter, messages, readings, parse_s, decode_s, store_s)


def _split(payload: bytes) -> list[bytes]:
    """The least that a format without JSON asks for."""
    return payload.split(b":")


def message_of(adapter: str, number: int, at: datetime) -> tuple[str, bytes]:
    """Topic and payload of a message of an adapter."""
    topic, body = MAKERS[adapter][1](number, _address(adapter, number % DEVICES), at)
    return topic, body if isinstance(body, bytes) else json.dumps(body).encode()


def _arrival(number: int, adapter: str) -> Arrival:
    at = START + timedelta(seconds=number // DEVICES * 15 + number % DEVICES / 1000)
    return Arrival(*message_of(adapter, number, at), at + timedelta(seconds=1))


def _address(adapter: str, number: int) -> str:
    if adapter == "teltonika":
        return f"{359632104100000 + number}"
    if adapter in ("unifi", "omada"):
        return f"80:2a:a8:00:01:{number:02x}"
    return f"user/d{number}" if adapter == "owntracks" else f"d{number}"


def _store(decoder: Decoder, store: DuckStore, arrivals: Sequence[Arrival]) -> None:
    history = StatefulRules(store, level_events=decoder.level_events())
    for first in range(0, len(arrivals), BATCH):
        records: list[Record] = [
            record for arrival in arrivals[first : first + BATCH] for record in decoder.decode(arrival).records
        ]
        store.write([record for record in history.apply(records) if record is not None], ((1, first + BATCH),))
        history.commit()


def _timed(work: Callable[[], object]) -> float:
    """CPU seconds, with those of the processes that ended meanwhile."""
    began = _cpu_s()
    work()
    return _cpu_s() - began


def _cpu_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def city_of(adapter: str, profile: str) -> City:
    """The reference city with devices of an adapter alone."""
    city = load_city(builtin_city("kupang"))
    return city.with_devices({f"d-{n}": _device(city, f"d-{n}", adapter, profile, n) for n in range(DEVICES)})


def city_with(*adapters: str) -> City:
    """The reference city with devices of some adapters alone."""
    city = load_city(builtin_city("kupang"))
    return city.with_devices(
        {
            f"{adapter}-{n}": _device(city, f"{adapter}-{n}", adapter, MAKERS[adapter][0], n)
            for adapter in adapters
            for n in range(DEVICES)
        }
    )


def _device(city: City, id_: str, adapter: str, profile: str, number: int) -> Device:
    binding = Binding(adapter, _reached(adapter, number), profile)
    match city.profiles[profile].kind:
        case "bin":
            return Bin(id=id_, model="steel-6m3", waste_kind="organic", color="grey", binding=binding)
        case "truck":
            return Truck(id=id_, plate=id_, depot="", capacity_kg=1, binding=binding)
        case "ap":
            return AccessPoint(id=id_, model="", ssids=(), binding=binding)
        case "camera":
            return Camera(id=id_, binding=binding)


def _reached(adapter: str, number: int) -> str:
    address = _address(adapter, number)
    return {"tts": f"app/{address}", "fiware": f"key/{address}"}.get(adapter, address)
