"""Codecs of the data folder: in every process without a restart; a wrong file costs itself and its profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.inventory.additions import InventoryAdditions
from city.inventory.codecs import SOURCE_MAX_BYTES, read_saved_codec, save_codec
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Codec, FieldRule, Profile
from city.inventory.problems import InventoryError, NameTakenError
from city.inventory.provider import LiveInventory
from city.inventory.saved_profiles import save_profile

KUPANG = load_city(builtin_city("kupang"))
CODEC = Codec("acme", "function Decoder(bytes, port) { return { n: 1 }; }\n")
PROFILE = Profile("acme", "bin", {"distance_mm": FieldRule(("n",))}, name="acme", codec="acme", adapters=("tts",))


def test_a_codec_and_its_profile_come_and_go_without_a_restart(tmp_path: Path) -> None:
    inventory = LiveInventory(KUPANG)
    additions = InventoryAdditions(tmp_path, inventory)
    path = save_codec(tmp_path, CODEC, KUPANG.codecs)
    save_profile(tmp_path, PROFILE, KUPANG.profiles)
    assert additions.refresh()
    assert inventory.current().codecs == {"acme": CODEC}
    assert inventory.current().profiles["acme"] == PROFILE
    path.unlink()
    assert additions.refresh()
    assert inventory.current().codecs == {}
    assert "acme" not in inventory.current().profiles
    save_codec(tmp_path, CODEC, KUPANG.codecs)
    assert additions.refresh()
    assert inventory.current().profiles["acme"] == PROFILE
    assert not additions.refresh()


def test_a_changed_codec_is_the_one_in_force(tmp_path: Path) -> None:
    inventory = LiveInventory(KUPANG)
    additions = InventoryAdditions(tmp_path, inventory)
    path = save_codec(tmp_path, CODEC, ())
    additions.refresh()
    path.write_text("function Decode(port, bytes) { return { n: 22 }; }")
    assert additions.refresh()
    assert "n: 22" in inventory.current().codecs["acme"].source


def test_a_wrong_file_costs_itself(tmp_path: Path) -> None:
    save_codec(tmp_path, CODEC, ())
    folder = tmp_path / "codecs"
    (folder / "Two Words.js").write_text("x")
    (folder / "large.js").write_bytes(b" " * (SOURCE_MAX_BYTES + 1))
    (folder / "folder.js").mkdir()
    (folder / "nowhere.js").symlink_to(folder / "absent")
    inventory = LiveInventory(KUPANG)
    InventoryAdditions(tmp_path, inventory)
    assert set(inventory.current().codecs) == {"acme"}
    for name in ("Two Words", "large", "folder", "nowhere"):
        with pytest.raises(InventoryError, match=r"codecs/.*\.js"):
            read_saved_codec(folder / f"{name}.js", ())


def test_a_codec_of_the_citys_folder_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(NameTakenError):
        save_codec(tmp_path, CODEC, {"acme"})
    path = save_codec(tmp_path, CODEC, ())
    with pytest.raises(NameTakenError):
        save_codec(tmp_path, CODEC, ())
    with pytest.raises(InventoryError, match="own folder has a codec"):
        read_saved_codec(path, {"acme"})


@pytest.mark.parametrize("name", ["", "..", "../x", "Two Words", "a/b", "x" * 200])
def test_a_name_that_is_none_writes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(InventoryError):
        save_codec(tmp_path, Codec(name, "x"), ())
    assert not list(tmp_path.rglob("*.js"))


def test_a_script_that_is_too_large_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="1024 KiB"):
        save_codec(tmp_path, Codec("acme", "x" * (SOURCE_MAX_BYTES + 1)), ())
    assert not (tmp_path / "codecs").exists()
