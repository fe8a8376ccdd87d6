"""Examples that makers publish give what docs/profiles.md says; each profile has one, or is said to have none."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from city.inventory.profiles import builtin_profiles
from ingest.decoding.field_mapping import read_fields
from tests.support.brokers import ROOT
from tests.support.decoding import city_of

PAGE: Final = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8").partition("## Units, held against")[2]
ROWS: Final = re.findall(r"^\| ([\w-]+) \| ([^|]+) \| `(\{.*\})` \| ([^|]+) \|$", PAGE, re.MULTILINE)
UNVERIFIED: Final = set(re.findall(r"`([\w-]+)`", PAGE.partition("Nothing published")[2]))


@pytest.mark.parametrize(
    ("profile", "example", "stored"), [(name, example, stored) for name, _, example, stored in ROWS]
)
def test_an_example_of_its_maker_gives_the_value_of_the_page(profile: str, example: str, stored: str) -> None:
    values, refused = read_fields(city_of().profiles[profile], json.loads(example))
    assert values == pytest.approx({name: json.loads(number) for name, number in map(str.split, stored.split(", "))})
    assert not refused


def test_no_profile_is_without_an_example_unless_the_page_says_so() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in builtin_profiles()}
    mapped = {name for name, text in texts.items() if "[fields]" in text and "\nextends" not in text}
    assert mapped == ({name for name, *_ in ROWS} | UNVERIFIED) & mapped
    assert texts.keys() >= UNVERIFIED
