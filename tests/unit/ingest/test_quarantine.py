"""Strangers: their first and newest messages wait, bounded, until somebody knows them; then they are stored once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from city.errors import RetryLaterError
from city.inventory.additions import InventoryAdditions
from city.inventory.adoption import Adoption, adopt
from city.inventory.model import Binding, City, Site, Truck
from city.inventory.provider import InventoryProvider, LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal
from ingest.store.memory import MemoryStore
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import FIRST_KEPT, NEWEST_KEPT, Quarantine, QuarantinedMessage

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def quarantine(tmp_path: Path) -> Iterator[Quarantine]:
    with closing(Quarantine(tmp_path / "strangers.sqlite")) as made:
        yield made


def message(number: int, address: str = "dlhk/t9", **more: object) -> QuarantinedMessage:
    at = NOW + timedelta(seconds=number)
    return QuarantinedMessage("owntracks", (address,), f"owntracks/{address}", b"%d" % number, at, **more)  # type: ignore[arg-type]


def test_a_stranger_is_one_however_often_it_is_heard(quarantine: Quarantine) -> None:
    quarantine.add([message(0), message(1, model="phone"), message(2, "DLHK/T9", lat_deg=-10.1, lon_deg=123.6)])
    (device,) = quarantine.find()
    assert (device.address, device.messages, device.model, device.lat_deg) == ("dlhk/t9", 3, "phone", -10.1)
    assert (device.first_at, device.last_at) == (NOW, NOW + timedelta(seconds=2))


@pytest.mark.parametrize(
    ("adapter", "spellings", "address", "in_inventory"),
    [
        ("omada", ("9A-3B-8F-00-0C-07", "9a3b8f000c07"), "9a:3b:8f:00:0c:07", "9a:3b:8f:00:0c:07"),
        ("loriot", ("24-E1-24-AA-BB-CC-DD-01", "24e124aabbccdd01"), "24e124aabbccdd01", "24e124aabbccdd01"),
        ("axis", ("9A3B8F000C07", "9a3b8f000c07"), "9a:3b:8f:00:0c:07", "9A3B8F000C07"),
        ("json", ("Tank-7", "tank-7"), "tank-7", "Tank-7"),
    ],
)
def test_two_spellings_of_an_address_are_one_device(
    quarantine: Quarantine, adapter: str, spellings: tuple[str, ...], address: str, in_inventory: str
) -> None:
    quarantine.add(
        [QuarantinedMessage(adapter, (text,), "t", text.encode(), NOW) for text in spellings],
    )
    (device,) = quarantine.find()
    assert (device.address, device.messages, device.inventory_address()) == (address, 2, in_inventory)


def test_the_same_message_again_changes_nothing(quarantine: Quarantine) -> None:
    quarantine.add([message(0), message(1)])
    quarantine.add([message(0), message(1)])
    assert quarantine.find()[0].messages == 2


def test_the_first_and_the_newest_are_kept_and_the_rest_is_counted(quarantine: Quarantine) -> None:
    quarantine.add([message(number) for number in range(500)])
    (device,) = quarantine.find()
    assert (device.messages, device.dropped) == (500, 500 - FIRST_KEPT - NEWEST_KEPT)
    kept = [int(kept_message.payload) for kept_message in quarantine.messages_of(device.id)]
    assert kept == [*range(FIRST_KEPT), *range(500 - NEWEST_KEPT, 500)]


def test_who_is_ignored_keeps_nothing_and_may_be_noticed_again(quarantine: Quarantine) -> None:
    quarantine.add([message(0)])
    (device,) = quarantine.find()
    quarantine.mark(device.id, "ignored")
    quarantine.add([message(1)])
    assert quarantine.messages_of(device.id) == []
    assert (quarantine.find(), quarantine.count()) == ([], 0)
    quarantine.mark(device.id, "waiting")
    quarantine.add([message(2)])
    assert [kept_message.payload for kept_message in quarantine.messages_of(device.id)] == [b"2"]


def test_made_up_names_cannot_fill_the_disk(tmp_path: Path) -> None:
    with closing(Quarantine(tmp_path / "small.sqlite", max_bytes=300_000)) as small:
        for number in range(400):
            big = message(number, f"u/{number}")
            small.add([msgspec.structs.replace(big, payload=bytes(4_000))])
        left = small.find()
        assert 20 < len(left) < 100
        assert left[0].address == "u/399", "those silent longest gave way"


def test_retention(quarantine: Quarantine) -> None:
    quarantine.add([message(0), message(100, "u/2")])
    assert quarantine.forget_before(NOW + timedelta(seconds=50)) == 1
    assert [device.address for device in quarantine.find()] == ["u/2"]


def arrival(number: int, user: str = "dlhk/t9") -> Arrival:
    at = NOW + timedelta(seconds=number)
    body = {"_type": "location", "lat": -10.17, "lon": 123.6, "tst": at.timestamp(), "vel": number}
    return Arrival(f"owntracks/{user}", json.dumps(body).encode(), at)


def committed_offsets(
    tmp_path: Path, inventory: InventoryProvider, store: MemoryStore, quarantine: Quarantine, *arrivals: Arrival
) -> Drain:
    with closing(Journal(tmp_path / "journal.sqlite", max_bytes=1 << 22)) as journal:
        journal.append(arrivals)
        box = DeadLetterQueue(tmp_path / "dead.sqlite")
        decoder = Decoder(inventory, late_after=timedelta(days=9))
        drain = Drain(journal, decoder, store, box, quarantine, clock=lambda: NOW)
        stop = threading.Event()
        done = threading.Thread(target=drain.run, args=(stop,))
        done.start()
        for _ in range(200):
            if drain.depth() == 0:
                break
            drain.wake()
            stop.wait(0.05)
        stop.set()
        done.join()
        assert box.count() == 0
        box.close()
    return drain


class RefusingQuarantine(Quarantine):
    """Its disk refuses the first look into it."""

    refusals = 1

    def messages_of(self, device_id: int, **limit: int) -> list[QuarantinedMessage]:
        if self.refusals:
            self.refusals -= 1
            raise RetryLaterError("quarantine: the disk refuses")
        return super().messages_of(device_id, **limit)


def test_what_waited_is_stored_although_the_disk_refused_when_the_device_became_known(
    tmp_path: Path, city: City
) -> None:
    truck = Truck(id="truck-9", plate="DH 9", depot="d", capacity_kg=1, binding=Binding("owntracks", "dlhk/t9", "ot"))
    store = MemoryStore()
    with closing(RefusingQuarantine(tmp_path / "refusing.sqlite")) as quarantine:
        committed_offsets(tmp_path, city, store, quarantine, arrival(1))
        known = city.with_devices({**city.devices, truck.id: truck})
        committed_offsets(tmp_path, known, store, quarantine, arrival(2))
        assert quarantine.refusals == 0
        assert quarantine.find(state=None) == []
    assert store.stored_sequences()[0].rows == 2


def test_once_it_is_known_what_waited_is_stored_at_its_own_time_and_once(
    tmp_path: Path, city: City, quarantine: Quarantine
) -> None:
    store = MemoryStore()
    before = committed_offsets(tmp_path, city, store, quarantine, *(arrival(number) for number in range(30)))
    assert before.totals.quarantined == 30
    assert store.latest(device="truck-9") == []
    fields = {"adapter": "owntracks", "address": "dlhk/t9", "profile": "ot", "plate": "DH 9", "depot": "d"}
    inventory = LiveInventory(replace(city, sites={"d": Site("d", "Depot", "depot", "", -10.1, 123.6)}))
    adopt(tmp_path, inventory.current(), Adoption("truck-9", "truck", {**fields, "capacity_kg": 5000}))
    assert InventoryAdditions(tmp_path, inventory).refresh() is False, "it was taken in when it was made"
    after = committed_offsets(tmp_path, inventory, store, quarantine, arrival(30))
    assert after.totals.stored == 31
    assert quarantine.find(state=None) == []
    (life,) = store.stored_sequences()
    assert (life.device, life.rows, life.duplicates) == ("truck-9", 31, 0)
    assert store.span() == (NOW, NOW + timedelta(seconds=30))
