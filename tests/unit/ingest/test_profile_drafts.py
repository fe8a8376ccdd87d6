"""Drafts of profiles: what the keys of an unknown model mean, in which unit, and what is never chosen silently."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.topics import KINDS, Kind
from city.inventory.loader import builtin_city, load_city
from city.inventory.problems import InventoryError
from city.inventory.profile_toml import to_toml
from city.inventory.profiles import parse_profile
from city.inventory.tables import Problems
from ingest.decoding.drafting.draft import KeyMapping, ProfileDraft, draft_profile, likely_draft, to_profile
from ingest.decoding.drafting.field_words import WORDS, words_in
from ingest.decoding.drafting.key_samples import KEYS_MAX, collect_keys, read_examples
from ingest.decoding.drafting.states import choices_for, state_of
from ingest.decoding.drafting.unit_choices import choices_of, fields_to_map, parse_choice
from ingest.decoding.dry_run import dry_run
from ingest.decoding.field_mapping import get_path
from ingest.messages import Arrival

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
PROFILES = list(CITY.profiles.values())
LORA = "application/7/device/00aa11bb22cc33dd/event/up"
TTS = "v3/city@ttn/devices/unit-4/up"


def chirpstack(decoded: dict[str, Any]) -> dict[str, Any]:
    return {"deviceInfo": {"devEui": "00aa11bb22cc33dd"}, "time": NOW.isoformat(), "fPort": 9, "object": decoded}


def tts(decoded: dict[str, Any]) -> dict[str, Any]:
    uplink = {"f_port": 9, "decoded_payload": decoded, "received_at": NOW.isoformat()}
    return {"end_device_ids": {"device_id": "unit-4", "dev_eui": "00AA11BB22CC33DD"}, "uplink_message": uplink}


def messages(topic: str, *bodies: dict[str, Any]) -> list[Arrival]:
    return [
        Arrival(topic, json.dumps(body).encode(), NOW + timedelta(minutes=number)) for number, body in enumerate(bodies)
    ]


def draft(kind: Kind, topic: str, *bodies: dict[str, Any]) -> ProfileDraft:
    return draft_profile(read_examples(messages(topic, *bodies)), kind, PROFILES)


def chosen(drafted: ProfileDraft) -> dict[str, str]:
    """Key to field and unit of what is chosen without anybody's word."""
    return {entry.key: f"{entry.field} {entry.unit}".strip() for entry in drafted.mapping}


def offered(drafted: ProfileDraft, key: str) -> list[str]:
    """Field and unit of what is offered for a key."""
    (of_key,) = [entry for entry in drafted.keys if entry.sample.path == key]
    return [f"{proposal.field} {proposal.unit}".strip() for proposal in of_key.proposals]


SHAPES: list[tuple[Kind, str, list[dict[str, Any]], dict[str, str]]] = [
    (
        "bin",
        LORA,
        [chirpstack({"sonarDistanceMm": 1310, "BatV": 3.58, "tempC": 29.5, "frameErr": 0})],
        {"sonarDistanceMm": "distance_mm mm", "BatV": "battery_v v", "tempC": "temperature_c c"},
    ),
    (
        "bin",
        LORA,
        [chirpstack({"range": {"value": 84, "unit": "cm"}, "supply": {"batt_mV": 3421}, "lid": "open"})],
        {"range.value": "distance_mm cm", "supply.batt_mV": "battery_v mv", "lid": "lid_open"},
    ),
    (
        "bin",
        TTS,
        [tts({"ultrasonic_cm": 61.5, "vbat": 3.9, "tilt": False, "door_count": 5})],
        {"ultrasonic_cm": "distance_mm cm", "vbat": "battery_v v", "tilt": "lid_open"},
    ),
    (
        "bin",
        TTS,
        [tts({"fillLevel": 41, "batteryPercent": 88, "temperature": "27.2 °C"})],
        {"fillLevel": "fill_pct pct", "batteryPercent": "battery_pct pct", "temperature": "temperature_c c"},
    ),
    (
        "bin",
        "json/tong-1",
        [{"jarak": 740, "suhu": 31, "baterai": 67, "waktu": "2026-03-01 12:00:00"}],
        {"jarak": "distance_mm mm", "suhu": "temperature_c c", "baterai": "battery_pct pct", "waktu": "time"},
    ),
    (
        "bin",
        "json/b-2",
        [{"tof": 0.52, "vcc": 3.31, "free_percent": 35, "ts": NOW.timestamp()}],
        {"tof": "distance_mm m", "vcc": "battery_v v", "free_percent": "fill_pct pct-empty", "ts": "time"},
    ),
    (
        "bin",
        "tele/tank7/SENSOR",
        [{"Time": "2026-03-01T12:00:00", "HX711": {"Weight": 83.2}, "DS18S20": {"Temperature": 26.4}, "TempUnit": "C"}],
        {"HX711.Weight": "weight_kg kg", "DS18S20.Temperature": "temperature_c c"},
    ),
    (
        "bin",
        "json/b-3",
        [{"weight_g": 41_000, "inclination": 4}],
        {"weight_g": "weight_kg g", "inclination": "tilt_deg deg"},
    ),
    (
        "bin",
        "json/b-4",
        [{"distance_in": 22.5, "temp_f": 84.2}],
        {"distance_in": "distance_mm in", "temp_f": "temperature_c f"},
    ),
    (
        "bin",
        "json/b-5",
        [{"temperature": 283, "soc": 0.81}],
        {"temperature": "temperature_c c*0.1", "soc": "battery_pct share"},
    ),
    (
        "bin",
        "json/b-6",
        [{"lat": -101_712_345, "lng": 1_236_071_234}],
        {"lat": "lat_deg deg*1e-07", "lng": "lon_deg deg*1e-07"},
    ),
    (
        "truck",
        "json/dump-3",
        [
            {
                "gps": {"latitude": -10.1712, "longitude": 123.6071, "speed_kmh": 31, "course": 181, "sats": 11},
                "io": {"ign": 1, "mileage": 81_234_567},
                "fuel_level": 62,
                "vbatt": 4.02,
            }
        ],
        {
            "gps.latitude": "lat_deg deg",
            "gps.longitude": "lon_deg deg",
            "gps.speed_kmh": "speed_kmh kmh",
            "gps.course": "heading_deg deg",
            "gps.sats": "satellites",
            "io.ign": "ignition",
            "io.mileage": "odometer_km m",
            "fuel_level": "fuel_pct pct",
            "vbatt": "battery_v v",
        },
    ),
    (
        "truck",
        "json/dump-4",
        [{"spd_kn": 14, "total_distance_km": 8_812.4, "coolant": 88, "rpm": 1_450, "acc": "on", "ext_voltage": 27.9}],
        {
            "spd_kn": "speed_kmh kn",
            "total_distance_km": "odometer_km km",
            "coolant": "engine_temp_c c",
            "rpm": "engine_rpm rpm",
            "acc": "ignition",
            "ext_voltage": "power_v v",
        },
    ),
    (
        "ap",
        "json/hotspot-1",
        [{"num_sta": 23, "cpu": 18, "mem_pct": 61.5, "uptime": 812_345, "noise": -96, "rx_bytes": 9_123_456_789}],
        {
            "num_sta": "clients",
            "cpu": "cpu_pct pct",
            "mem_pct": "memory_pct pct",
            "uptime": "uptime_s s",
            "noise": "noise_dbm dbm",
            "rx_bytes": "rx_bytes bytes",
        },
    ),
    (
        "ap",
        "json/hotspot-2",
        [{"users": 7, "radio": {"airtime": 42}, "wan": {"ping_ms": 31.5, "loss": 0}, "ram": 0.44}],
        {
            "users": "clients",
            "radio.airtime": "channel_busy_pct pct",
            "wan.ping_ms": "latency_ms ms",
            "wan.loss": "loss_pct pct",
            "ram": "memory_pct share",
        },
    ),
    (
        "camera",
        "json/eye-1",
        [{"fps": 12.5, "bitrate_kbps": 812, "uptime_h": 31, "frames_dropped": 4}],
        {
            "fps": "fps",
            "bitrate_kbps": "bitrate_kbps kbps",
            "uptime_h": "uptime_s h",
            "frames_dropped": "dropped_frames",
        },
    ),
]


@pytest.mark.parametrize(("kind", "topic", "bodies", "mapping"), SHAPES, ids=lambda value: str(value)[:40])
def test_keys_with_a_plain_name_and_usual_values_are_read(
    kind: Kind, topic: str, bodies: list[dict[str, Any]], mapping: dict[str, str]
) -> None:
    drafted = draft(kind, topic, *bodies)
    assert chosen(drafted) == mapping
    profile = to_profile(drafted, "drafted", drafted.mapping)
    result = dry_run(CITY, profile, messages(topic, *bodies)[-1])
    assert not result.problems
    (record,) = result.records
    fields = {entry.field for entry in drafted.mapping} - {"time"}
    assert fields <= {*record.values}, "each field gives a value"


@pytest.mark.parametrize("volts", [2.0, 2.75, 3, 3.3, 3.6, 3.71, 4, 4.2, 4.3, "3.6", "3.6 V", "3,6"])
@pytest.mark.parametrize(
    "key", ["battery", "bat", "BatV", "vbat", "battery_level", "battery_pct", "batteryPercent", "b"]
)
@pytest.mark.parametrize("kind", ["bin", "truck"])
def test_a_volt_value_never_becomes_per_cent(key: str, volts: float | str, kind: Kind) -> None:
    for topic, body in (("json/x", {key: volts}), (LORA, chirpstack({key: volts})), (TTS, tts({key: volts}))):
        drafted = draft(kind, topic, body, body)
        proposals = [proposal for entry in drafted.keys for proposal in entry.proposals]
        assert "battery_pct" not in {proposal.field for proposal in proposals}


@pytest.mark.parametrize("value", [5, 9.5, 12, 14.8])
def test_a_battery_that_may_be_volts_or_per_cent_is_offered_as_both(value: float) -> None:
    drafted = draft("bin", "json/x", {"battery": value})
    assert chosen(drafted) == {}
    assert {*offered(drafted, "battery")} == {"battery_v v", "battery_pct pct"}


def test_a_level_may_be_a_fill_level_or_a_distance() -> None:
    """Alone it is not chosen; with per cent, or beside a distance, it is the fill level; in cm it may be a height."""
    assert chosen(draft("bin", "json/x", {"level": 55})) == {}
    assert {*offered(draft("bin", "json/x", {"level": 55}), "level")} == {"fill_pct pct", "distance_mm cm"}
    assert chosen(draft("bin", "json/x", {"level": "55 %"})) == {"level": "fill_pct pct"}
    both = draft("bin", "json/x", {"level": 55, "distance_mm": 810})
    assert chosen(both) == {"level": "fill_pct pct", "distance_mm": "distance_mm mm"}
    centimetres = draft("bin", "json/x", {"level_cm": 120})
    assert chosen(centimetres) == {}
    assert offered(centimetres, "level_cm") == ["distance_mm cm"]


def test_a_number_of_several_possible_units_is_not_chosen() -> None:
    drafted = draft("bin", "json/x", {"dist": 320})
    assert chosen(drafted) == {}
    assert offered(drafted, "dist") == ["distance_mm mm", "distance_mm cm"]
    load = draft("ap", "json/x", {"cpu": 0.31})
    assert chosen(load) == {}
    assert offered(load, "cpu") == ["cpu_pct pct", "cpu_pct share"]
    speed = draft("truck", "json/x", {"velocity": 20})
    assert chosen(speed) == {}
    assert offered(speed, "velocity") == ["speed_kmh kmh", "speed_kmh m/s", "speed_kmh kn"]


def test_a_tilt_may_be_an_open_lid_or_another_thing() -> None:
    drafted = draft("bin", "json/x", {"tilt_alarm": 0, "posisi": "tilt"})
    assert chosen(drafted) == {}
    assert offered(drafted, "tilt_alarm") == ["lid_open"]


def test_values_over_time_say_more_than_one() -> None:
    assert chosen(draft("bin", "json/x", {"dist": 320}, {"dist": 1_320})) == {"dist": "distance_mm mm"}
    assert chosen(draft("bin", "json/x", {"dist": 320}, {"dist": 31})) == {}


def test_two_keys_that_may_be_the_same_are_both_offered() -> None:
    drafted = draft("bin", "json/x", {"inside": {"temp": 31}, "outside": {"temp": 28}})
    assert chosen(drafted) == {}
    assert offered(drafted, "inside.temp") == offered(drafted, "outside.temp") == ["temperature_c c"]


def test_what_an_existing_profile_reads_in_the_same_format_is_read_so() -> None:
    drafted = draft("bin", LORA, chirpstack({"distance": 324, "battery": 92, "position": "tilt"}))
    assert chosen(drafted) == {"distance": "distance_mm mm", "battery": "battery_pct pct", "position": "lid_open"}
    (distance,) = [key for key in drafted.keys if key.sample.path == "distance"]
    assert distance.proposals[0].reason == "profile"
    plain = draft("bin", "json/x", {"distance": 324, "battery": 92})
    assert "distance" not in chosen(plain), "in another format it is not known"


def test_an_existing_profile_whose_rules_do_not_fit_the_values_is_no_precedent() -> None:
    drafted = draft("bin", LORA, chirpstack({"distance": 324, "battery": 3.6}))
    assert chosen(drafted)["battery"] == "battery_v v"


def test_the_kind_follows_from_the_keys() -> None:
    for kind, topic, bodies, _ in SHAPES:
        drafted = likely_draft(read_examples(messages(topic, *bodies)), PROFILES)
        assert drafted.kind == kind or len(drafted.mapping) <= 3, (topic, drafted.kind)


def test_fields_that_the_format_gives_itself_are_not_proposed() -> None:
    body = {"Time": "2026-03-01T12:00:00", "SR04": {"Distance": 59.4}, "Wifi": {"RSSI": 72, "Signal": -64}}
    assert chosen(draft("bin", "tele/x/SENSOR", body)) == {"SR04.Distance": "distance_mm cm"}


def test_what_has_no_meaning_here_is_listed_without_proposals() -> None:
    drafted = draft("bin", "json/x", {"humidity": 55, "fw": "1.2", "alarm_threshold_distance": 300, "cpu_temp": 55})
    assert chosen(drafted) == {}
    assert {key.sample.path for key in drafted.keys} == {"humidity", "fw", "alarm_threshold_distance", "cpu_temp"}
    assert [offered(drafted, key) for key in ("humidity", "fw", "alarm_threshold_distance")] == [[], [], []]


def test_every_proposal_has_a_reason_in_words() -> None:
    for kind, topic, bodies, _ in SHAPES:
        for key in draft(kind, topic, *bodies).keys:
            for proposal in key.proposals:
                assert proposal.reason_text
                assert "{" not in proposal.reason_text


def test_values_are_shown_newest_first_with_their_span() -> None:
    drafted = draft("bin", "json/x", *({"d": number, "t": "x" * 500} for number in range(9)))
    (sample,) = [key.sample for key in drafted.keys if key.sample.path == "d"]
    assert [value.value for value in sample.values] == [8, 7, 6, 5, 4]
    assert (sample.low, sample.high, sample.messages) == (0, 8, 9)
    (text,) = [key.sample for key in drafted.keys if key.sample.path == "t"]
    assert len(str(text.values[0].value)) < 70


def test_a_message_of_several_devices_gives_the_keys_of_this_one() -> None:
    examples = read_examples(messages("json/a", {"x": 1}) + messages("json/b", {"y": 2}), {"b"})
    assert [key.path for key in collect_keys(examples.records)[0]] == ["y"]


def test_messages_that_cannot_be_decoded_are_named_and_cost_themselves() -> None:
    examples = read_examples(
        [Arrival("json/a", b"\xff{", NOW), Arrival("nobody/x", b"{}", NOW), *messages("json/a", {"x": 1})]
    )
    assert len(examples.problems) == 2
    assert len(examples.records) == 1


HOSTILE: list[Any] = [
    {},
    {"": 1},
    {"a.b": 1, "a": {"b": 2}},
    {"a": {"b": 2}, "a.b": 1},
    {"jarak ke sampah": 700, 'it\'s "quoted"': 1, "line\nend": 2, "\x00": 3, "température": 4, "距离": 5, "🗑": 6},
    {"__proto__": {"distance": 700}, "constructor": 1, "prototype": {"x": 1}},
    {"distance [cm]": 70, "raw [": 1, "[]": 2, " [mm] []": 3},
    {f"key{number}": number for number in range(10_000)},
    {"distance": [[[1]]] * 5_000, "list": list(range(10_000))},
    {"big": 10**400, "small": -(10**400), "float": 1e308, "text": "9" * 5_000, "battery": "9" * 400},
    {"x" * 100_000: 1, "y": "z" * 100_000},
    {"battery": None, "temperature": "", "distance": [], "lid": {}, "tilt": "\ufffd"},
    {"battery": True, "distance": False, "temperature": "yes", "lat": True},
    {"lat": 91, "lon": 181, "speed": -1, "rssi": 30, "battery": -5, "fill": 101, "temperature": 9_999},
]


def nested(depth: int) -> bytes:
    return b'{"distance":' * depth + b"700" + b"}" * depth


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: str(body)[:40])
@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_of_hostile_messages_is_bounded_and_can_be_read_back(kind: Kind, body: Any) -> None:
    arrivals = [Arrival("json/x", json.dumps(body).encode(), NOW)]
    examples = read_examples(arrivals)
    drafted = draft_profile(examples, kind, PROFILES)
    assert len(drafted.keys) <= KEYS_MAX
    fields = examples.records[0][1] if examples.records else {}
    assert all(get_path(fields, key.sample.path) is not fields for key in drafted.keys)
    profile = to_profile(drafted, "drafted", drafted.mapping)
    problems: Problems = []
    assert parse_profile(to_toml(profile), "drafted", "x", problems) == profile
    assert problems == []
    assert not dry_run(CITY, profile, arrivals[0]).records or drafted.mapping or body


@pytest.mark.parametrize(
    "payload",
    [
        nested(100),
        nested(5_000),
        b'{"distance": NaN, "battery": Infinity}',
        b'{"a": "\\ud800", "\\ud800": 1}',
        b"[1,2]",
        b"\0",
    ],
    ids=lambda payload: str(payload[:30]),
)
def test_a_draft_of_odd_json_is_a_draft(payload: bytes) -> None:
    drafted = likely_draft(read_examples([Arrival("json/x", payload, NOW)]), PROFILES)
    profile = to_profile(drafted, "drafted", drafted.mapping)
    to_toml(profile).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([*{word for words in WORDS.values() for word in words.strong}, "a.b", "x y"]) | st.text(
    max_size=12
)


@given(st.dictionaries(names, json_values, max_size=6), st.sampled_from(KINDS))
def test_whatever_is_drafted_is_read_back_and_gives_values_within_the_contract(
    body: dict[str, Any], kind: Kind
) -> None:
    arrival = Arrival("json/x", json.dumps(body).encode(), NOW)
    drafted = draft_profile(read_examples([arrival]), kind, PROFILES)
    profile = to_profile(drafted, "drafted", drafted.mapping)
    problems: Problems = []
    assert parse_profile(to_toml(profile), "drafted", "x", problems) == profile
    for record in dry_run(CITY, profile, arrival).records:
        assert all(not isinstance(value, float) or math.isfinite(value) for value in record.values.values())
        assert "invalid" not in record.quality


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([KeyMapping("x", "speed_kmh")], "a bin has no field 'speed_kmh'"),
        ([KeyMapping("x", "distance_mm", "kg")], "'kg' is no unit of distance_mm"),
        ([KeyMapping("x", "distance_mm", "cm*x")], "is no factor"),
        ([KeyMapping("x", "distance_mm", "cm*nan")], "is no factor"),
        ([KeyMapping("x", "distance_mm", "'; drop")], "is no unit"),
        ([KeyMapping("x", "lid_open", "cm")], "'cm' is no unit of lid_open"),
        ([KeyMapping("", "distance_mm")], "names no key"),
        ([KeyMapping("x", "time", "s")], "a time has no unit"),
        ([KeyMapping("x", "fill_pct"), KeyMapping("y", "fill_pct")], "fill_pct is read from 'x' already"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(entries: list[KeyMapping], message: str) -> None:
    with pytest.raises(InventoryError, match=r"mapping\.\d") as caught:
        to_profile(draft("bin", "json/x", {"x": 1}), "drafted", entries)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("gap_s", "messages_sent", "interval_s"),
    [
        (1, 9, None),
        (58, 9, 60),
        (610, 9, 600),
        (3_600, 4, 3_600),
        (3_600, 3, None),
        (5_000, 9, 7_200),
        (500_000, 9, 86_400),
    ],
)
def test_the_interval_of_the_messages_is_that_of_the_profile(
    gap_s: int, messages_sent: int, interval_s: float | None
) -> None:
    arrivals = [
        Arrival("json/x", b'{"dist": 320}', NOW + timedelta(seconds=gap_s * number)) for number in range(messages_sent)
    ]
    drafted = likely_draft(read_examples(arrivals), PROFILES)
    assert to_profile(drafted, "drafted", []).interval_s == interval_s


def test_a_unit_is_read_in_every_spelling() -> None:
    drafted = draft("bin", "json/x", {"x": 3_600, "y": 2})
    profile = to_profile(
        drafted, "drafted", [KeyMapping("x", "battery_v", "mV"), KeyMapping("y", "distance_mm", "meter")]
    )
    (arrival,) = messages("json/x", {"x": 3_600, "y": 0.4})
    assert dry_run(CITY, profile, arrival).records[0].values.items() >= {"battery_v": 3.6, "distance_mm": 400.0}.items()


def test_an_opposite_state_is_read_as_its_opposite() -> None:
    drafted = draft("bin", "json/x", {"reed": 1})
    profile = to_profile(drafted, "drafted", [KeyMapping("reed", "lid_open", "not")])
    for value, is_open in ((1, False), (0, True), (True, False), ("closed", None)):
        (arrival,) = messages("json/x", {"reed": value})
        records = dry_run(CITY, profile, arrival).records
        assert records[0].values.get("lid_open") is is_open
    assert choices_for(["Ajar"])["ajar"] is True
    assert state_of("tertutup") is False


def test_words_are_told_apart_in_every_spelling() -> None:
    for name in ("BatV", "bat_v", "BATV", "bat-v", "bat.v", "bat v"):
        assert words_in(name) == ["bat", "v"]
    assert words_in("BAT_mV") == words_in("batmV") == ["bat", "mv"]
    assert words_in("batteryVoltage") == words_in("batteryvoltage") == ["battery", "voltage"]


def test_every_word_is_of_a_field_that_can_be_mapped() -> None:
    mapped = {field for kind in KINDS for field in fields_to_map(kind)}
    assert WORDS.keys() <= mapped
    for kind in KINDS:
        for field in fields_to_map(kind):
            assert all(choice == "not" or parse_choice(choice) for choice in choices_of(kind, field))
