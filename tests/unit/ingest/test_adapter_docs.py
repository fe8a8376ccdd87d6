"""The pages about other makers' devices: every format has one, and what they show can be done."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from city.inventory.device_topics import OWN_TOPICS
from city.inventory.loader import builtin_city, load_city
from city.inventory.profiles import FORMATS
from ingest.decoding.formats.registry import ADAPTERS, DECODERS, FOLDERS
from tests.support.brokers import ROOT

DOCS = ROOT / "docs"
OVERVIEW = DOCS / "adapters.md"


def page_of(folder: str) -> str:
    return (FORMATS / folder / "README.md").read_text(encoding="utf-8")


def decoders_of(folder: str) -> list[str]:
    return [name for name, decoder in DECODERS.items() if decoder.__module__.split(".")[-2] == folder]  # type: ignore[attr-defined]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_has_a_page_and_a_makers_names_its_decoders_and_profiles(folder: str) -> None:
    page = page_of(folder)
    assert page.startswith("# ")
    if (FORMATS / folder / "frames.py").is_file():
        for name in (*decoders_of(folder), *(path.stem for path in (FORMATS / folder / "profiles").glob("*.toml"))):
            assert f"`{name}`" in page


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)
def test_a_page_says_how_to_connect_and_the_overview_leads_to_it(adapter: object) -> None:
    name = adapter.name  # type: ignore[attr-defined]
    page = page_of(name)
    assert f"| adapter | `{name}` |" in page
    assert "## Connect it" in page
    overview = OVERVIEW.read_text(encoding="utf-8")
    assert f"| `{name}` |" in overview
    assert f"(../ingest/decoding/formats/{name}/README.md)" in overview


def test_the_overview_has_every_adapter_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", OVERVIEW.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(adapter.name for adapter in ADAPTERS)


def test_the_overview_names_the_formats_that_devices_speak_themselves() -> None:
    (names,) = re.findall(r"for this device alone: ([^.]*)\.", OVERVIEW.read_text(encoding="utf-8"))
    assert re.findall(r"`(\w+)`", names) == sorted(OWN_TOPICS)


def test_every_topic_a_page_names_is_read_by_its_adapter() -> None:
    for adapter in ADAPTERS:
        (row,) = re.findall(r"^\| topics? \| (.*) \|$", page_of(adapter.name), re.MULTILINE)
        named = re.findall(r"`([^`]+)`", row)
        for topic in [
            pattern for pattern in named if "{" in pattern and "/" in pattern and "..." not in pattern
        ] or named:
            assert adapter.claims(re.sub(r"\{[^}]*\}", "359632104100200", topic).split("/")), (adapter.name, topic)


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *FORMATS.rglob("*.md")]
    assert len(pages) > len(FOLDERS)
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_profile_of_the_page_is_one(tmp_path: Path) -> None:
    text = (DOCS / "profiles.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    folder = tmp_path / "kupang"
    shutil.copytree(builtin_city("kupang"), folder)
    (folder / "profiles").mkdir()
    (folder / "profiles" / "maker-model.toml").write_text(example, encoding="utf-8")
    assert load_city(folder).profiles["maker-model"].name == "Maker Model"
    for name in DECODERS:
        assert f"`{name}`" in text
