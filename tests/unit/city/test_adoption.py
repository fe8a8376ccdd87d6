"""Devices taken in beside the inventory: checked as its rows are, kept in files, seen by whoever asks again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from city.errors import ConfigError
from city.inventory.additions import InventoryAdditions
from city.inventory.adoption import (
    Adoption,
    adopt,
    adoption_of,
    adoption_path,
    nearest_kelurahan,
    unadopt,
)
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Bin, Binding, City, Codec, Device, Profile, Truck
from city.inventory.provider import LiveInventory

HEARD = {"adapter": "tts", "address": "24E124AA", "profile": "milesight-em310-udl"}
NEW = {**HEARD, "model": "plastic-240l", "waste_kind": "organic", "color": "yellow", "lat_deg": -10.17}
PLACED = {**NEW, "lon_deg": 123.6, "kelurahan": "alak"}


@pytest.fixture
def city() -> City:
    return load_city(builtin_city("kupang"))


def with_adopted(data: Path, city: City) -> City:
    """The city as a process that starts now has it."""
    inventory = LiveInventory(city)
    InventoryAdditions(data, inventory)
    return inventory.current()


def test_a_new_device_is_one_like_any_other(tmp_path: Path, city: City) -> None:
    inventory = LiveInventory(city)
    known = InventoryAdditions(tmp_path, inventory)
    count = len(city.bins)
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    assert known.refresh()
    assert not known.refresh(), "nothing has changed since"
    city = inventory.current()
    found = city.bins["bin-9001"]
    assert (found.binding, found.kelurahan) == (Binding("tts", "24E124AA", "milesight-em310-udl"), "alak")
    assert len(city.bins) == count + 1
    assert city.devices["bin-9001"] is found


def test_a_device_of_the_inventory_gets_an_address_and_keeps_the_rest(tmp_path: Path, city: City) -> None:
    before = city.bins["bin-0001"]
    adopt(tmp_path, city, Adoption("bin-0001", "bin", HEARD, attach=True))
    after = with_adopted(tmp_path, city).bins["bin-0001"]
    assert isinstance(after, Bin)
    assert (after.model, after.lat_deg) == (before.model, before.lat_deg)
    assert after.binding == Binding("tts", "24E124AA", "milesight-em310-udl")


def test_another_process_has_it_after_its_start(tmp_path: Path, city: City) -> None:
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    other = load_city(builtin_city("kupang"))
    assert "bin-9001" in with_adopted(tmp_path, other).devices


def test_what_is_not_said_of_a_new_device_follows_from_its_place_and_its_profile(tmp_path: Path, city: City) -> None:
    said = {"model": "plastic-240l", "waste_kind": "organic", "color": "yellow"}
    placed = {**said, "lat_deg": "-10.17", "lon_deg": "123.6"}
    found = adopt(tmp_path, city, adoption_of(city, "bin-9001", HEARD, placed))
    assert found.kelurahan == nearest_kelurahan(city, -10.17, 123.6)
    other = {**HEARD, "address": "24E124BB"}
    told = adopt(tmp_path, city, adoption_of(city, "bin-9002", other, {**placed, "kelurahan": "alak"}))
    assert told.kelurahan == "alak"
    third = {**HEARD, "address": "24E124CC"}
    assert adopt(tmp_path, city, adoption_of(city, "bin-9003", third, said)).kelurahan == ""
    with pytest.raises(ConfigError, match="lat_deg"):
        adopt(tmp_path, city, adoption_of(city, "bin-9004", HEARD, {**placed, "lat_deg": "south"}))
    with pytest.raises(ConfigError, match="there is no profile 'none'"):
        adoption_of(city, "bin-9005", {**HEARD, "profile": "none"}, placed)


def test_an_adoption_is_taken_back(tmp_path: Path, city: City) -> None:
    inventory = LiveInventory(city)
    known = InventoryAdditions(tmp_path, inventory)
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    known.refresh()
    assert "bin-9001" in inventory.current().devices
    unadopt(tmp_path, "bin-9001")
    assert known.refresh()
    assert "bin-9001" not in inventory.current().devices
    with pytest.raises(ConfigError, match="was not adopted"):
        unadopt(tmp_path, "bin-9001")


@pytest.mark.parametrize(
    ("id_", "kind", "fields", "reason"),
    [
        ("bin-9001", "bin", {**PLACED, "model": "barrel"}, "bin-9001: model: there is no model 'barrel'"),
        ("bin-9001", "bin", NEW, "lon_deg: is missing beside lat_deg"),
        ("bin-9001", "bin", {**PLACED, "lat_deg": 99}, "lat_deg: 99 is outside -90..90"),
        ("bin-9001", "bin", {**PLACED, "profile": "none"}, "profile: there is no profile 'none'"),
        ("bin-9001", "bin", {**PLACED, "profile": "owntracks-truck"}, "reads a truck, not a bin"),
        ("bin-9001", "bin", {**PLACED, "colour": "red"}, "colour: unknown field"),
        ("bin-0001", "bin", PLACED, "id: 'bin-0001' is already in the inventory"),
        ("Bin 1", "bin", PLACED, "'Bin 1' is not an id"),
        ("../../x", "bin", PLACED, "is not an id"),
        ("ingest", "bin", PLACED, "a service's user"),
        ("truck-90", "truck", HEARD, "plate: is missing"),
        (
            "truck-90",
            "truck",
            {
                "adapter": "owntracks",
                "address": "DLHK/truck-31",
                "profile": "owntracks-truck",
                "plate": "DH 1",
                "depot": "depot-alak",
                "capacity_kg": "5000",
            },
            "address: 'dlhk/truck-31' is already in truck-31",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    tmp_path: Path, city: City, id_: str, kind: str, fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(ConfigError, match=r"(?s).*") as caught:
        adopt(tmp_path, city, Adoption(id_, kind, fields))  # type: ignore[arg-type]
    assert reason in str(caught.value)
    assert not list(tmp_path.glob("devices/*"))


def test_attaching_needs_a_device_of_the_kind_and_nothing_but_an_address(tmp_path: Path, city: City) -> None:
    with pytest.raises(ConfigError, match="there is no bin of that id to attach to"):
        adopt(tmp_path, city, Adoption("truck-01", "bin", HEARD, attach=True))
    with pytest.raises(ConfigError, match="color: is not a part of an address"):
        adopt(tmp_path, city, Adoption("bin-0001", "bin", {**HEARD, "color": "green"}, attach=True))


def test_a_second_adoption_of_one_id_is_refused(tmp_path: Path, city: City) -> None:
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    with pytest.raises(ConfigError, match="was adopted before; `kota device forget bin-9001`"):
        adopt(tmp_path, city, Adoption("bin-9001", "bin", {**PLACED, "address": "other"}))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"id":"bin-9002","kind":"boat","fields":{}}', b""])
def test_a_file_that_is_none_leaves_the_others_in_force(tmp_path: Path, city: City, content: bytes) -> None:
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    adoption_path(tmp_path, "bin-9002").write_bytes(content)
    devices = with_adopted(tmp_path, city).devices
    assert "bin-9001" in devices
    assert "bin-9002" not in devices


def test_the_inventory_wins_over_what_was_adopted_under_its_id(tmp_path: Path, city: City) -> None:
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    adoption_path(tmp_path, "bin-9001").rename(adoption_path(tmp_path, "bin-0001"))
    path = adoption_path(tmp_path, "bin-0001")
    path.write_bytes(path.read_bytes().replace(b"bin-9001", b"bin-0001"))
    assert with_adopted(tmp_path, city).bins["bin-0001"].binding is None


def test_whoever_goes_through_devices_meanwhile_goes_on(tmp_path: Path, city: City) -> None:
    inventory = LiveInventory(city)
    known = InventoryAdditions(tmp_path, inventory)
    walking = iter(inventory.current().devices.values())
    next(walking)
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    assert known.refresh()
    assert sum(isinstance(device, Truck) for device in walking) == len(city.trucks)


def test_every_snapshot_that_is_published_has_all_adopted_devices(tmp_path: Path, city: City) -> None:
    """A refresh begins with the inventory, and nobody sees the devices of before missing meanwhile."""
    published: list[City] = []

    class WatchedInventory(LiveInventory):
        def publish(
            self,
            devices: Mapping[str, Device],
            profiles: Mapping[str, Profile] | None = None,
            codecs: Mapping[str, Codec] | None = None,
        ) -> bool:
            is_other = super().publish(devices, profiles, codecs)
            published.append(self.current())
            return is_other

    inventory = WatchedInventory(city)
    known = InventoryAdditions(tmp_path, inventory)
    adopt(tmp_path, city, Adoption("bin-9001", "bin", PLACED))
    assert known.refresh()
    published.clear()
    adopt(tmp_path, inventory.current(), Adoption("bin-9002", "bin", {**PLACED, "address": "24E124BB"}))
    assert known.refresh()
    assert published
    assert all("bin-9001" in snapshot.devices for snapshot in published)
    assert {"bin-9001", "bin-9002"} <= inventory.current().devices.keys()


def test_the_nearest_kelurahan_is_found(city: City) -> None:
    alak = city.kelurahan["alak"]
    assert nearest_kelurahan(city, alak.lat_deg + 0.001, alak.lon_deg) == "alak"
