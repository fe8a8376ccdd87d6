"""A small, right city in files, for tests to make mistakes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from city.errors import ConfigError
from city.inventory.loader import load_city

CITY_TOML = """
id = "tinytown"
name = "Tiny Town"
time_zone = "Asia/Makassar"
lat_deg = -10.0
lon_deg = 123.0
"""
HOURS_TOML = """
[hours.default]
name = "Town"
every_day = ["17:00-05:00"]
sunday = "all_day"

[hours.default.exceptions]
2026-12-25 = "all_day"
2026-08-17 = []
"""
ZONE = "zone = [[0, 0], [1, 0], [1, 1]]\n"
ZONES = '[[cam-1.zones]]\nkind = "beside"\nname = "Bak"\npolygon = [[0.4, 0.6], [0.6, 0.6], [0.6, 0.9]]\n'
FILES = {
    "city.toml": CITY_TOML + HOURS_TOML,
    "kelurahan.csv": "id,name,kecamatan,lat_deg,lon_deg\nliliba,Liliba,Oebobo,-10.1,123.1\n",
    "sites.csv": (
        "id,name,kind,kelurahan,lat_deg,lon_deg,hours\n"
        "tps-1,TPS One,tps,liliba,-10.1,123.2,\n"
        "depot-1,Depot,depot,liliba,-10.2,123.3,default\n"
    ),
    "models.toml": (
        '[small]\nmaterial = "plastic"\ncapacity_l = 120\nheight_mm = 900\noffset_mm = 20\ndead_zone_mm = 30\n'
    ),
    "profiles/sonar.toml": (
        'kind = "bin"\n\n[fields]\n'
        'distance_mm = { source = ["level", "a.b"], scale = 10, invalid = [0, "No Sensor"] }\n'
        'lid_open = { source = "position", choices = { normal = false, tilt = true } }\n'
    ),
    "bins.csv": (
        "id,model,waste_kind,color,kelurahan,site,lat_deg,lon_deg,adapter,address,profile\n"
        "bin-1,small,organic,yellow,liliba,,-10.1,123.1,tts,app/one,sonar\n"
        "bin-2,small,non_organic,green,,tps-1,,,,,\n"
    ),
    "trucks.csv": "id,plate,depot,capacity_kg\ntruck-1,DH 1 A,depot-1,4000\n",
    "access_points.csv": "id,model,ssids,site\nap-1,box,Free;Staff,tps-1\n",
    "cameras.toml": '[cam-1]\nsite = "tps-1"\nsource = "demo"\n' + ZONE,
    "shapes.geojson": (
        '{"type":"FeatureCollection","features":[{"type":"Feature",'
        '"properties":{"kind":"kelurahan","id":"liliba","name":"Liliba"},'
        '"geometry":{"type":"Polygon","coordinates":[[[123.1,-10.1],[123.2,-10.1],[123.2,-10.2],[123.1,-10.1]]]}}]}'
    ),
}
Edit = tuple[str, str, str]
Town = Callable[..., Path]


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Writes a small, right city, with some texts of some files replaced."""

    def write(*edits: Edit) -> Path:
        files = dict(FILES)
        for name, old, new in edits:
            assert old in files[name], (name, old)
            files[name] = files[name].replace(old, new, 1)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def errors_of(folder: Path) -> list[str]:
    """The lines of the error that loading a folder ends with."""
    with pytest.raises(ConfigError) as caught:
        load_city(folder)
    return str(caught.value).splitlines()
