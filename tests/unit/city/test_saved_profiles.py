"""Profiles saved while the city runs: written as they are read, seen by every process, each file for itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.backup.create import _sources
from city.cli.check import _check_saved_profiles
from city.errors import StorageError
from city.inventory.additions import InventoryAdditions
from city.inventory.adoption import Adoption, adopt
from city.inventory.field_types import join_path, split_path
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import EventRule, FieldRule, Profile, SensorGeometry
from city.inventory.problems import InventoryError, NameTakenError
from city.inventory.profile_toml import to_toml
from city.inventory.profiles import parse_profile
from city.inventory.provider import LiveInventory
from city.inventory.saved_profiles import profile_path, save_profile
from city.inventory.tables import Problems
from city.runtime.settings import Settings

KUPANG = load_city(builtin_city("kupang"))
PROFILE = Profile(
    "acme-tank",
    "bin",
    {"distance_mm": FieldRule(("dist",), invalid=(0,), units=("cm",)), "battery_v": FieldRule(("BatV",))},
    name="Acme Tank",
    adapters=("json",),
)
BOUND = {"adapter": "json", "address": "t-1", "profile": "acme-tank", "kelurahan": "alak"}
DEVICE = {**BOUND, "model": "plastic-240l", "waste_kind": "organic", "color": "yellow"}

HOSTILE_KEYS = (
    *("a.b", "a b", 'say "x"', "it's", "back\\slash", "line\nend", "tab\t", "\x00", "\x7f", "\u2028", "__proto__"),
    *(
        "jarak [cm]",
        "a [b",
        "[]",
        " []",
        "x [",
        "raw [mm] []",
        "température",
        "距离",
        "ارتفاع",
        "🗑",
        "#",
        "=",
        "'''",
        '"""',
    ),
)


def reread(profile: Profile) -> Profile | None:
    problems: Problems = []
    read = parse_profile(to_toml(profile), profile.id, "x.toml", problems)
    assert problems == []
    return read


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=repr)
@pytest.mark.parametrize("unit", ["", "cm"])
def test_a_key_of_any_letters_is_read_back_as_it_was(key: str, unit: str) -> None:
    assert split_path(join_path(key, unit)) == (key, unit)
    rule = FieldRule((key,), units=(unit,) if unit else ())
    assert reread(replace(PROFILE, fields={"distance_mm": rule})) == replace(PROFILE, fields={"distance_mm": rule})


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
scalars = st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans())
numbers = st.floats(-1e6, 1e6, allow_nan=False)
rules = st.builds(
    FieldRule,
    source=st.lists(texts, min_size=1, max_size=3).map(tuple),
    scale=numbers,
    shift=numbers,
    invalid=st.lists(scalars, max_size=3).map(tuple),
    absent=st.lists(scalars, max_size=3).map(tuple),
    choices=st.dictionaries(texts, scalars, max_size=3),
    unit=st.sampled_from(["", "mm", "cm", "m"]),
    percent_of=st.sampled_from(["filled", "empty"]),
    valid=st.lists(texts, min_size=1, max_size=2).map(tuple) | st.just(()),
    signed_bits=st.sampled_from([0, 16]),
)
events = st.builds(EventRule, source=st.lists(texts, min_size=1, max_size=2).map(tuple), noted=st.booleans())
profiles = st.builds(
    Profile,
    id=st.just("drafted"),
    kind=st.just("bin"),
    fields=st.dictionaries(st.just("distance_mm"), rules),
    events=st.dictionaries(st.sampled_from(["fire", "tilt"]), events),
    name=texts.filter(lambda text: "\0" not in text),
    time=st.lists(texts, max_size=2).map(tuple),
    adapters=st.lists(st.sampled_from(["json", "tts"]), max_size=2).map(tuple),
    geometry=st.sampled_from([SensorGeometry(), SensorGeometry(range_mm=4500.0, dead_zone_mm=30.0)]),
    interval_s=st.none() | st.floats(1, 604_800),
)


@given(profiles)
def test_a_profile_of_any_keys_is_read_back_as_it_was(profile: Profile) -> None:
    assert reread(profile) == profile


@pytest.mark.parametrize("profile", KUPANG.profiles.values(), ids=lambda profile: profile.id)
def test_every_profile_that_there_is_is_read_back_as_it_was(profile: Profile) -> None:
    assert reread(profile) == profile


def test_a_saved_profile_is_in_every_process_without_a_restart(tmp_path: Path) -> None:
    inventories = [LiveInventory(KUPANG), LiveInventory(KUPANG)]
    additions = [InventoryAdditions(tmp_path, inventory) for inventory in inventories]
    save_profile(tmp_path, PROFILE, KUPANG.profiles)
    adopt(
        tmp_path,
        KUPANG.with_devices({}, {**KUPANG.profiles, "acme-tank": PROFILE}),
        Adoption("bin-9001", "bin", DEVICE),
    )
    for inventory, addition in zip(inventories, additions, strict=True):
        assert addition.refresh()
        assert not addition.refresh()
        assert inventory.current().profiles["acme-tank"] == PROFILE
        assert inventory.current().bins["bin-9001"].binding is not None
        assert inventory.current().version > KUPANG.version


def test_a_profile_that_goes_away_takes_the_devices_that_use_it_along_and_no_others(tmp_path: Path) -> None:
    city = KUPANG.with_devices(KUPANG.devices, {**KUPANG.profiles, "acme-tank": PROFILE})
    path = save_profile(tmp_path, PROFILE, KUPANG.profiles)
    adopt(tmp_path, city, Adoption("bin-9001", "bin", DEVICE))
    adopt(tmp_path, city, Adoption("bin-9002", "bin", {**DEVICE, "address": "t-2", "profile": "esp32-fill-hcsr04"}))
    inventory = LiveInventory(KUPANG)
    additions = InventoryAdditions(tmp_path, inventory)
    kept = path.read_bytes()
    path.unlink()
    assert additions.refresh()
    assert inventory.current().devices.keys() - KUPANG.devices.keys() == {"bin-9002"}
    path.write_bytes(kept)
    assert additions.refresh()
    assert inventory.current().devices.keys() - KUPANG.devices.keys() == {"bin-9001", "bin-9002"}


BAD_FILES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b'kind = "bin"\n[fields]\ndistanse_mm = { source = ["x"] }\n',
    b'kind = "bin"\n[fields]\ndistance_mm = { source = ["x"], unit = "kg" }\n',
    b'kind = "boat"\n',
    b'kind = "bin"\nextends = "milesight-em310-udl"\n',
    b"a = " + b"[" * 5_000,
    b"x = 1" + b"0" * 5_000,
    b"#" * 300_000,
]


@pytest.mark.parametrize("content", BAD_FILES, ids=lambda content: repr(content[:40]))
def test_a_damaged_file_costs_only_itself(tmp_path: Path, content: bytes) -> None:
    save_profile(tmp_path, PROFILE, KUPANG.profiles)
    bad = profile_path(tmp_path, "aaa")
    bad.write_bytes(content)
    profile_path(tmp_path, "folder").mkdir()
    profile_path(tmp_path, "link").symlink_to(tmp_path / "nowhere")
    inventory = LiveInventory(KUPANG)
    additions = InventoryAdditions(tmp_path, inventory)
    assert inventory.current().profiles.keys() - KUPANG.profiles.keys() == {"acme-tank"}
    bad.write_text(to_toml(PROFILE))
    assert additions.refresh()
    assert "aaa" in inventory.current().profiles


def test_a_damaged_file_is_logged_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    additions = InventoryAdditions(tmp_path, LiveInventory(KUPANG))
    path = profile_path(tmp_path, "aaa")
    path.parent.mkdir()
    path.write_text("kind = 5\n")
    additions.refresh()
    save_profile(tmp_path, PROFILE, KUPANG.profiles)
    additions.refresh()
    assert capsys.readouterr().out.count("profiles.saved_unreadable") == 1


def test_a_saved_profile_replaces_no_other(tmp_path: Path) -> None:
    """Neither by being saved, nor by a file that is put there."""
    save_profile(tmp_path, PROFILE, KUPANG.profiles)
    before = profile_path(tmp_path, "acme-tank").read_bytes()
    for name in ("acme-tank", "milesight-em310-udl"):
        with pytest.raises(NameTakenError, match="choose another"):
            save_profile(tmp_path, replace(PROFILE, id=name, fields={}), KUPANG.profiles)
    assert profile_path(tmp_path, "acme-tank").read_bytes() == before
    profile_path(tmp_path, "milesight-em310-udl").write_text(to_toml(PROFILE))
    inventory = LiveInventory(KUPANG)
    InventoryAdditions(tmp_path, inventory)
    assert inventory.current().profiles["milesight-em310-udl"] == KUPANG.profiles["milesight-em310-udl"]


@pytest.mark.parametrize("name", ["", "../x", "Acme", "a b", "a/b", "-", "x" * 64])
def test_a_name_that_is_no_id_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InventoryError, match="not an id"):
        save_profile(tmp_path, replace(PROFILE, id=name), ())
    assert list(tmp_path.rglob("*")) == []


def test_a_profile_with_a_wrong_field_is_refused_before_it_is_written(tmp_path: Path) -> None:
    wrong = replace(PROFILE, fields={"pto": FieldRule(("x",))})
    with pytest.raises(InventoryError, match="a bin has no such field"):
        save_profile(tmp_path, wrong, ())
    assert list(tmp_path.rglob("*")) == []


def test_a_disk_that_refuses_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("no folder")
    with pytest.raises(StorageError):
        save_profile(tmp_path, PROFILE, ())


def test_check_reads_saved_profiles_and_names_what_is_wrong(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    assert _check_saved_profiles(settings).detail == "none saved"
    save_profile(tmp_path, PROFILE, KUPANG.profiles)
    assert _check_saved_profiles(settings).ok
    profile_path(tmp_path, "bad").write_text('kind = "bin"\n\n[fields]\nspeed_kmh = { source = ["v"] }\n')
    finding = _check_saved_profiles(settings)
    assert not finding.ok
    assert finding.detail.startswith("profiles/bad.toml:3 [fields]: speed_kmh: a bin has no such field; known: ")


def test_a_backup_holds_saved_profiles(tmp_path: Path) -> None:
    data, copies = tmp_path / "data", tmp_path / "copies"
    copies.mkdir()
    path = save_profile(data, PROFILE, ())
    assert dict(_sources(data, copies))["profiles/acme-tank.toml"] == path
