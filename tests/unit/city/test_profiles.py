"""Device profiles: every file that comes with the project, and what a mistake in one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.inventory.loader import builtin_city, load_city
from city.inventory.problems import InventoryProblem
from city.inventory.profiles import builtin_profiles, is_match, read_profiles, suggest
from ingest.decoding.formats.registry import ADAPTERS, DECODERS

PROFILES = load_city(builtin_city("kupang")).profiles


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_names_adapters_and_decoders_that_exist(name: str) -> None:
    profile = PROFILES[name]
    assert profile.adapters, "how would it be heard?"
    assert set(profile.adapters) <= {adapter.name for adapter in ADAPTERS} | {
        "netjson",
        "unifi",
        "omada",
        "radius",
        "collectd",
    }
    assert profile.frames in (*DECODERS, "")
    assert profile.name != name


def test_every_decoder_is_used_by_a_profile_and_every_model_is_named_once() -> None:
    assert {profile.frames for profile in PROFILES.values()} == {*DECODERS, ""}
    names = [name for profile in PROFILES.values() for name in profile.matches]
    assert len(names) == len(set(names))
    assert len(PROFILES) == len(builtin_profiles())


def written(tmp_path: Path, **files: str) -> tuple[dict[str, object], list[str]]:
    for name, text in files.items():
        (tmp_path / f"{name.replace('_', '-')}.toml").write_text(text)
    problems: list[InventoryProblem] = []
    found = read_profiles(tmp_path, problems)
    return dict(found), [str(problem) for problem in problems]


def test_a_new_model_is_a_new_file_and_extends_takes_a_part_over(tmp_path: Path) -> None:
    found, lines = written(
        tmp_path,
        our_truck='extends = "teltonika-truck"\nname = "Ours"\n[fields]\npto = { source = ["4"] }\n',
    )
    assert lines == []
    ours, base = found["our-truck"], PROFILES["teltonika-truck"]
    assert ours.fields["pto"].source == ("4",)  # type: ignore[attr-defined]
    assert ours.fields["lift_arm"] == base.fields["lift_arm"]  # type: ignore[attr-defined]
    assert (ours.adapters, ours.name) == (base.adapters, "Ours")  # type: ignore[attr-defined]


def test_a_citys_own_profile_wins(tmp_path: Path) -> None:
    found, lines = written(tmp_path, owntracks_truck='kind = "truck"\nname = "Ours"\nadapters = ["owntracks"]\n')
    assert lines == []
    assert found["owntracks-truck"].name == "Ours"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('kind = "boat"', "kind: 'boat' is not one of"),
        ('extends = "nobody"\nkind = "bin"', "extends: there is no profile 'nobody'"),
        ('extends = "mine"\nkind = "bin"', "extends: 'mine' extends itself"),
        ('kind = "bin"\n[fields]\nspeed_kmh = { source = ["v"] }', "speed_kmh: a bin has no such field"),
        ('kind = "bin"\n[fields]\nfill_pct = { source = [] }', "source: names no path"),
        ('kind = "bin"\n[fields]\nfill_pct = { }', "source: is missing"),
        ('kind = "bin"\n[fields]\ndistance_mm = { source = ["d"], unit = "bar" }', "unit: 'bar' is no unit; known: mm"),
        ('kind = "bin"\n[fields]\ndistance_mm = { source = ["d"], unit = "kg" }', "unit: 'kg' cannot become 'mm'"),
        ('kind = "bin"\n[fields]\ndistance_mm = { source = ["d [s]"] }', "source: 's' cannot become 'mm'"),
        ('kind = "bin"\n[fields]\nfill_pct = { source = ["d"], percent_of = "half" }', "percent_of: 'half' is not one"),
        ('kind = "bin"\n[events]\ndumping = { source = ["d"] }', "dumping: a bin has no such event"),
        (
            'kind = "bin"\ngeometry = { dead_zone_mm = 50, range_mm = 20 }',
            "dead_zone_mm: 50 is not below range_mm = 20",
        ),
        ('kind = "bin"\nfeilds = 3', "feilds: unknown field"),
        ("kind = ", "Invalid value"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, reason: str) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    _, lines = written(folder, mine=text)
    assert any(line.startswith("profiles/mine.toml") and reason in line for line in lines), lines


@pytest.mark.parametrize(
    ("adapter", "model", "first"),
    [
        ("tts", "milesight-iot/em310-udl", "milesight-em310-udl"),
        ("chirpstack", "EM400-MUD", "milesight-em400-mud"),
        ("chirpstack", "Bin sensors DF703", "dingtek-df703"),
        ("chirpstack", "Dragino LDDS75", "dragino-ldds75"),
        ("tts", "dragino/dds45-lb", "dragino-ldds45"),
    ],
)
def test_a_model_suggests_its_profile(adapter: str, model: str, first: str) -> None:
    found = suggest(PROFILES.values(), adapter, model)
    assert found[0].id == first
    assert is_match(found[0], model)
    assert all(adapter in profile.adapters for profile in found)


def test_an_unknown_model_suggests_what_its_adapter_can_be() -> None:
    found = suggest(PROFILES.values(), "owntracks", "")
    assert [profile.id for profile in found] == ["owntracks-truck"]
    assert not is_match(found[0], "")
