"""Plain readings are decoded by a shorter way: it gives what the general one gives, and takes nothing else."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta

import pytest

from broker.contract.payloads import MAX_PAYLOAD_BYTES
from broker.contract.topics import TOPICS_REMEMBERED
from city.inventory.loader import builtin_city, load_city
from city.inventory.provider import LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from tests.chaos.fuzz import mutate, seeds

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BIN = "kota/v1/kupang/bin/bin-0001/telemetry"
PLAIN = b'{"ts":"2026-03-01T11:59:58Z","boot":"b1","seq":%d,"distance_mm":400,"battery_pct":80}'


def test_whatever_the_fuzzer_sends_both_ways_agree() -> None:
    city, groups = seeds(load_city(builtin_city("kupang")))
    decoder, dice = Decoder(city, late_after=timedelta(minutes=15)), random.Random(7)
    plain_ones = 0
    for number in range(10_000):
        seed = dice.choice(dice.choice(groups))
        payload = mutate(dice, re.sub(rb'"seq":\s*\d+', b'"seq":%d' % number, seed.payload))
        arrival = Arrival(seed.topic, payload, NOW + timedelta(seconds=dice.randrange(-90_000, 90_000)))
        (reading,) = decoder.decode_plain([arrival])
        result = decoder.decode(arrival)
        if reading is None:
            continue
        plain_ones += 1
        assert result == DecodeResult([reading], [])
    assert plain_ones > 100


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (BIN, b"[" + PLAIN % 1 + b"]"),
        (BIN, PLAIN % 1 + b"x"),
        (BIN, (PLAIN % 1)[:-1] + b',"firmware":"1.2"}'),
        (BIN, PLAIN % 1 + b" " * MAX_PAYLOAD_BYTES),
        (BIN, b"{}"),
        (BIN, b""),
        (BIN.replace("bin-0001", "bin-9999"), PLAIN % 1),
        (BIN.replace("kupang", "ende"), PLAIN % 1),
        (BIN.replace("/bin/", "/truck/"), PLAIN % 1),
        (BIN.replace("telemetry", "event"), PLAIN % 1),
        (BIN.replace("telemetry", "receipt"), PLAIN % 1),
        ("$kota/v1/kupang/camera/cam-01/review", PLAIN % 1),
        ("owntracks/x/y", PLAIN % 1),
        ("kota/v1", PLAIN % 1),
        ("", PLAIN % 1),
    ],
)
def test_anything_but_a_plain_reading_of_a_known_device_is_left_to_the_general_way(topic: str, payload: bytes) -> None:
    decoder = Decoder(load_city(builtin_city("kupang")), late_after=timedelta(minutes=15))
    assert decoder.decode_plain([Arrival(topic, payload, NOW)]) == [None]


def test_a_topic_is_judged_anew_when_the_inventory_changes() -> None:
    city = load_city(builtin_city("kupang"))
    inventory = LiveInventory(city)
    decoder = Decoder(inventory, late_after=timedelta(minutes=15))
    known = Arrival(BIN, PLAIN % 1, NOW)
    assert decoder.decode_plain([known])[0] is not None
    without = {id_: device for id_, device in city.devices.items() if id_ != "bin-0001"}
    assert inventory.publish(without)
    assert decoder.decode_plain([known]) == [None]


def test_topics_that_senders_invent_are_remembered_up_to_a_bound() -> None:
    decoder = Decoder(load_city(builtin_city("kupang")), late_after=timedelta(minutes=15))
    for number in range(40_000):
        decoder.decode_plain([Arrival(f"kota/v1/kupang/bin/x-{number}/telemetry", PLAIN % 1, NOW)])
    assert len(decoder._newest._telemetry_topics) <= TOPICS_REMEMBERED
    assert decoder.decode_plain([Arrival(BIN, PLAIN % 1, NOW)])[0] is not None
