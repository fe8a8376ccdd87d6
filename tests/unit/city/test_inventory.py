"""The built-in city is complete: what the real one has, this one has."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from city.errors import ConfigError
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Binding, City


@pytest.fixture(scope="module")
def kupang() -> City:
    """The built-in city."""
    return load_city(builtin_city("kupang"))


def test_kupang_has_what_the_city_has(kupang: City) -> None:
    """51 kelurahan in 6 kecamatan, 68 steel containers, plastic bins of both kinds, 34 trucks, 12 cameras."""
    assert kupang.id == "kupang"
    assert kupang.time_zone == ZoneInfo("Asia/Makassar")
    assert Counter(k.kecamatan for k in kupang.kelurahan.values()) == {
        "Alak": 12, "Kelapa Lima": 5, "Kota Lama": 10, "Kota Raja": 8, "Maulafa": 9, "Oebobo": 7,
    }  # fmt: skip
    materials = Counter(kupang.models[bin_.model].material for bin_ in kupang.bins.values())
    assert materials["steel"] == 68
    assert materials["plastic"] >= 460
    assert kupang.models[kupang.bins["bin-0451"].model].material == "plastic"
    assert len(kupang.trucks) == 34
    assert len(kupang.cameras) == 12
    assert sum(site.kind == "tps" for site in kupang.sites.values()) == 40


def test_kupang_colours_its_bins_as_the_city_does(kupang: City) -> None:
    """Yellow is organic, green is not, steel is grey; no colour but grey holds both."""
    facts = {(kupang.models[b.model].material, b.color, b.waste_kind) for b in kupang.bins.values()}
    assert facts == {
        ("plastic", "yellow", "organic"),
        ("plastic", "green", "non_organic"),
        ("steel", "grey", "organic"),
        ("steel", "grey", "non_organic"),
    }


def test_kupang_has_wifi_in_every_kelurahan_office_and_in_the_parks(kupang: City) -> None:
    """Every office has an access point, every park too."""
    covered = {kupang.sites[ap.site].kelurahan for ap in kupang.access_points.values() if ap.site.startswith("office-")}
    assert covered == set(kupang.kelurahan)
    parks = {site.id for site in kupang.sites.values() if site.kind == "park"}
    assert len(parks) == 4
    assert parks <= {ap.site for ap in kupang.access_points.values()}


def test_kupang_watches_twelve_collection_points(kupang: City) -> None:
    """Each camera has its own TPS, one is Liliba; cam-01 runs the demonstration under the city's own hours."""
    watched = {camera.site for camera in kupang.cameras.values()}
    assert len(watched) == 12
    assert all(kupang.sites[site].kind == "tps" for site in watched)
    assert "tps-liliba" in watched
    assert [c.id for c in kupang.cameras.values() if c.source] == ["cam-01"]
    assert kupang.cameras["cam-01"].source == "demo"
    assert kupang.hours_at(kupang.cameras["cam-01"].site).id == "default"


def test_kupang_reaches_devices_of_other_makers(kupang: City) -> None:
    """Twelve bins speak over The Things Stack, four trucks over OwnTracks."""
    reached = [device for device in kupang.devices.values() if device.binding]
    assert Counter((d.KIND, d.binding.adapter) for d in reached if d.binding) == {
        ("bin", "tts"): 12,
        ("truck", "owntracks"): 4,
    }
    assert kupang.trucks["truck-31"].binding == Binding("owntracks", "dlhk/truck-31", "owntracks-truck")


def test_kupang_knows_where_everything_but_trucks_stands(kupang: City) -> None:
    """Every fixed device has a position in the city and a kelurahan."""
    for device in kupang.devices.values():
        if device.KIND != "truck":
            assert device.lat_deg is not None
            assert device.lon_deg is not None
            assert abs(device.lat_deg - kupang.lat_deg) < 0.12
            assert abs(device.lon_deg - kupang.lon_deg) < 0.12
            assert device.kelurahan in kupang.kelurahan


def test_kupang_is_drawn(kupang: City) -> None:
    """The shapes hold one city and every kelurahan, in less than 100 kB."""
    features = msgspec.json.decode(kupang.shapes)["features"]
    assert Counter(f["properties"]["kind"] for f in features) == {"city": 1, "kelurahan": 51}
    assert {f["properties"]["id"] for f in features[1:]} == set(kupang.kelurahan)
    assert len(kupang.shapes) < 100_000


def test_every_device_is_under_its_id(kupang: City) -> None:
    """`devices` holds all kinds."""
    kinds = (kupang.bins, kupang.trucks, kupang.access_points, kupang.cameras)
    assert len(kupang.devices) == sum(len(kind) for kind in kinds)
    assert all(device.id == key for key, device in kupang.devices.items())


def test_an_unknown_built_in_city_is_refused() -> None:
    """The message lists those there are."""
    with pytest.raises(ConfigError, match="no built-in city 'atlantis'; known: kupang"):
        builtin_city("atlantis")


def test_a_copy_of_kupang_loads_from_anywhere(tmp_path: Path, kupang: City) -> None:
    """A city is its folder and nothing else."""
    shutil.copytree(builtin_city("kupang"), tmp_path / "copy")
    assert load_city(tmp_path / "copy").devices.keys() == kupang.devices.keys()
