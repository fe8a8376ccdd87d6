"""Answers about a whole site: every access point has its reading, and what is too large costs little."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES
from city.inventory.model import City
from ingest.decoding.decoder import Decoder
from ingest.decoding.formats.parsing import CONTAINERS_MAX, ELEMENTS_MAX
from ingest.decoding.results import DecodeResult
from ingest.decoding.third_party import KEPT_PART_BYTES, KEPT_WHOLE_BYTES, UNKNOWN_DEVICES_MAX
from ingest.messages import Arrival
from ingest.pipeline.journal import READ_BYTES, Journal
from ingest.store.parked import quarantine as bounds
from ingest.store.parked.quarantine import Quarantine, QuarantinedMessage
from ingest.store.records import Reading
from tests.support.decoding import NOW, city_of, device
from tests.support.sites import (
    CLIENTS,
    DEVICES,
    ap_id,
    ap_mac,
    clients_answer,
    clients_of,
    devices_answer,
    largest_answer,
    site_city,
)

SITE = 2_000


def decode(city: City, topic: str, payload: bytes) -> DecodeResult:
    return Decoder(city, late_after=timedelta(minutes=15), pseudonym_key=b"k" * 32).decode(Arrival(topic, payload, NOW))


def clients_by_device(found: DecodeResult) -> dict[str, float]:
    return {record.origin.device: record.values["clients"] for record in found.records if isinstance(record, Reading)}


def test_every_access_point_of_a_large_site_has_its_reading() -> None:
    found = decode(site_city(SITE), DEVICES, largest_answer(SITE))
    assert clients_by_device(found) == {ap_id(number): clients_of(number) for number in range(SITE)}
    assert (found.rejected, found.unknown_devices) == ([], [])


def test_every_client_of_a_large_site_is_counted() -> None:
    found = decode(site_city(SITE + 5), CLIENTS, clients_answer(10_000, SITE))
    expected = {ap_id(number): 5 for number in range(SITE)} | {ap_id(number): 0 for number in range(SITE, SITE + 5)}
    assert clients_by_device(found) == expected


def test_unknown_access_points_cost_the_known_ones_nothing() -> None:
    found = decode(site_city(SITE // 2), DEVICES, devices_answer(SITE))
    assert len(clients_by_device(found)) == SITE // 2
    assert {unknown.names[0] for unknown in found.unknown_devices} == {
        ap_mac(number) for number in range(SITE // 2, SITE)
    }
    assert sum(len(unknown.raw) for unknown in found.unknown_devices) < KEPT_WHOLE_BYTES
    assert found.rejected == []


def test_too_many_unknown_devices_are_said_and_cost_the_known_ones_nothing() -> None:
    found = decode(site_city(1), DEVICES, devices_answer(UNKNOWN_DEVICES_MAX + 2, note_bytes=100))
    assert clients_by_device(found) == {ap_id(0): clients_of(0)}
    assert len(found.unknown_devices) == UNKNOWN_DEVICES_MAX
    (letter,) = found.rejected
    assert letter.reason.startswith(f"{UNKNOWN_DEVICES_MAX + 1} unknown devices, of which the first")


def test_many_bad_elements_are_one_letter_and_their_neighbours_are_stored() -> None:
    tracker = device("teltonika", "352094081234567", "teltonika-truck", "truck-1")
    records = [{"state": {"reported": {"ts": 1_772_366_000_000 + number, "66": 12_000}}} for number in range(10)]
    bad = [{"state": {"reported": {"66": 12_000}}}] * 300
    found = decode(city_of(tracker), "352094081234567/data", json.dumps([*records, *bad]).encode())
    assert len(found.records) == 10
    (letter,) = found.rejected
    assert letter.reason.startswith("300 parts, the first: ")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"data":[' + b"{}," * ELEMENTS_MAX + b"{}]}", f"{ELEMENTS_MAX + 1} elements, more than {ELEMENTS_MAX}"),
        (b"[" * (CONTAINERS_MAX + 1), f"{CONTAINERS_MAX + 1} objects and arrays, more than {CONTAINERS_MAX}"),
        (b" " * (GATEWAY_PAYLOAD_BYTES + 1), f"{GATEWAY_PAYLOAD_BYTES + 1} bytes are more than"),
    ],
    ids=["elements", "containers", "bytes"],
)
def test_a_message_that_costs_too_much_is_a_dead_letter(payload: bytes, reason: str) -> None:
    found = decode(site_city(1), DEVICES, payload)
    assert found.records == []
    (letter,) = found.rejected
    assert letter.reason.startswith(reason)


def test_of_a_large_dead_letter_the_beginning_is_kept_without_clients() -> None:
    phone = b'"40:d3:ae:04:32:0c",'
    for shift in range(len(phone)):  # wherever the cut falls
        payload = b"[" + b" " * shift + phone * (KEPT_WHOLE_BYTES // len(phone) + 1)
        (letter,) = decode(site_city(1), CLIENTS, payload).rejected
        assert KEPT_PART_BYTES // 2 < len(letter.raw) <= KEPT_PART_BYTES
        assert b"40:d3" not in letter.raw
        assert f"of {len(payload)} bytes the beginning is kept" in letter.reason


def test_a_topic_of_a_device_has_the_devices_bound_whoever_publishes() -> None:
    own = device("tasmota", "bin7", "tasmota-sr04", "bin-7")
    body = b'{"SR04": {"Distance": 60.0}}'
    for size, stored in ((MAX_PAYLOAD_BYTES, 1), (MAX_PAYLOAD_BYTES + 1, 0)):
        found = decode(city_of(own), "tele/bin7/SENSOR", body.ljust(size))
        assert (len(found.records), len(found.rejected)) == (stored, 1 - stored)


def test_a_devices_message_beyond_its_bound_is_kept_in_part() -> None:
    native = decode(site_city(1), f"kota/v1/kupang/ap/{ap_id(0)}/telemetry", b" " * (MAX_PAYLOAD_BYTES + 1))
    (letter,) = native.rejected
    assert (len(letter.raw), letter.reason) == (
        KEPT_PART_BYTES,
        f"{MAX_PAYLOAD_BYTES + 1} bytes are more than {MAX_PAYLOAD_BYTES}",
    )


def test_the_journal_says_that_more_follows_behind_large_messages(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", max_bytes=1 << 30)
    large = Arrival(DEVICES, bytes(READ_BYTES // 2 + 1), NOW)
    journal.append([large, large, Arrival(DEVICES, b"", NOW)])
    sizes = []
    after, is_full = 0, True
    while is_full:
        entries, is_full = journal.read_batch(after=after, limit=100)
        sizes.append(len(entries))
        after = entries[-1].offset
    assert sizes == [2, 1]
    assert journal.oldest(after=2) == NOW
    assert journal.oldest(after=3) is None


def test_a_full_quarantine_keeps_its_bound_of_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DEVICES_MAX", 300)
    quarantine = Quarantine(tmp_path / "q.sqlite")
    quarantine.add([QuarantinedMessage("tts", ("eui-1",), "v3/a/devices/d/up", b"x", NOW)])
    for start in range(0, 1_000, 250):
        quarantine.add(
            [
                QuarantinedMessage("unifi", (ap_mac(number),), DEVICES, b"x", NOW + timedelta(seconds=number))
                for number in range(start, start + 250)
            ]
        )
    kept = quarantine.find()
    assert len(kept) == 300
    assert {unknown.adapter for unknown in kept} == {"tts", "unifi"}
    assert kept[0].address == ap_mac(999)
