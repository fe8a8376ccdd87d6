"""The pages about other makers' devices: every adapter has one, and what they show can be done."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from city.inventory.loader import builtin_city, load_city
from ingest.decoding.adapters.registry import ADAPTERS
from ingest.decoding.frames.registry import DECODERS
from tests.support.brokers import ROOT

DOCS = ROOT / "docs"


def test_every_adapter_has_a_page_and_every_page_an_adapter() -> None:
    pages = {path.stem for path in (DOCS / "adapters").glob("*.md")}
    assert pages == {adapter.name for adapter in ADAPTERS}


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)
def test_a_page_says_how_to_connect_and_the_overview_leads_to_it(adapter: object) -> None:
    name = adapter.name  # type: ignore[attr-defined]
    page = (DOCS / "adapters" / f"{name}.md").read_text(encoding="utf-8")
    assert f"| adapter | `{name}` |" in page
    assert "## Connect it" in page
    overview = (DOCS / "adapters.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in overview
    assert f"(adapters/{name}.md)" in overview


def test_every_topic_a_page_names_is_read_by_its_adapter() -> None:
    for adapter in ADAPTERS:
        page = (DOCS / "adapters" / f"{adapter.name}.md").read_text(encoding="utf-8")
        (row,) = re.findall(r"^\| topics? \| (.*) \|$", page, re.MULTILINE)
        named = re.findall(r"`([^`]+)`", row)
        for topic in [one for one in named if "{" in one and "/" in one and "..." not in one] or named:
            assert adapter.claims(re.sub(r"\{[^}]*\}", "359632104100200", topic).split("/")), (adapter.name, topic)


def test_links_between_pages_lead_somewhere() -> None:
    for page in DOCS.rglob("*.md"):
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
