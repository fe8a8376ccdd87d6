"""One message, and one device, costs the others little: elements, epochs, receipts, letters and places are bounded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.client import Delivery
from broker.contract import codec
from city.errors import PayloadError
from city.inventory.model import City
from ingest.decoding.decoder import DEAD_LETTERS_MAX, Decoder
from ingest.messages import Arrival
from ingest.pipeline.intake import Receipts
from ingest.store.parked.dead_letters import DeadLetter, DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine, QuarantinedMessage

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BIN = "kota/v1/kupang/bin/bin-1/telemetry"


def batch(count: int, *, epochs: int = 1, battery_pct: float = 5) -> bytes:
    readings = [
        {"ts": NOW.isoformat(), "boot": f"b{seq % epochs}", "seq": seq, "battery_pct": battery_pct}
        for seq in range(count)
    ]
    return json.dumps(readings).encode()


@pytest.fixture
def decoder(city: City) -> Decoder:
    return Decoder(city, late_after=timedelta(minutes=15))


def receipted(payload: bytes) -> int:
    """For how many readings of a message receipts go out."""
    receipts = Receipts()
    receipts.add([Delivery(BIN, payload, retained=False, packet_id=1, qos=1, generation=1)], 1.0)
    return sum(last - first + 1 for _, receipt in receipts.take(None) for first, last in receipt.seqs)


@pytest.mark.parametrize(
    "payload",
    [batch(1_001), b"[" + b"{}," * 80_000 + b"{}]", batch(100, epochs=9), b"[" + b"9," * 100_000 + b"1]"],
    ids=["readings", "objects", "epochs", "numbers"],
)
def test_too_much_in_one_message_is_one_letter_of_the_whole_and_has_no_receipt(
    decoder: Decoder, payload: bytes
) -> None:
    decoded = decoder.decode(Arrival(BIN, payload, NOW))
    assert decoded.records == []
    assert [letter.raw for letter in decoded.rejected] == [payload]
    assert receipted(payload) == 0


@pytest.mark.parametrize("payload", [batch(1_000), batch(100), batch(64, epochs=8), batch(1)], ids=len)
def test_every_stamped_reading_of_an_accepted_message_is_stored_and_receipted(decoder: Decoder, payload: bytes) -> None:
    decoded = decoder.decode(Arrival(BIN, payload, NOW))
    assert decoded.rejected == []
    assert len(decoded.records) == receipted(payload) == len(json.loads(payload))


def test_a_reading_that_is_refused_is_receipted_as_well(decoder: Decoder) -> None:
    payload = batch(40, battery_pct=500)
    assert len(decoder.decode(Arrival(BIN, payload, NOW)).rejected) == receipted(payload) == 40


def test_many_bad_elements_are_one_letter_of_them_alone_and_their_neighbours_are_stored(decoder: Decoder) -> None:
    good, bad = json.loads(batch(10)), json.loads(batch(DEAD_LETTERS_MAX + 20, battery_pct=500))[10:]
    decoded = decoder.decode(Arrival(BIN, json.dumps(good + bad).encode(), NOW))
    assert len(decoded.records) == 10
    (letter,) = decoded.rejected
    assert json.loads(letter.raw) == bad
    assert letter.reason.startswith(f"{DEAD_LETTERS_MAX + 10} elements, the first: ")
    assert len(codec.sequence_ids_of(letter.raw)) == DEAD_LETTERS_MAX + 10


def test_an_unknown_devices_large_message_is_one_letter(decoder: Decoder) -> None:
    topic = BIN.replace("bin-1", "bin-99")
    assert len(decoder.decode(Arrival(topic, batch(1_000), NOW)).rejected) == 1
    assert len(decoder.decode(Arrival(topic, batch(30), NOW)).rejected) == 30


def test_boots_of_bad_elements_count_too() -> None:
    with pytest.raises(PayloadError, match="9 epochs"):
        codec.parse_telemetry("bin", batch(9, epochs=9, battery_pct=500))


def letter(number: int, device: str, size: int = 2_000) -> DeadLetter:
    topic = f"kota/v1/kupang/bin/{device}/telemetry" if device.startswith("bin") else device
    owner = device if device.startswith("bin") else ""
    return DeadLetter(number, topic, f"{number}".encode().rjust(size), NOW, "bad", device=owner)


@pytest.mark.parametrize("loud", ["bin-1", "tele/one/SENSOR"])
def test_a_device_that_fills_the_dead_letters_pushes_out_its_own(tmp_path: Path, loud: str) -> None:
    box = DeadLetterQueue(tmp_path / "dead.sqlite", max_bytes=1_000_000)
    others = [letter(number, f"bin-{number}") for number in range(2, 12)]
    box.add([*others, letter(12, "tele/two/SENSOR")])
    for first in range(100, 1_100, 100):
        box.add([letter(number, loud) for number in range(first, first + 100)])
    left = {dead_letter.offset for dead_letter in box.find(limit=-1)}
    assert set(range(2, 13)) <= left
    assert 1_099 in left
    assert 100 not in left
    assert box.dropped_count() == 11 + 1_000 - len(left)


def message(number: int, name: str, size: int = 4_000) -> QuarantinedMessage:
    at = NOW + timedelta(seconds=number)
    return QuarantinedMessage("owntracks", (name,), f"owntracks/{name}", bytes(size), at)


def test_a_stranger_that_fills_the_quarantine_pushes_out_its_own_messages(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.sqlite", max_bytes=400_000)
    quarantine.add([message(number, f"quiet/{number}") for number in range(10)])
    for number in range(10, 300):
        quarantine.add([message(number, "loud/1", 8_000)])
    names = {unknown_device.address: unknown_device for unknown_device in quarantine.find()}
    assert {f"quiet/{number}" for number in range(10)} < set(names)
    assert all(names[f"quiet/{number}"].dropped == 0 for number in range(10))
    assert names["loud/1"].messages == 290
    assert quarantine.messages_of(names["loud/1"].id)[-1].received_at == NOW + timedelta(seconds=299)


def test_made_up_unknown_devices_of_one_format_push_out_none_of_another(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.sqlite", max_bytes=300_000)
    quarantine.add([QuarantinedMessage("tts", ("eui-1",), "v3/a/devices/d/up", bytes(4_000), NOW)])
    for number in range(300):
        quarantine.add([message(number, f"made/{number}")])
    assert "tts" in {unknown_device.adapter for unknown_device in quarantine.find()}
