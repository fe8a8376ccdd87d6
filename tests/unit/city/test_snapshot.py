"""Snapshots of the inventory: nobody can change one, and a change of the adopted devices makes another."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from city.inventory.additions import InventoryAdditions
from city.inventory.adoption import Adoption, adopt, adoption_path, unadopt
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from city.inventory.provider import LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from tests.support.waiting import wait_for

KUPANG = load_city(builtin_city("kupang"))
FIXED = (str, bytes, int, float, bool, type(None), date, time, ZoneInfo)
HEARD = {"adapter": "tts", "address": "24E124AA", "profile": "milesight-em310-udl"}
NEW = {**HEARD, "model": "plastic-240l", "waste_kind": "organic", "color": "yellow", "kelurahan": "alak"}


def changeable(thing: Any, path: str) -> Iterator[str]:
    """Paths of everything below a thing that somebody could change."""
    if dataclasses.is_dataclass(thing) and thing.__dataclass_params__.frozen and not hasattr(thing, "__dict__"):  # type: ignore[attr-defined]
        for field in dataclasses.fields(thing):
            yield from changeable(getattr(thing, field.name), f"{path}.{field.name}")
    elif isinstance(thing, MappingProxyType):
        for key, value in thing.items():
            yield from changeable(value, f"{path}[{key!r}]")
    elif isinstance(thing, tuple):
        for index, value in enumerate(thing):
            yield from changeable(value, f"{path}[{index}]")
    elif not isinstance(thing, FIXED):
        yield f"{path}: {type(thing).__name__}"


def test_nothing_in_a_snapshot_can_be_changed() -> None:
    """Down to the last rule of a profile: frozen dataclasses, read-only mappings and tuples alone."""
    assert list(changeable(KUPANG, "city")) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda city: setattr(city, "devices", {}),
        lambda city: setattr(city, "note", "x"),
        lambda city: city.devices.update({}),
        lambda city: city.devices.__setitem__("bin-0001", None),
        lambda city: city.bins.pop("bin-0001"),
        lambda city: city.profiles["teltonika-truck"].fields.clear(),
        lambda city: city.hours["default"].exceptions.__setitem__(date(2026, 1, 1), ()),
        lambda city: setattr(city.bins["bin-0001"], "site", "tps-liliba"),
        lambda city: delattr(city.bins["bin-0001"], "site"),
    ],
)
def test_who_tries_to_change_a_snapshot_gets_an_error(change: Callable[[City], object]) -> None:
    with pytest.raises((AttributeError, TypeError)):
        change(KUPANG)


def test_what_a_snapshot_is_made_from_is_not_what_it_has() -> None:
    """Whoever keeps the dictionary changes his own."""
    devices = dict(KUPANG.devices)
    city = KUPANG.with_devices(devices)
    devices.clear()
    assert len(city.devices) == len(KUPANG.devices)


def test_each_change_makes_a_snapshot_of_a_larger_version_and_no_change_makes_none() -> None:
    inventory = LiveInventory(KUPANG)
    first = inventory.current()
    without = {id_: device for id_, device in first.devices.items() if id_ != "bin-0001"}
    assert inventory.publish(without)
    second = inventory.current()
    assert not inventory.publish(dict(without))
    assert inventory.current() is second
    assert inventory.publish(first.devices)
    assert first.version < second.version < inventory.current().version
    assert ("bin-0001" in first.bins, "bin-0001" in second.bins) == (True, False)


def test_a_snapshot_provides_itself() -> None:
    assert KUPANG.current() is KUPANG


def kota(data: Path, *args: str) -> None:
    subprocess.run([sys.executable, "-m", "city", "device", *args, "--data", str(data)], check=True, timeout=120)


def test_what_another_process_adopts_and_forgets_is_seen_while_this_one_runs(tmp_path: Path) -> None:
    inventory = LiveInventory(KUPANG)
    adopted, stop = InventoryAdditions(tmp_path, inventory), threading.Event()
    thread = threading.Thread(target=adopted.keep_fresh, args=(stop,))
    thread.start()
    try:
        options = ("--model", "plastic-240l", "--waste-kind", "organic", "--color", "yellow", "--kelurahan", "alak")
        kota(tmp_path, "adopt", "tts:24E124AA", "--id", "bin-9001", "--profile", "milesight-em310-udl", *options)
        wait_for(lambda: "bin-9001" in inventory.current().bins, "the adopted device")
        version = inventory.current().version
        kota(tmp_path, "forget", "bin-9001")
        wait_for(lambda: "bin-9001" not in inventory.current().devices, "the device to be forgotten")
        assert inventory.current().version > version > KUPANG.version
    finally:
        stop.set()
        thread.join()


def nested(depth: int) -> bytes:
    return b'{"id":"a","kind":"bin","fields":' + b'{"x":' * depth + b"1" + b"}" * depth + b"}"


BAD_FILES: list[bytes] = [
    b"",
    b"\0",
    b"null",
    nested(5_000),
    b'{"id":"bin-0","kind":"bin"}',
    b'{"id":5,"kind":"bin","fields":{}}',
    b'{"id":"bin-0","kind":["bin"],"fields":{}}',
    b'{"id":"bin-0","kind":"bin","fields":{},"attached":true}',
    b'{"id":"bin-0001","kind":"truck","fields":{},"attach":true}',
    b'{"id":"../../x","kind":"bin","fields":{"adapter":"tts","address":"x","profile":"milesight-em310-udl"}}',
    b'{"id":"bin-0","kind":"bin","fields":{"adapter":[],"address":{},"profile":3,"model":{},"site":[],"depot":{}}}',
    b'{"id":"bin-0","kind":"bin","fields":{"lat_deg":1' + b"0" * 400 + b',"lon_deg":true}}',
    b'{"id":"cam-0","kind":"camera","fields":{"zones":[{"kind":"watch","name":"x","polygon":[[0]]}]}}',
    b'{"version":99,"id":"bin-0","kind":"bin","fields":{}}',
]


@pytest.mark.parametrize("content", BAD_FILES, ids=lambda v: str(v[:50]))
def test_a_bad_adoption_file_costs_only_itself(tmp_path: Path, content: bytes) -> None:
    """Files before it and behind it are in force, and it is read again when it is mended."""
    inventory = LiveInventory(KUPANG)
    adopted = InventoryAdditions(tmp_path, inventory)
    adopt(tmp_path, KUPANG, Adoption("bin-9001", "bin", NEW))
    adopt(tmp_path, KUPANG, Adoption("bin-9009", "bin", {**NEW, "address": "24E124BB"}))
    bad = adoption_path(tmp_path, "bin-9005")
    bad.write_bytes(content)
    assert adopted.refresh()
    assert inventory.current().devices.keys() - KUPANG.devices.keys() == {"bin-9001", "bin-9009"}
    bad.unlink()
    adopt(tmp_path, inventory.current(), Adoption("bin-9005", "bin", {**NEW, "address": "24E124CC"}))
    assert adopted.refresh()
    assert "bin-9005" in inventory.current().bins


def test_what_is_no_file_in_the_folder_of_adoptions_costs_only_itself(tmp_path: Path) -> None:
    """A link to nowhere, a link to itself and a folder, each before the others by its name."""
    adopt(tmp_path, KUPANG, Adoption("bin-9001", "bin", NEW))
    folder = tmp_path / "devices"
    (folder / "a.json").symlink_to(tmp_path / "nowhere")
    (folder / "b.json").symlink_to(folder / "b.json")
    (folder / "c.json").mkdir()
    inventory = LiveInventory(KUPANG)
    InventoryAdditions(tmp_path, inventory)
    assert "bin-9001" in inventory.current().devices


def test_a_folder_that_goes_away_leaves_the_inventory_alone(tmp_path: Path) -> None:
    adopt(tmp_path, KUPANG, Adoption("bin-9001", "bin", NEW))
    inventory = LiveInventory(KUPANG)
    adopted = InventoryAdditions(tmp_path, inventory)
    unadopt(tmp_path, "bin-9001")
    (tmp_path / "devices").rmdir()
    assert adopted.refresh()
    assert inventory.current().devices == KUPANG.devices


class ForgetfulInventory:
    """Forgets a device between each two times that it is asked."""

    def __init__(self) -> None:
        self._times = 0

    def current(self) -> City:
        self._times += 1
        if self._times % 2:
            return KUPANG
        return dataclasses.replace(KUPANG, devices={}, version=self._times)


def test_a_message_is_decoded_against_one_snapshot_from_its_begin_to_its_end() -> None:
    """A device that is forgotten meanwhile makes no dead letter that says the decoder failed."""
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    raw = b'{"ts":"2026-03-01T12:00:00Z","boot":"b","seq":%d,"battery_pct":50.0}'
    outcomes = []
    for offset in (1, 2):
        inventory = ForgetfulInventory()
        decoder = Decoder(inventory, late_after=timedelta(minutes=15))
        for _ in range(offset):
            inventory.current()
        for seq in range(6):
            result = decoder.decode(Arrival("kota/v1/kupang/bin/bin-0001/telemetry", raw % seq, now))
            outcomes += [type(record).__name__ for record in result.records]
            outcomes += [rejected.reason for rejected in result.rejected]
    assert set(outcomes) == {"Reading", "device 'bin-0001' is not in the inventory of kupang"}


def test_a_decoder_knows_a_device_from_its_adoption_until_it_is_forgotten(tmp_path: Path) -> None:
    """Of the addresses too: the index is that of the snapshot which the message is decoded against."""
    inventory = LiveInventory(KUPANG)
    adopted, decoder = InventoryAdditions(tmp_path, inventory), Decoder(inventory, late_after=timedelta(minutes=15))
    message = {"decoded_payload": {"battery": 92}, "received_at": "2026-03-01T12:00:00Z"}
    body = msgspec.json.encode({"end_device_ids": {"dev_eui": "24E124AA"}, "uplink_message": message})
    uplink = Arrival("v3/app@ttn/devices/x/up", body, datetime(2026, 3, 1, 12, 0, tzinfo=UTC))
    names = ("24E124AA",)
    outcomes = []
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: adopt(tmp_path, KUPANG, Adoption("bin-9001", "bin", NEW)),
        lambda: unadopt(tmp_path, "bin-9001"),
    ]
    for step in steps:
        step()
        adopted.refresh()
        result = decoder.decode(uplink)
        outcomes.append((len(result.records), len(result.unknown_devices), decoder.knows("tts", names)))
    assert outcomes == [(0, 1, False), (1, 0, True), (0, 1, False)]
